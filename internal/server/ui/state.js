// Epochs, the outbox and checkpoints; and the plan beside it.
import { byId, el, keyed, setShown, setText } from "./dom.js";
import { between, bytes, clock, count, duration } from "./format.js";

function facts({ state: s, now }) {
  const limit = s.outbox_limit > 0 ? ` of ${bytes(s.outbox_limit)}` : "";
  const recovered = s.recovered > 0 ? `epoch ${count(s.recovered)}, in ${duration(s.recovery_seconds)}` : "nothing: a new state";
  return [
    ["store", s.store],
    ["epoch", `${count(s.epoch)}, cut ${duration(between(s.epoch_time, now))} ago`],
    ["its cost", `${duration(s.epoch_seconds)} to be durable, shards stopped ${duration(s.stall_seconds)}`],
    ["its size", `${count(s.epoch_changes)} changes, ${bytes(s.epoch_bytes)}`],
    ["outbox", `${bytes(s.outbox_bytes)}${limit}`],
    ["takes", bytes(s.store_bytes)],
    ["began with", recovered],
    ["checkpoints", `${count(s.checkpoints)} made in this run, ${count(s.checkpoint_failures)} failed${s.checkpoint_time ? `, the last at ${clock(s.checkpoint_time)}` : ""}`],
  ];
}

export function state() {
  const words = el("p", { class: "empty" });
  const list = el("dl", { class: "facts" });
  const meter = el("div", { class: "meter" }, el("i"));
  const kept = el("ol", { class: "checkpoints", "aria-label": "Retained checkpoints, newest first" });
  byId("state").append(words, meter, list, kept);
  const make = () => el("div", {}, el("dt"), el("dd"));
  return ({ status, checkpoints }) => {
    if (!status) return;
    const s = status.state;
    setShown(words, !s);
    setText(words, "State is in memory: open windows do not survive a restart. With state: {backend: pebble} in the configuration they do.");
    setShown(meter, Boolean(s && s.outbox_limit > 0));
    if (s?.outbox_limit > 0) meter.firstChild.style.width = `${Math.min(100, (100 * s.outbox_bytes) / s.outbox_limit)}%`;
    keyed(list, s ? facts(status) : [], ([name]) => name, make, (node, [name, text]) => {
      setText(node.children[0], name);
      setText(node.children[1], text);
    });
    keyed(kept, s ? [...(checkpoints ?? [])].reverse().slice(0, 20) : [], (name) => name, () => el("li"), setText);
  };
}

export function plan() {
  const text = el("pre", { class: "plan", tabindex: "0", "aria-label": "The plan as text" });
  byId("plan").append(text);
  return ({ plan: p, errors }) => setText(text, p ? p.plan : errors.plan ? `The plan cannot be had: ${errors.plan}.` : "");
}
