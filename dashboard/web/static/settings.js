// What the reader chose. The address remembers it, and every link that changes a setting says where it leads, so that
// it can be copied or opened elsewhere.

const standard = { stat: "mean", range: "15m", theme: "auto", sort: "color", dir: "asc" };

export class Settings {
  #changed;

  // changed is called with the settings' names that were changed.
  constructor(changed) {
    this.#changed = changed;
    this.#read();
    addEventListener("popstate", () => {
      this.#read();
      this.#changed(Object.keys(standard));
    });
  }

  #read() {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(standard)) this[name] = query.get(name) ?? value;
    const known = (name) => document.querySelector(`[data-set="${name}"][data-value="${CSS.escape(this[name])}"]`);
    for (const name of ["stat", "range", "theme"]) if (!known(name)) this[name] = standard[name];
    const columns = [...document.querySelectorAll("th[data-column]")].map((th) => th.dataset.column);
    if (!columns.includes(this.sort)) this.sort = standard.sort;
    if (this.dir !== "desc") this.dir = "asc";
  }

  set(values) {
    const names = Object.keys(values).filter((name) => this[name] !== values[name]);
    if (names.length === 0) return;
    Object.assign(this, values);
    history.replaceState(null, "", this.address({}));
    this.#changed(names);
  }

  address(values) {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries({ ...this.all(), ...values })) {
      if (value !== standard[name]) query.set(name, value);
    }
    return query.size ? `/?${query}` : "/";
  }

  all() {
    return Object.fromEntries(Object.keys(standard).map((name) => [name, this[name]]));
  }
}
