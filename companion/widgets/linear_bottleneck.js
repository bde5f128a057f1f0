// What an activation leaves of a plane that passes through m channels; and what a separable block costs.
import { axes, bind, clamp, fmt, frame, h, pointIn, s, select, setAll, slider, toolbar } from "./controls.js";
import { MOST_CHANNELS, SLOPES, activate, backByChannels, backByInverse, drawRows, meanShareLost, preActivations, productsPerPlace, saving, spiral, tellingChannels } from "./spiral_engine.js";

const POINTS = spiral(121), KERNELS = [3, 5, 7], NAMES = { relu: "ReLU", leaky: "leaky ReLU", linear: "no activation" };
const RANGES = { channels: [2, MOST_CHANNELS, 3], draw: [0, 9, 0], point: [0, 100, 70], width: [3, 10, 9], expansion: [1, 8, 6] };
const SPIRAL_PRESETS = [
  { name: "Two channels", state: { channels: 2 }, note: "Only where both channels are above zero does a point come back. The rest falls on two rays, or into the middle." },
  { name: "Five channels", state: { channels: 5 }, note: "Every channel more lets more of the plane come back, and takes nothing away." },
  { name: "Fifteen channels", state: { channels: 15 }, note: "Everything comes back. The activation still bends; it has only stopped losing." },
  { name: "Two channels, linear", state: { channels: 2, activation: "linear" }, note: "Without an activation two channels are enough: what goes in comes out. This is the linear bottleneck." },
  { name: "Two channels, leaky ReLU", state: { channels: 2, activation: "leaky" }, note: "A slope below zero, however small, can be undone. The loss is the zero's, not the bend's." },
  { name: "As in the paper, m = 3", state: { channels: 3, back: "inverse" }, note: "Back through the pseudo-inverse of W, which does not know which channels were cut off." },
  { name: "As in the paper, m = 30", state: { channels: 30, back: "inverse" }, note: "The same way back, with many channels: bent, but nothing lies on top of anything else." },
];
const COST_PRESETS = [
  { name: "The middle of MobileNetV1", state: { width: 9, kernel_size: 3 }, note: "512 channels in and out: close to the bound of nine." },
  { name: "Its first layers", state: { width: 5, kernel_size: 3 }, note: "With few channels the mixing is small beside the looking, and the saving is smaller." },
  { name: "A wide window", state: { width: 9, kernel_size: 7 }, note: "The dense layer pays for the window in full; the separable one hardly notices." },
  { name: "Narrow and expanded, as in V2", state: { width: 5, expansion: 6 }, note: "Six times as wide inside: no saving against a dense layer of the narrow width. Compare with the wide one: it works inside with 192 channels." },
];

// What a link or a kernel may hold -> a setting that can be drawn.
export function readBottleneck(get) {
  const whole = (name) => { const [low, high, start] = RANGES[name], v = get(name); return Number.isFinite(v) ? clamp(Math.round(v), low, high) : start; };
  return {
    channels: whole("channels"), activation: Object.hasOwn(SLOPES, get("activation")) ? get("activation") : "relu",
    back: get("back") === "inverse" ? "inverse" : "channels", draw: whole("draw"), point: whole("point"),
    width: whole("width"), kernel_size: KERNELS.includes(get("kernel_size")) ? get("kernel_size") : 3, expansion: whole("expansion"),
  };
}

// Everything that the first view shows, as numbers.
export function passSpiral({ channels, activation, back, draw, point }) {
  const rows = drawRows(draw + 1, channels), slope = SLOPES[activation], way = back === "inverse" ? backByInverse : backByChannels;
  const points = POINTS.map((x) => {
    const z = preActivations(rows, x), y = activate(z, slope), returned = way(rows, y, slope);
    return { x, returned, telling: tellingChannels(z, slope), distance: Math.hypot(returned[0] - x[0], returned[1] - x[1]) };
  });
  const marked = Math.round((point / 100) * (POINTS.length - 1)), z = preActivations(rows, POINTS[marked]);
  const counts = [0, 1].map((k) => points.filter((p) => p.telling === k).length);
  const mean = points.reduce((sum, p) => sum + p.distance, 0) / points.length;
  return {
    rows, points, marked, z, y: activate(z, slope), none: counts[0], one: counts[1], kept: points.length - counts[0] - counts[1],
    distance: mean < 1e-9 ? 0 : mean, lost: meanShareLost(channels, slope),
  };
}

const place = (node, attrs) => { for (const [name, value] of Object.entries(attrs)) node.setAttribute(name, value); };
const SIDE = 320, UNIT = 116, at = (v) => SIDE / 2 + UNIT * v, up = (v) => SIDE / 2 - UNIT * v;
const pathOf = (points) => `M${points.map(([a, b]) => `${fmt(at(a), 1)} ${fmt(up(b), 1)}`).join("L")}`;

function drawPane(title, ...behind) {
  const svg = s("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, role: "img", class: "bk-plot" },
    s("line", { class: "bk-linear_bottleneck-cross", x1: 8, x2: SIDE - 8, y1: SIDE / 2, y2: SIDE / 2 }),
    s("line", { class: "bk-linear_bottleneck-cross", y1: 8, y2: SIDE - 8, x1: SIDE / 2, x2: SIDE / 2 }),
    ...behind, s("path", { class: "bk-linear_bottleneck-path", d: pathOf(POINTS) }));
  const ring = s("circle", { class: "bk-linear_bottleneck-marked", r: 8 });
  const dots = POINTS.map(() => s("circle", {}));
  const strays = POINTS.map(() => s("line", { class: "bk-linear_bottleneck-stray" }));
  svg.append(...strays, ...dots, ring);
  return { el: h("div", { class: "bk-linear_bottleneck-pane" }, h("p", { text: title }), svg), svg, ring, dots, strays };
}

function drawDots({ dots, ring }, points, marked, where) {
  points.forEach((p, i) => {
    const [a, b] = where(p), kept = p.telling > 1;
    place(dots[i], { cx: fmt(at(a), 1), cy: fmt(up(b), 1), r: kept ? 3 : 3.2, class: `bk-linear_bottleneck-${kept ? "kept" : "lost"}` });
  });
  const [a, b] = where(points[marked]);
  place(ring, { cx: at(a), cy: up(b) });
}

// The directions of the channels on a rim, and the half of the plane whose channels the marked point switches on.
function drawRim() {
  const half = s("path", { class: "bk-linear_bottleneck-half" });
  const marks = Array.from({ length: MOST_CHANNELS }, () => s("circle", { r: 5 }));
  return {
    parts: [half, s("circle", { class: "bk-linear_bottleneck-rim", cx: SIDE / 2, cy: SIDE / 2, r: 1.24 * UNIT }), ...marks],
    update({ rows, points, marked, z }) {
      const [a, b] = points[marked].x, length = Math.hypot(a, b), [u, v] = [(1.24 * a) / length, (1.24 * b) / length];
      place(half, { d: `M${at(-v)} ${up(u)}A${1.24 * UNIT} ${1.24 * UNIT} 0 0 1 ${at(v)} ${up(-u)}Z` });
      marks.forEach((mark, i) => {
        mark.style.display = i < rows.length ? "" : "none";
        if (i >= rows.length) return;
        const norm = Math.hypot(...rows[i]) / 1.24;
        place(mark, { cx: at(rows[i][0] / norm), cy: up(rows[i][1] / norm), class: `bk-linear_bottleneck-${z[i] > 0 ? "on" : "off"}` });
      });
    },
  };
}

// The channels of the marked point: an outline before the activation, filled after it.
function drawChannels() {
  const width = 660, height = 128, middle = 66, svg = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "bk-plot" });
  const bars = Array.from({ length: MOST_CHANNELS }, () => ({ before: s("rect", { class: "bk-linear_bottleneck-before" }), after: s("rect", { class: "bk-linear_bottleneck-after" }) }));
  svg.append(s("line", { class: "bk-linear_bottleneck-cross", x1: 0, x2: width, y1: middle, y2: middle }), ...bars.flatMap((b) => [b.after, b.before]));
  return {
    svg,
    update({ z, y }) {
      const n = z.length, step = Math.min(60, width / n), left = (width - n * step) / 2, most = Math.max(1.5, ...z.map(Math.abs));
      bars.forEach(({ before, after }, i) => {
        before.style.display = after.style.display = i < n ? "" : "none";
        if (i >= n) return;
        for (const [node, v] of [[before, z[i]], [after, y[i]]]) {
          const tall = (58 * Math.abs(v)) / most;
          place(node, { x: left + (i + 0.16) * step, width: 0.68 * step, y: v > 0 ? middle - tall : middle, height: tall });
        }
      });
      place(svg, { "aria-label": `The ${n} channels of the marked point before the activation: ${z.map((v) => fmt(v, 1)).join(", ")}; after it: ${y.map((v) => fmt(v, 1)).join(", ")}.` });
    },
  };
}

function spiralView(model) {
  const rim = drawRim(), before = drawPane("before", ...rim.parts), after = drawPane("there and back again");
  const channels = drawChannels(), verdict = h("p", { class: "bk-linear_bottleneck-verdict", role: "status" });
  const range = (name, label, more = {}) => bind(model, name, slider, { label, min: RANGES[name][0], max: RANGES[name][1], step: 1, ...more });
  const controls = [
    range("channels", "channels m"), range("draw", "which W", { format: (v) => String(v + 1) }), range("point", "marked point", { format: (v) => `${v} %` }),
    bind(model, "activation", select, { label: "Activation", options: Object.entries(NAMES) }),
    bind(model, "back", select, { label: "Way back", options: [["channels", "undo each channel"], ["inverse", "pseudo-inverse of W"]] }),
  ];
  before.svg.addEventListener("pointerdown", (event) => {
    const [px, py] = pointIn(before.svg, event), far = POINTS.map(([a, b]) => Math.hypot(at(a) - px, up(b) - py));
    setAll(model, { point: Math.round((100 * far.indexOf(Math.min(...far))) / (POINTS.length - 1)) });
  });
  const key = (cls, text) => h("span", {}, s("svg", { viewBox: "0 0 14 14" }, s("circle", { class: `bk-linear_bottleneck-${cls}`, cx: 7, cy: 7, r: 4.5 })), text);
  const legend = h("div", { class: "bk-linear_bottleneck-key" }, key("kept", "two channels or more tell"), key("lost", "fewer: it cannot come back"),
    key("on", "direction of a channel above zero at the marked point"), key("off", "of one below"));
  const el = h("div", { class: "bk-linear_bottleneck-view" }, verdict, h("div", { class: "bk-linear_bottleneck-panes bk-linear_bottleneck-pair" }, before.el, after.el), legend,
    h("div", { class: "bk-linear_bottleneck-channels" }, h("p", { text: "channels of the marked point: outline before, filled after the activation" }), channels.svg),
    h("div", { class: "bk-controls" }, controls.map((c) => c.el)));
  return {
    el, presets: SPIRAL_PRESETS, off: () => controls.forEach((c) => c.off()),
    update(state) {
      const now = passSpiral(state), all = POINTS.length, share = (count) => `${Math.round((100 * count) / all)} %`;
      rim.update(now);
      drawDots(before, now.points, now.marked, (p) => p.x);
      drawDots(after, now.points, now.marked, (p) => p.returned.map((v) => clamp(v, -1.37, 1.37)));
      now.points.forEach(({ x, returned, distance }, i) => {
        after.strays[i].style.display = distance > 0.02 && i % 2 === 0 ? "" : "none";
        place(after.strays[i], { x1: at(x[0]), y1: up(x[1]), x2: at(clamp(returned[0], -1.37, 1.37)), y2: up(clamp(returned[1], -1.37, 1.37)) });
      });
      channels.update(now);
      const lost = state.activation === "relu" ? `On average over all W, ${now.lost < 1e-5 ? "less than 0.001" : fmt(100 * now.lost, now.lost < 0.01 ? 3 : 1)} % are lost.` : "Every channel tells its input, so nothing is lost.";
      verdict.textContent = `m = ${state.channels}, ${NAMES[state.activation]}: ${share(now.kept)} of the points keep two channels or more`
        + (now.one + now.none ? `, ${share(now.one)} keep one, ${share(now.none)} none` : "") + `. Mean distance from where they started: ${fmt(now.distance)}. ${lost}`;
      place(before.svg, { "aria-label": `A spiral of ${all} points. ${now.kept} of them lie where two or more of the ${state.channels} channels are above zero or tell their input.` });
      place(after.svg, { "aria-label": `The points after the way back. Mean distance from where they started: ${fmt(now.distance)}; largest: ${Math.max(...now.points.map((p) => p.distance)).toFixed(2)}.` });
    },
  };
}

const count = (v) => Math.round(v).toLocaleString("en").replaceAll(",", " ");

function costView(model) {
  const verdict = h("p", { class: "bk-linear_bottleneck-verdict", role: "status" });
  const { svg, layer, X, Y } = axes({ label: "", width: 420, height: 300, margin: [12, 20, 40, 48], x: [3, 10], y: [0, 52], xlabel: "channels C", ylabel: "times fewer multiplications" });
  for (const tick of svg.querySelectorAll(".bk-axes text[text-anchor=middle]:not(.bk-axis-label)")) tick.textContent = 2 ** tick.textContent;
  const steps = Array.from({ length: 57 }, (_, i) => 3 + i / 8);
  const lines = KERNELS.map((K) => {
    const curve = s("path", { d: `M${steps.map((w) => `${X(w)} ${Y(saving(2 ** w, K))}`).join("L")}` });
    const bound = s("line", { class: "bk-linear_bottleneck-bound", x1: X(3), x2: X(10), y1: Y(K * K), y2: Y(K * K) });
    layer.append(bound, curve, s("text", { x: X(10), y: Y(K * K) - 5, "text-anchor": "end", class: "bk-linear_bottleneck-small", text: `K² = ${K * K}` }));
    return { K, curve };
  });
  const mark = s("circle", { r: 6, class: "bk-linear_bottleneck-on" });
  layer.append(mark);
  const kinds = [["dense", ["dense"]], ["separable", ["look", "mix"]], ["inverted residual", ["expand", "lookWide", "project"]]];
  const rows = kinds.map(([name, parts]) => {
    const bar = h("div", { class: "bk-linear_bottleneck-bar" }, parts.map((part) => h("i", { class: `bk-linear_bottleneck-${part.startsWith("look") ? "look" : part === "dense" ? "both" : "mix"}` })));
    const number = h("span"), share = h("span");
    return { parts, bar, number, share, el: h("div", { class: "bk-linear_bottleneck-row" }, h("b", { text: name }), number, share, bar) };
  });
  const patch = (cls, text) => h("span", {}, h("i", { class: `bk-linear_bottleneck-${cls}` }), text);
  const legend = h("div", { class: "bk-linear_bottleneck-key" }, patch("both", "looks and mixes at once"), patch("look", "looks: K × K, channel by channel"), patch("mix", "mixes: 1 × 1"));
  const kernel = select({ label: "Window K", options: KERNELS.map((K) => [K, `${K} × ${K}`]), value: model.get("kernel_size"), onchange: (v) => setAll(model, { kernel_size: +v }) });
  const controls = [
    bind(model, "width", slider, { label: "channels C", min: 3, max: 10, step: 1, format: (v) => String(2 ** v) }),
    bind(model, "expansion", slider, { label: "expansion t", min: 1, max: 8, step: 1 }),
  ];
  const el = h("div", { class: "bk-linear_bottleneck-view" }, verdict,
    h("div", { class: "bk-linear_bottleneck-panes" }, svg, h("div", { class: "bk-linear_bottleneck-bars" }, h("p", { text: "multiplications at one place, C channels in and out; share of the dense layer’s" }), rows.map((r) => r.el), legend)),
    h("div", { class: "bk-controls" }, controls.map((c) => c.el), kernel.el));
  return {
    el, presets: COST_PRESETS, off: () => controls.forEach((c) => c.off()),
    update({ width, kernel_size: K, expansion }) {
      const C = 2 ** width, products = productsPerPlace(C, K, expansion), times = saving(C, K);
      kernel.set(K);
      for (const line of lines) place(line.curve, { class: `bk-linear_bottleneck-curve${line.K === K ? " bk-on" : ""}` });
      place(mark, { cx: X(width), cy: Y(times) });
      const totals = rows.map(({ parts }) => parts.reduce((sum, part) => sum + products[part], 0)), most = Math.max(...totals);
      rows.forEach(({ parts, bar, number, share }, i) => {
        parts.forEach((part, k) => { bar.children[k].style.width = `${(100 * products[part]) / most}%`; });
        number.textContent = count(totals[i]);
        share.textContent = i ? `${fmt((100 * totals[i]) / totals[0], 1)} %` : "100 %";
      });
      verdict.textContent = `C = ${C}, K = ${K}: 1 / (1/C + 1/K²) = ${fmt(times)} times fewer multiplications than the dense layer, never ${K * K}. `
        + `${fmt((100 * products.mix) / totals[1], 1)} % of what is left is the 1 × 1.`;
      place(svg, { "aria-label": `The saving over the number of channels for windows of 3, 5 and 7; each curve stays below its bound, the square of the window. Marked: C = ${C}, K = ${K}, saving ${fmt(times)}.` });
    },
  };
}

function render({ model, el }) {
  const read = () => readBottleneck((name) => model.get(name)), clean = read(), names = Object.keys(clean);
  if (names.some((name) => model.get(name) !== clean[name])) setAll(model, clean);
  frame(model, el, "linear_bottleneck");
  let view;
  const update = () => view.update(read());
  const mount = () => {
    view?.off();
    view = (model.get("view") === "cost" ? costView : spiralView)(model);
    el.replaceChildren(view.el, toolbar(model, { presets: view.presets }));
    update();
  };
  for (const name of names) model.on(`change:${name}`, update);
  model.on("change:view", mount);
  mount();
  return () => {
    for (const name of names) model.off(`change:${name}`, update);
    model.off("change:view", mount);
    view.off();
  };
}

export default { render };
