// Elements. Text goes in as text only: nothing that comes from data is ever parsed as HTML.

export const byId = (id) => document.getElementById(id);

// A prop that is no property of the element becomes an attribute.
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key in node) node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// The value at a path such as "gmv.total"; undefined where there is none.
export function at(object, path) {
  return path.split(".").reduce((value, key) => value?.[key], object);
}

// Makes the children of parent those of items, in their order. A child is kept while its
// key stays, so that what is open, focused or marked in it stays so.
export function keyed(parent, items, key, make, update) {
  const old = parent.nodesByKey ?? new Map();
  const kept = new Map();
  let place = parent.firstChild;
  for (const item of items) {
    const k = key(item);
    const node = old.get(k) ?? make(item);
    old.delete(k);
    kept.set(k, node);
    if (node === place) place = node.nextSibling;
    else parent.insertBefore(node, place);
    update(node, item);
  }
  for (const node of old.values()) node.remove();
  parent.nodesByKey = kept;
}
