// The chart: the server's drawing of the picked colour and of those beside it, with a crosshair and zoom on top; or,
// until a colour is picked, Grafana's panel if there is one.
const chart = $("chart"), drawing = $("drawing"), dark = matchMedia("(prefers-color-scheme: dark)");
const minutes = { "5m": 5, "15m": 15, "1h": 60, "6h": 360, "24h": 1440 }, zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";
let plot = null, at = null, zoomed = null, drag = null, asking = null, late = false;
const exact = (v) => v.toLocaleString("en", { maximumSignificantDigits: 15 });
function h(tag, name, attributes, ...inside) {
  const e = /^(path|rect|circle|g)$/.test(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  if (name) e.setAttribute("class", name);
  for (const key in attributes) e.setAttribute(key, attributes[key]);
  e.append(...inside);
  return e;
}
function shade(e, line) {
  e.classList.add("mine");
  Object.assign(e.dataset, { light: line.light, dark: line.dark });
  paint(e);
  return e;
}

function range() {
  const to = newest + width;
  return zoomed ?? [to - minutes[state.range] * 6e4, to];
}
async function draw() { // one question at a time; a change meanwhile asks once more
  if (!newest || !picked() || !chart.clientWidth || chart.dataset.shown === "grafana") return;
  if (asking) return void (late = true);
  const [from, to] = range(), em = parseFloat(getComputedStyle($("scale")).fontSize);
  const query = new URLSearchParams({ stat: state.stat, from, to, tz: zone, width: chart.clientWidth, height: chart.clientHeight, em });
  for (const name of pinned) if (name !== picked()) query.append("color", name);
  query.append("color", picked());
  asking = query;
  try {
    const response = await fetch(`series?${query}`, { signal: AbortSignal.timeout(15_000) });
    if (!response.ok) throw new Error(await response.text());
    if (drag === null && !late) put(await response.json());
  } catch (e) {
    write($("note"), `The chart is not up to date: ${e.message}`);
  }
  asking = null;
  if (late) { late = false; draw(); }
}
function put(answer) {
  plot = { ...answer, ...answer.plot };
  drawing.innerHTML = answer.svg; // the server escapes what is in it
  drawing.querySelectorAll("[data-light]").forEach(paint);
  const line = plot.series.at(-1), [value, ...rest] = plot.figures;
  shade($("picked"), line);
  write($("picked").lastElementChild, line.color);
  $("figures").replaceChildren(h("b", "", {}, value), ...rest.map((text) => h("span", "", {}, ` ${text}`)));
  write($("note"), plot.note);
  chart.ariaLabel = `${state.stat} of ${plot.series.map((l) => l.color).join(", ")}, ${clock(plot.from_ms)} to ${clock(plot.to_ms)}`;
  $("live").hidden = !zoomed;
  if ($("numbers").open) numbers();
  cross();
}
const X = (t) => plot.left + ((Math.min(t, plot.to_ms) - plot.from_ms) / (plot.to_ms - plot.from_ms)) * (plot.right - plot.left);
const Y = (v) => plot.bottom - ((v - plot.low) / (plot.high - plot.low)) * (plot.bottom - plot.top);
const tableRow = (list) => h("tr", "", {}, ...list.map((v) => h("td", "", {}, v)));
const values = (l, k, keys) => keys.map((key) => (l[key][k] === null ? "–" : exact(l[key][k])));

function cross() { // the crosshair, and the exact values under it
  drawing.querySelector(".marks")?.remove();
  const tip = $("tip"), room = chart.clientWidth;
  tip.hidden = at === null || !plot;
  if (tip.hidden) return "Live";
  const keys = [...new Set([state.stat, ...["min", "max"].filter((key) => plot.statistics.includes(key)), "count"])];
  const { step_ms: step, from_ms: from, start_ms: starts } = plot, k = Math.min(starts.length - 1, Math.max(0, Math.floor((at - from) / step))), x = X(starts[k] + step / 2);
  const said = [`${clock(starts[k])} to ${clock(starts[k] + step)}`], list = [[said[0], ...keys]];
  const marks = h("g", "marks", {}, h("path", "cross", { d: `M${x} ${plot.top}V${plot.bottom}` }));
  for (const l of plot.series.toReversed()) {
    const v = l[state.stat][k], texts = values(l, k, keys);
    if (v !== null) marks.append(shade(h("circle", "dot", { cx: x, cy: Y(v), r: 4 }), l));
    if (l.complete[k] === false) texts.push("incomplete");
    list.push([h("span", "", {}, shade(h("i", "swatch"), l), ` ${l.color}`), ...texts]);
    said.push(v === null ? `${l.color} no messages` : `${l.color} ${[...keys, ""].map((key, i) => `${key} ${texts[i] ?? ""}`).join(", ")}`);
  }
  tip.replaceChildren(h("table", "", {}, ...list.map(tableRow)));
  drawing.firstElementChild?.append(marks);
  tip.style.left = `${Math.max(0, Math.min(x > room / 2 ? x - tip.offsetWidth - 12 : x + 12, room - tip.offsetWidth))}px`;
  return said.join("; ");
}
function numbers() {
  const l = plot.series.at(-1), list = [];
  plot.start_ms.forEach((t, k) => l.count[k] !== null && list.unshift(tableRow([clock(t), ...values(l, k, [...plot.statistics, "count"]), l.complete[k] ? "" : "incomplete"])));
  $("numbers").querySelector("tbody").replaceChildren(...list);
}
function zoom(from, to) {
  const size = Math.round(Math.min(Math.max(to - from, 6 * width), 864e5) / width) * width;
  to = Math.min(newest + width, Math.ceil((from + to + size) / 2 / width) * width);
  zoomed = [to - size, to];
  draw();
}
function scale(by) {
  const [a, b] = range(), m = at ?? (a + b) / 2;
  zoom(m - (m - a) * by, m + (b - m) * by);
}
function back() { zoomed = at = null; draw(); }
const timeAt = (e) => plot.from_ms + Math.min(Math.max((e.clientX - chart.getBoundingClientRect().left - plot.left) / (plot.right - plot.left), 0), 1) * (plot.to_ms - plot.from_ms);
chart.onpointerdown = (e) => { // a finger only reads
  if (!plot || e.pointerType === "touch" || e.button) return;
  drag = timeAt(e);
  chart.setPointerCapture(e.pointerId);
};
chart.onpointermove = (e) => {
  if (!plot) return;
  at = timeAt(e);
  cross();
  if (drag === null) return;
  const [a, b] = [X(Math.min(drag, at)), X(Math.max(drag, at))];
  drawing.querySelector(".marks").append(h("rect", "drag", { x: a, width: b - a, y: plot.top, height: plot.bottom - plot.top }));
};
chart.onpointerup = () => {
  if (drag === null) return;
  const [a, b] = [drag, at ?? drag].sort((p, q) => p - q);
  drag = null;
  if (X(b) - X(a) > 8) zoom(a, b);
  else draw();
};
chart.onpointercancel = () => { drag = null; };
chart.onpointerleave = chart.onblur = (e) => {
  if (drag !== null || (e.type !== "blur" && document.activeElement === chart)) return;
  at = null;
  cross();
};
chart.ondblclick = back;
chart.onkeydown = (e) => {
  if (!plot || e.ctrlKey || e.metaKey || e.altKey) return;
  const { from_ms: from, to_ms: to, step_ms: step } = plot, half = (to - from) / 2, end = to - step / 2;
  const move = (by) => { at = at === null ? end : Math.min(Math.max(at + by * step * (e.shiftKey ? 10 : 1), from + step / 2), end); };
  const act = { ArrowLeft: () => move(-1), ArrowRight: () => move(1), Home: () => move(-1e4), End: () => move(1e4), "+": () => scale(0.5), "-": () => scale(2),
    PageUp: () => zoom(from - half, to - half), PageDown: () => zoom(from + half, to + half), Escape: back }[e.key];
  if (!act) return;
  e.preventDefault();
  act();
  write($("read"), cross());
};

// Grafana's panel. A newly loaded one stays invisible until it is drawn and then takes the place of the old.
let shown = null, next = null, address = "", again;
function frame() {
  const panel = { mean: 1, median: 2, min: 3, max: 4 }[state.stat], there = server?.panels.includes(panel);
  $("all").hidden = !there || !state.color;
  $("grafana").hidden = !there;
  if (!there || state.color) return drop();
  const theme = state.theme === "auto" ? (dark.matches ? "dark" : "light") : state.theme;
  const query = new URLSearchParams({ orgId: 1, panelId: panel, from: `now-${state.range}`, to: "now",
    refresh: `${Math.max(refresh / 1000, 5)}s`, theme, timezone: "browser", hideLogo: true });
  const path = `d-solo/${page.uid}/x?${query}`, want = `${path} ${server.revision}`;
  if (want === address) return;
  address = want;
  clearTimeout(again);
  next?.remove();
  next = h("iframe", "loading", { title: `Grafana panel: ${state.stat} of every colour`, src: path });
  chart.append(next);
  drawn(next, performance.now() + 20_000);
}
function drawn(mine, deadline) {
  if (mine !== next) return; // another took its place
  let inner = null;
  try { inner = mine.contentDocument; } catch { /* the browser's own error page */ }
  const broken = inner?.readyState === "complete" && inner.URL !== "about:blank" && !inner.querySelector("script, canvas");
  if (inner?.querySelector("canvas, .panel-empty, [data-testid='data-testid Panel data error message']")) {
    mine.className = "";
    shown?.remove();
    [shown, next] = [mine, null];
    chart.dataset.shown = "grafana";
    $("figures").replaceChildren();
    write($("picked").lastElementChild, "All colours");
    $("picked").firstElementChild.hidden = true;
    write($("note"), "Drawn by Grafana. Pick a colour to see it alone.");
    rows.forEach(mark);
  } else if (broken || performance.now() > deadline) {
    const failed = address;
    drop();
    address = failed; // for a while
    again = setTimeout(() => { address = ""; frame(); }, 5_000);
  } else setTimeout(drawn, 100, mine, deadline);
}
function drop() {
  const was = chart.dataset.shown === "grafana";
  next?.remove();
  shown?.remove();
  shown = next = null;
  address = "";
  delete chart.dataset.shown;
  $("picked").firstElementChild.hidden = false;
  if (was) { rows.forEach(mark); draw(); }
}
dark.onchange = frame;

const click = { in: () => scale(0.5), out: () => scale(2), live: back };
for (const id in click) $(id).onclick = click[id];
$("numbers").ontoggle = () => plot && numbers();
for (const tr of body.rows) { order.push(tr.dataset.color); pinned.size < 8 && document.body.className === "few" && pinned.add(tr.dataset.color); }
if (state.color) pinned.add(state.color);
for (const tr of body.rows) adopt(tr);
remember(); ages(); draw(); connect();
setInterval(ages, 1000);
let resized;
new ResizeObserver(() => { clearTimeout(resized); resized = setTimeout(draw, 100); }).observe(chart);
if (kiosk) {
  new ResizeObserver(fit).observe($("scroll"));
  setInterval(() => paused || $("pager").hidden || set("page", String(Number(state.page) + 1)), 12_000);
}
