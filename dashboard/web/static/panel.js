// The chart: Grafana's panel while Grafana shows it, else, and until it is drawn, the picture of /chart.svg. What is
// newly loaded stays invisible until it is ready and then takes the place of the old, so that nothing flickers.

const drawing = 20_000; // how long Grafana may take until something is drawn
const again = 5_000; // until a panel that failed is tried again

export class Panel {
  #box = document.getElementById("chart");
  #words = document.getElementById("source");
  #dark = matchMedia("(prefers-color-scheme: dark)");
  #settings;
  #refresh;
  #state;
  #frame; // shown or being loaded
  #next; // being loaded to take its place
  #address = ""; // of the newest of the two
  #retry;
  #resize;

  constructor(settings, refresh) {
    this.#settings = settings;
    this.#refresh = Math.max(refresh / 1000, 5); // Grafana refuses to refresh faster
    this.#dark.addEventListener("change", () => this.update());
    new ResizeObserver(() => {
      clearTimeout(this.#resize);
      this.#resize = setTimeout(() => this.#picture(), 300);
    }).observe(this.#box);
  }

  state(state) {
    this.#state = state;
    this.update();
  }

  // update shows what settings and state ask for.
  update() {
    const tab = document.getElementById(`tab-${this.#settings.stat}`);
    this.#box.setAttribute("aria-labelledby", tab.id);
    const panel = Number(tab.dataset.panel);
    const grafana = this.#state?.grafana;
    if (!grafana) return;
    if (grafana.ok && grafana.panels.includes(panel)) this.#load(panel, grafana.revision);
    else this.#unload(grafana.ok ? "The dashboard has no panel for this" : grafana.text);
  }

  // windows draws the picture anew if it is what is seen.
  windows() {
    this.#picture();
  }

  #theme() {
    const { theme } = this.#settings;
    return theme === "auto" ? (this.#dark.matches ? "dark" : "light") : theme;
  }

  // scale is how much larger than usual a wall screen's letters are: the chart's must grow with the page's.
  #scale() {
    return Math.max(parseFloat(getComputedStyle(document.documentElement).fontSize) / 16, 1);
  }

  #load(panel, revision) {
    const query = new URLSearchParams({
      orgId: 1, panelId: panel, from: `now-${this.#settings.range}`, to: "now",
      refresh: `${this.#refresh}s`, theme: this.#theme(), timezone: "browser", hideLogo: true,
    });
    const path = `/d-solo/${encodeURIComponent(document.body.dataset.uid)}/x?${query}`;
    const address = `${path} ${revision}`;
    if (address === this.#address) return;
    this.#address = address;
    clearTimeout(this.#retry);
    this.#next?.remove();
    const frame = (this.#next = document.createElement("iframe"));
    frame.title = `Grafana panel: ${this.#settings.stat} of every colour`;
    frame.className = "loading";
    frame.style.zoom = this.#scale();
    frame.src = path;
    this.#box.append(frame);
    if (!this.#frame) this.#say("Drawn by this page while Grafana loads");
    this.#box.dataset.shown ??= "picture";
    this.#picture();
    this.#drawn(frame, performance.now() + drawing);
  }

  // drawn waits until Grafana has drawn something into the frame.
  #drawn(frame, deadline) {
    if (frame !== this.#next) return; // another took its place
    let page;
    try {
      page = frame.contentDocument;
    } catch {
      page = null; // the browser's own error page
    }
    const failed = page?.readyState === "complete" && page.URL !== "about:blank" && !page.querySelector("script, canvas");
    const ready = page?.querySelector("canvas, .panel-empty, [data-testid='data-testid Panel data error message']");
    if (ready) {
      frame.className = "";
      this.#frame?.remove();
      this.#frame = frame;
      this.#next = undefined;
      this.#box.dataset.shown = "grafana";
      this.#say("Grafana");
    } else if (failed || performance.now() > deadline) {
      this.#address = "";
      this.#unload("Grafana does not draw the panel");
      this.#retry = setTimeout(() => this.update(), again);
    } else {
      setTimeout(() => this.#drawn(frame, deadline), 100);
    }
  }

  #unload(reason) {
    this.#next?.remove();
    this.#frame?.remove();
    this.#next = this.#frame = undefined;
    this.#address = "";
    this.#box.dataset.shown = "picture";
    this.#say(`Drawn by this page: ${reason}`);
    this.#picture();
  }

  #say(words) {
    if (this.#words.textContent !== words) this.#words.textContent = words;
  }

  // picture asks for the picture anew, in the size of its place.
  #picture() {
    if (this.#box.dataset.shown === "grafana" || !this.#state) return;
    const scale = this.#scale();
    const size = (pixels, low, high) => Math.min(Math.max(Math.floor(pixels / scale / 20) * 20, low), high);
    const query = new URLSearchParams({
      stat: this.#settings.stat, range: this.#settings.range, theme: this.#theme(),
      width: size(this.#box.clientWidth, 240, 2400), height: size(this.#box.clientHeight, 160, 1600),
      tz: Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC",
    });
    const old = this.#box.querySelector("picture, img");
    const image = new Image(query.get("width"), query.get("height"));
    image.alt = old.querySelector?.("img")?.alt ?? old.alt;
    // The browser would else take the picture that it has; the server's answer is what decides.
    image.src = `/chart.svg?${query}&at=${Math.floor(Date.now() / 1000)}`;
    image.decode().then(() => this.#box.querySelector("picture, img")?.replaceWith(image), () => {});
  }
}
