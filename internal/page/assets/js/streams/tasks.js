// The tasks of a stream: who has them, how far they are, when they last committed.

import { el } from "../dom.js";
import { setFigure } from "../figure.js";
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
      { key: "throughput", title: "Events/s", draw: drawPace(history, (t) => `${stream}/${t.task}`), hint: "Over the last 10 s of commits; the line: the last 5 minutes on this page" },
      { key: "watermark", title: "Watermark (UTC), held by", draw: drawWatermark },
      { key: "commit", title: "Commit (UTC)", draw: drawCommit },
      { key: "store", title: "State kept", draw: drawStore },
      { key: "generation", title: "Generation", number: true, show: orNone(count), hint: "How often the task has begun" },
      { key: "seq", title: "Emissions", number: true, still: true, show: orNone(count), hint: "Committed" },
    ],
  });
}

function drawOwner(cell, owner) {
  const set = lines(cell, ["owner.member", "owner.host"]);
  set("owner.member", owner ? short(owner.member) : none, owner?.member);
  cell.title = owner ? owner.member : "";
  set("owner.host", owner ? owner.host : "", owner?.host);
}

// A member's name is random, but for the slot at its end: its ends tell it from others.
const short = (member) => member.length > 16 ? `${member.slice(0, 6)}…${member.slice(-6)}` : member;

function drawWatermark(cell, _, { watermark, holder, ended }) {
  const set = lines(cell, ["watermark", "holder"], { still: true });
  set("watermark", ended ? "end of input" : instant(watermark), watermark);
  const place = holder ? `${holder.topic}/${holder.partition}` : "";
  set("holder", place ? `held by ${place}` : "", place);
}

// The second line: how long ago, and how long it took.
function drawCommit(cell, commit) {
  if (!cell.firstChild) {
    cell.removeAttribute("data-figure");
    cell.append(still("span", "commit.at"), el("span", { className: "small" }, el("span"), still("span", "commit.seconds")));
  }
  const [at, below] = cell.children;
  setFigure(at, commit ? instant(commit.at) : none, commit?.at);
  below.firstChild.dataset.since = commit?.at ?? "";
  setFigure(below.lastChild, commit ? `, took ${duration(commit.seconds)}` : "", commit?.seconds);
}

function still(tag, key) {
  const node = el(tag);
  node.dataset.figure = key;
  node.dataset.still = "";
  return node;
}

function drawStore(cell, store) {
  const set = lines(cell, ["store.disk_bytes", "store.memory_bytes", "store.keys"], { still: true });
  set("store.disk_bytes", store ? `${bytes(store.disk_bytes)} on disk` : none, store?.disk_bytes);
  set("store.memory_bytes", store ? `${bytes(store.memory_bytes)} in memory` : "", store?.memory_bytes);
  set("store.keys", store ? `${count(store.keys)} keys` : "", store?.keys);
}
