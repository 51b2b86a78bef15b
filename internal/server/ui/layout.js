// Where the boxes and lines of the flow stand: side by side where there is
// room, else one below the other.

const narrow = 940;
const boxHeight = 78;
const gap = 14;

// layout takes the width, the names of the queries and the sinks, each {name,
// from} with the queries that it has rows of ("" is the source, for dead letters);
// every box is {x, y, w, h}, every line a path and where its label goes, clear if
// other lines may cross it.
export function layout(width, queries, sinks) {
  return width < narrow ? stacked(width, queries, sinks) : columns(width, queries, sinks);
}

const tall = (n) => n * boxHeight + Math.max(0, n - 1) * gap;

function columns(width, queries, sinks) {
  const w = Math.min(250, Math.round((width - 400) / 3));
  const height = Math.max(boxHeight + 24, tall(queries.length), tall(sinks.length));
  const at = (x, n, i) => ({ x, y: (height - tall(n)) / 2 + i * (boxHeight + gap), w, h: boxHeight });
  const middle = (box) => box.y + box.h / 2;
  // A label stands where its line, which comes from the middle, does not.
  const beside = (box) => middle(box) + (middle(box) > height / 2 + 1 ? 17 : -8);
  const source = { x: 0, y: (height - boxHeight - 24) / 2, w, h: boxHeight + 24 };
  const left = (width - w) / 2;
  const meet = (left + w + width - w) / 2;
  const below = height + gap;
  const boxes = new Map([["source", source]]);
  const lines = new Map();
  // Sinks that have rows of the same queries share a point where lines meet.
  const groups = new Map();
  sinks.forEach(({ name, from }, i) => {
    const box = at(width - w, sinks.length, i);
    boxes.set(`sink ${name}`, box);
    const group = groups.get(JSON.stringify(from)) ?? { from: new Set(from), ends: [] };
    groups.set(JSON.stringify(from), group);
    group.ends.push([name, box]);
  });
  const meets = [...groups.values()].map(({ from, ends }) => ({ from, ends, y: ends.reduce((n, [, box]) => n + middle(box), 0) / ends.length }));
  const out = (name, x, y) => meets.filter(({ from }) => from.has(name)).map((m) => curve(x, y, meet, m.y)).join("");
  queries.forEach((name, i) => {
    const box = at(left, queries.length, i);
    boxes.set(`query ${name}`, box);
    lines.set(`in ${name}`, { path: curve(source.w, middle(source), left, middle(box)), x: left - 10, y: beside(box), anchor: "end", clear: true });
    lines.set(`out ${name}`, { path: out(name, left + w, middle(box)), x: left + w + 10, y: beside(box), anchor: "start", clear: true });
  });
  for (const { from, ends, y } of meets) {
    // Dead letters go round the queries.
    const before = from.has("") ? curve(source.w, middle(source), left, below) + `H${left + w}` + curve(left + w, below, meet, y) : "";
    for (const [name, box] of ends) {
      lines.set(`to ${name}`, { path: before + curve(meet, y, width - w, middle(box)), x: width - w - 10, y: beside(box), anchor: "end", clear: true });
    }
  }
  return { height: meets.some(({ from }) => from.has("")) ? below + 4 : height, boxes, lines };
}

function curve(x1, y1, x2, y2) {
  const bend = (x1 + x2) / 2;
  return `M${x1} ${y1}C${bend} ${y1} ${bend} ${y2} ${x2} ${y2}`;
}

// stacked has a rail on the left from the source to the queries and one on the
// right from there to the sinks; labels stand in the boxes.
function stacked(width, queries, sinks) {
  const rail = 16;
  const w = width - 2 * rail;
  const boxes = new Map();
  const lines = new Map();
  let y = 0;
  const put = (id, h) => {
    const box = { x: rail, y, w, h };
    boxes.set(id, box);
    y += h + gap;
    return box;
  };
  const source = put("source", boxHeight + 24);
  const ends = queries.map((name) => {
    const box = put(`query ${name}`, boxHeight);
    const middle = box.y + box.h / 2;
    lines.set(`in ${name}`, { path: elbow(rail, source.y + source.h / 2, 3, middle), x: rail + w - 12, y: box.y + 24, anchor: "end" });
    return [name, middle, box];
  });
  const last = sinks.map(({ name }) => {
    const box = put(`sink ${name}`, boxHeight);
    lines.set(`to ${name}`, { path: "", x: rail + w - 12, y: box.y + 24, anchor: "end" });
    return [name, box.y + box.h / 2];
  });
  const bottom = last.at(-1)?.[1] ?? y;
  for (const [name, middle, box] of ends) {
    lines.set(`out ${name}`, { path: elbow(rail + w, middle, width - 3, bottom), x: rail + w - 12, y: box.y + 44, anchor: "end" });
  }
  for (const [name, middle] of last) lines.get(`to ${name}`).path = `M${width - 3} ${middle}H${rail + w}`;
  return { height: Math.max(0, y - gap), boxes, lines };
}

function elbow(x, y1, rail, y2) {
  const r = x > rail ? 6 : -6;
  return `M${x} ${y1}H${rail + r}Q${rail} ${y1} ${rail} ${y1 + 6}V${y2 - 6}Q${rail} ${y2} ${rail + r} ${y2}H${x}`;
}
