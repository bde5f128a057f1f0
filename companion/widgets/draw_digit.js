// Draw a digit: a drawing becomes the input of LeNet-5 by the way of the data set, and the network reads it at once.
// This file holds the paper, the bars and the pointing; digit_input.js reduces a drawing, lenet_engine.js computes,
// draw_digit_canvas.js paints.
import { button, clamp, frame, h, onTheme, s, select, setAll, slider, status, toolbar, uid } from "./controls.js";
import { COUNTS, MOST_LINES, MOST_POINTS, decodeDrawing, encodeDrawing, enlarge, simplify, toBitmap, toCounts } from "./digit_input.js";
import { createLenet, forward, readHalves } from "./lenet_engine.js";
import { LAST, SHOWN, arrange, explain, isFlat, originHeight, paintLayers, paintOrigin, readInks, short, valueAt } from "./draw_digit_canvas.js";

const OWN = -1, STEP = 1 / 32;
const HINT = "Draw a digit on the paper, then point at any value of the network.";

// ---- the state: what a link or a notebook says, made fit to be drawn -------------------------------------------------

const whole = (v, lo, hi, plain) => (Number.isFinite(v) ? clamp(Math.round(v), lo, hi) : plain);

export function readDigit(get) {
  const drawing = decodeDrawing(get("drawing")).length ? get("drawing") : "", found = SHOWN.findIndex(({ name }) => name === get("layer"));
  const layer = SHOWN[found < 0 ? LAST : found], place = (name) => whole(get(name), 0, layer.side - 1, 0);
  return {
    drawing, example: drawing ? OWN : whole(get("example"), OWN, get("labels").length - 1, OWN), layer: layer.name,
    unit: whole(get("unit"), 0, layer.maps - 1, 0), row: place("row"), column: place("column"),
  };
}
const toPlace = ({ layer, unit, row, column }) => ({ layer: SHOWN.findIndex(({ name }) => name === layer), unit, row, column });

// ---- words ----------------------------------------------------------------------------------------------------------

const percent = (p) => `${short(100 * p, p < 0.0995 || p > 0.9945 ? 1 : 0)} %`;
const about = (p) => (p >= 0.9995 ? "> 99.9 %" : p < 0.0005 ? "< 0.1 %" : percent(p));      // a softmax is never 0 or 1

function nameOf(at) {
  const { name, maps } = SHOWN[at.layer];
  if (isFlat(at.layer)) return name === "output" ? `output, digit ${at.unit}` : `${name}, unit ${at.unit + 1}`;
  return `${name}${maps > 1 ? `, map ${at.unit + 1}` : ""}, row ${at.row + 1}, column ${at.column + 1}`;
}

const signed = (v) => `${v < 0 ? "−" : "+"} ${short(Math.abs(v))}`;

// The product sum in a line.
function formulaOf(net, origin, at) {
  const { kind, parts, value, z, bias } = origin;
  if (kind === "count") return `${value} of the 16 pixels of this block are inked.`;
  if (kind === "pool") return `${net.pool === "max" ? "The largest" : "The mean"} of the four values is ${short(value, 3)}.`;
  if (kind === "enlarge") return `The four nearest counts, each over 16, weighted by how near they are: ${short(value, 3)}.`;
  const sums = parts.map(({ sum }, i) => (i ? signed(sum) : short(sum))).join(" ");
  const total = `z = ${sums} ${signed(bias)} (bias) = ${short(z)}`;
  if (SHOWN[at.layer].name === "output") return `${total}: the logit of ${at.unit}; softmax makes it ${percent(net.probabilities[at.unit])}.`;
  return `${total}, and ${net.activation === "relu" ? "max(0, z)" : "tanh z"} = ${short(value, 3)}.`;
}

function sourceOf({ kind, parts, size, flat }, at) {
  const below = at.layer ? SHOWN[at.layer - 1].name : "the bitmap";
  if (kind === "count") return "one block of 4 × 4 pixels of the bitmap";
  if (flat) return `all ${parts[0].window.length} values of ${below}`;
  return parts.length > 1 ? `${parts.length} windows in ${below}: values · weights → sum` : `a window of ${size} × ${size} in ${below}`;
}

// ---- the paper ------------------------------------------------------------------------------------------------------

const lineShape = (line) => (line.length === 1 ? `M${100 * line[0][0]} ${100 * line[0][1]}h0` : `M${line.map(([x, y]) => `${100 * x} ${100 * y}`).join("L")}`);
const KEYS = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
  Home: [-1, -1], PageUp: [1, -1], End: [-1, 1], PageDown: [1, 1],
};

// use: { lines(), changed(), finish(line), undo(), clear(), say(text) }; paper.line is the line being drawn, or null.
function makePaper(use) {
  const ink = s("path", { class: "bk-draw-digit-ink" }), squares = s("g", { class: "bk-draw-digit-squares" });
  const hint = s("text", { class: "bk-draw-digit-hint", x: 50, y: 52, "text-anchor": "middle", text: "draw here" });
  const cursor = s("g", { class: "bk-draw-digit-pen" }, s("circle", { r: 3.2 }), s("path", { d: "M-7 0h4M3 0h4M0 -7v4M0 3v4" }));
  const grid = s("path", { class: "bk-draw-digit-guides", d: "M50 2V98M2 50H98" });
  const svg = s("svg", { viewBox: "0 0 100 100", "aria-hidden": "true" }, grid, squares, ink, hint, cursor), help = uid("paper");
  const el = h("div", { class: "bk-draw-digit-paper", tabindex: 0, role: "application", "aria-describedby": help }, svg);
  const note = h("p", { class: "bk-draw-digit-small bk-draw-digit-keys", id: help, text: "Keyboard: arrow keys move the pen, Space puts it down or lifts it, Backspace undoes a line." });
  const paper = { el, note, line: null, draw };
  let at = [0.5, 0.5], shown = false, pointer = null;

  function draw(lines, counts, label) {
    ink.setAttribute("d", lines.map(lineShape).join(""));
    squares.replaceChildren(...(counts ? Array.from(counts, (v, i) => s("rect", { x: 12.5 * (i % COUNTS), y: 12.5 * Math.floor(i / COUNTS), width: 12.6, height: 12.6, "fill-opacity": v / 16 })) : []));
    grid.style.display = counts ? "none" : "";
    hint.style.display = lines.length || counts ? "none" : "";
    cursor.setAttribute("transform", `translate(${100 * at[0]} ${100 * at[1]})`);
    cursor.style.display = shown ? "" : "none";
    cursor.classList.toggle("bk-draw-digit-down", paper.line !== null);
    el.setAttribute("aria-label", label);
  }
  const full = () => use.lines().flat().length + (paper.line?.length ?? 0) >= MOST_POINTS || use.lines().length >= MOST_LINES;
  function begin(point) {
    if (full()) { use.say("The paper is full: clear it, or undo a line."); return false; }
    paper.line = [point];
    return true;
  }
  function end() {
    if (!paper.line) return;
    const line = simplify(paper.line);
    paper.line = null;
    pointer = null;
    use.finish(line);
  }
  const pointOf = (e) => {
    const r = el.getBoundingClientRect();
    return [clamp((e.clientX - r.left) / r.width, 0, 1), clamp((e.clientY - r.top) / r.height, 0, 1)];
  };
  el.addEventListener("pointerdown", (e) => {
    if (e.button !== 0 || pointer !== null) return;
    end();
    if (!begin(pointOf(e))) return;
    pointer = e.pointerId;
    shown = false;
    el.setPointerCapture(e.pointerId);
    use.changed();
  });
  el.addEventListener("pointermove", (e) => {
    if (e.pointerId !== pointer) return;
    const events = e.getCoalescedEvents?.() ?? [];
    for (const event of events.length ? events : [e]) {
      const point = pointOf(event), last = paper.line.at(-1);
      if (Math.hypot(point[0] - last[0], point[1] - last[1]) < 0.004 || full()) continue;
      paper.line.push(point);
    }
    use.changed();
  });
  for (const type of ["pointerup", "pointercancel"]) el.addEventListener(type, (e) => { if (e.pointerId === pointer) end(); });
  el.addEventListener("keydown", (e) => {
    const move = KEYS[e.key];
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (move) {
      at = at.map((v, i) => clamp(v + STEP * move[i], STEP, 1 - STEP));
      shown = true;
      if (paper.line && !full()) paper.line.push([...at]);
      use.changed();
    } else if (e.key === " " || e.key === "Enter") {
      shown = true;
      if (paper.line) { end(); use.say("Pen lifted."); } else if (begin([...at])) { use.say("Pen down."); use.changed(); }
    } else if (e.key === "Backspace") { if (paper.line) { paper.line = null; use.changed(); } else use.undo(); }
    else if (e.key === "Delete") { paper.line = null; use.clear(); }
    else return;
    e.preventDefault();
  });
  el.addEventListener("focus", () => { if (el.matches(":focus-visible")) { shown = true; use.changed(); } });
  el.addEventListener("blur", () => { if (pointer === null) end(); shown = false; use.changed(); });
  return paper;
}

// ---- the answer: a digit in large, ten bars ---------------------------------------------------------------------------

function makeAnswer() {
  const digit = h("span", { class: "bk-draw-digit-read" }), words = h("span", { class: "bk-draw-digit-words" });
  const rows = Array.from({ length: 10 }, (_, i) => {
    const bar = h("span", { class: "bk-draw-digit-bar" }), share = h("span", { class: "bk-draw-digit-share" });
    return { bar, share, el: h("div", { class: "bk-draw-digit-row" }, h("span", { text: i }), h("span", { class: "bk-draw-digit-track" }, bar), share) };
  });
  const bars = h("div", { role: "img", class: "bk-draw-digit-bars" }, rows.map((row) => row.el));
  return {
    el: h("div", { class: "bk-draw-digit-answer" }, h("p", { class: "bk-draw-digit-verdict" }, digit, words), bars),
    update(probabilities, truth, empty) {
      const order = Array.from(probabilities, (_, i) => i).sort((a, b) => probabilities[b] - probabilities[a]), [best, next] = order;
      digit.textContent = empty ? "?" : best;
      const lines = empty ? ["an empty paper:", "only the biases speak"]
        : [`probability ${about(probabilities[best])}`, `next: ${next}, ${about(probabilities[next])}`];
      words.replaceChildren(...lines.map((text) => h("span", { text })));
      if (truth !== null) words.append(h("span", { class: truth === best ? "bk-draw-digit-right" : "bk-draw-digit-wrong", text: truth === best ? `✓ the label says ${truth}` : `✗ the label says ${truth}` }));
      rows.forEach(({ bar, share, el }, i) => {
        bar.style.width = `${(100 * probabilities[i]).toFixed(2)}%`;
        share.textContent = percent(probabilities[i]);
        el.classList.toggle("bk-draw-digit-best", i === best && !empty);
      });
      bars.setAttribute("aria-label", `Probabilities: ${order.slice(0, 3).map((i) => `${i} ${percent(probabilities[i])}`).join(", ")}, the other digits less.`);
      return empty ? "The paper is empty." : `Read as ${best} (${about(probabilities[best])}), next ${next} (${about(probabilities[next])}).`;
    },
  };
}

// ---- pointing: by controls, by pointer, by keys ------------------------------------------------------------------------

function makePicker(choose) {
  const later = (text, key) => slider({ label: text, min: 0, max: 1, step: 1, value: 0, format: (v) => String(v + 1), oninput: (v) => choose({ [key]: v }) });
  const layer = select({ label: "Layer", options: SHOWN.map(({ name }) => [name, name]), value: "counts", onchange: (name) => choose({ layer: name }) });
  const sliders = { unit: later("map", "unit"), row: later("row", "row"), column: later("column", "column") };
  const text = sliders.unit.el.querySelector("label");
  return {
    el: h("div", { class: "bk-draw-digit-picker", role: "group", "aria-label": "Value pointed at" }, layer.el, Object.values(sliders).map((made) => made.el)),
    show(state) {
      const { name, maps, side } = SHOWN[toPlace(state).layer], most = { unit: maps - 1, row: side - 1, column: side - 1 };
      layer.set(name);
      text.textContent = side > 1 ? "map" : "unit";
      for (const [key, made] of Object.entries(sliders)) {
        made.input.max = most[key];
        made.input.disabled = most[key] === 0;
        made.set(state[key]);
      }
    },
  };
}

const STAGE_HELP = "Point at a value to see where it comes from; a click keeps it. By keyboard: arrow keys move in a map, Page up and Page down change the map.";
const LEGEND = [["above", "above 0"], ["below", "below 0"], ["window", "window"], ["field", "what the value can see of the input"]];

function makeStage(use) {
  const canvas = h("canvas", { class: "bk-draw-digit-layers", tabindex: 0, role: "application" });
  const at = (e) => { const r = canvas.getBoundingClientRect(); return valueAt(use.layout(), e.clientX - r.left, e.clientY - r.top); };
  let hovered = null;                                          // finer than the whole pixels that a click tells
  const hover = (place) => { hovered = place; canvas.style.cursor = place ? "pointer" : ""; use.peek(place); };
  canvas.addEventListener("pointermove", (e) => { if (e.pointerType === "mouse") hover(at(e)); });
  canvas.addEventListener("pointerleave", () => hover(null));
  canvas.addEventListener("click", (e) => { const place = hovered ?? at(e); if (place) use.pin(place); });
  canvas.addEventListener("keydown", (e) => {
    const now = use.pinned(), { side } = SHOWN[now.layer], [across, down] = KEYS[e.key] ?? [0, 0], turn = { PageUp: -1, PageDown: 1 }[e.key] ?? 0;
    if (!KEYS[e.key] || e.key === "Home" || e.key === "End") return;
    e.preventDefault();
    if (turn) use.pin({ ...now, unit: now.unit + turn });
    else if (isFlat(now.layer)) use.pin({ ...now, unit: now.unit + across + down * use.layout().boxes[now.layer].across });
    else use.pin({ ...now, row: now.row + down, column: now.column + across });
  });
  return canvas;
}

// ---- the figure -------------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const net = createLenet(readHalves(model.get("weights")), { activation: model.get("activation"), pool: model.get("pool") });
  const examples = model.get("examples"), labels = model.get("labels"), size = COUNTS ** 2;
  const exampleOf = (i) => Uint8Array.from({ length: size }, (_, k) => Math.min(16, examples.getUint8(i * size + k)));
  let state = readDigit((name) => model.get(name)), lines = decodeDrawing(state.drawing), seen, inks, layout = arrange(600), peeked = null, gone = false, heard = "";
  setAll(model, state);                                          // what a link got wrong is put right for all to see

  const news = status(), answer = makeAnswer(), say = (text) => { news.textContent = text; };
  const paper = makePaper({
    lines: () => lines, changed: () => soon(), say,
    finish: (line) => { setAll(model, { drawing: encodeDrawing([...lines, line]), example: OWN }); },
    undo: takeBack, clear,
  });
  function takeBack() { setAll(model, { drawing: encodeDrawing(lines.slice(0, -1)), example: OWN }); }
  function clear() { paper.line = null; setAll(model, { drawing: "", example: OWN }); }
  const undo = button("Undo", takeBack);
  const wipe = button("Clear", clear);
  const example = select({
    label: "On the paper", value: OWN, options: [[OWN, "your drawing"], ...labels.map((digit, i) => [i, `held-out digit ${i + 1}: a ${digit}`])],
    onchange: (v) => { paper.line = null; setAll(model, { example: +v, drawing: "" }); },
  });
  const pin = ({ layer, ...rest }) => setAll(model, { ...readDigit((name) => ({ ...state, labels, ...rest, layer: SHOWN[layer].name })[name]) });
  const picker = makePicker((change) => {
    const next = { ...state, ...change }, flatNow = isFlat(toPlace(next).layer);
    pin(toPlace(change.layer && !flatNow ? { ...next, row: state.row || 4, column: state.column || 4 } : next));
  });
  const stage = makeStage({
    layout: () => layout, pinned: () => toPlace(state), pin,
    peek: (at) => { if (JSON.stringify(at) !== JSON.stringify(peeked)) { peeked = at; soon(); } },
  });
  const where = h("strong", {}), from = h("span", { class: "bk-draw-digit-small" }), formula = h("p", { class: "bk-draw-digit-formula" });
  const origin = h("canvas", { class: "bk-draw-digit-origin", role: "img" });

  // -- from the paper to the picture --
  function compute() {
    const drawn = paper.line ? [...lines, simplify(paper.line)] : lines, isExample = !drawn.length && state.example !== OWN;
    const bitmap = isExample ? null : toBitmap(drawn), counts = isExample ? exampleOf(state.example) : toCounts(bitmap);
    seen = { bitmap, counts, net };
    forward(net, enlarge(counts));
    const empty = !drawn.length && !isExample;
    paper.draw(drawn, isExample ? counts : null, `Paper: ${isExample ? `an example, a ${labels[state.example]}` : empty ? "empty" : `your drawing of ${drawn.length} ${drawn.length === 1 ? "line" : "lines"}`}`);
    el.classList.toggle("bk-draw-digit-empty", empty);
    heard = answer.update(net.probabilities, isExample ? labels[state.example] : null, empty);
  }
  function paint() {
    const at = peeked ?? toPlace(state), told = explain(seen, at);
    if (stage.clientWidth) {
      paintLayers(stage, layout, seen, at, inks);
      paintOrigin(origin, seen, at, inks);
    }
    where.textContent = nameOf(at);
    from.textContent = `reads ${sourceOf(told, at)}`;
    formula.textContent = formulaOf(net, told, at);
    origin.setAttribute("aria-label", `${nameOf(at)} reads ${sourceOf(told, at)}. ${formula.textContent}`);
    stage.setAttribute("aria-label", `All layers of the network, from the bitmap to the ten outputs. Pointed at: ${nameOf(at)}.`);
  }
  function show() { compute(); paint(); }
  let waiting = 0;
  function soon() { waiting ||= requestAnimationFrame(() => { waiting = 0; if (!gone) show(); }); }

  // -- changes, from the controls, a preset, a link or a notebook; several at once are answered once --
  let asked = false;
  function onChange() {
    if (asked) return;
    asked = true;
    queueMicrotask(() => { asked = false; if (!gone) follow(); });
  }
  function follow() {
    let next = readDigit((name) => model.get(name));
    const chosen = model.get("example");
    if (next.drawing && next.drawing === state.drawing && chosen !== OWN && chosen !== state.example) next = readDigit((name) => (name === "drawing" ? "" : model.get(name)));
    const redrawn = next.drawing !== state.drawing || next.example !== state.example;
    state = next;
    setAll(model, state);
    lines = decodeDrawing(state.drawing);
    controls();
    show();
    say(redrawn ? heard : `${nameOf(toPlace(state))} is ${short(explain(seen, toPlace(state)).value, 3)}.`);
  }
  function controls() {
    example.set(state.example);
    undo.hidden = lines.length === 0;
    wipe.disabled = lines.length === 0 && state.example === OWN;
    picker.show(state);
  }
  const watched = Object.keys(state).map((name) => `change:${name}`);
  for (const event of watched) model.on(event, onChange);

  const stageHelp = h("p", { class: "bk-draw-digit-small", id: uid("stage"), text: STAGE_HELP });
  stage.setAttribute("aria-describedby", stageHelp.id);
  const legend = h("p", { class: "bk-draw-digit-small bk-draw-digit-legend" }, LEGEND.map(([kind, text]) => h("span", { class: `bk-draw-digit-key-${kind}`, text })));
  frame(model, el, "draw-digit",
    toolbar(model, { presets: model.get("presets"), onreset: () => { paper.line = null; peeked = null; } }),
    h("div", { class: "bk-draw-digit-desk" },
      h("div", { class: "bk-draw-digit-left" }, paper.el, h("div", { class: "bk-draw-digit-tools" }, undo, wipe, example.el)),
      answer.el),
    paper.note, news,
    h("div", {}, stage, legend), h("div", { class: "bk-draw-digit-from" }, picker.el, h("p", { class: "bk-draw-digit-title" }, where, " ", from), origin, formula), stageHelp);
  inks = readInks(el);
  controls();
  show();
  say(HINT);

  const offTheme = onTheme(() => { inks = readInks(el); paint(); });
  const resized = new ResizeObserver(() => {
    const width = stage.clientWidth;
    if (!width) return;
    layout = arrange(width);
    stage.style.height = `${layout.height}px`;
    origin.style.height = `${originHeight(width)}px`;
    paint();
  });
  resized.observe(stage);
  return () => {
    gone = true;
    resized.disconnect();
    offTheme();
    for (const event of watched) model.off(event, onChange);
  };
}

export default { render };
