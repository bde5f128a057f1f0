// Brings the widgets of a built page to life: no kernel, no require.js, no widget manager, no network.
// It reads the widget state that MyST-NB wrote into the page and gives each anywidget the model that Jupyter would.
// Linked traits are mirrored into the address (#key.trait=value), so that an experiment can be sent as a link.
(() => {
  const store = document.querySelector('script[type="application/vnd.jupyter.widget-state+json"]');
  if (!store) return;
  const records = JSON.parse(store.textContent).state, models = new Map(), modules = new Map(), styled = new Set();
  const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);

  // --- the address ------------------------------------------------------------------------------------------
  const read = () => new URLSearchParams(location.hash.slice(1));
  const shape = (v) => (v === null ? "null" : Array.isArray(v) ? "array" : typeof v);
  function fromAddress(name, present) {                   // the value of #name=…, if it is of the same kind
    const text = read().get(name);
    if (text === null) return undefined;
    if (typeof present === "string") return text;
    try { const value = JSON.parse(text); return shape(value) === shape(present) ? value : undefined; } catch { return undefined; }
  }
  const sorted = (key, v) => (shape(v) === "object" ? Object.fromEntries(Object.entries(v).sort()) : v);   // one spelling
  const write = (value) => (typeof value === "string" ? value : JSON.stringify(value, sorted));
  const spell = (hash) => [...hash].map(([k, v]) => `${k}=${encodeURIComponent(v).replace(/%2C/g, ",").replace(/%5B/g, "[").replace(/%5D/g, "]")}`).join("&");
  let pending = 0;
  function toAddress() {                                  // not at every step of a drag: browsers limit how often
    clearTimeout(pending);
    pending = setTimeout(() => {
      const hash = new URLSearchParams();
      for (const model of models.values()) model.changed().forEach(([name, value]) => hash.set(name, write(value)));
      const text = spell(hash);
      history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
    }, 250);
  }

  // --- models -----------------------------------------------------------------------------------------------
  class Model {
    #listeners = new Map(); #state; #name;
    constructor(record) {
      this.#state = { ...record.state };
      for (const buffer of record.buffers ?? []) {
        let holder = this.#state;
        for (const step of buffer.path.slice(0, -1)) holder = holder[step];
        holder[buffer.path.at(-1)] = bytes(buffer.data);
      }
      this.#name = (trait) => `${this.#state.key}.${trait}`;
      for (const trait of this.#linked()) {
        const value = fromAddress(this.#name(trait), this.#state[trait]);
        if (value !== undefined) this.#state[trait] = value;
      }
    }
    #linked() { return Object.keys(this.#state.defaults ?? {}); }
    changed() {
      return this.#linked().filter((t) => write(this.#state[t]) !== write(this.#state.defaults[t])).map((t) => [this.#name(t), this.#state[t]]);
    }
    link() {                                              // untouched: to the figure, by a name that no heading has
      const hash = new URLSearchParams(this.changed().map(([name, value]) => [name, write(value)]));
      return `${location.href.split("#")[0]}#${spell(hash) || `${this.#state.key}.figure`}`;
    }
    get(trait) { return this.#state[trait]; }
    set(trait, value) {
      const changes = typeof trait === "object" ? trait : { [trait]: value };
      let moved = false;
      for (const [name, next] of Object.entries(changes)) {
        if (this.#state[name] === next) continue;
        this.#state[name] = next;
        this.#fire(`change:${name}`, next);
        moved = true;
      }
      if (moved) { this.#fire("change"); toAddress(); }
    }
    save_changes() {}
    send() {}
    on(events, callback) { for (const e of events.split(" ")) this.#listeners.set(e, [...(this.#listeners.get(e) ?? []), callback]); }
    off(event, callback) {
      if (!event) this.#listeners.clear();
      else this.#listeners.set(event, callback ? (this.#listeners.get(event) ?? []).filter((f) => f !== callback) : []);
    }
    #fire(event, value) { for (const callback of this.#listeners.get(event) ?? []) callback(this, value); }
  }

  function model(id) {
    if (!models.has(id)) models.set(id, new Model(records[id]));
    return models.get(id);
  }
  function load(source) {
    if (!modules.has(source)) modules.set(source, import(URL.createObjectURL(new Blob([source], { type: "text/javascript" }))));
    return modules.get(source);
  }
  async function draw(id, el) {
    if (!records[id]?.state._esm) throw new Error("this widget needs a running kernel");
    const made = model(id), css = made.get("_css");
    if (css && !styled.has(css)) { styled.add(css); document.head.append(Object.assign(document.createElement("style"), { textContent: css })); }
    let widget = (await load(made.get("_esm"))).default;
    if (typeof widget === "function") widget = await widget();
    await widget.initialize?.({ model: made });
    await widget.render?.({ model: made, el });
    const key = made.get("key");
    el.dataset.key = key;
    if ([...read().keys()].some((name) => name.startsWith(`${key}.`))) el.scrollIntoView({ block: el.offsetHeight < 0.8 * innerHeight ? "center" : "start" });
  }

  const places = [...document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]')];
  Promise.all(places.map(async (place) => {
    const el = document.createElement("div");
    place.after(el);
    try { await draw(JSON.parse(place.textContent).model_id, el); } catch (error) {
      console.error(error);
      el.textContent = "This figure could not start. Open the chapter in Jupyter or Colab to use it.";
    }
  })).then(() => { document.documentElement.dataset.widgets = "ready"; });
})();
