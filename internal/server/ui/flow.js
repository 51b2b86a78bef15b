// The picture of the pipeline: source, queries, sinks, and what runs between
// them at present.
import { byId, keyed, setAttr, setText, svg } from "./dom.js";
import { between, count, duration, plural, rate } from "./format.js";
import { layout } from "./layout.js";
import { queryRows, sinkRows, sum } from "./rates.js";

const glyphWidth = 7.1; // of the titles, about

const cut = (text, width) => {
  const room = Math.max(6, Math.floor(width / glyphWidth));
  return text.length > room ? `${text.slice(0, room - 1)}…` : text;
};

// sourceName is the topic where there is one, else what it is.
function sourceName(partitions) {
  const topics = new Set(partitions.map((p) => p.topic).filter(Boolean));
  if (topics.size === 1) return [...topics][0];
  return topics.size > 1 ? plural(topics.size, "topic") : "source";
}

function sourceBox({ status: s, rates }) {
  const lag = (s.partitions ?? []).reduce((n, p) => (p.lag_records === null ? n : (n ?? 0) + p.lag_records), null);
  const waits = Object.keys(s.waited_seconds ?? {})
    .map((at) => [at, rates.of((x) => x.waited_seconds?.[at] ?? 0, 5) ?? 0])
    .filter(([, r]) => r >= 0.005)
    .sort((a, b) => b[1] - a[1]);
  return {
    id: "source",
    title: sourceName(s.partitions ?? []),
    lines: [
      `${plural(s.partitions?.length ?? 0, "partition")}${lag === null ? "" : `, ${count(lag)} unread`}`,
      s.watermark ? `watermark ${duration(between(s.watermark, s.now))} behind` : "no watermark yet",
      waits.length ? `waits ${waits[0][1].toFixed(2)} s/s for ${waits[0][0]}` : "waits for nothing",
    ],
    bad: s.source?.since ? `no answer for ${duration(between(s.source.since, s.now))}` : "",
    full: s.source?.error,
  };
}

function queryBox(q) {
  return {
    id: `query ${q.name}`,
    title: q.name,
    lines: [q.window, `${plural(q.open_windows, "open window")}`],
    full: `${q.name}: ${q.window}`,
  };
}

function sinkBox(s, now) {
  const waiting = s.behind_epochs > 0 ? `${plural(s.behind_epochs, "epoch")} behind` : s.queued_batches > 0 ? `${plural(s.queued_batches, "batch", "batches")} queued` : "up to date";
  let bad = "";
  if (s.failed) bad = "has refused rows for good";
  else if (s.trouble?.since) bad = `no rows for ${duration(between(s.trouble.since, now))}`;
  return {
    id: `sink ${s.name}`,
    title: s.name,
    lines: [`${s.kind} · ${count(s.rows)} rows`, s.retries > 0 ? `${waiting}, ${plural(s.retries, "retry", "retries")}` : waiting],
    bad,
    full: [`takes ${s.takes.join(", ").replaceAll("_", " ")}${s.queries.length ? ` of ${s.queries.join(", ")}` : ""}`, s.trouble?.error].filter(Boolean).join("\n"),
  };
}

// feeders are the queries whose rows a sink is given, "" the source.
function feeders(s, queries) {
  const from = s.takes.includes("late_events") ? queries.map((q) => q.name) : [...s.queries];
  return s.takes.includes("dead_letters") ? ["", ...from] : from;
}

const makeBox = () =>
  svg("g", { class: "box" }, svg("title"), svg("rect", { rx: 9 }), svg("text", { class: "box-title" }), ...[0, 1, 2].map(() => svg("text", { class: "box-line" })));

function showBox(node, box, place) {
  const [title, rect, head, ...lines] = node.children;
  setAttr(node, "class", `box ${box.id.split(" ")[0]}${box.bad ? " bad" : ""}`);
  setAttr(node, "transform", `translate(${place.x} ${place.y})`);
  setText(title, [box.title, ...box.lines, box.bad, box.full].filter(Boolean).join("\n"));
  setAttr(rect, "width", place.w);
  setAttr(rect, "height", place.h);
  setAttr(head, "x", 14);
  setAttr(head, "y", 24);
  setText(head, cut(box.title, place.w - 28));
  const texts = box.bad ? [`! ${box.bad}`, ...box.lines] : box.lines;
  lines.forEach((line, i) => {
    setAttr(line, "x", 14);
    setAttr(line, "y", 45 + 19 * i);
    setAttr(line, "class", box.bad && i === 0 ? "box-line alarm" : "box-line");
    setText(line, 45 + 19 * i < place.h - 6 ? cut(texts[i] ?? "", place.w - 28) : "");
  });
}

const makeLine = () => svg("g", { class: "line" }, svg("path", { class: "wire" }), svg("path", { class: "pulse" }));

const makeLabel = () => svg("text", { class: "line-label" });

function showLine(node, line) {
  const [wire, pulse] = node.children;
  setAttr(node, "class", line.rate > 0 ? "line busy" : "line");
  setAttr(wire, "d", line.path);
  setAttr(pulse, "d", line.path);
}

// showLabel is apart from its line, as it stands above the boxes.
function showLabel(label, line) {
  setAttr(label, "class", ["line-label", line.rate > 0 ? "busy" : "", line.clear ? "clear" : ""].join(" ").trim());
  setAttr(label, "x", line.x);
  setAttr(label, "y", line.y);
  setAttr(label, "text-anchor", line.anchor);
  setText(label, line.rate === null ? "" : `${rate(line.rate)} ${line.unit}`);
}

export function flow() {
  const lines = svg("g");
  const boxes = svg("g");
  const labels = svg("g");
  const picture = svg("svg", { role: "img", "aria-label": "Flow of the pipeline" }, lines, boxes, labels);
  const frame = byId("flow");
  frame.append(picture);
  return (store) => {
    const { status: s, rates } = store;
    const width = Math.floor(frame.clientWidth);
    if (!s || width === 0) return;
    const queries = s.queries ?? [];
    const sinks = s.sinks ?? [];
    const plan = layout(width, queries.map((q) => q.name), sinks.map((k) => ({ name: k.name, from: feeders(k, queries) })));
    setAttr(picture, "width", width);
    setAttr(picture, "height", plan.height);
    setAttr(picture, "aria-label", describe(store));
    const ledgerOf = (name) => (x) => x.queries?.find((q) => q.name === name)?.ledger?.in_windows ?? 0;
    const runs = [
      ...queries.map((q) => ({ id: `in ${q.name}`, rate: rates.of(ledgerOf(q.name), 5), unit: "events/s" })),
      ...queries.map((q) => ({ id: `out ${q.name}`, rate: rates.of(queryRows(q.name), 60), unit: "rows/s" })),
      ...sinks.map((k) => ({ id: `to ${k.name}`, rate: rates.of(sinkRows(k.name), 60), unit: "rows/s" })),
    ];
    const placed = runs.map((r) => ({ ...r, ...plan.lines.get(r.id) }));
    keyed(lines, placed, (r) => r.id, makeLine, showLine);
    keyed(labels, placed, (r) => r.id, makeLabel, showLabel);
    const all = [sourceBox(store), ...queries.map(queryBox), ...sinks.map((k) => sinkBox(k, s.now))];
    keyed(boxes, all, (b) => b.id, makeBox, (node, b) => showBox(node, b, plan.boxes.get(b.id)));
  };
}

// describe is the picture for who does not see it.
function describe({ status: s, rates }) {
  const sinks = (s.sinks ?? []).map((k) => `${k.name}${k.failed || k.trouble?.since ? " in trouble" : ""}`).join(", ");
  return `The source reads ${rate(rates.of((x) => x.events, 5))} events a second for ${plural(s.queries?.length ?? 0, "query", "queries")}; ${count((s.queries ?? []).reduce((n, q) => n + sum(q.results), 0))} rows so far go to ${sinks || "no sink"}.`;
}
