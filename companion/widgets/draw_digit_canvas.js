// What the digit figure paints: all layers with the lines that lead to one value, and where that value comes from.
// Everything here reads numbers and draws. Images are painted in ink, other values blue above 0 and orange below,
// windows are framed amber, the value pointed at blue, what it can see of the input grey.
import { FONT, color, sharpPen } from "./controls.js";
import { BLOCK, COUNTS, SIDE, between } from "./digit_input.js";
import { LAYERS, fieldOf, originOf } from "./lenet_engine.js";

// The counts are the first thing that can be pointed at; the network's layers follow.
export const SHOWN = [{ name: "counts", maps: 1, side: COUNTS }, ...LAYERS];
export const LAST = SHOWN.length - 1, INPUT = 1;
export const isFlat = (l) => SHOWN[l].side === 1;

// A number in little room: what rounds to nothing is 0.
export const short = (v, digits = 2) => String(+v.toFixed(digits)).replace("-", "−");

// ---- colours --------------------------------------------------------------------------------------------------------

const channels = (css) => [1, 3, 5].map((i) => parseInt(css.slice(i, i + 2), 16));
const mix = (from, to, share) => {
  const [r, g, b] = from.map((v, c) => Math.round(v + share * (to[c] - v)));
  return (255 << 24) | (b << 16) | (g << 8) | r;
};

// Canvases need colours as text and pixels as numbers; both come from the page, again at every change of theme.
export function readInks(el) {
  const inks = {};
  for (const name of ["blue", "orange", "amber", "grey", "page", "ink", "muted", "rule"]) inks[name] = color(el, name);
  const [page, ink, blue, orange] = [inks.page, inks.ink, inks.blue, inks.orange].map(channels);
  const image = new Uint32Array(256), signed = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const t = i / 127.5 - 1;
    image[i] = mix(page, ink, i / 255);
    signed[i] = mix(page, t < 0 ? orange : blue, Math.abs(t));
  }
  return { ...inks, image, signed };
}
const shade = (ramp, v, scale, signed) => ramp[Math.round(Math.min(255, Math.max(0, 255 * (signed ? (v / scale + 1) / 2 : v / scale))))];

// Grids of values as enlarged pixels. All go through one small picture, because filling one is what takes time.
// grids: { values, columns, ramp: { scale, signed }, x, y, width, height }.
const atlas = document.createElement("canvas"), ATLAS = 512, SHELF = 32;
function paintGrids(pen, inks, grids) {
  let left = 0, shelf = 0;
  const places = grids.map(({ values, columns }) => {
    if (left + columns > ATLAS) { left = 0; shelf += SHELF; }
    left += columns;
    return { u: left - columns, v: shelf, rows: Math.ceil(values.length / columns) };
  });
  atlas.width = ATLAS;
  atlas.height = shelf + SHELF;
  const small = atlas.getContext("2d"), image = small.createImageData(ATLAS, shelf + SHELF), pixels = new Uint32Array(image.data.buffer);
  grids.forEach(({ values, columns, ramp: { scale, signed } }, g) => {
    const { u, v } = places[g], colors = signed ? inks.signed : inks.image;
    for (let i = 0; i < values.length; i++) pixels[(v + Math.floor(i / columns)) * ATLAS + u + (i % columns)] = shade(colors, values[i], scale, signed);
  });
  small.putImageData(image, 0, 0);
  pen.strokeStyle = inks.grey;
  pen.lineWidth = 1;
  grids.forEach(({ columns, x, y, width, height }, g) => {
    const { u, v, rows } = places[g];
    pen.drawImage(atlas, u, v, columns, rows, x, y, width, height);
    pen.strokeRect(x - 0.5, y - 0.5, width + 1, height + 1);
  });
}

const largest = (values) => values.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-9);
function rampOf({ net }, l) {
  if (l <= INPUT) return { scale: l ? 1 : BLOCK ** 2, signed: false };
  return { scale: net.activation === "tanh" && l < LAST ? 1 : largest(net.values[l - 1]), signed: true };
}

// ---- all layers -----------------------------------------------------------------------------------------------------

// Where everything lies for a width: on a phone names stand above their layers, elsewhere to the left.
export function arrange(width) {
  const wide = width >= 520, left = wide ? 92 : 1, head = wide ? 0 : 18, room = width - left - 1, gap = wide ? 17 : 10;
  const pictures = wide ? 88 : Math.min(80, 0.25 * width), many = wide ? 16 : 8;
  const rows = [
    { at: 2, across: 6, tile: Math.min(70, room / 6 - 6) }, { at: 3, across: 6, tile: Math.min(42, room / 6 - 10) },
    { at: 4, across: many, tile: Math.min(37, room / many - 4) }, { at: 5, across: many, tile: Math.min(25, room / many - 8) },
    { at: 6, across: wide ? 60 : 30 }, { at: 7, across: wide ? 42 : 28 }, { at: LAST, across: 10, tile: Math.min(30, room / 10 - 4) }];
  const apart = (width - 2 - pictures) / 2, picture = (i) => ({ x: 1 + i * apart, y: 20, pitch: 0, tile: pictures, across: 1, height: pictures });
  const bitmap = { x: 1, y: 20, size: pictures }, boxes = [picture(1), picture(2)];
  let y = 20 + pictures + gap;
  for (const { at, across, tile } of rows) {
    const size = tile ?? Math.min(10, room / across), pitch = tile ? room / across : size, step = tile ? size + 4 : size;
    const height = Math.ceil(SHOWN[at].maps / across) * step;
    y += head;
    boxes[at] = { x: left + (pitch - size) / 2, y, pitch, tile: size, across, step, height };
    y += height + gap;
  }
  return { wide, bitmap, boxes, height: Math.ceil(y - gap + 16) };
}

function tileOf(box, map) {
  return { x: box.x + (map % box.across) * box.pitch, y: box.y + Math.floor(map / box.across) * (box.step ?? 0), size: box.tile };
}
function squareIn({ x, y, size }, side, row, column, rows) {
  const cell = size / side;
  return [x + column * cell, y + row * cell, rows * cell];
}

// The value under a point of the drawing, or null.
export function valueAt({ boxes }, x, y) {
  for (let layer = 0; layer <= LAST; layer++) {
    const box = boxes[layer], { side, maps } = SHOWN[layer];
    const across = box.pitch ? Math.floor((x - box.x) / box.pitch) : 0, down = box.step ? Math.floor((y - box.y) / box.step) : 0;
    const unit = down * box.across + across;
    if (across < 0 || across >= box.across || down < 0 || unit >= maps) continue;
    const tile = tileOf(box, unit), row = Math.floor(((y - tile.y) / tile.size) * side), column = Math.floor(((x - tile.x) / tile.size) * side);
    if (row >= 0 && row < side && column >= 0 && column < side) return { layer, unit, row, column };
  }
  return null;
}

function outline(pen, inks, [x, y, size], ink, { wide = 2, dash = [], height = size } = {}) {
  pen.setLineDash(dash);
  if (!dash.length) {
    pen.strokeStyle = inks.page;
    pen.lineWidth = wide + 2;
    pen.strokeRect(x, y, size, height);
  }
  pen.strokeStyle = ink;
  pen.lineWidth = wide;
  pen.strokeRect(x, y, size, height);
  pen.setLineDash([]);
}

function join(pen, inks, [x, y, size, height = size], [u, v, cell], sideways) {
  const ends = sideways ? [[x + size, y, u, v], [x + size, y + height, u, v + cell]] : [[x, y + height, u, v], [x + size, y + height, u + cell, v]];
  pen.strokeStyle = inks.amber;
  pen.lineWidth = 1;
  pen.globalAlpha = 0.7;
  for (const [a, b, c, d] of ends) { pen.beginPath(); pen.moveTo(a, b); pen.lineTo(c, d); pen.stroke(); }
  pen.globalAlpha = 1;
}

// seen: { bitmap, counts, net }; bitmap is null for an example, of which the data set holds the counts only.
export const valuesOf = (seen, l) => (l === 0 ? seen.counts : seen.net.values[l - 1]);

const arrowText = (pen, inks, layout, from, to, lines) => {
  const x = (from.x + layout.bitmap.size + to.x) / 2, y = layout.bitmap.y + layout.bitmap.size / 2;
  pen.fillStyle = inks.muted;
  pen.textAlign = "center";
  (layout.wide ? [...lines, "→"] : ["→"]).forEach((text, i, all) => pen.fillText(text, x, y + 4 + 16 * (i - (all.length - 1) / 2)));
};

function paintNames(pen, inks, layout) {
  const { wide, boxes, bitmap } = layout;
  pen.textAlign = "left";
  const name = (text, detail, y) => {
    pen.fillStyle = inks.ink;
    pen.font = `600 ${FONT}`;
    pen.fillText(text, 0, y);
    const shift = pen.measureText(`${text}  `).width;
    pen.font = FONT;
    pen.fillStyle = inks.muted;
    pen.fillText(detail, wide ? 0 : shift, wide ? y + 15 : y);
  };
  pen.fillStyle = inks.muted;
  [["bitmap", bitmap], ["counts", boxes[0]], ["input", boxes[INPUT]]].forEach(([text, { x, y }], i) =>
    pen.fillText(wide ? `${text}, ${i === 1 ? "8 × 8" : "32 × 32"}` : text, x, y - 7));
  for (let l = 2; l <= LAST; l++) {
    const { name: text, maps, side } = SHOWN[l], { y } = boxes[l];
    name(text, isFlat(l) ? `${maps} units` : wide ? `${maps} × ${side} × ${side}` : `${maps} maps, ${side} × ${side}`, wide ? y + 11 : y - 6);
  }
}

export function paintLayers(canvas, layout, seen, at, inks) {
  const { pen } = sharpPen(canvas, { imageSmoothingEnabled: false }), { bitmap, boxes } = layout, grids = [];
  const add = (values, columns, ramp, { x, y, size }, width = size, height = size) => grids.push({ values, columns, ramp, x, y, width, height });
  paintNames(pen, inks, layout);
  if (seen.bitmap) add(seen.bitmap, SIDE, { scale: 1, signed: false }, bitmap);
  else {
    pen.strokeStyle = inks.rule;
    pen.strokeRect(bitmap.x + 0.5, bitmap.y + 0.5, bitmap.size - 1, bitmap.size - 1);
    pen.fillStyle = inks.muted;
    pen.textAlign = "center";
    ["not in the", "data set"].forEach((text, i) => pen.fillText(text, bitmap.x + bitmap.size / 2, bitmap.y + bitmap.size / 2 - 2 + 15 * i));
  }
  arrowText(pen, inks, layout, bitmap, boxes[0], ["ink counted", "in 4 × 4 blocks"]);
  arrowText(pen, inks, layout, boxes[0], boxes[INPUT], ["enlarged,", "0 … 1"]);
  for (let l = 0; l <= LAST; l++) {
    const { maps, side } = SHOWN[l], values = valuesOf(seen, l), ramp = rampOf(seen, l), box = boxes[l];
    if (isFlat(l) && l < LAST) add(values, box.across, ramp, box, box.across * box.tile, box.height);
    else for (let map = 0; map < maps; map++) add(values.subarray(map * side * side, (map + 1) * side * side), side, ramp, tileOf(box, map));
  }
  paintGrids(pen, inks, grids);
  pen.fillStyle = inks.ink;
  pen.textAlign = "center";
  for (let digit = 0; digit < 10; digit++) { const { x, y, size } = tileOf(boxes[LAST], digit); pen.fillText(digit, x + size / 2, y + size + 15); }
  paintTrace(pen, layout, seen, at, inks);
}

// Frames round the value pointed at and the windows below it, lines between them, and what it can see of the input.
function paintTrace(pen, layout, seen, at, inks) {
  const { boxes, bitmap } = layout, { layer, unit, row, column } = at, below = boxes[layer - 1];
  const target = squareIn(tileOf(boxes[layer], unit), SHOWN[layer].side, row, column, 1), origin = explain(seen, at), windows = [];
  if (layer === 0) windows.push(squareIn(bitmap, SIDE, origin.top, origin.left, BLOCK));
  else if (origin.flat) windows.push([below.x, below.y, below.across * below.tile, below.height]);
  else for (const { map } of origin.parts) windows.push(squareIn(tileOf(below, map), SHOWN[layer - 1].side, origin.top, origin.left, origin.size));
  if (layer > INPUT) {
    const { top, left, side } = fieldOf({ ...at, layer: layer - 1 });
    outline(pen, inks, squareIn(tileOf(boxes[INPUT], 0), SIDE, top, left, side), inks.grey, { dash: [4, 3] });
  }
  for (const window of windows) join(pen, inks, window, target, layer <= INPUT);
  for (const window of windows) outline(pen, inks, window, inks.amber, { height: window[3] });
  outline(pen, inks, target, inks.blue, { wide: 2.5 });
}

// ---- where a value comes from ---------------------------------------------------------------------------------------

// As the engine's originOf, for the counts and the enlarged image, too.
export function explain(seen, at) {
  const { layer, row, column } = at;
  if (layer > INPUT) return originOf(seen.net, { ...at, layer: layer - 1 });
  const value = valuesOf(seen, layer)[row * SHOWN[layer].side + column];
  if (layer === 0) {
    const top = BLOCK * row, left = BLOCK * column;
    const bits = Float64Array.from({ length: BLOCK ** 2 }, (_, i) => seen.bitmap?.[(top + Math.floor(i / BLOCK)) * SIDE + left + (i % BLOCK)] ?? 0);
    return { kind: "count", top, left, size: BLOCK, columns: BLOCK, parts: [{ map: 0, window: bits }], value };
  }
  const y = between(row), x = between(column), pick = (f) => Float64Array.from([0, 1, 2, 3], (i) => f(i >> 1, i & 1));
  const window = pick((i, j) => seen.counts[(y.low + i) * COUNTS + x.low + j] / BLOCK ** 2), weights = pick((i, j) => y.shares[i] * x.shares[j]);
  return { kind: "enlarge", top: y.low, left: x.low, size: 2, columns: 2, parts: [{ map: 0, window, weights, sum: value }], value };
}

export const originHeight = (width) => (width >= 520 ? 186 : 272);

// Numbers in the cells where they fit, each in the colour that stands out better.
const brightness = (pixel) => 0.2126 * ((pixel & 255) / 255) ** 2.2 + 0.7152 * (((pixel >> 8) & 255) / 255) ** 2.2 + 0.0722 * (((pixel >> 16) & 255) / 255) ** 2.2 + 0.05;
function paintNumbers(pen, inks, values, columns, { scale, signed }, x, y, cell) {
  if (cell < 30) return;
  const ramp = signed ? inks.signed : inks.image, page = brightness(inks.image[0]), ink = brightness(inks.image[255]);
  pen.textAlign = "center";
  pen.font = `11${FONT.slice(2)}`;
  values.forEach((v, i) => {
    const back = brightness(shade(ramp, v, scale, signed)), apart = (other) => Math.max(other, back) / Math.min(other, back);
    pen.fillStyle = apart(page) > apart(ink) ? inks.page : inks.ink;
    pen.fillText(short(v), x + ((i % columns) + 0.5) * cell, y + (Math.floor(i / columns) + 0.5) * cell + 4);
  });
  pen.font = FONT;
}

export function paintOrigin(canvas, seen, at, inks) {
  const { pen, width, height } = sharpPen(canvas, { imageSmoothingEnabled: false }), origin = explain(seen, at), { parts, columns } = origin, source = at.layer - 1;
  const values = source <= 0 ? { scale: 1, signed: false } : rampOf(seen, source);
  const weights = { scale: largest(parts.flatMap((p) => (p.weights ? [largest(p.weights)] : []))), signed: true };
  const rows = Math.ceil(parts[0].window.length / columns);
  const title = (text, x, y, align = "left") => { pen.fillStyle = inks.muted; pen.textAlign = align; pen.fillText(text, x, y); };
  if (origin.kind === "count" && !seen.bitmap) { title("The data set holds the counts, not the bitmap.", 1, 14); return; }
  const sign = (text, x, y) => { pen.fillStyle = inks.ink; pen.textAlign = "center"; pen.font = `600 15px${FONT.slice(4)}`; pen.fillText(text, x, y); pen.font = FONT; };
  if (parts.length === 1) {
    const [{ window, weights: w }] = parts, grids = [[origin.flat ? `all of ${SHOWN[source].name}` : "window", window, values]];
    if (w) {
      const products = window.map((v, i) => v * w[i]);
      grids.push(["weights", w, weights], ["products", products, { scale: largest(products), signed: true }]);
    }
    const cell = Math.min((w ? (width - 76) / 3 : width - 4) / columns, (height - 26) / rows, 52), across = cell * columns;
    const start = (i) => 1 + i * (across + 36);
    paintGrids(pen, inks, grids.map(([, numbers, ramp], i) => ({ values: numbers, columns, ramp, x: start(i), y: 22, width: across, height: cell * rows })));
    grids.forEach(([name, numbers, ramp], i) => {
      const x = start(i);
      title(name, x, 14);
      paintNumbers(pen, inks, numbers, columns, ramp, x, 22, cell);
      if (origin.kind === "pool" && seen.net.pool === "max") {
        const most = numbers.indexOf(origin.value);
        outline(pen, inks, [x + (most % columns) * cell, 22 + Math.floor(most / columns) * cell, cell], inks.blue);
      }
      if (i) sign(i === 1 ? "×" : "=", x - 18, 27 + (cell * rows) / 2);
    });
    return;
  }
  const wide = width >= 520, many = parts.length > 6, across = many ? 4 : wide ? 3 : 2, roomX = width / across, roomY = height / Math.ceil(parts.length / across);
  const head = many && wide ? 0 : 16, foot = wide ? 0 : 18, side = Math.min((roomX - (wide ? 76 : 16)) / 2, roomY - head - foot - 6);
  const corner = (i) => [1 + (i % across) * roomX, 1 + Math.floor(i / across) * roomY];
  paintGrids(pen, inks, parts.flatMap(({ window, weights: w }, i) => {
    const [x, y] = corner(i), box = { columns, y: y + head, width: side, height: side };
    return [{ ...box, values: window, ramp: values, x }, { ...box, values: w, ramp: weights, x: x + side + 5 }];
  }));
  parts.forEach(({ map, sum }, i) => {
    const [x, y] = corner(i);
    if (head) title(many ? `map ${map + 1}` : `${SHOWN[source].name}, map ${map + 1}`, x, y + 11);
    pen.fillStyle = inks.ink;
    pen.textAlign = "left";
    if (wide) pen.fillText(`→ ${short(sum)}`, x + 2 * side + 12, y + head + side / 2 + 4);
    else pen.fillText(`→ ${short(sum)}`, x, y + head + side + 14);
  });
}
