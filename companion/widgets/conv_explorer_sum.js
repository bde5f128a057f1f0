// The sum behind one output number: the patch of the input, the kernel that the reader edits, their products.
import { fmt, h } from "./controls.js";
import { css, inkOn, mix } from "./pixel_canvas.js";

const NAMES = ["red", "green", "blue"];

// Blue above zero, orange below, the page's own colour at zero.
export const diverging = (v, limit, inks) => mix(inks.page, v < 0 ? inks.orange : inks.blue, Math.min(1, Math.abs(v) / (limit || 1)) * 0.85);

// What fits into a small cell: 95200 becomes 95k.
const short = (v) => (Math.abs(v) >= 1e4 ? `${fmt(v / 1000, 0)}k` : fmt(v, Math.abs(v) >= 100 ? 0 : Math.abs(v) >= 10 ? 1 : 2));
const inBrackets = (v) => (v < 0 ? `(${fmt(v)})` : fmt(v));

function colourCell(cell, text, colour) {
  cell.textContent = text;
  cell.classList.toggle("bk-conv-long", text.length > 4);
  cell.style.background = colour ? css(colour) : "";
  cell.style.color = colour ? inkOn(colour) : "";
}

const cells = (count, make) => Array.from({ length: count }, (_, i) => make(i));
const grid = (K, name, title, children) => h("div", { class: `bk-conv-box bk-conv-${name}` },
  h("span", { class: "bk-conv-small", text: title }), h("div", { class: "bk-conv-cells", style: `--k: ${K}` }, children));
const sign = (text) => h("span", { class: "bk-conv-sign", "aria-hidden": "true", text });

// One channel: patch × kernel = products, and their sum. onweight(index, value): a weight was edited.
function makeSlice(K, name, onweight) {
  const patch = cells(K * K, () => h("span")), products = cells(K * K, () => h("span")), sum = h("strong");
  const weights = cells(K * K, (i) => h("input", {
    type: "number", step: "any", inputmode: "decimal", "aria-label": `weight in row ${Math.floor(i / K)}, column ${i % K}${name ? `, ${name}` : ""}`,
    oninput: (e) => { if (e.target.value !== "" && Number.isFinite(+e.target.value)) onweight(i, +e.target.value); },
  }));
  const titles = [grid(K, "patch", name ? `${name} patch` : "patch of x", patch), grid(K, "kernel", "kernel w", weights), grid(K, "products", "products", products)];
  const el = h("div", { class: "bk-conv-slice" }, titles[0], sign("×"), titles[1], sign("="), titles[2],
    h("div", { class: "bk-conv-total" }, h("span", { class: "bk-conv-small", text: "sum" }), sum));
  return { patch, products, weights, sum, caption: titles[1].firstChild, el };
}

// onkernel(weights): the reader has edited the kernel; the list is in the order of the model, not turned.
export function makeSum(onkernel) {
  const el = h("div", { class: "bk-conv-slices" }), line = h("p", { class: "bk-conv-line" });
  let slices = [], K = 0, shown = null;
  const order = (i) => (shown.flip ? K * K - 1 - i : i);                // where the weight shown in cell i lies
  function build(channels, size) {
    if (slices.length === channels && K === size) return;
    K = size;
    slices = cells(channels, (c) => makeSlice(K, channels > 1 ? NAMES[c] : "", (i, v) => {
      const kernel = [...shown.kernel];
      kernel[c * K * K + order(i)] = v;
      onkernel(kernel);
    }));
    el.className = `bk-conv-slices bk-conv-k${K} bk-conv-c${channels}`;
    el.replaceChildren(...slices.map((slice) => slice.el));
  }
  // at: { row, column, values: number[] per channel, colours } or null where nothing fits.
  function update(setting, at, result, inks) {
    shown = setting;
    build(setting.channels, setting.K);
    const area = K * K, taps = slices.map((_, c) => cells(area, (i) => setting.kernel[c * area + order(i)]));
    const products = taps.map((own, c) => own.map((w, i) => (at ? w * at.values[c][i] : 0)));
    const limit = Math.max(1e-9, ...products.flat().map(Math.abs)), sums = products.map((own) => own.reduce((a, b) => a + b, 0));
    slices.forEach((slice, c) => {
      slice.caption.textContent = setting.flip ? "kernel, turned" : "kernel w";
      slice.sum.textContent = at ? fmt(sums[c]) : "–";
      for (let i = 0; i < area; i++) {
        const field = slice.weights[i], w = taps[c][i];
        if (+field.value !== w || field.value === "") field.value = w;
        colourCell(slice.patch[i], at ? fmt(at.values[c][i], 0) : "", at?.colours[c][i]);
        slice.patch[i].classList.toggle("bk-conv-zero", Boolean(at?.outside[i]));
        colourCell(slice.products[i], at ? short(products[c][i]) : "", at && diverging(products[c][i], limit, inks));
      }
    });
    line.replaceChildren(...(at ? written(setting, at, result, taps, sums) : [result]));
  }
  return { el: h("div", { class: "bk-conv-sum" }, el, line), update };
}

// The same sum as one line of arithmetic.
function written({ K, channels, divisor, bias }, at, z, taps, sums) {
  const short3 = channels === 1 && K === 3;
  const terms = short3
    ? taps[0].map((w, i) => `${fmt(at.values[0][i], 0)}·${inBrackets(w)}`).join(" + ")
    : channels === 1 ? fmt(sums[0]) : sums.map((v, c) => (c && v < 0 ? `− ${fmt(-v)}` : `${c ? "+ " : ""}${fmt(v)}`)).join(" ");
  const many = short3 || channels > 1, divided = divisor === 1 ? terms : `${many ? `(${terms})` : terms} / ${fmt(divisor)}`;
  const rest = bias ? ` ${bias < 0 ? "−" : "+"} ${fmt(Math.abs(bias))}` : "";
  if (divided + rest === fmt(z)) return [h("em", { text: "z" }), `[${at.row}, ${at.column}] = sum of ${K * K} products = `, h("strong", { text: fmt(z) })];
  return [h("em", { text: "z" }), `[${at.row}, ${at.column}] = ${divided}${rest} = `, h("strong", { text: fmt(z) })];
}
