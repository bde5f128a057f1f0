// What the figure of the kinds of convolution draws: two grids and who feeds whom, wires between channels with what
// they cost, and the channels of one pixel times a matrix.
import { clamp, fmt, h, s } from "./controls.js";
import { conv2d, costs, overlapCounts, useCounts } from "./conv_engine.js";
import { css, fitting, font, inkOn, mix, outline, pixelPen } from "./pixel_canvas.js";

// ---- two grids --------------------------------------------------------------------------------------------------

// A canvas to point at. find(x, y): the cell under the pointer; go(cell, done); step(rows, columns).
function cellCanvas(name, find, go, step) {
  const canvas = h("canvas", { class: `bk-kinds-${name}`, tabindex: 0, role: "application" });
  const at = (e) => { const box = canvas.getBoundingClientRect(); return find(e.clientX - box.left, e.clientY - box.top); };
  canvas.addEventListener("pointermove", (e) => { const cell = at(e); if (cell) go(cell, false); });
  canvas.addEventListener("pointerup", (e) => { const cell = at(e); if (cell) go(cell, true); });
  canvas.addEventListener("pointerleave", () => go(null, true));
  canvas.addEventListener("keydown", (e) => {
    const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[e.key];
    if (!move) return;
    step(...move);
    e.preventDefault();
  });
  return canvas;
}

const cellUnder = ({ x, y, cell, size }, px, py) => {
  const row = Math.floor((py - y) / cell), column = Math.floor((px - x) / cell);
  return row >= 0 && column >= 0 && row < size && column < size ? { row, column } : null;
};

function paintGrid(canvas, { size, extent, frame, counts, most, tint, marks, chosen }, inks) {
  const { pen, width, height } = pixelPen(canvas), cell = Math.min(44, width / extent), side = size * cell;
  const place = { x: (width - side) / 2, y: (height - side) / 2, cell, size };
  if (frame) {
    pen.setLineDash([3, 3]);
    pen.strokeStyle = css(inks.grey);
    pen.strokeRect(place.x - frame * cell, place.y - frame * cell, side + 2 * frame * cell, side + 2 * frame * cell);
    pen.setLineDash([]);
  }
  const widest = String(Math.max(...counts) ** 2), text = cell >= 13 ? fitting(pen, widest, cell - 3) : 0;
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++) {
      const count = counts[i] * counts[j], colour = mix(inks.page, tint, (0.8 * count) / most), [x, y] = [place.x + j * cell, place.y + i * cell];
      pen.fillStyle = css(colour);
      pen.fillRect(x, y, cell, cell);
      pen.lineWidth = 0.5;
      pen.strokeStyle = css(inks.grey);
      pen.strokeRect(x, y, cell, cell);
      if (!text) continue;
      pen.font = font(text);
      pen.fillStyle = inkOn(colour);
      pen.fillText(count, x + cell / 2, y + cell / 2 + 0.5);
    }
  for (const { row, column } of marks) outline(pen, place.x + column * cell, place.y + row * cell, cell, cell, inks.amber, inks.page, 2);
  if (chosen) outline(pen, place.x + chosen.column * cell, place.y + chosen.row * cell, cell, cell, inks.amber, inks.page, 3.5);
  return place;
}

const unique = (list) => [...new Set(list)].sort((a, b) => a - b);

// taps: along one side, for every output the { tap, at } that feed it. Returns what is drawn and said.
export function pairUp(taps, n, { side, row, column }) {
  const inside = (list) => list.map(({ at }) => at).filter((at) => at >= 0 && at < n), fedBy = (i) => inside(taps[i] ?? []);
  const feeds = (at) => taps.flatMap((list, i) => list.filter((t) => t.at === at).map(() => i)), partners = side === "output" ? fedBy : feeds;
  const rows = partners(row), columns = partners(column);
  return {
    counts: { input: useCounts(taps, n), output: overlapCounts(taps, n) }, rows: unique(rows), columns: unique(columns), products: rows.length * columns.length,
  };
}

// The two grids. go(side, cell, done) and step(side, rows, columns) say what the reader points at.
export function makeGrids(go, step) {
  const places = {}, canvases = {}, titles = {};
  const panel = (side, text) => {
    canvases[side] = cellCanvas(side, (x, y) => places[side] && cellUnder(places[side], x, y), (cell, done) => go(side, cell, done), (i, j) => step(side, i, j));
    titles[side] = h("span", { class: "bk-kinds-small" });
    return h("div", {}, h("p", { class: "bk-kinds-title" }, h("strong", { text }), titles[side]), canvases[side]);
  };
  const caption = h("p", { class: "bk-kinds-small", text: "The number in a cell: in the input how many products it enters, in the output how many it sums." });
  const el = h("div", {}, h("div", { class: "bk-kinds-pair" }, panel("input", "Input"), panel("output", "Output")), caption);
  return {
    el, canvases,
    update({ n, outputs, frame, pair, side, cell, said }, inks) {
      const extent = Math.max(n + 2 * frame, outputs), other = side === "input" ? "output" : "input", { counts } = pair;
      const marks = pair.rows.flatMap((row) => pair.columns.map((column) => ({ row, column }))), most = (list) => Math.max(1, ...list) ** 2;
      canvases.input.style.setProperty("--shape", `${extent} / ${n + 2 * frame + 0.5}`);       // where they stand one above the other
      canvases.output.style.setProperty("--shape", `${extent} / ${Math.max(1, outputs) + 0.5}`);
      const draw = (which, size, tint) => paintGrid(canvases[which], {
        size, extent, frame: which === "input" ? frame : 0, counts: counts[which], most: most(counts[which]), tint,
        marks: which === other ? marks : [], chosen: which === side && outputs > 0 ? cell : null }, inks);
      places.input = draw("input", n, inks.ink);
      places.output = draw("output", Math.max(0, outputs), inks.blue);
      titles.input.textContent = `${n} × ${n}${frame ? `, padded to ${n + 2 * frame} × ${n + 2 * frame}` : ""}`;
      titles.output.textContent = outputs > 0 ? `${outputs} × ${outputs}` : "nothing fits";
      canvases.input.setAttribute("aria-label", `Input grid, ${n} × ${n}. ${said}`);
      canvases.output.setAttribute("aria-label", `Output grid, ${Math.max(0, outputs)} × ${Math.max(0, outputs)}. ${said}`);
    },
  };
}

// ---- wires between channels -------------------------------------------------------------------------------------

const MOST_DRAWN = 8, GAP = 30;

// Which of `from` bundles of M channels reach which of `to` bundles of N channels, in G groups.
export function wires(M, N, G) {
  const from = Math.min(MOST_DRAWN, M), to = Math.min(MOST_DRAWN, N), list = [];
  const groups = (k, bundles, all) => [Math.floor((k * G) / bundles), Math.max(Math.floor((k * G) / bundles), Math.ceil(((k + 1) * G) / bundles) - 1), all];
  for (let p = 0; p < from; p++)
    for (let q = 0; q < to; q++) {
      const [a, b] = groups(p, from, M), [c, d] = groups(q, to, N);
      if (a <= d && c <= b) list.push([p, q]);
    }
  return { from, to, list };
}

// Columns of squares joined by wires; the wires that end in the chosen output are drawn strong. stages: wires(...) in a row.
function drawWires(stages, names, chosen, label, pick) {
  const width = 360, height = 24 + MOST_DRAWN * GAP, across = (k) => 44 + (k * (width - 88)) / stages.length;
  const counts = [stages[0].from, ...stages.map((stage) => stage.to)];
  const down = (k, i) => 24 + (MOST_DRAWN * GAP) / 2 + (i - (counts[k] - 1) / 2) * GAP - 4;
  const reached = counts.map(() => new Set());
  reached[stages.length].add(chosen);
  const strong = stages.map(() => []), weak = [];
  for (let k = stages.length - 1; k >= 0; k--)
    for (const [p, q] of stages[k].list)
      if (reached[k + 1].has(q)) { reached[k].add(p); strong[k].push([p, q]); } else weak.push([k, p, q]);
  const wire = (k, p, q, kind) => s("line", { class: `bk-kinds-wire-${kind}`, x1: across(k) + 9, y1: down(k, p), x2: across(k + 1) - 9, y2: down(k + 1, q) });
  const squares = counts.flatMap((count, k) => Array.from({ length: count }, (_, i) => s("rect", {
    class: `bk-kinds-channel bk-kinds-${k === 0 ? "in" : k === stages.length ? "out" : "mid"}${reached[k].has(i) ? " bk-kinds-reached" : ""}`,
    x: across(k) - 9, y: down(k, i) - 9, width: 18, height: 18, rx: 3, onclick: k === stages.length ? () => pick(i) : undefined })));
  return s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "bk-plot", "aria-label": label },
    weak.map(([k, p, q]) => wire(k, p, q, "weak")), strong.flatMap((list, k) => list.map(([p, q]) => wire(k, p, q, "strong"))), squares,
    names.map((text, k) => s("text", { x: across(k), y: 14, "text-anchor": "middle", text })));
}

const many = (v) => v.toLocaleString("en");

function costRow(name, formula, { parameters, macs }, most, kind) {
  return h("tr", {}, h("th", { scope: "row" }, name, h("span", { class: "bk-kinds-small", text: formula })),
    h("td", { text: many(parameters) }), h("td", { text: many(macs) }),
    h("td", { class: "bk-kinds-bar", "aria-hidden": "true" }, h("div", { class: `bk-kinds-cost-${kind}`, style: `width: ${Math.max(0.5, (100 * parameters) / most)}%` })));
}

// The layer beside the dense one, and what both cost. pick(channel): an output channel was chosen.
export function makeWiring(pick) {
  const dense = h("div"), own = h("div"), ownTitle = h("strong"), rows = h("tbody"), ratio = h("p", { class: "bk-kinds-ratio", role: "status" }), scale = h("p", { class: "bk-kinds-small" });
  const head = ["layer", "weights", "multiply-accumulates"].map((text) => h("th", { scope: "col", text }));
  const table = h("table", { class: "bk-kinds-costs" }, h("thead", {}, h("tr", {}, head, h("td"))), rows);
  const el = h("div", { class: "bk-kinds-wiring" },
    h("div", { class: "bk-kinds-pair" }, h("div", {}, h("p", { class: "bk-kinds-title" }, h("strong", { text: "Dense layer" })), dense),
      h("div", {}, h("p", { class: "bk-kinds-title" }, ownTitle), own)), scale, table, ratio);
  return {
    el,
    update({ kind, inChannels: M, outChannels: N, groups: G, kernelSize: K, mapSize, channel }) {
      const price = costs({ inChannels: M, outChannels: N, kernelSize: K, groups: G, area: mapSize ** 2 }), all = wires(M, N, 1), chosen = Math.min(channel, all.to - 1);
      const separable = kind === "separable", stages = separable ? [wires(M, M, M), all] : [wires(M, N, G)];
      const reads = (list) => new Set(list.filter(([, q]) => q === chosen).map(([p]) => p)).size;
      ownTitle.textContent = separable ? "Depthwise, then pointwise" : `${G} group${G > 1 ? "s" : ""}`;
      dense.replaceChildren(drawWires([all], ["input", "output"], chosen, `Dense layer: output channel ${chosen} is wired to all ${M} input channels, through ${K} × ${K} weights each.`, pick));
      own.replaceChildren(drawWires(stages, separable ? ["input", "one by one", "output"] : ["input", "output"], chosen, separable
        ? `Depthwise-separable: each of ${M} channels gets its own ${K} × ${K} kernel; then output channel ${chosen} mixes all of them, one weight each.`
        : `Grouped layer: output channel ${chosen} is wired to ${M / G} of ${M} input channels.`, pick));
      const squares = (all_, drawn) => (all_ > drawn ? `${all_ / drawn} channels` : "one channel");
      scale.textContent = `A square on the left is ${squares(M, all.from)}, on the right ${squares(N, all.to)}. `
        + (separable ? "A wire of the first step is a K × K kernel, of the second a single weight." : `The chosen output reads ${reads(stages[0].list)} of ${all.from} squares instead of ${all.from}.`);
      const most = Math.max(price.dense.parameters, price.separable.parameters);
      rows.replaceChildren(costRow("dense", `${M} · ${N} · ${K}²`, price.dense, most, "dense"), ...(separable
        ? [costRow("depthwise", `${M} · ${K}²`, price.depthwise, most, "own"), costRow("pointwise", `${M} · ${N}`, price.pointwise, most, "own"), costRow("together", `${M} · (${K}² + ${N})`, price.separable, most, "own")]
        : [costRow("grouped", `${M} · ${N} · ${K}² / ${G}`, price.grouped, most, "own")]));
      ratio.replaceChildren(...(separable
        ? ["Share of the dense layer: 1/C", h("sub", { text: "out" }), ` + 1/K² = 1/${N} + 1/${K * K} = `, h("strong", { text: (price.separable.parameters / price.dense.parameters).toFixed(4) })]
        : ["Share of the dense layer: 1/G = ", h("strong", { text: (price.grouped.parameters / price.dense.parameters).toFixed(4) })]));
    },
  };
}

// ---- one pixel: its channels times a matrix ---------------------------------------------------------------------

export const PIXELS = 5;
const PATTERNS = [(i, j) => (j === 2 ? 9 : 1), (i) => (i === 2 ? 8 : 0), (i, j) => (i === j ? 7 : 2), (i, j) => i + j];
const WEIGHTS = [[1, 1, 0, 0], [1, -1, 0, 0], [0, 0, 1, -1], [0.5, 0.5, 0.5, 0.5]];

// M maps of 5 × 5 small numbers and an N × M matrix that mixes them.
export function mixture(M, N) {
  const data = Float64Array.from({ length: M * PIXELS ** 2 }, (_, k) => PATTERNS[Math.floor(k / PIXELS ** 2)](Math.floor(k / PIXELS) % PIXELS, k % PIXELS));
  const x = { data, shape: [M, PIXELS, PIXELS] }, W = WEIGHTS.slice(0, N).map((row) => row.slice(0, M));
  return { x, W, z: conv2d(x, { data: Float64Array.from(W.flat()), shape: [N, M, 1, 1] }, null) };
}

const signed = (v) => (v < 0 ? `(${fmt(v)})` : fmt(v));

// Maps on the left and on the right, the matrix between them. go(cell, done), step(rows, columns), pick(output channel).
export function makeMixing(go, step, pick) {
  const places = { input: [], output: [] }, canvases = {}, line = h("p", { class: "bk-kinds-ratio", role: "status" }), matrix = h("table", { class: "bk-kinds-matrix" });
  const find = (side) => (x, y) => { for (const [k, place] of places[side].entries()) { const cell = cellUnder(place, x, y); if (cell) return { ...cell, map: k }; } return null; };
  const panel = (side, title) => {
    canvases[side] = cellCanvas(`maps bk-kinds-${side}-maps`, find(side), (cell, done) => { if (cell && done && side === "output") pick(cell.map); go(cell, done); }, step);
    return h("div", {}, h("p", { class: "bk-kinds-title" }, h("strong", { text: title })), canvases[side]);
  };
  const el = h("div", {}, h("div", { class: "bk-kinds-mixing" }, panel("input", "Input channels"), h("div", { class: "bk-kinds-product" }, matrix), panel("output", "Output channels")), line);
  // Up to four maps, two beside two.
  function paintMaps(side, { data, shape: [count] }, cell, chosen, tint, inks) {
    const { pen, width } = pixelPen(canvases[side]), unit = (width - 14) / 2 / PIXELS, most = Math.max(1, ...data.map(Math.abs));
    const rows = Math.ceil(count / 2), high = canvases[side].clientHeight;
    places[side] = Array.from({ length: count }, (_, k) => ({
      x: (k % 2) * (unit * PIXELS + 10) + 2 + (count === 1 ? (unit * PIXELS + 10) / 2 : 0),
      y: Math.floor(k / 2) * (unit * PIXELS + 10) + 2 + (rows === 1 ? (high - unit * PIXELS) / 2 - 2 : 0), cell: unit, size: PIXELS }));
    places[side].forEach((place, k) => {
      for (let i = 0; i < PIXELS; i++)
        for (let j = 0; j < PIXELS; j++) {
          const v = data[(k * PIXELS + i) * PIXELS + j], colour = mix(inks.page, v < 0 ? inks.orange : tint, (0.8 * Math.abs(v)) / most);
          pen.fillStyle = css(colour);
          pen.fillRect(place.x + j * unit, place.y + i * unit, unit, unit);
          pen.lineWidth = 0.5;
          pen.strokeStyle = css(inks.grey);
          pen.strokeRect(place.x + j * unit, place.y + i * unit, unit, unit);
          const text = fmt(v, 1), size = fitting(pen, text, unit - 2, [12, 11, 10, 9, 8]);
          if (!size) continue;
          pen.font = font(size);
          pen.fillStyle = inkOn(colour);
          pen.fillText(text, place.x + (j + 0.5) * unit, place.y + (i + 0.5) * unit + 0.5);
        }
      const strong = side === "input" || k === chosen;
      outline(pen, place.x + cell.column * unit, place.y + cell.row * unit, unit, unit, strong ? inks.amber : inks.grey, inks.page, strong ? 3 : 1.5);
    });
  }
  return {
    el, canvases,
    update({ M, N, row, column, channel }, inks) {
      const { x, W, z } = mixture(M, N), area = PIXELS ** 2, cell = { row: clamp(row, 0, PIXELS - 1), column: clamp(column, 0, PIXELS - 1) };
      const at = cell.row * PIXELS + cell.column, pixel = W[0].map((_, c) => x.data[c * area + at]), out = W.map((_, o) => z.data[o * area + at]), chosen = Math.min(channel, N - 1);
      paintMaps("input", x, cell, chosen, inks.ink, inks);
      paintMaps("output", z, cell, chosen, inks.blue, inks);
      const body = Array.from({ length: Math.max(M, N) }, (_, k) => h("tr", { class: k === chosen ? "bk-kinds-current" : "" },
        ...Array.from({ length: M }, (_, c) => h("td", { class: k < N ? "bk-kinds-weight" : "bk-kinds-empty", text: k < N ? fmt(W[k][c]) : "" })),
        h("td", { class: "bk-kinds-empty", text: k === 0 ? "·" : "" }), h("td", { class: k < M ? "bk-kinds-pixel" : "bk-kinds-empty", text: k < M ? fmt(pixel[k]) : "" }),
        h("td", { class: "bk-kinds-empty", text: k === 0 ? "=" : "" }), h("td", { class: k < N ? "bk-kinds-result" : "bk-kinds-empty", text: k < N ? fmt(out[k]) : "" })));
      matrix.replaceChildren(h("caption", { class: "bk-kinds-small", text: "weights · pixel = output" }), h("tbody", {}, body));
      line.replaceChildren(h("em", { text: "z" }), `[${chosen}, ${cell.row}, ${cell.column}] = ${pixel.map((v, c) => `${fmt(v)}·${signed(W[chosen][c])}`).join(" + ")} = `, h("strong", { text: fmt(out[chosen]) }));
      const said = `Pixel in row ${cell.row}, column ${cell.column}.`;
      canvases.input.setAttribute("aria-label", `${M} input maps of ${PIXELS} × ${PIXELS}. ${said} Values ${pixel.map((v) => fmt(v)).join(", ")}.`);
      canvases.output.setAttribute("aria-label", `${N} output maps. ${said} Values ${out.map((v) => fmt(v)).join(", ")}.`);
    },
  };
}
