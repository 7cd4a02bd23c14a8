// What the operators of each task remember.

import { bytes, count } from "../format.js";
import { Table } from "../table.js";
import { orNone } from "./cells.js";

export function stateTable(stream) {
  return new Table({
    caption: "State by operator", of: stream,
    key: (o) => `${o.task}/${o.operator}`, row: (o) => `operators:${stream}/${o.task}/${o.operator}`, nothing: "No operator has state.",
    columns: [
      { key: "operator", title: "Operator", show: String },
      { key: "task", title: "Task", number: true, show: String },
      { key: "keys", title: "Keys", number: true, still: true, show: orNone(count) },
      { key: "memory_bytes", title: "Memory", number: true, still: true, show: orNone(bytes) },
    ],
  });
}

export function stateOf({ tasks }) {
  return tasks.flatMap((t) => (t.operators ?? []).map((o) => ({ ...o, task: t.task })));
}
