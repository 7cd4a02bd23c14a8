// The view of sales: what analysts look at.

import { byId } from "../dom.js";
import { fillFigures } from "../figure.js";
import { RangePicker } from "../range.js";
import { Clock } from "./clock.js";
import { DropOff } from "./drop-off.js";
import { Funnel } from "./funnel.js";
import { Gmv } from "./gmv.js";
import { Payments } from "./payments.js";

export class SalesView {
  constructor(go) {
    this.asOf = "";
    this.picker = new RangePicker(go);
    const zoom = (from, to) => go({ range: "", from: iso(from), to: iso(to) });
    this.parts = [new Clock(), new Funnel(zoom), new Gmv(zoom), new DropOff(zoom), new Payments(zoom)];
  }

  show(snapshot) {
    this.asOf = snapshot.as_of;
    const empty = snapshot.extent === null;
    byId("sales-empty").hidden = !empty;
    byId("sales-figures").hidden = empty;
    this.picker.answered(snapshot.range);
    fillFigures(byId("view-sales"), snapshot);
    for (const part of this.parts) part.show(snapshot);
  }
}

const iso = (t) => new Date(t * 1e3).toISOString().replace(".000Z", "Z");
