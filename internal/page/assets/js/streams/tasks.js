// The tasks of a stream: who has them, how far they are, when they last committed.

import { bytes, count, duration, instant, none } from "../format.js";
import { Table } from "../table.js";
import { lag, lines, orNone } from "./cells.js";
import { drawPace } from "./spark.js";

export function tasksTable(stream, history) {
  return new Table({
    caption: "Tasks", of: stream,
    key: (t) => t.task, row: (t) => `tasks:${stream}/${t.task}`, nothing: "No task has committed yet.",
    columns: [
      { key: "task", title: "Task", show: String },
      { key: "state", title: "State", show: String, tone: (v) => v === "unowned" ? "alert" : v === "unknown" ? "warn" : "" },
      { key: "owner", title: "Owner", draw: drawOwner },
      { key: "lag", title: "Lag", number: true, still: true, show: lag, hint: "Records that wait in Kafka" },
      { key: "throughput", title: "Events a second, last 5 min", draw: drawPace(history, (t) => `${stream}/${t.task}`) },
      { key: "watermark", title: "Watermark (UTC), held by", draw: drawWatermark },
      { key: "commit", title: "Commit (UTC)", draw: drawCommit },
      { key: "phases", title: "Took", draw: drawPhases },
      { key: "store", title: "State", draw: drawStore },
      { key: "generation", title: "Generation", number: true, show: orNone(count), hint: "How often the task has begun" },
      { key: "seq", title: "Emissions", number: true, still: true, show: orNone(count), hint: "Committed" },
    ],
  });
}

function drawOwner(cell, owner) {
  const set = lines(cell, ["owner.member", "owner.host"]);
  set("owner.member", owner ? owner.member : none, owner?.member);
  set("owner.host", owner ? owner.host : "", owner?.host);
}

function drawWatermark(cell, _, { watermark, holder, ended }) {
  const set = lines(cell, ["watermark", "holder"], { still: true });
  set("watermark", ended ? "end of input" : instant(watermark), watermark);
  const place = holder ? `${holder.topic}/${holder.partition}` : "";
  set("holder", place ? `held by ${place}` : "", place);
}

function drawCommit(cell, commit) {
  const set = lines(cell, ["commit.at", "age"], { still: true });
  cell.children[1].removeAttribute("data-figure");
  cell.children[1].dataset.since = commit?.at ?? "";
  set("commit.at", commit ? instant(commit.at) : none, commit?.at);
}

function drawPhases(cell, _, { commit }) {
  const set = lines(cell, ["commit.seconds", "commit.phases"], { still: true });
  set("commit.seconds", commit ? duration(commit.seconds) : none, commit?.seconds);
  const phases = Object.entries(commit?.phases ?? {}).map(([phase, s]) => `${phase} ${duration(s)}`).join(", ");
  set("commit.phases", phases, phases);
}

function drawStore(cell, store) {
  const set = lines(cell, ["store.disk_bytes", "store.keys"], { still: true });
  set("store.disk_bytes", store ? `${bytes(store.disk_bytes)} disk, ${bytes(store.memory_bytes)} memory` : none, store?.disk_bytes);
  set("store.keys", store ? `${count(store.keys)} keys` : "", store?.keys);
}
