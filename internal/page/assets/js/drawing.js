// The drawing of a chart by uPlot. Every value holds for a whole bucket, so bars and steps
// reach from a bucket's start to its end. However many there are, a bar is at least a pixel
// wide: a lone peak is always seen.

import { bucketSeconds, stack, timeLabels, valueLabels } from "./chart-scale.js";
import { color, onTheme } from "./theme.js";

const { uPlot } = globalThis;
const apartAtMost = 130; // more bars than these stand without gaps between them

export class Drawing {
  constructor(node, { point, zoom }) {
    this.node = node;
    this.point = point;
    this.zoom = zoom;
    new ResizeObserver(() => this.resize()).observe(node);
    onTheme(() => this.redraw());
  }

  update(data) {
    this.data = data;
    if (this.plot?.select.width > 0) return; // somebody is dragging
    const shape = JSON.stringify([data.stacked, this.apart(), data.bucket, data.whole, data.series.map((s) => [s.color, s.kind])]);
    if (shape === this.shape) this.plot.setData(this.columns());
    else if (this.node.clientWidth > 0) {
      this.shape = shape;
      this.redraw();
    }
  }

  apart() {
    return this.data.t.length <= apartAtMost;
  }

  redraw() {
    if (!this.data || !this.shape) return;
    this.plot?.destroy();
    this.plot = new uPlot(this.options(), this.columns(), this.node);
  }

  // A view that was hidden had no width, and has not been drawn.
  resize() {
    if (!this.data || this.node.clientWidth === 0) return;
    if (!this.shape) this.update(this.data);
    else this.plot.setSize(this.size());
  }

  size() {
    return { width: this.node.clientWidth, height: this.node.clientHeight };
  }

  pointTo(x) {
    this.plot?.setCursor({ left: this.plot.valToPos(x, "x"), top: this.plot.over.clientHeight / 2 }, false);
  }

  // Steps need a last time, at which the last bucket ends.
  columns() {
    const { t, series, stacked, bucket } = this.data;
    const end = t.length ? [t.at(-1) + bucketSeconds[bucket]] : [];
    const closed = (values, kind) => t.length ? [...values, kind === "line" ? values.at(-1) ?? null : null] : [];
    const plain = series.filter((s) => s.kind !== "band");
    let values = plain.map((s) => closed(s.values, s.kind));
    if (stacked) values = stack(values);
    const bands = series.filter((s) => s.kind === "band").flatMap((s) => [closed(s.lower, "line"), closed(s.upper, "line")]);
    return [[...t, ...end], ...bands, ...values];
  }

  options() {
    const { series, whole } = this.data;
    const bands = series.filter((s) => s.kind === "band");
    const plain = series.filter((s) => s.kind !== "band");
    const steps = uPlot.paths.stepped({ align: 1 });
    const bars = uPlot.paths.bars(this.apart() ? { size: [0.86, Infinity, 1], align: 1 } : { size: [1, Infinity, 1], gap: -1, align: 1 });
    const axis = { stroke: color("muted"), grid: { stroke: color("line"), width: 1 }, ticks: { stroke: color("line"), width: 1, size: 5 }, font: `12px ${color("sans")}` };
    return {
      ...this.size(),
      legend: { show: false },
      padding: [10, 22, 0, 0],
      tzDate: (t) => uPlot.tzDate(new Date(t * 1e3), "Etc/UTC"),
      cursor: {
        y: false, drag: { x: true, y: false, setScale: false },
        points: { show: false },
      },
      scales: {
        x: { time: true, range: () => [this.data.from, this.data.to] },
        y: { range: (u, min, max) => [0, max > 0 ? max * 1.08 : 1] },
      },
      axes: [
        { ...axis, space: 64, size: 44, values: (u, splits, i, space, step) => timeLabels(splits, step), grid: { show: false } },
        { ...axis, size: 52, gap: 6, ticks: { show: false }, space: 36, values: (u, splits) => valueLabels(splits), ...(whole ? { incrs: wholeSteps } : {}) },
      ],
      series: [
        {},
        ...bands.flatMap(() => [0, 1].map(() => ({ paths: steps, points: { show: false }, spanGaps: true, width: 0 }))),
        ...plain.map((s) => s.kind === "line"
          ? { paths: steps, points: { show: false }, spanGaps: true, stroke: color(s.color), width: 2.5, dash: [6, 3] }
          : { paths: bars, points: { show: false }, fill: color(s.color), width: 0 }),
      ],
      bands: bands.map((s, i) => ({ series: [2 * i + 2, 2 * i + 1], fill: color(s.color) })),
      hooks: {
        setCursor: [(u) => { if (u.cursor.left >= 0) this.point(u.posToVal(u.cursor.left, "x")); else this.point(null); }],
        setSelect: [(u) => this.selected(u)],
      },
    };
  }

  selected(u) {
    const { left, width } = u.select;
    if (width < 8) return;
    const [from, to] = [u.posToVal(left, "x"), u.posToVal(left + width, "x")];
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    const step = bucketSeconds[this.data.bucket];
    this.zoom(Math.floor(from / step) * step, Math.ceil(to / step) * step);
  }
}

const wholeSteps = [1, 2, 5].flatMap((n) => [0, 1, 2, 3, 4, 5, 6, 7, 8].map((p) => n * 10 ** p)).sort((a, b) => a - b);

