// Rates, from counters of a run in successive snapshots.

const kept = 61;

export class Rates {
  constructor() {
    this.snapshots = [];
    this.trail = []; // events a second, for the small chart
  }

  add(status) {
    const now = Date.parse(status.now) / 1000;
    const last = this.snapshots.at(-1);
    // Another run counts from nothing.
    if (last && (status.started !== last.status.started || now < last.now)) this.snapshots = [];
    else if (last && now === last.now) return;
    this.snapshots.push({ now, status });
    if (this.snapshots.length > kept) this.snapshots.shift();
    if (this.snapshots.length > 1) {
      this.trail.push(this.of((s) => s.events, 3));
      if (this.trail.length > kept) this.trail.shift();
    }
  }

  // of is the rate of a counter over about so many seconds; null if unknown.
  of(counter, over) {
    const last = this.snapshots.at(-1);
    if (!last || this.snapshots.length < 2) return null;
    const first = this.snapshots.find((s) => s.now >= last.now - over - 0.5) ?? this.snapshots[0];
    const from = first === last ? this.snapshots.at(-2) : first;
    const passed = last.now - from.now;
    return passed > 0 ? Math.max(0, (counter(last.status) - counter(from.status)) / passed) : null;
  }
}

export const sum = (counters) => Object.values(counters ?? {}).reduce((a, b) => a + b, 0);

export const queryRows = (name) => (status) => sum(status.queries?.find((q) => q.name === name)?.results);

export const sinkRows = (name) => (status) => status.sinks?.find((s) => s.name === name)?.rows ?? 0;
