// What the convolution explorer computes and paints: input, output map, the window on the one and its cell on the other.
import { clamp, fmt } from "./controls.js";
import { conv2d, flipKernel } from "./conv_engine.js";
import { brightness, css, fitting, font, inkOn, outline, pixelPen, raster } from "./pixel_canvas.js";
import { diverging } from "./conv_explorer_sum.js";

// The input as the kernel sees it: the channels, or the brightness of a colour picture rounded to whole numbers.
export function readInput({ shape: [C, H, W], data }, channels) {
  if (C === channels) return { data: Float64Array.from(data), shape: [C, H, W] };
  const area = H * W;
  return { data: Float64Array.from({ length: area }, (_, i) => Math.round(brightness(data[i], data[area + i], data[2 * area + i]))), shape: [1, H, W] };
}

export function convolve(input, { kernel, channels, K, divisor, bias, flip, stride, padding, dilation }) {
  const w = { data: Float64Array.from(kernel), shape: [1, channels, K, K] };
  const z = conv2d(input, flip ? flipKernel(w) : w, null, { stride, padding, dilation });
  return { ...z, data: z.data.map((v) => v / divisor + bias) };
}

// Where a grid of rows × columns cells lies in the middle of a canvas that would just hold the padded input.
function layout({ width, height }, { H, W, padding }, rows, columns) {
  const cell = Math.min(width / (W + 2 * padding), height / (H + 2 * padding));
  return { cell, rows, columns, x: (width - columns * cell) / 2, y: (height - rows * cell) / 2 };
}

function paintCells(pen, { x, y, cell, rows, columns }, picture, numbers, colourAt, inks) {
  pen.drawImage(picture, x, y, columns * cell, rows * cell);
  if (cell >= 12) {
    pen.strokeStyle = css(inks.grey);
    pen.lineWidth = 0.5;
    pen.beginPath();
    for (let i = 0; i <= rows; i++) { pen.moveTo(x, y + i * cell); pen.lineTo(x + columns * cell, y + i * cell); }
    for (let j = 0; j <= columns; j++) { pen.moveTo(x + j * cell, y); pen.lineTo(x + j * cell, y + rows * cell); }
    pen.stroke();
  }
  if (!numbers || cell < 18) return;
  const texts = numbers.map((v) => fmt(v, 1)), widest = texts.reduce((a, b) => (b.length > a.length ? b : a), "");
  const size = fitting(pen, widest, cell - 3, [13, 12, 11, 10, 9, 8]);
  if (!size) return;
  pen.font = font(size);
  texts.forEach((text, k) => {
    const i = Math.floor(k / columns), j = k % columns;
    pen.fillStyle = inkOn(colourAt(i, j));
    pen.fillText(text, x + (j + 0.5) * cell, y + (i + 0.5) * cell + 0.5);
  });
}

export function paintInput(canvas, scene, spot, inks) {
  const sheet = pixelPen(canvas), { pen } = sheet, { H, W, padding, K, stride, dilation } = scene.setting;
  const place = layout(sheet, scene.setting, H, W), { cell } = place;
  if (padding) {
    pen.fillStyle = css(inks.panel);
    pen.fillRect(place.x - padding * cell, place.y - padding * cell, (W + 2 * padding) * cell, (H + 2 * padding) * cell);
    pen.strokeStyle = css(inks.grey);
    pen.setLineDash([3, 3]);
    pen.lineWidth = 1;
    pen.strokeRect(place.x - padding * cell + 0.5, place.y - padding * cell + 0.5, (W + 2 * padding) * cell - 1, (H + 2 * padding) * cell - 1);
    pen.setLineDash([]);
    if (cell >= 18) {
      pen.font = font(11);
      pen.fillStyle = css(inks.muted);
      for (let i = -padding; i < H + padding; i++)
        for (let j = -padding; j < W + padding; j++)
          if (i < 0 || j < 0 || i >= H || j >= W) pen.fillText("0", place.x + (j + 0.5) * cell, place.y + (i + 0.5) * cell);
    }
  }
  paintCells(pen, place, scene.picture, scene.setting.channels === 1 ? [...scene.input.data] : null, scene.inputColour, inks);
  if (!spot) return place;
  const top = place.y + (spot.row * stride - padding) * cell, left = place.x + (spot.column * stride - padding) * cell, reach = (dilation * (K - 1) + 1) * cell;
  if (dilation > 1)
    for (let u = 0; u < K; u++) for (let v = 0; v < K; v++)
      outline(pen, left + v * dilation * cell, top + u * dilation * cell, cell, cell, inks.amber, inks.page, cell < 8 ? 1 : 2);
  outline(pen, left, top, reach, reach, inks.amber, inks.page, dilation > 1 ? 1 : 2.5);
  return place;
}

// At the scale of the input, so that the output is seen to shrink; `upTo` hides what is not computed yet.
export function paintOutput(canvas, scene, spot, upTo, inks) {
  const sheet = pixelPen(canvas), { pen } = sheet, { rows, columns } = scene.setting, place = layout(sheet, scene.setting, rows, columns);
  if (!rows || !columns) return place;
  paintCells(pen, place, scene.map, [...scene.z.data], scene.mapColour, inks);
  if (upTo !== null) {
    const i = Math.floor(upTo / columns), j = upTo % columns, { x, y, cell } = place;
    pen.fillStyle = css(inks.panel);
    pen.fillRect(x + (j + 1) * cell, y + i * cell, (columns - j - 1) * cell, cell);
    pen.fillRect(x, y + (i + 1) * cell, columns * cell, (rows - i - 1) * cell);
  }
  pen.strokeStyle = css(inks.grey);
  pen.lineWidth = 1;
  pen.strokeRect(place.x, place.y, columns * place.cell, rows * place.cell);
  if (spot) outline(pen, place.x + spot.column * place.cell, place.y + spot.row * place.cell, place.cell, place.cell, inks.amber, inks.page, place.cell < 8 ? 1.5 : 2.5);
  return place;
}

// Everything that depends on picture, kernel and window but not on the place that is looked at.
export function makeScene(setting, image, inks) {
  const input = readInput(image, setting.channels), z = convolve(input, setting), { W, columns, view } = setting;
  const area = setting.H * W, white = image.data.reduce((a, b) => Math.max(a, b), 1), limit = z.data.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  const level = (v) => Math.round((255 * clamp(v, 0, white)) / white);
  const inputColour = (i, j) => Array.from({ length: 3 }, (_, c) => level(input.data[(setting.channels === 3 ? c * area : 0) + i * W + j]));
  const mapColour = (i, j) => { const v = z.data[i * columns + j]; return view === "signed" ? diverging(v, limit, inks) : Array(3).fill(level(v)); };
  return { setting, input, z, white, limit, level, inputColour, mapColour, picture: raster(setting.H, W, inputColour), map: raster(setting.rows, columns, mapColour) };
}

export const sameButPlace = (a, b) => JSON.stringify({ ...a, row: 0, column: 0 }) === JSON.stringify({ ...b, row: 0, column: 0 });

// The patch under the kernel at an output cell: values, their colours and which of them are padding.
export function readPatch({ setting: { H, W, K, stride, padding, dilation, channels }, input, level }, { row, column }, inks) {
  const places = Array.from({ length: K * K }, (_, i) => [row * stride - padding + Math.floor(i / K) * dilation, column * stride - padding + (i % K) * dilation]);
  const outside = places.map(([r, q]) => r < 0 || q < 0 || r >= H || q >= W);
  const values = Array.from({ length: channels }, (_, c) => places.map(([r, q], i) => (outside[i] ? 0 : input.data[(c * H + r) * W + q])));
  const tint = (v, c) => (channels === 1 ? Array(3).fill(level(v)) : [0, 1, 2].map((k) => (k === c ? level(v) : 0)));
  const colours = values.map((own, c) => own.map((v, i) => (outside[i] ? inks.panel : tint(v, c))));
  return { row, column, values, colours, outside };
}
