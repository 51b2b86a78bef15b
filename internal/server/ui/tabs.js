// Tabs with the keyboard's habits: arrows move, Home and End jump.
import { el, keyed, setAttr, setText } from "./dom.js";

export function tabs(label, panel, onChoose) {
  let names = [];
  const node = el("div", { class: "tabs", role: "tablist", "aria-label": label });
  node.addEventListener("keydown", (event) => {
    const at = [...node.children].indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    const next = (to + names.length) % names.length;
    node.children[next].focus();
    onChoose(names[next]);
  });
  const make = (name) => el("button", { type: "button", role: "tab", "aria-controls": panel, on: { click: () => onChoose(name) } });
  return {
    node,
    show(list, chosen) {
      names = list;
      keyed(node, names, (n) => n, make, (button, name) => {
        setText(button, name);
        setAttr(button, "aria-selected", name === chosen);
        setAttr(button, "tabindex", name === chosen ? 0 : -1);
      });
    },
  };
}
