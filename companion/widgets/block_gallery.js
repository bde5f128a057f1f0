// Nine blocks of ResNet's family, one drawing: what each changed against the block before it, and what it costs.
import { frame, h, s, setAll, slider, toolbar, uid } from "./controls.js";
import { designBlock } from "./block_engine.js";

const BLOCKS = {
  basic: ["Basic", "", "Two 3 × 3 convolutions and a shortcut: the block of ResNet-18 and 34.", () => []],
  bottleneck: ["Bottleneck", "basic", "A 1 × 1 convolution makes the map thin, the 3 × 3 works on the thin map, a 1 × 1 makes it wide again.",
    ({ channels: C }) => [["new", `A 1 × 1 convolution down to ${C / 4} channels.`], ["changed", `The 3 × 3 has a quarter of the channels, so a sixteenth of the weights; the way back up is 1 × 1.`]]],
  preact: ["Pre-activation", "bottleneck", "Norm and ReLU stand before each convolution. Nothing touches the sum, so it can be carried on through any number of blocks.",
    () => [["moved", "Norm and ReLU, from behind each convolution to its front."], ["gone", "The ReLU behind the sum. The network needs one norm and ReLU more after its last block."]]],
  wide: ["Wide", "bottleneck", "The inner convolutions get more channels; nothing else changes. Fewer, wider layers keep a graphics card busy.",
    ({ channels: C, widen }) => (widen > 1 ? [["changed", `${(widen * C) / 4} inner channels in place of ${C / 4}.`]] : [])],
  resnext: ["ResNeXt", "bottleneck", "The 3 × 3 convolution is cut into groups that do not see each other, and the saved weights pay for twice the width.",
    ({ channels: C, groups }) => { const G = Math.min(groups, C / 2);
      return [["changed", `${C / 2} inner channels in place of ${C / 4}, in ${G} group${G > 1 ? "s" : ""} of ${C / 2 / G}: ${G > 1 ? `${G} small paths, side by side` : "one path, so far only a wider block"}.`]]; }],
  se: ["SE", "bottleneck", "Squeeze and excitation: from the means of all channels two small layers compute one gate from 0 to 1 for each channel.",
    ({ channels: C, reduction }) => [["new", `A gate of two layers, ${C} → ${Math.max(1, Math.floor(C / reduction))} → ${C}.`]]],
  eca: ["ECA", "bottleneck", "The same gate with one small kernel that slides along the channels in place of the two layers.",
    () => [["new", "A gate of a few weights; every channel's gate depends on its neighbours in the list of channels only."]]],
  split: ["Split attention", "bottleneck", "ResNeSt: the 3 × 3 convolution makes several versions of its map. Gates weigh the versions against each other, channel by channel.",
    ({ radix }) => [...(radix > 1 ? [["changed", `The 3 × 3 makes ${radix} versions, each from ${radix === 2 ? "one half" : `1/${radix}`} of the channels.`]] : []), ["new", "The gates, which add up to 1 over the versions, and the weighted sum."]]],
  dense: ["Dense", "bottleneck", "DenseNet: norm and ReLU come first, and the few new channels are laid beside the input in place of being added to it.",
    ({ channels: C, growth: k }) => [["moved", "Norm and ReLU, as in pre-activation."], ["changed", `Only ${k} channels are made, by way of ${4 * k}.`], ["gone", "The 1 × 1 back up, and the ReLU at the end."], ["changed", `The sum becomes a stack: ${C} channels come in, ${C + k} go out.`]]],
};
const KNOBS = { groups: ["Groups G", [1, 2, 4, 8, 16, 32, 64]], widen: ["Widening factor", [1, 2, 4]], reduction: ["Reduction", [2, 4, 8, 16, 32]],
  radix: ["Versions", [1, 2, 4]], growth: ["New channels", [12, 24, 32, 48]] };
const USES = { resnext: "groups", wide: "widen", se: "reduction", split: "radix", dense: "growth" };
const WIDTHS = [64, 128, 256, 512, 1024, 2048], SIDES = [7, 14, 28, 56];
const MARKS = { new: "+", changed: "≠", moved: "↕", gone: "−" };
const PRESETS = [
  { name: "The first stage of ResNeXt-50", state: { block: "resnext", channels: 256, groups: 32, side: 56 },
    note: "32 groups of 4 channels: twice the inner width for about the same number of weights as the bottleneck." },
  { name: "Groups as a way to save", state: { block: "resnext", channels: 256, groups: 1, side: 56 },
    note: "With one group the wider block costs far more. Move the groups up and watch the 3 × 3 shrink; the 1 × 1 convolutions stay." },
  { name: "Wide ResNet-50-2", state: { block: "wide", channels: 256, widen: 2, side: 56 },
    note: "Twice the inner width: the two 1 × 1 convolutions double, the 3 × 3 becomes four times as large." },
  { name: "The dearest gate", state: { block: "se", channels: 2048, reduction: 16, side: 7 },
    note: "In the last stage of SE-ResNet-50 the gate adds more than a tenth to the block's parameters, and next to nothing to its arithmetic." },
  { name: "The same gate for 7 weights", state: { block: "eca", channels: 2048, side: 7 },
    note: "ECA at the same place: seven weights, whatever the reduction." },
  { name: "A late layer of DenseNet-121", state: { block: "dense", channels: 512, growth: 32, side: 14 },
    note: "Most weights of a late dense layer lie in the 1 × 1 convolution, which reads all that was ever made in its block." },
  { name: "Why there is a bottleneck", state: { block: "basic", channels: 512, side: 28 },
    note: "Two 3 × 3 convolutions on 512 channels. Choose Bottleneck beside it and compare the bars." },
];

// What a link or a notebook asks for, made safe.
export function readBlock(get) {
  const defaults = get("defaults"), known = (name, list) => (list.includes(get(name)) ? get(name) : defaults[name]);
  const setting = { block: known("block", Object.keys(BLOCKS)), channels: known("channels", WIDTHS), side: known("side", SIDES) };
  for (const [name, [, values]] of Object.entries(KNOBS)) setting[name] = known(name, values);
  return setting;
}

const grouped = (n) => String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ",");
const millions = (n) => `${n >= 1e9 ? grouped(n / 1e6) : (n / 1e6).toFixed(n >= 1e8 ? 0 : 1)} million`;
const ratio = (a, b) => `${(a / b).toFixed(a / b < 0.1 ? 3 : 2)}×`;

// ---- the drawing ------------------------------------------------------------------------------------------------

const CENTRE = 160, BYPASS = 334, HEIGHT = 452;
const boxWidth = (channels, most) => 128 + 172 * Math.sqrt(channels / most);

function drawBlock() {
  const layer = s("g", {}), svg = s("svg", { viewBox: `0 0 360 ${HEIGHT}`, role: "img", class: "bk-plot bk-blocks-drawing" }, layer);
  const text = (x, y, content, attrs = {}) => s("text", { x, y, "text-anchor": "middle", text: content, ...attrs });
  const arrow = (y1, y2) => s("path", { class: "bk-blocks-wire", d: `M${CENTRE} ${y1}V${y2}m-3.5 -5l3.5 5l3.5 -5` });

  function box(one, y, tall, width) {
    const x = CENTRE - width / 2, shape = `bk-blocks-${one.kind}${one.mark ? ` bk-blocks-${one.mark}` : ""}`;
    const parts = [s("rect", { x, y, width, height: tall, rx: one.kind === "thin" ? tall / 2 : 5, class: shape })];
    for (let g = 1; g < Math.min(one.groups ?? 1, 32); g++) {
      const at = x + (width * g) / Math.min(one.groups, 32);
      parts.push(s("line", { x1: at, x2: at, y1: y + 1, y2: y + tall - 1, class: "bk-blocks-cut" }));
    }
    if (one.mark) parts.push(s("circle", { cx: x, cy: y + tall / 2, r: 9, class: `bk-blocks-badge bk-blocks-${one.mark}` }), text(x, y + tall / 2 + 5, MARKS[one.mark], { class: "bk-blocks-sign" }));
    return parts;
  }
  // A line of text on a ground of its own, so that the cuts between groups do not run through it.
  const onGround = (y, content, attrs, cut) => [...(cut ? [s("rect", { x: CENTRE - content.length * 3.5, y: y - 11, width: content.length * 7, height: 14, class: "bk-blocks-ground" })] : []), text(CENTRE, y, content, attrs)];

  return {
    el: svg,
    update(setting, { steps, out }, spoken) {
      const most = Math.max(...steps.map((one) => Math.max(one.from ?? 0, one.channels)), setting.channels), parts = [];
      let y = 34;
      const size = (channels) => `${channels} × ${setting.side} × ${setting.side}`;
      parts.push(text(CENTRE, 15, `input: ${size(setting.channels)}`, { class: "bk-blocks-shape" }), s("line", { x1: CENTRE, x2: CENTRE, y1: 21, y2: 27, class: "bk-blocks-wire" }));
      let from = 27;
      for (const one of steps) {
        const tall = { conv: 36, thin: 20, gate: 8 + 15 * (one.lines?.length ?? 0), join: 24 }[one.kind];
        const width = one.kind === "conv" ? boxWidth(one.to, most) : one.kind === "gate" ? 300 : 124;
        parts.push(arrow(from, y - 1));
        if (one.kind === "join") {
          parts.push(s("path", { class: `bk-blocks-shortcut${setting.block === "dense" ? " bk-blocks-changed" : ""}`, d: `M${CENTRE} 27H${BYPASS}V${y + tall / 2}H${CENTRE + 65}m6 -4l-6 4l6 4` }));
        }
        parts.push(...box(one, y, tall, width));
        const middle = y + tall / 2 + 4.5, quiet = one.mark === "gone" ? { class: "bk-blocks-struck" } : {};
        if (one.kind === "conv") {
          const cut = one.groups > 1;
          parts.push(...onGround(y + 15, `${one.K} × ${one.K}: ${one.from} → ${one.to}`, { class: "bk-blocks-strong" }, cut));
          parts.push(...onGround(y + 30, `${grouped(one.parameters)} weights`, { class: "bk-blocks-fine" }, cut));
        } else if (one.kind === "gate") {
          one.lines.forEach((line, i) => parts.push(text(CENTRE, y + 16 + 15 * i, line, { class: i ? "bk-blocks-fine" : "bk-blocks-strong" })));
        } else parts.push(text(CENTRE, middle, one.text, quiet));
        from = y + tall;
        y = from + 15;
      }
      parts.push(arrow(from, y - 1), text(CENTRE, y + 14, `output: ${size(out)}`, { class: "bk-blocks-shape" }));
      layer.replaceChildren(...parts);
      svg.setAttribute("aria-label", spoken);
    },
  };
}

// The steps in words, for the drawing's text alternative.
const SAID = { new: " (new)", changed: " (changed)", moved: " (moved)", gone: " (gone)" };
function describe(name, setting, { steps, out }) {
  const words = steps.map((one) => (one.kind === "conv" ? `${one.K} by ${one.K} convolution from ${one.from} to ${one.to} channels${one.groups > 1 ? ` in ${one.groups} groups` : ""}`
    : one.kind === "gate" ? one.lines.join(": ") : one.text) + (SAID[one.mark] ?? ""));
  return `${name} block, from ${setting.channels} to ${out} channels on ${setting.side} × ${setting.side} places: ${words.join("; ")}.`;
}

// ---- the costs --------------------------------------------------------------------------------------------------

function makeTable() {
  const body = h("tbody", {}), heads = ["Block", "Parameters", "Multiply-accumulates"].map((label) => h("th", { scope: "col", text: label }));
  const cell = (n, most, kind) => h("td", {}, h("div", { class: "bk-blocks-bar" }, h("div", { class: `bk-blocks-${kind}`, style: `width:${(100 * n[0]) / most}%` })), h("span", { text: n[1] }));
  return {
    el: h("table", { class: "bk-blocks-costs" }, h("thead", {}, h("tr", {}, heads)), body),
    update(rows) {
      const most = [Math.max(...rows.map((r) => r.cost.parameters)), Math.max(...rows.map((r) => r.cost.macs))];
      body.replaceChildren(...rows.map(({ name, cost, kind }) => h("tr", {}, h("th", { scope: "row", text: name }),
        cell([cost.parameters, grouped(cost.parameters)], most[0], kind), cell([cost.macs, millions(cost.macs)], most[1], kind))));
    },
  };
}

function listedSlider(model, key, label, values) {
  const made = slider({ label, min: 0, max: values.length - 1, step: 1, value: 0, format: (i) => String(values[i]), oninput: (i) => setAll(model, { [key]: values[i] }) });
  return { ...made, set: (v) => made.set(values.indexOf(v)) };
}

function makeChooser(model) {
  const group = uid("block"), inputs = {};
  const chips = Object.entries(BLOCKS).map(([block, [name]]) => {
    inputs[block] = h("input", { type: "radio", name: group, value: block, onchange: () => setAll(model, { block }) });
    return h("label", { class: "bk-blocks-choice" }, inputs[block], name);
  });
  return { el: h("div", { class: "bk-blocks-chooser", role: "radiogroup", "aria-label": "Block" }, chips), set: (block) => { inputs[block].checked = true; } };
}

function render({ model, el }) {
  const read = () => readBlock((name) => model.get(name)), clean = read();
  if (Object.entries(clean).some(([name, v]) => model.get(name) !== v)) setAll(model, clean);
  const chooser = makeChooser(model), drawing = drawBlock(), table = makeTable();
  const sliders = { channels: listedSlider(model, "channels", "Channels in", WIDTHS), side: listedSlider(model, "side", "Rows of the map", SIDES) };
  for (const [name, [label, values]] of Object.entries(KNOBS)) sliders[name] = listedSlider(model, name, label, values);
  const about = h("p", { class: "bk-blocks-about" }), changes = h("ul", { class: "bk-blocks-changes" });
  const verdict = h("p", { class: "bk-blocks-verdict", role: "status" });

  const update = () => {
    const setting = read(), [name, before, sentence, list] = BLOCKS[setting.block], cost = designBlock(setting);
    chooser.set(setting.block);
    for (const [key, one] of Object.entries(sliders)) { one.set(setting[key]); one.el.hidden = key in KNOBS && USES[setting.block] !== key; }
    drawing.update(setting, cost, describe(name, setting, cost));
    about.textContent = sentence;
    const found = list(setting);
    changes.replaceChildren(...(found.length ? found : [["", before ? "With a factor of 1 it is the bottleneck." : "Nothing is marked: the family starts here."]])
      .map(([mark, words]) => h("li", {}, mark ? h("span", { class: `bk-blocks-key bk-blocks-${mark}`, "aria-hidden": "true", text: MARKS[mark] }) : null, h("span", { text: mark ? `${mark[0].toUpperCase()}${mark.slice(1)}: ${words}` : words }))));
    const rows = [{ name, cost, kind: "own" }];
    if (before) rows.push({ name: BLOCKS[before][0], cost: designBlock({ ...setting, block: before }), kind: "before" });
    table.update(rows);
    verdict.textContent = before
      ? `${name} against ${BLOCKS[before][0].toLowerCase()}, same channels in, same map: ${ratio(cost.parameters, rows[1].cost.parameters)} the parameters, ${ratio(cost.macs, rows[1].cost.macs)} the arithmetic.`
      : `${name}: ${grouped(cost.parameters)} parameters.`;
  };

  frame(model, el, "block_gallery", chooser.el, about,
    h("div", { class: "bk-blocks-layout" }, drawing.el,
      h("div", { class: "bk-blocks-side" }, h("div", { class: "bk-blocks-controls" }, Object.values(sliders).map((one) => one.el)), table.el, verdict, changes)),
    toolbar(model, { presets: PRESETS }));
  for (const name of Object.keys(clean)) model.on(`change:${name}`, update);
  update();
  return () => { for (const name of Object.keys(clean)) model.off(`change:${name}`, update); };
}

export default { render };
