// A photograph as numbers: a window on its pixels, the channels apart, and the values of one pixel with their index.
import { bind, clamp, frame, h, onTheme, select, setAll, slider, toolbar, uid } from "./controls.js";
import { brightness, css, fitting, font, inkOn, outline, palette, pixelPen, raster, readImages } from "./pixel_canvas.js";

const CHANNELS = ["colour", "red", "green", "blue", "grey"], SCALES = ["byte", "unit"];
const WINDOWS = [256, 192, 128, 96, 64, 48, 32, 24, 16, 12, 8, 6];
const GUTTER = 26;                                            // CSS pixels for the row and column numbers
const PRESETS = [
  { name: "Read the numbers", state: { channel: "grey", across: 8 },
    note: "A grey picture is one table of numbers: large ones are bright. Walk through it with the arrow keys." },
  { name: "Three numbers a pixel", state: { channel: "colour", across: 8 },
    note: "Red on top, then green, then blue. Equal numbers make a grey; compare a colourful pixel with a pale one." },
  { name: "One channel alone", state: { channel: "red" },
    note: "The red channel says how much red light there is. White is bright in all three, so it is bright here too." },
  { name: "As a network gets them", state: { channel: "colour", across: 8, scale: "unit" },
    note: "Divided by 255 the values lie between 0 and 1. The picture is the same." },
];

// What a link or a notebook asks for, made safe.
export function readPixels(get, images) {
  const defaults = get("defaults"), oneOf = (name, choices) => (choices.includes(get(name)) ? get(name) : defaults[name]);
  const whole = (name, low, high) => clamp(Math.round(Number.isFinite(get(name)) ? get(name) : defaults[name]), low, high);
  const image = oneOf("image", images.map((p) => p.name)), [, H, W] = images.find((p) => p.name === image).shape;
  return {
    image, channel: oneOf("channel", CHANNELS), scale: oneOf("scale", SCALES), across: whole("across", 4, 256),
    row: whole("row", 0, H - 1), column: whole("column", 0, W - 1),
  };
}

// The part of an H × W picture that a square window `across` pixels wide shows, moved so that it holds pixel (i, j).
export function place(view, { H, W, across, i, j }) {
  const side = Math.min(across, Math.max(H, W)), rows = Math.min(H, side), columns = Math.min(W, side);
  const hold = (from, size, all, at) => clamp(clamp(from, at - size + 1, at), 0, all - size);
  return { side, rows, columns, top: hold(view.top, rows, H, i), left: hold(view.left, columns, W, j) };
}

const written = (v, scale) => (scale === "unit" ? (v / 255).toFixed(2) : String(Math.round(v)));

function makePicture({ shape: [, H, W], data }) {
  const area = H * W, at = (i, j) => [0, 1, 2].map((c) => data[c * area + i * W + j]);
  const shown = {
    colour: (rgb) => rgb, red: ([r]) => [r, 0, 0], green: ([, g]) => [0, g, 0], blue: ([, , b]) => [0, 0, b],
    grey: (rgb) => Array(3).fill(Math.round(brightness(...rgb))),
  };
  const numbers = { colour: (rgb) => rgb, red: ([r]) => [r], green: ([, g]) => [g], blue: ([, , b]) => [b], grey: (rgb) => [brightness(...rgb)] };
  const rasters = Object.fromEntries(CHANNELS.map((name) => [name, raster(H, W, (i, j) => shown[name](at(i, j)))]));
  return { H, W, at, rasters, colour: (name, i, j) => shown[name](at(i, j)), numbers: (name, i, j) => numbers[name](at(i, j)) };
}

// ---- the window on the pixels -----------------------------------------------------------------------------------

function paintWindow(canvas, picture, view, { channel, scale, row, column }, pointed, inks) {
  const { pen, width } = pixelPen(canvas), cell = (width - GUTTER) / view.side;
  const X = (j) => GUTTER + (j - view.left) * cell, Y = (i) => GUTTER + (i - view.top) * cell;
  pen.drawImage(picture.rasters[channel], view.left, view.top, view.columns, view.rows, GUTTER, GUTTER, view.columns * cell, view.rows * cell);
  const lines = channel === "colour" ? 3 : 1, widest = scale === "unit" ? "0.00" : "000";
  const size = cell < 12 * lines ? 0 : Math.min(fitting(pen, widest, cell - 5), lines === 1 ? cell : Math.floor((cell - 6) / lines) - 1);
  if (size >= 9) {
    pen.font = font(size);
    for (let i = view.top; i < view.top + view.rows; i++)
      for (let j = view.left; j < view.left + view.columns; j++) {
        pen.fillStyle = inkOn(picture.colour(channel, i, j));
        picture.numbers(channel, i, j).forEach((v, k) =>
          pen.fillText(written(v, scale), X(j + 0.5), Y(i + 0.5) + (k - (lines - 1) / 2) * (size + 1) + 0.5));
      }
  }
  if (cell >= 12) paintRaster(pen, view, cell, inks);
  paintIndices(pen, view, cell, inks);
  outline(pen, X(column), Y(row), cell, cell, inks.amber, inks.page, cell < 8 ? 1.5 : 2.5);
  if (pointed) outline(pen, X(pointed.j), Y(pointed.i), cell, cell, inks.ink, inks.page, 1);
  return size >= 9;
}

function paintRaster(pen, view, cell, inks) {
  pen.strokeStyle = css(inks.grey);
  pen.lineWidth = 0.5;
  pen.beginPath();
  for (let k = 0; k <= view.rows; k++) { pen.moveTo(GUTTER, GUTTER + k * cell); pen.lineTo(GUTTER + view.columns * cell, GUTTER + k * cell); }
  for (let k = 0; k <= view.columns; k++) { pen.moveTo(GUTTER + k * cell, GUTTER); pen.lineTo(GUTTER + k * cell, GUTTER + view.rows * cell); }
  pen.stroke();
}

// Row numbers down the left side, column numbers along the top, as many as there is room for.
function paintIndices(pen, view, cell, inks) {
  const step = [1, 2, 4, 8, 16, 32, 64].find((k) => k * cell >= 26) ?? 128;
  pen.font = font(11);
  pen.fillStyle = css(inks.muted);
  const marks = (from, count) => Array.from({ length: count }, (_, k) => from + k).filter((v) => v % step === 0);
  for (const j of marks(view.left, view.columns)) pen.fillText(j, GUTTER + (j - view.left + 0.5) * cell, 17);
  for (const i of marks(view.top, view.rows)) pen.fillText(i, 13, GUTTER + (i - view.top + 0.5) * cell);
  pen.font = `italic ${font(12)}`;
  pen.fillText("j", 19, 6);
  pen.fillText("i", 4, 19);
}

// Pointing, dragging, tapping and the arrow keys. on: { point(cell | null), choose(i, j), pan(di, dj), zoom(step) }.
function makeWindow(on, view, chosen) {
  const hint = uid("hint"), canvas = h("canvas", { class: "bk-pixels-window", tabindex: 0, role: "application", "aria-describedby": hint });
  let drag = null;
  const cellAt = (event) => {
    const box = canvas.getBoundingClientRect(), v = view(), cell = (box.width - GUTTER) / v.side;
    const i = Math.floor((event.clientY - box.top - GUTTER) / cell), j = Math.floor((event.clientX - box.left - GUTTER) / cell);
    return i >= 0 && i < v.rows && j >= 0 && j < v.columns ? { i: i + v.top, j: j + v.left, cell } : null;
  };
  canvas.addEventListener("pointerdown", (e) => {
    const at = cellAt(e);
    if (e.button || !at) return;
    drag = { x: e.clientX, y: e.clientY, top: view().top, left: view().left, cell: at.cell, moved: false };
    canvas.setPointerCapture(e.pointerId);
  });
  canvas.addEventListener("pointermove", (e) => {
    if (!drag) { on.point(cellAt(e)); return; }
    const [dx, dy] = [e.clientX - drag.x, e.clientY - drag.y];
    if (Math.hypot(dx, dy) > 6) drag.moved = true;
    if (drag.moved) on.pan(Math.round(drag.top - dy / drag.cell), Math.round(drag.left - dx / drag.cell));
  });
  canvas.addEventListener("pointerup", (e) => {
    const at = cellAt(e);
    if (drag && !drag.moved && at) on.choose(at.i, at.j);
    drag = null;
    if (e.pointerType !== "mouse") on.point(null);
  });
  canvas.addEventListener("pointercancel", () => { drag = null; on.point(null); });
  canvas.addEventListener("pointerleave", () => { if (!drag) on.point(null); });
  canvas.addEventListener("dblclick", () => on.zoom(1));
  canvas.addEventListener("keydown", (e) => {
    const by = e.shiftKey ? 10 : 1, { row, column } = chosen();
    const to = { ArrowLeft: [row, column - by], ArrowRight: [row, column + by], ArrowUp: [row - by, column], ArrowDown: [row + by, column] }[e.key];
    if (to) on.choose(...to);
    else if ("+=-".includes(e.key)) on.zoom(e.key === "-" ? -1 : 1);
    else return;
    e.preventDefault();
  });
  const help = h("p", { id: hint, class: "bk-pixels-small", text: "Tap a pixel, drag to move, arrow keys to step (Shift: by ten), + and − to zoom." });
  return { canvas, help };
}

// ---- the channels: five small pictures to choose from -----------------------------------------------------------

function makeChannels(model) {
  const group = uid("channel"), names = { colour: "Colour", red: "Red", green: "Green", blue: "Blue", grey: "Grey" };
  const items = CHANNELS.map((name) => {
    const canvas = h("canvas", { "aria-hidden": "true" });
    const input = h("input", { type: "radio", name: group, value: name, onchange: () => setAll(model, { channel: name }) });
    return { name, canvas, input, el: h("label", { class: `bk-pixels-channel bk-pixels-${name}` }, canvas, h("span", {}, input, names[name])) };
  });
  return {
    el: h("div", { class: "bk-pixels-channels", role: "radiogroup", "aria-label": "Channel" }, items.map((item) => item.el)),
    update(picture, view, chosen, inks) {
      for (const { name, canvas, input } of items) {
        input.checked = name === chosen;
        const { pen, width, height } = pixelPen(canvas), unit = Math.min(width / picture.W, height / picture.H);
        const [x, y] = [(width - picture.W * unit) / 2, (height - picture.H * unit) / 2];
        pen.imageSmoothingEnabled = true;
        pen.drawImage(picture.rasters[name], x, y, picture.W * unit, picture.H * unit);
        if (view.rows < picture.H || view.columns < picture.W)
          outline(pen, x + view.left * unit, y + view.top * unit, view.columns * unit, view.rows * unit, inks.amber, inks.page, 1.5);
      }
    },
  };
}

// Terms of a sum as one text that breaks between them only.
const unbroken = (...terms) => terms.map((term) => term.replaceAll(" ", "\u00a0")).join(" ");

// ---- the values of one pixel ------------------------------------------------------------------------------------

function makeReadout() {
  const swatch = h("div", { class: "bk-pixels-swatch", "aria-hidden": "true" }), name = h("strong", {});
  const rows = ["red", "green", "blue"].map((channel) => {
    const index = h("code", {}), value = h("td", { class: "bk-pixels-value" }), bar = h("div", {});
    return { index, value, bar, el: h("tr", { class: `bk-pixels-${channel}` }, h("th", { scope: "row", text: channel }), h("td", {}, index), value, h("td", { class: "bk-pixels-bar", "aria-hidden": "true" }, bar)) };
  });
  const formula = h("p", { class: "bk-pixels-formula" }), count = h("p", { class: "bk-pixels-small" });
  const grey = h("strong", {}), weights = h("span", {}), terms = h("span", {});
  formula.append(weights, terms, grey);
  return {
    el: h("div", { class: "bk-pixels-readout" }, h("div", { class: "bk-pixels-head" }, swatch, name),
      h("table", {}, h("tbody", {}, rows.map((row) => row.el))), formula, count),
    update(picture, i, j, scale) {
      const rgb = picture.at(i, j), bright = brightness(...rgb), digits = scale === "unit" ? 3 : 1;
      swatch.style.background = css(rgb);
      name.textContent = `Row ${i}, column ${j}`;
      rows.forEach(({ index, value, bar }, c) => {
        index.textContent = `x[${c}, ${i}, ${j}]`;
        value.textContent = scale === "unit" ? (rgb[c] / 255).toFixed(3) : rgb[c];
        bar.style.width = `${(100 * rgb[c]) / 255}%`;
      });
      const [r, g, b] = scale === "unit" ? rgb.map((v) => (v / 255).toFixed(3)) : rgb;
      weights.textContent = unbroken("brightness = 0.299 R", "+ 0.587 G", "+ 0.114 B");
      terms.textContent = unbroken(`= 0.299 · ${r}`, `+ 0.587 · ${g}`, `+ 0.114 · ${b}`);
      grey.textContent = `= ${(scale === "unit" ? bright / 255 : bright).toFixed(digits)}`;
      count.textContent = `x.shape = (3, ${picture.H}, ${picture.W}): 3 · ${picture.H} · ${picture.W} = ${(3 * picture.H * picture.W).toLocaleString("en")} numbers`;
    },
  };
}

// ---- the figure -------------------------------------------------------------------------------------------------

function zoomSlider({ value, full, oninput }) {
  let levels = [];
  const nearest = (v) => levels.reduce((best, u, i) => (Math.abs(u - v) < Math.abs(levels[best] - v) ? i : best), 0);
  const made = slider({ label: "Pixels across", min: 0, max: 1, step: 1, value: 0, format: (i) => String(levels[i] ?? ""), oninput: (i) => oninput(levels[i]) });
  const fit = (most) => { levels = [most, ...WINDOWS.filter((v) => v < most)]; made.input.max = levels.length - 1; };
  fit(full);
  made.set(nearest(value));
  return { ...made, fit, set: (v) => made.set(nearest(v)), step: (by) => oninput(levels[clamp(+made.input.value + by, 0, levels.length - 1)]) };
}

function render({ model, el }) {
  const images = readImages(model), get = (name) => model.get(name), pictures = new Map();
  const readable = () => readPixels(get, images);
  let setting = readable(), picture, view = { top: 0, left: 0 }, pointed = null, inks;
  if (Object.entries(setting).some(([name, v]) => get(name) !== v)) setAll(model, setting);

  const readout = makeReadout(), channels = makeChannels(model), news = h("p", { class: "bk-pixels-small bk-pixels-news", role: "status" });
  const zoom = zoomSlider({ value: setting.across, full: 8, oninput: (v) => setAll(model, { across: v }) });
  const pictureMenu = bind(model, "image", select, { label: "Picture", options: images.map((p) => [p.name, p.name]) });
  pictureMenu.el.hidden = images.length < 2;
  const scaleMenu = bind(model, "scale", select, { label: "Values", options: [["byte", "0 to 255"], ["unit", "0 to 1"]] });
  const { canvas, help } = makeWindow({
    point(cell) { if (cell?.i === pointed?.i && cell?.j === pointed?.j) return; pointed = cell; paint(); },
    choose(i, j) { setAll(model, { row: clamp(i, 0, picture.H - 1), column: clamp(j, 0, picture.W - 1) }); },
    pan(top, left) {
      view = { ...view, top: clamp(top, 0, picture.H - view.rows), left: clamp(left, 0, picture.W - view.columns) };
      setAll(model, { row: clamp(setting.row, view.top, view.top + view.rows - 1), column: clamp(setting.column, view.left, view.left + view.columns - 1) });
      paint();
    },
    zoom: (by) => zoom.step(by),
  }, () => view, () => setting);

  function paint() {
    const { i, j } = pointed ?? { i: setting.row, j: setting.column };
    const legible = paintWindow(canvas, picture, view, setting, pointed, inks);
    channels.update(picture, view, setting.channel, inks);
    readout.update(picture, i, j, setting.scale);
    const whole = view.rows === picture.H && view.columns === picture.W, values = picture.at(setting.row, setting.column);
    const what = setting.channel === "colour" ? "all three channels" : setting.channel === "grey" ? "brightness" : `${setting.channel} channel`;
    canvas.style.touchAction = whole ? "manipulation" : "none";
    news.textContent = `${whole ? "The whole picture" : `Rows ${view.top} to ${view.top + view.rows - 1}, columns ${view.left} to ${view.left + view.columns - 1}`}, ${what}. `
      + (legible ? (setting.channel === "colour" ? "In each cell: red, green, blue." : "The number in a cell is its value.") : "Zoom in until the numbers appear.");
    canvas.setAttribute("aria-label", `Pixels of the picture “${setting.image}”, ${what}. Row ${setting.row}, column ${setting.column}: red ${values[0]}, green ${values[1]}, blue ${values[2]}.`);
  }
  // The chosen pixel keeps its place in the window when the zoom changes.
  function update(fresh) {
    const before = setting, old = view, share = (at, from, size) => (at - from + 0.5) / size;
    setting = readable();
    if (fresh || setting.image !== before.image) {
      if (!pictures.has(setting.image)) pictures.set(setting.image, makePicture(images.find((p) => p.name === setting.image)));
      picture = pictures.get(setting.image);
      zoom.fit(Math.max(picture.H, picture.W));
    }
    const { H, W } = picture, { row: i, column: j } = setting, across = setting.across;
    if (fresh || setting.across !== before.across || setting.image !== before.image) {
      const side = Math.min(across, Math.max(H, W));
      const [up, along] = fresh ? [0.5, 0.5] : [share(before.row, old.top, old.rows), share(before.column, old.left, old.columns)];
      view = { top: Math.round(i + 0.5 - up * Math.min(H, side)), left: Math.round(j + 0.5 - along * Math.min(W, side)) };
    }
    view = place(view, { H, W, across, i, j });
    zoom.set(across);
    pointed = null;
    paint();
  }

  frame(model, el, "image_pixels",
    toolbar(model, { presets: PRESETS }),
    channels.el,
    h("div", { class: "bk-pixels-layout" },
      h("div", {}, canvas, news),
      h("div", { class: "bk-pixels-side" }, readout.el, h("div", { class: "bk-pixels-controls" }, zoom.el, pictureMenu.el, scaleMenu.el), help)));

  // Several traits that change at once, by a preset, are answered once.
  let waiting = false, gone = false;
  const onChange = () => { if (!waiting) { waiting = true; queueMicrotask(() => { waiting = false; if (!gone) update(false); }); } };
  const watched = Object.keys(setting).map((name) => `change:${name}`);
  for (const event of watched) model.on(event, onChange);
  inks = palette(el);
  update(true);
  const offTheme = onTheme(() => { inks = palette(el); paint(); });
  const resized = new ResizeObserver(() => paint());
  resized.observe(canvas);
  return () => {
    gone = true;
    resized.disconnect();
    offTheme();
    for (const event of watched) model.off(event, onChange);
    for (const control of [pictureMenu, scaleMenu]) control.off();
  };
}

export default { render };
