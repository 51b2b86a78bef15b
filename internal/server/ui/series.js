// From what is remembered of a query to what a chart draws.
import { matches } from "./format.js";

export const maxLines = 8;

const percentile = /^(?:p([\d.]+)|percentile)\((.*?)(?:,\s*([\d.]+))?\)(.*)$/;

// choices are what can be drawn: each aggregate, and each family of percentiles
// of one field as a band.
export function choices(query) {
  const families = new Map();
  const list = (query.values ?? []).map((name, i) => {
    const text = query.functions?.[i] ?? "";
    const found = percentile.exec(text);
    if (found) {
      const field = `${found[2].trim()}${found[4]}`;
      const family = families.get(field) ?? [];
      family.push({ name, level: Number(found[1] ?? found[3]) });
      families.set(field, family);
    }
    return { id: name, label: text ? `${name} — ${text}` : name, names: [name] };
  });
  for (const [field, family] of families) {
    if (family.length < 2) continue;
    family.sort((a, b) => a.level - b.level);
    const names = family.map((f) => f.name);
    list.push({ id: `band ${field}`, label: `p${family[0].level} to p${family.at(-1).level} of ${field}, as a band`, names, band: true });
  }
  return list;
}

const number = (v) => (typeof v === "number" ? v : null);

// pick finds the keys to draw: those with the greatest last values, of those
// that match; or the one in focus. A band is of one key: over one another they
// would say nothing.
export function pick(history, choice, filter, focus) {
  const name = choice.names.at(-1);
  const found = [];
  for (const s of history.series.values()) {
    const last = s.points.at(-1);
    if (last && matches(s.key, filter)) found.push({ ...s, last, value: number(last.values[name]) });
  }
  found.sort((a, b) => (b.value ?? -Infinity) - (a.value ?? -Infinity) || (a.text < b.text ? -1 : 1));
  const shown = found.slice(0, maxLines);
  const focused = found.find((s) => s.text === focus);
  if (focused && !shown.includes(focused)) shown.splice(-1, 1, focused);
  const alone = focused ?? (choice.band ? shown[0] : undefined);
  return { shown, drawn: alone ? [alone] : shown, total: found.length };
}

// columns are the chart's: times, then for each key each of the names.
export function columns(drawn, names) {
  const times = [...new Set(drawn.flatMap((s) => s.points.map((p) => p.x)))].sort((a, b) => a - b);
  const at = new Map(times.map((x, i) => [x, i]));
  const data = [times];
  for (const { points } of drawn) {
    for (const name of names) {
      const column = new Array(times.length).fill(null);
      for (const p of points) column[at.get(p.x)] = number(p.values[name]);
      data.push(column);
    }
  }
  return data;
}
