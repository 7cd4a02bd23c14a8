// The funnel filling up: order, items, payment.

import { Chart } from "../chart.js";
import { byId } from "../dom.js";
import { setFigure } from "../figure.js";
import { count, percent } from "../format.js";
import { bounds, empty, peak, per, rate } from "./series.js";

export class Funnel {
  constructor(zoom) {
    this.chart = new Chart(document.querySelector("[data-chart=funnel]"), { format: count, digits: 4, zoom });
    this.fills = [1, 2, 3].map((n) => document.querySelector(`.step-fill[data-step="${n}"]`));
  }

  show({ funnel, range, bucket }) {
    const counts = [funnel.orders, funnel.with_items, funnel.with_payment];
    const lengths = counts.map((n) => funnel.orders > 0 ? `${100 * n / funnel.orders}%` : "0%");
    document.querySelector(".funnel").toggleAttribute("data-filled", funnel.orders > 0);
    this.fills.forEach((fill, i) => { fill.style.width = lengths[i]; });
    // The rates of the server are of all orders; these are of the step before.
    ["items", "payment"].forEach((step, i) => {
      const passed = rate(counts[i + 1], counts[i]);
      setFigure(document.querySelector(`[data-figure="funnel.${step}_step"]`), percent(passed), passed);
      const node = document.querySelector(`.narrowing[data-step="${step}"]`);
      node.style.setProperty("--before", lengths[i]);
      node.style.setProperty("--after", lengths[i + 1]);
      node.toggleAttribute("data-worst", funnel.bottleneck === step);
    });
    setFigure(document.querySelector('[data-figure="funnel.bottleneck"]'), verdict(funnel), funnel.bottleneck);
    setFigure(byId("funnel-final"), funnel.is_final ? "final" : "may still grow", funnel.is_final);
    byId("funnel-final").dataset.tone = funnel.is_final ? "good" : "";
    this.draw(funnel, range, bucket);
  }

  draw({ t, orders_series, with_items_series, with_payment_series }, range, bucket) {
    this.chart.update({
      title: `Orders ${per(bucket)}`,
      summary: peak(t, orders_series, bucket, count),
      empty: empty(orders_series, "orders"),
      bucket, t, whole: true, ...bounds(range, bucket, t),
      series: [
        { name: "orders", color: "step-1", kind: "bars", values: orders_series },
        { name: "with items", color: "step-2", kind: "bars", values: with_items_series },
        { name: "with payment", color: "step-3", kind: "bars", values: with_payment_series },
      ],
    });
  }
}

function verdict(f) {
  const orders = (n) => `${count(n)} ${n === 1 ? "order" : "orders"}`;
  if (f.orders === 0) return "No orders in this range.";
  if (f.bottleneck === "items") return `Most are lost before items: ${count(f.dropped_after_order)} of ${orders(f.orders)} have none.`;
  if (f.bottleneck === "payment") return `Most are lost before payment: ${count(f.dropped_after_items)} of ${orders(f.with_items)} with items have no approved payment.`;
  return "No order is lost on the way.";
}
