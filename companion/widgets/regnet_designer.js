// Four numbers and a depth -> a straight line, its steps, a network. Everything is recomputed as the reader moves.
import { bind, checkbox, clamp, fmt, frame, h, linear, s, select, setAll, slider, status, ticks, toolbar } from "./controls.js";
import { costsOf, designOf } from "./regnet_engine.js";

const RANGES = { w_0: [8, 456, 8], w_a: [0, 250, 0.01], w_m: [1.1, 3.5, 0.01], depth: [2, 40, 1], group_width: [4, 264, 4] };
const NUMBERS = Object.keys(RANGES), ROUNDINGS = ["torchvision", "paper"], TRAITS = [...NUMBERS, "gate", "logarithmic", "rounding"];
const TITLES = { w_0: "w₀, first width", w_a: "wₐ, slope", w_m: "wₘ, factor", depth: "d, blocks", group_width: "g, group width" };
const LEFT = 54, RIGHT = 12, TOP = 18, BOTTOM = 46;

const commas = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
const brief = (n) => (n >= 1e9 ? `${(n / 1e9).toFixed(2)} G` : `${(n / 1e6).toFixed(n < 1e7 ? 2 : 1)} M`);

// What a link or a kernel may hold -> numbers that make a network.
export function readDesign(get) {
  const number = (name) => {
    const [low, high, step] = RANGES[name], value = get(name);
    return Number.isFinite(value) ? clamp(+(Math.round(value / step) * step).toFixed(2), low, high) : low;
  };
  return { ...Object.fromEntries(NUMBERS.map((name) => [name, number(name)])), gate: get("gate") === true, logarithmic: get("logarithmic") === true,
    rounding: ROUNDINGS.includes(get("rounding")) ? get("rounding") : ROUNDINGS[0] };
}

// The released model with these numbers, if there is one.
export const releasedAs = (released, now) => released.find(([name, ...numbers]) => NUMBERS.every((n, i) => numbers[i] === now[n]) && (name[0] === "Y") === now.gate)?.[0] ?? "";

export function tellDesign(now, design, costs) {
  const { widths, depths, groups } = design, moved = design.fitted.filter((w, i) => w !== design.blocks[i]).length;
  const stages = widths.map((w, i) => `${depths[i]} × ${w}`).join(", ");
  const group = groups.every((g) => g === groups[0]) ? `groups of ${groups[0]}` : `groups of ${groups.join(", ")}`;
  return `${widths.length} stage${widths.length > 1 ? "s" : ""} (blocks × width): ${stages}; ${group}. ${brief(costs.parameters)} parameters, ${brief(costs.macs)} multiply-accumulates at 224 pixels.`
    + (moved ? ` To fit its groups, ${moved} of ${now.depth} blocks changed width.` : " All widths fit the groups as they are.");
}

// The line, the powers of the factor, and the widths of the blocks as bars.
function drawChart() {
  const svg = s("svg", { class: "bk-plot", role: "img" });
  return {
    el: svg,
    update(now, design) {
      const WIDTH = clamp(svg.clientWidth || 640, 280, 900), HEIGHT = WIDTH < 480 ? 260 : 340;      // drawn at the size at which it is seen
      svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
      const { line, powers, fitted, widths, depths } = design, top = Math.max(...line, ...powers, ...fitted), least = Math.min(...line, ...powers, ...fitted);
      const scale = now.logarithmic ? linear([Math.log2(least * 0.8), Math.log2(top * 1.12)], [HEIGHT - BOTTOM, TOP]) : linear([0, top * 1.06], [HEIGHT - BOTTOM, TOP]);
      const Y = (w) => scale(now.logarithmic ? Math.log2(w) : w), X = linear([-0.6, now.depth - 0.4], [LEFT, WIDTH - RIGHT]), column = X(1) - X(0), floor = HEIGHT - BOTTOM;
      const marks = now.logarithmic ? Array.from({ length: 14 }, (_, i) => 2 ** i).filter((w) => w >= least * 0.8 && w <= top * 1.12) : ticks(0, top * 1.06, 5);
      const axes = s("g", { class: "bk-axes" }, marks.flatMap((w) => [s("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: Y(w), y2: Y(w) }), s("text", { x: LEFT - 6, y: Y(w) + 4, "text-anchor": "end", text: String(w) })]),
        s("text", { class: "bk-axis-label", x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 6, "text-anchor": "middle", text: "block" }),
        s("text", { class: "bk-axis-label", x: 13, y: (TOP + floor) / 2, "text-anchor": "middle", transform: `rotate(-90 13 ${(TOP + floor) / 2})`, text: now.logarithmic ? "width, logarithmic" : "width, channels" }),
        line.map((_, j) => (j % Math.ceil((34 * now.depth) / WIDTH) ? null : s("text", { x: X(j), y: floor + 16, "text-anchor": "middle", text: String(j) }))));
      const bars = fitted.map((w, j) => s("rect", { class: "bk-regnet-bar", x: X(j) - 0.42 * column, y: Y(w), width: 0.84 * column, height: Math.max(0, floor - Y(w)) }));
      const steps = powers.map((w, j) => s("line", { class: "bk-regnet-power", x1: X(j) - 0.42 * column, x2: X(j) + 0.42 * column, y1: Y(w), y2: Y(w) }));
      const path = s("path", { class: "bk-regnet-line", d: line.map((u, j) => `${j ? "L" : "M"}${X(j)} ${Y(u)}`).join("") });
      const dots = line.map((u, j) => s("circle", { class: "bk-regnet-dot", cx: X(j), cy: Y(u), r: 3 }));
      let from = 0;
      const names = widths.map((w, i) => { const middle = X(from + (depths[i] - 1) / 2); from += depths[i]; return s("text", { class: "bk-regnet-name", x: clamp(middle, LEFT + 14, WIDTH - RIGHT - 14), y: Math.max(TOP, Y(w) - 6), "text-anchor": "middle", text: String(w) }); });
      svg.replaceChildren(axes, ...bars, ...steps, path, ...dots, ...names);
      svg.setAttribute("aria-label", `Width of each of ${now.depth} blocks: a line from ${fmt(line[0])} to ${fmt(line.at(-1))} channels, rounded to ${widths.length} steps of ${widths.join(", ")}.`);
    },
  };
}

function render({ model, el }) {
  const released = model.get("released"), read = () => readDesign((name) => model.get(name)), clean = read();
  if (TRAITS.some((name) => model.get(name) !== clean[name])) setAll(model, clean);
  const find = (name) => { const [, ...numbers] = released.find(([n]) => n === name); return { ...Object.fromEntries(NUMBERS.map((n, i) => [n, numbers[i]])), gate: name[0] === "Y" }; };
  const presets = [
    { name: "A factor near 1", note: "With a small factor the steps follow the line closely: too many stages for a network whose every stage halves the picture.", state: { w_m: 1.25 } },
    { name: "A large factor", note: "Few, high steps: the line is the same, the network has fewer stages.", state: { w_m: 3.4 } },
    { name: "No slope", note: "A flat line is a single stage, whatever the factor is.", state: { w_a: 0 } },
    { name: "Equal steps", note: "On a logarithmic axis all steps before the last rounding are equally high: the factor. The line is the curve.", state: { logarithmic: true } },
    { name: "Narrow groups", note: "With groups of 8 the widths stay what the line gave. Compare parameters and arithmetic.", state: { group_width: 8 } },
    { name: "The other rounding", note: "The same numbers, another rule for a width between two multiples: one stage differs, and with it the network.", state: { rounding: ROUNDINGS.find((name) => name !== model.get("defaults").rounding) } },
  ];
  const news = status(), chart = drawChart(), facts = h("dl");
  const range = (name) => bind(model, name, slider, { label: TITLES[name], min: RANGES[name][0], max: RANGES[name][1], step: RANGES[name][2] });
  const sliders = NUMBERS.map(range);
  const gate = bind(model, "gate", checkbox, { label: "gate in each block (Y)" }), scale = bind(model, "logarithmic", checkbox, { label: "logarithmic axis" });
  const rounding = bind(model, "rounding", select, { label: "Rounding to groups", options: ROUNDINGS.map((name) => [name, name === "paper" ? "the paper's" : "torchvision's"]) });
  const pick = select({ label: "Released", value: "", options: [["", "none of them"], ...released.map(([name]) => [name, `RegNet${name}`])], onchange: (name) => (name ? setAll(model, find(name)) : update()) });
  const key = h("p", { class: "bk-regnet-key" }, h("span", { class: "bk-regnet-key-line", text: "the line" }), h("span", { class: "bk-regnet-key-power", text: "nearest power" }), h("span", { class: "bk-regnet-key-bar", text: "width of the block" }));

  function update() {
    const now = read(), design = designOf(now), costs = costsOf(design, now), text = tellDesign(now, design, costs);
    chart.update(now, design);
    pick.set(releasedAs(released, now));
    const fact = (name, value) => h("div", {}, h("dt", { text: name }), h("dd", { text: value }));
    facts.replaceChildren(fact("Stages", String(design.widths.length)), fact("Parameters", commas(costs.parameters)), fact("Multiply-accumulates", commas(costs.macs)));
    if (news.textContent !== text) news.textContent = text;
  }

  frame(model, el, "regnet_designer", h("div", { class: "bk-regnet-head" }, pick.el, rounding.el, gate.el, scale.el), chart.el, key,
    h("div", { class: "bk-controls" }, sliders.map((one) => one.el)), h("div", { class: "bk-regnet-facts" }, facts), news, toolbar(model, { presets }));
  let waiting = false, gone = false;
  const onChange = () => {                                          // a released model changes six traits at once
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; if (!gone) update(); });
  };
  for (const name of TRAITS) model.on(`change:${name}`, onChange);
  update();
  const resized = new ResizeObserver(onChange);
  resized.observe(el);
  return () => {
    gone = true;
    resized.disconnect();
    for (const name of TRAITS) model.off(`change:${name}`, onChange);
    for (const control of [...sliders, gate, scale, rounding]) control.off();
  };
}

export default { render };
