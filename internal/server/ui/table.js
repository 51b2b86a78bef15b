// A table whose rows are kept from one update to the next. It scrolls inside
// itself, by keyboard too, and says in words why it is empty.
import { el, keyed, setAttr, setShown, setText } from "./dom.js";

// Columns are {head, text(item), title(item), kind, dot, about}: kind "number",
// "text" or "sum", dot a colour beside the head, about its explanation.
// mark(item) gives a row its class.
export function table({ label, columns, key, mark, empty }) {
  const body = el("tbody");
  const frame = el(
    "div",
    { class: "scroll", role: "region", "aria-label": label, tabindex: "0" },
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, ...columns.map((c) => el("th", { scope: "col", class: c.kind, title: c.about }, c.dot ? el("i", { class: `dot ${c.dot}` }) : null, c.head)))),
      body,
    ),
  );
  const words = el("p", { class: "empty" });
  const node = el("div", { class: "table" }, frame, words);

  const make = () => el("tr", {}, ...columns.map((c) => el("td", { class: c.kind })));
  const update = (row, item) => {
    setAttr(row, "class", mark?.(item) || null);
    columns.forEach((c, i) => {
      setText(row.children[i], c.text(item));
      if (c.title) setAttr(row.children[i], "title", c.title(item));
    });
  };
  return {
    node,
    show(items, text = empty) {
      keyed(body, items, key, make, update);
      setShown(frame, items.length > 0);
      setShown(words, items.length === 0);
      setText(words, text);
    },
  };
}
