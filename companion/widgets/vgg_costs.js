// Where a VGG keeps its parameters, its arithmetic and its memory: stage by stage, layer by layer.
import { bind, clamp, fmt, frame, h, select, setAll, slider, status, toolbar } from "./controls.js";
import { CELLS, HEADS, layersOf, shares, totalOf } from "./vgg_engine.js";

const COSTS = [["parameters", "Parameters", "Params"], ["macs", "Multiply-accumulates", "MACs"], ["outputs", "Outputs, as float32", "Outputs"]];
const LEAST_SIDE = 32, MOST_SIDE = 512, TRAITS = ["configuration", "side", "head"];

export const commas = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
export const brief = (n) => (n >= 1e9 ? `${(n / 1e9).toFixed(2)} G` : n >= 1e6 ? `${(n / 1e6).toFixed(n < 1e7 ? 2 : 1)} M` : n >= 1e4 ? `${Math.round(n / 1e3)} k` : commas(n));
const memory = (n) => (4 * n >= 2 ** 20 ? `${fmt((4 * n) / 2 ** 20, 1)} MiB` : `${fmt((4 * n) / 2 ** 10, 1)} KiB`);
const show = (what, n) => (what === "outputs" ? memory(n) : brief(n));
const part = (share) => (share && share < 1e-4 ? "under 0.01 %" : `${fmt(100 * share, share < 0.01 ? 2 : 1)} %`);

// What a link or a kernel may hold -> a network that can be counted.
export function readCosts(get) {
  const names = get("configurations").map(([name]) => name), whole = Math.round(get("side") / 32) * 32;
  return {
    configuration: names.includes(get("configuration")) ? get("configuration") : names[0],
    side: Number.isFinite(whole) ? clamp(whole, LEAST_SIDE, MOST_SIDE) : 224,
    head: HEADS.some(([name]) => name === get("head")) ? get("head") : "dense",
  };
}

// The figure's result in words.
export function tellCosts({ configuration, side, head }, rows) {
  const of = (what) => shares(rows, what).find(({ stage }) => stage === 0).share, places = head === "convolution" ? rows.at(-1).shape[1] : 0;
  const text = `Configuration ${configuration} at ${side} × ${side} pixels: the head has ${part(of("parameters"))} of ${brief(totalOf(rows, "parameters"))} parameters and does ${part(of("macs"))} of ${brief(totalOf(rows, "macs"))} multiply-accumulates.`;
  if (head === "convolution") {
    if (places === 0) return `${text} The head's ${CELLS} × ${CELLS} window does not fit into so small a map: no answer. Choose 224 pixels or more.`;
    return `${text} It answers at ${places} × ${places} place${places > 1 ? "s, 32 pixels apart" : ""}.`;
  }
  if (head === "dense" && side !== 224) return `${text} Its ${CELLS} × ${CELLS} inputs per channel are means over cells of the last map, which has ${rows.at(-4).shape[1]} × ${rows.at(-4).shape[1]}.`;
  return text;
}

function render({ model, el }) {
  const configurations = model.get("configurations"), widths = model.get("widths"), classes = model.get("classes");
  const presets = [
    { name: "The head's share", note: "VGG-16 as published. Compare the first bar with the second: nine tenths of one, a hundredth of the other.", state: {} },
    { name: "Deeper by three", note: "Configuration E. The convolutions get more; the head, and with it nearly all of the model's file, stays.", state: { configuration: "E" } },
    { name: "A mean instead of giants", note: "One layer on the mean of each map: the parameters fall to a ninth, the arithmetic hardly moves.", state: { head: "mean" } },
    { name: "Twice the side", note: "Four times the places: four times the arithmetic and the outputs of all convolutions, and not one parameter more.", state: { side: 448 } },
    { name: "Dense evaluation", note: "The head as a convolution: the same weights now answer at 8 × 8 places of a large picture.", state: { side: 448, head: "convolution" } },
    { name: "A small picture", note: "32 pixels: the last map is a single cell, and the head, which does not shrink, does more than a quarter of the work.", state: { side: 32 } },
  ];
  const news = status(), bars = h("div", { class: "bk-vgg-bars" }), table = h("table", { class: "bk-vgg-table" });
  const which = bind(model, "configuration", select, { label: "Configuration", options: configurations.map(([name, kernels]) => [name, `${name}, ${kernels.flat().length + 3} layers`]) });
  const head = bind(model, "head", select, { label: "Head", options: HEADS });
  const side = bind(model, "side", slider, { label: "Picture, pixels", min: LEAST_SIDE, max: MOST_SIDE, step: 32 });

  function drawBars(rows) {
    bars.replaceChildren(...COSTS.map(([what, title]) => {
      const pieces = shares(rows, what), label = pieces.map(({ stage, share }) => `${stage ? `stage ${stage}` : "head"} ${part(share)}`).join(", ");
      return h("div", { class: "bk-vgg-bar", role: "img", "aria-label": `${title}, ${show(what, totalOf(rows, what))} in all: ${label}` },
        h("div", { class: "bk-vgg-what" }, h("span", { text: title }), h("b", { text: what === "outputs" ? memory(totalOf(rows, what)) : commas(totalOf(rows, what)) })),
        h("div", { class: "bk-vgg-strip" }, pieces.map(({ stage, share }) => h("span", { class: `bk-vgg-piece bk-vgg-stage${stage}`, style: `width:${100 * share}%`, title: `${stage ? `stage ${stage}` : "head"}: ${part(share)}` },
          share > 0.09 ? (stage ? String(stage) : "head") : ""))));
    }));
  }

  function drawTable(rows) {
    const most = Object.fromEntries(COSTS.map(([what]) => [what, Math.max(1, ...rows.map((row) => row[what]))]));
    const cell = (row, what) => h("td", {}, h("span", { class: "bk-vgg-number", text: row[what] ? show(what, row[what]) : "–" }),
      h("span", { class: `bk-vgg-line bk-vgg-${row.stage ? "body" : "head"}`, style: `width:${(100 * row[what]) / most[what]}%` }));
    table.replaceChildren(
      h("caption", { class: "bk-vgg-hidden", text: "Cost of each layer, for one picture" }),
      h("thead", {}, h("tr", {}, h("th", { scope: "col", text: "Layer" }), h("th", { scope: "col", class: "bk-vgg-wide", text: "Output" }),
        COSTS.map(([, title, short]) => h("th", { scope: "col" }, h("span", { class: "bk-vgg-wide", text: title }), h("span", { class: "bk-vgg-narrow", text: short }))),
        h("th", { scope: "col", text: "Reach" }))),
      h("tbody", {}, rows.map((row) => h("tr", { class: row.kind === "2 × 2" || row.name === "mean" ? "bk-vgg-pool" : null },
        h("th", { scope: "row" }, row.name, h("span", { class: "bk-vgg-wide bk-vgg-kind", text: ` ${row.kind}` })),
        h("td", { class: "bk-vgg-wide", text: row.shape.map(commas).join(" × ") }),
        COSTS.map(([what]) => cell(row, what)), h("td", { text: row.field ? row.field : "all" })))));
  }

  function update() {
    const now = readCosts((name) => model.get(name)), kernels = configurations.find(([name]) => name === now.configuration)[1];
    const rows = layersOf({ kernels, widths, classes, side: now.side, head: now.head }), text = tellCosts(now, rows);
    drawBars(rows);
    drawTable(rows);
    if (news.textContent !== text) news.textContent = text;
  }

  const clean = readCosts((name) => model.get(name));
  if (TRAITS.some((name) => model.get(name) !== clean[name])) setAll(model, clean);
  frame(model, el, "vgg_costs", h("div", { class: "bk-controls" }, which.el, head.el, side.el), bars, news, table, toolbar(model, { presets }));
  for (const name of TRAITS) model.on(`change:${name}`, update);
  update();
  return () => {
    for (const name of TRAITS) model.off(`change:${name}`, update);
    for (const control of [which, head, side]) control.off();
  };
}

export default { render };
