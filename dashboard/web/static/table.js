// The table of the newest windows. Rows are made once and then only given new texts, so that nothing moves; every
// text from the data is set as text.

import * as format from "./format.js";

const statistics = ["mean", "median", "min", "max"];
const writers = { mean: format.number, median: format.number, min: format.extreme, max: format.extreme };

export class Table {
  #table = document.getElementById("table");
  #body = this.#table.tBodies[0];
  #pattern = document.getElementById("row").content.firstElementChild;
  #rows = new Map();

  constructor() {
    for (const row of this.#body.rows) this.#rows.set(row.dataset.color, row);
  }

  // show brings the table up to the windows, a map by colour. Rows of the colours in fresh light up for a moment.
  show(windows, settings, fresh = new Set()) {
    this.#table.dataset.stat = settings.stat;
    this.#table.dataset.sort = settings.sort;
    for (const [color, row] of this.#rows) {
      if (!windows.has(color)) {
        row.remove();
        this.#rows.delete(color);
      }
    }
    for (const [color, window] of windows) {
      let row = this.#rows.get(color);
      if (!row) this.#rows.set(color, (row = this.#make(window)));
      this.#fill(row, window, settings.stat);
      if (fresh.has(color)) row.dataset.fresh = row.dataset.fresh === "a" ? "b" : "a"; // two names restart an animation
    }
    this.#sort(windows, settings);
    document.getElementById("empty").hidden = windows.size > 0;
  }

  // tick writes the ages and marks what has become stale. It returns how many colours are stale.
  tick(windows, now, staleAfter) {
    let stale = 0;
    for (const [color, row] of this.#rows) {
      const window = windows.get(color);
      if (!window) continue;
      const age = now - window.endTime;
      write(cell(row, "age"), format.age(age));
      const isStale = age > staleAfter;
      row.classList.toggle("stale", isStale);
      if (isStale) stale++;
    }
    return stale;
  }

  // away marks all values as the last that are known.
  away(yes) {
    this.#table.classList.toggle("away", yes);
  }

  #make(window) {
    const row = this.#pattern.cloneNode(true);
    row.dataset.color = window.color;
    row.querySelector("circle.light").setAttribute("fill", window.shade.light);
    row.querySelector("circle.dark").setAttribute("fill", window.shade.dark);
    const name = row.querySelector(".name");
    name.textContent = name.title = window.color;
    return row;
  }

  #fill(row, window, statistic) {
    for (const name of statistics) write(cell(row, name), writers[name](window[name]));
    write(cell(row, "count"), String(window.count));
    row.classList.toggle("incomplete", !window.complete);
    row.classList.toggle("approximate", !window.exact);
    const by = change(window, statistic);
    const [sign, word, text] =
      by > 0 ? ["▲", "up ", format.number(by)]
      : by < 0 ? ["▼", "down ", format.number(-by)]
      : by === 0 ? ["＝", "unchanged ", ""]
      : ["–", "unknown ", ""];
    const target = cell(row, "change");
    write(target.querySelector(".sign"), sign);
    write(target.querySelector(".word"), word);
    write(target.querySelector(".by"), text);
  }

  #sort(windows, { stat, sort, dir }) {
    const sign = dir === "desc" ? -1 : 1;
    const key = (window) => {
      if (sort === "age") return -window.endTime;
      if (sort !== "change") return window[sort];
      const by = change(window, stat);
      return Number.isNaN(by) ? sign * Infinity : by; // the unknown last
    };
    const order = [...windows.values()].sort((a, b) => sign * compare(key(a), key(b)) || compare(a.color, b.color));
    order.forEach(({ color }, place) => {
      const row = this.#rows.get(color);
      if (this.#body.rows[place] !== row) this.#body.insertBefore(row, this.#body.rows[place] ?? null);
    });
    for (const head of this.#table.tHead.querySelectorAll("th")) {
      const sorted = head.dataset.column === sort ? (dir === "desc" ? "descending" : "ascending") : "none";
      head.setAttribute("aria-sort", sorted);
    }
  }
}

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const change = (window, statistic) => (window.previous ? window[statistic] - window.previous[statistic] : NaN);
const cell = (row, column) => row.querySelector(`[data-column="${column}"]`);

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
