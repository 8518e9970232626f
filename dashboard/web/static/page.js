// The page in motion: what the reader chooses, the table's rows as the server writes them, the status line. The whole
// page is one form, so that without this script everything works as well; with it, nothing is sent or loaded anew.
const $ = (id) => document.getElementById(id);
const root = document.documentElement, page = document.body.dataset, width = Number(page.window), refresh = page.refresh * 1000;
const table = $("table"), body = table.tBodies[0], query = new URLSearchParams(location.search), kiosk = query.has("kiosk");
const standard = { color: "", q: "", sort: "name", attention: "", page: "0", stat: page.statistics.split(",")[0], range: "15m", theme: "auto" }, state = {};
for (const name in standard) state[name] = query.getAll(name).at(-1) ?? standard[name];
let size = 100, ahead = page.now - Date.now(), newest = Number(page.newest), server = null;
const now = () => Date.now() + ahead; // the server's clock

const write = (e, text) => e.textContent !== text && (e.textContent = text);
const whole = (n) => n.toLocaleString("en"), clock = (t) => new Date(t).toLocaleTimeString("en-GB");
function span(ms) {
  const s = Math.max(0, ms / 1000);
  return s < 100 ? `${Math.floor(s)} s` : s < 6000 ? `${Math.floor(s / 60)} min` : s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`;
}
function paint(e) { // through the CSSOM, which a strict style-src permits
  e.style.setProperty("--c-light", e.dataset.light);
  e.style.setProperty("--c-dark", e.dataset.dark);
}

// Rows. They are written by the server; here only what has changed in one is put in its place.
const rows = new Map(), mold = document.createElement("template");
let order = [];
function adopt(tr) {
  paint(tr);
  tr.parts = [...tr.cells].map((cell) => cell.innerHTML);
  rows.set(tr.dataset.color, tr);
  mark(tr);
}
function renew(name, html) {
  mold.innerHTML = html;
  const fresh = mold.content.firstElementChild, tr = rows.get(name);
  if (!tr) return adopt(fresh);
  tr.className = fresh.className;
  [...fresh.cells].forEach((cell, i) => {
    const part = cell.innerHTML;
    if (!i || part === tr.parts[i]) return; // the name does not change
    if (i === 1) tr.cells[1].querySelector("path").setAttribute("d", cell.querySelector("path").getAttribute("d"));
    else tr.cells[i].innerHTML = part;
    tr.cells[i].title = cell.title;
    tr.parts[i] = part;
  });
  mark(tr);
}
function mark(tr) { // what the reader chose
  const is = tr.dataset.color === (document.getElementById("chart").dataset.shown ? state.color : picked());
  tr.classList.toggle("picked", is && !kiosk);
  tr.querySelector(".name").ariaPressed = is;
  tr.querySelector(".pin").checked = pinned.has(tr.dataset.color);
}
// While the reader is in the table, rows keep their places; the reader's own changes move them at once.
function place(own) {
  if (!own && table.matches(":hover, :focus-within")) return;
  const want = order.map((name) => rows.get(name));
  if (want.length !== body.rows.length || want.some((tr, i) => tr !== body.rows[i])) body.replaceChildren(...want);
  for (const name of rows.keys()) if (!order.includes(name)) rows.delete(name);
}
function show(t, own) {
  if (t.statistics !== page.statistics) return location.reload(); // the worker computes others now
  for (const name in t.rows) renew(name, t.rows[name]);
  if (t.order || own) order = t.order ?? [];
  if (own) state.page = String(t.page);
  document.body.className = t.total > 8 ? "many" : "few";
  if (t.total <= 8 && !chosen) order.forEach((name) => pinned.add(name));
  place(own);
  rows.forEach(mark);
  const first = t.page * size, colors = `${whole(t.total)} colour${t.total === 1 ? "" : "s"}`;
  write($("found"), t.found < t.total ? `${whole(t.found)} of ${colors}` : colors);
  write($("many"), t.attention ? whole(t.attention) : "");
  $("empty").hidden = t.found > 0;
  write($("empty"), t.total ? "No colour matches." : "No windows yet. They appear here by themselves.");
  $("pager").hidden = t.pages < 2;
  $("prev").disabled = t.page === 0;
  $("next").disabled = t.page === t.pages - 1;
  write($("page"), `${whole(first + 1)} to ${whole(first + order.length)} of ${whole(t.found)}`);
  ages();
  if (own) draw();
}
function ages() {
  for (const e of body.querySelectorAll(".age")) write(e, span(now() - Date.parse(e.dateTime)));
  const end = newest + width;
  write($("newest"), newest ? `window ${clock(newest)} to ${clock(end)}, ${span(now() - end)} ago` : "");
}

// Status. Only the word is spoken, when it changes.
function tell(s) {
  server = s;
  ahead = s.now_ms - Date.now();
  const updated = newest !== s.newest_ms;
  newest = s.newest_ms;
  word(s.word, s.kind);
  const facts = s.facts.map((text) => Object.assign(document.createElement("span"), { textContent: text }));
  if (facts.map((e) => e.textContent).join() !== [...$("facts").children].map((e) => e.textContent).join()) $("facts").replaceChildren(...facts.flatMap((e) => [e, " "]));
  write($("parts"), s.parts);
  $("hint").hidden = s.panels.length > 0;
  ages();
  frame();
  if (updated) draw();
}
function word(text, kind) {
  $("status").dataset.state = kind;
  write($("word"), text);
  document.title = `${text} · Colorstream`;
}

// Events. Where none come through (a proxy that keeps them back, too many readers), the page asks instead.
let source, watchdog, poll, hidden;
const view = () => {
  const v = new URLSearchParams({ size });
  for (const name of ["q", "sort", "attention", "page", "stat"]) if (state[name] !== standard[name]) v.set(name, state[name]);
  if (kiosk) v.set("kiosk", 1);
  return v;
};
function close() {
  source?.close();
  clearTimeout(watchdog);
  clearInterval(poll);
  source = poll = undefined;
}
function connect() {
  close();
  const mine = (source = new EventSource(`events?${view()}`));
  const guard = (time) => { clearTimeout(watchdog); watchdog = setTimeout(ask, time); };
  const on = (name, handle) => mine.addEventListener(name, (e) => {
    if (mine !== source) return;
    guard(25_000); // the state comes every 10 s
    handle(JSON.parse(e.data));
  });
  guard(6_000);
  on("state", tell);
  on("rows", (t) => show(t, true));
  on("change", (t) => show(t, false));
  mine.onerror = () => {
    if (mine !== source) return;
    if (mine.readyState === EventSource.CLOSED) ask();
    else word("Connection lost, trying again", "offline");
  };
}
function ask() {
  close();
  const once = async () => {
    try {
      const response = await fetch(`rows?${view()}`, { signal: AbortSignal.timeout(10_000) });
      const { state, table } = await response.json();
      tell({ ...state, now_ms: Date.parse(response.headers.get("Date")) });
      show(table, true);
    } catch {
      word("Connection lost, trying again", "offline");
    }
  };
  once();
  poll = setInterval(once, refresh);
  watchdog = setTimeout(connect, 30_000);
}
addEventListener("visibilitychange", () => { // a page that nobody sees lets its connection go
  clearTimeout(hidden);
  if (document.hidden) hidden = setTimeout(close, 60_000);
  else if (!source && !poll) connect();
});
addEventListener("pagehide", close);
addEventListener("pageshow", (e) => e.persisted && connect());

// Choices. A form's field, or its button, has the name of what it sets.
const pinned = new Set(); // drawn colours, at most 8
let chosen = false, paused = false;
const picked = () => state.color || order[0] || "";
function set(name, value) {
  if (name === "color") {
    if (!document.body.classList.contains("few")) pinned.delete(picked());
    if (value) pin(value, true);
  }
  state[name] = value;
  if (["q", "sort", "attention"].includes(name)) state.page = "0";
  remember();
  if (["q", "sort", "attention", "page", "stat"].includes(name)) connect();
  if (name === "page") $("scroll").scrollTop = 0;
  if (["color", "stat", "range"].includes(name)) { back(); rows.forEach(mark); frame(); }
}
function pin(name, on) {
  pinned[on ? "add" : "delete"](name);
  for (const other of pinned) if (pinned.size > 8 && other !== picked() && other !== name) pinned.delete(other);
}
function remember() { // the address says it all
  const keep = new URLSearchParams(location.search);
  for (const name in standard) state[name] === standard[name] ? keep.delete(name) : keep.set(name, state[name]);
  history.replaceState(null, "", keep.size ? `?${keep}` : location.pathname);
  root.dataset.theme = state.theme;
  $("theme").value = { auto: "light", light: "dark", dark: "auto" }[state.theme];
  write($("theme").lastElementChild, state.theme);
  $("sort").value = state.sort;
  for (const button of table.tHead.querySelectorAll("button")) {
    const name = button.parentNode.className.slice(2), [one, two] = name === "name" ? [name, "-name"] : [`-${name}`, name];
    button.value = state.sort === one ? two : one;
    button.parentNode.ariaSort = state.sort === name ? "ascending" : state.sort === `-${name}` ? "descending" : "none";
  }
  for (const link of document.querySelectorAll(".links a")) if (!link.href.includes("chart")) link.search = view();
  const link = new URLSearchParams({ "var-color": picked(), from: `now-${state.range}`, to: "now" });
  $("grafana").href = `d/color?${link}`;
}
$("f").onsubmit = (e) => {
  const { id, name, value } = e.submitter;
  if (id === "wall") return; // another page
  e.preventDefault();
  if (id === "prev" || id === "next") set("page", String(Number(state.page) + (id === "next" ? 1 : -1)));
  else if (name !== "page") set(name, value);
};
for (const e of $("f").elements) {
  if (!e.name || e.type === "submit" || e.type === "hidden") continue;
  e.addEventListener(e.type === "search" ? "input" : "change", () => set(e.name, e.type === "checkbox" && !e.checked ? "" : e.value));
}
body.onchange = (e) => {
  chosen = true;
  pin(e.target.closest("tr").dataset.color, e.target.checked);
  rows.forEach(mark);
  draw();
};
body.onclick = (e) => {
  if (!e.target.closest("button, input") && !getSelection().toString()) set("color", e.target.closest("tr").dataset.color);
};
table.onkeydown = (e) => { // up and down in a column of controls
  const tr = e.target.closest("tbody tr"), to = tr && { ArrowUp: tr.previousElementSibling, ArrowDown: tr.nextElementSibling }[e.key];
  if (!to) return;
  e.preventDefault();
  to.querySelector(`.${e.target.className}`).focus();
};
addEventListener("keydown", (e) => {
  if (kiosk && e.key === " ") { e.preventDefault(); paused = $("pager").classList.toggle("paused"); }
  if (e.key !== "/" || kiosk || /INPUT|SELECT/.test(document.activeElement.tagName)) return;
  e.preventDefault();
  $("search").focus();
});

// A wall screen: as many tiles as there is room for, and the next ones every 12 seconds.
function fit() {
  const em = parseFloat(getComputedStyle(root).fontSize), box = $("scroll"), across = Math.max(1, Math.floor(box.clientWidth / em / 20.5));
  box.style.setProperty("--across", across);
  const tiles = Math.min(100, across * Math.max(1, Math.floor(box.clientHeight / em / 9)));
  if (tiles !== size) { size = tiles; connect(); }
}
root.classList.add("script");
