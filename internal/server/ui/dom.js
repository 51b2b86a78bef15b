// Nodes are made here. What comes from data becomes text and nothing else.

const svgSpace = "http://www.w3.org/2000/svg";

function fill(node, attrs, children) {
  for (const [name, value] of Object.entries(attrs)) {
    if (name === "on") {
      for (const [event, f] of Object.entries(value)) node.addEventListener(event, f);
    } else if (value !== undefined && value !== null && value !== false) {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  for (const child of children) {
    if (child !== null && child !== undefined) node.append(child);
  }
  return node;
}

export function el(tag, attrs = {}, ...children) {
  return fill(document.createElement(tag), attrs, children);
}

export function svg(tag, attrs = {}, ...children) {
  return fill(document.createElementNS(svgSpace, tag), attrs, children);
}

export const byId = (id) => document.getElementById(id);

// setText, setAttr and setShown touch the document only for a change.
export function setText(node, text) {
  const value = text === null || text === undefined ? "" : String(text);
  if (node.textContent !== value) node.textContent = value;
}

export function setAttr(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, String(value));
  }
}

export function setShown(node, shown) {
  if (node.hidden === shown) node.hidden = !shown;
}

const registers = new WeakMap();

// keyed makes the children of parent one for each item, in order. A node stays
// with its key, so focus, selection and scroll survive an update.
export function keyed(parent, items, keyOf, make, update) {
  const old = registers.get(parent) ?? new Map();
  const next = new Map();
  const nodes = items.map((item, i) => {
    let key = String(keyOf(item, i));
    while (next.has(key)) key += "+";
    const node = old.get(key) ?? make(item, i);
    next.set(key, node);
    return node;
  });
  for (const [key, node] of old) {
    if (!next.has(key)) node.remove();
  }
  let at = parent.firstChild;
  nodes.forEach((node, i) => {
    if (node === at) at = at.nextSibling;
    else parent.insertBefore(node, at);
    update(node, items[i], i);
  });
  registers.set(parent, next);
}
