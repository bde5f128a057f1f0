// Events on a line of years: marks stacked where years are crowded, labels wherever there is room for them.
import { button, checkbox, clamp, frame, h, linear, s, setAll, slider, ticks, toolbar } from "./controls.js";

const KINDS = { idea: "Ideas", architecture: "Architectures", method: "Methods", resource: "Tools and data", winter: "Winters" };
const ONE = { idea: "idea", architecture: "architecture", method: "method", resource: "tool or data", winter: "winter" };
const RADIUS = 5.5, LANES = 11, LANE = 22, HEAD = 22, FOOT = 30, NARROWEST = 6;

// Puts items [{ x, width }], sorted by x, into lanes so that nothing overlaps: first the marks alone, then every label
// that leaves room for all marks and the labels before it, those with the fewest neighbours underneath first. A label
// is on the right of its mark, near the right edge on the left. Returns [{ lane, side }]: side 1 right, -1 left, 0 no
// label; marks for which there is no lane left overlap.
export function layout(items, width, radius = RADIUS, lanes = LANES) {
  const pack = (sides) => {
    const reach = Array(lanes).fill(-Infinity), placed = [];
    for (const [i, { x, width: w }] of items.entries()) {
      const from = x - radius - (sides[i] < 0 ? w : 0), lane = reach.findIndex((end) => end + 2 <= from);
      if (lane < 0) return null;
      reach[lane] = x + radius + (sides[i] > 0 ? w : 0);
      placed.push({ lane, side: sides[i] });
    }
    return placed;
  };
  const sides = items.map(() => 0);
  let best = pack(sides);
  if (!best) return items.map((_, i) => ({ lane: i % lanes, side: 0 }));
  const neighbours = items.map(({ x, width: w }) => items.filter((other) => Math.abs(other.x - x) <= w).length);
  for (const i of [...items.keys()].sort((p, q) => neighbours[p] - neighbours[q] || p - q)) {
    const { x, width: w } = items[i];
    sides[i] = x + radius + w <= width ? 1 : x - radius - w >= 0 ? -1 : 0;
    const placed = sides[i] && pack(sides);
    if (placed) best = placed; else sides[i] = 0;
  }
  return best;
}

// The mark of a kind, also without colour to be told apart: circle, square, triangle, diamond, band.
function mark(kind, x, y, r) {
  const attrs = { class: `bk-timeline-mark bk-timeline-kind-${kind}` };
  if (kind === "idea") return s("circle", { ...attrs, cx: x, cy: y, r });
  const corners = { architecture: [[-.9, -.9], [.9, -.9], [.9, .9], [-.9, .9]], method: [[0, -1.15], [1.15, .9], [-1.15, .9]], resource: [[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]], winter: [[-1.2, -.6], [1.2, -.6], [1.2, .6], [-1.2, .6]] }[kind];
  return s("polygon", { ...attrs, points: corners.map(([dx, dy]) => `${x + dx * r},${y + dy * r}`).join(" ") });
}

const when = (e) => (e.end ? `${e.year}–${e.end}` : `${e.year}`);
const link = (e) => (/^https:\/\//.test(e.url) ? h("a", { href: e.url, rel: "noopener", text: e.reference }) : e.reference);

function render({ model, el }) {
  const events = model.get("events"), first = events[0].year, last = Math.max(...events.map((e) => e.end ?? e.year));
  const context = document.createElement("canvas").getContext("2d");
  let hovered = null, drawn = [], size = 0;

  // What the model says, mended: a link may hold anything.
  const view = () => {
    const start = clamp(Math.round(+model.get("start")) || first, first, last - NARROWEST);
    return [start, clamp(Math.round(+model.get("end")) || last, start + NARROWEST, last)];
  };
  const shown = () => { const kinds = model.get("shown"); return Array.isArray(kinds) ? Object.keys(KINDS).filter((k) => kinds.includes(k)) : Object.keys(KINDS); };
  const visible = () => { const kinds = shown(); return events.filter((e) => kinds.includes(e.category)); };
  const selected = () => { const list = visible(); return list.find((e) => e.title === model.get("selected")) ?? list[0] ?? null; };
  const fits = (e, [a, b]) => e.year <= b && (e.end ?? e.year) >= a;

  const choose = (e) => {
    if (!e) return;
    const [a, b] = view(), state = { selected: e.title };
    if (!fits(e, [a, b])) { state.start = clamp(Math.round(e.year - (b - a) / 2), first, last - (b - a)); state.end = state.start + b - a; }
    setAll(model, state);
  };
  const step = (by) => { const list = visible(); choose(list[clamp(list.indexOf(selected()) + by, 0, list.length - 1)]); };
  const zoom = (factor) => {
    const [a, b] = view(), span = clamp(Math.round((b - a) * factor), NARROWEST, last - first), middle = selected()?.year ?? (a + b) / 2;
    const start = clamp(Math.round(middle - span / 2), first, last - span);
    setAll(model, { start, end: start + span });
  };

  const stage = h("div", { class: "bk-timeline-stage" });
  const card = h("div", { role: "status", "aria-live": "polite" });
  const walker = slider({ label: "Event", min: 0, max: 0, step: 1, value: 0, format: (v) => { const e = visible()[v]; return e ? `${e.year}` : "–"; }, oninput: (v) => choose(visible()[v]) });
  const back = button("‹", () => step(-1), { "aria-label": "Previous event" }), forth = button("›", () => step(1), { "aria-label": "Next event" });
  const closer = button("Zoom in", () => zoom(1 / 2)), wider = button("Zoom out", () => zoom(2));
  const kinds = Object.entries(KINDS).map(([kind, label]) => {
    const box = checkbox({ label, value: true, onchange: (on) => setAll(model, { shown: Object.keys(KINDS).filter((k) => (k === kind ? on : shown().includes(k))) }) });
    box.input.after(s("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" }, mark(kind, 7, 7, RADIUS)));
    return { kind, ...box };
  });

  function draw() {
    const width = stage.clientWidth, [a, b] = view(), now = hovered ?? selected();
    if (!width) return;
    const height = HEAD + LANES * LANE + FOOT, base = height - FOOT, X = linear([a, b], [14, width - 14]);
    const inside = visible().filter((e) => fits(e, [a, b]));
    context.font = `12.5px ${getComputedStyle(el).fontFamily}`;
    const points = inside.filter((e) => e.category !== "winter").map((e) => ({ e, x: X(e.year), width: 1.08 * context.measureText(e.title).width + 7 }));
    const radius = clamp((0.6 * width) / (b - a), 4, RADIUS), places = layout(points, width, radius);
    const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": `${model.get("label")} In view: ${inside.length} events from ${a} to ${b}. The slider below walks through them.` });

    const winters = inside.filter((e) => e.category === "winter");
    const centre = (e) => (X(Math.max(a, e.year)) + X(Math.min(b, e.end ?? e.year))) / 2;
    const wide = (name) => context.measureText(name).width + 8;
    const named = (name) => winters.every((e, i) => i === 0 || centre(e) - centre(winters[i - 1]) > (wide(name(e)) + wide(name(winters[i - 1]))) / 2);
    const name = [(e) => e.title, () => "winter"].find(named) ?? (() => "");
    for (const e of winters) {
      const x = X(Math.max(a, e.year));
      svg.append(s("rect", { class: `bk-timeline-span${e === now ? " bk-on" : ""}`, x, y: HEAD, width: Math.max(3, X(Math.min(b, e.end ?? e.year)) - x), height: base - HEAD }),
        s("text", { class: "bk-timeline-span-label", x: clamp(centre(e), wide(name(e)) / 2, width - wide(name(e)) / 2), y: HEAD - 7, "text-anchor": "middle", text: name(e) }));
    }
    svg.append(s("line", { class: "bk-timeline-axis", x1: 0, x2: width, y1: base, y2: base }));
    const axis = s("g", { class: "bk-axes" });
    for (const year of ticks(a, b, width / 80).filter(Number.isInteger)) axis.append(
      s("line", { x1: X(year), x2: X(year), y1: base, y2: base + 6 }),
      s("text", { x: clamp(X(year), 16, width - 16), y: base + 21, "text-anchor": "middle", text: year }));
    svg.append(axis);

    drawn = points.map(({ e, x }, i) => ({ e, x, y: base - 14 - places[i].lane * LANE, side: places[i].side }));
    const focus = drawn.find(({ e }) => e === now);
    if (focus) svg.append(s("line", { class: "bk-timeline-hair", x1: focus.x, x2: focus.x, y1: focus.y, y2: base + 6 }));
    for (const { e, x, y, side } of drawn) {
      const sign = mark(e.category, x, y, e === now ? radius + 1.5 : radius);
      if (e === now) sign.classList.add("bk-on");
      svg.append(sign);
      if (side) svg.append(s("text", { class: `bk-timeline-label${e === now ? " bk-on" : ""}`, x: x + side * (radius + 5), y: y + 4.5, "text-anchor": side > 0 ? "start" : "end", text: e.title }));
    }
    drawn.push(...winters.map((e) => ({ e, x: centre(e), y: HEAD, band: [X(e.year), X(e.end ?? e.year)] })));
    stage.replaceChildren(svg);
  }

  function tell() {
    const e = hovered ?? selected();
    card.className = `bk-timeline-card bk-timeline-kind-${e?.category ?? "winter"}`;
    card.replaceChildren(...(e ? [
      h("div", { class: "bk-timeline-when", text: `${when(e)} · ${ONE[e.category]}` }), h("div", { class: "bk-timeline-title", text: e.title }),
      h("div", { class: "bk-timeline-people", text: e.people }), h("div", { class: "bk-timeline-why", text: e.why }),
      h("div", { class: "bk-timeline-source" }, "Source: ", link(e))] : [h("div", { text: "Nothing is shown: tick a kind of event above." })]));
  }

  function update() {
    const list = visible(), at = Math.max(0, list.indexOf(selected())), [a, b] = view();
    walker.input.max = Math.max(0, list.length - 1);
    walker.set(at);
    walker.input.setAttribute("aria-valuetext", list[at] ? `${when(list[at])}, ${list[at].title}, ${at + 1} of ${list.length}` : "none");
    back.disabled = at === 0; forth.disabled = at >= list.length - 1;
    closer.disabled = b - a <= NARROWEST; wider.disabled = b - a >= last - first;
    for (const { kind, set } of kinds) set(shown().includes(kind));
    draw();
    tell();
  }

  // The event nearest to a pointer, sideways and upwards; the shade of a winter where no mark is near.
  function under(event) {
    const box = stage.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const far = (d) => (d.band ? (x >= d.band[0] && x <= d.band[1] ? 30 : Infinity) : Math.hypot(d.x - x, d.y - y));
    const near = drawn.reduce((best, d) => (far(d) < far(best) ? d : best), { x: Infinity, y: 0 });
    return far(near) <= 60 ? near.e : null;
  }
  let grip = null;
  const hover = (e) => { if (e !== hovered) { hovered = e; draw(); tell(); } };
  stage.addEventListener("pointerdown", (event) => { grip = { x: event.clientX, window: view(), moved: false }; });
  stage.addEventListener("pointermove", (event) => {
    if (grip && event.buttons) {
      const [a, b] = grip.window, shift = Math.round(((grip.x - event.clientX) / stage.clientWidth) * (b - a));
      if (Math.abs(grip.x - event.clientX) > 8) grip.moved = true;
      if (grip.moved && b - a < last - first) { const start = clamp(a + shift, first, last - (b - a)); setAll(model, { start, end: start + b - a }); }
    } else if (event.pointerType === "mouse") hover(under(event));
  });
  stage.addEventListener("pointerup", (event) => { const e = under(event); if (grip && !grip.moved && e) { hovered = null; choose(e); } grip = null; });
  stage.addEventListener("pointercancel", () => { grip = null; });
  stage.addEventListener("pointerleave", () => { grip = null; hover(null); });

  const presets = [
    { name: "The first wave", note: "From a formula for a nerve cell to the book that dampened the hopes.", state: { start: 1943, end: 1973, selected: "Perceptron" } },
    { name: "Two winters", note: "Shaded: lean years for the whole of artificial intelligence. The marks inside the shade show who went on.", state: { start: 1969, end: 1999, selected: "First AI winter" } },
    { name: "The deep decade", note: "Data, hardware and software come first; then architectures every few months.", state: { start: 2006, end: 2018, selected: "AlexNet" } },
    { name: "Only tools and data", note: "What had to exist before the ideas of the 1980s could win.", state: { shown: ["resource"], selected: "CUDA" } },
    { name: "Recent years", note: "Attention, then learning without labels.", state: { start: 2014, end: 2025, selected: "Transformer" } },
  ].filter(({ state }) => !state.selected || events.some((e) => e.title === state.selected));
  frame(model, el, "timeline",
    h("div", { class: "bk-timeline-shown", role: "group", "aria-label": "Kinds of events to show" }, kinds.map((k) => k.el)),
    stage, h("div", { class: "bk-timeline-walk" }, back, walker.el, forth), card,
    toolbar(model, { presets, extra: [closer, wider] }),
    h("details", { class: "bk-timeline-all" }, h("summary", { text: `All ${events.length} events as a list` }),
      h("ol", {}, events.map((e) => h("li", {}, h("b", { text: `${e.year}` }), h("b", { text: `${e.title}${e.end ? ` (${when(e)})` : ""}` }), `, ${e.people}. ${e.why} `, link(e), ".")))));
  const watched = ["selected", "start", "end", "shown"];
  watched.forEach((name) => model.on(`change:${name}`, update));
  const resized = new ResizeObserver(() => { if (stage.clientWidth !== size) { size = stage.clientWidth; draw(); } });
  resized.observe(stage);
  update();
  return () => { resized.disconnect(); watched.forEach((name) => model.off(`change:${name}`, update)); };
}

export default { render };
