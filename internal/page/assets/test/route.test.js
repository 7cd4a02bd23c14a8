import assert from "node:assert/strict";
import { test } from "node:test";
import { format, parse, query } from "../js/route.js";

test("what an address does not say is the default", () => {
  for (const hash of ["", "#", "#sales", "#sales?range=7d&bucket=auto", "#sales?range=2w&bucket=second", "#sales?from=yesterday&to=now"]) {
    assert.deepEqual(parse(hash), { view: "sales", range: "7d", from: "", to: "", bucket: "auto" }, hash);
  }
});

test("an address comes back as it was", () => {
  for (const hash of ["#sales", "#streams", "#sales?range=24h&bucket=auto", "#sales?range=7d&bucket=hour", "#streams?range=all&bucket=day",
    "#sales?from=2018-08-01T00:00:00Z&to=2018-08-03T00:00:00Z&bucket=minute"]) {
    assert.equal(format(parse(hash)), hash);
  }
});

test("both times make a range, one does not", () => {
  assert.equal(parse("#sales?from=2018-08-01T02:00:00%2B02:00&to=2018-08-02T00:00:00Z").from, "2018-08-01T00:00:00Z");
  assert.equal(parse("#sales?from=2018-08-01T00:00:00Z").range, "7d");
});

test("other hashes are no views", () => assert.equal(parse("#main"), null));

test("the server is asked for what is shown", () => {
  assert.equal(query(parse("#sales")), "sales?range=7d&bucket=auto");
  assert.equal(query(parse("#streams?range=24h&bucket=hour")), "streams");
  assert.equal(query(parse("#sales?from=2018-08-01T00:00:00Z&to=2018-08-03T00:00:00Z")), "sales?from=2018-08-01T00:00:00Z&to=2018-08-03T00:00:00Z&bucket=auto");
});
