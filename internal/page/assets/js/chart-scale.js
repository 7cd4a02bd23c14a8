// Axes and the pure arithmetic of charts: labels of UTC times, joined times, stacks.

import { clock, dayMonth, month, short, year } from "./format.js";

const day = 86400;

// Labels of the axis of time. The second line says the day (or the year) where it begins.
export function timeLabels(splits, step) {
  let before = "";
  return splits.map((t) => {
    const upper = step < day ? clock(t) : step < 28 * day ? dayMonth(t) : month(t);
    const lower = step < day ? dayMonth(t) : year(t);
    const label = lower === before ? upper : `${upper}\n${lower}`;
    before = lower;
    return label;
  });
}

export const valueLabels = (splits) => splits.map(short);

// All times of two rising lists, each once.
export function joinTimes(a, b) {
  return [...new Set([...a, ...b])].sort((x, y) => x - y);
}

// The values of buckets that start at t and last step, at each of the times all; null where
// none of them is.
export function place(all, t, values, step) {
  return all.map((x) => {
    const i = bucketAt(t, x);
    return i >= 0 && x < t[i] + step ? values[i] : null;
  });
}

// Sums from each series to the last, so that the first is drawn behind all.
export function stack(series) {
  const out = series.map((values) => [...values]);
  for (let s = out.length - 2; s >= 0; s--) {
    for (let i = 0; i < out[s].length; i++) {
      if (out[s + 1][i] !== null) out[s][i] = (out[s][i] ?? 0) + out[s + 1][i];
    }
  }
  return out;
}

// The index of the bucket that holds x, -1 before the first.
export function bucketAt(t, x) {
  let low = 0, high = t.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (t[mid] <= x) low = mid + 1; else high = mid;
  }
  return low - 1;
}

export const bucketSeconds = { minute: 60, hour: 3600, day };
