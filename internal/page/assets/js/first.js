// Runs before the first paint, so that the page never flashes in the other theme.
{
  let kept = null;
  try { kept = localStorage.getItem("theme"); } catch { /* storage may be forbidden: the system's theme then */ }
  const dark = kept ? kept === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}
