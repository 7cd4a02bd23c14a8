// The choice of range and bucket. Times are typed and shown in UTC.

import { byId, el } from "./dom.js";
import { buckets, ranges } from "./route.js";

const names = { "1y": "1 y", all: "all", custom: "from–to", auto: "auto" };
const spoken = { "1h": "1 hour", "6h": "6 hours", "24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days", "1y": "1 year", all: "all data", custom: "from and to" };

function choice(group, value) {
  const input = el("input", { type: "radio", name: group, value, "aria-label": spoken[value] ?? value });
  return el("label", { className: "choice" }, input, el("span", { "aria-hidden": "true" }, names[value] ?? value.replace(/(\d+)/, "$1 ")));
}

// What an input of type datetime-local holds for an instant, and back.
const local = (instant) => instant.slice(0, 16);
const instant = (text) => `${text}:00Z`;

export class RangePicker {
  constructor(choose) {
    this.choose = choose;
    byId("ranges").append(...[...ranges, "custom"].map((r) => choice("range", r)));
    byId("buckets").append(...buckets.map((b) => choice("bucket", b)));
    byId("ranges").addEventListener("change", (e) => this.ranged(e.target.value));
    byId("buckets").addEventListener("change", (e) => choose({ bucket: e.target.value }));
    byId("controls").addEventListener("submit", (e) => { e.preventDefault(); this.submit(); });
  }

  ranged(value) {
    const custom = value === "custom";
    byId("custom").hidden = !custom;
    this.say("");
    if (!custom) this.choose({ range: value, from: "", to: "" });
    else if (this.shown) {
      byId("from").value = local(this.shown.from);
      byId("to").value = local(this.shown.to);
    }
  }

  submit() {
    const from = byId("from").value, to = byId("to").value;
    if (!from || !to) return this.say("Both times are needed.");
    if (from >= to) return this.say("The range has to end after it begins.");
    this.say("");
    this.choose({ range: "", from: instant(from), to: instant(to) });
  }

  say(text) {
    const node = byId("custom-error");
    node.textContent = text;
    node.hidden = text === "";
    for (const id of ["from", "to"]) byId(id).setAttribute("aria-invalid", String(text !== ""));
  }

  // What the address says.
  show(route) {
    const custom = route.from !== "";
    for (const input of byId("controls").querySelectorAll("input[type=radio]")) {
      input.checked = input.name === "bucket" ? input.value === route.bucket : input.value === (custom ? "custom" : route.range);
    }
    byId("custom").hidden = !custom;
    if (custom) {
      byId("from").value = local(route.from);
      byId("to").value = local(route.to);
    }
  }

  // What the server has answered with: where a custom range starts from.
  answered(range) {
    this.shown = range;
  }
}
