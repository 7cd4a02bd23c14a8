// What the charts of sales have in common.

import { bucketSeconds } from "../chart-scale.js";
import { bucketTime } from "../format.js";

export const unix = (instant) => Date.parse(instant) / 1000;

export const per = (bucket) => `by the ${bucket}`;

// The bounds of the axis of time: the range, in whole buckets.
export function bounds(range, bucket, t) {
  const step = bucketSeconds[bucket];
  const from = t.length ? Math.min(t[0], unix(range.from)) : unix(range.from);
  const to = t.length ? t.at(-1) + step : unix(range.to);
  return { from, to: Math.max(to, from + step) };
}

// "Highest: 53 on 21 Aug 2018, 14:00."
export function peak(t, values, bucket, show) {
  let best = -1;
  values.forEach((v, i) => { if (v > 0 && (best < 0 || v > values[best])) best = i; });
  return best < 0 ? "" : `Highest: ${show(values[best])} on ${bucketTime(t[best], bucket)}.`;
}

// Part of whole in percent with two decimals, halves up like the server's.
export function rate(part, whole) {
  return whole > 0 ? (Math.floor((20000 * part + whole) / (2 * whole)) / 100).toFixed(2) : "0.00";
}

// A colour of its own for each known name, so that it stays when others come and go.
export function colors(known) {
  return (name) => {
    const i = known.indexOf(name);
    return `series-${i < 0 ? 8 : i % 8 + 1}`;
  };
}

export const empty = (values, what) => values.some((v) => v) ? "" : `No ${what} in this range`;
