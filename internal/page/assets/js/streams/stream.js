// One stream: its tasks, their offsets and state, and the account of its events.

import { el } from "../dom.js";
import { accountTable } from "./account.js";
import { commitsOf, commitsTable } from "./commits.js";
import { offsetsOf, offsetsTable } from "./offsets.js";
import { stateOf, stateTable } from "./state.js";
import { tasksTable } from "./tasks.js";

export class Stream {
  constructor({ stream }, history) {
    const id = headingOf(stream);
    this.tasks = tasksTable(stream, history);
    this.offsets = offsetsTable(stream);
    this.account = accountTable(stream);
    this.commits = commitsTable(stream);
    this.state = stateTable(stream);
    this.node = el("section", { className: "card stream", "aria-labelledby": id },
      el("div", { className: "card-head" }, el("h2", { id, tabIndex: -1 }, stream)),
      this.tasks.node,
      el("div", { className: "stream-grid" }, this.offsets.node, this.account.node),
      el("details", {}, el("summary", {}, "Commits and state in detail"), el("div", { className: "stream-grid" }, this.commits.node, this.state.node)));
  }

  show(stream) {
    this.tasks.update(stream.tasks);
    this.offsets.update(offsetsOf(stream));
    this.account.update(stream.account);
    this.commits.update(commitsOf(stream));
    this.state.update(stateOf(stream));
  }
}

// The id of the heading of a stream.
export const headingOf = (stream) => `stream-${stream.replace(/[^a-zA-Z0-9_-]/g, "_")}`;
