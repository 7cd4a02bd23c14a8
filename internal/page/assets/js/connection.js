// How the page stands with the server: the badge, the notice of what is wrong, and what is
// read aloud. Old figures stay while nothing new comes; the notice says of when they are.

import { byId, el } from "./dom.js";
import { clock, seconds } from "./format.js";

const badge = document.querySelector(".connection");
const wall = (ms) => `${clock(ms / 1000)}:${String(new Date(ms).getUTCSeconds()).padStart(2, "0")}`;

let said = "connecting";

export function announce(text) {
  byId("announce").textContent = text;
}

// figures: the as_of of those on the page, empty where there are none yet.
export function showConnection({ state, since, why }, figures) {
  badge.dataset.connection = state;
  badge.textContent = state === "lost" ? `lost since ${wall(since)}` : state;
  const what = sentence(why || "The server does not answer; the page tries again by itself");
  const old = figures ? `The figures are those of ${seconds(figures)}.` : "There are no figures yet.";
  notice("connection", state === "lost" ? `${what} ${old}` : "", "alert");
  if (said !== state && (state === "lost" || said === "lost")) {
    announce(state === "lost" ? `Connection lost. ${what} ${old}` : state === "live" ? "The figures are live again." : "");
  }
  if (state !== "connecting" || said !== "lost") said = state;
}

const sentence = (text) => /[.!?]$/.test(text) ? text : `${text}.`;

// One notice for each name; an empty text takes it away.
export function notice(name, text, tone) {
  let node = document.querySelector(`[data-notice="${name}"]`);
  if (!text) {
    node?.remove();
    return;
  }
  if (!node) {
    node = el("p", { className: "notice" });
    node.dataset.notice = name;
    byId("notices").append(node);
  }
  node.dataset.tone = tone;
  if (node.textContent !== text) node.textContent = text;
}
