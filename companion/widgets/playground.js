// A multilayer perceptron that trains while you watch: its field, its units' fields, its losses and its gradients.
// This file holds the experiment (setting, data, training) and the page's controls; mlp_engine.js computes and
// playground_canvas.js paints.
import { animation, bind, button, clamp, fmt, frame, h, onTheme, select, setAll, slider, status, toolbar, uid } from "./controls.js";
import { accuracy, backward, createBatches, createNetwork, createOptimizer, createWorkspace, forward, gradientNorms, initialize, loadRows, meanLoss, mulberry32, normal, trainStep } from "./mlp_engine.js";
import { NETWORK_HEIGHT, SIZES, makeAtlas, makeGrid, paintField, paintLoss, paintNetwork, paintNorms, paintPoints, placeUnits, readInks, shortNumber } from "./playground_canvas.js";

const OWN = "own", OWN_LIMIT = 3.5, MOST_OWN = 150, MOST_LAYERS = 4, MOST_UNITS = 8, MOST_SEED = 9999;

const ACTIVATION = [["tanh", "tanh"], ["sigmoid", "sigmoid"], ["relu", "ReLU"], ["linear", "linear"]];
const OPTIMIZER = [["sgd", "SGD"], ["momentum", "SGD + momentum"], ["adam", "Adam"]];
const INIT = [["zeros", "all zero"], ["small_normal", "N(0, 0.01²)"], ["large_normal", "N(0, 2²)"], ["xavier_normal", "Xavier"], ["kaiming_normal", "He"]];
const SPEED = [["step", "one step a frame"], ["epoch", "one epoch a frame"], ["fast", "as fast as it goes"]];
const LR = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
const BATCH = [1, 2, 4, 8, 16, 32, 64, 128, 0];               // 0 takes all
const L2 = [0, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1];
const NOISE = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1];
const DATA_NAMES = { circles: "circles", xor: "XOR", two_spirals: "two spirals", gaussians: "two Gaussians", two_moons: "two moons", own: "own points" };

const names = (options) => options.map(([value]) => value);
const textOf = (options, value) => options.find(([v]) => v === value)[1];
const dataName = (name) => DATA_NAMES[name] ?? name.replaceAll("_", " ");

// ---- the setting: what a link or a notebook asks for, made safe --------------------------------------------------

export function readSetting(model) {
  const defaults = model.get("defaults"), get = (key) => model.get(key);
  const oneOf = (key, choices) => (choices.includes(get(key)) ? get(key) : defaults[key]);
  const within = (key, low, high) => (Number.isFinite(get(key)) ? clamp(get(key), low, high) : defaults[key]);
  return {
    data: oneOf("data", [...Object.keys(get("datasets")), OWN]),
    hidden: readWidths(get("hidden")) ?? defaults.hidden,
    activation: oneOf("activation", names(ACTIVATION)),
    optimizer: oneOf("optimizer", names(OPTIMIZER)),
    lr: within("lr", 1e-5, 10),
    batch_size: Math.round(within("batch_size", 0, 1000)),
    l2: within("l2", 0, 1),
    init: oneOf("init", names(INIT)),
    noise: within("noise", 0, 1),
    points: readPoints(get("points")),
    seed: Math.round(within("seed", 0, MOST_SEED)),
  };
}

function readWidths(list) {
  if (!Array.isArray(list) || !list.length || !list.every(Number.isFinite)) return undefined;
  return list.slice(0, MOST_LAYERS).map((width) => clamp(Math.round(width), 1, MOST_UNITS));
}

// Flat x₁, x₂, class, …: whole triples of numbers, to hundredths, inside the square.
function readPoints(list) {
  const flat = [], values = Array.isArray(list) ? list : [];
  for (let i = 0; i + 2 < values.length && flat.length < 3 * MOST_OWN; i += 3) {
    if (!values.slice(i, i + 3).every(Number.isFinite)) continue;
    const [x1, x2] = [values[i], values[i + 1]].map((v) => Math.round(100 * clamp(v, -OWN_LIMIT, OWN_LIMIT)) / 100);
    flat.push(x1, x2, values[i + 2] === 1 ? 1 : 0);
  }
  return flat;
}

// ---- the data ---------------------------------------------------------------------------------------------------

// Every second point of each class is held out, in the order given; `all` trains on every point.
export function split(points, labels, all = false) {
  const parts = { train: { X: [], y: [] }, held: { X: [], y: [] } }, seen = [0, 0];
  labels.forEach((label, i) => {
    const part = !all && seen[label]++ % 2 === 1 ? parts.held : parts.train;
    part.X.push(points[2 * i], points[2 * i + 1]);
    part.y.push(label);
  });
  for (const part of Object.values(parts)) for (const key of ["X", "y"]) part[key] = Float64Array.from(part[key]);
  return parts;
}

// The points of the setting with their noise, in two parts, and half the width of the square that shows them.
export function readData(model, { data, points, noise }) {
  const own = data === OWN, uniform = mulberry32(1);
  const clean = own ? points.filter((_, i) => i % 3 < 2) : model.get("datasets")[data].points;
  const labels = own ? points.filter((_, i) => i % 3 === 2) : model.get("datasets")[data].labels;
  const noisy = clean.map((v) => v + noise * normal(uniform));
  const farthest = noisy.reduce((most, v) => Math.max(most, Math.abs(v)), 0.1);
  return { ...split(noisy, labels, own), range: own ? OWN_LIMIT : 1.08 * farthest };
}

// ---- one training run -------------------------------------------------------------------------------------------

const MOST_HISTORY = 512;

// Losses over the steps; when full, every second entry goes, so that a long run keeps its shape.
function makeHistory() {
  const columns = { step: new Float64Array(MOST_HISTORY), train: new Float64Array(MOST_HISTORY), held: new Float64Array(MOST_HISTORY) };
  return {
    ...columns,
    count: 0,
    add(step, train, held) {
      if (this.count && columns.step[this.count - 1] === step) this.count -= 1;
      if (this.count === MOST_HISTORY) this.halve();
      columns.step[this.count] = step;
      columns.train[this.count] = train;
      columns.held[this.count++] = held;
    },
    halve() {
      this.count /= 2;
      for (const column of Object.values(columns)) for (let i = 0; i < this.count; i++) column[i] = column[2 * i];
    },
  };
}

// The same setting and seed give the same run, step for step.
export function startRun(setting, data) {
  const network = createNetwork([2, ...setting.hidden, 1], setting.activation);
  initialize(network, setting.init, mulberry32(setting.seed));
  const run = { network, step: 0, epoch: 0, history: makeHistory(), norms: new Float64Array(network.layers.length) };
  run.uniform = mulberry32(setting.seed + MOST_SEED + 1);      // the order of the batches has a stream of its own
  useOptimizer(run, setting);
  useData(run, setting, data);
  return run;
}

export function useOptimizer(run, setting) {
  run.optimizer = createOptimizer(setting.optimizer, run.network.params.length);
}

export function useData(run, setting, data) {
  const count = data.train.y.length, rows = Math.max(count, data.held.y.length);
  run.data = data;
  run.work = createWorkspace(run.network, rows);
  run.inOrder = Int32Array.from({ length: rows }, (_, i) => i);
  run.next = createBatches(count, setting.batch_size, run.uniform);
  measure(run);
}

// `tune` holds lr and l2, which may change while it runs.
export function advance(run, tune) {
  const batch = run.next();
  if (batch.start === 0) run.epoch += 1;
  trainStep(run.network, run.work, run.optimizer, run.data.train, batch, tune);
  run.step += 1;
}

// Losses without the penalty and the gradient norms over the whole training half, where the network stands now.
export function measure(run) {
  const { network, work, data: { train, held }, history } = run;
  [run.heldLoss, run.heldRight] = assess(run, held);
  [run.trainLoss, run.trainRight] = assess(run, train);
  if (train.y.length) {
    backward(network, work, train.y.length, 0);
    gradientNorms(network, run.norms);
    history.add(run.step, run.trainLoss, run.heldLoss);
  } else run.norms.fill(NaN);
}

function assess({ network, work, inOrder }, part) {
  const count = part.y.length;
  if (!count) return [NaN, NaN];
  loadRows(work, part, inOrder, 0, count);
  const logits = forward(network, work, count);
  return [meanLoss(logits, work.y, count), accuracy(logits, work.y, count)];
}

// ---- pieces of the page -----------------------------------------------------------------------------------------

// A slider over listed values for bind(): a value between two of them is shown as it is.
function scale({ label, values, format = shortNumber, value, oninput }) {
  const nearest = (v) => values.reduce((best, u, i) => (Math.abs(u - v) < Math.abs(values[best] - v) ? i : best), 0);
  const made = slider({ label, min: 0, max: values.length - 1, step: 1, value: nearest(value), format: (i) => format(values[i]), oninput: (i) => oninput(values[i]) });
  const set = (v) => {
    made.set(nearest(v));
    made.el.querySelector("output").value = format(v);
    made.input.setAttribute("aria-valuetext", format(v));
  };
  set(value);
  return { ...made, set };
}

const later = (control) => { control.el.dataset.after = "Step"; return control; };    // what it does shows after a step

function makeControls(model) {
  const sets = [...Object.keys(model.get("datasets")), OWN].map((name) => [name, dataName(name)]);
  const all = [
    bind(model, "data", select, { label: "Data", options: sets }),
    bind(model, "noise", scale, { label: "Added noise", values: NOISE }),
    bind(model, "activation", select, { label: "Activation", options: ACTIVATION }),
    bind(model, "init", select, { label: "First weights", options: INIT }),
    later(bind(model, "optimizer", select, { label: "Optimizer", options: OPTIMIZER })),
    later(bind(model, "lr", scale, { label: "Learning rate", values: LR, format: (v) => String(v) })),
    later(bind(model, "batch_size", scale, { label: "Batch size", values: BATCH, format: (v) => (v ? String(v) : "all") })),
    later(bind(model, "l2", scale, { label: "L2 penalty λ", values: L2, format: (v) => String(v) })),
  ];
  return { el: h("div", { class: "bk-playground-controls" }, all.map((c) => c.el)), off: () => all.forEach((c) => c.off()) };
}

const title = (text, ...more) => h("p", { class: "bk-playground-title" }, h("strong", { text }), ...more);
const drawing = (name) => h("canvas", { class: `bk-playground-${name}`, role: "img" });
const key = (name, text) => h("span", { class: `bk-playground-key bk-playground-key-${name}`, text });

// Steps, losses and shares of right answers. Read by whoever looks at it; it does not announce itself.
function makeReadout() {
  const cells = {};
  const item = (name, label) => { cells[name] = h("dd", { text: "–" }); return h("div", {}, h("dt", { text: label }), cells[name]); };
  const el = h("dl", { class: "bk-playground-readout" }, item("step", "step"), item("epoch", "epoch"), item("seed", "seed"),
    item("train", "training loss"), item("trainRight", "training right"), item("held", "held-out loss"), item("heldRight", "held-out right"));
  const percent = (v) => (Number.isFinite(v) ? `${Math.round(100 * v)} %` : "–"), loss = (v) => (Number.isFinite(v) ? v.toFixed(4) : "–");
  return {
    el,
    update(run, seed) {
      const texts = { step: run.step, epoch: run.epoch, seed, train: loss(run.trainLoss), trainRight: percent(run.trainRight), held: loss(run.heldLoss), heldRight: percent(run.heldRight) };
      for (const [name, text] of Object.entries(texts)) cells[name].textContent = text;
    },
  };
}

// The network: a menu for each hidden layer, a canvas, and on it one radio button per unit, of which one is in the
// tab order; arrow keys go to its neighbours. `choose` and `peek` take { layer, unit }; peek(null) ends a look.
function makeNetwork(model, choose, peek) {
  const canvas = drawing("network"), norms = drawing("norms");
  const menus = makeWidths(model), units = makeUnits(choose, peek);
  const stage = h("div", { class: "bk-playground-stage" }, canvas, units.el);
  stage.style.height = `${NETWORK_HEIGHT}px`;
  return {
    canvas, norms,
    el: h("div", { class: "bk-playground-net" }, menus.el, stage,
      h("p", { class: "bk-playground-small", text: "Weights as lines: blue > 0, orange < 0." }),
      title("Gradient norms", h("span", { class: "bk-playground-small", text: "‖∂ℒ/∂W‖ of each layer" })), norms),
    focus: units.focus,
    // Menus and buttons for this network; the buttons lie where the canvas draws the units.
    arrange({ network }, shown) {
      menus.set(network.sizes.slice(1, -1));
      units.arrange(network, shown, canvas.clientWidth);
    },
  };
}

// Units of up to four hidden layers; a menu at "–" leaves its layer out.
function makeWidths(model) {
  const counts = Array.from({ length: MOST_UNITS }, (_, i) => i + 1);
  const change = () => setAll(model, { hidden: menus.map((menu) => +menu.value).filter((width) => width > 0) });
  const menus = Array.from({ length: MOST_LAYERS }, (_, l) => h("select", { "aria-label": `Units in hidden layer ${l + 1}`, onchange: change },
    l > 0 ? h("option", { value: 0, text: "–" }) : null, counts.map((n) => h("option", { value: n, text: n }))));
  return {
    el: h("div", { role: "group", "aria-label": "Hidden layers" }, title("Hidden layers", h("span", { class: "bk-playground-small", text: "units in each" })),
      h("div", { class: "bk-playground-widths" }, menus)),
    set: (hidden) => menus.forEach((menu, l) => { menu.value = hidden[l] ?? 0; }),
  };
}

// Radio buttons for the inputs, four hidden layers and the output, made once; those without a unit stay hidden.
function makeUnits(choose, peek) {
  const rows = [2, ...Array(MOST_LAYERS).fill(MOST_UNITS), 1].map((count) => Array.from({ length: count }, makeOne)), all = rows.flat();
  const rowOf = (layer) => (layer === sizes.length - 1 ? rows.at(-1) : rows[layer]);
  let sizes = [2, 1, 1];
  function makeOne() {
    const node = h("div", { class: "bk-playground-unit", role: "radio", onclick: () => choose(node.at), onkeydown: (e) => walk(e, node.at),
      onpointerenter: (e) => { if (e.pointerType === "mouse") peek(node.at); }, onpointerleave: () => peek(null) });
    return node;
  }
  function walk(event, { layer, unit }) {
    const [across, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], " ": [0, 0] }[event.key] ?? [];
    if (across === undefined) return;
    event.preventDefault();
    const to = clamp(layer + across, 0, sizes.length - 1);
    choose({ layer: to, unit: clamp(unit + down, 0, sizes[to] - 1) });
  }
  return {
    el: h("div", { role: "radiogroup", "aria-label": "Unit whose field is shown" }, all),
    focus: () => all.find((node) => node.tabIndex === 0 && !node.hidden).focus(),
    arrange(network, shown, width) {
      const place = placeUnits(network, width);
      sizes = network.sizes;
      for (const node of all) node.hidden = true;
      sizes.forEach((count, layer) => rowOf(layer).slice(0, count).forEach((node, unit) => {
        const chosen = layer === shown.layer && unit === shown.unit;
        node.at = { layer, unit };
        node.hidden = false;
        node.tabIndex = chosen ? 0 : -1;
        node.setAttribute("aria-checked", chosen);
        node.setAttribute("aria-label", unitName(sizes, node.at));
        Object.assign(node.style, { left: `${place.x[layer]}px`, top: `${place.y(layer, unit)}px`, width: `${place.tile}px`, height: `${place.tile}px` });
      }));
    },
  };
}

function unitName(sizes, { layer, unit }) {
  if (layer === 0) return `Input x${"₁₂"[unit]}`;
  return layer === sizes.length - 1 ? "Network output" : `Hidden layer ${layer}, unit ${unit + 1}`;
}

const signed = (v) => `${v < 0 ? "−" : "+"} ${shortNumber(Math.abs(v))}`;

// What the chosen unit computes, in a line; in full where it fits.
function unitFormula({ params, layers, activation }, { layer, unit }) {
  if (layer === 0) return "";
  const { fanIn, weight, bias } = layers[layer - 1], row = weight + unit * fanIn, b = params[bias + unit];
  const last = layer === layers.length, phi = { tanh: "tanh", sigmoid: "σ", relu: "ReLU", linear: "" }[last ? "sigmoid" : activation];
  const first = `${params[row] < 0 ? "−" : ""}${shortNumber(Math.abs(params[row]))}`;
  const z = layer === 1 ? `${first} x₁ ${signed(params[row + 1])} x₂ ${signed(b)}` : `z), bias ${b < 0 ? "−" : ""}${shortNumber(Math.abs(b))}`;
  return `${last ? "ŷ" : "a"} = ${phi}(${z}${layer === 1 ? ")" : ""}`;
}

// The field with the points on it, and, for the reader's own points, the tools that change them.
// edit: { add(x1, x2, label), remove(x1, x2), clear(), say(text) }.
function makeField(edit) {
  const back = drawing("back"), front = drawing("front"), name = h("strong", {}), formula = h("span", { class: "bk-playground-small" });
  for (const canvas of [back, front]) { canvas.removeAttribute("role"); canvas.setAttribute("aria-hidden", "true"); }
  const box = h("div", { class: "bk-playground-field" }, back, front), hint = uid("hint");
  let mode = 1, own = false, range = 1, cursor = null, repaint = () => {};
  const modes = [[1, "class 1"], [0, "class 0"], [-1, "delete"]].map(([value, text]) =>
    button(text, () => { mode = value; showMode(); }, { class: `bk-button bk-playground-mode${value < 0 ? "" : ` bk-playground-key-class${value}`}`, "data-mode": value }));
  const showMode = () => modes.forEach((b) => b.setAttribute("aria-pressed", +b.dataset.mode === mode));
  const act = (x, deleting) => { if (deleting) edit.remove(...x); else edit.add(...x, mode); };
  box.addEventListener("click", (e) => {
    if (!own) return;
    const r = box.getBoundingClientRect();
    act([((e.clientX - r.left) / r.width * 2 - 1) * range, (1 - (e.clientY - r.top) / r.height * 2) * range], mode < 0);
  });
  box.addEventListener("keydown", (e) => {
    if (!own) return;
    const by = e.shiftKey ? 0.05 : 0.25, move = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, by], ArrowDown: [0, -by] }[e.key];
    if (move) { cursor = (cursor ?? [0, 0]).map((v, i) => clamp(v + move[i], -range, range)); edit.say(`Cursor at ${cursor.map((v) => fmt(v)).join(", ")}`); repaint(); }
    else if (e.key === "Enter" || e.key === " ") act(cursor ?? [0, 0], mode < 0);
    else if (e.key === "Delete" || e.key === "Backspace") act(cursor ?? [0, 0], true);
    else return;
    e.preventDefault();
  });
  box.addEventListener("focus", () => { if (own && box.matches(":focus-visible")) { cursor ??= [0, 0]; repaint(); } });
  box.addEventListener("blur", () => { cursor = null; repaint(); });
  const tools = h("div", { class: "bk-playground-tools", role: "group", "aria-label": "What a click on the field adds" }, modes, button("Clear", edit.clear));
  const help = h("p", { class: "bk-playground-small", id: hint, text: "Click, or move with the arrow keys and press Enter; Delete takes a point away." });
  const legend = h("p", { class: "bk-playground-legend" }, key("class0", "class 0"), key("class1", "class 1"), key("held", "held out"));
  showMode();
  return {
    back, front, tools, help, legend,
    el: h("div", { class: "bk-playground-out" }, h("p", { class: "bk-playground-title" }, name, formula), box, legend, tools, help),
    get cursor() { return cursor; },
    onRepaint(f) { repaint = f; },
    // Own points turn the picture into something to work in.
    use(data, isOwn) {
      own = isOwn;
      range = data.range;
      if (!own) cursor = null;
      for (const node of [tools, help]) node.hidden = !own;
      legend.hidden = own;
      box.classList.toggle("bk-playground-editable", own);
      if (own) { box.tabIndex = 0; box.setAttribute("role", "application"); box.setAttribute("aria-describedby", hint); }
      else { box.removeAttribute("tabindex"); box.removeAttribute("aria-describedby"); box.setAttribute("role", "img"); }
    },
    caption(text, detail, label) {
      name.textContent = text;
      formula.textContent = detail;
      box.setAttribute("aria-label", label);
    },
  };
}

// ---- the figure -------------------------------------------------------------------------------------------------

const HINT = "Press Run. Every square is the field of a unit, its value over the plane: choose one to see it large.";
const WORK = 7, ANNOUNCE = 10000;                             // ms of training per frame at most; ms between news

// How many grid points a moving field gets: fewer when painting takes long or frames come late, more when there is
// time to spare. A field that stands still always gets the most.
function makePace() {
  let level = 1, cost = 3, late = 16, frames = 0;
  return {
    get size() { return SIZES[level]; },
    note(painting, sinceLast) {
      cost += 0.1 * (painting - cost);
      late += 0.1 * (Math.min(100, sinceLast) - late);
      if (++frames < 20) return;
      const up = cost < 2.5 && late < 18 && level + 1 < SIZES.length, down = (cost > 6 || late > 22) && level > 0;
      if (up || down) { level += up ? 1 : -1; frames = 0; }
    },
  };
}

function render({ model, el }) {
  let setting = readSetting(model), data, run, inks, shown = null, peeked = null, speed = "epoch", told = 0;
  setAll(model, setting);                                      // what a link got wrong is put right for all to see
  const grids = new Map(), atlas = makeAtlas(), pace = makePace();
  const news = status(), readout = makeReadout(), controls = makeControls(model), loss = drawing("loss");
  const say = (text) => { news.textContent = text; };

  const network = makeNetwork(model,
    (at) => { shown = at.layer === run.network.layers.length ? null : at; network.arrange(run, chosen()); paint(); network.focus(); },
    (at) => { if (at === peeked) return; peeked = at; paint(); });
  const field = makeField({ add: addPoint, remove: removePoint, clear: () => sendPoints([]), say });
  field.onRepaint(() => paintPoints(field.front, data, field.cursor, inks));

  // -- painting --
  const chosen = () => shown ?? { layer: run.network.layers.length, unit: 0 };     // the output, unless a unit is chosen
  const grid = () => {
    const size = motion.running ? pace.size : SIZES.at(-1);
    if (!grids.has(size)) grids.set(size, makeGrid(run.network, size, data.range));
    return grids.get(size);
  };
  function paint() {
    const at = peeked ?? chosen(), g = grid(), sizes = run.network.sizes, name = unitName(sizes, at);
    g.update();
    paintField(field.back, run.network, g, at, inks);
    paintNetwork(network.canvas, run.network, g, atlas, at, inks);
    paintNorms(network.norms, run.network, run.norms, inks);
    paintLoss(loss, run.history, inks);
    readout.update(run, setting.seed);
    field.caption(name, unitFormula(run.network, at), `${name} over the plane of x₁ and x₂, with ${run.data.train.y.length} training and ${run.data.held.y.length} held-out points of the data “${dataName(setting.data)}”.`);
    restartButton.disabled = run.step === 0;
  }
  // What changes with the setting, not with every step.
  function describe() {
    const shape = run.network.sizes.join("–");
    network.canvas.setAttribute("aria-label", `Network ${shape}, ${textOf(ACTIVATION, setting.activation)}: lines are weights, blue positive, orange negative; each square is a unit's field.`);
    network.norms.setAttribute("aria-label", "Bars on a logarithmic scale: gradient norm of each weight matrix, from the inputs to the output.");
    loss.setAttribute("aria-label", "Curves of the training loss and the held-out loss over the steps; the numbers stand above.");
    field.use(data, setting.data === OWN);
    network.arrange(run, chosen());
    paintPoints(field.front, data, field.cursor, inks);
    paint();
  }

  // -- training --
  function restart() {
    data = readData(model, setting);
    run = startRun(setting, data);
    grids.clear();
    if (shown && !(shown.unit < run.network.sizes.slice(0, -1)[shown.layer])) shown = null;
    peeked = null;
    describe();
  }
  function takeSteps() {
    const start = performance.now(), epoch = run.epoch;
    do advance(run, setting);
    while (speed !== "step" && performance.now() - start < WORK && (speed === "fast" || run.epoch === epoch));
  }
  function show() {
    measure(run);
    paint();
    if (Number.isFinite(run.trainLoss) || !run.data.train.y.length) return;
    halt();
    say(`The loss is no longer a finite number at step ${run.step}: the steps were too large. Take a smaller learning rate and restart.`);
  }
  const result = () => {
    const held = run.data.held.y.length ? `, held-out loss ${run.heldLoss.toFixed(3)}, ${Math.round(100 * run.heldRight)} % of the held-out points right` : `, ${Math.round(100 * run.trainRight)} % of the points right`;
    return `step ${run.step}: training loss ${run.trainLoss.toFixed(3)}${held}.`;
  };
  const motion = animation(el, (dt) => {
    takeSteps();
    const start = performance.now();
    show();
    const now = performance.now();
    pace.note(now - start, dt);
    if (now - told > ANNOUNCE && motion.running) { told = now; say(`Training, ${result()}`); }
  });
  const canTrain = () => { if (run.data.train.y.length) return true; say("There are no points yet: click on the field to place some."); return false; };
  function halt() {
    if (!motion.running) return;
    motion.stop();
    runButton.textContent = "Run";
    paint();
  }
  const runButton = button("Run", () => {
    if (motion.running) { halt(); say(`Paused at ${result()}`); return; }
    if (!canTrain()) return;
    runButton.textContent = "Pause";
    told = performance.now();
    say("Training.");
    motion.start();
  }, { class: "bk-button bk-primary bk-playground-run" });
  const stepButton = button("Step", () => {
    halt();
    if (!canTrain()) return;
    advance(run, setting);
    show();
    if (Number.isFinite(run.trainLoss)) say(`One step: ${result()}`);
  });
  const restartButton = button("Restart", () => { halt(); restart(); say("Back to the first weights of the same seed."); });
  const seedButton = button("New seed", () => { setAll(model, { seed: (setting.seed + 1) % (MOST_SEED + 1) }); say(`Seed ${setting.seed}: other first weights, another order of the batches.`); });
  const speedMenu = select({ label: "Speed", options: SPEED, value: speed, onchange: (v) => { speed = v; } });

  // -- the reader's own points; training goes on with the weights it has --
  function sendPoints(flat) { setAll(model, { points: flat }); }
  function addPoint(x1, x2, label) {
    if (setting.points.length >= 3 * MOST_OWN) { say(`${MOST_OWN} points are the most; delete one first.`); return; }
    sendPoints(readPoints([...setting.points, x1, x2, label]));
    say(`Point of class ${label} at ${fmt(x1)}, ${fmt(x2)}.`);
  }
  function removePoint(x1, x2) {
    const { X, y } = data.train;
    let best = -1, nearest = 0.4 ** 2;
    for (let i = 0; i < y.length; i++) {
      const far = (X[2 * i] - x1) ** 2 + (X[2 * i + 1] - x2) ** 2;
      if (far < nearest) { nearest = far; best = i; }
    }
    if (best < 0) { say("No point lies here."); return; }
    sendPoints(setting.points.filter((_, k) => Math.floor(k / 3) !== best));
    say(`Point of class ${y[best]} deleted.`);
  }

  // -- changes, from the controls, a preset, a link or a notebook; several at once are answered once --
  let waiting = false;
  function onChange() {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; if (!gone) answer(readSetting(model)); });
  }
  function answer(next) {
    const differs = (...traits) => traits.some((trait) => JSON.stringify(next[trait]) !== JSON.stringify(setting[trait]));
    const fresh = differs("data", "noise", "hidden", "activation", "init", "seed");
    const pointsMoved = differs("points") && next.data === OWN, other = differs("optimizer"), batches = differs("batch_size");
    setting = next;
    if (fresh) restart();
    else if (pointsMoved || batches) {
      data = readData(model, setting);
      useData(run, setting, data);
      if (!data.train.y.length) halt();
      describe();
    }
    if (other && !fresh) useOptimizer(run, setting);
  }
  let gone = false;
  const watched = Object.keys(setting).map((trait) => `change:${trait}`);
  for (const event of watched) model.on(event, onChange);

  const onreset = () => { halt(); speed = "epoch"; speedMenu.set(speed); setting = readSetting(model); restart(); say(HINT); };
  frame(model, el, "playground",
    toolbar(model, { presets: model.get("presets"), onreset }),
    h("div", { class: "bk-playground-bar" }, runButton, stepButton, restartButton, seedButton, speedMenu.el),
    readout.el,
    h("div", { class: "bk-playground-layout" },
      controls.el, network.el,
      h("div", { class: "bk-playground-side" }, field.el,
        h("div", { class: "bk-playground-losses" }, title("Loss", h("span", { class: "bk-playground-legend" }, key("train", "training"), key("heldloss", "held out"))), loss))),
    news);
  inks = readInks(el);
  restart();
  say(HINT);

  const offTheme = onTheme(() => { inks = readInks(el); describe(); });
  const resized = new ResizeObserver(() => describe());
  for (const canvas of [network.canvas, field.back, loss]) resized.observe(canvas);
  return () => {
    gone = true;
    motion.destroy();
    resized.disconnect();
    offTheme();
    controls.off();
    for (const event of watched) model.off(event, onChange);
  };
}

export default { render };
