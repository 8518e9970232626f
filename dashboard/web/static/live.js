// Follows /events. Where event streams do not come through (a proxy that keeps them back, too many readers), it asks
// /latest from time to time instead, and tries the stream again now and then.

const silence = 25_000; // without a beat for so long, the connection is dead: they come every 10 s
const opening = 6_000; // the first beat comes at once, if nothing keeps it back
const retry = 30_000; // until the stream is tried again
const hiddenTime = 60_000; // a page that nobody sees lets its connection go

export class Live {
  #handlers;
  #refresh;
  #source;
  #watchdog;
  #retry;
  #poll;
  #hide;

  // handlers: beat(time), state(state), snapshot(document), windows(windows), link(words, ok).
  constructor(handlers, refresh) {
    this.#handlers = handlers;
    this.#refresh = refresh;
    document.addEventListener("visibilitychange", () => this.#visibility());
    addEventListener("pagehide", () => this.#close());
    addEventListener("pageshow", (event) => event.persisted && this.#open());
    this.#open();
  }

  #open() {
    this.#close();
    const source = (this.#source = new EventSource("/events"));
    this.#await(opening);
    const on = (name, handle) =>
      source.addEventListener(name, (event) => {
        if (source !== this.#source) return;
        this.#await(silence);
        handle(JSON.parse(event.data));
      });
    on("beat", ({ now }) => {
      clearInterval(this.#poll);
      this.#poll = undefined;
      this.#handlers.beat(now);
      this.#handlers.link("live", true);
    });
    on("state", (state) => this.#handlers.state(state));
    on("snapshot", (snapshot) => this.#handlers.snapshot(snapshot));
    on("windows", ({ windows }) => this.#handlers.windows(windows));
    source.addEventListener("error", () => {
      if (source !== this.#source) return;
      if (source.readyState === EventSource.CLOSED) this.#fallBack();
      else this.#handlers.link("the connection is lost: trying again", false);
    });
  }

  // await falls back if no event comes in time.
  #await(time) {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#fallBack(), time);
  }

  #fallBack() {
    this.#close();
    const ask = async () => {
      try {
        const response = await fetch("/latest", { cache: "no-cache", signal: AbortSignal.timeout(10_000) });
        if (!response.ok) throw new Error(`the page answers ${response.status}`);
        const snapshot = await response.json();
        this.#handlers.beat(response.headers.get("Date"));
        this.#handlers.state(snapshot.state);
        this.#handlers.snapshot(snapshot);
        this.#handlers.link(`asking every ${this.#refresh / 1000} s, as no event stream comes through`, true);
      } catch {
        this.#handlers.link("this page's server does not answer: trying again", false);
      }
    };
    ask();
    this.#poll = setInterval(ask, this.#refresh);
    this.#retry = setTimeout(() => this.#tryAgain(), retry);
  }

  // tryAgain opens the stream beside the questions; its first beat ends them.
  #tryAgain() {
    const poll = this.#poll;
    this.#poll = undefined; // so that #open does not end them
    this.#open();
    this.#poll = poll;
  }

  #close() {
    clearTimeout(this.#watchdog);
    clearTimeout(this.#retry);
    clearInterval(this.#poll);
    this.#source?.close();
    this.#source = this.#poll = undefined;
  }

  #visibility() {
    clearTimeout(this.#hide);
    if (document.hidden) this.#hide = setTimeout(() => this.#close(), hiddenTime);
    else if (!this.#source && !this.#poll) this.#open();
  }
}
