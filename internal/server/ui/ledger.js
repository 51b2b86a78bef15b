// Where every record went. The columns add up to what was read.
import { byId, el, keyed, setAttr, setText } from "./dom.js";
import { count } from "./format.js";
import { table } from "./table.js";

const parts = [
  ["in_windows", "in windows"],
  ["late", "late"],
  ["dead", "dead"],
  ["filtered", "filtered"],
  ["unwindowed", "unwindowed"],
  ["duplicate", "duplicate"],
];

// missingOf is how many records no column has; it has to be 0.
export function missingOf(ledger) {
  if (!ledger) return 0;
  return ledger.read - parts.reduce((n, [name]) => n + (ledger[name] ?? 0), 0);
}

export function ledger() {
  const columns = [
    { head: "query", text: (q) => q.name },
    { head: "read", kind: "number", text: (q) => count(q.ledger?.read) },
    ...parts.map(([name, head]) => ({ head, kind: "number", dot: `part-${name}`, text: (q) => count(q.ledger?.[name]) })),
    { head: "overflow", kind: "number", about: "of those in windows, joined under the overflow key because of a limit", text: (q) => count(q.ledger?.overflow) },
    { head: "sum", kind: "sum", text: (q) => (missingOf(q.ledger) === 0 ? "✓ adds up" : `${count(missingOf(q.ledger))} missing`) },
  ];
  const grid = table({
    label: "Ledger of each query",
    columns,
    key: (q) => q.name,
    mark: (q) => (missingOf(q.ledger) === 0 ? "" : "bad"),
    empty: "No query has read anything yet.",
  });
  const bars = el("div", { class: "bars" });
  byId("ledger").append(bars, grid.node);
  const make = () => el("div", { class: "share" }, el("span", { class: "share-name" }), el("span", { class: "share-bar", role: "img" }, ...parts.map(([name]) => el("i", { class: `part-${name}` }))));
  return ({ status }) => {
    const queries = status?.queries ?? [];
    keyed(bars, queries.filter((q) => q.ledger?.read > 0), (q) => q.name, make, showShare);
    grid.show(queries);
  };
}

// showShare gives each part its width, small ones at least a visible one.
function showShare(node, { name, ledger: l }) {
  setText(node.children[0], name);
  const bar = node.children[1];
  setAttr(bar, "aria-label", parts.map(([part, text]) => `${text} ${count(l[part])}`).join(", "));
  parts.forEach(([part], i) => {
    bar.children[i].style.flexGrow = String((l[part] ?? 0) / l.read);
    bar.children[i].hidden = !l[part];
  });
}
