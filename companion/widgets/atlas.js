// The atlas of architectures: a map of all models by any two numbers, one told at a time, two compared stage by stage.
import { button, checkbox, clamp, frame, h, linear, s, select, setAll, slider, status, ticks, toolbar, uid } from "./controls.js";
import { AXES, SERIES, brief, commas, compare, isLog, logTicks, placed, range, resultOf, stageName, valueOf, visible, working } from "./atlas_engine.js";

const HEIGHT = 400, TOP = 14, RIGHT = 14, BOTTOM = 46, LEFT = 54, RADIUS = 5.5;
const TRAITS = ["x", "y", "series", "families", "start", "end", "find", "a", "b", "clicks"];
const SHAPES = {                                                      // corners in units of the radius; a circle has none
  square: [[-0.88, -0.88], [0.88, -0.88], [0.88, 0.88], [-0.88, 0.88]], up: [[0, -1.15], [1.1, 0.85], [-1.1, 0.85]],
  down: [[0, 1.15], [1.1, -0.85], [-1.1, -0.85]], diamond: [[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]],
};
const LOOKS = [["circle", "grey"], ["square", "grey"], ["diamond", "amber"], ["circle", "blue"], ["up", "blue"], ["down", "green"], ["square", "green"], ["up", "orange"], ["diamond", "purple"], ["square", "purple"]];
const CONDITIONS = {
  paper: "As the authors reported: training differs from paper to paper. Hollow: several views, or pictures of another size.",
  torchvision_v1: "Hollow: not torchvision's simple recipe, or not the central 224 of 256 pixels.",
  torchvision_v2: "The same networks trained again, longer and with more augmentation. Hollow: another size of picture.",
  extra_data: "Trained on billions of other pictures first: not comparable with the rest.",
  cifar10: "Ten classes, pictures of 32 pixels: not comparable with ImageNet.",
};

function mark(index, x, y, r, extra = "") {
  const [shape, ink] = LOOKS[index % LOOKS.length], attrs = { class: `bk-atlas-mark bk-atlas-${ink}${extra}` };
  if (shape === "circle") return s("circle", { ...attrs, cx: x, cy: y, r });
  return s("polygon", { ...attrs, points: SHAPES[shape].map(([dx, dy]) => `${x + dx * r},${y + dy * r}`).join(" ") });
}

// What a link or a kernel may hold -> a state that can be drawn.
export function readAtlas(get) {
  const models = get("models"), years = models.map((m) => m.year), names = models.map((m) => m.name), known = get("all_families");
  const one = (name, list, other) => (list.includes(get(name)) ? get(name) : other);
  const axes = AXES.map(([axis]) => axis), first = Math.min(...years), last = Math.max(...years), asked = get("families");
  const whole = (v, other) => (Number.isFinite(+v) && v !== null && v !== "" ? clamp(Math.round(+v), first, last) : other);
  const start = whole(get("start"), first);
  return {
    x: one("x", axes, "macs"), y: one("y", axes, "accuracy"), series: one("series", SERIES.map(([name]) => name), "torchvision_v1"),
    families: Array.isArray(asked) ? known.filter((f) => asked.includes(f)) : known, start, end: Math.max(start, whole(get("end"), last)),
    find: typeof get("find") === "string" ? get("find").slice(0, 60) : "", a: one("a", names, names[0]), b: one("b", names, names[names.length - 1]), clicks: one("clicks", ["a", "b"], "a"),
  };
}

function render({ model, el }) {
  const models = model.get("models"), all = model.get("all_families"), chapters = model.get("chapters"), root = model.get("root");
  const years = models.map((m) => m.year), first = Math.min(...years), last = Math.max(...years);
  const find = (name) => models.find((m) => m.name === name), looks = (m) => Math.max(0, all.indexOf(m.family));
  const read = () => readAtlas((name) => model.get(name)), send = (key) => (v) => setAll(model, { [key]: v });
  let hovered = null, drawn = [], size = 0;

  const axisOf = (key, label) => select({ label, options: AXES, value: read()[key], onchange: send(key) });
  const x = axisOf("x", "Across"), y = axisOf("y", "Up");
  const series = select({ label: "Accuracy", options: SERIES, value: read().series, onchange: send("series") });
  const start = slider({ label: "From", min: first, max: last, step: 1, value: first, format: String, oninput: (v) => setAll(model, { start: v, end: Math.max(v, read().end) }) });
  const end = slider({ label: "To", min: first, max: last, step: 1, value: last, format: String, oninput: (v) => setAll(model, { end: v, start: Math.min(v, read().start) }) });
  const id = uid("find"), words = h("input", { id, type: "text", maxlength: 60, placeholder: "name, person, idea", autocomplete: "off", spellcheck: "false", oninput: () => send("find")(words.value) });
  const search = h("div", { class: "bk-select bk-atlas-find" }, h("label", { for: id, text: "Find" }), words);
  const boxes = all.map((family, i) => {
    const box = checkbox({ label: family, value: true, onchange: (on) => { const now = read().families; setAll(model, { families: all.filter((f) => (f === family ? on : now.includes(f))) }); } });
    box.input.after(s("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" }, mark(i, 7, 7, RADIUS)));
    return { family, ...box };
  });

  const byTitle = [...models].sort((p, q) => all.indexOf(p.family) - all.indexOf(q.family) || p.year - q.year || (p.title < q.title ? -1 : 1));
  const options = byTitle.map((m) => [m.name, m.title]);
  const chooseA = select({ label: "Model A", options, value: read().a, onchange: send("a") });
  const chooseB = select({ label: "Model B", options, value: read().b, onchange: send("b") });
  const clicks = select({ label: "Card and clicks", options: [["a", "model A"], ["b", "model B"]], value: "a", onchange: send("clicks") });
  const walker = slider({ label: "Walk", min: 0, max: 0, step: 1, value: 0, format: (v) => { const list = visible(models, read()); return list.length ? `${+v + 1} of ${list.length}` : "–"; },
    oninput: (v) => { const m = visible(models, read())[v]; if (m) send(read().clicks)(m.name); } });
  const swap = button("Swap A and B", () => { const now = read(); setAll(model, { a: now.b, b: now.a }); });

  const stage = h("div", { class: "bk-atlas-stage" }), news = status(), note = h("p", { class: "bk-atlas-note" });
  const card = h("div", { class: "bk-atlas-card" }), versus = h("div", { class: "bk-atlas-versus" });

  function draw() {
    const width = stage.clientWidth, state = read();
    if (!width) return;
    const base = placed(models, state), list = visible(models, state);
    const scale = (axis, pixels) => {
      const [lo, hi] = range(base, axis, state.series), log = isLog(axis);
      const f = linear(log ? [Math.log(lo), Math.log(hi)] : [lo, hi], pixels), about = Math.abs(pixels[1] - pixels[0]) / (axis === state.x ? 70 : 46);
      return { at: (v) => f(log ? Math.log(v) : v), ticks: log ? logTicks(lo, hi, about) : ticks(lo, hi, about).filter((v) => axis !== "year" || Number.isInteger(v)), text: log ? brief : String };
    };
    const X = scale(state.x, [LEFT, width - RIGHT]), Y = scale(state.y, [HEIGHT - BOTTOM, TOP]);
    const named = (axis) => AXES.find(([name]) => name === axis)[1];
    const svg = s("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "img", "aria-label": `${model.get("label")} ${list.length} models; across: ${named(state.x)}, up: ${named(state.y)}. The slider below walks through them from left to right.` });
    const axes = s("g", { class: "bk-axes" });
    for (const v of X.ticks) axes.append(s("line", { x1: X.at(v), x2: X.at(v), y1: TOP, y2: HEIGHT - BOTTOM }), s("text", { x: X.at(v), y: HEIGHT - BOTTOM + 17, "text-anchor": "middle", text: X.text(v) }));
    for (const v of Y.ticks) axes.append(s("line", { x1: LEFT, x2: width - RIGHT, y1: Y.at(v), y2: Y.at(v) }), s("text", { x: LEFT - 7, y: Y.at(v) + 4, "text-anchor": "end", text: Y.text(v) }));
    axes.append(s("text", { class: "bk-axis-label", x: (LEFT + width - RIGHT) / 2, y: HEIGHT - 8, "text-anchor": "middle", text: named(state.x) }),
      s("text", { class: "bk-axis-label", x: 12, y: (TOP + HEIGHT - BOTTOM) / 2, "text-anchor": "middle", transform: `rotate(-90 12 ${(TOP + HEIGHT - BOTTOM) / 2})`, text: named(state.y) }));
    svg.append(axes);
    drawn = list.map((m) => ({ m, x: X.at(valueOf(m, state.x, state.series)), y: Y.at(valueOf(m, state.y, state.series)) }));
    const hollow = (m) => (state.x === "accuracy" || state.y === "accuracy") && !resultOf(m, state.series).usual;
    for (const d of drawn) svg.append(mark(looks(d.m), d.x, d.y, RADIUS, hollow(d.m) ? " bk-hollow" : ""));
    const pins = [["A", find(state.a)], ["B", find(state.b)], ["", hovered]].filter(([letter, m]) => m && (letter || (m.name !== state.a && m.name !== state.b)));
    const taken = [];
    for (const [letter, m] of pins) {
      const d = drawn.find((p) => p.m === m);
      if (!d) continue;
      const text = `${letter ? `${letter}: ` : ""}${m.title}`, wide = 8.2 * text.length + 12, right = d.x + wide < width;
      let ty = d.y - 9;
      while (taken.some(([tx, other, w]) => Math.abs(other - ty) < 15 && Math.abs(tx - (right ? d.x : d.x - wide)) < Math.max(w, wide))) ty += 24;
      taken.push([right ? d.x : d.x - wide, ty, wide]);
      svg.append(s("circle", { class: `bk-atlas-ring${letter ? "" : " bk-light"}`, cx: d.x, cy: d.y, r: RADIUS + 4 }), mark(looks(m), d.x, d.y, RADIUS + 0.5, hollow(m) ? " bk-hollow" : ""),
        s("text", { class: "bk-atlas-name", x: d.x + (right ? 10 : -10), y: clamp(ty, 14, HEIGHT - BOTTOM - 4), "text-anchor": right ? "start" : "end", text }));
    }
    if (!list.length) svg.append(s("text", { x: width / 2, y: HEIGHT / 2, "text-anchor": "middle", text: "No model passes the filters." }));
    stage.replaceChildren(svg);
  }

  const apart = (d) => (d ? `largest difference of logits ${d.toExponential(0).replace("e-", "e−")} of the largest` : "the same logits to the last bit");
  const cite = (r, text) => (/^https:\/\//.test(r.url) ? h("a", { href: r.url, rel: "noopener", text }) : text);
  function tell() {
    const state = read(), m = hovered ?? find(state[state.clicks]), page = `${root}${m.chapter}.html`, title = chapters[m.chapter];
    const term = (name, value) => h("div", {}, h("dt", { text: name }), h("dd", { text: value }));
    const letter = hovered ? "" : `Model ${state.clicks.toUpperCase()} · `;
    const accuracy = m.results.map((r) => {
      const numbers = [r.top1 === null ? null : `top-1 ${r.top1.toFixed(1)} %`, r.top5 === null ? null : `top-5 ${r.top5.toFixed(1)} %`].filter(Boolean).join(", ");
      return h("li", {}, h("b", { text: numbers }), ` ${SERIES.find(([name]) => name === r.series)[1]}: ${r.conditions}. `, h("span", { class: "bk-atlas-quiet" }, cite(r, r.reference.match(/^.*?\d{4}/)?.[0] ?? r.reference)));
    });
    const check = m.check ? `Ours beside ${m.check.reference}: ${apart(m.check.logit_difference)}; speed × ${m.check.inference_ratio.toFixed(2)} in use, × ${m.check.training_ratio.toFixed(2)} in training.` : "Its reference is the count in its paper.";
    card.className = `bk-atlas-card bk-atlas-${LOOKS[looks(m) % LOOKS.length][1]}`;
    card.replaceChildren(
      h("div", { class: "bk-atlas-quiet", text: `${letter}${m.family} · ${m.year} · ${m.people}` }), h("div", { class: "bk-atlas-title", text: m.title }), h("div", { text: m.idea }),
      h("dl", {}, term("parameters", commas(working(m))), m.training_only ? term("more in training", commas(m.training_only)) : null, term("MACs", brief(m.macs)), term("activations", brief(m.activations)), term("picture", `${m.side} × ${m.side}`)),
      accuracy.length ? h("ul", {}, accuracy) : h("div", { class: "bk-atlas-quiet", text: "No accuracy that we could check." }),
      h("div", { class: "bk-atlas-quiet", text: check }),
      h("div", { class: "bk-atlas-quiet" }, "Paper: ", cite(m, m.reference), "."),
      h("div", {}, "Chapter: ", model.link && /^[\w./]+$/.test(page) ? h("a", { href: page, text: title }) : title));
  }

  function stages(m, most) {
    const cell = (what, row) => h("td", {}, h("span", { text: row[what] ? brief(row[what]) : "–" }), h("span", { class: "bk-atlas-bar", style: `width:${(100 * row[what]) / most[what]}%` }));
    return h("table", {}, h("caption", { text: m.title }),
      h("thead", {}, h("tr", {}, ["Stage", "Output", "Params", "MACs"].map((text) => h("th", { scope: "col", text })))),
      h("tbody", {}, m.stages.map((row) => h("tr", {}, h("th", { scope: "row", text: stageName(row.name) }), h("td", { text: row.name === "training only" ? "–" : row.shape.join(" × ") }), cell("parameters", row), cell("macs", row)))));
  }
  function match() {
    const { a, b } = read(), [A, B] = [find(a), find(b)];
    const rows = compare(A, B), both = [...A.stages, ...B.stages], most = Object.fromEntries(["parameters", "macs"].map((what) => [what, Math.max(1, ...both.map((row) => row[what]))]));
    versus.replaceChildren(
      h("table", { class: "bk-atlas-numbers" }, h("caption", { text: `A: ${A.title}, B: ${B.title}` }),
        h("thead", {}, h("tr", {}, h("td", {}), [["A", A], ["B", B]].map(([letter, m]) => h("th", { scope: "col" }, letter, h("span", { class: "bk-atlas-wide", text: `: ${m.title}` }))), h("th", { scope: "col", text: "B against A" }))),
        h("tbody", {}, rows.map(([what, p, q, ratio]) => h("tr", {}, h("th", { scope: "row", text: what }), h("td", { text: p }), h("td", { text: q }), h("td", { text: ratio }))))),
      h("div", { class: "bk-atlas-stages" }, stages(A, most), stages(B, most)));
  }

  function update() {
    const state = read(), list = visible(models, state), base = placed(models, state), uses = state.x === "accuracy" || state.y === "accuracy";
    x.set(state.x); y.set(state.y); series.set(state.series); start.set(state.start); end.set(state.end); chooseA.set(state.a); chooseB.set(state.b); clicks.set(state.clicks);
    if (words.value !== state.find) words.value = state.find;
    series.el.hidden = !uses;
    for (const { family, el: box, set } of boxes) { set(state.families.includes(family)); box.hidden = !base.some((m) => m.family === family); }
    const at = list.findIndex((m) => m.name === state[state.clicks]);
    walker.input.max = Math.max(0, list.length - 1);
    walker.input.disabled = list.length < 2;
    walker.set(Math.max(0, at));
    walker.input.setAttribute("aria-valuetext", at < 0 ? "none" : `${list[at].title}, ${at + 1} of ${list.length}`);
    const missing = [state.a, state.b].filter((name, i, both) => both.indexOf(name) === i && !list.some((m) => m.name === name)).map((name) => find(name).title);
    const text = `${list.length} of ${models.length} models, ${state.start} to ${state.end}.${missing.length ? ` Not on this map: ${missing.join(" and ")}.` : ""}`;
    if (news.textContent !== text) news.textContent = text;
    note.textContent = uses ? CONDITIONS[state.series] : "Counted for one picture of each model's own size.";
    hovered = null;
    draw(); tell(); match();
  }

  const under = (event, reach) => {
    const box = stage.getBoundingClientRect(), far = (d) => Math.hypot(d.x - (event.clientX - box.left), d.y - (event.clientY - box.top));
    const near = drawn.reduce((best, d) => (best === null || far(d) < far(best) ? d : best), null);
    return near && far(near) <= reach ? near.m : null;
  };
  const hover = (m) => { if (m !== hovered) { hovered = m; draw(); tell(); } };
  stage.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse") hover(under(event, 22)); });
  stage.addEventListener("pointerleave", () => hover(null));
  stage.addEventListener("click", (event) => { const m = under(event, 34); if (m) { hovered = null; send(read().clicks)(m.name); } });

  const presets = [
    { name: "Does arithmetic buy accuracy?", note: "One recipe (filled marks): more multiply-accumulates help, and less and less. VGG pays most for least.", state: {} },
    { name: "Do parameters?", note: "The same accuracies over parameters: VGG's and AlexNet's dense layers count for nothing here.", state: { x: "parameters", a: "vgg16", b: "resnet50" } },
    { name: "Arithmetic is not memory", note: "At equal multiply-accumulates the activations differ up to tenfold: depthwise networks compute little and write much.", state: { x: "macs", y: "activations", a: "resnet50", b: "efficientnet_b4" } },
    { name: "Phones", note: "Three generations of MobileNet and the smallest of the others.", state: { families: ["MobileNet", "EfficientNet", "RegNet"], series: "paper", a: "mobilenet_v1", b: "mobilenet_v3_large" } },
    { name: "The recipe counts", note: "The same networks by the newer recipe: every point moves up, and the order changes.", state: { series: "torchvision_v2", a: "resnet50", b: "regnet_y_3_2gf" } },
    { name: "Twenty-four years", note: "Parameters by year: from 2015 on nearly every year has small and large ones. Size is a choice.", state: { x: "year", y: "parameters", a: "lenet5", b: "convnext_large" } },
    { name: "A thousand layers", note: "CIFAR-10: with shortcuts depth helps up to a point; activation first moves the point.", state: { x: "parameters", series: "cifar10", a: "cifar_resnet1202", b: "cifar_preact_resnet1001" } },
  ].filter(({ state }) => [state.a, state.b].every((name) => !name || find(name)));

  const clean = read();
  if (TRAITS.some((name) => JSON.stringify(model.get(name)) !== JSON.stringify(clean[name]))) setAll(model, clean);
  frame(model, el, "atlas", h("div", { class: "bk-atlas-row" }, x.el, y.el, series.el), stage, note,
    h("div", { class: "bk-atlas-families", role: "group", "aria-label": "Families on the map" }, boxes.map((b) => b.el)),
    h("div", { class: "bk-controls" }, start.el, end.el, search, walker.el), news,
    h("div", { class: "bk-atlas-row" }, chooseA.el, chooseB.el, clicks.el, swap), card, versus, toolbar(model, { presets }));
  for (const name of TRAITS) model.on(`change:${name}`, update);
  const resized = new ResizeObserver(() => { if (stage.clientWidth !== size) { size = stage.clientWidth; draw(); } });
  resized.observe(stage);
  update();
  return () => { resized.disconnect(); for (const name of TRAITS) model.off(`change:${name}`, update); };
}

export default { render };
