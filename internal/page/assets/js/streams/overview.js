// All streams at a glance.

import { byId, el } from "../dom.js";
import { setFigure } from "../figure.js";
import { count } from "../format.js";
import { Table } from "../table.js";
import { lag, watermark } from "./cells.js";
import { drawPace } from "./spark.js";
import { headingOf } from "./stream.js";

export class Overview {
  constructor(history) {
    this.table = new Table({
      caption: "All streams at a glance", hideCaption: true,
      key: (s) => s.stream, row: (s) => `streams:${s.stream}`,
      columns: [
        { key: "stream", title: "Stream", draw: drawName },
        { key: "running", title: "Tasks running", draw: drawRunning },
        { key: "lag", title: "Lag", number: true, still: true, show: lag, hint: "Records that wait in Kafka" },
        { key: "throughput", title: "Events/s", draw: drawPace(history, (s) => s.stream), hint: "Over the last 10 s of commits; the line: the last 5 minutes on this page" },
        { key: "watermark", title: "Watermark (UTC)", still: true, show: watermark, hint: "The least of its tasks: events before it are late" },
        { key: "rows", title: "Rows emitted", number: true, still: true, show: count },
        { key: "balanced", title: "Account", draw: drawBalance },
      ],
    });
    byId("overview").append(this.table.node);
  }

  show(streams) {
    this.table.update(streams);
  }
}

// The name goes to the stream's own figures, where there are any.
function drawName(cell, name, { tasks }) {
  if (tasks.length === 0) {
    setFigure(cell, name, name);
    return;
  }
  if (cell.querySelector("button")) return;
  const button = el("button", { className: "link", type: "button" }, name);
  button.addEventListener("click", () => {
    const heading = byId(headingOf(name));
    heading.scrollIntoView({ block: "center", behavior: "smooth" });
    heading.focus({ preventScroll: true });
  });
  cell.replaceChildren(button);
  cell.dataset.value = name;
}

function drawRunning(cell, _, { tasks }) {
  const running = tasks.filter((t) => t.state === "running").length;
  setFigure(cell, `${running} of ${tasks.length}`, running);
  cell.dataset.tone = tasks.some((t) => t.state === "unowned") ? "alert" : "";
}

function drawBalance(cell, _, { account }) {
  const wrong = account.filter((a) => !a.balanced).length;
  setFigure(cell, account.length === 0 ? "–" : wrong ? `${wrong} not balanced` : "balanced", account.length === 0 ? "" : wrong === 0);
  cell.dataset.tone = wrong ? "alert" : "";
}
