// The two tables of a query: rows that have left, windows that are still open.
import { between, count, duration, keyText, keyTitle, matches, span, timingText, value } from "./format.js";
import { table } from "./table.js";

const shownRows = 60;
const shownWindows = 60;

const valueColumns = (q) =>
  (q.values ?? []).map((name, i) => ({
    head: name,
    kind: "number",
    text: (row) => value(row.values?.[name]),
    about: q.functions?.[i],
  }));

const keyColumn = { head: "key", kind: "text", text: (row) => keyText(row.key), title: (row) => keyTitle(row.key) };
const windowColumn = { head: "window", kind: "number", text: (row) => span(row.window_start, row.window_end) };

export function rowTable(q) {
  const grid = table({
    label: `Last rows of ${q.name}`,
    key: (row) => row.id,
    mark: (row) => (row.timing === "on_time" ? "" : "apart"),
    columns: [
      windowColumn,
      keyColumn,
      ...valueColumns(q),
      { head: "timing", text: (row) => `${timingText(row.timing)}${row.partial ? ", partial" : ""}` },
    ],
  });
  return {
    node: grid.node,
    show(history, filter, error) {
      const rows = [...history.recent.values()].filter((row) => matches(row.key, filter)).slice(-shownRows).reverse();
      const words = error ? `The rows of the past cannot be had: ${error}.` : filter ? "No row of such a key." : "None yet.";
      grid.show(rows, words);
    },
  };
}

export function openTable(q) {
  let mark = null;
  const closes = (w) => {
    if (!w.window_end) return "never by the watermark";
    const left = between(mark, w.window_end);
    if (w.closed) return "kept for late events";
    return left === null ? "when there is a watermark" : `in ${duration(Math.max(0, left))}`;
  };
  const grid = table({
    label: `Open windows of ${q.name}`,
    key: (w) => `${w.window_start} ${w.window_end} ${JSON.stringify(w.key)}`,
    mark: (w) => (w.closed ? "faint" : ""),
    columns: [
      windowColumn,
      { head: "closes", text: closes, about: "in event time" },
      keyColumn,
      { head: "events", kind: "number", text: (w) => count(w.events) },
      ...valueColumns(q),
    ],
  });
  return {
    node: grid.node,
    show({ windows, status, errors }, filter) {
      mark = status?.watermark;
      const mine = windows?.query === q.name ? windows.windows ?? [] : null;
      const words = errors.windows ? `They cannot be had: ${errors.windows}.` : mine === null ? "Asking …" : filter ? "None of such a key." : "No window is open: no event has come, or all is closed.";
      grid.show((mine ?? []).filter((w) => matches(w.key, filter)).slice(0, shownWindows), words);
    },
  };
}
