// Two weights and a threshold: the neuron, its truth table, its decision line, and the function that it computes.
import { axes, bind, clamp, fmt, frame, h, s, select, setAll, slider, toolbar, uid } from "./controls.js";
import { INPUTS, arrowPath, gateName, gateOutputs, gateRows, halfplane } from "./perceptron_engine.js";

const WEIGHT_LIMIT = 2, THRESHOLD_LIMIT = 3, ENOUGH_TRIES = 12;
const TARGETS = ["none", "AND", "OR", "NAND", "NOR", "XOR", "XNOR"];
const PRESETS = [
  { name: "AND", state: { w1: 1, w2: 1, threshold: 1.5, target: "AND", shown: 3 },
    note: "One active input brings 1, which is below the threshold; only both together reach it." },
  { name: "OR", state: { w1: 1, w2: 1, threshold: 0.5, target: "OR", shown: 1 },
    note: "The same weights as AND. A lower threshold moves the line, and one active input is enough." },
  { name: "NOT x₁", state: { w1: -1, w2: 0, threshold: -0.5, target: "none", shown: 2 },
    note: "A negative weight inhibits. The threshold is negative too, so the neuron fires unless x₁ stops it." },
  { name: "NAND", state: { w1: -1, w2: -1, threshold: -1.5, target: "NAND", shown: 3 },
    note: "AND with every sign turned round: the same line, but the other side fires." },
  { name: "On the line", state: { w1: 1, w2: 1, threshold: 1, target: "OR", shown: 1 },
    note: "The line runs through two corners. A sum equal to the threshold fires, so this is OR; raise θ a little: AND." },
  { name: "XOR: can you?", state: { w1: 1, w2: 1, threshold: 0.5, target: "XOR", shown: 3 },
    note: "XOR fires when exactly one input is active. Predict how many rows you can get right, then try." },
];

// What a link or a kernel may hold -> a setting that can be drawn.
export function readNeuron(get) {
  const number = (name, limit, fallback) =>
    (Number.isFinite(get(name)) ? clamp(Math.round(100 * get(name)) / 100, -limit, limit) : fallback);
  return {
    w1: number("w1", WEIGHT_LIMIT, 1), w2: number("w2", WEIGHT_LIMIT, 1),
    threshold: number("threshold", THRESHOLD_LIMIT, 0.5),
    target: TARGETS.includes(get("target")) ? get("target") : "none",
    shown: [0, 1, 2, 3].includes(get("shown")) ? get("shown") : 3,
  };
}

const label = (x, y, attrs) => s("text", { x, y, "text-anchor": "middle", ...attrs });
const place = (node, attrs) => { for (const [name, value] of Object.entries(attrs)) node.setAttribute(name, value); };

// Inputs, weights, sum, step and output for one of the four inputs.
function drawNeuron() {
  const inputs = [["x₁", 46, 54], ["x₂", 150, 154]].map(([name, y, below]) => ({
    edge: s("line", { x1: 48, y1: y, x2: 168, y2: 98 }), dot: s("circle", { cx: 48, cy: y, r: 19 }),
    value: label(48, y + 5), weight: label(120, below), name: label(16, y + 5, { text: name }),
  }));
  const sum = label(176, 108, { class: "bk-neuron-value" }), theta = label(268, 147), outValue = label(342, 103);
  const curve = s("path", { class: "bk-neuron-step" }), mark = s("circle", { r: 5, class: "bk-neuron-mark" });
  const out = s("circle", { cx: 342, cy: 98, r: 19 });
  const wire = (x1, x2) => s("line", { x1, x2, y1: 98, y2: 98, class: "bk-neuron-wire" });
  const svg = s("svg", { viewBox: "0 20 368 156", role: "img", class: "bk-plot" },
    inputs.map((i) => i.edge), wire(208, 232), wire(304, 322),
    s("circle", { cx: 176, cy: 98, r: 32, class: "bk-neuron-body" }),
    label(176, 89, { class: "bk-neuron-small", text: "sum" }), sum,
    s("rect", { x: 232, y: 66, width: 72, height: 64, rx: 6, class: "bk-neuron-body" }), curve, mark, theta,
    out, outValue, label(342, 70, { text: "ŷ" }), inputs.flatMap((i) => [i.dot, i.value, i.weight, i.name]));
  const X = (v) => 268 + clamp(v, -4, 4) * 8, Y = (fires) => (fires ? 80 : 118);
  const number = (node, v) => { node.textContent = v; place(node, { class: `bk-neuron-value${v ? " bk-neuron-inverse" : ""}` }); };
  return {
    el: svg,
    update({ w1, w2, threshold, shown }, rows) {
      const x = INPUTS[shown], row = rows[shown];
      inputs.forEach(({ edge, dot, value, weight }, i) => {
        const w = [w1, w2][i], sign = w > 0 ? "plus" : w < 0 ? "minus" : "zero";
        place(edge, { class: `bk-neuron-${sign}${x[i] ? "" : " bk-neuron-idle"}`, "stroke-width": 1.5 + 3.5 * Math.abs(w) });
        place(dot, { class: x[i] ? "bk-neuron-on" : "bk-neuron-off" });
        number(value, x[i]);
        weight.textContent = `w${"₁₂"[i]} = ${fmt(w)}`;
      });
      sum.textContent = fmt(row.sum);
      place(curve, { d: `M236 ${Y(0)}H${X(threshold)}V${Y(1)}H300` });
      place(mark, { cx: X(row.sum), cy: Y(row.output) });
      theta.textContent = `θ = ${fmt(threshold)}`;
      place(out, { class: row.output ? "bk-neuron-on" : "bk-neuron-silent" });
      number(outValue, row.output);
      place(svg, { "aria-label": `The neuron for the input x₁ = ${x[0]}, x₂ = ${x[1]}: the weighted sum is ${fmt(row.sum)}, `
        + `${row.output ? "at least" : "below"} the threshold ${fmt(threshold)}, so it outputs ${row.output}.` });
    },
  };
}

// The four inputs as corners of a square, the decision line, and the side that fires.
function drawPlane(onpick) {
  const lo = -0.5, hi = 1.5;
  const { svg, layer, X, Y } = axes({
    label: "", width: 360, height: 344, margin: [8, 16, 42, 50], x: [lo, hi], y: [lo, hi], xlabel: "x₁", ylabel: "x₂" });
  const shape = (polygon) => polygon.map(([a, b]) => `${X(a)},${Y(b)}`).join(" ");
  const fires = s("polygon", { class: "bk-neuron-field1" }), silent = s("polygon", { class: "bk-neuron-field0" });
  const line = s("line", { class: "bk-neuron-line" }), arrow = s("path", { class: "bk-neuron-arrow" });
  const name = label(0, 0, { class: "bk-neuron-arrow-name", text: "w" });
  const corners = INPUTS.map(([a, b], i) => {
    const ring = s("circle", { r: 20, class: "bk-neuron-ring" }), dot = s("circle", { r: 14 });
    const value = label(0, 5), cross = label(24, -14, { class: "bk-neuron-cross" });
    const attrs = { class: "bk-neuron-corner", transform: `translate(${X(a)} ${Y(b)})`, onclick: () => onpick(i) };
    return { ring, dot, value, cross, el: s("g", attrs, ring, dot, value, cross) };
  });
  layer.append(silent, fires, line, arrow, name, ...corners.map((c) => c.el));
  return {
    el: svg,
    update({ w1, w2, threshold, shown, target }, rows) {
      const { inside, outside, line: ends } = halfplane(w1, w2, -threshold, lo, hi);
      place(fires, { points: shape(inside) });
      place(silent, { points: shape(outside) });
      for (const node of [line, arrow, name]) node.style.display = ends.length === 2 ? "" : "none";
      if (ends.length === 2) {
        const [[a, b], [c, d]] = ends, norm = Math.hypot(w1, w2), u = w1 / norm, v = -w2 / norm;
        const x = X((a + c) / 2), y = Y((b + d) / 2), tipX = x + 34 * u, tipY = y + 34 * v;
        place(line, { x1: X(a), y1: Y(b), x2: X(c), y2: Y(d) });
        place(arrow, { d: arrowPath(x, y, tipX, tipY) });
        place(name, { x: tipX + 11 * u, y: tipY + 11 * v + 4 });
      }
      const wanted = target === "none" ? null : gateOutputs(target);
      corners.forEach(({ ring, dot, value, cross }, i) => {
        place(dot, { class: rows[i].output ? "bk-neuron-on" : "bk-neuron-silent" });
        value.textContent = rows[i].output;
        place(value, { class: `bk-neuron-value${rows[i].output ? " bk-neuron-inverse" : ""}` });
        cross.textContent = wanted && wanted[i] !== rows[i].output ? "✗" : "";
        ring.style.display = i === shown ? "" : "none";
      });
      const fired = INPUTS.filter((_, i) => rows[i].output).map((p) => `(${p.join(", ")})`).join(", ");
      place(svg, { "aria-label": "Input plane with the four inputs as corners and the decision line "
        + `${fmt(w1)} x₁ + ${fmt(w2)} x₂ = ${fmt(threshold)}. The neuron fires at ${fired || "none of them"}.` });
    },
  };
}

function drawTable(pick) {
  const group = uid("shown"), wantHead = h("th", { scope: "col" });
  const cells = INPUTS.map(([x1, x2], i) => {
    const radio = h("input", { type: "radio", name: group, value: i, onchange: () => pick(i),
      "aria-label": `Show the input x₁ = ${x1}, x₂ = ${x2} in the drawing` });
    const [sum, relation, out, want] = Array.from({ length: 4 }, () => h("td"));
    const row = [h("td", {}, radio), h("td", { text: x1 }), h("td", { text: x2 }), sum, relation, out, want];
    return { radio, sum, relation, out, want, el: h("tr", { onclick: () => pick(i) }, row) };
  });
  const head = ["show", "x₁", "x₂", "sum", "≥ θ ?", "ŷ"].map((text) => h("th", { scope: "col", text }));
  return {
    el: h("table", { class: "bk-neuron-table" },
      h("caption", { class: "bk-neuron-hidden", text: "Truth table of the neuron" }),
      h("thead", {}, h("tr", {}, head, wantHead)), h("tbody", {}, cells.map((c) => c.el))),
    update({ threshold, shown, target }, rows) {
      const wanted = target === "none" ? null : gateOutputs(target);
      wantHead.textContent = wanted ? target : "";
      cells.forEach(({ radio, sum, relation, out, want, el }, i) => {
        const right = wanted && wanted[i] === rows[i].output;
        radio.checked = i === shown;
        el.classList.toggle("bk-neuron-current", i === shown);
        sum.textContent = fmt(rows[i].sum);
        relation.textContent = `${rows[i].onLine ? "=" : rows[i].output ? ">" : "<"} ${fmt(threshold)}`;
        out.replaceChildren(h("span", { class: `bk-neuron-chip${rows[i].output}`, text: rows[i].output }));
        want.textContent = wanted ? `${wanted[i]} ${right ? "✓" : "✗"}` : "";
        want.className = wanted ? (right ? "bk-neuron-right" : "bk-neuron-wrong") : "";
      });
    },
  };
}

// Why XOR and XNOR are out of reach: two of their four conditions add up to the opposite of the other two.
function drawProof() {
  const rows = INPUTS.map((x) => {
    const [wanted, needs, now, mark] = Array.from({ length: 4 }, () => h("td"));
    return { wanted, needs, now, mark, el: h("tr", {}, h("th", { scope: "row", text: `(${x.join(", ")})` }), wanted, needs, now, mark) };
  });
  const heads = ["input", "must give", "so it needs", "now"].map((text) => h("th", { scope: "col", text }));
  const middle = h("p"), outer = h("p"), left = ["0", "w₂", "w₁", "w₁ + w₂"];
  const el = h("details", { class: "bk-neuron-proof" },
    h("summary", { text: "Why not 4 of 4? Add the four conditions" }),
    h("div", { class: "bk-neuron-argument" },
      h("table", {}, h("thead", {}, h("tr", {}, heads, h("td"))), h("tbody", {}, rows.map((r) => r.el))),
      h("div", {}, middle, outer, h("p", { text: "The two sums contradict each other, whatever the numbers are. "
        + "So a threshold neuron can satisfy any three of these conditions, and never all four." }))));
  return {
    el,
    update({ threshold, target }, now) {
      el.hidden = target !== "XOR" && target !== "XNOR";
      if (el.hidden) return;
      const bits = gateOutputs(target), [silent, fires] = target === "XOR" ? ["<", "≥"] : ["≥", "<"];
      rows.forEach((row, i) => {
        const sign = i === 1 || i === 2 ? fires : silent, right = now[i].output === bits[i];
        row.wanted.textContent = bits[i];
        row.needs.textContent = `${left[i]} ${sign} θ`;
        row.now.textContent = `${fmt(now[i].sum)} ${sign} ${fmt(threshold)}`;
        row.mark.textContent = right ? "✓" : "✗";
        row.mark.className = right ? "bk-neuron-right" : "bk-neuron-wrong";
      });
      middle.textContent = `Add the second and the third: w₁ + w₂ ${fires} 2θ.`;
      outer.textContent = `Add the first and the fourth: w₁ + w₂ ${silent} 2θ.`;
    },
  };
}

function render({ model, el }) {
  const read = () => readNeuron((name) => model.get(name)), clean = read();
  if (Object.entries(clean).some(([name, v]) => model.get(name) !== v)) setAll(model, clean);
  const pick = (i) => { model.set("shown", i); model.save_changes(); };
  const neuron = drawNeuron(), plane = drawPlane(pick), table = drawTable(pick), proof = drawProof();
  const verdict = h("p", { class: "bk-neuron-verdict", role: "status" }), task = h("p", { class: "bk-neuron-task", role: "status" });
  const options = TARGETS.map((t) => [t, t === "none" ? "no target" : t]);
  const target = bind(model, "target", select, { label: "Target", options });
  const range = (limit, text) => ({ label: text, min: -limit, max: limit, step: 0.1 });
  const sliders = [bind(model, "w1", slider, range(WEIGHT_LIMIT, "w₁")), bind(model, "w2", slider, range(WEIGHT_LIMIT, "w₂")),
    bind(model, "threshold", slider, range(THRESHOLD_LIMIT, "θ"))];
  let aim = null, best = 0, tried = new Set();

  const judge = (outputs) => {
    if (aim === "none") return "Choose a target, or move the sliders and see what comes out.";
    const right = gateOutputs(aim).filter((v, i) => v === outputs[i]).length;
    best = Math.max(best, right);
    if (right === 4) return "4 of 4 rows right: target reached.";
    const most = (aim === "XOR" || aim === "XNOR") && best === 3 && tried.size >= ENOUGH_TRIES;
    return `${right} of 4 rows right, best so far ${best} of 4.${most ? " More is not possible." : ""}`;
  };
  const update = () => {
    const state = read(), rows = gateRows(state.w1, state.w2, state.threshold), outputs = rows.map((row) => row.output);
    if (state.target !== aim) { aim = state.target; best = 0; tried = new Set(); proof.el.open = false; }
    tried.add(`${state.w1} ${state.w2} ${state.threshold}`);
    for (const part of [neuron, plane, table, proof]) part.update(state, rows);
    proof.el.style.visibility = tried.size >= ENOUGH_TRIES ? "" : "hidden";      // first the trying, then the reason
    verdict.replaceChildren("This neuron computes ", h("strong", { text: gateName(outputs) }));
    task.textContent = judge(outputs);
  };

  frame(model, el, "threshold_neuron",
    h("div", { class: "bk-neuron-layout" },
      h("div", { class: "bk-neuron-head" }, verdict, h("div", { class: "bk-neuron-goal" }, target.el, task)),
      h("div", { class: "bk-neuron-plane" }, plane.el), h("div", { class: "bk-neuron-controls" }, sliders.map((c) => c.el)),
      h("div", { class: "bk-neuron-cell" }, neuron.el), h("div", { class: "bk-neuron-truth" }, table.el)),
    proof.el, toolbar(model, { presets: PRESETS, onreset: () => { aim = null; update(); } }));
  for (const name of Object.keys(clean)) model.on(`change:${name}`, update);
  update();
  return () => {
    for (const name of Object.keys(clean)) model.off(`change:${name}`, update);
    for (const control of [target, ...sliders]) control.off();
  };
}

export default { render };
