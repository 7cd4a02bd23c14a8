// Where the tasks are in their topics.

import { count, instant } from "../format.js";
import { Table } from "../table.js";
import { lag, orNone } from "./cells.js";

export function offsetsTable(stream) {
  return new Table({
    caption: "Offsets", of: stream,
    key: (o) => o.name, row: (o) => `offsets:${stream}/${o.task}/${o.topic}/${o.partition}`, nothing: "No offsets are known.",
    columns: [
      { key: "name", title: "Topic and partition", show: String },
      { key: "committed", title: "Committed", number: true, still: true, show: orNone(count) },
      { key: "end", title: "End", number: true, still: true, show: orNone(count) },
      { key: "lag", title: "Lag", number: true, still: true, show: lag },
      { key: "newest", title: "Newest event (UTC)", still: true, show: instant },
    ],
  });
}

export function offsetsOf({ tasks }) {
  return tasks.flatMap((t) => (t.offsets ?? []).map((o) => ({ ...o, task: t.task, name: `${o.topic}/${o.partition}` })));
}
