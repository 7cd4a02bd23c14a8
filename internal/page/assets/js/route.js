// The address: which view, and the range and bucket of its figures. Pure; what an address
// does not say, or says wrongly, is the default. No element of the page has the id of a view: the browser
// would move there, and take the focus away.

export const ranges = ["1h", "6h", "24h", "7d", "30d", "90d", "1y", "all"];
export const buckets = ["auto", "minute", "hour", "day"];
export const views = ["sales", "streams"];

const defaults = { view: "sales", range: "7d", from: "", to: "", bucket: "auto" };

function instant(text) {
  const ms = Date.parse(text ?? "");
  return Number.isNaN(ms) ? "" : new Date(ms).toISOString().replace(".000Z", "Z");
}

// Null for a hash that names no view, such as the one of the skip link.
export function parse(hash) {
  const [view, query = ""] = hash.replace(/^#/, "").split("?");
  if (view !== "" && !views.includes(view)) return null;
  const q = new URLSearchParams(query);
  const route = { ...defaults, view: view || defaults.view };
  if (ranges.includes(q.get("range"))) route.range = q.get("range");
  if (buckets.includes(q.get("bucket"))) route.bucket = q.get("bucket");
  const from = instant(q.get("from")), to = instant(q.get("to"));
  if (from && to) Object.assign(route, { range: "", from, to });
  return route;
}

function params(route) {
  const q = new URLSearchParams();
  if (route.from && route.to) {
    q.set("from", route.from);
    q.set("to", route.to);
  } else {
    q.set("range", route.range);
  }
  q.set("bucket", route.bucket);
  return q.toString().replaceAll("%3A", ":");
}

export function format(route) {
  const plain = !route.from && route.range === defaults.range && route.bucket === defaults.bucket;
  return `#${route.view}` + (plain ? "" : `?${params(route)}`);
}

// What the server is asked for a view: the path behind /events/ and /api/.
export function query(route) {
  return route.view === "sales" ? `sales?${params(route)}` : "streams";
}
