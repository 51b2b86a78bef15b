// Numbers, times and keys as texts.

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1, minimumFractionDigits: 0 });
const precise = new Intl.NumberFormat("en", { maximumSignificantDigits: 5 });

export const none = "–";

export function count(n) {
  if (n === null || n === undefined) return none;
  return Math.abs(n) < 1e7 ? grouped.format(n) : compact.format(n);
}

export function rate(n) {
  if (n === null || n === undefined || !Number.isFinite(n)) return none;
  if (n >= 10000) return compact.format(n);
  if (n >= 100) return grouped.format(n);
  if (n === 0) return "0";
  return n < 0.01 ? "<0.01" : n.toFixed(n < 1 ? 2 : 1);
}

// value is one of a result: whatever JSON has.
export function value(v) {
  if (v === null || v === undefined) return none;
  if (typeof v === "number") {
    if (Number.isInteger(v)) return count(v);
    return Math.abs(v) >= 1e7 ? compact.format(v) : precise.format(v);
  }
  return typeof v === "string" ? v : JSON.stringify(v);
}

// axis is short: it stands beside a chart.
export function axis(n) {
  if (n === null || n === undefined) return "";
  return Math.abs(n) >= 10000 ? compact.format(n) : precise.format(n);
}

export function duration(s) {
  if (s === null || s === undefined || !Number.isFinite(s)) return none;
  if (s < 0) return `−${duration(-s)}`;
  if (s < 1) return s < 0.001 ? "0 s" : `${Math.round(s * 1000)} ms`;
  if (s < 60) return `${s.toFixed(1)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export function bytes(n) {
  if (n === null || n === undefined || n < 0) return none;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return `${i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}

// seconds of a time as the API writes it; null stays null.
export function seconds(time) {
  const ms = time ? Date.parse(time) : NaN;
  return Number.isNaN(ms) ? null : ms / 1000;
}

export function between(from, to) {
  const a = seconds(from);
  const b = seconds(to);
  return a === null || b === null ? null : b - a;
}

// clock is the time of day, with the day where it is not today's.
export function clock(time) {
  const s = typeof time === "number" ? time : seconds(time);
  if (s === null) return none;
  const iso = new Date(s * 1000).toISOString();
  const day = iso.slice(0, 10);
  const at = iso.slice(11, 19);
  return day === new Date().toISOString().slice(0, 10) ? at : `${day} ${at}`;
}

export function span(start, end) {
  if (!start && !end) return "all of time";
  let from = clock(start);
  let to = clock(end);
  if (from.endsWith(":00") && to.endsWith(":00")) [from, to] = [from.slice(0, -3), to.slice(0, -3)];
  return from.length > 8 && from.slice(0, 10) === to.slice(0, 10) ? `${from} – ${to.slice(11)}` : `${from} – ${to}`;
}

// keyText is the values alone, keyTitle the fields with them.
export function keyText(key) {
  const values = Object.values(key ?? {});
  return values.length === 0 ? "(all)" : values.map(keyPart).join(" · ");
}

export function keyTitle(key) {
  const fields = Object.entries(key ?? {});
  return fields.length === 0 ? "one group" : fields.map(([name, v]) => `${name} = ${keyPart(v)}`).join("\n");
}

function keyPart(v) {
  if (v === "") return "(empty)";
  return typeof v === "string" ? v : JSON.stringify(v);
}

export function matches(key, filter) {
  return filter === "" || keyText(key).toLowerCase().includes(filter);
}

const timings = { on_time: "on time", early: "early", late: "correction", retract: "withdrawn" };

export const timingText = (timing) => timings[timing] ?? timing;

export function plural(n, one, many) {
  return `${count(n)} ${n === 1 ? one : many ?? `${one}s`}`;
}
