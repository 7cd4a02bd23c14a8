// A figure on the page: an element with data-figure, whose text is for people and whose
// data-value is exactly what the server said.

import { at } from "./dom.js";
import * as formats from "./format.js";

let marking = false;

// Figures that change inside run are not marked: another range was asked for, say.
export function quietly(run) {
  marking = false;
  try { run(); } finally { marking = true; }
}

function mark(node) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const color = getComputedStyle(document.documentElement).getPropertyValue("--changed");
  node.classList.add("changed");
  node.animate([{ backgroundColor: color }, { backgroundColor: still ? color : "transparent" }], { duration: 1200, easing: "ease-in" });
}

// A figure changes each second: it keeps its node.
function setText(node, shown) {
  if (node.firstChild?.nodeType === Node.TEXT_NODE && node.childNodes.length === 1) node.firstChild.data = shown;
  else node.textContent = shown;
}

export function setFigure(node, shown, value) {
  const exact = value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  const before = node.dataset.value;
  if (before === exact && node.textContent === shown) return;
  setText(node, shown);
  node.dataset.value = exact;
  if (marking && before !== undefined && before !== exact && !("still" in node.dataset)) mark(node);
}

// Fills every figure below root that says how it is shown.
export function fillFigures(root, snapshot) {
  for (const node of root.querySelectorAll("[data-figure][data-format]")) {
    const value = at(snapshot, node.dataset.figure);
    setFigure(node, formats[node.dataset.format](value), value);
  }
}
