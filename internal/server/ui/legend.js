// The keys beside a chart: which line is whose, its value, and a way to look at
// one alone.
import { el, keyed, setAttr, setText, svg } from "./dom.js";
import { isDashed, lineColour } from "./chart.js";
import { keyText, keyTitle } from "./format.js";

export function legend(onFocus) {
  const node = el("ul", { class: "legend", "aria-label": "Keys in the chart" });
  const make = (item) => {
    const mark = svg("line", { x1: 1, y1: 5, x2: 21, y2: 5 });
    const picture = svg("svg", { class: "swatch", width: 22, height: 10, "aria-hidden": "true" }, mark);
    const press = () => onFocus(item.text);
    return el("li", {}, el("button", { type: "button", on: { click: press } }, picture, el("span", { class: "legend-key" }), el("span", { class: "legend-value" })));
  };
  return {
    node,
    // show lists {text, key, value, place, on, alone}; place chooses the colour.
    show(items) {
      keyed(node, items, (i) => i.text, make, (li, item) => {
        const button = li.firstChild;
        const [picture, key, shown] = button.children;
        picture.firstChild.style.stroke = `var(${lineColour(item.place)})`;
        setAttr(picture.firstChild, "stroke-dasharray", isDashed(item.place) ? "5 3" : null);
        setAttr(button, "aria-pressed", item.alone ? "true" : "false");
        setAttr(button, "class", item.on ? null : "off");
        setAttr(button, "title", `${keyTitle(item.key)}\nPress to see it alone`);
        setText(key, keyText(item.key));
        setText(shown, item.value);
      });
    },
  };
}
