// Throughput of the last minutes, kept by this page alone: the server tells the present.

const keep = 5 * 60; // seconds

export class History {
  constructor() {
    this.byName = new Map();
  }

  add({ as_of, streams }) {
    const t = Date.parse(as_of) / 1000;
    const seen = new Map();
    const note = (name, value) => {
      const points = (this.byName.get(name) ?? []).filter((p) => p.t > t - keep && p.t < t);
      points.push({ t, value: value ?? 0 });
      seen.set(name, points);
    };
    for (const s of streams) {
      note(s.stream, s.throughput);
      for (const task of s.tasks) note(`${s.stream}/${task.task}`, task.throughput);
    }
    this.byName = seen;
  }

  // Points of a sparkline in a box of width 100 and height 20; the newest is at the right.
  points(name) {
    const points = this.byName.get(name) ?? [];
    if (points.length < 2) return [];
    const last = points.at(-1).t, most = Math.max(1, ...points.map((p) => p.value));
    return points.map((p) => [100 - 100 * (last - p.t) / keep, 19 - 18 * p.value / most]);
  }
}
