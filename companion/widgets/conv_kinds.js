// Dilated, strided, transposed, depthwise-separable, grouped and 1 × 1 convolution: one figure with a chooser.
import { clamp, frame, h, onTheme, select, setAll, slider, toolbar, uid } from "./controls.js";
import { resizedTaps, transposedTaps, windowTaps } from "./conv_engine.js";
import { palette } from "./pixel_canvas.js";
import { PIXELS, makeGrids, makeMixing, makeWiring, pairUp } from "./conv_kinds_drawings.js";

const KINDS = {
  dilated: ["Dilated", "The entries of the kernel stand D pixels apart: a wider window with the same K² weights."],
  strided: ["Strided", "The window jumps S pixels at a time: a smaller map, and only what is kept is computed."],
  transposed: ["Transposed", "Every input stamps the kernel onto the output, S pixels apart, and overlaps add up. The map grows. It is the adjoint of a strided convolution, not its inverse."],
  separable: ["Depthwise separable", "First a K × K kernel for each channel alone (depthwise), then a 1 × 1 convolution that mixes the channels (pointwise)."],
  grouped: ["Grouped", "The channels are split into G groups that do not see each other, which leaves one G-th of the weights."],
  pointwise: ["1 × 1", "The kernel looks at one pixel and mixes its channels: the same small dense layer at every pixel."],
};
const METHODS = [["transposed", "transposed convolution"], ["resize", "resize, then convolve"]];
const POWERS = Array.from({ length: 10 }, (_, k) => 2 ** k), FEW = [1, 2, 4], MAPS = [7, 14, 28, 56, 112];
const WINDOWED = ["dilated", "strided", "transposed"], WIRED = ["separable", "grouped"];
const PRESETS = [
  { name: "Nine weights see 5 × 5", state: { kind: "dilated", kernel_size: 3, dilation: 2, row: 1, column: 1 },
    note: "Point at an output: its nine inputs lie two pixels apart. Between them are pixels that this output never sees." },
  { name: "Stride larger than the kernel", state: { kind: "strided", size: 9, kernel_size: 2, stride: 3, padding: 0 },
    note: "The window jumps over pixels: those with a 0 enter no output at all. Make the kernel 3 and every pixel counts again." },
  { name: "Checkerboard", state: { kind: "transposed", kernel_size: 3, stride: 2 },
    note: "Kernel 3 and stride 2: the stamps overlap unevenly, and the counts 1, 2 and 4 repeat like a checkerboard. Networks that draw pictures show it." },
  { name: "Cure 1: kernel divisible by the stride", state: { kind: "transposed", kernel_size: 4, stride: 2, padding: 1 },
    note: "With kernel 4 and stride 2 every output inside gets four products. Padding 1 makes 14 rows of 7, twice as many." },
  { name: "Cure 2: resize, then convolve", state: { kind: "transposed", method: "resize", kernel_size: 3, stride: 2, padding: 1 },
    note: "First repeat every pixel, then convolve with stride 1: all outputs inside sum nine products." },
  { name: "7 to 14 by output padding", state: { kind: "transposed", kernel_size: 3, stride: 2, padding: 1, output_padding: 1 },
    note: "Kernel 3 with padding 1 gives 13 rows; one more row and column at the end make 14. Set the output padding to 0 and see." },
  { name: "A layer of MobileNet's kind", state: { kind: "separable", in_channels: 512, out_channels: 512, kernel_size: 3, map_size: 14 },
    note: "With many channels the share comes close to 1/K²: about a ninth for 3 × 3 kernels." },
  { name: "Every channel its own group", state: { kind: "grouped", in_channels: 8, out_channels: 8, groups: 8 },
    note: "As many groups as channels is the depthwise convolution: cheap, but the channels never meet." },
  { name: "Add and subtract channels", state: { kind: "pointwise", in_channels: 4, out_channels: 4, channel: 1, row: 2, column: 2 },
    note: "Row 1 of the weights takes the second channel from the first, at every pixel in the same way." },
];

// What a link or a notebook asks for, made safe, and the part of it that the kind uses.
export function readKind(get) {
  const defaults = get("defaults"), raw = (name) => (Number.isFinite(get(name)) ? get(name) : defaults[name]);
  const whole = (name, low, high) => clamp(Math.round(raw(name)), low, high), oneOf = (name, list) => (list.includes(get(name)) ? get(name) : defaults[name]);
  return {
    kind: oneOf("kind", Object.keys(KINDS)), size: whole("size", 3, 9), kernel_size: whole("kernel_size", 1, 5), stride: whole("stride", 1, 4),
    padding: whole("padding", 0, 4), dilation: whole("dilation", 1, 4), output_padding: whole("output_padding", 0, 3), method: oneOf("method", ["transposed", "resize"]),
    in_channels: oneOf("in_channels", POWERS), out_channels: oneOf("out_channels", POWERS), groups: oneOf("groups", POWERS), map_size: oneOf("map_size", MAPS),
    side: oneOf("side", ["input", "output"]), row: whole("row", 0, 63), column: whole("column", 0, 63), channel: whole("channel", 0, 7),
  };
}

// Connections along one side, their number of outputs, and the formula of that number.
export function connect({ kind, method, size: n, kernel_size: K, stride, padding, dilation, output_padding }) {
  const pad = Math.min(padding, K - 1);
  if (kind === "transposed" && method === "resize") {
    const taps = resizedTaps(n, K, { scale: stride, padding: pad });
    return { taps, frame: 0, rule: `${n} · ${stride} + 2 · ${pad} − ${K} + 1 = ${taps.length}` };
  }
  if (kind === "transposed") {
    const extra = Math.min(output_padding, stride - 1), taps = transposedTaps(n, K, { stride, padding: pad, outputPadding: extra });
    return { taps, frame: 0, rule: `(${n} − 1) · ${stride} − 2 · ${pad} + (${K} − 1) + ${extra} + 1 = ${taps.length}` };
  }
  const [S, D] = kind === "strided" ? [stride, 1] : [1, dilation], taps = windowTaps(n, K, { stride: S, padding: pad, dilation: D });
  const reach = D * (K - 1) + 1, fits = reach <= n + 2 * pad;
  return { taps, frame: pad, rule: fits ? `⌊(${n} + 2 · ${pad} − ${D} · (${K} − 1) − 1) / ${S}⌋ + 1 = ${taps.length}` : `a window of ${reach} pixels does not fit into ${n + 2 * pad}` };
}

// The counts of products along one side, away from the border: where they differ, the map shows a pattern.
export function innerCounts({ kernel_size: K, stride, padding, size: n, method }, counts) {
  const pad = Math.min(padding, K - 1), last = (method === "resize" ? n * stride + pad - K : (n - 1) * stride - pad);
  return counts.filter((_, o) => (method === "resize" ? o >= pad && o <= last : o >= K - 1 - pad && o <= last));
}

const listOf = (values) => (values.length > 1 ? `${values.slice(0, -1).join(", ")} and ${values.at(-1)}` : String(values[0]));
const some = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

// What the two grids show, in words: the place pointed at, and for transposed convolution whether counts are even.
function tell(setting, pair, cell, outputs) {
  if (outputs < 1) return "There is no place for the window: add padding, or take a smaller kernel.";
  const { kind, kernel_size: K, stride, side, dilation } = setting, from = side === "output" ? "Output" : "Input";
  const meets = pair.rows.length * pair.columns.length, where = `${from} [${cell.row}, ${cell.column}]`, reach = dilation * (K - 1) + 1;
  const reads = kind === "dilated" && dilation > 1 ? ` Its ${K * K} weights span ${reach} × ${reach} pixels.` : "";
  const partners = !meets ? `${where} ${side === "output" ? "sums no product" : "enters no output"}.`
    : `${where} ${side === "output" ? `sums ${some(pair.products, "product")} of` : `enters ${some(pair.products, "product")} in`} ${some(meets, side === "output" ? "input" : "output")}: `
      + `${pair.rows.length > 1 ? "rows" : "row"} ${listOf(pair.rows)}, ${pair.columns.length > 1 ? "columns" : "column"} ${listOf(pair.columns)}.`;
  if (kind !== "transposed") return partners + (side === "output" ? reads : "");
  const inner = innerCounts(setting, pair.counts.output), kinds = [...new Set(inner.flatMap((a) => inner.map((b) => a * b)))].sort((a, b) => a - b);
  const evenness = !inner.length ? "" : kinds.length === 1 ? ` Away from the border every output sums ${some(kinds[0], "product")}: even.`
    : ` Away from the border outputs sum ${listOf(kinds)} products: uneven, since the kernel's ${K} is not divisible by the stride ${stride}.`;
  return partners + evenness;
}

// ---- controls ---------------------------------------------------------------------------------------------------

// A slider over listed values; one that is not in the list is shown as the nearest.
function listSlider(model, key, label, values) {
  const nearest = (v) => values.reduce((best, u, i) => (Math.abs(u - v) < Math.abs(values[best] - v) ? i : best), 0);
  const made = slider({ label, min: 0, max: values.length - 1, step: 1, value: 0, format: (i) => String(values[i]), oninput: (i) => setAll(model, { [key]: values[i] }) });
  return { ...made, set: (v) => made.set(nearest(v)) };
}

function makeControls(model) {
  const whole = (key, label, min, max) => slider({ label, min, max, step: 1, value: min, oninput: (v) => setAll(model, { [key]: v }) });
  const all = {
    method: select({ label: "Enlarge by", options: METHODS, value: METHODS[0][0], onchange: (method) => setAll(model, { method }) }),
    size: whole("size", "Input rows", 3, 9), kernel_size: whole("kernel_size", "Kernel K", 1, 5), stride: whole("stride", "Stride S", 1, 4),
    dilation: whole("dilation", "Dilation D", 1, 4), padding: whole("padding", "Padding pad", 0, 4), output_padding: whole("output_padding", "Output padding", 0, 3),
    in_channels: listSlider(model, "in_channels", "Input channels", POWERS), out_channels: listSlider(model, "out_channels", "Output channels", POWERS),
    few_in: listSlider(model, "in_channels", "Input channels", FEW), few_out: listSlider(model, "out_channels", "Output channels", FEW),
    groups: listSlider(model, "groups", "Groups G", POWERS), map_size: listSlider(model, "map_size", "Rows of the map", MAPS), channel: whole("channel", "Chosen output", 0, 7),
  };
  const uses = {
    dilated: ["size", "kernel_size", "dilation", "padding"], strided: ["size", "kernel_size", "stride", "padding"],
    transposed: ["method", "size", "kernel_size", "stride", "padding", "output_padding"],
    separable: ["in_channels", "out_channels", "kernel_size", "map_size", "channel"], grouped: ["in_channels", "out_channels", "groups", "kernel_size", "map_size", "channel"],
    pointwise: ["few_in", "few_out", "channel"],
  };
  return {
    el: h("div", { class: "bk-controls bk-kinds-controls" }, Object.values(all).map((c) => c.el)),
    update(setting) {
      const { kind, kernel_size: K, stride, method, in_channels: M, out_channels: N } = setting, used = new Set(uses[kind]);
      if (K === 1) used.delete("padding");
      if (method === "resize" || stride === 1) used.delete("output_padding");
      all.padding.input.max = Math.max(1, K - 1);
      all.output_padding.input.max = Math.max(1, stride - 1);
      all.groups.input.max = Math.log2(Math.min(M, N));
      all.channel.input.max = Math.min(kind === "pointwise" ? 4 : 8, N) - 1;
      if (M === 1 || N === 1) used.delete("groups");
      if (N === 1) used.delete("channel");
      for (const [name, control] of Object.entries(all)) {
        control.el.hidden = !used.has(name);
        control.set(setting[{ few_in: "in_channels", few_out: "out_channels" }[name] ?? name]);
      }
    },
  };
}

function makeChooser(model) {
  const group = uid("kind");
  const items = Object.entries(KINDS).map(([kind, [name]]) => {
    const input = h("input", { type: "radio", name: group, value: kind, onchange: () => setAll(model, { kind }) });
    return { kind, input, el: h("label", { class: "bk-kinds-choice" }, input, h("span", { text: name })) };
  });
  return {
    el: h("div", { class: "bk-kinds-chooser", role: "radiogroup", "aria-label": "Kind of convolution" }, items.map((item) => item.el)),
    set: (kind) => items.forEach((item) => { item.input.checked = item.kind === kind; }),
  };
}

// ---- the figure -------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const read = () => readKind((name) => model.get(name)), put = (state) => setAll(model, state);
  let setting = read(), inks, looked = null;                  // looked: the cell under the pointer, until it is kept
  if (Object.entries(setting).some(([name, v]) => model.get(name) !== v)) put(setting);
  const chooser = makeChooser(model), controls = makeControls(model), about = h("p", { class: "bk-kinds-about" });
  const rule = h("p", { class: "bk-kinds-small bk-kinds-rule" }), told = h("p", { class: "bk-kinds-told", role: "status" });

  const place = () => looked ?? setting, keep = () => { if (looked) { const state = { side: looked.side, row: looked.row, column: looked.column }; looked = null; put(state); } };
  const look = (side, cell, done) => {
    const { row, column, side: before } = place();
    if (cell && (cell.row !== row || cell.column !== column || side !== before)) { looked = { side, row: cell.row, column: cell.column }; paint(); }
    if (done) keep();
  };
  const sides = () => (WINDOWED.includes(setting.kind) ? { input: setting.size, output: connect(setting).taps.length } : { input: PIXELS, output: PIXELS });
  const step = (side, down, right) => {
    const most = sides()[side] - 1, from = place();
    if (most < 0) return;
    const [i, j] = from.side === side || setting.kind === "pointwise" ? [from.row, from.column] : [0, 0];
    put({ side, row: clamp(Math.min(i, most) + down, 0, most), column: clamp(Math.min(j, most) + right, 0, most) });
  };
  const grids = makeGrids(look, step), wiring = makeWiring((channel) => put({ channel }));
  const mixing = makeMixing((cell, done) => look(setting.side, cell, done), (i, j) => step(setting.side, i, j), (channel) => put({ channel }));

  function paint() {
    const { kind } = setting;
    if (WINDOWED.includes(kind)) {
      const { taps, frame: border, rule: text } = connect(setting), { side, row, column } = place(), most = (side === "input" ? setting.size : taps.length) - 1;
      const cell = { row: clamp(row, 0, Math.max(0, most)), column: clamp(column, 0, Math.max(0, most)) }, pair = pairUp(taps, setting.size, { side, ...cell });
      const said = tell({ ...setting, side }, pair, cell, taps.length);
      grids.update({ n: setting.size, outputs: taps.length, frame: border, pair, side, cell, said }, inks);
      rule.textContent = `Rows and columns of the output: ${text}. Weights: ${setting.kernel_size ** 2}.`;
      told.textContent = said;
    } else if (WIRED.includes(kind)) {
      const { in_channels: inChannels, out_channels: outChannels, kernel_size: kernelSize, map_size: mapSize, channel } = setting;
      wiring.update({ kind, inChannels, outChannels, kernelSize, mapSize, channel, groups: Math.min(setting.groups, inChannels, outChannels) });
      rule.textContent = `Counted without biases, for an output map of ${mapSize} × ${mapSize}.`;
    } else {
      const { row, column } = place(), M = Math.min(4, setting.in_channels), N = Math.min(4, setting.out_channels);
      mixing.update({ M, N, row, column, channel: setting.channel }, inks);
      rule.textContent = `Weights: ${N} · ${M} = ${N * M}; a 3 × 3 kernel between the same channels has ${9 * N * M}.`;
      told.textContent = "Point at a pixel: only its own channels enter. A click on an output map chooses the channel that is written out.";
    }
  }
  function update() {
    setting = read();
    looked = null;
    told.hidden = WIRED.includes(setting.kind);
    chooser.set(setting.kind);
    controls.update(setting);
    about.textContent = KINDS[setting.kind][1];
    for (const [part, kinds] of [[grids, WINDOWED], [wiring, WIRED], [mixing, ["pointwise"]]]) part.el.hidden = !kinds.includes(setting.kind);
    paint();
  }

  frame(model, el, "conv_kinds", toolbar(model, { presets: PRESETS }), chooser.el, about, controls.el, grids.el, wiring.el, mixing.el, told, rule);
  let waiting = false, gone = false;                          // several traits that change at once are answered once
  const onChange = () => { if (!waiting) { waiting = true; queueMicrotask(() => { waiting = false; if (!gone) update(); }); } };
  const watched = Object.keys(setting).map((name) => `change:${name}`);
  for (const event of watched) model.on(event, onChange);
  inks = palette(el);
  update();
  const offTheme = onTheme(() => { inks = palette(el); paint(); });
  const resized = new ResizeObserver(() => paint());
  for (const canvas of [...Object.values(grids.canvases), ...Object.values(mixing.canvases)]) resized.observe(canvas);
  return () => {
    gone = true;
    resized.disconnect();
    offTheme();
    for (const event of watched) model.off(event, onChange);
  };
}

export default { render };
