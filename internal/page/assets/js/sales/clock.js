// Data time, and what it has to do with the clock on the wall.

import { byId } from "../dom.js";
import { span } from "../format.js";

const far = 24 * 3600; // seconds: a quiet day of a small shop is no replay

export class Clock {
  show({ as_of, data_time, ended, range, bucket }) {
    byId("clock-note").textContent = [sentence(as_of, data_time), ended ? "The streams have come to the end of their input." : ""].join(" ").trim() || "\u00a0";
    byId("range-note").textContent = data_time === null ? "\u00a0" : `Shown: ${span(range.from, range.to)} UTC, by the ${bucket}.${coarser(bucket)}`;
  }
}

function sentence(wall, data) {
  if (data === null) return "No window has been written yet.";
  const distance = Math.abs(Date.parse(wall) - Date.parse(data)) / 1000;
  return distance > far ? "Replayed data: the clocks here show the time of the events, not of your wall." : "Live data: the newest window of the events.";
}

function coarser(bucket) {
  const asked = document.querySelector("input[name=bucket]:checked")?.value;
  return asked && asked !== "auto" && asked !== bucket ? ` Too many points by the ${asked}.` : "";
}
