// The few things that can be done from here. They need the server's token,
// which stays in this tab and goes when it is closed.
import { act } from "./api.js";
import { byId, el, setText } from "./dom.js";
import { store } from "./store.js";

const name = "processor-token";

function remembered() {
  try {
    return sessionStorage.getItem(name) ?? "";
  } catch {
    return "";
  }
}

function remember(token) {
  try {
    sessionStorage.setItem(name, token);
  } catch {
    // Then it is asked for again.
  }
}

// menu returns a function to call when something may have changed.
export function menu(changed) {
  const dialog = byId("menu");
  const token = el("input", { id: "token", type: "password", autocomplete: "off", spellcheck: "false", value: remembered() });
  const level = el("select", { id: "level" }, ...["debug", "info", "warn", "error"].map((l) => el("option", { value: l }, l)));
  const outcome = el("p", { class: "outcome", role: "status" });

  const run = async (what, method, path, body) => {
    if (token.value === "") {
      setText(outcome, "It needs the token that the configuration has as server.token.");
      token.focus();
      return;
    }
    remember(token.value);
    setText(outcome, `${what} …`);
    try {
      const answer = await act(method, path, token.value, body);
      setText(outcome, `Done: ${what}${answer.checkpoint ? ` ${answer.checkpoint}` : ""}.`);
      changed();
    } catch (error) {
      setText(outcome, `Not done: ${error.message}.`);
    }
  };
  const button = (text, id, f) => el("button", { type: "button", id, on: { click: f } }, text);
  const pause = button("Pause reading", "pause", () => run("pause", "POST", "pause"));
  const resume = button("Resume reading", "resume", () => run("resume", "POST", "resume"));
  const checkpoint = button("Make a checkpoint", "checkpoint", () => run("checkpoint", "POST", "checkpoints"));
  level.addEventListener("change", () => run(`log level ${level.value}`, "PUT", "log/level", { level: level.value }));

  dialog.append(
    el("div", { class: "menu-head" }, el("h2", { id: "menu-title" }, "Actions"), button("Close", "menu-close", () => dialog.close())),
    el("label", { for: "token" }, "Token", token),
    el("p", { class: "note" }, "Kept in this tab only."),
    el("div", { class: "menu-buttons" }, pause, resume, checkpoint),
    el("label", { for: "level" }, "Log level", level),
    outcome,
  );
  byId("actions").addEventListener("click", () => {
    setText(outcome, "");
    level.value = store.level ?? "info";
    dialog.showModal();
    token.focus();
  });
  return () => {
    pause.disabled = store.status?.phase !== "running";
    resume.disabled = store.status?.phase !== "paused";
    checkpoint.disabled = !store.status?.state;
  };
}
