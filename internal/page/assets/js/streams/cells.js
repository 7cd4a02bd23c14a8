// Cells of tables that more than one table of streams has.

import { el } from "../dom.js";
import { setFigure } from "../figure.js";
import { count, instant, none } from "../format.js";

// A cell with a figure and, below it, something smaller.
export function lines(cell, keys, { still = false } = {}) {
  if (!cell.firstChild) {
    cell.removeAttribute("data-figure");
    for (const [i, k] of keys.entries()) {
      const line = el("span", { className: i === 0 ? "" : "small" });
      line.dataset.figure = k;
      if (still) line.dataset.still = "";
      cell.append(line);
    }
  }
  return (k, shown, value) => setFigure([...cell.children].find((c) => c.dataset.figure === k), shown, value);
}

export const watermark = (v, row) => row.ended ? "end of input" : instant(v);

export const lag = (v) => v === null ? "not known" : count(v);

export const orNone = (show) => (v) => v === null || v === undefined ? none : show(v);
