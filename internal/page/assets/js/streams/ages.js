// Ages that go on while nothing new comes: time since an instant, by the server's clock.

import { age } from "../format.js";

export class Ages {
  constructor() {
    this.skew = 0; // the server's clock minus ours, in ms
    setInterval(() => this.show(), 1000);
  }

  read(asOf) {
    this.skew = Date.parse(asOf) - Date.now();
  }

  // Elements with data-since hold an instant.
  show() {
    const now = Date.now() + this.skew;
    for (const node of document.querySelectorAll("#view-streams [data-since]")) {
      const text = node.dataset.since ? `${age((now - Date.parse(node.dataset.since)) / 1000)} ago` : "";
      if (node.textContent !== text) node.textContent = text;
    }
  }
}
