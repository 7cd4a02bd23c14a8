// How values are shown: English, UTC, and the same width for the same number of digits.
// All of it is pure; format_test.mjs says what comes out.

export const none = "–";
const space = "\u00a0";
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const two = (n) => String(n).padStart(2, "0");
const absent = (v) => v === null || v === undefined || v === "";

// Groups by text, not by number: money is exact at any size.
function group(digits) {
  return digits.replace(/\B(?=(\d{3})+$)/g, ",");
}

export function count(v) {
  if (absent(v)) return none;
  const [whole, part] = String(v).split(".");
  return group(whole) + (part ? "." + part : "");
}

export function money(v) {
  if (absent(v)) return none;
  const text = typeof v === "number" ? v.toFixed(2) : String(v);
  const minus = text.startsWith("-") ? "-" : "";
  const [whole, part = "00"] = text.replace("-", "").split(".");
  return `${minus}R$${space}${group(whole)}.${part.padEnd(2, "0")}`;
}

export function percent(v) {
  return absent(v) ? none : `${v}${space}%`;
}

export function decimal(v) {
  return absent(v) ? none : String(v);
}

// Short figures for axes: 1,250 becomes 1.25k.
export function short(v) {
  const size = Math.abs(v);
  for (const [unit, name] of [[1e9, "B"], [1e6, "M"], [1e3, "k"]]) {
    if (size >= unit) return String(Number((v / unit).toPrecision(3))) + name;
  }
  return String(Number(v.toPrecision(3)));
}

const date = (v) => typeof v === "number" ? new Date(v * 1000) : new Date(v);

export function day(v) {
  if (absent(v)) return none;
  const d = date(v);
  return `${d.getUTCDate()} ${months[d.getUTCMonth()]} ${d.getUTCFullYear()}`;
}

export function clock(v) {
  const d = date(v);
  return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`;
}

export function dayMonth(v) {
  const d = date(v);
  return `${d.getUTCDate()} ${months[d.getUTCMonth()]}`;
}

export const month = (v) => months[date(v).getUTCMonth()];
export const year = (v) => String(date(v).getUTCFullYear());

// 21 Aug 2018, 23:58 UTC
export function time(v) {
  return absent(v) ? none : `${day(v)}, ${clock(v)} UTC`;
}

// 21 Aug 2018, 23:58:07; where a heading says that it is UTC
export function instant(v) {
  return absent(v) ? none : `${day(v)}, ${clock(v)}:${two(date(v).getUTCSeconds())}`;
}

// 21 Aug 2018, 23:58:07 UTC
export function seconds(v) {
  return absent(v) ? none : `${instant(v)} UTC`;
}

// The bucket that starts at v: a day, or a time within one.
export function bucketTime(v, bucket) {
  return bucket === "day" ? day(v) : `${day(v)}, ${clock(v)}`;
}

// From a to b, the day named once where both are in it.
export function span(a, b) {
  if (absent(a) || absent(b)) return none;
  return day(a) === day(b) ? `${day(a)}, ${clock(a)} – ${clock(b)}` : `${day(a)}, ${clock(a)} – ${day(b)}, ${clock(b)}`;
}

export function bytes(v) {
  if (absent(v)) return none;
  let n = v;
  for (const unit of ["B", "KB", "MB", "GB"]) {
    if (n < 1000 || unit === "GB") return `${unit === "B" ? n : n.toFixed(1)}${space}${unit}`;
    n /= 1000;
  }
  return none;
}

// An age or a duration in seconds, in the largest unit that says enough.
export function duration(s) {
  if (absent(s)) return none;
  if (s < 0.0995) return `${(s * 1000).toFixed(s < 0.00995 ? 1 : 0)}${space}ms`;
  if (s < 10) return `${s.toFixed(1)}${space}s`;
  if (s < 120) return `${Math.round(s)}${space}s`;
  if (s < 7200) return `${Math.round(s / 60)}${space}min`;
  if (s < 172800) return `${Math.round(s / 3600)}${space}h`;
  return `${count(Math.round(s / 86400))}${space}days`;
}

// An age in whole seconds or more.
export function age(s) {
  const whole = Math.max(0, Math.round(s));
  return whole < 10 ? `${whole}${space}s` : duration(whole);
}

export function pace(v) {
  return absent(v) ? none : `${v >= 100 || v === 0 ? group(v.toFixed(0)) : v.toFixed(1)}/s`;
}

// credit_card becomes credit card.
export function name(v) {
  return absent(v) ? none : String(v).replaceAll("_", " ");
}

export const text = (v) => absent(v) ? none : String(v);
