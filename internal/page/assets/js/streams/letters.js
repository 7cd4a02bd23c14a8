// Dead letters by stream and reason, with the newest of each.

import { byId, el, keyed } from "../dom.js";
import { setFigure } from "../figure.js";
import { count, seconds } from "../format.js";

export class Letters {
  show({ total, groups }) {
    byId("letters-none").hidden = total > 0;
    byId("letters-badge").dataset.tone = total > 0 ? "warn" : "good";
    keyed(byId("letters"), groups, (g) => `${g.stream}/${g.reason}`, make, fill);
  }
}

function figure(tag, key, className = "") {
  const node = el(tag, { className });
  node.dataset.figure = key;
  return node;
}

function make(g) {
  const node = el("article", { className: "letter" },
    el("div", { className: "letter-head" }, figure("span", "count", "letter-count"), figure("h3", "reason"), figure("span", "stream", "muted"),
      el("span", { className: "small muted" }, "newest ", figure("span", "newest"))),
    el("details", {}, el("summary"), el("div")));
  node.dataset.row = `dead_letters:${g.stream}/${g.reason}`;
  return node;
}

function fill(node, g) {
  const set = (key, shown) => setFigure(node.querySelector(`[data-figure="${key}"]`), shown, g[key]);
  set("count", count(g.count));
  set("reason", g.reason);
  set("stream", g.stream);
  set("newest", seconds(g.newest));
  const n = g.examples.length;
  node.querySelector("details").hidden = n === 0;
  node.querySelector("summary").textContent = n === 1 ? "The newest one" : `The newest ${n}`;
  keyed(node.querySelector("details > div"), g.examples, (x) => `${x.topic}/${x.partition}/${x.offset}`, example, () => {});
}

function example(x) {
  return el("div", { className: "example" },
    el("p", { className: "small" }, el("code", {}, `${x.topic}/${x.partition}@${x.offset}`),
      ` event time ${seconds(x.event_time)}, seen ${seconds(x.seen_at)}`),
    el("p", {}, x.detail),
    el("pre", {}, x.payload));
}
