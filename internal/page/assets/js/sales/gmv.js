// GMV with its forecast.

import { bucketSeconds, joinTimes, place } from "../chart-scale.js";
import { Chart } from "../chart.js";
import { byId } from "../dom.js";
import { money, name, time } from "../format.js";
import { bounds, empty, peak, per } from "./series.js";

export class Gmv {
  constructor(zoom) {
    this.chart = new Chart(document.querySelector("[data-chart=gmv]"), { format: money, digits: 11, zoom });
  }

  show({ gmv, range, bucket }) {
    const limits = bounds(range, bucket, gmv.t);
    const forecast = within(gmv.forecast, limits) ? scaled(gmv.forecast, bucket) : null;
    const t = forecast ? joinTimes(gmv.t, forecast.t) : gmv.t;
    const series = [{ name: "GMV", color: "series-1", kind: "bars", values: place(t, gmv.t, gmv.series, bucketSeconds[bucket]) }];
    if (forecast) {
      const at = (values) => place(t, forecast.t, values, step(forecast));
      if (forecast.lower_95.length) series.unshift({ name: "95 %", color: "band-95", kind: "band", lower: at(forecast.lower_95), upper: at(forecast.upper_95) });
      if (forecast.lower_80.length) series.splice(1, 0, { name: "80 %", color: "band-80", kind: "band", lower: at(forecast.lower_80), upper: at(forecast.upper_80) });
      series.push({ name: "forecast", color: "forecast", kind: "line", values: at(forecast.forecast) });
      limits.to = Math.max(limits.to, ahead(forecast, limits));
    }
    this.chart.update({
      title: `GMV ${per(bucket)}`,
      summary: peak(gmv.t, gmv.series, bucket, money),
      empty: empty(gmv.series, "sales"),
      bucket, t, ...limits, series,
    });
    byId("forecast-note").textContent = note(gmv.forecast, forecast, bucket);
  }
}

const step = (forecast) => bucketSeconds[forecast.bucket];

function within(forecast, { from, to }) {
  if (!forecast || forecast.t.length === 0) return false;
  return forecast.t[0] <= to + 86400 && forecast.t.at(-1) + step(forecast) > from;
}

// As much of the forecast as the range is long, so that it does not crush a short range.
function ahead(forecast, { from, to }) {
  return Math.min(forecast.t.at(-1) + step(forecast), to + Math.max(to - from, 7200));
}

// By the minute, an hour's forecast is shown as its mean a minute; so are its bounds.
function scaled(forecast, bucket) {
  if (bucket !== "minute") return forecast;
  const mean = (values) => values.map((v) => v / 60);
  const keys = ["forecast", "lower_80", "upper_80", "lower_95", "upper_95"];
  return { ...forecast, ...Object.fromEntries(keys.map((k) => [k, mean(forecast[k])])) };
}

function note(made, shown, bucket) {
  if (!made) return bucket === "day" ? "No forecast by the day: it would have to cover a whole one. By the hour there may be one." : "No forecast yet: the stream of forecasts needs 48 complete hours of sales.";
  const sum = made.forecast.reduce((a, b) => a + b, 0);
  const hours = made.t.length * step(made) / 3600;
  const said = `Forecast of the ${hours} hours from ${time(made.t[0])}: ${money(sum)} in all, by ${name(made.model)}, from sales up to ${time(made.made_at)}.`;
  if (!shown) return `${said} It lies outside of this range.`;
  if (bucket === "minute") return `${said} It is by the hour: line and bands show the mean of a minute.`;
  return made.lower_80.length ? said : `${said} Bounds of hours do not add up to those of a day.`;
}
