// The view of streams: what operators look at.

import { announce, notice } from "../connection.js";
import { byId, keyed } from "../dom.js";
import { fillFigures, setFigure } from "../figure.js";
import { Ages } from "./ages.js";
import { Letters } from "./letters.js";
import { Overview } from "./overview.js";
import { History } from "./history.js";
import { Stream } from "./stream.js";

export class StreamsView {
  constructor() {
    this.asOf = "";
    this.ages = new Ages();
    this.history = new History();
    this.overview = new Overview(this.history);
    this.letters = new Letters();
    this.streams = new Map();
  }

  show(snapshot) {
    const { as_of, kafka } = snapshot;
    const streams = busyFirst(snapshot.streams);
    this.asOf = as_of;
    this.ages.read(as_of);
    this.history.add(snapshot);
    this.kafka(kafka);
    // Of a stream without tasks there is nothing to tell but its name.
    const begun = streams.filter((s) => s.tasks.length > 0);
    byId("streams-empty").hidden = begun.length > 0;
    byId("overview").hidden = begun.length === 0;
    fillFigures(byId("view-streams"), snapshot);
    this.overview.show(streams);
    keyed(byId("stream-list"), begun, (s) => s.stream,
      (s) => this.added(s), (node, s) => this.streams.get(s.stream).show(s));
    this.letters.show(snapshot.dead_letters);
    this.ages.show();
  }

  added(s) {
    const stream = new Stream(s, this.history);
    this.streams.set(s.stream, stream);
    return stream.node;
  }

  kafka({ reachable, error }) {
    const badge = byId("kafka");
    setFigure(badge, reachable ? "Kafka reachable" : "Kafka not reachable", reachable);
    badge.dataset.tone = reachable ? "good" : "alert";
    const text = reachable ? "" : `Kafka cannot be reached: ${error}. Offsets and lag are not known; what Postgres knows is shown.`;
    notice("kafka", text, "alert");
    if (this.reachable !== undefined && this.reachable !== reachable) announce(reachable ? "Kafka is reachable again." : text);
    this.reachable = reachable;
  }
}

// Streams that nothing has come to stand last; otherwise as they are named.
const busyFirst = (streams) => [...streams.filter((s) => s.account.length > 0), ...streams.filter((s) => s.account.length === 0)];
