// A kernel slides over a picture: the input with the window on it, the output map, and the sum at one place.
import { animation, bind, button, checkbox, clamp, fmt, frame, h, onTheme, select, setAll, slider, status, toolbar, uid } from "./controls.js";
import { outputSize } from "./conv_engine.js";
import { palette, readImages } from "./pixel_canvas.js";
import { makeScene, paintInput, paintOutput, readPatch, sameButPlace } from "./conv_explorer_scene.js";
import { makeSum } from "./conv_explorer_sum.js";

const SHAPES = { 9: [1, 3], 25: [1, 5], 27: [3, 3], 75: [3, 5] };       // number of weights -> channels, K
const VIEWS = [["signed", "signed"], ["clipped", "clipped"]];
const MOST = 999, OWN = "";

// ---- the setting ------------------------------------------------------------------------------------------------

// What a link or a notebook asks for, made safe; a kernel of three slices needs a picture of three channels.
export function readConvolution(get) {
  const defaults = get("defaults"), number = (name, low, high) => clamp(Number.isFinite(get(name)) ? get(name) : defaults[name], low, high);
  const image = get("names").includes(get("image")) ? get("image") : defaults.image, [C, H, W] = get("shapes")[get("names").indexOf(image)];
  const asked = get("kernel"), sound = Array.isArray(asked) && asked.length in SHAPES && asked.every(Number.isFinite);
  let kernel = (sound ? asked : defaults.kernel).map((v) => clamp(v, -MOST, MOST));
  if (kernel.length > 25 && C === 1) kernel = kernel.slice(0, kernel.length / 3);
  const [channels, K] = SHAPES[kernel.length];
  const window = { stride: Math.round(number("stride", 1, 4)), padding: Math.round(number("padding", 0, K - 1)), dilation: Math.round(number("dilation", 1, 3)) };
  const rows = outputSize(H, K, window), columns = outputSize(W, K, window);
  return {
    image, kernel, divisor: number("divisor", 0.01, 9999), bias: number("bias", -MOST, MOST), ...window,
    flip: get("flip") === true, view: get("view") === "clipped" ? "clipped" : "signed",
    row: Math.round(number("row", 0, Math.max(0, rows - 1))), column: Math.round(number("column", 0, Math.max(0, columns - 1))),
    channels, K, H, W, rows: Math.max(0, rows), columns: Math.max(0, columns),
  };
}

// The same kernel in the other size: the named one if it is a named one, else with zeros round it or its middle.
export function resizeKernel(kernel, from, to) {
  const by = (to - from) / 2, out = [];
  for (let c = 0; c < kernel.length / from ** 2; c++)
    for (let u = 0; u < to; u++)
      for (let v = 0; v < to; v++) {
        const [p, q] = [u - by, v - by], inside = p >= 0 && p < from && q >= 0 && q < from;
        out.push(inside ? kernel[(c * from + p) * from + q] : 0);
      }
  return out;
}

const repeat = (values, times) => Array.from({ length: times }, () => values).flat();

function nameOf({ kernel, K, channels, divisor }, kernels) {
  const same = (k) => k.size === K && k.divisor === divisor && repeat(k.values, channels).every((v, i) => v === kernel[i]);
  return kernels.find(same)?.name ?? OWN;
}

function makePresets(model) {
  const shapes = model.get("shapes"), names = model.get("names"), kernels = model.get("kernels");
  const use = (name, size = 3) => { const k = kernels.find((o) => o.name === name && o.size === size); return { kernel: k.values, divisor: k.divisor }; };
  const picture = names[shapes.findIndex(([C]) => C === 3)], photo = picture === undefined ? {} : { image: picture };
  const only = (c) => Array.from({ length: 9 }, (_, i) => (i === 4 ? c : 0));
  return [
    { name: "Vertical edges", state: { ...photo, ...use("vertical edges") },
      note: "Blue where the picture gets brighter to the right, orange where it gets darker. Even areas give 0, dark or bright: the weights add up to 0." },
    { name: "Blur by a mean of 25", state: { ...photo, ...use("box blur", 5), view: "clipped" },
      note: "All weights are equal and add up to 1 after the division: every output is the mean of its patch." },
    { name: "Sharpen", state: { ...photo, ...use("sharpen"), view: "clipped" },
      note: "Five times the middle less its four neighbours: what differs from its surroundings differs more." },
    { name: "Turn the kernel", state: { ...photo, ...use("vertical edges"), flip: true },
      note: "True convolution turns the kernel by half a turn first. This one changes its sign, so blue and orange change places; a blur would stay as it is." },
    { name: "Stride 2", state: { ...photo, ...use("vertical edges"), stride: 2, row: 15, column: 15 },
      note: "The window jumps by two pixels, so the output has half as many rows and columns." },
    { name: "A frame of zeros", state: { ...photo, ...use("box blur", 5), padding: 2, view: "clipped" },
      note: "The output keeps the size of the input, but the zeros outside enter the sums: the edge gets darker." },
    { name: "Wider, same nine weights", state: { ...photo, ...use("vertical edges"), dilation: 3 },
      note: "With dilation 3 the taps lie three pixels apart: the window spans 7 × 7 pixels and still has nine weights." },
    ...(picture === undefined ? [] : [{ name: "Three channels: find red", state: { ...photo, kernel: [...only(2), ...only(-1), ...only(-1)], divisor: 2 },
      note: "One slice of the kernel for each channel, and all products go into one sum: red counts for, green and blue count against." }]),
  ];
}

// ---- pieces of the page ---------------------------------------------------------------------------------------------

function makeLegend() {
  const low = h("span"), middle = h("span"), high = h("span"), bar = h("div", { class: "bk-conv-ramp" });
  return {
    el: h("div", { class: "bk-conv-legend", "aria-hidden": "true" }, bar, low, middle, high),
    update({ setting: { view }, limit, white }) {
      bar.classList.toggle("bk-conv-greys", view === "clipped");
      const texts = view === "signed" ? [fmt(-limit, 1), "0", fmt(limit, 1)] : ["0 and less", "", `${white} and more`];
      [low, middle, high].forEach((node, k) => { node.textContent = texts[k]; });
    },
  };
}

function numberField({ label, min, max, value, onchange }) {
  const id = uid("number");
  const input = h("input", { id, type: "number", min, max, step: "any", inputmode: "decimal",
    oninput: () => { if (input.value !== "" && +input.value >= min && +input.value <= max) onchange(+input.value); } });
  const set = (v) => { if (+input.value !== v || input.value === "") input.value = v; };
  set(value);
  return { el: h("div", { class: "bk-conv-number" }, h("label", { for: id, text: label }), input), input, set };
}

// A canvas to point at. find(x, y): the place under the pointer; go(place, done); step(rows, columns).
function pointable(name, find, go, step, hint) {
  const canvas = h("canvas", { class: `bk-conv-${name}`, tabindex: 0, role: "application", "aria-describedby": hint });
  const at = (e) => { const box = canvas.getBoundingClientRect(); return find(e.clientX - box.left, e.clientY - box.top); };
  canvas.addEventListener("pointermove", (e) => { const place = at(e); if (place) go(place, false); });
  for (const kind of ["pointerdown", "pointerup"]) canvas.addEventListener(kind, (e) => { const place = at(e); if (place) go(place, kind === "pointerup"); });
  canvas.addEventListener("pointerleave", () => go(null, true));
  canvas.addEventListener("keydown", (e) => {
    const by = e.shiftKey ? 10 : 1, move = { ArrowLeft: [0, -by], ArrowRight: [0, by], ArrowUp: [-by, 0], ArrowDown: [by, 0] }[e.key];
    if (!move) return;
    step(...move);
    e.preventDefault();
  });
  return canvas;
}

// ---- the figure -----------------------------------------------------------------------------------------------------

const SECONDS = 10, CALM = 500;                                // for a whole slide; ms a row where motion is unwelcome

function render({ model, el }) {
  const images = readImages(model), kernels = model.get("kernels"), traits = Object.keys(model.get("defaults"));
  const read = () => readConvolution((name) => model.get(name)), put = (state) => setAll(model, state);
  let setting = read(), scene, spot, inks, playing = null, places = {};
  const mended = traits.filter((name) => JSON.stringify(model.get(name)) !== JSON.stringify(setting[name]));
  if (mended.length) put(Object.fromEntries(mended.map((name) => [name, setting[name]])));

  // -- pieces --
  const hint = uid("hint"), news = status(), legend = makeLegend(), size = h("p", { class: "bk-conv-small bk-conv-size" }), shape = h("p", { class: "bk-conv-small" });
  const sum = makeSum((kernel) => put({ kernel: kernel.map((v) => clamp(v, -MOST, MOST)) }));
  const cellIn = ({ x, y, cell, rows, columns }, px, py) => {
    const [i, j] = [Math.floor((py - y) / cell), Math.floor((px - x) / cell)];
    return i >= 0 && j >= 0 && i < rows && j < columns ? [i, j] : null;
  };
  // Over the input: the output cell whose window lies round the pixel.
  const fromInput = (px, py) => {
    const { x, y, cell } = places.input, { stride, padding, dilation, K, rows, columns } = setting, half = (dilation * (K - 1)) / 2;
    if (!rows || !columns) return null;
    const near = (at, count) => clamp(Math.round((Math.floor(at / cell) + padding - half) / stride), 0, count - 1);
    return { row: near(py - y, rows), column: near(px - x, columns) };
  };
  const fromOutput = (px, py) => { const at = cellIn(places.output, px, py); return at && { row: at[0], column: at[1] }; };
  // What the pointer passes is only looked at; where it stops is kept.
  const go = (place, done) => {
    if (place && (place.row !== spot?.row || place.column !== spot.column)) { halt(); playing = null; spot = place; paintSpot(); }
    if (done && spot && !motion.running) keep();
  };
  const keep = () => { if (spot) put({ row: spot.row, column: spot.column }); };
  const walk = (down, right) => {
    if (!spot) return;
    halt();
    playing = null;
    spot = { row: clamp(spot.row + down, 0, setting.rows - 1), column: clamp(spot.column + right, 0, setting.columns - 1) };
    paintSpot();
    keep();
  };
  const input = pointable("input", fromInput, go, walk, hint), output = pointable("output", fromOutput, go, walk, hint);

  // -- controls --
  const pictureMenu = select({ label: "Picture", options: images.map((p) => [p.name, p.name]), value: setting.image, onchange: (image) => put({ image }) });
  const channelMenu = select({ label: "Channels", value: setting.channels, options: [[1, "1: grey"], [3, "3: colour"]],
    onchange: (v) => put({ kernel: +v === 3 ? repeat(setting.kernel, 3) : setting.kernel.slice(0, setting.K ** 2) }) });
  const kernelNames = kernels.filter((k) => k.size === 3).map((k) => k.name);
  const kernelMenu = select({ label: "Kernel", value: OWN, options: [[OWN, "your own"], ...kernelNames.map((n) => [n, n])],
    onchange: (name) => useKernel(name, setting.K) });
  kernelMenu.input.firstChild.disabled = true;                  // it shows when the weights were edited
  const sizeMenu = select({ label: "Size", value: setting.K, options: [[3, "3 × 3"], [5, "5 × 5"]], onchange: (v) => {
    const name = nameOf(setting, kernels);
    if (name === OWN) put({ kernel: resizeKernel(setting.kernel, setting.K, +v) });
    else useKernel(name, +v);
  } });
  function useKernel(name, K) {
    const found = kernels.find((k) => k.name === name && k.size === K);
    put({ kernel: repeat(found.values, setting.channels), divisor: found.divisor });
  }
  // The window stays over the same pixels when it is told to move in other steps.
  const moved = (change) => {
    const next = { ...setting, ...change }, same = (at) => Math.round((at * setting.stride - setting.padding + next.padding) / next.stride);
    put({ ...change, row: Math.max(0, same(setting.row)), column: Math.max(0, same(setting.column)) });
  };
  const sliders = {
    stride: slider({ label: "Stride S", min: 1, max: 4, step: 1, value: setting.stride, oninput: (stride) => moved({ stride }) }),
    padding: slider({ label: "Padding pad", min: 0, max: setting.K - 1, step: 1, value: setting.padding, oninput: (padding) => moved({ padding }) }),
    dilation: slider({ label: "Dilation D", min: 1, max: 3, step: 1, value: setting.dilation, oninput: (dilation) => put({ dilation }) }),
  };
  const divisor = numberField({ label: "divide by", min: 0.01, max: 9999, value: setting.divisor, onchange: (v) => put({ divisor: v }) });
  const bias = numberField({ label: "add bias b", min: -MOST, max: MOST, value: setting.bias, onchange: (v) => put({ bias: v }) });
  const flip = bind(model, "flip", checkbox, { label: "turn the kernel (true convolution)" });
  const view = bind(model, "view", select, { label: "Output", options: VIEWS });

  // -- sliding --
  const count = () => setting.rows * setting.columns, index = () => spot.row * setting.columns + spot.column;
  const show = (k) => { spot = { row: Math.floor(k / setting.columns), column: k % setting.columns }; paintSpot(); };
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const motion = animation(el, (dt) => {
    playing += calm.matches ? (setting.columns * dt) / CALM : dt * Math.max(4, count() / SECONDS) / 1000;
    if (playing >= count() - 1) { playing = null; halt(); show(count() - 1); keep(); news.textContent = `Done: ${count()} sums of ${setting.kernel.length} products each.`; return; }
    const at = calm.matches ? Math.floor(playing / setting.columns) * setting.columns + setting.columns - 1 : Math.floor(playing);
    if (at !== index()) show(at);
  });
  function halt() { if (motion.running) { motion.stop(); playButton.textContent = "Play"; } }
  const playButton = button("Play", () => {
    if (motion.running) { halt(); keep(); return; }
    if (!spot) return;
    playing ??= 0;
    if (playing === 0) show(0);
    playButton.textContent = "Pause";
    news.textContent = "";
    motion.start();
  }, { class: "bk-button bk-primary bk-conv-play" });
  const stepBy = (by) => () => { if (!spot) return; halt(); playing = null; show((index() + by + count()) % count()); keep(); };

  // -- painting --
  function paintSpot() {
    places = { input: paintInput(input, scene, spot, inks), output: paintOutput(output, scene, spot, playing === null ? null : index(), inks) };
    const z = spot && scene.z.data[index()], { K, dilation, H, W, padding } = setting, reach = dilation * (K - 1) + 1;
    const misfit = `The window spans ${reach} × ${reach} pixels, but the input with its padding has only ${H + 2 * padding} × ${W + 2 * padding}: there is no place for it.`;
    sum.update(setting, spot && readPatch(scene, spot, inks), spot ? z : misfit, inks);
    const where = spot ? `Output row ${spot.row}, column ${spot.column}: z = ${fmt(z)}.` : misfit;
    input.setAttribute("aria-label", `Input picture “${setting.image}”, ${H} × ${W}, with the window of the kernel on it. ${where}`);
    output.setAttribute("aria-label", `Output map, ${setting.rows} × ${setting.columns}. ${where}`);
  }
  function describe() {
    const { H, W, K, stride, padding, dilation, channels, rows, columns } = setting;
    const formula = (n, result) => `⌊(${n} + 2 · ${padding} − ${dilation} · (${K} − 1) − 1) / ${stride}⌋ + 1 = ${result}`;
    shape.textContent = `${channels === 3 ? "3 × " : ""}${H} × ${W}${padding ? `, padded to ${H + 2 * padding} × ${W + 2 * padding}` : ""}`;
    size.textContent = H === W ? `rows and columns: ${formula(H, rows)}` : `rows: ${formula(H, rows)}, columns: ${formula(W, columns)}`;
    legend.el.style.visibility = rows && columns ? "" : "hidden";
    legend.update(scene);
  }
  function update() {
    const before = setting;
    setting = read();
    const image = images.find((p) => p.name === setting.image);
    if (scene && sameButPlace(before, setting)) scene.setting = setting;
    else { scene = makeScene(setting, image, inks); playing = null; }
    spot = setting.rows && setting.columns ? { row: setting.row, column: setting.column } : null;
    pictureMenu.set(setting.image);
    channelMenu.set(setting.channels);
    channelMenu.el.hidden = image.shape[0] === 1;
    kernelMenu.set(nameOf(setting, kernels));
    sizeMenu.set(setting.K);
    sliders.padding.input.max = setting.K - 1;
    for (const [name, control] of Object.entries(sliders)) control.set(setting[name]);
    divisor.set(setting.divisor);
    bias.set(setting.bias);
    for (const canvas of [input, output]) canvas.style.aspectRatio = `${setting.W} / ${setting.H}`;
    describe();
    paintSpot();
  }

  pictureMenu.el.hidden = images.length < 2;
  const panel = (title, canvas, ...below) => h("div", { class: "bk-conv-panel" }, h("div", { class: "bk-conv-title" }, h("strong", { text: title }), below[0]), canvas, below.slice(1));
  frame(model, el, "conv_explorer",
    toolbar(model, { presets: makePresets(model), onreset: () => { halt(); playing = null; news.textContent = ""; } }),
    h("div", { class: "bk-conv-menus" }, pictureMenu.el, channelMenu.el, kernelMenu.el, sizeMenu.el),
    h("div", { class: "bk-conv-maps" }, panel("Input x", input, shape), panel("Output z", output, legend.el)),
    size,
    sum.el,
    h("div", { class: "bk-conv-bar" }, playButton, button("Back", stepBy(-1)), button("Step", stepBy(1)), divisor.el, bias.el),
    h("div", { class: "bk-conv-sliders" }, sliders.stride.el, sliders.padding.el, sliders.dilation.el),
    h("div", { class: "bk-conv-menus" }, flip.el, view.el),
    h("p", { class: "bk-conv-small", id: hint, text: "Point at the input or the output, or focus one and use the arrow keys (Shift: by ten). The weights can be edited." }), news);

  // Several traits that change at once are answered once; a change from outside ends the play.
  let waiting = false, gone = false;
  const onChange = () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; if (gone) return; if (motion.running) halt(); update(); });
  };
  for (const name of traits) model.on(`change:${name}`, onChange);
  inks = palette(el);
  update();
  const offTheme = onTheme(() => { inks = palette(el); scene = null; update(); });
  const resized = new ResizeObserver(() => paintSpot());
  resized.observe(input);
  return () => {
    gone = true;
    motion.destroy();
    resized.disconnect();
    offTheme();
    flip.off();
    view.off();
    for (const name of traits) model.off(`change:${name}`, onChange);
  };
}

export default { render };
