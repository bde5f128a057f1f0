// Pictures as arrays on a canvas: reading them from the model, grids of square cells, numbers that fit into them.
import { color, sharpPen } from "./controls.js";

const STACK = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";

// The pictures that Python packed: [{ name, shape: [C, H, W], data: Uint8Array }].
export function readImages(model) {
  const bytes = model.get("pixels"), shapes = model.get("shapes");
  let at = bytes.byteOffset;
  return model.get("names").map((name, k) => {
    const length = shapes[k].reduce((a, b) => a * b), data = new Uint8Array(bytes.buffer, at, length);
    at += length;
    return { name, shape: shapes[k], data };
  });
}

// A pen for cells with their numbers in them.
export const pixelPen = (canvas) => sharpPen(canvas, { imageSmoothingEnabled: false, textAlign: "center", textBaseline: "middle" });

export const brightness = (r, g, b) => 0.299 * r + 0.587 * g + 0.114 * b;      // ITU-R BT.601

export const font = (size, weight = 400) => `${weight} ${size}px ${STACK}`;

// "#0072b2" -> [0, 114, 178]
export const channelsOf = (css) => [1, 3, 5].map((i) => parseInt(css.slice(i, i + 2), 16));
export const palette = (el) => Object.fromEntries(
  ["blue", "orange", "amber", "grey", "page", "panel", "ink", "muted", "rule"].map((name) => [name, channelsOf(color(el, name))]));
export const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;
export const mix = (from, to, share) => from.map((v, c) => Math.round(v + share * (to[c] - v)));

// Black or white, whichever reads better on a colour: their contrasts are equal at a relative luminance of 0.179.
export function inkOn([r, g, b]) {
  const [R, G, B] = [r, g, b].map((v) => ((v / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * R + 0.7152 * G + 0.0722 * B > 0.179 ? "#000" : "#fff";
}

// rows × columns colours as a picture of one pixel a cell, to be drawn large. paint(i, j) -> [r, g, b].
export function raster(rows, columns, paint) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, columns);
  canvas.height = Math.max(1, rows);
  const pen = canvas.getContext("2d"), image = pen.createImageData(canvas.width, canvas.height);
  for (let i = 0, at = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) {
      const [r, g, b] = paint(i, j);
      image.data[at++] = r; image.data[at++] = g; image.data[at++] = b; image.data[at++] = 255;
    }
  pen.putImageData(image, 0, 0);
  return canvas;
}

// The largest of the font sizes at which `text` is at most `width` wide; 0 if none is.
export function fitting(pen, text, width, sizes = [13, 12, 11, 10, 9]) {
  for (const size of sizes) {
    pen.font = font(size);
    if (pen.measureText(text).width <= width) return size;
  }
  return 0;
}

// A frame round the cells from (i, j) that stands out on every ground: a coloured line between two thin ones.
export function outline(pen, x, y, width, height, colour, page, line = 2) {
  pen.lineWidth = line + 2;
  pen.strokeStyle = css(page);
  pen.strokeRect(x, y, width, height);
  pen.lineWidth = line;
  pen.strokeStyle = css(colour);
  pen.strokeRect(x, y, width, height);
}
