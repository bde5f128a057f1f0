// A path from one network to another: the block at each stop with what is new in it, and the cost of every stop.
import { bind, button, clamp, fmt, frame, h, s, select, setAll, slider, toolbar } from "./controls.js";

const BLOCK = 372, CHART = 250, SHORT = 24, TALL = 40;
const NAMES = { macs: "multiply-accumulates", parameters: "parameters" };

export const big = (n) => (n >= 1e9 ? `${(n / 1e9).toFixed(2)} G` : n >= 1e6 ? `${(n / 1e6).toFixed(1)} M` : String(n).replace(/\B(?=(\d{3})+$)/g, ","));
const same = (a, b) => a.kind === b.kind && a.text === b.text && a.channels === b.channels;

// Which items of `now` are new against `before`: those outside the longest common sequence.
export function fresh(before, now) {
  const longest = Array.from({ length: before.length + 1 }, () => new Array(now.length + 1).fill(0));
  for (let i = before.length - 1; i >= 0; i--) for (let j = now.length - 1; j >= 0; j--)
    longest[i][j] = same(before[i], now[j]) ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1]);
  const marks = new Array(now.length).fill(true);
  for (let i = 0, j = 0; i < before.length && j < now.length;) {
    if (same(before[i], now[j])) { marks[j] = false; i++; j++; }
    else if (longest[i + 1][j] >= longest[i][j + 1]) i++;
    else j++;
  }
  return marks;
}

// What a link or a kernel may hold -> a setting that can be drawn.
export function readPath(get, many) {
  const stop = get("stop");
  return {
    stop: Number.isInteger(stop) ? clamp(stop, 0, many - 1) : 0,
    against: get("against") === "start" ? "start" : "before",
    bars: get("bars") === "parameters" ? "parameters" : "macs",
  };
}

function presetsOf(stops) {
  const extreme = (better) => stops.reduce((best, one, i) => (better(one, stops[best]) ? i : best), 0);
  const jumps = stops.map((one, i) => (i && one.accuracy !== null && stops[i - 1].accuracy !== null ? one.accuracy - stops[i - 1].accuracy : -Infinity));
  const cheap = extreme((a, b) => a.macs < b.macs), dear = extreme((a, b) => a.macs > b.macs), leap = jumps.indexOf(Math.max(...jumps));
  return [
    { name: "The cheapest stop", note: `${stops[cheap].name}: ${big(stops[cheap].macs)} multiply-accumulates, the fewest on the path. What made them so few?`, state: { stop: cheap } },
    { name: "The dearest stop", note: `${stops[dear].name}: ${big(stops[dear].macs)} multiply-accumulates, the most.`, state: { stop: dear } },
    ...(leap > 0 ? [{ name: "The largest single gain", note: `${stops[leap].name}: ${fmt(jumps[leap], 1)} points of published accuracy more than the stop before.`, state: { stop: leap } }] : []),
    { name: "First and last", note: "Marks against the start: what of the first block is left in the last?", state: { stop: stops.length - 1, against: "start" } },
  ];
}

function render({ model, el }) {
  const stops = model.get("stops"), watched = ["stop", "against", "bars"];
  const read = () => readPath((name) => model.get(name), stops.length);
  const go = (stop) => setAll(model, { stop: clamp(stop, 0, stops.length - 1) });
  const block = h("div", { class: "bk-path-block" }), chart = h("div", { class: "bk-path-chart" });
  const title = h("b"), note = h("p"), facts = h("dl");
  const card = h("div", { class: "bk-path-card", role: "status", "aria-live": "polite" }, title, note, facts);
  const walker = bind(model, "stop", slider, { label: "Stop", min: 0, max: stops.length - 1, step: 1, format: (i) => `${i} of ${stops.length - 1}` });
  const back = button("‹", () => go(read().stop - 1), { "aria-label": "Previous stop" }), forth = button("›", () => go(read().stop + 1), { "aria-label": "Next stop" });
  const parts = [
    bind(model, "against", select, { label: "Compare with", options: [["before", "the stop before"], ["start", "the start"]] }),
    bind(model, "bars", select, { label: "Bars show", options: [["macs", "multiply-accumulates"], ["parameters", "parameters"]] })];
  let sizes = [0, 0];

  // The branch from top to bottom, boxes as wide as they have channels; the shortcut runs past it.
  function drawBlock(now, marks) {
    const [width] = sizes, most = Math.max(...stops.flatMap((one) => one.block.map((item) => item.channels)));
    const middle = width / 2 - 12, widest = width - 84;
    const svg = s("svg", { viewBox: `0 0 ${width} ${BLOCK}`, height: BLOCK, role: "img", "aria-label": `The block: ${now.block.map((item, i) => item.text + (item.kind === "conv" ? ` to ${item.channels} channels` : "") + (marks[i] ? " (new)" : "")).join(", ")}; then the sum with the shortcut` });
    const heights = now.block.map((item) => (item.kind === "conv" ? TALL : SHORT)), total = heights.reduce((a, b) => a + b, 0), gap = Math.min(10, (BLOCK - 60 - total) / now.block.length);
    let y = 22;
    const last = y + total + gap * now.block.length + 8, side = width - 16;
    svg.append(s("path", { class: "bk-path-wire", d: `M ${middle} 4 V ${last - 9} M ${middle} 10 H ${side} V ${last} H ${middle + 9}` }));
    now.block.forEach((item, i) => {
      const conv = item.kind === "conv", w = conv ? Math.max(7.2 * Math.max(item.text.length, 12) + 14, widest * Math.sqrt(item.channels / most)) : Math.max(96, 8 * item.text.length + 16), mark = marks[i] ? " bk-on" : "";
      svg.append(s("rect", { class: `bk-path-${conv ? "conv" : "small"}${mark}`, x: middle - w / 2, y, width: w, height: heights[i], rx: conv ? 3 : 11 }));
      if (conv) svg.append(
        s("text", { class: "bk-path-halo", x: middle, y: y + 17, "text-anchor": "middle", text: item.text }),
        s("text", { class: "bk-path-halo", x: middle, y: y + 33, "text-anchor": "middle", text: `${item.channels} channels` }));
      else svg.append(s("text", { x: middle, y: y + 16, "text-anchor": "middle", text: item.text }));
      y += heights[i] + gap;
    });
    svg.append(s("circle", { class: "bk-path-sum", cx: middle, cy: last, r: 9 }), s("text", { x: middle, y: last + 5, "text-anchor": "middle", text: "+" }));
    block.replaceChildren(svg);
  }

  function drawChart({ stop, bars }) {
    const width = sizes[1], left = 46, column = (width - left - 4) / stops.length, floor = CHART - 30, split = 96, X = (i) => left + (i + 0.5) * column;
    const most = Math.max(...stops.map((one) => one[bars])), told = stops.map((one) => one.accuracy).filter((a) => a !== null);
    const low = Math.floor(Math.min(...told)), high = Math.ceil(Math.max(...told)), A = (a) => split - 12 - ((a - low) / (high - low || 1)) * (split - 30);
    const svg = s("svg", { viewBox: `0 0 ${width} ${CHART}`, height: CHART, role: "img", "aria-label": `${NAMES[bars]} of the stops: ${stops.map((one) => `${one.name} ${big(one[bars])}`).join(", ")}` });
    svg.append(s("rect", { class: "bk-path-column", x: X(stop) - column / 2, y: 2, width: column, height: CHART - 4, rx: 4 }));
    const axis = s("g", { class: "bk-axes" });
    if (told.length) {
      for (const a of [low, high]) axis.append(s("line", { x1: left, x2: width - 4, y1: A(a), y2: A(a) }), s("text", { x: left - 6, y: A(a) + 4, "text-anchor": "end", text: `${a} %` }));
      svg.append(axis, s("polyline", { class: "bk-path-line", points: stops.map((one, i) => [one, i]).filter(([one]) => one.accuracy !== null).map(([one, i]) => `${X(i)},${A(one.accuracy)}`).join(" ") }));
      stops.forEach((one, i) => { if (one.accuracy !== null) svg.append(s("circle", { class: `bk-path-dot${i === stop ? " bk-on" : ""}`, cx: X(i), cy: A(one.accuracy), r: i === stop ? 5 : 3.5 })); });
    }
    stops.forEach((one, i) => {
      const tall = ((floor - split - 8) * one[bars]) / most;
      svg.append(s("rect", { class: `bk-path-bar${i === stop ? " bk-on" : ""}`, x: X(i) - column * 0.36, y: floor - tall, width: column * 0.72, height: tall }),
        s("text", { class: `bk-path-number${i === stop ? " bk-on" : ""}`, x: X(i), y: CHART - 14, "text-anchor": "middle", text: i }));
    });
    svg.append(s("text", { class: "bk-path-number", x: left - 6, y: split + 14, "text-anchor": "end", text: big(most) }), s("line", { class: "bk-path-axis", x1: left, x2: width - 4, y1: floor, y2: floor }));
    svg.addEventListener("click", (event) => { const box = svg.getBoundingClientRect(), i = Math.floor((event.clientX - box.left - left) / column); if (i >= 0 && i < stops.length) go(i); });
    chart.replaceChildren(svg);
  }

  function update() {
    const setting = read(), { stop, against } = setting, now = stops[stop], other = stops[against === "start" ? 0 : Math.max(0, stop - 1)];
    title.textContent = `${stop}. ${now.name}`;
    note.textContent = now.note;
    const fact = (name, text, changed) => [h("dt", { text: name }), h("dd", { class: changed ? "bk-on" : null, text: changed ? `${text} ←` : text })];
    const depths = (one) => one.depths.join(", ");
    facts.replaceChildren(...fact("Stem", now.stem, now.stem !== other.stem), ...fact("Blocks", depths(now), depths(now) !== depths(other)),
      ...fact("Parameters", big(now.parameters), false), ...fact("MACs", big(now.macs), false), ...fact("Published top-1", now.accuracy === null ? "not stated" : `${now.accuracy.toFixed(1)} %`, false));
    parts[0].input.disabled = stop < 2;  // before the second change both comparisons are the same
    back.disabled = stop === 0; forth.disabled = stop === stops.length - 1;
    if (sizes[0] && sizes[1]) { drawBlock(now, fresh(other.block, now.block)); drawChart(setting); }
  }

  const arrows = (event) => { const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key]; if (by && event.target.tagName === "BUTTON") { event.preventDefault(); go(read().stop + by); } };
  const walk = h("div", { class: "bk-path-walk", onkeydown: arrows }, back, walker.el, forth);
  frame(model, el, "modernization", walk,
    h("div", { class: "bk-path-layout" }, block, h("div", { class: "bk-path-side" }, card, chart)),
    h("div", { class: "bk-controls" }, parts.map((part) => part.el)), toolbar(model, { presets: presetsOf(stops) }));
  const resized = new ResizeObserver(() => {
    const now = [block, chart].map((one) => Math.round(one.clientWidth));
    if (now[0] && (now[0] !== sizes[0] || now[1] !== sizes[1])) { sizes = now; update(); }
  });
  for (const one of [block, chart]) resized.observe(one);
  watched.forEach((name) => model.on(`change:${name}`, update));
  const mended = read();
  for (const name of watched) if (model.get(name) !== mended[name]) model.set(name, mended[name]);
  model.save_changes();
  update();
  return () => { resized.disconnect(); [walker, ...parts].forEach((part) => part.off()); watched.forEach((name) => model.off(`change:${name}`, update)); };
}

export default { render };
