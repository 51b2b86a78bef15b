// Why windows are open: the answer in a sentence, what holds them, and how far
// each is from closing.
import { byId, el, setShown, setText } from "./dom.js";
import { between, count, duration, span } from "./format.js";
import { table } from "./table.js";

// closing says what a group waits for.
export function closing({ closed, missing_seconds: missing, closes_at_watermark: at }) {
  if (!at) return "never by the watermark";
  if (missing < 0) return "when there is a watermark";
  return `${closed ? "forgotten" : "closes"} in ${duration(missing)}`;
}

export function why() {
  const reason = el("p", { class: "reason" });
  const facts = el("p", { class: "note" });
  const grid = table({
    label: "Open windows of all queries, those that close next first",
    key: (w) => `${w.query} ${w.window_start} ${w.window_end}`,
    mark: (w) => (w.closed ? "faint" : ""),
    empty: "No window is open.",
    columns: [
      { head: "query", text: (w) => w.query },
      { head: "in event time", text: closing },
      { head: "window", kind: "number", text: (w) => span(w.window_start, w.window_end) },
      { head: "keys", kind: "number", text: (w) => count(w.keys) },
      { head: "events", kind: "number", text: (w) => (w.events > 0 ? count(w.events) : "–") },
    ],
  });
  byId("why").append(reason, facts, grid.node);
  return ({ why: answer, errors }) => {
    if (!answer) {
      setText(reason, errors.why ? `The answer cannot be had: ${errors.why}.` : "Asking …");
      setShown(grid.node, false);
      return;
    }
    setText(reason, answer.reason || "No window is open.");
    const holder = answer.holder ? `Held by ${answer.holder.name}` : "No partition counts at present";
    const still = between(answer.watermark_since, answer.now);
    setText(facts, `${holder}; up to ${duration(answer.max_out_of_orderness_seconds)} of disorder are waited for${still === null ? "" : `; the watermark moved ${duration(still)} ago`}. ${answer.total > 0 ? `${count(answer.total)} open, next first.` : ""}`);
    setShown(grid.node, answer.total > 0);
    if (answer.unseen) setText(facts, `The windows cannot be seen: ${answer.unseen}.`);
    grid.show(answer.windows ?? []);
  };
}
