// One chart over windows. It is made anew when what it shows changes in kind,
// and given data when only the data change.
/* global uPlot */
import { axis } from "./format.js";
import { colour } from "./theme.js";

const height = 280;

// lineColour is the same for a key wherever it shows; the second four are
// dashed, so that no line is told by colour alone.
export const lineColour = (i) => `--line-${(i % 4) + 1}`;
export const isDashed = (i) => i >= 4;

// crowded charts have no dots.
const crowded = (spec, width) => spec.data[0].length > width / 14;

function lines(spec, width) {
  const many = crowded(spec, width);
  return spec.drawn.flatMap(({ place }) =>
    spec.names.map((name, j) => {
      const edge = spec.names.length > 1 && j > 0 && j < spec.names.length - 1;
      return {
        label: name,
        stroke: colour(lineColour(place)),
        width: spec.names.length > 1 ? (edge ? 1 : 1.4) : 2,
        dash: isDashed(place) ? [6, 4] : undefined,
        spanGaps: spec.gaps,
        points: { show: !many && spec.names.length === 1, size: 5 },
      };
    }),
  );
}

// bands fill from a key's highest percentile to its lowest.
function bands(spec) {
  const n = spec.names.length;
  if (n < 2) return [];
  return spec.drawn.map(({ place }, i) => ({
    series: [1 + i * n + n - 1, 1 + i * n],
    fill: colour(lineColour(place)).replace("rgb(", "rgba(").replace(")", ", 0.16)"),
  }));
}

function options(spec, width, onCursor) {
  const dim = colour("--dim");
  const grid = { stroke: colour("--line"), width: 1 };
  const side = { stroke: dim, grid, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  return {
    width,
    height,
    legend: { show: false },
    cursor: { drag: { x: true, y: false }, points: { size: 7 } },
    tzDate: (s) => uPlot.tzDate(new Date(s * 1000), "Etc/UTC"),
    padding: [10, 12, 0, 0],
    scales: { y: { range: (_, low, high) => bounds(low, high) } },
    axes: [
      { ...side, size: 30, space: 70, values: (_, ticks) => ticks.map((s, i) => tick(s, ticks[i - 1])) },
      { ...side, size: 58, values: (_, ticks) => ticks.map(axis) },
    ],
    series: [{}, ...lines(spec, width)],
    bands: bands(spec),
    hooks: { setCursor: [(u) => onCursor(u.cursor.idx ?? null)] },
  };
}

// bounds begin at 0, unless that would press the lines together at the top.
function bounds(low, high) {
  if (low === null || high === null) return [0, 1];
  if (low === high) return low > 0 ? [0, 2 * low] : [low - 1, low + 1];
  const room = (high - low) * 0.08;
  const floor = low >= 0 && low < 0.6 * high ? 0 : low - room;
  return [floor, high + room];
}

// tick is a time of day, with its date where that is another than before.
function tick(s, before) {
  const iso = new Date(s * 1000).toISOString();
  const time = iso.slice(11, s % 60 === 0 ? 16 : 19);
  const day = before !== undefined && new Date(before * 1000).getUTCDate() !== new Date(s * 1000).getUTCDate();
  return day ? `${time}\n${iso.slice(5, 10)}` : time;
}

export class Chart {
  constructor(frame, onCursor) {
    this.frame = frame;
    this.onCursor = onCursor;
    this.plot = null;
    this.kind = "";
  }

  // show draws spec: {data, drawn: [{text, place}], names, gaps, theme}.
  show(spec) {
    const width = Math.floor(this.frame.clientWidth);
    if (width === 0) return;
    const kind = JSON.stringify([spec.drawn.map((d) => [d.text, d.place]), spec.names, spec.gaps, spec.theme, crowded(spec, width)]);
    if (this.plot && this.kind === kind) {
      if (this.plot.width !== width) this.plot.setSize({ width, height });
      this.plot.setData(spec.data);
      return;
    }
    this.clear();
    this.kind = kind;
    this.plot = new uPlot(options(spec, width, this.onCursor), spec.data, this.frame);
  }

  clear() {
    this.plot?.destroy();
    this.plot = null;
    this.kind = "";
  }
}
