// The account of every event: what came in is what passed, is held, or was set aside for a
// reason. Nothing is dropped silently.

import { count } from "../format.js";
import { Table } from "../table.js";

const outcomes = {
  passed: "Passed", held: "Held", duplicate: "Duplicate", late: "Late", orphan: "Orphan", invalid: "Invalid", future: "Future",
};

const hints = {
  held: "Children of a join that wait for their order",
  duplicate: "Seen before", late: "Before the watermark, or out of the join's bound",
  orphan: "Its order never came", invalid: "Not readable", future: "Too far ahead of all others",
};

export function accountTable(stream) {
  return new Table({
    caption: "Account of events", of: stream,
    key: (a) => `${a.operator}/${a.topic}`, row: (a) => `account:${stream}/${a.operator}/${a.topic}`, nothing: "No event has come in.",
    columns: [
      { key: "operator", title: "Operator", show: String },
      { key: "topic", title: "Topic", show: String },
      { key: "balanced", title: "Balanced", show: (v) => v ? "yes" : "no", tone: (v) => v ? "" : "alert" },
      { key: "in", title: "In", number: true, still: true, show: count },
      ...Object.entries(outcomes).map(([key, title]) => ({ key, title, number: true, show: count, still: key === "passed" || key === "held" || key === "duplicate", hint: hints[key] })),
    ],
  });
}
