// One query at a time: its chart, its last rows and what is still open.
import { Chart } from "./chart.js";
import { byId, el, keyed, setShown, setText } from "./dom.js";
import { bytes, count, plural, timingText, value } from "./format.js";
import { maxKeys } from "./history.js";
import { legend } from "./legend.js";
import { rowTable, openTable } from "./querytables.js";
import { choices, columns, pick } from "./series.js";
import { historyOf, store } from "./store.js";
import { tabs } from "./tabs.js";
import { isDark } from "./theme.js";

const chosen = new Map(); // query → choice, so that tabs keep theirs

function summary(q) {
  const rows = Object.entries(q.results ?? {}).filter(([, n]) => n > 0).map(([timing, n]) => `${count(n)} ${timingText(timing)}`);
  return [
    q.window,
    q.keys?.length ? `by ${q.keys.join(", ")}` : "one group",
    plural(q.open_windows, "open window"),
    plural(q.live_keys, "key"),
    `about ${bytes(q.state_bytes)}`,
    rows.length ? `rows: ${rows.join(", ")}` : "no rows yet",
  ].join(" · ");
}

// queries calls on.query(name) and on.filter(text) for who brings the data.
export function queries(on, changed) {
  const ui = build();
  const state = { filter: "", focus: "", cursor: null, shape: "", drawn: "", rows: null, open: null };
  const top = tabs("Queries", "query-panel", (name) => {
    state.focus = "";
    on.query(name);
  });
  const keys = legend((text) => {
    state.focus = state.focus === text ? "" : text;
    changed();
  });
  const chart = new Chart(ui.plot, (index) => {
    state.cursor = index;
    showLegend();
  });
  let showLegend = () => {};
  ui.chartBox.append(keys.node);
  byId("queries").append(top.node, ui.panel, ui.none);

  ui.filter.addEventListener("input", () => {
    state.filter = ui.filter.value.trim().toLowerCase();
    on.filter(ui.filter.value.trim());
    changed();
  });
  ui.choice.addEventListener("change", () => {
    chosen.set(store.query, ui.choice.value);
    changed();
  });

  const reshape = (q) => {
    const shape = JSON.stringify([q.name, q.values, q.functions, q.keys]);
    if (state.shape === shape) return;
    state.shape = shape;
    state.rows?.node.remove();
    state.open?.node.remove();
    state.rows = rowTable(q);
    state.open = openTable(q);
    ui.split.classList.toggle("wide", (q.values ?? []).length > 3);
    ui.rows.append(state.rows.node);
    ui.open.append(state.open.node);
    keyed(ui.choice, choices(q), (c) => c.id, (c) => el("option", { value: c.id }), (node, c) => setText(node, c.label));
    ui.choice.value = chosen.get(q.name) ?? ui.choice.options[0]?.value;
  };

  const draw = (q, history) => {
    const choice = choices(q).find((c) => c.id === ui.choice.value);
    if (!choice) return;
    const signature = JSON.stringify([q.name, choice.id, state.filter, state.focus, history.version, isDark(), ui.plot.clientWidth]);
    if (state.drawn === signature) return;
    state.drawn = signature;
    const found = pick(history, choice, state.filter, state.focus);
    const drawn = found.drawn.map((s) => ({ text: s.text, points: s.points, place: found.shown.indexOf(s) }));
    const data = columns(drawn, choice.names);
    setShown(ui.chartBox, found.total > 0);
    setShown(ui.nothing, found.total === 0);
    setText(ui.nothing, emptyWords(state.filter, history));
    setText(ui.more, moreWords(found, history));
    ui.plot.setAttribute("aria-label", `${choice.label} over windows, for ${plural(drawn.length, "key")}; the values are in the table of last rows.`);
    if (found.total === 0) {
      chart.clear();
      return;
    }
    chart.show({ data, drawn, names: choice.names, gaps: q.window.startsWith("session"), theme: isDark() });
    showLegend = () => keys.show(legendItems(found, choice, state, data));
    showLegend();
  };

  return (s) => {
    const all = s.status?.queries ?? [];
    const q = all.find((x) => x.name === s.query);
    setShown(ui.panel, Boolean(q));
    setShown(ui.none, !q);
    setText(ui.none, s.status ? "This pipeline has no queries." : "Waiting for the pipeline's state …");
    if (!q) return;
    ui.panel.setAttribute("aria-label", q.name);
    top.show(all.map((x) => x.name), q.name);
    reshape(q);
    const history = historyOf(q.name);
    history.filter = state.filter;
    setText(ui.summary, summary(q));
    draw(q, history);
    state.rows.show(history, state.filter, s.errors.results);
    state.open.show(s, state.filter);
  };
}

function legendItems(found, choice, state, data) {
  const time = state.cursor === null ? null : data[0][state.cursor];
  return found.shown.map((s, place) => {
    const point = time === null || time === undefined ? s.last : s.points.find((p) => p.x === time);
    const on = found.drawn.includes(s);
    const names = on ? choice.names : choice.names.slice(-1);
    const values = names.map((name) => value(point?.values[name])).join(" / ");
    return { text: s.text, key: s.key, place, value: values, on, alone: on && found.drawn.length === 1 };
  });
}

function emptyWords(filter, history) {
  if (filter) return "No key that this page knows has this text.";
  if (history.recent.size > 0) return "The last rows were all withdrawn.";
  return "No window has closed yet. The first row comes when the watermark passes a window's end; below stands why windows are open.";
}

function moreWords(found, history) {
  const words = [];
  const rest = found.total - found.shown.length;
  if (rest > 0) words.push(`The ${found.shown.length} keys with the greatest last values; ${plural(rest, "other")}: filter to see them.`);
  if (history.refused) words.push(`This page keeps ${maxKeys} keys of a query; there are more.`);
  return words.join(" ");
}

function build() {
  const choice = el("select", { id: "aggregate" });
  const filter = el("input", { id: "filter", type: "search", placeholder: "text in a key", autocomplete: "off", spellcheck: "false" });
  const parts = {
    choice,
    filter,
    summary: el("p", { class: "note", id: "query-summary" }),
    plot: el("div", { class: "plot", role: "img", "aria-label": "Chart" }),
    nothing: el("p", { class: "empty" }),
    more: el("p", { class: "note" }),
    rows: el("div", { class: "rows" }, el("h3", {}, "Last rows")),
    open: el("div", { class: "open" }, el("h3", {}, "Still open")),
    none: el("p", { class: "empty" }),
  };
  parts.chartBox = el("div", { class: "chart" }, parts.plot);
  parts.split = el("div", { class: "split" }, parts.rows, parts.open);
  parts.panel = el(
    "div",
    { id: "query-panel", role: "tabpanel" },
    el("div", { class: "toolbar" }, el("label", { for: "aggregate" }, "Show", choice), el("label", { for: "filter" }, "Keys with", filter)),
    parts.summary,
    parts.chartBox,
    parts.nothing,
    parts.more,
    parts.split,
  );
  return parts;
}
