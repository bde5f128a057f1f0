// An Inception module as a drawing: four branches with their layers, what each weighs, and the naive module beside it.
import { clamp, fmt, frame, h, setAll, slider, toolbar, uid } from "./controls.js";
import { DESIGNS, branchCosts, branchesOf, sumOf } from "./inception_engine.js";

const NAMES = {
  naive: ["Naive", "Every window sees all channels of the input, and the pooling hands all of them on."],
  reduced: ["With 1 × 1 reductions", "GoogLeNet's module: a 1 × 1 convolution thins out the channels before the larger windows, another one shrinks the pooling's output."],
  stacked: ["Windows of 3 in a row", "The largest window becomes windows of 3 one after the other, which together see just as far."],
  asymmetric: ["1 × n, then n × 1", "The largest window becomes a row and a column one after the other."],
};
const SIDES = [7, 8, 14, 17, 28, 35, 56], WINDOWS = [3, 5, 7, 9, 11];
const WIDTHS = { conv1: "1 × 1: outputs", reduce3: "3 × 3: reduce to", conv3: "3 × 3: outputs", reduce5: "Largest: reduce to", conv5: "Largest: outputs", pool: "Pooling: project to" };
const ONLY_REDUCED = ["reduce3", "reduce5", "pool"];
const widths = (conv1, reduce3, conv3, reduce5, conv5, pool) => ({ conv1, reduce3, conv3, reduce5, conv5, pool });
const PRESETS = [
  { name: "GoogLeNet 3a, naive", state: { design: "naive", branch: 2 },
    note: "The 5 × 5 branch alone has 153,600 weights, and the pooling passes on all 192 channels: more than half of its output is a copy." },
  { name: "GoogLeNet 3a, reduced", state: { design: "reduced", branch: 2 },
    note: "16 channels before the 5 × 5 window: 15,872 weights where there were 153,600." },
  { name: "GoogLeNet 5b", state: { in_channels: 832, side: 7, branch: 1, ...widths(384, 192, 384, 48, 128, 128) },
    note: "The last module: by far more weights than 3a, but at 49 places instead of 784, and so no more arithmetic." },
  { name: "The example of many texts", state: { reduce5: 96, conv5: 128, branch: 2 },
    note: "325,632 weights instead of 614,400. The numbers are made up: in GoogLeNet the reduction before the 5 × 5 window is far stronger." },
  { name: "A reduction that costs", state: { reduce5: 160, branch: 2 },
    note: "A reduction from 192 to 160 channels costs more than it saves. Find the width at which the two are equal." },
  { name: "7 as windows of 3", state: { design: "stacked", window: 7, in_channels: 768, side: 17, branch: 2, ...widths(192, 128, 192, 128, 192, 192) },
    note: "Three windows of 3 in a row see 7 × 7." },
  { name: "7 as 1 × 7 and 7 × 1", state: { design: "asymmetric", window: 7, in_channels: 768, side: 17, branch: 2, ...widths(192, 128, 192, 128, 192, 192) },
    note: "The form that Inception-v3 has on its 17 × 17 maps: it sees 7 × 7, too, with fewer weights still." },
];

// What a link or a notebook asks for, made safe.
export function readModule(get) {
  const defaults = get("defaults"), raw = (name) => (Number.isFinite(get(name)) ? get(name) : defaults[name]);
  const eights = (name, most) => clamp(8 * Math.round(raw(name) / 8), 8, most), listed = (name, list) => (list.includes(get(name)) ? get(name) : defaults[name]);
  const setting = { design: listed("design", DESIGNS), in_channels: eights("in_channels", 1024), side: listed("side", SIDES), window: listed("window", WINDOWS), branch: clamp(Math.round(raw("branch")), 0, 3) };
  for (const name of Object.keys(WIDTHS)) setting[name] = eights(name, 512);
  return setting;
}

export const grouped = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
const short = (n) => (n >= 1e7 ? `${fmt(n / 1e6, 1)} M` : grouped(n));
const millions = (n) => (n >= 1e8 ? grouped(Math.round(n / 1e6)) : fmt(n / 1e6, n >= 1e7 ? 1 : 2));
const branchName = (i, n) => [`1 × 1`, `3 × 3`, `${n} × ${n}`, "pooling"][i];
// Terms of a sum; equal ones in a row are counted.
function summed(terms) {
  const runs = [];
  for (const term of terms) if (runs.at(-1)?.term === term) runs.at(-1).times += 1; else runs.push({ term, times: 1 });
  return runs.map(({ term, times }) => (times > 1 ? `${times} × ${term}` : term)).join(" + ");
}

// The arithmetic of one branch, written out, and how it compares with the naive one.
export function tellBranch(setting) {
  const { branch, side, window: n, design, in_channels: C } = setting;
  const layers = branchesOf(setting)[branch].filter((layer) => !layer.pool), { weights, macs, outputs } = branchCosts(branchesOf(setting), side)[branch];
  const naive = branchCosts(branchesOf({ ...setting, design: "naive" }), side)[branch];
  const name = `Branch ${branchName(branch, n)}: `;
  if (!layers.length) return `${name}a pooling has no weights. It hands all ${C} channels on, so that the output can only grow from module to module.`;
  const products = layers.map((layer) => `${layer.rows}·${layer.columns}·${layer.from}·${layer.to}`), parts = layers.map((layer) => grouped(layer.weights));
  const sums = `${summed(products)} = ${layers.length > 1 ? `${summed(parts)} = ` : ""}${grouped(weights)} weights; at ${side} × ${side} places ${millions(macs)} million MACs.`;
  if (branch === 3) return `${name}${sums} The naive pooling has no weights, but hands on ${C} channels instead of ${outputs}.`;
  if (design === "naive" || branch === 0) return name + sums;
  const ratio = naive.weights / weights;
  return `${name}${sums} Naive: ${branch === 2 ? `${n}·${n}` : "3·3"}·${C}·${outputs} = ${grouped(naive.weights)}, ${ratio >= 1 ? `${fmt(ratio, 1)} times as many` : "which is fewer"}.`;
}

function choice(group, value, text, onchange, className) {
  const input = h("input", { type: "radio", name: group, value, onchange });
  return { value, input, text: h("span", { text }), get el() { return (this.made ??= h("label", { class: className }, this.input, this.text)); } };
}

function makeSliders(model) {
  const eights = (key, label, most) => slider({ label, min: 8, max: most, step: 8, value: 8, oninput: (v) => setAll(model, { [key]: v }) });
  const listed = (key, label, list) => {
    const made = slider({ label, min: 0, max: list.length - 1, step: 1, value: 0, format: (i) => String(list[i]), oninput: (i) => setAll(model, { [key]: list[i] }) });
    return { ...made, set: (v) => made.set(list.indexOf(v)) };
  };
  const all = { in_channels: eights("in_channels", "Input channels", 1024), side: listed("side", "Rows of the maps", SIDES), window: listed("window", "Largest window n", WINDOWS) };
  for (const [name, label] of Object.entries(WIDTHS)) all[name] = eights(name, label, 512);
  return {
    el: h("div", { class: "bk-controls bk-inception-controls" }, Object.values(all).map((control) => control.el)),
    update(setting) {
      for (const [name, control] of Object.entries(all)) control.set(setting[name]);
      for (const name of ONLY_REDUCED) all[name].input.disabled = setting.design === "naive";
    },
  };
}

// The drawing: input, four columns of layers, the stack of outputs.
function makeDrawing(model) {
  const group = uid("branch");
  const heads = [0, 1, 2, 3].map((i) => choice(group, i, "", () => setAll(model, { branch: i }), "bk-inception-head"));
  const columns = heads.map(() => h("div", { class: "bk-inception-column" })), input = h("div", { class: "bk-inception-input" });
  const outputs = heads.map(() => h("div", { class: "bk-inception-output" })), caption = h("p", { class: "bk-inception-small" });
  return {
    el: h("div", { class: "bk-inception-drawing" }, input,
      h("div", { class: "bk-inception-heads", role: "radiogroup", "aria-label": "Branch that is written out" }, heads.map((head) => head.el)),
      h("div", { class: "bk-inception-columns" }, columns), h("div", { class: "bk-inception-outputs" }, outputs), caption),
    update(setting, branches, costs) {
      const heaviest = Math.max(...branches.flat().map((layer) => layer.weights)), channels = sumOf(costs, "outputs");
      input.textContent = `input: ${setting.in_channels} channels, ${setting.side} × ${setting.side}`;
      branches.forEach((layers, i) => {
        heads[i].text.textContent = branchName(i, setting.window);
        heads[i].input.checked = i === setting.branch;
        columns[i].classList.toggle("bk-inception-chosen", i === setting.branch);
        columns[i].replaceChildren(...layers.map((layer) => h("div", { class: `bk-inception-layer${layer.pool ? " bk-inception-pool" : ""}` },
          h("strong", { text: layer.pool ? "max 3 × 3" : `${layer.rows} × ${layer.columns}` }), h("span", { text: layer.pool ? `${layer.from}` : `${layer.from} → ${layer.to}` }),
          h("span", { class: "bk-inception-small", text: layer.pool ? "no weights" : short(layer.weights) }),
          h("div", { class: "bk-inception-share", style: `width: ${fmt((100 * layer.weights) / heaviest, 2)}%` }))));
        outputs[i].style.flexGrow = costs[i].outputs;
        outputs[i].textContent = costs[i].outputs >= 0.07 * channels ? costs[i].outputs : "";
        outputs[i].classList.toggle("bk-inception-chosen", i === setting.branch);
      });
      caption.textContent = `output: ${costs.map((cost) => cost.outputs).join(" + ")} = ${channels} channels, stacked`;
    },
  };
}

function makeTable() {
  const body = h("tbody", {}), heads = ["branch", "sees", "outputs", "weights", "", "million MACs", "naive weights"];
  return {
    el: h("table", { class: "bk-inception-table" }, h("thead", {}, h("tr", {}, heads.map((text) => (text ? h("th", { scope: "col", text }) : h("td", { class: "bk-inception-bar" }))))), body),
    update(setting, costs, naive) {
      const most = Math.max(...costs.map((cost) => cost.weights), ...naive.map((cost) => cost.weights));
      const bar = (weights, kind) => h("div", { class: `bk-inception-${kind}`, style: `width: ${fmt((100 * weights) / most, 2)}%` });
      const row = (name, cost, plain, bars) => h("tr", {}, h("th", { scope: "row", text: name }), h("td", { text: cost.sees ? `${cost.sees} × ${cost.sees}` : "" }), h("td", { text: cost.outputs }),
        h("td", { text: short(cost.weights) }), h("td", { class: "bk-inception-bar" }, bars), h("td", { text: millions(cost.macs) }), h("td", { text: short(plain.weights) }));
      const all = (list) => ({ outputs: sumOf(list, "outputs"), weights: sumOf(list, "weights"), macs: sumOf(list, "macs") });
      body.replaceChildren(...costs.map((cost, i) => row(branchName(i, setting.window), cost, naive[i], [bar(cost.weights, "own"), bar(naive[i].weights, "naive")])), row("all", all(costs), all(naive), []));
    },
  };
}

function render({ model, el }) {
  const read = () => readModule((name) => model.get(name));
  let setting = read();
  if (Object.entries(setting).some(([name, v]) => model.get(name) !== v)) setAll(model, setting);
  const group = uid("design"), designs = DESIGNS.map((design) => choice(group, design, NAMES[design][0], () => setAll(model, { design }), "bk-inception-choice"));
  const chooser = h("div", { class: "bk-inception-chooser", role: "radiogroup", "aria-label": "Form of the module" }, designs.map((design) => design.el));
  const about = h("p", { class: "bk-inception-about" }), told = h("p", { class: "bk-inception-told", role: "status" });
  const sliders = makeSliders(model), drawing = makeDrawing(model), table = makeTable();

  function update() {
    setting = read();
    const branches = branchesOf(setting), costs = branchCosts(branches, setting.side), naive = branchCosts(branchesOf({ ...setting, design: "naive" }), setting.side);
    for (const design of designs) design.input.checked = design.value === setting.design;
    about.textContent = NAMES[setting.design][1];
    sliders.update(setting);
    drawing.update(setting, branches, costs);
    told.textContent = tellBranch(setting);
    table.update(setting, costs, naive);
  }

  frame(model, el, "inception_module", toolbar(model, { presets: PRESETS }), chooser, about, sliders.el, drawing.el, told, table.el,
    h("p", { class: "bk-inception-small", text: "Weights without biases. Between windows in a row the channels stay as the reduction left them; only the last one makes the outputs." }));
  let waiting = false, gone = false;                          // several traits that change at once are answered once
  const onChange = () => { if (!waiting) { waiting = true; queueMicrotask(() => { waiting = false; if (!gone) update(); }); } };
  const watched = Object.keys(setting).map((name) => `change:${name}`);
  for (const event of watched) model.on(event, onChange);
  update();
  return () => { gone = true; for (const event of watched) model.off(event, onChange); };
}

export default { render };
