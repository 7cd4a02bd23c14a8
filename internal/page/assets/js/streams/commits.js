// What the last commit of each task took, step by step.

import { duration } from "../format.js";
import { Table } from "../table.js";

export function commitsTable(stream) {
  return new Table({
    caption: "Last commits", of: stream,
    key: (c) => c.task, row: (c) => `commits:${stream}/${c.task}`, nothing: "No task has committed yet.",
    columns: [
      { key: "task", title: "Task", show: String },
      { key: "seconds", title: "Took", number: true, still: true, show: duration },
      { key: "phases", title: "Of that", still: true, show: phases },
    ],
  });
}

export function commitsOf({ tasks }) {
  return tasks.filter((t) => t.commit).map((t) => ({ ...t.commit, task: t.task }));
}

const phases = (by) => Object.entries(by ?? {}).map(([phase, s]) => `${phase} ${duration(s)}`).join(", ");
