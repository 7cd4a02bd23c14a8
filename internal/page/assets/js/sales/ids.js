// Ids of orders, in full where they are opened, to be copied.

import { el } from "../dom.js";
import { none } from "../format.js";

export function drawIds(cell, ids) {
  const exact = (ids ?? []).join(" ");
  if (cell.dataset.value === exact) return;
  cell.dataset.value = exact;
  if (exact === "") {
    cell.replaceChildren(none);
    return;
  }
  const open = cell.querySelector("details")?.open ?? false;
  cell.replaceChildren(el("details", { open }, el("summary", {}, `${ids.length} ${ids.length === 1 ? "id" : "ids"}`),
    el("span", { className: "ids" }, ...ids.map((id) => el("code", {}, id)))));
}
