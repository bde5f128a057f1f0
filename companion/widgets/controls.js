// Building blocks shared by the interactive figures: DOM and SVG makers, controls bound to the model, plot axes.
// Every control is a native, labelled form element; sizes suit a thumb; nothing here knows a particular figure.

// An id that no other element of the page has: every figure brings its own copy of this module, the page counts for all.
export const uid = (stem) => `bk-${stem}-${window.bkSerial = (window.bkSerial ?? 0) + 1}`;
export const clamp = (v, lo, hi) => Math.min(hi, Math.max(lo, v));

// The real minus sign, at most `digits` decimals, no trailing zeros.
export const fmt = (v, digits = 2) => {
  if (!Number.isFinite(v)) return Number.isNaN(v) ? "not a number" : v > 0 ? "∞" : "−∞";
  const size = Math.abs(v);
  const text = size !== 0 && (size < 10 ** -digits || size >= 1e6) ? v.toExponential(1) : String(+v.toFixed(digits));
  return text.replace("-", "−").replace("e+", "e").replace("e-", "e−");
};

function make(node, attrs, children) {
  for (const [k, v] of Object.entries(attrs ?? {})) {
    if (v === undefined || v === null || v === false) continue;
    if (k.startsWith("on")) node.addEventListener(k.slice(2), v);
    else if (k === "text") node.textContent = v;
    else node.setAttribute(k, v === true ? "" : v);
  }
  node.append(...children.flat().filter((c) => c !== null && c !== undefined));
  return node;
}
// h("p", { class: "note", onclick: f, text: "…" }, ...children): an HTML element. s(...): the same for SVG.
export const h = (tag, attrs, ...children) => make(document.createElement(tag), attrs, children);
export const s = (tag, attrs, ...children) => make(document.createElementNS("http://www.w3.org/2000/svg", tag), attrs, children);

// The outer frame of a figure: a labelled group with the class bk-figure.
export function frame(model, el, name, ...children) {
  el.classList.add("bk-figure", `bk-${name}`);
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", model.get("label"));
  el.addEventListener("focusin", (e) => e.target.setAttribute("data-lm-suppress-shortcuts", ""));  // keys are the control's, not JupyterLab's
  el.append(...children);
  return el;
}

export function slider({ label, min, max, step, value, format = fmt, oninput }) {
  const id = uid("slider"), out = h("output", { for: id });
  const input = h("input", { id, type: "range", min, max, step });
  const set = (v) => { input.value = v; out.value = format(+v); input.setAttribute("aria-valuetext", format(+v)); };
  input.addEventListener("input", () => { set(+input.value); oninput?.(+input.value); });
  set(value);
  return { el: h("div", { class: "bk-slider" }, h("label", { for: id, text: label }), input, out), input, set };
}

export function select({ label, options, value, onchange }) {       // options: [[value, text], …]
  const id = uid("select");
  const input = h("select", { id }, options.map(([v, text]) => h("option", { value: v, text })));
  const set = (v) => { input.value = v; };
  input.addEventListener("change", () => onchange?.(input.value));
  set(value);
  return { el: h("div", { class: "bk-select" }, h("label", { for: id, text: label }), input), input, set };
}

export function checkbox({ label, value, onchange }) {
  const id = uid("check"), input = h("input", { id, type: "checkbox" });
  const set = (v) => { input.checked = v; };
  input.addEventListener("change", () => onchange?.(input.checked));
  set(value);
  return { el: h("div", { class: "bk-check" }, input, h("label", { for: id, text: label })), input, set };
}

export const button = (text, onclick, attrs = {}) => h("button", { type: "button", class: "bk-button", text, onclick, ...attrs });

// A polite live region: screen readers hear it change, eyes read it as the figure's caption.
export const status = () => h("p", { class: "bk-status", role: "status", "aria-live": "polite" });

// Two-way binding of a control to a trait: bind(model, "lr", slider, { label: "learning rate", min: … }).
export function bind(model, key, control, options) {
  const send = (v) => { model.set(key, v); model.save_changes(); };
  const made = control({ ...options, value: model.get(key), oninput: send, onchange: send });
  const update = () => made.set(model.get(key));
  model.on(`change:${key}`, update);
  return { ...made, off: () => model.off(`change:${key}`, update) };
}

export function setAll(model, state) {
  for (const [k, v] of Object.entries(state)) model.set(k, v);
  model.save_changes();
}

// Presets (a select with a sentence of comment each), reset, and "copy link" where the page offers addresses.
// presets: [{ name, note, state: { trait: value } }]; every preset starts from the defaults.
export function toolbar(model, { presets = [], onreset = () => {}, extra = [] } = {}) {
  const note = status();
  const apply = (state) => { setAll(model, { ...model.get("defaults"), ...state }); onreset(); };
  const items = [...extra];
  if (presets.length) {
    const picker = select({
      label: "Try", value: "",
      options: [["", "choose an experiment…"], ...presets.map((p, i) => [i, p.name])],
      onchange: (i) => { if (i === "") return; apply(presets[i].state); note.textContent = presets[i].note ?? ""; },
    });
    items.push(picker.el);
  }
  items.push(button("Reset", () => { apply({}); note.textContent = ""; el.querySelectorAll("select").forEach((p) => { if (p.options[0]?.value === "") p.value = ""; }); }));
  if (model.link) items.push(button("Copy link", async () => {
    try { await navigator.clipboard.writeText(model.link()); note.textContent = "Link copied: it opens this page with this setting."; }
    catch { note.textContent = `Link to this setting: ${model.link()}`; }
  }));
  const el = h("div", { class: "bk-toolbar" }, ...items, note);
  return el;
}

export const linear = ([a, b], [p, q]) => { const k = (q - p) / (b - a), f = (v) => p + (v - a) * k; f.invert = (u) => a + (u - p) / k; return f; };

export function ticks(lo, hi, about = 5) {
  const raw = (hi - lo) / about, unit = 10 ** Math.floor(Math.log10(raw));
  const step = unit * ([1, 2, 5, 10].find((m) => m * unit >= raw) ?? 10), out = [];
  for (let i = Math.ceil(lo / step - 1e-9); i * step <= hi + 1e-9 * step; i++) out.push(+(i * step).toPrecision(12));
  return out;
}

// An SVG with axes. x, y: data ranges. Returns { svg, layer, X, Y }: draw into layer with X(v), Y(v).
// The viewBox is fixed, so one drawing serves a desk and a phone; label: the text alternative of the drawing.
export function axes({ label, width = 420, height = 320, x, y, xlabel = "", ylabel = "", margin = [12, 12, 40, 48], grid = true }) {
  const [top, right, bottom, left] = margin;
  const X = linear(x, [left, width - right]), Y = linear(y, [height - bottom, top]);
  const back = s("g", { class: "bk-axes" }), layer = s("g", {});
  for (const v of ticks(...x)) back.append(
    ...(grid ? [s("line", { x1: X(v), x2: X(v), y1: top, y2: height - bottom })] : []),
    s("text", { x: X(v), y: height - bottom + 16, "text-anchor": "middle", text: fmt(v) }));
  for (const v of ticks(...y)) back.append(
    ...(grid ? [s("line", { x1: left, x2: width - right, y1: Y(v), y2: Y(v) })] : []),
    s("text", { x: left - 6, y: Y(v) + 4, "text-anchor": "end", text: fmt(v) }));
  back.append(
    s("text", { class: "bk-axis-label", x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle", text: xlabel }),
    s("text", { class: "bk-axis-label", x: 13, y: (top + height - bottom) / 2, "text-anchor": "middle", transform: `rotate(-90 13 ${(top + height - bottom) / 2})`, text: ylabel }));
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, class: "bk-plot" }, back, layer);
  return { svg, layer, X, Y };
}

// Where a pointer event lies in the coordinates of an SVG's viewBox.
export function pointIn(svg, event) {
  const p = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return [p.x, p.y];
}

// The present value of a palette colour ("blue", "ink", …) for drawing on a canvas.
export const color = (el, name) => getComputedStyle(el).getPropertyValue(`--bk-${name}`).trim();

// A context whose unit is the CSS pixel, on a canvas as sharp as the screen, wiped. settings: { font: …, textAlign: … }.
export const FONT = "12px system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";
export function sharpPen(canvas, settings = {}) {
  const ratio = Math.min(3, window.devicePixelRatio || 1), width = canvas.clientWidth, height = canvas.clientHeight;
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across || canvas.height !== down) { canvas.width = across; canvas.height = down; }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  Object.assign(pen, { font: FONT, ...settings });
  return { pen, width, height };
}

// Calls back when the page turns light or dark (canvases must repaint). Returns the function that stops it.
export function onTheme(callback) {
  const watch = new MutationObserver(callback);
  for (const node of [document.documentElement, document.body])
    watch.observe(node, { attributes: true, attributeFilter: ["data-theme", "data-jp-theme-light", "class"] });
  return () => watch.disconnect();
}

// Runs step(dt) once a frame while the figure is on screen and running. Returns { start, stop, running, destroy }.
export function animation(el, step) {
  let running = false, visible = true, handle = 0, last = 0;
  const frame = (now) => { const dt = now - last; last = now; handle = 0; if (running && visible) { step(dt); schedule(); } };
  const schedule = () => { if (!handle && running && visible) handle = requestAnimationFrame(frame); };
  const seen = new IntersectionObserver(([e]) => { visible = e.isIntersecting; last = performance.now(); schedule(); });
  seen.observe(el);
  return {
    start() { running = true; last = performance.now(); schedule(); },
    stop() { running = false; },
    get running() { return running; },
    destroy() { running = false; cancelAnimationFrame(handle); seen.disconnect(); },
  };
}
