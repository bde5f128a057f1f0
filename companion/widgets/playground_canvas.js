// What the playground paints: the field of a unit over the plane, the network with its units' fields, gradient norms,
// loss curves. Everything here reads numbers and draws; nothing trains.
import { color, fmt, linear, sharpPen, ticks } from "./controls.js";
import { createWorkspace, forward } from "./mlp_engine.js";

// ---- colours and canvases ---------------------------------------------------------------------------------------

// Canvases need colours as text and pixels as numbers; both come from the page's variables, again at every change of
// theme. A ramp runs from class 0 over the colour of the page to class 1, as 256 pixels.
export function readInks(el) {
  const inks = {};
  for (const name of ["blue", "orange", "purple", "grey", "page", "ink", "muted", "rule"]) inks[name] = color(el, name);
  return { ...inks, faint: ramp(inks, 0.5), strong: ramp(inks, 0.9) };
}

const channels = (css) => [1, 3, 5].map((i) => parseInt(css.slice(i, i + 2), 16));

function ramp({ orange, page, blue }, most) {
  const [low, middle, high] = [orange, page, blue].map(channels), pixels = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const t = i / 127.5 - 1, end = t < 0 ? low : high, share = most * Math.abs(t);
    const [r, g, b] = middle.map((v, c) => Math.round(v + share * (end[c] - v)));
    pixels[i] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  return pixels;
}

// Pixels to write into, and the small canvas that holds them.
function makeScratch(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d"), image = pen.createImageData(width, height);
  return { canvas, pixels: new Uint32Array(image.data.buffer), flush: () => pen.putImageData(image, 0, 0) };
}

// ---- fields: a unit's value at every place of the plane ----------------------------------------------------------

export const TILE = 24;                                       // pixels across a unit's small field; divides every SIZES
export const SIZES = [24, 48, 72, 96];                        // grid points across the plane, from coarse to fine

// The middles of size × size cells over [−range, range]², the first row on top, and the network's values there.
export function makeGrid(network, size, range) {
  const work = createWorkspace(network, size * size), x = work.a[0], cell = (2 * range) / size;
  for (let row = 0, at = 0; row < size; row++)
    for (let column = 0; column < size; column++) {
      x[at++] = (column + 0.5) * cell - range;
      x[at++] = range - (row + 0.5) * cell;
    }
  return { size, range, work, scratch: makeScratch(size, size), update: () => forward(network, work, size * size) };
}

// From a unit's value to 0 … 255 of a ramp: 0 lies in its middle for all units but sigmoid ones, whose middle is ½.
const TONES = {
  tanh: (v) => 127.5 + 127.5 * v,
  sigmoid: (v) => 255 * v,
  relu: (v) => 127.5 + (127.5 * v) / (1 + Math.abs(v)),
  linear: (v) => 127.5 + (127.5 * v) / (1 + Math.abs(v)),
  input: (v) => 127.5 + (127.5 * v) / 4,
  output: (logit) => 255 / (1 + Math.exp(-logit)),
};
const MIDDLES = { tanh: 0, sigmoid: 0.5, linear: 0, output: 0, input: 0 };      // a ReLU has no middle to draw

function kindOf({ layers, activation }, layer) {
  return layer === 0 ? "input" : layer === layers.length ? "output" : activation;
}

const clampTone = (tone) => (tone > 0 ? (tone < 255 ? tone : 255) : 0);          // NaN becomes 0

// The chosen unit's field over the whole canvas, smooth, with the line where it changes sides.
export function paintField(canvas, network, grid, { layer, unit }, inks) {
  const { pen, width, height } = sharpPen(canvas), { size, scratch, work } = grid, kind = kindOf(network, layer);
  const values = work.a[layer], stride = network.sizes[layer], tone = TONES[kind];
  for (let k = 0, at = unit; k < scratch.pixels.length; k++, at += stride) scratch.pixels[k] = inks.faint[clampTone(tone(values[at])) | 0];
  scratch.flush();
  pen.imageSmoothingQuality = "high";
  pen.drawImage(scratch.canvas, 0, 0, width, height);
  if (!(kind in MIDDLES)) return;
  pen.beginPath();
  traceContour(pen, values, stride, unit, size, MIDDLES[kind], width / size);
  pen.strokeStyle = inks.ink;
  pen.lineWidth = 1.75;
  pen.stroke();
}

// Marching squares: in every square of four neighbouring grid points, a line between the edges that the level crosses.
export function traceContour(pen, values, stride, unit, size, level, cell) {
  const crossing = new Float64Array(8);
  const at = (row, column) => values[(row * size + column) * stride + unit] - level;
  for (let row = 0; row + 1 < size; row++)
    for (let column = 0; column + 1 < size; column++) {
      const a = at(row, column), b = at(row, column + 1), c = at(row + 1, column + 1), d = at(row + 1, column);
      const above = (a > 0) + (b > 0) + (c > 0) + (d > 0);
      if (above === 0 || above === 4) continue;
      let n = 0;
      if (a > 0 !== b > 0) { crossing[n++] = column + a / (a - b); crossing[n++] = row; }
      if (b > 0 !== c > 0) { crossing[n++] = column + 1; crossing[n++] = row + b / (b - c); }
      if (d > 0 !== c > 0) { crossing[n++] = column + d / (d - c); crossing[n++] = row + 1; }
      if (a > 0 !== d > 0) { crossing[n++] = column; crossing[n++] = row + a / (a - d); }
      for (let k = 0; k + 3 < n; k += 4) {                    // a saddle gives two lines
        pen.moveTo((crossing[k] + 0.5) * cell, (crossing[k + 1] + 0.5) * cell);
        pen.lineTo((crossing[k + 2] + 0.5) * cell, (crossing[k + 3] + 0.5) * cell);
      }
    }
}

// The points: class 0 square, class 1 round; hollow ones are held out. cursor: where the keyboard stands, or null.
export function paintPoints(canvas, { train, held, range }, cursor, inks) {
  const { pen, width } = sharpPen(canvas), X = linear([-range, range], [0, width]), Y = linear([range, -range], [0, width]);
  const count = train.y.length, size = Math.min(5, (width / 100) * (count > 120 ? 1 : count > 40 ? 1.3 : 1.9));
  for (const [part, filled] of [[held, false], [train, true]])
    for (let i = 0; i < part.y.length; i++) paintMark(pen, X(part.X[2 * i]), Y(part.X[2 * i + 1]), size, part.y[i], filled, inks);
  if (!cursor) return;
  const [x, y] = [X(cursor[0]), Y(cursor[1])];
  pen.strokeStyle = inks.ink;
  pen.lineWidth = 1.5;
  pen.beginPath();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) { pen.moveTo(x + 4 * dx, y + 4 * dy); pen.lineTo(x + 11 * dx, y + 11 * dy); }
  pen.stroke();
}

function paintMark(pen, x, y, size, label, filled, inks) {
  const shape = new Path2D();
  if (label === 1) shape.arc(x, y, size, 0, 2 * Math.PI);
  else shape.rect(x - 0.9 * size, y - 0.9 * size, 1.8 * size, 1.8 * size);
  pen.strokeStyle = inks.page;                                // a rim, so that a point stands out from its own colour
  pen.lineWidth = filled ? 1.6 : 3;
  pen.stroke(shape);
  pen.fillStyle = filled ? inks[label === 1 ? "blue" : "orange"] : inks.page;
  pen.fill(shape);
  if (filled) return;
  pen.strokeStyle = inks[label === 1 ? "blue" : "orange"];
  pen.lineWidth = 1.2;
  pen.stroke(shape);
}

// ---- the network ------------------------------------------------------------------------------------------------

export const NETWORK_HEIGHT = 296;
const LARGEST = 44, AIR = 7;                                  // a unit's field at most, and the gap below it, in px

// Where the units lie: x[layer], y(layer, unit) are middles; `tile` is the width of a unit's field.
export function placeUnits({ sizes }, width) {
  const row = Math.min(LARGEST + 4 * AIR, (NETWORK_HEIGHT - AIR) / Math.max(...sizes));
  const tile = Math.min(LARGEST, row - AIR, 0.56 * (width / sizes.length)), side = tile / 2 + 2;
  const pitch = (width - 2 * side) / (sizes.length - 1), apart = Math.max(row, tile + 26);   // inputs carry names
  return {
    pitch, tile,
    x: sizes.map((_, layer) => side + layer * pitch),
    y: (layer, unit) => NETWORK_HEIGHT / 2 + (unit - (sizes[layer] - 1) / 2) * (layer === 0 ? apart : row),
  };
}

// All units' fields in one picture, layer after layer from the top, so that it reaches the screen in one go.
const ACROSS = 8;
export const makeAtlas = () => makeScratch(ACROSS * TILE, 6 * TILE);

function fillAtlas(atlas, network, { size, work }, inks) {
  const skip = size / TILE, first = skip >> 1;
  network.sizes.forEach((units, layer) => {
    const tone = TONES[kindOf(network, layer)], values = work.a[layer];
    for (let unit = 0; unit < units; unit++)
      for (let row = 0; row < TILE; row++) {
        let from = ((row * skip + first) * size + first) * units + unit, to = ((layer * TILE + row) * ACROSS + unit) * TILE;
        for (let column = 0; column < TILE; column++, from += skip * units) atlas.pixels[to++] = inks.strong[clampTone(tone(values[from])) | 0];
      }
  });
  atlas.flush();
}

export function paintNetwork(canvas, network, grid, atlas, shown, inks) {
  const { pen, width } = sharpPen(canvas), place = placeUnits(network, width), { x, y, tile } = place;
  network.layers.forEach((part, l) => paintLinks(pen, network.params, part, l, place, shown, inks));
  pen.globalAlpha = 1;
  fillAtlas(atlas, network, grid, inks);
  network.sizes.forEach((units, layer) => {
    for (let unit = 0; unit < units; unit++) {
      const left = x[layer] - tile / 2, top = y(layer, unit) - tile / 2, chosen = layer === shown.layer && unit === shown.unit;
      pen.drawImage(atlas.canvas, unit * TILE, layer * TILE, TILE, TILE, left, top, tile, tile);
      pen.strokeStyle = chosen ? inks.ink : inks.grey;
      pen.lineWidth = chosen ? 3 : 1;
      pen.strokeRect(left, top, tile, tile);
    }
  });
  pen.fillStyle = inks.muted;
  pen.textAlign = "center";
  ["x₁", "x₂"].forEach((name, unit) => pen.fillText(name, x[0], y(0, unit) + tile / 2 + 14));
  pen.fillText("ŷ", x.at(-1), y(network.layers.length, 0) + tile / 2 + 14);
}

// Weights as lines: blue pulls towards class 1's sign, orange against it; width grows with |w| and levels off. The
// lines that enter the chosen unit stand out from the others.
function paintLinks(pen, params, { fanIn, fanOut, weight }, l, { x, y, tile }, shown, inks) {
  const from = x[l] + tile / 2, to = x[l + 1] - tile / 2, bend = (to - from) / 2, focus = shown.layer === l + 1 && fanOut > 1;
  for (let o = 0; o < fanOut; o++)
    for (let k = 0; k < fanIn; k++) {
      const w = params[weight + o * fanIn + k], size = Math.abs(w), a = y(l, k), b = y(l + 1, o);
      pen.globalAlpha = (focus && o !== shown.unit ? 0.25 : 1) * Math.min(0.9, 0.25 + size);
      pen.strokeStyle = w > 0 ? inks.blue : w < 0 ? inks.orange : inks.grey;
      pen.lineWidth = 0.5 + (4 * size) / (1.5 + size);
      pen.beginPath();
      pen.moveTo(from, a);
      pen.bezierCurveTo(from + bend, a, to - bend, b, to, b);
      pen.stroke();
    }
}

// ---- charts -----------------------------------------------------------------------------------------------------

const FLOOR = -8, CEILING = 1;                                // powers of ten shown on the axis of the gradient norms
const POWERS = { "-8": "10⁻⁸", "-6": "10⁻⁶", "-4": "10⁻⁴", "-2": "10⁻²", 0: "1" };

// A positive number in little room.
export function shortNumber(v, digits = 2) {
  if (v === 0 || (v >= 0.001 && v < 1000)) return String(+v.toPrecision(digits));
  return v.toExponential(digits - 1).replace("e+", "e").replace("e-", "e−");
}

// Text that stays legible on a line of the grid.
function writeOver(pen, text, x, y, inks) {
  pen.strokeStyle = inks.page;
  pen.lineWidth = 4;
  pen.lineJoin = "round";
  pen.strokeText(text, x, y);
  pen.fillStyle = inks.ink;
  pen.fillText(text, x, y);
}

// One bar per weight matrix, standing under the lines that it belongs to; a step of the axis is a factor of 100.
export function paintNorms(canvas, network, norms, inks) {
  const { pen, width, height } = sharpPen(canvas), { x, pitch } = placeUnits(network, width);
  const Y = linear([FLOOR, CEILING], [height - 20, 18]), wide = Math.min(30, 0.5 * pitch), digits = pitch < 60 ? 1 : 2;
  pen.strokeStyle = inks.rule;
  pen.fillStyle = inks.muted;
  pen.lineWidth = 1;
  pen.textAlign = "right";
  for (const [power, text] of Object.entries(POWERS)) {
    pen.beginPath();
    pen.moveTo(34, Y(power));
    pen.lineTo(width, Y(power));
    pen.stroke();
    pen.fillText(text, 30, Y(power) + 4);
  }
  pen.textAlign = "center";
  network.layers.forEach((_, l) => {
    const middle = Math.max(x[l] + pitch / 2, 38 + wide / 2), top = norms[l] > 0 ? Math.min(CEILING, Math.max(FLOOR, Math.log10(norms[l]))) : FLOOR;
    pen.fillStyle = inks.purple;
    pen.fillRect(middle - wide / 2, Y(top) - 1, wide, Y(FLOOR) - Y(top) + 1);
    if (Number.isFinite(norms[l])) writeOver(pen, shortNumber(norms[l], digits), middle, Y(top) - 6, inks);
    pen.fillStyle = inks.muted;
    pen.fillText(`W${"₁₂₃₄₅"[l]}`, middle, height - 5);
  });
}

// Training loss blue, held-out loss orange, over the steps. history: { count, step, train, held }.
export function paintLoss(canvas, { count, step, train, held }, inks) {
  const { pen, width, height } = sharpPen(canvas), last = Math.max(50, count ? step[count - 1] : 0);
  let top = 0.8;
  for (let i = 0; i < count; i++) top = Math.max(top, Math.min(4, 1.05 * train[i]), Math.min(4, 1.05 * (held[i] || 0)));
  const X = linear([0, last], [34, width - 8]), Y = linear([0, top], [height - 20, 8]);
  pen.strokeStyle = inks.rule;
  pen.fillStyle = inks.muted;
  pen.lineWidth = 1;
  for (const v of ticks(0, top, 5)) {
    pen.beginPath();
    pen.moveTo(34, Y(v));
    pen.lineTo(width - 8, Y(v));
    pen.stroke();
    pen.textAlign = "right";
    pen.fillText(fmt(v), 30, Y(v) + 4);
  }
  pen.textAlign = "center";
  for (const v of ticks(0, last, 3)) pen.fillText(v ? String(v) : "step 0", Math.min(X(v), width - 16), height - 5);
  paintCurve(pen, count, step, held, X, Y, top, inks.orange);
  paintCurve(pen, count, step, train, X, Y, top, inks.blue);
}

function paintCurve(pen, count, step, values, X, Y, top, ink) {
  pen.strokeStyle = ink;
  pen.lineWidth = 2;
  pen.lineJoin = "round";
  pen.beginPath();
  for (let i = 0, drawn = false; i < count; i++) {
    if (!Number.isFinite(values[i])) { drawn = false; continue; }
    const y = Y(Math.min(top, values[i]));
    if (drawn) pen.lineTo(X(step[i]), y);
    else pen.moveTo(X(step[i]), y);
    drawn = true;
  }
  pen.stroke();
}
