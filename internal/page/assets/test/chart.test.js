import assert from "node:assert/strict";
import { test } from "node:test";
import { bucketAt, joinTimes, place, stack, timeLabels } from "../js/chart-scale.js";
import { bounds, colors, peak, rate } from "../js/sales/series.js";

const hour = 3600, midnight = Date.parse("2018-08-21T00:00:00Z") / 1000;

test("an axis names the day where it begins", () => {
  assert.deepEqual(timeLabels([midnight - hour, midnight, midnight + hour], hour), ["23:00\n20 Aug", "00:00\n21 Aug", "01:00"]);
  assert.deepEqual(timeLabels([midnight, midnight + 24 * hour], 24 * hour), ["21 Aug\n2018", "22 Aug"]);
});

test("a time belongs to the bucket that began before it", () => {
  assert.deepEqual([9, 10, 19, 20, 99].map((x) => bucketAt([10, 20, 30], x)), [-1, 0, 0, 1, 2]);
  assert.equal(bucketAt([], 5), -1);
});

test("values hold for their bucket, and no longer", () => {
  assert.deepEqual(joinTimes([1, 2, 4], [2, 3]), [1, 2, 3, 4]);
  assert.deepEqual(place([5, 10, 15, 20, 30], [10, 20], [7, 8], 10), [null, 7, 7, 8, null]);
});

test("a stack ends with the sum at its front", () => {
  assert.deepEqual(stack([[1, 2, null], [10, 20, null], [100, 0, null]]), [[111, 22, null], [110, 20, null], [100, 0, null]]);
});

test("the peak is the first of the highest", () => {
  assert.equal(peak([midnight, midnight + hour, midnight + 2 * hour], [3, 5, 5], "hour", String), "Highest: 5 on 21 Aug 2018, 01:00.");
  assert.equal(peak([midnight], [0], "hour", String), "");
});

test("the axis of time covers whole buckets", () => {
  const range = { from: "2018-08-21T00:30:00Z", to: "2018-08-21T01:30:00Z" };
  assert.deepEqual(bounds(range, "hour", [midnight, midnight + hour]), { from: midnight, to: midnight + 2 * hour });
});

test("a name keeps its colour", () => {
  const color = colors(["a", "b"]);
  assert.deepEqual(["b", "a", "b", "other"].map(color), ["series-2", "series-1", "series-2", "series-8"]);
});

test("rates are rounded half up", () => {
  assert.deepEqual([[1, 3], [2, 3], [1, 800], [5, 5], [0, 0]].map(([a, b]) => rate(a, b)), ["33.33", "66.67", "0.13", "100.00", "0.00"]);
});
