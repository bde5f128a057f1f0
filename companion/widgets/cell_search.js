// Stored searches for a cell: its graph with one strand per operation, the table of shares, and the scores so far.
import { animation, axes, bind, button, clamp, fmt, frame, h, s, select, setAll, slider, status, toolbar } from "./controls.js";

const PAUSE = 260;                                       // milliseconds between two steps of "Play"
const NODES = [[30, 140], [130, 140], [230, 140], [330, 140]];
// Height of the control point of an edge over (negative) or under its nodes; the curve goes half as far.
const BEND = { "0 2": -150, "1 3": 100, "0 3": -250 };
const COLOURS = { none: "grey", skip: "orange", conv_3x3: "blue", avg_pool_3x3: "purple", conv_1x1: "green" };
const SHORT = { none: "none", skip: "skip", conv_3x3: "conv 3×3", conv_1x1: "conv 1×1", avg_pool_3x3: "pool 3×3" };
const SPARE = ["green", "blue", "orange", "purple", "amber"];

export const shortName = (name) => (Object.hasOwn(SHORT, name) ? SHORT[name] : String(name));
const percent = (v) => `${fmt(100 * v, 1)} %`;

// Highest score among the first t + 1, and the step where it was first reached.
export function bestUntil(scores, t) {
  let at = 0;
  for (let i = 1; i <= t; i++) if (scores[i] > scores[at]) at = i;
  return { score: scores[at], at };
}

// The edges on which two cells differ.
export const changedEdges = (a, b) => a.map((_, i) => i).filter((i) => a[i] !== b[i]);

// Strand k of n of an edge: its path as SVG, side by side with the others, and where the edge's name belongs.
export function strand([from, to], k, n) {
  const [x1, y1] = NODES[from], [x2, y2] = NODES[to], off = (k - (n - 1) / 2) * 6;
  const bend = (BEND[`${from} ${to}`] ?? 0);
  return { d: `M${x1} ${y1 + off * 0.4}Q${(x1 + x2) / 2} ${y1 + bend + off * 2} ${x2} ${y2 + off * 0.4}`, middle: [(x1 + x2) / 2, y1 + (bend / 2 || -25)] };
}

// The state in the model made safe: it may come from the address of the page.
function read(model) {
  const searches = model.get("searches");
  const search = searches.find((one) => one.name === model.get("run")) ?? searches[0];
  return { search, step: clamp(Math.round(+model.get("step")) || 0, 0, search.scores.length - 1) };
}

function drawGraph(edges, operations, colours) {
  const strands = edges.map((edge) => operations.map((_, k) =>
    s("path", { class: `bk-cells-strand bk-${colours[k]}`, d: strand(edge, k, operations.length).d, fill: "none" })));
  const names = edges.map((edge) => {
    const [x, y] = strand(edge, 0, 1).middle, text = s("text", { x, y: y + 4.5, "text-anchor": "middle" });
    const back = s("rect", { y: y - 10, height: 20, rx: 5 });
    return { el: s("g", { class: "bk-cells-name" }, back, text), back, text, x };
  });
  const nodes = NODES.map(([x, y], i) => s("g", { class: "bk-cells-node" }, s("circle", { cx: x, cy: y, r: 15 }),
    s("text", { x, y: y + 4.5, "text-anchor": "middle", text: i })));
  const svg = s("svg", { viewBox: "0 0 360 204", role: "img", class: "bk-cells-graph" }, strands.flat(), nodes, names.map((n) => n.el));
  return {
    el: svg,
    update(search, step) {
      const n = operations.length, cell = search.cells[step], parent = search.parents[step] ?? -1;
      const changed = parent >= 0 ? changedEdges(cell, search.cells[parent]) : [];
      edges.forEach((_, e) => {
        operations.forEach((_, k) => {
          const share = search.shares[(step * edges.length + e) * n + k] / 1000;
          strands[e][k].style.strokeWidth = `${(0.4 + 7 * share).toFixed(2)}px`;
          strands[e][k].classList.toggle("bk-chosen", cell[e] === k);
        });
        const { el, text, back, x } = names[e], label = shortName(operations[cell[e]]), width = 7.2 * label.length + 12;
        text.textContent = label;
        back.setAttribute("x", x - width / 2);
        back.setAttribute("width", width);
        el.setAttribute("class", `bk-cells-name bk-${colours[cell[e]]}${changed.includes(e) ? " bk-changed" : ""}`);
      });
      const says = edges.map(([a, b], e) => `${a} to ${b} ${shortName(operations[cell[e]])}`).join(", ");
      svg.setAttribute("aria-label", `The cell as a graph of four nodes, 0 its input, 3 its output. Edges: ${says}.`);
    },
  };
}

function drawTable(edges, operations, colours) {
  const cells = edges.map(() => operations.map((_, k) => {
    const bar = h("span", { class: `bk-cells-bar bk-${colours[k]}` }), text = h("span");
    return { bar, text, el: h("td", {}, bar, text) };
  }));
  const caption = h("caption");
  const rows = edges.map(([a, b], e) => h("tr", {}, h("th", { scope: "row", text: `${a} → ${b}` }), cells[e].map((c) => c.el)));
  const heads = operations.map((name, k) => h("th", { scope: "col" }, h("span", { class: `bk-cells-swatch bk-${colours[k]}` }), shortName(name)));
  return {
    el: h("table", { class: "bk-cells-table" }, caption, h("thead", {}, h("tr", {}, h("th", { scope: "col", text: "edge" }), heads)), h("tbody", {}, rows)),
    update(search, step) {
      caption.textContent = search.says;
      edges.forEach((_, e) => operations.forEach((_, k) => {
        const thousandths = search.shares[(step * edges.length + e) * operations.length + k], { bar, text, el } = cells[e][k];
        bar.style.width = `${thousandths / 10}%`;
        text.textContent = `${Math.round(thousandths / 10)} %`;
        el.classList.toggle("bk-chosen", search.cells[step][e] === k);
      }));
    },
  };
}

// Scores over steps, drawn anew for another search, and moved along for another step.
function drawScores() {
  const box = h("div", { class: "bk-cells-scores" });
  let shown = null, dots = [], line = null, mark = null, plot = null;
  function build(search) {
    const { scores, reference, unit } = search, last = Math.max(1, scores.length - 1);
    const floor = Math.max(0, Math.floor(10 * Math.min(...scores.filter((v) => v > 0.3), ...reference, 0.8)) / 10);
    const top = Math.min(1, Math.ceil(20 * Math.max(...scores, ...reference)) / 20);
    plot = axes({ label: "", width: 420, height: 250, x: [0, last], y: [100 * floor, 100 * top], xlabel: unit, ylabel: "accuracy, %" });
    const Y = (v) => plot.Y(100 * clamp(v, floor, top));
    if (reference.length) plot.layer.append(s("path", { class: "bk-cells-reference", fill: "none", d: reference.map((v, i) => `${i ? "L" : "M"}${plot.X(i)} ${Y(v)}`).join("") }));
    line = s("path", { class: "bk-cells-best", fill: "none" });
    mark = s("circle", { class: "bk-cells-mark", r: 6.5 });
    dots = scores.map((v, i) => s("circle", { class: "bk-cells-dot", cx: plot.X(i), cy: Y(v), r: 2.6 }));
    plot.layer.append(line, ...dots, mark);
    plot.place = Y;
    box.replaceChildren(plot.svg);
  }
  return {
    el: box,
    update(search, step) {
      if (shown !== search) { shown = search; build(search); }
      const { scores, unit, parents } = search;
      let best = scores[0], path = `M${plot.X(0)} ${plot.place(best)}`;
      for (let i = 1; i <= step; i++) {
        path += `H${plot.X(i)}`;
        if (scores[i] > best) path += `V${plot.place(best = scores[i])}`;
      }
      line.setAttribute("d", unit === "evaluation" ? path : "");
      dots.forEach((dot, i) => dot.setAttribute("class", `bk-cells-dot${i > step ? " bk-later" : ""}${i === (parents[step] ?? -1) ? " bk-parent" : ""}`));
      mark.setAttribute("cx", plot.X(step));
      mark.setAttribute("cy", plot.place(scores[step]));
      const reference = search.reference.length ? ` Grey line: ${search.reference_name}.` : "";
      plot.svg.setAttribute("aria-label", `Accuracy of the cell at each ${unit} up to ${step}; now ${percent(scores[step])}, best so far ${percent(bestUntil(scores, step).score)}.${reference}`);
    },
  };
}

// What a step did, in a sentence or two.
function tell(search, step, edges, operations) {
  const { unit, scores, cells, parents } = search, best = bestUntil(scores, step), last = scores.length - 1;
  const counts = operations.map((name, k) => [cells[step].filter((v) => v === k).length, shortName(name)]).filter(([n]) => n);
  const made = counts.map(([n, name]) => `${n} × ${name}`).join(", ");
  if (unit !== "evaluation") return `After ${unit} ${step} of ${last} the table stands for a cell of ${made}. Trained on its own it reaches ${percent(scores[step])}; the best cell on the way: ${percent(best.score)}, at ${unit} ${best.at}.`;
  const parent = parents[step] ?? -1, from = parent >= 0 ? changedEdges(cells[step], cells[parent]).map((e) =>
    `${shortName(operations[cells[parent][e]])} became ${shortName(operations[cells[step][e]])} on edge ${edges[e][0]} → ${edges[e][1]}`).join(", ") : "";
  const origin = parent >= 0 ? `a child of evaluation ${parent} (${percent(scores[parent])}): ${from}` : "a cell drawn at random";
  return `Evaluation ${step} of ${last}: ${origin}. It reaches ${percent(scores[step])}; best so far ${percent(best.score)}.`;
}

function render({ model, el }) {
  const edges = model.get("edges"), operations = model.get("operations");
  const colours = operations.map((name, k) => (Object.hasOwn(COLOURS, name) ? COLOURS[name] : SPARE[k]));
  const start = read(model);
  if (model.get("run") !== start.search.name || model.get("step") !== start.step) setAll(model, { run: start.search.name, step: start.step });
  const graph = drawGraph(edges, operations, colours), table = drawTable(edges, operations, colours), scores = drawScores(), words = status();
  const key = h("ul", { class: "bk-cells-key" });
  const picker = bind(model, "run", select, { label: "Search", options: model.get("searches").map((one) => [one.name, one.name]) });
  const go = (step) => { model.set("step", clamp(step, 0, read(model).search.scores.length - 1)); model.save_changes(); };
  const scrub = slider({ label: "Step", min: 0, max: 1, step: 1, value: 0, format: (v) => `${v}`, oninput: (v) => { player.stop(); go(v); } });
  const back = button("Back", () => { player.stop(); go(read(model).step - 1); });
  const next = button("Step", () => { player.stop(); go(read(model).step + 1); });
  const ended = () => { const { search, step } = read(model); return step >= search.scores.length - 1; };
  let waited = 0;
  const player = animation(el, (dt) => {
    waited += dt;
    if (waited < PAUSE) return;
    waited = 0;
    if (!ended()) go(read(model).step + 1);
    if (ended()) { player.stop(); update(); }
  });
  const play = button("Play", () => {
    if (player.running) player.stop();
    else { if (ended()) go(0); waited = PAUSE; player.start(); }
    update();
  }, { class: "bk-button bk-primary" });

  const update = () => {
    const { search, step } = read(model);
    scrub.input.max = search.scores.length - 1;
    scrub.set(step);
    for (const part of [graph, table, scores]) part.update(search, step);
    words.textContent = tell(search, step, edges, operations);
    back.disabled = step === 0;
    next.disabled = ended();
    play.textContent = player.running ? "Pause" : "Play";
    const items = search.unit === "evaluation" ? [["dot", "a cell that was tried"], ["line", "best so far"]] : [["dot", "the cell of the table, trained on its own"]];
    if (search.reference.length) items.push(["grey", search.reference_name]);
    key.replaceChildren(...items.map(([kind, text]) => h("li", { class: `bk-cells-${kind}-key`, text })));
  };

  frame(model, el, "cell_search",
    h("div", { class: "bk-cells-controls" }, picker.el, scrub.el, h("div", { class: "bk-cells-buttons" }, back, next, play)),
    h("div", { class: "bk-cells-main" }, h("div", { class: "bk-cells-side" }, graph.el, table.el), h("div", { class: "bk-cells-side" }, scores.el, key, words)),
    toolbar(model, { presets: model.get("presets").map(({ name, note, run, step }) => ({ name, note, state: { run, step } })), onreset: () => { player.stop(); update(); } }));
  model.on("change:run", update);
  model.on("change:step", update);
  update();
  return () => { player.destroy(); picker.off(); model.off("change:run", update); model.off("change:step", update); };
}

export default { render };
