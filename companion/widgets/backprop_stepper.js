// A computation graph drawn from top to bottom. Values go down, gradients come back up, one step at a time.
import { animation, button, clamp, fmt, frame, h, s, select, slider, status, toolbar, uid } from "./controls.js";
import { byName, descend, formula, forward, gradients, schedule, slopeFormula } from "./graph_engine.js";

const LANE = 88, RANK = 86, LEAF_WIDTH = 74, BOX_HEIGHT = 55, WIDTH = 3 * LANE + LEAF_WIDTH + 6;
const PAUSE = 1300;                                       // milliseconds between two steps of "Play"

const PRESETS = [
  { name: "A neuron, somewhat wrong", graph: "neuron", values: {}, lr: 0.5,
    note: "The target is 1. Step to the end, then take gradient steps: the loss falls each time." },
  { name: "Saturated sigmoid", graph: "neuron", values: { w1: -6, w2: -2, x1: 1, x2: 1, b: 0, y: 1 }, all: true, lr: 0.5,
    note: "The neuron is as wrong as it can be (a ≈ 0, y = 1), yet z = −8 lies on the flat part of σ: its slope is a few ten-thousandths, and so is every gradient below." },
  { name: "Cross-entropy brings it back", graph: "two-layer", values: { w1: 2, x: 2, b1: 0, w2: -8, b2: 0, y: 1 }, all: true, lr: 0.5,
    note: "Just as wrong (σ(z₂) ≈ 0, y = 1), but the slope of the cross-entropy is σ(z₂) − y ≈ −1: the output layer gets a strong gradient. Only w₁ and b₁, behind a flat tanh, still learn slowly." },
  { name: "Gradients add up", graph: "shared", values: {}, lr: 0.1,
    note: "a feeds both u and ŷ. Watch a on the way back: two contributions arrive and are added." },
  { name: "Dead ReLU", graph: "shared", values: { w: -0.5, x: 2, v: 0.4, y: 1 }, all: true, lr: 0.1,
    note: "z is negative, so a = 0 and the slope is 0: both weights get the gradient 0. No gradient step will ever change that for this x." },
  { name: "A step too large", graph: "shared", values: { w: 0.7, x: 2, v: 1.5, y: 1 }, all: true, lr: 0.3,
    note: "Take one gradient step: the loss falls, but w lands below 0, the ReLU is off, and no later step moves anything. With η = 0.02 it would have survived." },
];

const number = (v) => fmt(v, 4);                          // in sentences
const short = (v) => fmt(v, Math.abs(v) >= 100 ? 1 : Math.abs(v) >= 10 ? 2 : 3);   // in the drawing
const times = (a, b) => `${number(a)} × ${b < 0 ? `(${number(b)})` : number(b)}`;
const del = (label) => `∂ℒ/∂${label}`;

// The setting in the model, made safe: it may come from the address of the page.
function read(model) {
  const graphs = byName(model.get("graphs")), name = Object.hasOwn(graphs, model.get("graph")) ? model.get("graph") : Object.keys(graphs)[0];
  const graph = graphs[name], given = model.get("values") ?? {}, leaves = {};
  for (const [n, node] of Object.entries(graph.nodes)) {
    if (node.kind === "op") continue;
    const value = Object.hasOwn(given, n) && Number.isFinite(given[n]) ? given[n] : node.start;
    leaves[n] = clamp(value, ...node.range);
  }
  const values = forward(graph, leaves), steps = schedule(graph, values), lr = +model.get("lr");
  return { name, graph, leaves, values, steps, at: clamp(Math.round(+model.get("step")) || 0, 0, steps.length), lr: lr > 0 ? Math.min(lr, 100) : graph.lr };
}

// What one step does, as { words, lines }: a sentence, and the same in letters and in numbers.
function explain({ graph, values, steps, at }) {
  const { nodes } = graph, step = steps[at - 1], count = steps.filter((t) => t.kind === "value").length;
  if (!step) return { words: "Weights and data are given. Step forward: each operation computes its value from those above it.", lines: [] };
  if (step.kind === "value") {
    const node = nodes[step.name];
    const words = `Forward, ${at} of ${count}: ${node.label} is computed from ${node.of.map((n) => nodes[n].label).join(" and ")}${at === count ? ". That is the loss; now the way back" : ""}.`;
    return { words, lines: [`${node.label} = ${formula(graph, step.name)}`, `= ${number(values[step.name])}`] };
  }
  if (step.kind === "seed") return { words: "Backward starts at the loss: if ℒ grows by a little, ℒ grows by just as much.", lines: [`${del("ℒ")} = 1`] };
  const [from, to] = [nodes[step.from], nodes[step.to]], position = `Backward, ${at - count - 1} of ${steps.length - count - 1}`;
  const slope = slopeFormula(graph, step.from, step.i), rule = `${del(from.label)} × ∂${from.label}/∂${to.label}`;
  let words = `${position}: from ${from.label} up to ${to.label}. What arrived at ${from.label}, times the slope of its operation, ${slope === number(step.slope) ? "" : `${slope} = `}${number(step.slope)}.`;
  if (from.op === "sigmoid" && step.slope < 0.01) words += " The sigmoid is saturated: almost nothing gets through.";
  else if (from.op === "tanh" && step.slope < 0.01) words += " The tanh is saturated: almost nothing gets through.";
  else if (from.op === "relu" && step.slope === 0) words += " The ReLU is off: nothing gets through.";
  if (step.before !== undefined) words += ` ${to.label} was used twice, so this is added to what it already had.`;
  if (at === steps.length) words += " Every weight has its gradient now.";
  const lines = step.before === undefined
    ? [`${del(to.label)} = ${rule}`, `= ${times(step.upstream, step.slope)} = ${number(step.grad)}`]
    : [`${del(to.label)} = ${number(step.before)} + ${rule}`, `= ${number(step.before)} + ${times(step.upstream, step.slope)} = ${number(step.grad)}`];
  return { words, lines };
}

// The drawing of the graph after `at` steps.
function draw({ graph, values, steps, at }) {
  const nodes = Object.entries(graph.nodes), done = steps.slice(0, at), now = done.at(-1), grads = {}, passed = new Map();
  const learned = new Set(steps.map((step) => step.to ?? (step.kind === "seed" ? step.name : null)));
  const shown = new Set(nodes.filter(([, node]) => !node.of).map(([name]) => name));
  for (const step of done) {
    if (step.kind === "value") shown.add(step.name);
    else grads[step.to ?? step.name] = step.grad ?? 1;
    if (step.kind === "edge") passed.set(`${step.from} ${step.to}`, step);
  }
  const place = Object.fromEntries(nodes.map(([name, node]) => [name, [3 + LEAF_WIDTH / 2 + node.at[1] * LANE, 3 + BOX_HEIGHT / 2 + node.at[0] * RANK]]));
  const edges = [], boxes = [], chips = [];
  for (const [name, node] of nodes) {
    const [x, y] = place[name], text = node.of ? `${node.label} = ${formula(graph, name)}` : node.label;
    const width = node.of ? Math.max(82, 6.7 * text.length + 12) : LEAF_WIDTH;
    for (const source of node.of ?? []) {
      const [px, py] = place[source], top = py + BOX_HEIGHT / 2, bottom = y - BOX_HEIGHT / 2, bend = Math.min((bottom - top) / 2, 22);
      const back = passed.get(`${name} ${source}`), active = now?.kind === "edge" && now.from === name && now.to === source;
      const state = active ? "bk-active" : back ? "bk-back" : now?.name === name && now.kind === "value" ? "bk-fresh" : shown.has(name) ? "bk-forth" : "bk-idle";
      const tip = back ? `M${px - 5} ${top + 8}L${px} ${top + 1}L${px + 5} ${top + 8}Z` : `M${x - 4} ${bottom - 7}L${x} ${bottom - 1}L${x + 4} ${bottom - 7}Z`;
      edges.push(s("g", { class: `bk-backprop-edge ${state}` },
        s("path", { d: `M${px} ${top + (back ? 6 : 0)}C${px} ${top + bend} ${x} ${bottom - bend} ${x} ${bottom - (back ? 0 : 6)}`, fill: "none" }), s("path", { class: "bk-tip", d: tip })));
      if (active) chips.push([(px + x) / 2, (top + bottom) / 2, short(back.passed)]);
    }
    const current = now?.name === name || now?.to === name;
    const box = s("g", { class: `bk-backprop-node bk-${node.kind}${shown.has(name) ? "" : " bk-unknown"}${current ? (now.kind === "value" ? " bk-fresh" : " bk-active") : ""}` },
      s("rect", { x: x - width / 2, y: y - BOX_HEIGHT / 2, width, height: BOX_HEIGHT, rx: 8 }),
      s("text", { class: "bk-name", x, y: y - (learned.has(name) ? 12 : 5), "text-anchor": "middle", text }));
    if (shown.has(name)) box.append(s("text", { class: "bk-value", x, y: y + (learned.has(name) ? 5 : 13), "text-anchor": "middle", text: short(values[name]) }));
    if (learned.has(name)) box.append(s("text", { class: name in grads ? "bk-grad" : "bk-none", x, y: y + 21, "text-anchor": "middle", text: name in grads ? `∂ ${short(grads[name])}` : "∂" }));
    boxes.push(box);
  }
  const labels = chips.map(([x, y, text]) => s("g", { class: "bk-backprop-chip" },
    s("rect", { x: x - 3.8 * text.length - 6, y: y - 9.5, width: 7.6 * text.length + 12, height: 19, rx: 9.5 }),
    s("text", { x, y: y + 4.5, "text-anchor": "middle", text })));
  const ranks = Math.max(...nodes.map(([, node]) => node.at[0])), height = ranks * RANK + BOX_HEIGHT + 6;
  const list = (names, of) => names.map((n) => `${graph.nodes[n].label} ${number(of[n])}`).join(", ") || "none yet";
  const label = `Computation graph, ${graph.title}. Values: ${list(nodes.map(([n]) => n).filter((n) => shown.has(n)), values)}. Gradients: ${list(Object.keys(grads), grads)}.`;
  return s("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label, class: "bk-backprop-graph" }, edges, boxes, labels);
}

// A number input that speaks up only for numbers in range; what else is typed is put right when the reader leaves it.
function numberInput({ label, min, max, step, onvalue }) {
  const id = uid("number"), input = h("input", { id, type: "number", min, max, step, inputmode: "decimal" });
  const good = () => input.value !== "" && Number.isFinite(+input.value) && +input.value >= min && +input.value <= max;
  let present = 0;
  const set = (v) => { present = v; if (+input.value !== v && document.activeElement !== input) input.value = +v.toFixed(4); input.toggleAttribute("aria-invalid", false); };
  input.addEventListener("input", () => { if (good()) { present = +input.value; onvalue(present); } input.setAttribute("aria-invalid", String(!good())); });
  input.addEventListener("blur", () => { input.value = +present.toFixed(4); input.removeAttribute("aria-invalid"); });
  return { el: h("div", { class: "bk-backprop-number" }, h("label", { for: id, text: label }), input), set };
}

function render({ model, el }) {
  const stage = h("div", { class: "bk-backprop-stage" }), words = status(), lines = h("div", { class: "bk-backprop-lines" });
  const learned = status(), fields = h("div", { class: "bk-backprop-fields" });
  let inputs = {}, built = null, losses = [], total = 1;

  const starts = (name) => Object.fromEntries(Object.entries(byName(model.get("graphs"))[name].nodes).filter(([, node]) => !node.of).map(([n, node]) => [n, node.start]));
  const write = (changes) => { for (const [k, v] of Object.entries(changes)) model.set(k, v); model.save_changes(); };
  const goTo = (step) => write({ step: clamp(step, 0, read(model).steps.length) });
  const forget = () => { losses = []; learned.textContent = ""; };

  const picker = select({ label: "Graph", value: read(model).name, options: Object.entries(byName(model.get("graphs"))).map(([n, g]) => [n, g.title]),
    onchange: (name) => { player.stop(); forget(); write({ graph: name, values: starts(name), step: 0, lr: byName(model.get("graphs"))[name].lr }); } });
  const scrub = slider({ label: "Step", min: 0, max: 1, step: 1, value: 0, format: (v) => `${v} of ${total}`, oninput: (v) => { player.stop(); goTo(v); refresh(); } });
  const back = button("Back", () => { player.stop(); goTo(read(model).at - 1); });
  const next = button("Step", () => { player.stop(); goTo(read(model).at + 1); }, { class: "bk-button bk-primary" });
  const play = button("Play", () => { if (player.running) player.stop(); else { if (ended()) goTo(0); waited = PAUSE / 2; player.start(); } refresh(); });
  const all = button("All", () => { player.stop(); goTo(Infinity); });
  const rate = numberInput({ label: "learning rate η", min: 0.01, max: 100, step: 0.01, onvalue: (v) => write({ lr: v }) });
  rate.el.dataset.after = "Take a gradient step";
  const learn = button("Take a gradient step", () => {
    player.stop();
    const { graph, leaves, values, steps, lr } = read(model), clip = (n, v) => clamp(v, ...graph.nodes[n].range);
    const moved = descend(graph, leaves, lr, clip), before = values.loss, after = forward(graph, moved).loss;
    const still = Object.keys(leaves).every((n) => moved[n] === leaves[n]);
    losses = [...(losses.length ? losses : [before]), after].slice(-6);
    write({ values: moved, step: steps.length });
    learned.textContent = still ? "Every gradient is 0: no weight moves." : `The loss ${after < before ? "fell" : after > before ? "rose" : "stayed"}: ℒ ${losses.map(number).join(" → ")}`;
  });

  let waited = 0;
  const ended = () => { const { at, steps } = read(model); return at >= steps.length; };
  const player = animation(el, (dt) => {
    waited += dt;
    if (waited < PAUSE) return;
    waited = 0;
    goTo(read(model).at + 1);
    if (ended()) { player.stop(); refresh(); }
  });

  const build = ({ name, graph }) => {                    // the inputs of this graph's weights and data
    built = name;
    inputs = {};
    const set = (kind, legend) => h("fieldset", {}, h("legend", { text: legend }), Object.entries(graph.nodes).filter(([, node]) => node.kind === kind).map(([n, node]) => {
      const [min, max] = node.range;
      inputs[n] = numberInput({ label: node.label, min, max, step: 0.1, onvalue: (v) => { forget(); write({ values: { ...read(model).leaves, [n]: v } }); } });
      return inputs[n].el;
    }));
    fields.replaceChildren(set("weight", "Weights"), set("data", "Data"));
  };
  const refresh = () => {
    const state = read(model), { words: said, lines: shown } = explain(state);
    if (state.name !== built) build(state);
    stage.replaceChildren(draw(state));
    if (words.textContent !== said) words.textContent = said;
    lines.replaceChildren(...shown.map((text) => h("p", { text })));
    lines.classList.toggle("bk-purple", state.steps[state.at - 1]?.kind !== "value");
    for (const [n, input] of Object.entries(inputs)) input.set(state.leaves[n]);
    rate.set(state.lr);
    picker.set(state.name);
    scrub.input.max = total = state.steps.length;
    scrub.set(state.at);
    back.disabled = state.at === 0;
    next.disabled = all.disabled = state.at === state.steps.length;
    play.textContent = player.running ? "Pause" : "Play";
  };

  const presets = PRESETS.filter((p) => Object.hasOwn(byName(model.get("graphs")), p.graph)).map(({ name, note, graph, values, all: ready, lr }) => {
    const leaves = { ...starts(graph), ...values }, definition = byName(model.get("graphs"))[graph];
    return { name, note, state: { graph, values: leaves, step: ready ? schedule(definition, forward(definition, leaves)).length : 0, lr } };
  });
  const tools = toolbar(model, { presets, onreset: () => { player.stop(); forget(); refresh(); } });
  const key = h("ul", { class: "bk-backprop-key", "aria-label": "Legend" },
    [["weight", "weight"], ["data", "data"], ["grad", "∂ gradient ∂ℒ/∂(node)"]].map(([name, text]) => h("li", { class: `bk-key-${name}`, text })));
  const side = h("div", { class: "bk-backprop-side" },
    h("div", { class: "bk-backprop-card" }, words, lines),
    h("div", { class: "bk-backprop-steps" }, back, next, play, all), scrub.el, fields,
    h("div", { class: "bk-backprop-learn" }, rate.el, learn), learned);
  frame(model, el, "backprop", picker.el, tools, h("div", { class: "bk-backprop-main" }, h("div", {}, stage, key), side));

  const traits = ["graph", "values", "step", "lr"].map((name) => `change:${name}`);
  traits.forEach((name) => model.on(name, refresh));
  refresh();
  return () => { player.destroy(); traits.forEach((name) => model.off(name, refresh)); };
}

export default { render };
