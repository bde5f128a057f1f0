// A network as a row of volumes in one tower or two; one layer at a time is told, and a table shows what each costs.
import { button, clamp, fmt, frame, h, s, select, setAll, slider, toolbar, uid } from "./controls.js";

const HEIGHT = 268, TOP = 14, FOOT = 52, TALLEST = 88, ROOMY = 44, WIDE = 52;
const COSTS = [["parameters", "Parameters", "Params"], ["macs", "Multiply-accumulates", "MACs"], ["activations", "Activations", "Outputs"]];

export const product = (sizes) => sizes.reduce((a, b) => a * b, 1);
export const shapeText = (sizes) => sizes.map(count).join(" × ");
// 60965224 -> "60,965,224"; for bars "61.0 M".
export const count = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
export const short = (n) => (n >= 1e9 ? `${(n / 1e9).toFixed(2)} G` : n >= 1e6 ? `${(n / 1e6).toFixed(1)} M` : n >= 1e4 ? `${Math.round(n / 1e3)} k` : count(n));
export const bytes = (n) => (n >= 2 ** 20 ? `${fmt(n / 2 ** 20, 1)} MiB` : `${fmt(n / 2 ** 10, 1)} KiB`);

// How the two counts of a layer with weights come about, if they do: products of sizes.
export function formulas({ weight, shape, parameters, macs }) {
  const weights = product(weight), places = shape.length === 3 ? shape[1] * shape[2] : 1, sizes = shapeText(weight);
  return {
    parameters: weight.length && weights + weight[0] === parameters ? `${sizes} weights + ${count(weight[0])} biases` : "",
    macs: weight.length && weights * places === macs ? `${sizes}${shape.length === 3 ? `, at ${shape[1]} × ${shape[2]} places` : ""}` : "",
  };
}

export const costs = (layer) => ({ parameters: layer.parameters, macs: layer.macs, activations: product(layer.shape) });
export const total = (layers, name) => layers.slice(1).reduce((sum, layer) => sum + costs(layer)[name], 0);

// What a link or a kernel may hold -> the index of a network and of one of its layers.
export function readTour(networks, network, layer) {
  const n = Math.max(0, networks.findIndex((one) => one.name === network)), found = networks[n].layers.findIndex((one) => one.name === layer);
  return { n, i: found < 0 ? 1 : found };
}

// Which layer has most of something, and how much of the whole that is.
export function largest(layers, name) {
  const i = layers.reduce((best, layer, j) => (j && (best === 0 || costs(layer)[name] > costs(layers[best])[name]) ? j : best), 0);
  return { i, share: costs(layers[i])[name] / (total(layers, name) || 1) };
}

function presetsOf(networks) {
  const [first] = networks, { name: network, layers } = first, made = [];
  const add = (name, i, note) => { if (i > 0) made.push({ name, note, state: { network, layer: layers[i].name } }); };
  const percent = (share) => `${Math.round(100 * share)} %`;
  const parameters = largest(layers, "parameters"), macs = largest(layers, "macs"), activations = largest(layers, "activations");
  add("Where do the parameters lie?", parameters.i, `${layers[parameters.i].name} alone holds ${percent(parameters.share)} of them. Look down the other two columns: it does little work.`);
  add("Where is the work?", macs.i, `${layers[macs.i].name} does ${percent(macs.share)} of all multiply-accumulates, with few parameters: each is used at every place.`);
  add("Where are the activations?", activations.i, `${layers[activations.i].name} makes ${percent(activations.share)} of all numbers that flow: its maps are the largest.`);
  add("Where do the towers talk?", layers.findIndex((layer) => layer.crosses), "Lines between the towers: before this layer each device sends its maps to the other.");
  add("How much does one value see?", layers.findLastIndex((layer) => layer.field), "The amber square in the picture: all that one value of this map can depend on.");
  if (networks.length > 1) made.push({ name: "Without the cut", note: "The same layer in the next network. Which bars change, and by what factor?", state: { network: networks[1].name, layer: layers[largest(layers, "macs").i].name } });
  return made;
}

// Bytes of a picture, red, green and blue of each pixel -> an address that an SVG image can show, or null.
function photograph(data, [rows = 0, columns = 0] = []) {
  if (!rows || !columns || data?.byteLength !== 3 * rows * columns) return null;
  const canvas = h("canvas", { width: columns, height: rows }), context = canvas.getContext("2d"), pixels = context.createImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) for (let c = 0; c < 4; c++) pixels.data[4 * i + c] = c < 3 ? data.getUint8(3 * i + c) : 255;
  context.putImageData(pixels, 0, 0);
  return canvas.toDataURL();
}

function render({ model, el }) {
  const networks = model.get("networks");
  const chosen = () => readTour(networks, model.get("network"), model.get("layer"));
  const photo = photograph(model.get("picture"), model.get("picture_size")), clip = uid("tour");
  let hovered = null, width = 0, places = [];

  const stage = h("div", { class: "bk-tour-stage" }), card = h("div", { class: "bk-tour-card", role: "status", "aria-live": "polite" });
  const note = h("p", { class: "bk-tour-note" }), table = h("table", { class: "bk-tour-table" });
  const which = select({ label: "Network", value: "", options: networks.map(({ name }) => [name, name]), onchange: (network) => go(networks.findIndex((one) => one.name === network)) });
  const walker = slider({ label: "Layer", min: 0, max: 1, step: 1, value: 0, format: (i) => networks[chosen().n].layers[i]?.name ?? "", oninput: (i) => go(chosen().n, i) });
  const step = (by) => { const { n, i } = chosen(); go(n, clamp(i + by, 0, networks[n].layers.length - 1)); };
  const back = button("‹", () => step(-1), { "aria-label": "Previous layer" }), forth = button("›", () => step(1), { "aria-label": "Next layer" });

  // Another network shows the layer of the same name, or the one at the same place.
  function go(n, i) {
    const now = chosen(), { layers } = networks[n], same = layers.findIndex(({ name }) => name === networks[now.n].layers[now.i].name);
    hovered = null;
    setAll(model, { network: networks[n].name, layer: layers[i ?? (same < 0 ? Math.min(now.i, layers.length - 1) : same)].name });
  }

  function draw() {
    const { n, i } = chosen(), at = hovered ?? i, { layers, towers } = networks[n];
    if (!width) return;
    const side = clamp(width / 5, 56, 116), left = side + 10, column = (width - left - 4) / (layers.length - 1), X = (j) => left + (j - 0.5) * column;
    const middle = TOP + (HEIGHT - TOP - FOOT) / 2, centers = towers === 2 ? [middle - 53, middle + 53] : [middle];
    const most = Math.max(...layers.map(({ shape }) => (shape.length === 3 ? shape[0] : 1))), tall = Math.max(...layers.slice(1).map(({ shape }) => shape[1] ?? 1)), long = Math.max(...layers.slice(1).map(({ shape }) => (shape.length === 1 ? shape[0] : 1)));
    const box = ({ shape }) => (shape.length === 3
      ? { w: clamp(0.82 * column * Math.sqrt(shape[0] / towers / most), 5, 60), t: 12 + (TALLEST - 12) * Math.sqrt(shape[1] / tall) }
      : { w: 5, t: 12 + (TALLEST - 12) * Math.sqrt(shape[0] / long) });
    const now = layers[at], picture = layers[0].shape, label = at ? `${now.name}, ${now.kind}, output ${shapeText(now.shape)}.` : `The picture, ${shapeText(picture)}.`;
    const svg = s("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "img", "aria-label": `${networks[n].name} in ${towers === 2 ? "two towers" : "one tower"}; marked: ${label}` });
    if (at) svg.append(s("rect", { class: "bk-tour-column", x: X(at) - column / 2, y: 2, width: column, height: HEIGHT - 4, rx: 5 }));

    // Wires first: each tower reads itself, and the other one where they meet.
    layers.forEach((layer, j) => {
      if (!j) return;
      const { w } = box(layer), before = box(layers[j - 1]), hot = j === at ? " bk-on" : "";
      centers.forEach((y, a) => centers.forEach((from, b) => {
        const own = a === b || j === 1;
        if (!own && !layer.crosses) return;
        const [x1, y1] = j === 1 ? [side, middle] : [X(j - 1) + before.w / 2, from];
        if (j > 1 || a === b) svg.append(s("line", { class: `bk-tour-wire${a === b ? "" : " bk-cross"}${hot}`, x1, y1, x2: X(j) - w / 2, y2: y }));
      }));
    });

    const [, rows = 1] = picture, top = middle - side / 2, seen = at && now.field && now.field < rows ? Math.max(2, (side * now.field) / rows) : side;
    const square = { x: 1 + (side - seen) / 2, y: middle - seen / 2, width: seen - 2, height: seen }, whole = { x: 1, y: top, width: side - 2, height: side };
    const image = (attrs) => (photo ? [s("image", { ...whole, href: photo, preserveAspectRatio: "none", ...attrs })] : []);
    svg.append(s("clipPath", { id: clip }, s("rect", square)), s("rect", { class: "bk-tour-paper", ...whole }), ...image({ class: "bk-tour-unseen" }),
      ...(at ? [...image({ "clip-path": `url(#${clip})` }), s("rect", { class: `bk-tour-field${photo ? "" : " bk-tour-plain"}`, ...square })] : image({})),
      s("rect", { class: `bk-tour-picture${at ? "" : " bk-on"}`, ...whole }));
    svg.append(s("text", { class: "bk-tour-small", x: side / 2, y: top - 6, "text-anchor": "middle", text: picture.length === 3 ? `${picture[1]} × ${picture[2]}` : "" }));

    layers.forEach((layer, j) => {
      if (!j) return;
      const { w, t } = box(layer);
      for (const y of centers) svg.append(s("rect", { class: `bk-tour-maps${layer.shape.length === 3 ? "" : " bk-tour-units"}${j === at ? " bk-on" : ""}`, x: X(j) - w / 2, y: y - t / 2, width: w, height: t, rx: 1.5 }));
      if (j + 1 === at && now.window.length && layer.shape.length === 3) {                // the window of the next layer
        const rowsSeen = Math.min(1, now.window[0] / layer.shape[1]), tallness = Math.max(3, t * rowsSeen);
        for (const y of centers) svg.append(s("rect", { class: "bk-tour-window", x: X(j) - w / 2 - 2, y: y - tallness / 2, width: w + 4, height: tallness, rx: 1 }));
      }
      const y = HEIGHT - FOOT + 12, upright = column >= ROOMY;
      svg.append(s("text", { class: `bk-tour-name${j === at ? " bk-on" : ""}`, x: X(j) + (upright ? 0 : 4), y, "text-anchor": upright ? "middle" : "end", transform: upright ? null : `rotate(-90 ${X(j) + 4} ${y})`, text: layer.name }));
      if (upright) svg.append(s("text", { class: "bk-tour-small", x: X(j), y: y + 17, "text-anchor": "middle", text: layer.shape.length === 3 ? (column >= WIDE || layer.shape[1] !== layer.shape[2] ? `${layer.shape[1]} × ${layer.shape[2]}` : `${layer.shape[1]}²`) : "" }),
        s("text", { class: "bk-tour-small", x: X(j), y: y + 32, "text-anchor": "middle", text: towers === 2 ? `2·${layer.shape[0] / 2}` : `${layer.shape[0]}` }));
    });
    stage.replaceChildren(svg);
    places = layers.map((_, j) => (j ? X(j) : side / 2));
  }

  function tell() {
    const { n, i } = chosen(), at = hovered ?? i, { layers, towers } = networks[n], layer = layers[at], how = formulas(layer), cost = costs(layer);
    const part = (name) => { const share = (100 * cost[name]) / (total(layers, name) || 1); return share ? ` (${fmt(share, share < 1 ? 2 : 1)} %)` : ""; };
    const fact = (name, value, quiet = "") => [h("dt", { text: name }), h("dd", {}, h("b", { text: value }), quiet ? h("span", { class: "bk-tour-quiet", text: ` ${quiet}` }) : "")];
    const [side, stride, padding] = layer.window;
    const what = side ? `${side} × ${side} window, stride ${stride}${padding ? `, padding ${padding}` : ""}` : "";
    const facts = at === 0 ? [...fact("Numbers", count(cost.activations), shapeText(layer.shape))] : [
      ...fact("Output", shapeText(layer.shape), `${layer.shape.length === 3 ? `= ${count(cost.activations)} ` : ""}numbers, ${bytes(4 * cost.activations)} as float32`),
      ...fact("Parameters", `${count(layer.parameters)}${part("parameters")}`, how.parameters && `= ${how.parameters}`),
      ...fact("Multiply-accumulates", `${count(layer.macs)}${part("macs")}`, how.macs && `= ${how.macs}`),
      ...fact("One value sees", layer.field && layer.field < (layers[0].shape[1] ?? 1) ? `${layer.field} × ${layer.field} pixels` : "the whole picture", layer.field ? "(its receptive field)" : ""),
      ...(towers === 2 ? fact("Between the towers", layer.crosses ? `${count(layer.crosses)} numbers each way` : "nothing", layer.crosses ? "before this layer, for one picture" : at === 1 ? "both read the picture" : "each reads its own half") : [])];
    card.replaceChildren(
      h("div", { class: "bk-tour-title" }, h("b", { text: layer.name }), h("span", { text: ` ${layer.kind}${what ? `, ${what}` : ""}${layer.then ? `; then ${layer.then}` : ""}` })),
      h("dl", {}, facts));
  }

  function list() {
    const { n, i } = chosen(), at = hovered ?? i, { layers } = networks[n];
    const most = Object.fromEntries(COSTS.map(([name]) => [name, Math.max(1, ...layers.slice(1).map((layer) => costs(layer)[name]))]));
    const cell = (layer, name) => { const value = costs(layer)[name]; return h("td", {}, h("span", { class: "bk-tour-number", text: value ? short(value) : "–" }), h("span", { class: `bk-tour-bar bk-tour-${name}`, style: `width:${(100 * value) / most[name]}%` })); };
    table.replaceChildren(
      h("thead", {}, h("tr", {}, h("th", { scope: "col", text: "Layer" }), COSTS.map(([, text, brief]) => h("th", { scope: "col" }, h("span", { class: "bk-tour-wide", text }), h("span", { class: "bk-tour-narrow", text: brief }))))),
      h("tbody", {}, layers.map((layer, j) => (j ? h("tr", { class: j === at ? "bk-on" : null, onclick: () => go(n, j) }, h("th", { scope: "row", text: layer.name }), COSTS.map(([name]) => cell(layer, name))) : null))),
      h("tfoot", {}, h("tr", {}, h("th", { scope: "row", text: "all" }), COSTS.map(([name]) => h("td", {}, h("b", { class: "bk-tour-wide", text: count(total(layers, name)) }), h("b", { class: "bk-tour-narrow", text: short(total(layers, name)) }))))));
    note.textContent = networks[n].note;
  }

  function update() {
    const { n, i } = chosen(), last = networks[n].layers.length - 1;
    which.set(networks[n].name);
    walker.input.max = last;
    walker.set(i);
    if ((i === 0 && back.matches(":focus")) || (i === last && forth.matches(":focus"))) walker.input.focus();  // a disabled button would lose the keyboard
    back.disabled = i === 0;
    forth.disabled = i === last;
    draw(); tell(); list();
  }

  const nearest = (event) => { const x = event.clientX - stage.getBoundingClientRect().left; return places.reduce((best, place, j) => (Math.abs(place - x) < Math.abs(places[best] - x) ? j : best), 0); };
  const hover = (i) => { if (i === hovered) return; hovered = i; draw(); tell(); list(); };
  stage.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse") hover(nearest(event)); });
  stage.addEventListener("pointerleave", () => hover(null));
  stage.addEventListener("click", (event) => go(chosen().n, nearest(event)));

  frame(model, el, "alexnet_tour", h("div", { class: "bk-tour-head" }, which.el, note), stage,
    h("div", { class: "bk-tour-walk" }, back, walker.el, forth), card, table, toolbar(model, { presets: presetsOf(networks) }));
  const watched = ["network", "layer"];
  watched.forEach((name) => model.on(`change:${name}`, update));
  const resized = new ResizeObserver(() => { if (stage.clientWidth !== width) { width = stage.clientWidth; draw(); } });
  resized.observe(stage);
  update();
  return () => { resized.disconnect(); watched.forEach((name) => model.off(`change:${name}`, update)); };
}

export default { render };
