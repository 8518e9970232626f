// Keeps the page current. Everything here improves a page that is complete without it.

import * as clock from "./clock.js";
import * as format from "./format.js";
import { Live } from "./live.js";
import { Panel } from "./panel.js";
import { Settings } from "./settings.js";
import { Table } from "./table.js";

const $ = (id) => document.getElementById(id);
const width = Number(document.body.dataset.window) * 1000;
const staleAfter = Number(document.body.dataset.stale) * 1000;
const refresh = Number(document.body.dataset.refresh) * 1000;

const windows = new Map(); // the newest window of each colour
let state; // of InfluxDB and Grafana
let omitted = 0;
let link = { words: "connecting", ok: true };
let known = false; // a snapshot has come

const table = new Table();
const settings = new Settings(settingsChanged);
const panel = new Panel(settings, refresh);

function take(list) {
  const fresh = new Set();
  for (const window of list) {
    window.startTime = Date.parse(window.start);
    window.endTime = Date.parse(window.end);
    const before = windows.get(window.color);
    if (before && before.startTime > window.startTime) continue;
    if (known && before?.startTime !== window.startTime) fresh.add(window.color);
    windows.set(window.color, window);
  }
  table.show(windows, settings, fresh);
  totals();
  tick();
}

new Live({
  beat: clock.set,
  state(now) {
    state = now;
    states();
    panel.state(now);
    tick();
  },
  snapshot(all) {
    windows.clear();
    omitted = all.omitted;
    take(all.colors);
    known = true;
    panel.windows();
  },
  windows(list) {
    take(list);
    panel.windows();
  },
  link(words, ok) {
    link = { words, ok };
    states();
    tick();
  },
}, refresh);

function write(id, text) {
  const element = $(id);
  if (element.textContent !== text) element.textContent = text;
}

// totals writes what the colours of the newest window are together.
function totals() {
  let newest = -Infinity, end = 0, count = 0, sum = 0, low = Infinity, high = -Infinity;
  for (const window of windows.values()) newest = Math.max(newest, window.startTime);
  for (const window of windows.values()) {
    if (window.startTime !== newest) continue;
    end = window.endTime;
    count += window.count;
    sum += window.mean * window.count;
    low = Math.min(low, window.min);
    high = Math.max(high, window.max);
  }
  totals.end = end;
  const some = count > 0;
  write("total-window", some ? format.clock(newest) : "–");
  write("total-count", String(count));
  write("foot-count", String(count));
  write("total-rate", some ? format.number((count * 1000) / width) : "–");
  for (const place of ["total", "foot"]) {
    write(`${place}-mean`, some ? format.number(sum / count) : "–");
    write(`${place}-min`, some ? format.extreme(low) : "–");
    write(`${place}-max`, some ? format.extreme(high) : "–");
  }
  write("total-colors", String(windows.size));
  write("total-omitted", `, ${omitted} more not shown`);
  $("total-omitted").hidden = omitted === 0;
}

// tick brings what changes by itself up to date: ages, and with them what is stale.
function tick() {
  if (!known) return;
  const now = clock.now();
  const stale = table.tick(windows, now, staleAfter);
  const old = now - totals.end;
  const away = state && !state.influxdb.ok;
  table.away(away || !link.ok);
  write("total-stale", String(stale));
  write("total-age", totals.end ? format.age(old) : "–");
  write("foot-age", totals.end ? format.age(old) : "–");
  if (!link.ok) status("Offline", link.words);
  else if (away) status("No answer", state.influxdb.text);
  else if (!windows.size) status("Waiting", "no windows yet");
  else if (old > staleAfter) status("Stale", "no new windows");
  else status("Live", "");
}

function status(word, detail) {
  const element = $("status");
  element.dataset.status = word;
  const [shown, more] = element.querySelectorAll("span");
  if (shown.textContent !== word) shown.textContent = word; // a screen reader hears each change once
  if (more.textContent !== detail) more.textContent = detail;
}

function states() {
  const show = (id, ok, words) => {
    $(id).dataset.ok = ok;
    const text = $(id).querySelector("span");
    if (text.textContent !== words) text.textContent = words;
  };
  const since = ({ text, since }) => `${text} (since ${format.clock(Date.parse(since))})`;
  if (state) {
    show("state-influxdb", state.influxdb.ok, state.influxdb.ok ? state.influxdb.text : since(state.influxdb));
    show("state-grafana", state.grafana.ok, state.grafana.ok ? state.grafana.text : since(state.grafana));
  }
  show("state-live", link.ok, link.words);
}

function settingsChanged(names) {
  document.documentElement.dataset.theme = settings.theme;
  links();
  if (names.some((name) => ["stat", "sort", "dir"].includes(name))) {
    table.show(windows, settings);
    tick();
  }
  if (names.some((name) => ["stat", "range", "theme"].includes(name))) {
    panel.update();
    panel.windows();
  }
}

// links shows which choices are made, and writes where each would lead.
function links() {
  for (const choice of document.querySelectorAll("[data-set]")) {
    const { set, value } = choice.dataset;
    choice.href = settings.address({ [set]: value });
    const chosen = settings[set] === value;
    if (choice.role === "tab") {
      choice.setAttribute("aria-selected", chosen);
      choice.tabIndex = chosen ? 0 : -1; // the arrow keys go from tab to tab
    } else if (chosen) choice.setAttribute("aria-current", "true");
    else choice.removeAttribute("aria-current");
  }
  for (const choice of document.querySelectorAll("a[data-sort]")) {
    choice.href = settings.address(sorting(choice.dataset.sort));
  }
  const full = new URL($("full").href);
  full.searchParams.set("from", `now-${settings.range}`);
  $("full").href = full;
}

const sorting = (column) => ({
  sort: column, dir: settings.sort === column && settings.dir === "asc" ? "desc" : "asc",
});

document.addEventListener("click", (event) => {
  const choice = event.target.closest("[data-set], a[data-sort]");
  if (!choice || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const { set, value, sort } = choice.dataset;
  settings.set(set ? { [set]: value } : sorting(sort));
});

document.querySelector("[role=tablist]").addEventListener("keydown", (event) => {
  const tabs = [...event.currentTarget.querySelectorAll("[role=tab]")];
  const at = tabs.indexOf(event.target);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  const tab = tabs.at(to % tabs.length);
  tab.focus();
  settings.set({ stat: tab.dataset.value });
});

links();
states();
setInterval(tick, 1000);
