// Payments by type.

import { Chart } from "../chart.js";
import { byId, el } from "../dom.js";
import { setFigure } from "../figure.js";
import { count, decimal, money, name, percent } from "../format.js";
import { Table } from "../table.js";
import { bounds, colors, empty, peak, per } from "./series.js";

const color = colors(["credit_card", "boleto", "voucher", "debit_card"]);

export class Payments {
  constructor(zoom) {
    this.chart = new Chart(document.querySelector("[data-chart=payments]"), { format: money, digits: 11, zoom });
    this.table = new Table({
      caption: "Payments of the range by type",
      key: (p) => p.type, row: (p) => `payments.types:${p.type}`, nothing: "No payments in this range.",
      columns: [
        { key: "type", title: "Type", show: name },
        { key: "share", title: "Share of value", draw: drawShare },
        { key: "value", title: "Value", number: true, show: money },
        { key: "count", title: "Payments", number: true, show: count },
        { key: "average", title: "Average", number: true, show: money },
        { key: "installments", title: "Instalments", number: true, show: decimal, hint: "Mean number of instalments" },
        { key: "success_rate", title: "Successful", number: true, show: percent, hint: "Approved, worth more than nothing, of a defined type" },
      ],
    });
    byId("payment-types").append(this.table.node);
  }

  show({ payments: p, range, bucket }) {
    this.table.update(p.types);
    const types = [...p.types.map((x) => x.type).filter((x) => x in p.series), ...Object.keys(p.series).filter((x) => !p.types.some((y) => y.type === x))];
    const all = p.t.map((_, i) => types.reduce((n, x) => n + p.series[x][i], 0));
    this.chart.update({
      title: `Value ${per(bucket)}`,
      summary: peak(p.t, all, bucket, money),
      empty: empty(all, "payments"),
      bucket, t: p.t, stacked: true, ...bounds(range, bucket, p.t),
      series: types.map((x) => ({ name: name(x), color: color(x), kind: "bars", values: p.series[x] })),
    });
  }
}

function drawShare(cell, share, { type }) {
  if (!cell.firstChild) {
    cell.removeAttribute("data-figure"); // the figure is inside, beside its bar
    const figure = el("span", { className: "share-figure" });
    figure.dataset.figure = "share";
    cell.append(el("div", { className: "share" }, figure, el("div", { className: "share-track" }, el("div", { className: "share-fill" }))));
    cell.querySelector(".share-fill").style.background = `var(--${color(type)})`;
  }
  setFigure(cell.querySelector(".share-figure"), percent(share), share);
  cell.querySelector(".share-fill").style.width = `${share}%`;
}
