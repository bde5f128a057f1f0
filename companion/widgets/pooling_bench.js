// One picture, six ways to pool it, and what a shift by single pixels does to each pooled map.
import { bind, button, clamp, color, fmt, frame, h, onTheme, select, setAll, slider, status, toolbar } from "./controls.js";
import { channelsOf, css, mix, outline, palette, pixelPen, readImages } from "./pixel_canvas.js";
import { KINDS, chancesOf, drawFrom, chanceAt, entriesOf, firstLargest, gradientMap, outputSize, poolMap, shiftErrors, viewOf } from "./pooling_engine.js";

const SIDE = 16, MARGIN = 4, MOST = 4, OWN = "own drawing", INK = 16;      // INK: the value of a pixel that the reader draws
const TITLES = { max: "max", average: "average", stochastic: "stochastic draw", expected: "stochastic mean",
  blurred: "max, then blur", subsampled: "every S-th pixel" };
const STRIPES = "aaaa".repeat(SIDE), DOT = "0".repeat(24) + "0080" + "0".repeat(36);
const PRESETS = [
  { name: "Shift by one stride", note: "Two pixels at stride 2: the same digit, moved. The maps of max, average and every 2nd pixel have moved by one cell, exactly.", state: { right: 2 } },
  { name: "A single bright pixel", note: "Move it to the right, pixel by pixel: inside a window max pooling does not notice. At the border the dot jumps.", state: { picture: OWN, drawing: DOT, right: 0, row: 6, column: 8 } },
  { name: "Stripes one pixel wide", note: "Now move right by one. Every second pixel sees all of the stripes or none of them; average sees grey, and a maximum is full everywhere.", state: { picture: OWN, drawing: STRIPES, right: 0 } },
  { name: "Stride 1: no cell is left out", note: "Without the stride, max and average pooling move along with every shift. What breaks is the subsampling.", state: { stride: 1, right: 1 } },
  { name: "Overlapping windows", note: "Windows of 3 at stride 2, as in AlexNet: a pixel in the overlap can win several windows.", state: { window: 3, overlay: "max" } },
  { name: "Who gets the gradient? Average", note: "Every pixel the same. Compare with max: the colour picks the kind.", state: { overlay: "average" } },
];

const bitsOf = (digits) => Array.from({ length: SIDE * SIDE }, (_, k) => (parseInt(digits[k >> 2], 16) >> (3 - (k & 3))) & 1);
const digitsOf = (bits) => Array.from({ length: bits.length / 4 }, (_, k) => parseInt(bits.slice(4 * k, 4 * k + 4).join(""), 2).toString(16)).join("");

// The state with every value mended that a link may have spoilt.
export function readBench(get) {
  const names = [...get("names"), OWN], drawing = String(get("drawing"));
  const whole = (name, low, high) => { const v = Math.round(Number(get(name))); return Number.isFinite(v) ? clamp(v, low, high) : clamp(0, low, high); };
  return {
    picture: names.includes(get("picture")) ? get("picture") : names[0],
    overlay: KINDS.includes(get("overlay")) ? get("overlay") : "none",
    drawing: /^[0-9a-f]{64}$/.test(drawing) ? drawing : "0".repeat(64),
    window: whole("window", 1, MOST), stride: whole("stride", 1, MOST), down: whole("down", -MARGIN, MARGIN), right: whole("right", -MARGIN, MARGIN),
    seed: whole("seed", 0, 999), row: whole("row", 0, SIDE - 1), column: whole("column", 0, SIDE - 1),
  };
}

// Everything that is shown, as numbers.
function compute(state, pictures) {
  const own = state.picture === OWN, side = SIDE + 2 * MARGIN;
  let pixels = own ? new Uint8Array(side * side) : pictures.find((p) => p.name === state.picture).data;
  if (own) bitsOf(state.drawing).forEach((bit, k) => { pixels[(MARGIN + Math.floor(k / SIDE)) * side + MARGIN + (k % SIDE)] = INK * bit; });
  const before = viewOf(pixels, SIDE, MARGIN, 0, 0), x = viewOf(pixels, SIDE, MARGIN, state.down, state.right);
  const maps = KINDS.map((kind) => {
    const map = poolMap(kind, x, SIDE, state);
    return { kind, ...map, ...shiftErrors(poolMap(kind, before, SIDE, state), map, state, state.down, state.right) };
  });
  const globals = [["global average", (v) => v.reduce((a, b) => a + b, 0) / v.length], ["global max", (v) => Math.max(...v)]].map(([name, f]) => {
    const old = f(before), now = f(x);
    return { name, now, changed: Math.abs(now - old) > 1e-9, invariance: old > 0 ? Math.abs(now - old) / old : now > 0 ? 1 : 0 };
  });
  const size = outputSize(SIDE, state.window, state.stride), cell = (v) => Math.min(Math.floor(v / state.stride), size - 1);
  const gradient = state.overlay === "none" ? null : gradientMap(state.overlay, x, SIDE, state);
  return { x, maps, globals, gradient, own, i: cell(state.row), j: cell(state.column), top: Math.max(...pixels) || 1 };
}

// ---- drawings ------------------------------------------------------------------------------------------------------

function inksFor(el, isInk) {
  const inks = { ...palette(el), purple: channelsOf(color(el, "purple")) };
  const tone = (high) => (isInk ? (v) => mix(inks.page, high, v) : (v) => mix([12, 12, 12], [250, 250, 250], v));
  return { ...inks, input: tone(inks.ink), map: tone(inks.blue) };
}

function paintCells(canvas, values, size, top, tone, page) {
  const { pen, width } = pixelPen(canvas), cell = width / size;
  for (let k = 0; k < values.length; k++) {
    const left = Math.round((k % size) * cell), up = Math.round(Math.floor(k / size) * cell);
    pen.fillStyle = css(tone(clamp(values[k] / top, 0, 1)));
    pen.fillRect(left, up, Math.round(((k % size) + 1) * cell) - left, Math.round((Math.floor(k / size) + 1) * cell) - up);
  }
  pen.strokeStyle = css(page);
  pen.lineWidth = 1;
  pen.globalAlpha = 0.35;
  pen.beginPath();
  for (let k = 1; k < size; k++) {
    const at = Math.round(k * cell) + 0.5;
    pen.moveTo(at, 0); pen.lineTo(at, width); pen.moveTo(0, at); pen.lineTo(width, at);
  }
  pen.stroke();
  pen.globalAlpha = 1;
  return { pen, cell };
}

function paintInput(canvas, state, shown, inks) {
  const { pen, cell } = paintCells(canvas, shown.x, SIDE, shown.top, inks.input, inks.grey);
  if (shown.gradient) {
    const most = Math.max(...shown.gradient.map(Math.abs)) || 1;
    shown.gradient.forEach((g, k) => {
      if (Math.abs(g) < 1e-9) return;
      pen.beginPath();
      pen.arc(((k % SIDE) + 0.5) * cell, (Math.floor(k / SIDE) + 0.5) * cell, 0.32 * cell * Math.sqrt(Math.abs(g) / most), 0, 7);
      pen.fillStyle = css(inks.purple);
      pen.fill();
      pen.lineWidth = 1;
      pen.strokeStyle = css(inks.page);
      pen.stroke();
    });
  }
  const { window, stride } = state;
  outline(pen, shown.j * stride * cell, shown.i * stride * cell, window * cell, window * cell, inks.amber, inks.page, 3);
  pen.strokeStyle = css(inks.amber);
  pen.lineWidth = 1;
  pen.setLineDash([3, 2]);
  pen.strokeRect(state.column * cell + 2.5, state.row * cell + 2.5, cell - 5, cell - 5);
  pen.setLineDash([]);
}

function drawMap(kind, point) {
  const canvas = h("canvas", { role: "img" }), title = h("p"), el = h("div", {}, canvas, title);
  let size = 1;
  const at = (event) => {
    const box = canvas.getBoundingClientRect(), place = (v, length) => clamp(Math.floor((v / length) * size), 0, size - 1);
    point(place(event.clientY - box.top, box.height), place(event.clientX - box.left, box.width));
  };
  canvas.addEventListener("pointerdown", at);
  canvas.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse") at(event); });
  return {
    el,
    update(map, state, shown, inks) {
      size = map.size;
      title.textContent = `${kind === "subsampled" && state.stride > 1 ? `every ${["", "", "2nd", "3rd", "4th"][state.stride]} pixel` : kind === "subsampled" ? "every pixel" : TITLES[kind]}`;
      const i = Math.min(shown.i, size - 1), j = Math.min(shown.j, size - 1);
      canvas.setAttribute("aria-label", `Pooled map, ${title.textContent}: ${size} by ${size} values, ${fmt(map.values[i * size + j])} at row ${i}, column ${j}`);
      const { pen, cell } = paintCells(canvas, map.values, size, shown.top, inks.map, inks.grey);
      outline(pen, j * cell, i * cell, cell, cell, inks.amber, inks.page, 2);
    },
  };
}

// ---- numbers -------------------------------------------------------------------------------------------------------

const percent = (v) => `${v > 0 && v < 0.005 ? "< 1" : Math.round(100 * v)} %`;

function drawErrors() {
  const rows = [...KINDS.map((kind) => TITLES[kind]), "global average", "global max"].map((name) => {
    const cells = [0, 1].map(() => { const text = h("span"), bar = h("i", { "aria-hidden": "true" }); return { text, bar, el: h("td", {}, text, bar) }; });
    const changed = h("td"), head = h("th", { scope: "row", text: name });
    return { cells, changed, head, el: h("tr", {}, head, changed, cells.map((c) => c.el)) };
  });
  const heads = ["pooling", "outputs changed", "invariance error", "equivariance error"].map((text) => h("th", { scope: "col", text }));
  const put = (cell, v) => { cell.text.textContent = v === null ? "–" : percent(v); cell.bar.style.width = `${v === null ? 0 : clamp(100 * v, 0, 100)}%`; };
  return {
    el: h("table", { class: "bk-pool-errors" }, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, rows.map((r) => r.el))),
    update({ maps, globals }, titles) {
      maps.forEach((map, k) => {
        rows[k].head.textContent = titles[k];
        rows[k].changed.textContent = `${map.changed} of ${map.values.length}`;
        put(rows[k].cells[0], map.invariance);
        put(rows[k].cells[1], map.equivariance);
      });
      globals.forEach((g, k) => {
        rows[maps.length + k].changed.textContent = `${g.changed ? 1 : 0} of 1`;
        put(rows[maps.length + k].cells[0], g.invariance);
        put(rows[maps.length + k].cells[1], null);
      });
    },
  };
}

// The window under the pointer: its values, and what each kind of pooling makes of them.
function drawWorked() {
  const place = h("p", { class: "bk-pool-place", role: "status" });
  const block = () => { const title = h("p"), grid = h("div", { class: "bk-pool-grid", "aria-hidden": "true" }), note = h("p"); return { title, grid, note, el: h("div", {}, title, grid, note) }; };
  const blocks = [block(), block(), block(), block()];
  const fill = ({ grid }, window, texts, shares, drawn) => {
    grid.style.gridTemplateColumns = `repeat(${window}, minmax(1.6rem, auto))`;
    grid.replaceChildren(...texts.map((text, k) => {
      const tint = shares ? `color-mix(in srgb, var(--bk-purple) ${Math.round(30 * shares[k])}%, transparent)` : "transparent";
      return h("span", { text, class: k === drawn ? "bk-pool-drawn" : null, style: `background: ${tint}` });
    }));
  };
  return {
    el: h("div", { class: "bk-pool-worked" }, place, h("div", { class: "bk-pool-blocks" }, blocks.map((b) => b.el))),
    update(state, { x, i, j }) {
      const { window, stride, seed } = state, entries = entriesOf(SIDE, window, stride, i, j), values = entries.map((at) => x[at]);
      const winner = firstLargest(values), mean = values.reduce((a, b) => a + b, 0) / values.length, chances = chancesOf(values);
      const drawn = drawFrom(chances, chanceAt(seed, i * SIDE + j)), weighted = values.reduce((sum, v, k) => sum + v * chances[k], 0);
      const span = (from) => (window === 1 ? `${from}` : `${from} to ${from + window - 1}`);
      const where = (k) => `row ${i * stride + Math.floor(k / window)}, column ${j * stride + (k % window)}`;
      place.textContent = `Window at rows ${span(i * stride)}, columns ${span(j * stride)}: max ${fmt(values[winner])}, average ${fmt(mean)}, stochastic drew ${fmt(values[drawn])}.`;
      blocks[0].title.textContent = "The window";
      fill(blocks[0], window, values.map((v) => fmt(v)), null, -1);
      blocks[0].note.textContent = `input row ${state.row}, column ${state.column}: ${fmt(x[state.row * SIDE + state.column])}`;
      blocks[1].title.textContent = `max = ${fmt(values[winner])}`;
      fill(blocks[1], window, values.map((_, k) => (k === winner ? "1" : "0")), values.map((_, k) => +(k === winner)), -1);
      blocks[1].note.textContent = `gradient: all of it to ${where(winner)}`;
      blocks[2].title.textContent = `average = ${fmt(mean)}`;
      const share = window === 1 ? "1" : `1/${values.length}`;
      fill(blocks[2], window, values.map(() => share), values.map(() => 1 / values.length), -1);
      blocks[2].note.textContent = `gradient: ${share} to each`;
      blocks[3].title.textContent = `stochastic drew ${fmt(values[drawn])}`;
      fill(blocks[3], window, chances.map((p) => Math.round(100 * p)), chances, drawn);
      blocks[3].note.textContent = `chances in per cent; gradient: all of it to the one drawn. Mean, as used at test time: ${fmt(weighted)}`;
    },
  };
}

function render({ model, el }) {
  const pictures = readImages(model), signals = new Set(model.get("signals"));
  const read = () => readBench((name) => model.get(name)), clean = read(), traits = Object.keys(clean);
  if (traits.some((name) => model.get(name) !== clean[name])) setAll(model, clean);
  const put = (changes) => { if (Object.entries(changes).some(([name, v]) => model.get(name) !== v)) setAll(model, changes); };

  const canvas = h("canvas", { tabindex: "0", role: "application", "aria-label": "Picture. Arrow keys move the pixel pointed at." });
  const toMap = (i, j) => { const { stride } = read(); put({ row: Math.min(i * stride, SIDE - 1), column: Math.min(j * stride, SIDE - 1) }); };
  const cards = KINDS.map((kind) => drawMap(kind, toMap)), errors = drawErrors(), worked = drawWorked(), note = status();

  const pixelOf = (event) => {
    const box = canvas.getBoundingClientRect(), place = (v, length) => clamp(Math.floor((v / length) * SIDE), 0, SIDE - 1);
    return { row: place(event.clientY - box.top, box.height), column: place(event.clientX - box.left, box.width) };
  };
  // The reader draws on what is shown, that is, on the shifted picture.
  const set = ({ row, column }, value) => {
    const { drawing, down, right } = read(), i = row - down, j = column - right;
    if (i < 0 || j < 0 || i >= SIDE || j >= SIDE) return null;
    const bits = bitsOf(drawing), next = value ?? 1 - bits[i * SIDE + j];
    bits[i * SIDE + j] = next;
    put({ row, column, drawing: digitsOf(bits) });
    return next;
  };
  let brush = null;
  canvas.addEventListener("pointerdown", (event) => {
    const place = pixelOf(event);
    put(place);
    if (read().picture !== OWN) return;
    brush = set(place);
    canvas.setPointerCapture(event.pointerId);
    event.preventDefault();
    canvas.focus({ preventScroll: true });
  });
  canvas.addEventListener("pointermove", (event) => {
    if (brush !== null) set(pixelOf(event), brush);
    else if (event.pointerType === "mouse") put(pixelOf(event));
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { brush = null; });
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    const { row, column, picture } = read(), step = steps[event.key];
    if (step) put({ row: clamp(row + step[0], 0, SIDE - 1), column: clamp(column + step[1], 0, SIDE - 1) });
    else if ((event.key === " " || event.key === "Enter") && picture === OWN) set({ row, column });
    else return;
    event.preventDefault();
  });

  const range = (label, min, max) => ({ label, min, max, step: 1 });
  const bound = [
    bind(model, "right", slider, range("shift right", -MARGIN, MARGIN)), bind(model, "down", slider, range("shift down", -MARGIN, MARGIN)),
    bind(model, "window", slider, range("window", 1, MOST)), bind(model, "stride", slider, range("stride S", 1, MOST)),
  ];
  const picture = bind(model, "picture", select, { label: "Picture", options: [...model.get("names"), OWN].map((name) => [name, name]) });
  const overlay = bind(model, "overlay", select, { label: "Gradient of", options: [["none", "none"], ...KINDS.map((kind) => [kind, TITLES[kind]])] });
  const again = button("Draw again", () => put({ seed: (read().seed + 1) % 1000 }));
  const wipe = button("Clear the drawing", () => put({ drawing: "0".repeat(64) }));

  const update = () => {
    const state = read(), shown = compute(state, pictures), inks = inksFor(el, shown.own || signals.has(state.picture));
    paintInput(canvas, state, shown, inks);
    canvas.style.touchAction = shown.own ? "none" : "pan-y";
    canvas.setAttribute("aria-label", `Picture of ${SIDE} by ${SIDE} pixels: ${state.picture}. Arrow keys move the pixel pointed at${shown.own ? ", space paints or clears it" : ""}.`);
    const titles = cards.map((card, k) => { card.update(shown.maps[k], state, shown, inks); return card.el.querySelector("p").textContent; });
    errors.update(shown, titles);
    worked.update(state, shown);
    wipe.hidden = !shown.own;
    const [most] = shown.maps, whole = state.down % state.stride === 0 && state.right % state.stride === 0;
    const moved = state.down || state.right, kept = titles.filter((_, k) => shown.maps[k].equivariance < 1e-9);
    note.textContent = !moved ? "Not shifted: every map is what it was."
      : `Shifted by ${fmt(state.right)} to the right and ${fmt(state.down)} down. Of ${most.values.length} outputs, max pooling changed ${most.changed}. `
        + (whole ? `The shift is a whole number of strides: the maps of max and average pooling move along exactly.`
          : `The shift is no whole number of strides (${state.stride}): ${kept.length ? `by luck ${kept.join(", ")} moved along exactly` : "no map moved along exactly"}.`);
  };

  frame(model, el, "pooling_bench",
    h("div", { class: "bk-pool-layout" },
      h("div", { class: "bk-pool-input" }, picture.el, canvas, h("div", { class: "bk-pool-sliders" }, bound.map((c) => c.el)), h("div", { class: "bk-pool-row" }, overlay.el, again, wipe)),
      h("div", { class: "bk-pool-output" }, h("div", { class: "bk-pool-maps" }, cards.map((card) => card.el)), errors.el)),
    note, worked.el, toolbar(model, { presets: PRESETS }));
  for (const name of traits) model.on(`change:${name}`, update);
  const stopTheme = onTheme(update), resized = new ResizeObserver(update);
  resized.observe(canvas);
  update();
  return () => {
    for (const name of traits) model.off(`change:${name}`, update);
    for (const control of [...bound, picture, overlay]) control.off();
    stopTheme();
    resized.disconnect();
  };
}

export default { render };
