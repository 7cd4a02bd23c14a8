// A table whose rows come and go by key. It scrolls inside itself where it is too wide.

import { at, el, keyed } from "./dom.js";
import { setFigure } from "./figure.js";

let tables = 0;

// columns: {key, title, hint?, number?, show?(value, row), still?, draw?(cell, value, row), tone?(value, row)}
// The first column names the row. A still one is not marked when it changes: it always does.
// row: how a row is called in data-row.
export class Table {
  // of: what the caption is about, for those who hear it without what stands above.
  constructor({ caption, of = "", columns, key, row, nothing, tall = false, hideCaption = false }) {
    this.columns = columns;
    this.key = key;
    this.row = row;
    const id = `table-${++tables}`;
    this.body = el("tbody");
    const head = el("tr", {}, ...columns.map((c) =>
      el("th", { scope: "col", className: c.number ? "number" : "", title: c.hint ?? "" }, c.title)));
    this.nothing = el("p", { className: "nothing", hidden: true }, nothing ?? "Nothing.");
    this.caption = el("caption", { id }, el("span", { className: hideCaption ? "aside" : "" }, caption), el("span", { className: "aside" }, of ? ` of ${of}` : ""));
    const table = el("table", {}, this.caption, el("thead", {}, head), this.body);
    this.node = el("div", { className: tall ? "scroll tall" : "scroll", "aria-labelledby": id }, table, this.nothing);
    const sizes = new ResizeObserver(() => reachable(this.node));
    sizes.observe(this.node);
    sizes.observe(table);
  }

  update(rows) {
    this.nothing.hidden = rows.length > 0;
    keyed(this.body, rows, this.key, (item) => this.make(item), (node, item) => this.fill(node, item));
  }

  make(item) {
    const cells = this.columns.map((c, i) => {
      const cell = i === 0 ? el("th", { scope: "row" }) : el("td", { className: c.number ? "number" : "" });
      cell.dataset.figure = c.key;
      if (c.still) cell.dataset.still = "";
      return cell;
    });
    const node = el("tr", {}, ...cells);
    if (this.row) node.dataset.row = this.row(item);
    return node;
  }

  fill(node, item) {
    this.columns.forEach((c, i) => {
      const cell = node.cells[i];
      const value = at(item, c.key);
      if (c.draw) c.draw(cell, value, item);
      else setFigure(cell, c.show ? c.show(value, item) : String(value), value);
      if (c.tone) cell.dataset.tone = c.tone(value, item);
    });
  }
}

// A place that scrolls has to be reached by the keyboard; one that does not is no stop.
function reachable(node) {
  const scrolls = node.scrollWidth > node.clientWidth || node.scrollHeight > node.clientHeight;
  if (scrolls) {
    node.tabIndex = 0;
    node.setAttribute("role", "region");
  } else if (node !== document.activeElement) {
    node.removeAttribute("tabindex");
    node.removeAttribute("role");
  }
}
