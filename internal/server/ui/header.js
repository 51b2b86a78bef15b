// The bar at the top: who, how far, how fast, and whether this is live.
import { byId, el, setAttr, setShown, setText, svg } from "./dom.js";
import { between, clock, duration, rate } from "./format.js";
import { sum } from "./rates.js";

const phases = { starting: "starting", running: "running", paused: "paused", draining: "draining", ended: "ended" };

function figure(label) {
  const value = el("dd");
  const more = el("dd", { class: "more" });
  return { node: el("div", {}, el("dt", {}, label), value, more), value, more };
}

export function header() {
  const events = figure("events/s");
  const rows = figure("rows/s");
  const mark = figure("watermark");
  const line = svg("polyline", { class: "trail-line", points: "" });
  const trail = svg("svg", { class: "trail", width: 72, height: 22, "aria-hidden": "true" }, line);
  events.more.append(trail);
  byId("figures").append(events.node, rows.node, mark.node);
  return (store) => {
    connection(store);
    const s = store.status;
    if (!s) return;
    setText(byId("name"), s.name);
    document.title = `${s.name} · processor`;
    const phase = byId("phase");
    setShown(phase, true);
    setText(phase, phases[s.phase] ?? s.phase);
    setAttr(phase, "data-phase", s.phase);
    setText(events.value, rate(store.rates.of((x) => x.events, 5)));
    setText(rows.value, rate(store.rates.of((x) => (x.queries ?? []).reduce((n, q) => n + sum(q.results), 0), 60)));
    setText(rows.more, "over a minute");
    setText(mark.value, clock(s.watermark));
    setText(mark.more, s.watermark ? `${duration(between(s.watermark, s.now))} behind the clock` : "no event yet");
    setAttr(line, "points", points(store.rates.trail));
  };
}

// points scales the last minute to the small chart.
function points(trail) {
  const top = Math.max(1e-9, ...trail);
  return trail.map((v, i) => `${72 - (trail.length - 1 - i) * 1.2},${(20 - (18 * v) / top).toFixed(1)}`).join(" ");
}

function connection({ connection: c }) {
  const node = byId("connection");
  setAttr(node, "data-state", c.state);
  const words = { live: "live", connecting: "connecting", lost: "reconnecting" };
  setText(node, words[c.state]);
  setAttr(node, "title", c.state === "lost" ? `The stream was lost at ${clock(c.since / 1000)}; the next attempt comes by itself.` : null);
}
