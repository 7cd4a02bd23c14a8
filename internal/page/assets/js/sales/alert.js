// One open alert.

import { el } from "../dom.js";
import { setFigure } from "../figure.js";
import { count, decimal, name, span, time } from "../format.js";
import { drawIds } from "./ids.js";

export function alertItem(a) {
  const node = el("li", { className: "alert" },
    el("p", { className: "alert-head" }, figure("kind", "badge"), figure("status", "", "b"), figure("window_start", "muted")),
    el("p", {}, figure("dropped", "", "b"), " dropped, limit ", figure("limit"), figure("expected"), ", ", figure("customers"), " customers"),
    el("p", { className: "small muted" }, "fired ", figure("fired_at")),
    figure("samples", "small", "div"));
  node.dataset.row = `drop_off.alerts:${a.id}`;
  node.querySelector('[data-figure="kind"]').dataset.tone = "alert";
  return node;
}

function figure(key, className = "", tag = "span") {
  const node = el(tag, { className });
  node.dataset.figure = key;
  return node;
}

export function fillAlert(node, a) {
  const set = (key, shown) => setFigure(node.querySelector(`[data-figure="${key}"]`), shown, a[key]);
  set("kind", a.kind);
  set("status", name(a.status));
  set("window_start", `${span(a.window_start, a.window_end)} UTC`);
  set("dropped", count(a.dropped));
  set("limit", decimal(a.limit));
  set("expected", a.expected === null ? "" : `, expected ${a.expected}`);
  set("customers", count(a.customers));
  set("fired_at", time(a.fired_at));
  drawIds(node.querySelector('[data-figure="samples"]'), a.samples);
}
