// A sparkline beside a throughput.

import { el, svg } from "../dom.js";
import { setFigure } from "../figure.js";
import { pace } from "../format.js";

export function drawPace(history, nameOf) {
  return (cell, value, row) => {
    if (!cell.firstChild) {
      cell.removeAttribute("data-figure"); // the figure is inside, beside its line
      const figure = el("span", { className: "pace" });
      figure.dataset.figure = "throughput";
      figure.dataset.still = "";
      cell.append(figure, svg("svg", { class: "spark", viewBox: "0 0 100 20", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("path"), svg("polyline")));
    }
    setFigure(cell.firstChild, pace(value), value);
    const points = history.points(nameOf(row));
    const line = points.map((p) => p.map((n) => n.toFixed(1)).join(",")).join(" ");
    cell.querySelector("polyline").setAttribute("points", line);
    cell.querySelector("path").setAttribute("d", points.length ? `M${points[0][0].toFixed(1)},20 L${line} L100,20 Z` : "");
  };
}
