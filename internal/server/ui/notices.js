// What is wrong at present, in words, with what to do.
import { byId, el, keyed, setText } from "./dom.js";
import { between, bytes, clock, count } from "./format.js";
import { missingOf } from "./ledger.js";

const stalledAfter = 60; // seconds
const droppedFor = 60000; // milliseconds that it is told
const dropped = {
  slow: (rows) => `This page was too slow for ${rows} rows and does not show them.`,
  limit: (rows) => `More rows of a query came in a second than the processor shows: ${rows} are left out here.`,
  skipped: (rows) => `There were more rows in an epoch than the pipeline shows: ${rows} are left out here.`,
};

function troubles(store) {
  const found = [];
  const say = (id, what, todo) => found.push({ id, what, todo });
  const s = store.status;
  if (store.connection.state === "lost") {
    say("lost", `No connection since ${clock(store.connection.since / 1000)}; what stands below is of then.`, "The page tries again by itself. Is the processor still running?");
  }
  if (!s) {
    if (store.errors.status) say("status", `The state of the pipeline cannot be read: ${store.errors.status}.`, "Look at the processor's log.");
    return found;
  }
  if (s.source?.since) say("source", `The source does not answer since ${clock(s.source.since)}: ${s.source.error || "no reason given"}.`, "Reading goes on when it does; nothing is lost.");
  for (const sink of s.sinks ?? []) {
    if (sink.failed) say(`sink ${sink.name}`, `Sink ${sink.name} has refused rows for good: ${sink.trouble?.error || "no reason given"}.`, "The run ends. Mend what it says, then start again.");
    else if (sink.trouble?.since) say(`sink ${sink.name}`, `Sink ${sink.name} takes no rows since ${clock(sink.trouble.since)}: ${sink.trouble.error || "no reason given"}.`, "Its rows wait and are tried again.");
  }
  const state = s.state;
  if (state?.outbox_limit > 0 && state.outbox_bytes > 0.9 * state.outbox_limit) {
    say("outbox", `The outbox is nearly full: ${bytes(state.outbox_bytes)} of ${bytes(state.outbox_limit)}.`, "Reading waits for the slowest sink; see Flow for which it is.");
  }
  if (state?.checkpoint_failures > 0) say("checkpoints", `${count(state.checkpoint_failures)} checkpoints of this run could not be made.`, "The processor's log says why.");
  const still = between(s.watermark_since, s.now);
  if (s.phase === "running" && still > stalledAfter && (store.rates.of((x) => x.events, 10) ?? 0) > 0) {
    say("stalled", `The watermark has not moved since ${clock(s.watermark_since)}, though events come.`, s.held_by ? `It is held by ${s.held_by}.` : "See why windows are open.");
  }
  for (const q of s.queries ?? []) {
    const missing = missingOf(q.ledger);
    if (missing !== 0) say(`ledger ${q.name}`, `The ledger of ${q.name} does not add up: ${count(missing)} events are unaccounted for.`, "This is a bug; please report it.");
  }
  for (const [because, sentence] of Object.entries(dropped)) {
    const lost = store.dropped[because];
    if (lost && Date.now() - lost.at < droppedFor) say(`dropped ${because}`, sentence(count(lost.rows)), "The sinks have them all.");
  }
  return found;
}

export function notices() {
  const box = byId("notices");
  const make = () => el("p", {}, el("strong"), " ", el("span"));
  return (store) => {
    keyed(box, troubles(store), (t) => t.id, make, (node, t) => {
      setText(node.children[0], t.what);
      setText(node.children[1], t.todo);
    });
  };
}
