// Orders that were dropped, by status, and the alerts about them.

import { Chart } from "../chart.js";
import { announce } from "../connection.js";
import { byId, el, keyed } from "../dom.js";
import { count, name, percent } from "../format.js";
import { Table } from "../table.js";
import { bounds, colors, empty, peak, per } from "./series.js";
import { drawIds } from "./ids.js";
import { alertItem, fillAlert } from "./alert.js";

const color = colors(["canceled", "unavailable", "created", "approved", "shipped", "processing", "invoiced", "delivered"]);

export class DropOff {
  constructor(zoom) {
    this.chart = new Chart(document.querySelector("[data-chart=drop_off]"), { format: count, digits: 4, zoom });
    this.table = new Table({
      caption: "Orders of the range by status",
      key: (s) => s.status, row: (s) => `drop_off.statuses:${s.status}`, nothing: "No orders in this range.",
      columns: [
        { key: "status", title: "Status", draw: drawStatus },
        { key: "orders", title: "Orders", number: true, show: count },
        { key: "dropped", title: "Dropped", number: true, show: count },
        { key: "rate", title: "Of all orders", number: true, show: percent, hint: "Dropped orders of the status, of the orders of all statuses" },
        { key: "pending", title: "Pending", number: true, show: count, hint: "Not dropped yet: seven days for items and payment have not passed" },
        { key: "customers", title: "Customers", number: true, show: count },
        { key: "samples", title: "Samples", hint: "Ids of some dropped orders", draw: drawIds },
      ],
    });
    byId("statuses").append(this.table.node);
  }

  show({ drop_off: d, range, bucket }) {
    this.table.update(d.statuses);
    this.draw(d, range, bucket === "minute" ? "hour" : bucket);
    byId("alerts-badge").dataset.tone = d.alerts_open > 0 ? "alert" : "good";
    byId("alerts-none").hidden = d.alerts.length > 0;
    keyed(byId("alerts"), d.alerts, (a) => a.id, alertItem, fillAlert);
    this.tell(d.alerts);
  }

  draw(d, range, bucket) {
    const statuses = Object.keys(d.series).sort((a, b) => sum(d.series[b]) - sum(d.series[a]));
    const all = d.t.map((_, i) => statuses.reduce((n, s) => n + d.series[s][i], 0));
    this.chart.update({
      title: `Dropped orders ${per(bucket)}`,
      summary: peak(d.t, all, bucket, count),
      empty: empty(all, "dropped orders"),
      bucket, t: d.t, whole: true, stacked: true, ...bounds(range, bucket, d.t),
      series: statuses.map((s) => ({ name: name(s), color: color(s), kind: "bars", values: d.series[s] })),
    });
  }

  // New ones are read aloud; those that were there at the start are not.
  tell(alerts) {
    const ids = new Set(alerts.map((a) => a.id));
    const added = this.known ? alerts.filter((a) => !this.known.has(a.id)) : [];
    this.known = ids;
    if (added.length === 1) announce(`New alert: ${added[0].dropped} orders ${name(added[0].status)}.`);
    else if (added.length > 1) announce(`${added.length} new alerts.`);
  }
}

const sum = (values) => values.reduce((a, b) => a + b, 0);

function drawStatus(cell, status) {
  if (cell.dataset.value === status) return;
  const swatch = el("span", { className: "swatch" });
  swatch.style.background = `var(--${color(status)})`;
  cell.replaceChildren(swatch, name(status));
  cell.dataset.value = status;
}
