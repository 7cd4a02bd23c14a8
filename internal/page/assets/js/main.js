// The page: the address says what is shown, the source brings it, a view draws it.

import { showConnection } from "./connection.js";
import { byId } from "./dom.js";
import { quietly } from "./figure.js";
import * as route from "./route.js";
import { SalesView } from "./sales/view.js";
import { Source } from "./source.js";
import { StreamsView } from "./streams/view.js";
import { Tabs } from "./tabs.js";
import { startTheme } from "./theme.js";

let now = route.parse(location.hash) ?? route.parse("");
let figures = ""; // as_of of what is on the page
let fresh = true; // the next snapshot answers a new question

function go(change) {
  location.hash = route.format({ ...now, ...change });
}

const views = { sales: new SalesView(go), streams: new StreamsView() };
const tabs = new Tabs(document.querySelector("[role=tablist]"), (view) => go({ view }));

const source = new Source({
  snapshot(data) {
    figures = data.as_of;
    const show = () => views[now.view].show(data);
    if (fresh) quietly(show); else show();
    fresh = false;
  },
  state(state) {
    showConnection(state, figures);
  },
});

function arrive() {
  const next = route.parse(location.hash);
  if (!next) return;
  const other = next.view !== now.view;
  now = next;
  tabs.show(now.view);
  views.sales.picker.show(now);
  document.title = now.view === "sales" ? "Sales · Tidemark" : "Streams · Tidemark";
  fresh = true;
  if (other) figures = views[now.view].asOf;
  source.open(route.query(now));
}

startTheme();
addEventListener("hashchange", arrive);
document.querySelector(".skip").addEventListener("click", (e) => {
  e.preventDefault();
  byId("main").focus();
});
arrive();
