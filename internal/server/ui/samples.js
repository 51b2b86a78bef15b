// Late events and dead letters: the last of them, with what was wrong.
import { byId, el, keyed, setText } from "./dom.js";
import { clock, count, duration } from "./format.js";

const shown = 40;
const longestText = 4000;

const place = (s) => (s ? `${s.topic ?? s.path ?? ""}${s.topic ? `/${s.partition}` : ""} @ ${s.offset}` : "");

const short = (text) => (text.length > longestText ? `${text.slice(0, longestText)} …` : text);

const makeSample = () => el("li", {}, el("p", { class: "sample-head" }, el("strong"), " ", el("span")), el("pre", { tabindex: "0" }));

function show(list, rows, head, more, body) {
  const newest = rows.slice(-shown).reverse();
  keyed(list, newest, (r) => `${place(r.source)} ${r.query ?? ""}`, makeSample, (node, r) => {
    setText(node.children[0].children[0], head(r));
    setText(node.children[0].children[1], more(r));
    setText(node.children[1], short(body(r)));
  });
}

function lateNote(answer, error) {
  if (error) return `They cannot be had: ${error}.`;
  if (!answer?.total) return "No event has come too late.";
  return `${count(answer.total)} came after their windows were past the allowed lateness. The last of them:`;
}

function deadNote(answer, byReason, error) {
  if (error) return `They cannot be had: ${error}.`;
  const reasons = Object.entries(byReason ?? {}).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  if (reasons.length > 0) return `${reasons.map(([reason, n]) => `${count(n)} ${reason.replaceAll("_", " ")}`).join(", ")}. The last of them:`;
  return answer?.total ? `${count(answer.total)} records were no events. The last of them:` : "Every record was an event.";
}

export function samples() {
  const late = part("late");
  const dead = part("dead");
  return ({ late: lateRows, dead: deadRows, status, errors }) => {
    setText(late.note, lateNote(lateRows, errors.late));
    show(late.list, lateRows?.rows ?? [], (r) => `${duration((r.late_by_ms ?? 0) / 1000)} late`, (r) => `for ${r.query}, ${clock(r.timestamp)} · ${place(r.source)}`, (r) => JSON.stringify(r.event) ?? "");
    setText(dead.note, deadNote(deadRows, status?.dead_by_reason, errors.dead));
    show(dead.list, deadRows?.rows ?? [], (r) => (r.reason ?? "").replaceAll("_", " "), (r) => `${r.error ?? ""} · ${place(r.source)}`, (r) => r.raw ?? "");
  };
}

function part(id) {
  const note = el("p", { class: "note" });
  const list = el("ul", { class: "samples" });
  byId(id).append(note, list);
  return { note, list };
}
