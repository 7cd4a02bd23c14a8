import assert from "node:assert/strict";
import { test } from "node:test";
import * as f from "../js/format.js";

const plain = (text) => text.replaceAll("\u00a0", " ");

function each(format, cases) {
  for (const [value, want] of cases) assert.equal(plain(format(value)), want, `of ${JSON.stringify(value)}`);
}

test("counts are grouped", () => each(f.count, [[0, "0"], [999, "999"], [1000, "1,000"], [1234567, "1,234,567"], [null, "–"], [undefined, "–"]]));

test("money is exact at any size", () => each(f.money, [
  ["0.00", "R$ 0.00"], ["1234.5", "R$ 1,234.50"], ["13591643.70", "R$ 13,591,643.70"],
  ["90071992547409931.07", "R$ 90,071,992,547,409,931.07"], ["-1234.56", "-R$ 1,234.56"], [1234.5, "R$ 1,234.50"], [null, "–"],
]));

test("rates stay as the server rounded them", () => each(f.percent, [["99.20", "99.20 %"], ["0.00", "0.00 %"], [null, "–"]]));

test("axes are short", () => each(f.short, [[0, "0"], [0.5, "0.5"], [950, "950"], [1250, "1.25k"], [12000, "12k"], [3400000, "3.4M"]]));

test("times are UTC, wherever the page is read", () => {
  assert.equal(f.time("2018-08-21T23:58:00Z"), "21 Aug 2018, 23:58 UTC");
  assert.equal(f.time("2018-08-22T01:58:00+02:00"), "21 Aug 2018, 23:58 UTC");
  assert.equal(f.seconds("2018-09-01T03:04:05Z"), "1 Sep 2018, 03:04:05 UTC");
  assert.equal(f.bucketTime(1534896000, "day"), "22 Aug 2018");
  assert.equal(f.bucketTime(1534896000, "hour"), "22 Aug 2018, 00:00");
  assert.equal(f.time(null), "–");
});

test("a span names its day once", () => {
  assert.equal(f.span("2018-08-21T10:00:00Z", "2018-08-21T11:00:00Z"), "21 Aug 2018, 10:00 – 11:00");
  assert.equal(f.span("2018-08-21T23:00:00Z", "2018-08-22T00:00:00Z"), "21 Aug 2018, 23:00 – 22 Aug 2018, 00:00");
});

test("durations have one unit", () => each(f.duration, [
  [0.0008, "0.8 ms"], [0.00996, "10 ms"], [0.012, "12 ms"], [0.25, "0.3 s"], [9.94, "9.9 s"], [75, "75 s"], [600, "10 min"], [7200, "2 h"], [259200, "3 days"], [null, "–"],
]));

test("ages are whole", () => each(f.age, [[-3, "0 s"], [2.4, "2 s"], [130, "2 min"]]));

test("sizes", () => each(f.bytes, [[0, "0 B"], [999, "999 B"], [1500, "1.5 KB"], [23600000, "23.6 MB"], [5e12, "5000.0 GB"], [null, "–"]]));

test("paces", () => each(f.pace, [[0, "0/s"], [12.34, "12.3/s"], [12345.6, "12,346/s"], [null, "–"]]));
