// A stream of events that stays: it connects again within seconds, from where it was, and notices when nothing is heard any
// more, as when a laptop slept. The extension "sse" takes it for an EventSource that is never closed.
(() => {
  const SOONEST_MS = 500, LATEST_MS = 3_000, SILENT_MS = 40_000;

  class Steady extends EventTarget {
    constructor(address) {
      super();
      Object.assign(this, { address, types: new Set(["beat"]), readyState: 0, failures: 0, last: "", heard: Date.now() });
      this.watch = setInterval(() => { if (Date.now() - this.heard > SILENT_MS) this.fail(); }, 5_000);
      this.now = () => { if (this.readyState !== 1) this.connect(); };
      this.lost = () => this.fail();
      addEventListener("online", this.now);
      addEventListener("offline", this.lost);
      this.connect();
    }

    addEventListener(type, listener) {
      super.addEventListener(type, listener);
      if (this.types.has(type)) return;
      this.types.add(type);
      this.pass(type);
    }

    // Where to go on: the cursor that was heard last, and the round that the board shows.
    url() {
      const url = new URL(this.address, location.href);
      if (this.last) url.searchParams.set("after", this.last);
      const board = document.querySelector("[data-round]");
      if (board && url.searchParams.has("round")) url.searchParams.set("round", board.dataset.round);
      return url;
    }

    connect() {
      clearTimeout(this.again);
      if (this.source) this.source.close();
      this.readyState = 0; this.heard = Date.now();
      this.source = new EventSource(this.url());
      this.source.onopen = (event) => { this.readyState = 1; this.failures = 0; this.heard = Date.now(); if (this.onopen) this.onopen(event); };
      this.source.onerror = () => this.fail();
      for (const type of this.types) this.pass(type);
    }

    pass(type) {
      this.source.addEventListener(type, (event) => {
        this.heard = Date.now();
        if (event.lastEventId) this.last = event.lastEventId;
        this.dispatchEvent(new MessageEvent(type, { data: event.data, lastEventId: event.lastEventId }));
      });
    }

    fail() {
      this.source.close(); clearTimeout(this.again);
      this.readyState = 0; this.failures += 1; this.heard = Date.now();
      if (this.onerror) this.onerror(new Event("error"));
      const pause = Math.min(SOONEST_MS * 1.5 ** (this.failures - 1), LATEST_MS);
      this.again = setTimeout(() => this.connect(), pause * (0.75 + Math.random() / 2));
      if (this.failures % 5 === 2) this.ask();
    }

    // A stream that is refused does not say why: is somebody still signed in?
    ask() {
      const stop = new AbortController();
      fetch(this.url(), { signal: stop.signal }).then((answer) => { if ([401, 403].includes(answer.status)) location.reload(); stop.abort(); }).catch(() => {});
    }

    close() { clearInterval(this.watch); clearTimeout(this.again); removeEventListener("online", this.now); removeEventListener("offline", this.lost); this.source.close(); this.readyState = 2; }
  }

  htmx.createEventSource = (address) => new Steady(address);
})();
