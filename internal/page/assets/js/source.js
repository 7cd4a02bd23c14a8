// The server's events: one source at a time, opened anew by itself for as long as it takes.
//
//   connecting --snapshot--> live --error, trouble--> lost --snapshot--> live
//   connecting --error, trouble--> lost
//
// EventSource comes back by itself after a broken connection, but not after an answer that
// is an error: then it is opened again here.

const retry = { first: 1000, most: 10000 };

export class Source {
  // on.snapshot(data), on.state({state, since, why})
  constructor(on) {
    this.on = on;
    this.path = "";
    this.events = null;
    this.timer = 0;
    this.delay = retry.first;
    this.current = { state: "connecting", since: Date.now(), why: "" };
    this.pauseWhileHidden();
  }

  open(path) {
    if (path === this.path) return;
    this.path = path;
    this.delay = retry.first;
    this.enter("connecting");
    this.connect();
  }

  close() {
    clearTimeout(this.timer);
    this.events?.close();
    this.events = null;
  }

  connect() {
    this.close();
    const events = new EventSource(`/events/${this.path}`);
    this.events = events;
    events.addEventListener("snapshot", (e) => {
      this.delay = retry.first;
      this.enter("live");
      this.on.snapshot(JSON.parse(e.data));
    });
    events.addEventListener("trouble", (e) => this.enter("lost", JSON.parse(e.data).message));
    events.addEventListener("error", () => {
      if (this.events !== events) return;
      if (events.readyState === EventSource.CLOSED) this.refused();
      else this.enter("lost");
    });
  }

  // EventSource does not tell why it was refused; the same question without events does.
  async refused() {
    const path = this.path;
    let why = "", again = true;
    try {
      const answer = await fetch(`/api/${path}`);
      again = answer.status !== 400; // the same question would be refused again
      if (!answer.ok) why = `The server refuses: ${(await answer.json()).error}`;
    } catch { /* no answer at all */ }
    if (path !== this.path) return;
    this.enter("lost", why);
    if (!again) return;
    this.timer = setTimeout(() => this.connect(), this.delay);
    this.delay = Math.min(this.delay * 2, retry.most);
  }

  enter(state, why = "") {
    const now = this.current;
    const since = state === now.state ? now.since : Date.now();
    this.current = { state, since, why: why || (state === now.state ? now.why : "") };
    this.on.state(this.current);
  }

  // A browser keeps at most six connections to a server: a page that nobody sees gives its
  // own back after a while.
  pauseWhileHidden() {
    let timer = 0, paused = false;
    document.addEventListener("visibilitychange", () => {
      clearTimeout(timer);
      if (document.hidden) {
        timer = setTimeout(() => { paused = true; this.close(); }, 30000);
      } else if (paused) {
        paused = false;
        this.connect();
      }
    });
  }
}
