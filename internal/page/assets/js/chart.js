// A chart: its heading, a summary in words, the drawing, a legend that tells the values under
// the pointer, and the same figures as a table.
//
// The drawing takes the pointer (drag to zoom in) and, focused, the arrow keys; to a screen
// reader it is a slider over the buckets.

import { bucketAt, bucketSeconds } from "./chart-scale.js";
import { el, keyed } from "./dom.js";
import { Drawing } from "./drawing.js";
import { bucketTime, none } from "./format.js";
import { Table } from "./table.js";

const tableRows = 200;

export class Chart {
  // format: how values are shown, in how many digits at most; zoom(from, to): unix seconds,
  // chosen by dragging.
  constructor(node, { format, zoom, digits }) {
    this.format = format;
    this.digits = digits;
    this.pointed = null; // a time
    this.title = el("h3");
    this.summary = el("p", { className: "chart-summary" });
    this.plot = el("div", { className: "plot", tabIndex: 0, role: "slider", "aria-valuemin": 0 });
    this.empty = el("p", { className: "plot-empty", hidden: true });
    this.legend = el("ul", { className: "legend" });
    this.legend.style.setProperty("--item-width", `calc(${digits}ch + 7rem)`);
    this.details = el("details", {}, el("summary", {}, "The same as a table"));
    node.append(el("figcaption", { className: "chart-head" }, this.title, this.summary), this.plot, this.legend, this.details);
    this.drawing = new Drawing(this.plot, { point: (x) => this.pointAt(x), zoom });
    this.plot.append(this.empty);
    this.plot.addEventListener("keydown", (e) => this.key(e));
    this.plot.addEventListener("blur", () => this.pointAt(null));
    this.details.addEventListener("toggle", () => this.fillTable());
  }

  // data: {title, summary, empty, bucket, t, from, to, stacked, series: [{name, color, values, kind}], rowTitle}
  // A series of kind "band" has lower and upper instead of values. t are starts of buckets.
  update(data) {
    this.data = data;
    this.title.textContent = data.title;
    this.summary.textContent = data.summary;
    this.empty.textContent = data.empty;
    this.empty.hidden = data.empty === "";
    this.plot.setAttribute("aria-label", `${data.title}. ${data.summary}`);
    this.plot.setAttribute("aria-valuemax", Math.max(0, data.t.length - 1));
    this.drawing.update(data);
    this.show();
    this.fillTable();
  }

  pointAt(x) {
    if (!this.data) return;
    this.pointed = x;
    this.show();
  }

  key(e) {
    const last = this.data.t.length - 1;
    const now = this.index();
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, PageDown: now - 10, PageUp: now + 10, Home: 0, End: last }[e.key];
    if (to === undefined || last < 0) return;
    e.preventDefault();
    this.pointed = this.data.t[Math.min(last, Math.max(0, to))] + bucketSeconds[this.data.bucket] / 2;
    this.drawing.pointTo(this.pointed);
    this.show();
  }

  // The bucket pointed at, or the newest with a value.
  index() {
    const { t, series } = this.data;
    if (this.pointed !== null) return Math.max(0, bucketAt(t, this.pointed));
    return series.find((s) => s.values)?.values.findLastIndex((v) => v !== null) ?? -1;
  }

  // The legend, with the values of that bucket.
  show() {
    const { t, series, bucket } = this.data;
    const i = Math.min(this.index(), t.length - 1);
    const when = i < 0 ? none : bucketTime(t[i], bucket);
    const items = [{ name: "", text: when }, ...series.map((s) => ({ ...s, text: this.value(s, i) }))];
    keyed(this.legend, items, (s) => s.name, (s) => this.legendItem(s), (node, s) => {
      node.lastChild.textContent = s.text;
      if (s.name) swatch(node.firstChild, s);
    });
    this.plot.setAttribute("aria-valuenow", Math.max(0, i));
    this.plot.setAttribute("aria-valuetext", items.map((s) => `${s.name} ${s.text}`.trim()).join(", "));
  }

  value(s, i) {
    const shown = (v) => v === null || v === undefined ? none : this.format(v);
    if (s.kind !== "band") return shown(s.values[i]);
    return i < 0 || s.lower[i] === null || s.lower[i] === undefined ? none : `${shown(s.lower[i])} – ${shown(s.upper[i])}`;
  }

  legendItem(s) {
    if (!s.name) return el("li", {}, el("span", { className: "legend-time" }));
    const value = el("span", { className: "legend-value" });
    value.style.setProperty("--value-width", `${s.kind === "band" ? 2 * this.digits + 3 : this.digits}ch`);
    return el("li", {}, el("span", { className: "swatch" }), el("span", {}, s.name), value);
  }

  // The table is made when it is looked at.
  fillTable() {
    if (!this.data || !this.details.open) return;
    const { t, series, bucket, title } = this.data;
    const names = series.map((s) => s.name).join("\n");
    if (this.tableNames !== names) {
      this.tableNames = names;
      this.table?.node.remove();
      this.table = new Table({
        caption: title, hideCaption: true, tall: true, key: (row) => row.t, nothing: "No buckets in this range.",
        columns: [
          { key: "t", title: "Start (UTC)", show: (v) => bucketTime(v, this.data.bucket) },
          ...series.map((s, n) => ({ key: `cells.${n}`, title: s.name, number: true })),
        ],
      });
      this.note = el("p", { className: "small muted" });
      this.details.append(this.table.node, this.note);
    }
    const shown = t.map((x, i) => ({ t: x, cells: series.map((s) => this.value(s, i)) })).slice(-tableRows).reverse();
    this.table.update(shown);
    this.note.textContent = t.length > tableRows
      ? `The newest ${tableRows} of ${t.length.toLocaleString("en")} buckets; a shorter range or a longer bucket shows all.` : "";
  }
}

function swatch(node, s) {
  node.className = s.kind === "line" ? "swatch line" : "swatch";
  node.style.background = s.kind === "line" ? "none" : `var(--${s.color})`;
  node.style.borderColor = `var(--${s.color})`;
}
