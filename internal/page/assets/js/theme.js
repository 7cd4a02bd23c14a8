// Light or dark: the system's, until the button says otherwise. Charts are drawn on a
// canvas, so they ask here for colours and are told when those have changed.

import { byId } from "./dom.js";

const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();

function kept() {
  try { return localStorage.getItem("theme"); } catch { return null; }
}

function keep(theme) {
  try { localStorage.setItem("theme", theme); } catch { /* then for this visit only */ }
}

function apply(theme) {
  document.documentElement.dataset.theme = theme;
  byId("theme").setAttribute("aria-pressed", String(theme === "dark"));
  for (const listener of listeners) listener();
}

export function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export function onTheme(listener) {
  listeners.add(listener);
}

export function startTheme() {
  apply(document.documentElement.dataset.theme);
  byId("theme").addEventListener("click", () => {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    keep(theme);
    apply(theme);
  });
  system.addEventListener("change", () => { if (!kept()) apply(system.matches ? "dark" : "light"); });
}
