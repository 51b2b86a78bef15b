// The partitions of the source, and which of them holds event time back.
import { byId, el, setText } from "./dom.js";
import { between, clock, count, duration, plural } from "./format.js";
import { table } from "./table.js";

const shown = 200;
const words = { waiting: "not opened yet", active: "active", idle: "idle", ended: "ended", ahead: "ahead, pausing" };

export function partitions() {
  let now = null;
  const grid = table({
    label: "Partitions",
    key: (p) => p.name,
    mark: (p) => (p.holds ? "holds" : p.status === "idle" || p.status === "ended" ? "faint" : ""),
    empty: "The source has no partitions yet. A topic or a folder that is empty has none; they appear here by themselves.",
    columns: [
      { head: "partition", text: (p) => p.name, title: (p) => p.path || p.topic || null },
      { head: "status", text: (p) => (p.holds ? "holds the watermark" : words[p.status] ?? p.status), title: (p) => words[p.status] ?? p.status },
      { head: "behind", kind: "number", text: (p) => duration(between(p.watermark, now)), title: (p) => `watermark ${clock(p.watermark)}`, about: "how far its watermark is behind the clock" },
      { head: "lag", kind: "number", text: (p) => count(p.lag_records), about: "records that are not read yet" },
      { head: "lag in time", kind: "number", text: (p) => duration(p.lag_seconds) },
      { head: "quiet for", kind: "number", text: (p) => duration(between(p.last_read, now)), about: "since events came last" },
      { head: "events", kind: "number", text: (p) => count(p.events) },
    ],
  });
  const note = el("p", { class: "note" });
  byId("partitions").append(note, grid.node);
  return ({ status }) => {
    if (!status) return;
    now = status.now;
    const all = status.partitions ?? [];
    const first = [...all.filter((p) => p.holds), ...all.filter((p) => !p.holds)].slice(0, shown);
    const kinds = Object.keys(words).map((w) => [w, all.filter((p) => p.status === w).length]);
    const counts = kinds.filter(([, n]) => n > 0).map(([w, n]) => `${count(n)} ${words[w]}`);
    setText(note, all.length ? `${plural(all.length, "partition")}: ${counts.join(", ")}${all.length > shown ? `; the first ${shown} are shown` : ""}.` : "");
    grid.show(first);
  };
}
