// One activation, three views: the function with its slope, a deep random stack, and a small net that loses units.
import { animation, axes, bind, button, clamp, fmt, frame, h, pointIn, s, select, setAll, slider, status, toolbar } from "./controls.js";
import { ACTIVATION_ROWS, MOST_DEPTH, STEPS, UNITS, WAVE, DEAD, deadUnits, drawStack, drawUnits, matchedGain, predictStack, rowOf, runStack, trainUnits, unitOutput } from "./activation_engine.js";

const EDGE = 6, WIDTHS = [8, 16, 32, 64], LEARNING_RATES = [0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1];
const FLAT = 0.01, DECADES = [3, 6, 12, 24, 48], BIN = 0.25, FRAMES = 2;
const PRESETS = [
  { name: "Sigmoid, slope at most ¼", state: { activation: "sigmoid", gain: 1, point: 0, layer: 20 },
    note: "The slope is never above ¼. Twenty layers on, look at how much of the error signal is left." },
  { name: "ReLU with He’s weights", state: { activation: "relu", gain: 1.41, width: 64 },
    note: "ReLU throws half of the mean square away, and √2 puts it back: both lines stay level, but for chance." },
  { name: "Tanh, weights too large", state: { activation: "tanh", gain: 3, point: 2.5, layer: 5 },
    note: "The signal keeps its size, but the histogram shows where it lives: mostly out on the flat arms. The error signal grows." },
  { name: "SELU mends itself", state: { activation: "selu", gain: 1, depth: 50, layer: 50 },
    note: "Fifty layers, and the signal still has the size 1. Take weights of 0.8 or 1.2: it settles again, at another size." },
  { name: "GELU on a knife’s edge", state: { activation: "gelu", gain: 1.53, depth: 50, layer: 50, width: 64 },
    note: "The size that keeps a signal of size 1, but on a knife’s edge: each deviation grows from layer to layer." },
  { name: "A learning rate too large", state: { learning_rate: 0.5 },
    note: "The first steps throw most units off the data. Drag the step to see when they die." },
  { name: "The same with a leak", state: { activation: "leaky_relu", parameter: 0.05, learning_rate: 0.5 },
    note: "The same weights and the same learning rate, but a slope of 0.05 on the left: no unit is lost." },
  { name: "Born silent", state: { bias: -3 },
    note: "Biases of −3 leave most units below zero on every point before the first step. They never wake up." },
];

// What a link or a kernel may hold -> a setting that can be drawn.
export function readExplorer(get) {
  const within = (name, low, high, start, unit) =>
    (Number.isFinite(get(name)) ? clamp(Math.round(get(name) / unit) * unit, low, high) : start);
  const row = rowOf(get("activation")) ?? ACTIVATION_ROWS[0], range = row.parameter;
  const depth = within("depth", 2, MOST_DEPTH, 20, 1);
  return {
    activation: row.name, row,
    parameter: range ? +within("parameter", range.min, range.max, range.start, 0.01).toFixed(2) : 0,
    point: +within("point", -EDGE, EDGE, 1, 0.05).toFixed(2),
    depth, width: WIDTHS.includes(get("width")) ? get("width") : 32,
    gain: +within("gain", 0.1, 3, 0.8, 0.01).toFixed(2), layer: within("layer", 1, depth, Math.min(10, depth), 1),
    learning_rate: LEARNING_RATES.includes(get("learning_rate")) ? get("learning_rate") : 0.1,
    bias: +within("bias", -4, 2, 0, 0.25).toFixed(2), step: within("step", 0, STEPS, STEPS, 1), seed: within("seed", 1, 9999, 7, 1),
  };
}

const set = (node, attrs) => { for (const [name, value] of Object.entries(attrs)) node.setAttribute(name, value); };
const say = (node, text) => { if (node.textContent !== text) node.textContent = text; };      // heard when it changes
const path = (points) => `M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`;
const power = (size) => {
  if (!(size > 0)) return "0";
  if (size > 0.01 && size < 1000) return String(+size.toPrecision(2));
  const [front, ten] = size.toExponential(1).split("e").map(Number);             // rounds 9.96e-5 to 1.0e-4
  return `${front}·10${String(ten).replace("-", "⁻").replace(/\d/g, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d])}`;
};
const key = (kind, text) => h("span", { class: "bk-activation-key" }, h("span", { class: `bk-activation-swatch bk-activation-${kind}`, "aria-hidden": "true" }), text);

// ---- 1: the function ----------------------------------------------------------------------------------------------

// φ, φ′, the tangent at a movable point, and below them where the pre-activations of one layer of the stack lie.
function drawFunction(onmove) {
  const views = [[-2, 6], [-2, 2]].map((y) => {
    const { svg, layer, X, Y } = axes({ label: "", width: 420, height: 300, margin: [8, 10, 40, 40], x: [-EDGE, EDGE], y, xlabel: "pre-activation z" });
    const parts = Object.fromEntries(["bars", "slope", "curve", "tangent"].map((name) => [name, s("path", { class: `bk-activation-${name}` })]));
    const at = s("line", { class: "bk-activation-at" }), dot = s("circle", { r: 6, class: "bk-activation-dot" }), low = s("circle", { r: 5, class: "bk-activation-low" });
    layer.append(parts.bars, at, parts.slope, parts.curve, parts.tangent, low, dot);
    const follow = (event) => onmove(clamp(X.invert(pointIn(svg, event)[0]), -EDGE, EDGE));
    svg.addEventListener("pointerdown", (event) => { svg.setPointerCapture(event.pointerId); follow(event); });
    svg.addEventListener("pointermove", (event) => { if (svg.hasPointerCapture(event.pointerId)) follow(event); });
    return { svg, X, Y, y, at, dot, low, ...parts };
  });
  const sample = Array.from({ length: 481 }, (_, i) => -EDGE + (2 * EDGE * i) / 480);
  // Broken where the function jumps, cut where it leaves the picture.
  const trace = ({ X, Y, y }, f) => {
    let d = "", before = NaN;
    for (const z of sample) {
      const v = f(z), inside = v >= y[0] - 0.2 && v <= y[1] + 0.2;
      if (inside) d += `${d && Math.abs(v - before) < 0.15 ? "L" : "M"}${X(z).toFixed(1)} ${Y(v).toFixed(1)}`;
      before = inside ? v : NaN;
    }
    return d;
  };
  const el = h("div", { class: "bk-activation-pointable" });
  return {
    el,
    update({ row, parameter, point }, values) {
      const view = views[row.bounded ? 1 : 0], { X, Y, y } = view;
      if (el.firstChild !== view.svg) el.replaceChildren(view.svg);
      const value = row.value(point, parameter), slope = row.slope(point, parameter);
      set(view.curve, { d: trace(view, (z) => row.value(z, parameter)) });
      set(view.slope, { d: trace(view, (z) => row.slope(z, parameter)) });
      const reach = 1.6 / Math.hypot(1, slope);
      set(view.tangent, { d: path([[X(point - reach), Y(value - reach * slope)], [X(point + reach), Y(value + reach * slope)]]) });
      set(view.at, { x1: X(point), x2: X(point), y1: Y(y[0]), y2: Y(y[1]) });
      set(view.dot, { cx: X(point), cy: Y(value) });
      set(view.low, { cx: X(point), cy: Y(slope) });
      const counts = new Array(Math.round((2 * EDGE) / BIN)).fill(0);
      for (const z of values) { const bin = Math.floor((z + EDGE) / BIN); if (bin >= 0 && bin < counts.length) counts[bin] += 1; }
      const most = Math.max(...counts, 1), tall = 0.3 * (y[1] - y[0]);
      set(view.bars, { d: counts.map((c, i) => (c ? `M${X(i * BIN - EDGE)} ${Y(y[0])}V${Y(y[0] + (tall * c) / most)}H${X((i + 1) * BIN - EDGE)}V${Y(y[0])}Z` : "")).join("") });
      set(view.svg, { "aria-label": `The function ${row.title} and its slope over z from −${EDGE} to ${EDGE}, with the tangent at z = ${fmt(point)}, `
        + "and a histogram of the pre-activations of the chosen layer." });
    },
  };
}

// ---- 2: the deep stack ----------------------------------------------------------------------------------------------

function drawDepth(onpick) {
  const el = h("div", { class: "bk-activation-pointable" });
  return {
    el,
    update({ depth, layer: chosen }, run, theory) {
      const logs = [run.signal, run.error].map((sizes) => Array.from(sizes, Math.log10));
      const far = Math.max(...logs.flat().filter(Number.isFinite).map(Math.abs)), limit = DECADES.find((d) => d >= far) ?? DECADES.at(-1);
      const { svg, layer, X, Y } = axes({ label: `Sizes over ${depth} layers on a logarithmic axis: the signal goes from ${power(run.signal[0])} to `
        + `${power(run.signal.at(-1))}, the error signal comes back from ${power(run.error.at(-1))} to ${power(run.error[0])}.`,
        width: 420, height: 300, margin: [8, 16, 40, 48], x: [1, depth], y: [-limit, limit], xlabel: "layer", ylabel: "size, as a power of ten" });
      const line = (values) => path([...values].map((v, i) => [X(i + 1), Y(clamp(Number.isFinite(v) ? v : -limit, -limit, limit))]));
      layer.append(s("line", { x1: X(1), x2: X(depth), y1: Y(0), y2: Y(0), class: "bk-activation-one" }),
        s("line", { x1: X(chosen), x2: X(chosen), y1: Y(-limit), y2: Y(limit), class: "bk-activation-at" }),
        ...[theory.signal, theory.error].map((sizes) => s("path", { d: line(Array.from(sizes, Math.log10)), class: "bk-activation-theory" })),
        ...logs.map((values, i) => s("path", { d: line(values), class: i ? "bk-activation-error" : "bk-activation-signal" })));
      const pick = (event) => onpick(clamp(Math.round(X.invert(pointIn(svg, event)[0])), 1, depth));
      svg.addEventListener("pointerdown", pick);
      el.replaceChildren(svg);
    },
  };
}

function tellDepth({ depth }, { signal, error }) {
  const back = error[0] / error.at(-1), forth = signal.at(-1) / signal[0];
  const word = (ratio) => (ratio < 0.01 ? "vanishes" : ratio < 0.1 ? "shrinks" : ratio > 100 ? "explodes" : ratio > 10 ? "grows" : "keeps its size, roughly");
  return `Layer 1 gets ${power(back)} times the error signal of layer ${depth}: it ${word(back)}. Layer ${depth} gets ${power(forth)} times the signal of layer 1: it ${word(forth)}.`;
}

// ---- 3: units that die ------------------------------------------------------------------------------------------------

function drawFit() {
  const { svg, layer, X, Y } = axes({ label: "", width: 420, height: 250, margin: [36, 10, 40, 40], x: [-2, 2], y: [-2, 2], xlabel: "input x" });
  const curve = s("path", { class: "bk-activation-curve" });
  const dots = Array.from({ length: UNITS }, (_, u) => s("circle", { cx: 46 + 15.6 * u, cy: 16, r: 5.5 }));
  layer.append(...WAVE.map(({ x, y }) => s("circle", { cx: X(x), cy: Y(y), r: 2.5, class: "bk-activation-target" })), curve, ...dots);
  return {
    el: svg,
    update({ row, parameter }, { params, steepest, loss }) {
      set(curve, { d: path(Array.from({ length: 161 }, (_, i) => { const x = -2 + i / 40; return [X(x), Y(clamp(unitOutput(row, parameter, params, x), -2.1, 2.1))]; })) });
      dots.forEach((dot, u) => set(dot, { class: steepest[u] < DEAD ? "bk-activation-dead" : "bk-activation-alive" }));
      set(svg, { "aria-label": `The wave to learn and what the network says, loss ${power(loss)}; above, ${UNITS} units, ${deadUnits({ steepest })} of them dead.` });
    },
  };
}

function drawDeaths() {
  const { svg, layer, X, Y } = axes({ label: "", width: 420, height: 250, margin: [36, 16, 40, 48], x: [0, STEPS], y: [0, 100], xlabel: "step", ylabel: "dead units, %" });
  const line = s("path", { class: "bk-activation-deaths" }), at = s("line", { class: "bk-activation-at", y1: Y(0), y2: Y(100) }), dot = s("circle", { r: 5, class: "bk-activation-dot" });
  layer.append(at, line, dot);
  return {
    el: svg,
    update({ step }, frames) {
      const share = frames.map((now) => (100 * deadUnits(now)) / UNITS);
      set(line, { d: path(share.map((v, t) => [X(t), Y(v)])) });
      set(at, { x1: X(step), x2: X(step) });
      set(dot, { cx: X(step), cy: Y(share[step]) });
      set(svg, { "aria-label": `Share of dead units over ${STEPS} steps: ${fmt(share[0], 0)} % before the first step, ${fmt(share.at(-1), 0)} % at the end.` });
    },
  };
}

// ---- the figure ---------------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const read = () => readExplorer((name) => model.get(name)), first = read();
  const clean = Object.fromEntries(Object.entries(first).filter(([name]) => name !== "row"));
  if (Object.entries(clean).some(([name, v]) => model.get(name) !== v)) setAll(model, clean);
  const change = (name, value) => { model.set(name, value); model.save_changes(); };

  const choice = select({ label: "Activation", options: ACTIVATION_ROWS.map((r) => [r.name, r.title]), value: first.activation,
    onchange: (name) => setAll(model, { activation: name, parameter: rowOf(name).parameter?.start ?? 0 }) });
  const ranged = (name, options) => bind(model, name, slider, options);
  const parameter = ranged("parameter", { label: "parameter", min: 0, max: 1, step: 0.01 });
  const point = ranged("point", { label: "z", min: -EDGE, max: EDGE, step: 0.05 });
  const depth = ranged("depth", { label: "layers", min: 2, max: MOST_DEPTH, step: 1 });
  const gain = ranged("gain", { label: "weight size g", min: 0.1, max: 3, step: 0.01 });
  const layer = ranged("layer", { label: "look at layer", min: 1, max: MOST_DEPTH, step: 1 });
  const rate = slider({ label: "learning rate", min: 0, max: LEARNING_RATES.length - 1, step: 1, value: LEARNING_RATES.indexOf(first.learning_rate),
    format: (i) => fmt(LEARNING_RATES[i]), oninput: (i) => change("learning_rate", LEARNING_RATES[i]) });
  const bias = ranged("bias", { label: "first biases", min: -4, max: 2, step: 0.25 });
  const step = ranged("step", { label: "step", min: 0, max: STEPS, step: 1 });
  const width = select({ label: "width", options: WIDTHS.map((w) => [w, w]), value: first.width, onchange: (w) => change("width", +w) });

  const gains = [["PyTorch", () => 0.58], ["Xavier", () => 1], ["He", () => 1.41], ["matched", ({ row, parameter: p }) => +matchedGain(row, p).toFixed(2)]]
    .map(([name, size]) => ({ size, el: button(name, () => change("gain", size(read())), { class: "bk-button bk-activation-small" }) }));
  const play = button("Play", () => toggle(), { class: "bk-button bk-primary" });
  const again = button("Other weights", () => change("seed", (read().seed % 9999) + 1));

  const functionView = drawFunction((z) => change("point", +(Math.round(z / 0.05) * 0.05).toFixed(2)));
  const depthView = drawDepth((l) => change("layer", l)), fitView = drawFit(), deathView = drawDeaths();
  const [atPoint, atDepth, atStep] = [status(), status(), status()], where = h("p", { class: "bk-activation-note" });
  atDepth.classList.add("bk-activation-sizes");
  const section = (title, ...parts) => h("div", { class: "bk-activation-part" }, title ? h("p", { class: "bk-activation-title", text: title }) : null, ...parts);
  const pair = (left, right) => h("div", { class: "bk-activation-pair" }, left, right);

  // Random draws and runs are kept until something that they depend on changes.
  const kept = {};
  const keep = (name, setting, make) => {
    const now = setting.join(" ");
    if (kept[name]?.now !== now) kept[name] = { now, made: make() };
    return kept[name].made;
  };
  let queued = false, closed = false;
  const update = () => {
    queued = false;
    if (closed) return;
    const state = read(), { row, activation, width: m, seed } = state, kind = [activation, state.parameter];
    const draws = keep("draws", [m, seed], () => drawStack(m, seed));
    const run = keep("stack", [...kind, m, seed, state.depth, state.gain], () => runStack(state, draws));
    const theory = keep("theory", [...kind, state.depth, state.gain], () => predictStack(state));
    const frames = keep("frames", [...kind, seed, state.learning_rate, state.bias],
      () => trainUnits({ row, parameter: state.parameter, lr: state.learning_rate }, drawUnits(state.bias, seed)));
    const values = run.z[state.layer - 1], now = frames[state.step];

    choice.set(activation);
    width.set(m);
    rate.set(LEARNING_RATES.indexOf(state.learning_rate));
    const range = row.parameter;
    set(parameter.input, { min: range?.min ?? 0, max: range?.max ?? 1, step: range?.step ?? 0.01 });
    parameter.el.style.display = range ? "" : "none";
    parameter.el.querySelector("label").textContent = range?.label ?? "";
    parameter.set(state.parameter);
    for (const g of gains) g.el.setAttribute("aria-pressed", g.size(state) === state.gain);
    set(layer.input, { max: state.depth });
    layer.set(state.layer);

    functionView.update(state, values);
    depthView.update(state, run, theory);
    fitView.update(state, now);
    deathView.update(state, frames);
    say(atPoint, `At z = ${fmt(state.point)}: φ = ${fmt(row.value(state.point, state.parameter), 3)}, slope φ′ = ${fmt(row.slope(state.point, state.parameter), 3)}.`);
    const flat = values.reduce((count, z) => count + (Math.abs(row.slope(z, state.parameter)) < FLAT ? 1 : 0), 0) / values.length;
    say(where, `Layer ${state.layer}: size ${power(run.signal[state.layer - 1])}; slope below ${FLAT} at ${fmt(100 * flat, 0)} % of its pre-activations.`);
    say(atDepth, tellDepth(state, run));
    say(atStep, `Step ${state.step}: loss ${power(now.loss)}; ${deadUnits(now)} of ${UNITS} units are dead (slope below ${DEAD} on every point).`);
  };
  const later = () => { if (!queued) { queued = true; queueMicrotask(update); } };

  const clock = animation(el, () => {
    const next = Math.min(STEPS, read().step + FRAMES);
    change("step", next);
    if (next === STEPS) halt();
  });
  const halt = () => { clock.stop(); play.textContent = "Play"; };
  const toggle = () => {
    if (clock.running) { halt(); return; }
    if (read().step >= STEPS) change("step", 0);
    play.textContent = "Pause";
    clock.start();
  };

  frame(model, el, "activation_explorer",
    h("div", { class: "bk-activation-head" }, choice.el, point.el, h("div", { class: "bk-activation-slot" }, parameter.el)),
    pair(
      section("Function and slope", functionView.el, h("p", { class: "bk-activation-legend" }, key("curve", "φ(z)"), key("slope", "slope φ′(z)"), key("bars", "pre-activations of the chosen layer")), atPoint, where),
      section("A deep stack", depthView.el, h("p", { class: "bk-activation-legend" }, key("signal", "signal forward"), key("error", "error signal back"), key("theory", "prediction")), atDepth)),
    h("div", { class: "bk-activation-controls" }, depth.el, layer.el, gain.el,
      h("div", { class: "bk-activation-row" }, gains.map((g) => g.el), width.el)),
    h("p", { class: "bk-activation-title bk-activation-rule", text: "Units that die: 24 hidden units of this activation learn a wave" }),
    pair(
      section("", fitView.el, h("p", { class: "bk-activation-legend" }, key("target", "wave"), key("curve", "network"), key("alive", "unit alive"), key("dead", "unit dead"))),
      section("", deathView.el, atStep)),
    h("div", { class: "bk-activation-controls" }, rate.el, bias.el, step.el, h("div", { class: "bk-activation-row" }, play, again)),
    toolbar(model, { presets: PRESETS, onreset: halt }));
  for (const name of Object.keys(clean)) model.on(`change:${name}`, later);
  update();
  return () => {
    closed = true;
    clock.destroy();
    for (const name of Object.keys(clean)) model.off(`change:${name}`, later);
    for (const control of [parameter, point, depth, gain, layer, bias, step]) control.off();
  };
}

export default { render };
