// Place points of two classes, train a perceptron on them, and count its mistakes against Novikoff's bound.
import { animation, axes, bind, button, clamp, fmt, frame, h, pointIn, s, select, setAll, slider, status, toolbar, uid } from "./controls.js";
import { arrowPath, halfplane, novikoff, readPoints, scoreOf, startRun, stepRun, weightsOf, writePoints } from "./perceptron_engine.js";

const LIMIT = 3, MOST_POINTS = 60, MOST_PASSES = 1000, SHOWN_PASSES = 40;
const SPEEDS = [1, 2, 5, 10, 30, 100, 300, 1000], EASY_TO_FOLLOW = 10;       // examples per second
const MODES = [["1", "class 1"], ["0", "class 0"], ["move", "move"], ["delete", "delete"]];
const MARKS = { 0: "M-6.5 -6.5H6.5V6.5H-6.5Z", 1: "M-7.5 0A7.5 7.5 0 1 1 7.5 0A7.5 7.5 0 1 1 -7.5 0Z" };
const HINT = "Click to place points, drag to move them; hollow ones are on the wrong side. Keys on a point: arrows move it, "
  + "Enter turns its class, Delete removes it, Page Up and Page Down go to the next.";

const place = (node, attrs) => { for (const [name, value] of Object.entries(attrs)) node.setAttribute(name, value); };
const whole = (bound) => Math.floor(bound * (1 + 1e-12));                    // mistakes are counted in whole numbers
const where = ([x1, x2]) => `(${fmt(x1 / 100)}, ${fmt(x2 / 100)})`;

// What a link or a kernel may hold -> a setting that can be trained.
export function readTrainer(get) {
  return {
    points: readPoints(get("points"), LIMIT, MOST_POINTS),
    lr: Number.isFinite(get("lr")) ? clamp(get("lr"), 0.1, 2) : 1,
    order: get("order") === "shuffled" ? "shuffled" : "listed",
    speed: SPEEDS.includes(get("speed")) ? get("speed") : 10,
  };
}

// The plane with points and line. edit: what the reader does, { click(x), down(i, event), key(i, event), focus(i) }.
function drawPlane(edit, hint) {
  const { svg, layer, X, Y } = axes({ label: "", width: 380, height: 380, margin: [8, 8, 42, 42],
    x: [-LIMIT, LIMIT], y: [-LIMIT, LIMIT], xlabel: "x₁", ylabel: "x₂" });
  const one = s("polygon", { class: "bk-trainer-field1" }), zero = s("polygon", { class: "bk-trainer-field0" });
  const line = s("line", { class: "bk-trainer-line" }), before = s("line", { class: "bk-trainer-before" });
  const arrow = s("path", { class: "bk-trainer-arrow" }), ring = s("circle", { r: 13, class: "bk-trainer-ring" });
  const name = s("text", { class: "bk-trainer-arrow-name", "text-anchor": "middle", text: "w" }), marks = s("g", {});
  layer.append(zero, one, before, line, arrow, name, ring, marks);
  place(svg, { role: "group" });                                             // it holds controls: no image
  const shape = (polygon) => polygon.map(([a, b]) => `${X(a)},${Y(b)}`).join(" ");
  const at = ([x1, x2]) => `translate(${X(x1 / 100)} ${Y(x2 / 100)})`;
  const show = (node, yes) => { node.style.display = yes ? "" : "none"; };
  const locate = (event) => {
    const [u, v] = pointIn(svg, event);
    return [X.invert(u), Y.invert(v)].map((x) => Math.round(100 * clamp(x, -LIMIT, LIMIT)));
  };
  const stretch = (node, [p, q]) => {
    show(node, q);
    if (q) place(node, { x1: X(p[0]), y1: Y(p[1]), x2: X(q[0]), y2: Y(q[1]) });
  };
  svg.addEventListener("click", (event) => { if (!event.target.closest(".bk-trainer-point")) edit.click(locate(event)); });

  function addMark(i) {
    marks.append(s("g", { role: "slider", "aria-roledescription": "movable point", "aria-describedby": hint,
      "aria-valuemin": -LIMIT, "aria-valuemax": LIMIT,
      onpointerdown: (event) => edit.down(i, event), onkeydown: (event) => edit.key(i, event), onfocus: () => edit.focus(i),
    }, s("circle", { r: 17, class: "bk-trainer-grip" }), s("path", {})));
  }
  return {
    el: svg, locate,
    focus: (i) => marks.children[i]?.focus(),
    points(points, current) {
      while (marks.children.length > points.length) marks.lastChild.remove();
      while (marks.children.length < points.length) addMark(marks.children.length);
      points.forEach((p, i) => {
        const mark = marks.children[i];
        place(mark, { transform: at(p), tabindex: i === current ? 0 : -1, "aria-valuenow": p[0] / 100,
          "aria-label": `Point ${i + 1} of ${points.length}, class ${p[2]}`,
          "aria-valuetext": `x₁ ${fmt(p[0] / 100)}, x₂ ${fmt(p[1] / 100)}` });
        place(mark.lastChild, { d: MARKS[p[2]] });
      });
    },
    unit(run, lr, follow) {
      const { inside, outside, line: ends } = halfplane(...run.v, -LIMIT, LIMIT), moved = follow && run.last?.error;
      place(one, { points: shape(inside) });
      place(zero, { points: shape(outside) });
      stretch(line, ends);
      stretch(before, moved ? halfplane(...run.last.before, -LIMIT, LIMIT).line : []);
      show(arrow, ends.length);
      show(name, ends.length);
      if (ends.length) {
        const norm = Math.hypot(run.v[0], run.v[1]), length = clamp(lr * norm / 100, 0.35, 1.5) * (X(1) - X(0));
        const u = run.v[0] / norm, v = -run.v[1] / norm;
        const x = X((ends[0][0] + ends[1][0]) / 2), y = Y((ends[0][1] + ends[1][1]) / 2);
        place(arrow, { d: arrowPath(x, y, x + length * u, y + length * v) });
        place(name, { x: x + (length + 11) * u, y: y + (length + 11) * v + 4 });
      }
      const shown = follow && run.last && !run.converged;
      show(ring, shown);
      if (shown) place(ring, { transform: at(run.points[run.last.index]) });
      const wrong = run.points.map((p) => +(scoreOf(run.v, p) >= 0) !== p[2]);
      wrong.forEach((yes, i) => place(marks.children[i], {
        class: `bk-trainer-point bk-trainer-class${run.points[i][2]}${yes ? " bk-trainer-wrong" : ""}` }));
      place(svg, { "aria-label": `Plane of the inputs with ${wrong.length} movable points`
        + `${ends.length ? " and the line where the score is 0" : ""}; ${wrong.filter(Boolean).length} on the wrong side.` });
    },
  };
}

function drawChart() {
  const el = h("div", { class: "bk-trainer-chart" });
  let drawn = null;
  return {
    el,
    update(perPass) {
      const first = Math.max(0, perPass.length - SHOWN_PASSES), shown = perPass.slice(first), now = `${first}: ${shown}`;
      if (now === drawn) return;
      drawn = now;
      const { svg, layer, X, Y } = axes({
        label: `Mistakes in each pass${shown.length ? `, the latest ones: ${shown.slice(-12).join(", ")}` : ": none yet"}.`,
        width: 340, height: 170, margin: [8, 6, 40, 42], xlabel: "pass", ylabel: "mistakes",
        x: [first + 0.4, Math.max(8, perPass.length) + 0.6], y: [0, Math.max(5, ...shown) * 1.08] });
      const bar = (m, i) => `M${X(first + i + 0.62)} ${Y(0)}V${Y(m) - (m ? 0 : 1.5)}H${X(first + i + 1.38)}V${Y(0)}Z`;
      layer.append(s("path", { class: "bk-trainer-bars", d: shown.map(bar).join("") }));
      el.replaceChildren(svg);
    },
  };
}

function drawCounts() {
  const item = (name) => {
    const value = h("div", { class: "bk-trainer-value" }), more = h("div", { class: "bk-trainer-more" });
    return { el: h("div", {}, h("div", { class: "bk-trainer-name", text: name }), value, more), set(v, m) { value.textContent = v; more.textContent = m; } };
  };
  const mistakes = item("mistakes so far"), bound = item("Novikoff’s bound (R/γ)²"), pass = item("pass"), weights = item("weights w and b");
  const fill = h("div", { class: "bk-trainer-fill" });
  const meter = h("div", { class: "bk-trainer-meter", role: "meter", "aria-label": "Mistakes against the bound", "aria-valuemin": 0 }, fill);
  return {
    el: h("div", {}, h("div", { class: "bk-trainer-counts" }, mistakes.el, bound.el), meter,
      h("div", { class: "bk-trainer-counts" }, pass.el, weights.el)),
    update(run, { separable, bound: most, radius, margin }, lr) {
      const [w1, w2, b] = weightsOf(run, lr), n = run.points.length, begun = run.perPass.length;
      mistakes.set(run.mistakes, begun ? `${run.perPass.at(-1)} in this pass` : "");
      if (separable) bound.set(fmt(most, 1), `R = ${fmt(radius)}, γ = ${fmt(margin, 3)}`);
      else bound.set(n ? "none" : "–", n ? "not separable" : "no points");
      pass.set(Math.max(1, begun), n ? `example ${begun ? run.at || n : 0} of ${n}` : "");
      weights.set(`(${fmt(w1)}, ${fmt(w2)})`, `b = ${fmt(b)}`);
      fill.style.width = `${separable ? 100 * run.mistakes / most : 0}%`;
      meter.classList.toggle("bk-trainer-open", !separable);
      place(meter, { "aria-valuemax": separable ? whole(most) : 1, "aria-valuenow": separable ? run.mistakes : 0,
        "aria-valuetext": separable ? `${run.mistakes} of at most ${whole(most)}` : "there is no bound" });
    },
  };
}

function tellStep(run, lr) {
  if (!run.last) return "";
  const { index, score, predicted, error } = run.last, p = run.points[index], sign = error > 0 ? "+" : "−";
  const seen = `Point ${index + 1} at ${where(p)}, class ${p[2]}: score ${fmt(lr * score / 1e4)}, so ŷ\u00a0=\u00a0${predicted}.`;
  return error ? `${seen} Wrong: w ${sign}= ${fmt(lr)} · ${where(p)}, b ${sign}= ${fmt(lr)}.` : `${seen} Right: nothing changes.`;
}

function tellState(run, info) {
  const passes = `${run.passes} ${run.passes === 1 ? "pass" : "passes"}`;
  if (!run.points.length) return "No points yet. Choose a class and click on the plane.";
  if (run.converged) return `Pass ${run.passes} made no mistake: the line separates the classes. Mistakes in all: ${run.mistakes}; the bound allows ${whole(info.bound)}.`;
  if (run.cycle) return `The weights after pass ${run.cycle.to} are those after pass ${run.cycle.from}: the state repeats, it will cycle for ever.`;
  if (run.passes >= MOST_PASSES) return `Stopped after ${passes}. ${info.separable ? "An end will come, but later." : "No line separates the classes."}`;
  if (!info.separable && run.passes) return `No line separates the classes: ${passes} so far, and none without a mistake.`;
  if (!info.separable) return "No line separates these classes, so there is no bound on the mistakes.";
  if (run.last) return "A line separates the classes, so the mistakes must come to an end.";
  return "All weights are zero: every score is 0, and the perceptron answers 1 everywhere.";
}

function render({ model, el }) {
  const read = () => readTrainer((name) => model.get(name)), clean = read(), flat = writePoints(clean.points);
  const same = (name) => model.get(name) === clean[name];
  if (String(flat) !== String(model.get("points")) || !["lr", "order", "speed"].every(same)) setAll(model, { ...clean, points: flat });

  let { points, lr, order, speed } = clean, run = startRun(points, order), info = novikoff(points);
  let mode = "1", current = 0, due = 0;
  const state = status(), story = h("p", { class: "bk-trainer-story", "aria-live": "polite" }), hint = uid("hint");
  const counts = drawCounts(), chart = drawChart();

  // --- training ---
  const draw = () => {
    const follow = !motion.running || speed <= EASY_TO_FOLLOW, news = tellState(run, info);
    plane.unit(run, lr, follow);
    counts.update(run, info, lr);
    chart.update(run.perPass);
    if (state.textContent !== news) state.textContent = news;                // said aloud only when it changes
    story.textContent = follow ? tellStep(run, lr) : "";
  };
  const halt = () => { motion.stop(); runButton.textContent = "Run"; place(story, { "aria-live": "polite" }); };
  const restart = () => {
    run = startRun(points, order);
    info = novikoff(points);
    if (!points.length) halt();
    plane.points(points, current);
    draw();
  };
  const advance = () => { stepRun(run); if (run.converged || run.passes >= MOST_PASSES) halt(); };
  const motion = animation(el, (dt) => {
    due += Math.min(dt, 100) / 1000 * speed;
    for (; due >= 1 && motion.running; due--) advance();
    draw();
  });

  // --- editing: every change of the data starts training afresh ---
  const change = (next) => { points = next; current = clamp(current, 0, Math.max(0, points.length - 1)); restart(); };
  const commit = () => { model.set("points", writePoints(points)); model.save_changes(); };
  const edited = (next) => { change(next); commit(); };
  const swap = (i, p) => points.map((old, k) => (k === i ? p : old));
  const moved = (i, x) => swap(i, [...x.map((v) => clamp(v, -100 * LIMIT, 100 * LIMIT)), points[i][2]]);
  const remove = (i) => edited(points.filter((_, k) => k !== i));
  const add = (x, y) => {
    if (points.length >= MOST_POINTS) { state.textContent = `${MOST_POINTS} points are the most; delete one first.`; return; }
    current = points.length;
    edited([...points, [...x, y]]);
  };
  const plane = drawPlane({
    click: (x) => { if (mode === "0" || mode === "1") add(x, +mode); },
    focus: (i) => { if (i !== current) { current = i; plane.points(points, current); } },
    down: (i, event) => {
      if (mode === "delete") { event.preventDefault(); remove(i); return; }
      const grip = event.currentTarget, away = new AbortController(), listen = (name, f) => grip.addEventListener(name, f, { signal: away.signal });
      grip.setPointerCapture(event.pointerId);
      listen("pointermove", (e) => change(moved(i, plane.locate(e))));
      for (const end of ["pointerup", "pointercancel"]) listen(end, () => { away.abort(); commit(); });
    },
    key: (i, event) => {
      const by = event.shiftKey ? 1 : 10, [x1, x2, y] = points[i], n = points.length;
      const shift = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, by], ArrowDown: [0, -by] }[event.key];
      if (shift) edited(moved(i, [x1 + shift[0], x2 + shift[1]]));
      else if (event.key === "PageDown") plane.focus((i + 1) % n);
      else if (event.key === "PageUp") plane.focus((i + n - 1) % n);
      else if (event.key === "Enter" || event.key === " ") edited(swap(i, [x1, x2, 1 - y]));
      else if (event.key === "Delete" || event.key === "Backspace") { remove(i); if (n > 1) plane.focus(current); else addButton.focus(); }
      else return;
      event.preventDefault();
    },
  }, hint);
  place(plane.el, { "data-mode": mode });

  // --- controls ---
  const group = uid("mode"), modes = MODES.map(([name, text]) => h("label", { class: `bk-button bk-trainer-mode bk-trainer-mode-${name}` },
    h("input", { type: "radio", name: group, checked: name === mode, onchange: () => { mode = name; place(plane.el, { "data-mode": name }); } }), text));
  const addButton = button("Add at the centre", () => {
    let x = 0;
    while (points.some((p) => p[0] === x && p[1] === 0) && x < 100 * LIMIT) x += 30;
    add([x, 0], mode === "0" ? 0 : 1);
    plane.focus(current);
  });
  const runButton = button("Run", () => {
    if (motion.running) { halt(); draw(); return; }
    if (!points.length) return;
    if (run.converged || run.passes >= MOST_PASSES) restart();
    due = 1;
    runButton.textContent = "Pause";
    place(story, { "aria-live": "off" });                                    // nobody wants ten sentences a second
    motion.start();
  }, { class: "bk-button bk-primary bk-trainer-run" });
  const stepButton = button("Step", () => { halt(); advance(); draw(); });
  const restartButton = button("Restart", () => { halt(); restart(); });
  const clearButton = button("Clear points", () => edited([]));
  const pace = slider({ label: "speed", min: 0, max: SPEEDS.length - 1, step: 1, value: SPEEDS.indexOf(speed),
    format: (i) => `${SPEEDS[i]}/s`, oninput: (i) => { model.set("speed", SPEEDS[i]); model.save_changes(); } });
  const rate = bind(model, "lr", slider, { label: "learning rate η", min: 0.1, max: 2, step: 0.1 });
  rate.el.dataset.after = "Step";                                            // before it all weights are zero
  const sequence = bind(model, "order", select, { label: "order", options: [["listed", "as listed"], ["shuffled", "shuffled each pass"]] });

  frame(model, el, "perceptron_trainer",
    h("div", { class: "bk-trainer-layout" },
      h("div", { class: "bk-trainer-data" }, plane.el,
        h("div", { class: "bk-trainer-modes", role: "radiogroup", "aria-label": "What a click on the plane does: add a point, move or delete" }, modes),
        h("div", { class: "bk-trainer-row" }, addButton), h("p", { class: "bk-trainer-hint", id: hint, text: HINT })),
      h("div", { class: "bk-trainer-training" },
        h("div", { class: "bk-trainer-row" }, runButton, stepButton, restartButton), pace.el,
        h("div", { class: "bk-trainer-news" }, state, story), counts.el, chart.el)),
    h("div", { class: "bk-controls" }, rate.el, sequence.el),
    toolbar(model, { presets: model.get("presets"), extra: [clearButton],
      onreset: () => { halt(); current = 0; restart(); } }));
  restart();

  const watched = {
    points: () => { const next = read().points; if (String(next) !== String(points)) change(next); },
    order: () => { order = read().order; restart(); },
    speed: () => { speed = read().speed; pace.set(SPEEDS.indexOf(speed)); },
    lr: () => {
      lr = read().lr;
      draw();
      if (run.last) story.textContent = "From zero weights η only scales w and b: the line stays, and so do the mistakes.";
    },
  };
  for (const [name, f] of Object.entries(watched)) model.on(`change:${name}`, f);
  return () => {
    motion.destroy();
    for (const [name, f] of Object.entries(watched)) model.off(`change:${name}`, f);
    rate.off();
    sequence.off();
  };
}

export default { render };
