// The results of one query that this page remembers. Everything has a bound:
// a page may stay open for weeks.
import { matches, seconds } from "./format.js";

export const maxKeys = 300;
const maxPoints = 180;
const maxRecent = 300;
const goneAfter = 5; // windows without a key

export class History {
  constructor() {
    this.series = new Map(); // text of the key → {key, points by x}
    this.recent = new Map(); // id → row, oldest first
    this.refused = false; // there were more keys than fit
    this.filter = "";
    this.ends = []; // the newest ends of windows, to see which keys are gone
    this.version = 0;
  }

  // load puts rows of the past before what the stream has brought meanwhile.
  load(rows) {
    const live = [...this.recent.values()];
    this.recent.clear();
    for (const row of rows) this.add(row);
    for (const row of live) this.remember(row);
  }

  add(row) {
    this.version++;
    this.remember(row);
    const x = seconds(row.window_end) ?? seconds(row.emitted_at);
    if (x === null) return;
    const series = this.find(row.key, x);
    if (series) place(series.points, { x, id: row.window_id, firing: row.firing, values: row.values });
  }

  remember(row) {
    this.recent.set(row.id, row);
    if (this.recent.size > maxRecent) this.recent.delete(this.leastWanted());
  }

  // leastWanted is the oldest row, of those that the filter leaves out if any.
  leastWanted() {
    if (this.filter !== "") {
      for (const [id, row] of this.recent) if (!matches(row.key, this.filter)) return id;
    }
    return this.recent.keys().next().value;
  }

  find(key, x) {
    if (this.ends.length === 0 || x > this.ends.at(-1)) this.ends.push(x);
    if (this.ends.length > goneAfter) this.ends.shift();
    const text = JSON.stringify(key);
    let series = this.series.get(text);
    if (!series) {
      if (this.series.size >= maxKeys && !this.makeRoom(key)) {
        this.refused = true;
        return null;
      }
      series = { text, key, points: [] };
      this.series.set(text, series);
    }
    return series;
  }

  // makeRoom lets a key go for one that is looked for, or one that is gone.
  makeRoom(key) {
    const wanted = this.filter !== "" && matches(key, this.filter);
    for (const [text, { key: other, points }] of this.series) {
      const gone = points.length === 0 || (this.ends.length === goneAfter && points.at(-1).x < this.ends[0]);
      if (gone || (wanted && !matches(other, this.filter))) {
        this.series.delete(text);
        return true;
      }
    }
    return false;
  }
}

// place puts a point where its time is. A later firing of a window takes the
// place of an earlier one; one without values withdraws it.
function place(points, point) {
  const at = points.findLastIndex((p) => p.id === point.id);
  if (at >= 0) {
    if (points[at].firing > point.firing) return;
    points.splice(at, 1);
  }
  if (!point.values) return;
  let i = points.length;
  while (i > 0 && points[i - 1].x > point.x) i--;
  points.splice(i, 0, point);
  if (points.length > maxPoints) points.shift();
}
