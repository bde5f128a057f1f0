// A network made larger in depth, width and resolution: four ways to spend the same arithmetic, drawn and counted.
import { bind, clamp, fmt, frame, h, s, select, slider, toolbar } from "./controls.js";
import { WAYS, scaled } from "./scaling_engine.js";

const NAMES = { together: "all three", depth: "depth alone", width: "width alone", resolution: "resolution alone" };
const RANGES = { phi: [0, 7, 0.1], alpha: [1, 1.5, 0.01], beta: [1, 1.5, 0.01], gamma: [1, 1.5, 0.01] };
const START = { phi: 1, alpha: 1.2, beta: 1.1, gamma: 1.15 };
const ROW = 76, PLOT = 250;

// 385814752 -> "386 M"
export const amount = (n) => { const [unit, name] = n >= 1e9 ? [1e9, "G"] : n >= 1e6 ? [1e6, "M"] : [1e3, "k"]; return `${+(n / unit).toPrecision(3)} ${name}`; };

// What a link or a kernel may hold -> a setting that can be drawn.
export function readScaling(get) {
  const setting = {};
  for (const [name, [low, high]] of Object.entries(RANGES)) {
    const value = get(name);
    setting[name] = typeof value === "number" && Number.isFinite(value) ? clamp(value, low, high) : START[name];
  }
  return { ...setting, way: WAYS.includes(get("way")) ? get("way") : "together" };
}

const PRESETS = [
  { name: "One step", note: "φ = 1 nearly doubles the cost. How far is the count from the rule? Rounding to eights and whole blocks is the difference.", state: { phi: 1 } },
  { name: "As large as B7", note: "Seven steps. Follow the blue curve: the published family, B0 to B7, lies along it, not on it.", state: { phi: 7 } },
  { name: "All of it into depth", note: "As much arithmetic as all three at φ = 4: a very long, thin network.", state: { phi: 4, way: "depth" } },
  { name: "All of it into width", note: "Parameters grow with the square of the width: this one has the most.", state: { phi: 4, way: "width" } },
  { name: "All of it into pixels", note: "Not one parameter more: the same network looks at a larger picture.", state: { phi: 4, way: "resolution" } },
  { name: "A rule that doubles", note: "αβ²γ² = 1.98: with these three, a step doubles the cost almost exactly.", state: { phi: 3, alpha: 1.26, beta: 1.12, gamma: 1.12 } },
];

function render({ model, el }) {
  const table = Object.fromEntries(["stages", "stem_channels", "classes", "resolution"].map((name) => [name, model.get(name)]));
  const members = model.get("members"), watched = [...Object.keys(RANGES), "way"];
  const told = h("p", { class: "bk-status", role: "status", "aria-live": "polite" });
  const shapes = h("div", { class: "bk-scaling-shapes" }), plot = h("div", { class: "bk-scaling-plot" });
  const body = h("tbody"), rows = {};
  for (const way of WAYS) {
    const cells = Array.from({ length: 5 }, () => h("td"));
    rows[way] = { tr: h("tr", {}, h("th", { scope: "row", text: NAMES[way].replace("resolution", "pixels").replace(" alone", "") }), cells), cells };
    body.append(rows[way].tr);
  }
  const numbers = h("table", { class: "bk-scaling-table" },
    h("thead", {}, h("tr", {}, ["", "blocks", "widest", "pixels", "params", "MACs"].map((text) => h(text ? "th" : "td", text ? { scope: "col", text } : {})))), body);
  const numeric = (digits) => (v) => fmt(v, digits);
  const control = (key, label, digits) => { const [min, max, step] = RANGES[key]; return bind(model, key, slider, { label, min, max, step, format: numeric(digits) }); };
  const parts = [control("phi", "φ, the step", 1), control("alpha", "α, depth", 2), control("beta", "β, width", 2), control("gamma", "γ, resolution", 2),
    bind(model, "way", select, { label: "Look at", options: WAYS.map((way) => [way, NAMES[way]]) })];
  let width = 0;

  // A row of the drawing: the picture, then a bar for every block, as high as it has channels.
  function drawShapes(networks, chosen) {
    const left = 64, rowHeight = ROW, most = Math.max(...networks.map((n) => n.pixels)), high = Math.max(...networks.map((n) => n.widest));
    const blocks = Math.max(...networks.map((n) => n.blocks)), gaps = networks[0].stages.length - 1, gap = 3;
    const bar = Math.min(14, (width - left - 6 - gap * gaps) / blocks);
    const svg = s("svg", { viewBox: `0 0 ${width} ${rowHeight * networks.length}`, height: rowHeight * networks.length, role: "img",
      "aria-label": networks.map((n) => `${NAMES[n.way]}: ${n.blocks} blocks, up to ${n.widest} channels, ${n.pixels} pixels`).join("; ") });
    networks.forEach((network, i) => {
      const on = network.way === chosen ? " bk-on" : "", top = i * rowHeight, floor = top + rowHeight - 8, side = Math.max(2, (54 * network.pixels) / most);
      if (on) svg.append(s("rect", { class: "bk-scaling-band", x: 0, y: top + 2, width, height: rowHeight - 4, rx: 5 }));
      svg.append(s("text", { class: `bk-scaling-name${on}`, x: left, y: top + 14, text: NAMES[network.way] }));
      svg.append(s("rect", { class: "bk-scaling-picture", x: 4, y: floor - side, width: side, height: side }));
      let x = left;
      network.stages.forEach((stage) => {
        const tall = Math.max(1.5, (44 * stage.channels) / high);
        for (let j = 0; j < stage.depth; j++, x += bar)
          svg.append(s("rect", { class: `bk-scaling-block${on}`, x, y: floor - tall, width: Math.max(0.6, bar - Math.min(1, bar / 4)), height: tall }));
        x += gap;
      });
    });
    shapes.replaceChildren(svg);
  }

  // Parameters against multiply-accumulates, both in powers of ten; a curve for each way, a dot where it stands.
  function drawPlot(networks, setting) {
    const curves = WAYS.map((way) => ({ way, points: Array.from({ length: 29 }, (_, i) => scaled(table, way, { ...setting, phi: i / 4 })) }));
    const base = curves[0].points[0], all = [...curves.flatMap((c) => c.points), ...members];
    const range = (name) => { const logs = all.map((n) => Math.log10(n[name])); return [Math.min(...logs) - 0.15, Math.max(Math.log10(base[name]) + 1, ...logs) + 0.15]; };
    const [x0, x1] = range("macs"), [y0, y1] = range("parameters"), left = 46, bottom = PLOT - 38;
    const X = (n) => left + ((Math.log10(n) - x0) / (x1 - x0)) * (width - left - 10), Y = (n) => bottom - ((Math.log10(n) - y0) / (y1 - y0)) * (bottom - 12);
    const svg = s("svg", { viewBox: `0 0 ${width} ${PLOT}`, height: PLOT, role: "img", "aria-label": `Parameters against multiply-accumulates. ${networks.map((n) => `${NAMES[n.way]}: ${amount(n.parameters)} parameters, ${amount(n.macs)}`).join("; ")}` });
    const grid = (low, high) => Array.from({ length: Math.floor(high) - Math.ceil(low) + 1 }, (_, i) => 10 ** (Math.ceil(low) + i));
    const axis = s("g", { class: "bk-axes" });
    for (const v of grid(x0, x1)) axis.append(s("line", { x1: X(v), x2: X(v), y1: 12, y2: bottom }), s("text", { x: X(v), y: bottom + 16, "text-anchor": "middle", text: amount(v) }));
    for (const v of grid(y0, y1)) axis.append(s("line", { x1: left, x2: width - 10, y1: Y(v), y2: Y(v) }), s("text", { x: left - 6, y: Y(v) + 4, "text-anchor": "end", text: amount(v) }));
    axis.append(s("text", { class: "bk-axis-label", x: (left + width) / 2, y: PLOT - 4, "text-anchor": "middle", text: "multiply-accumulates for one picture" }), s("text", { class: "bk-axis-label", x: left + 4, y: 10, text: "parameters" }));
    svg.append(axis);
    for (const { way, points } of curves) svg.append(s("polyline", { class: `bk-scaling-curve${way === setting.way ? " bk-on" : ""}`, points: points.map((n) => `${X(n.macs).toFixed(1)},${Y(n.parameters).toFixed(1)}`).join(" ") }));
    const named = curves[WAYS.indexOf(setting.way)].points[20];
    svg.append(s("text", { class: "bk-scaling-small", x: X(named.macs) + 6, y: Y(named.parameters) + 16, text: NAMES[setting.way] }));
    members.forEach((member) => {
      svg.append(s("circle", { class: "bk-scaling-member", cx: X(member.macs), cy: Y(member.parameters), r: 3.5 }));
      svg.append(s("text", { class: "bk-scaling-small", x: X(member.macs) - 4, y: Y(member.parameters) - 7, "text-anchor": "end", text: member.name }));
    });
    networks.forEach((n) => svg.append(s("circle", { class: `bk-scaling-now${n.way === setting.way ? " bk-on" : ""}`, cx: X(n.macs), cy: Y(n.parameters), r: n.way === setting.way ? 6 : 4.5 })));
    plot.replaceChildren(svg);
  }

  function update() {
    const setting = readScaling((name) => model.get(name)), networks = WAYS.map((way) => scaled(table, way, setting));
    const { alpha, beta, gamma, phi, way } = setting, base = scaled(table, "together", { ...setting, phi: 0 }), now = networks[WAYS.indexOf(way)];
    for (const network of networks) {
      const { tr, cells } = rows[network.way];
      tr.classList.toggle("bk-on", network.way === way);
      [network.blocks, network.widest, network.pixels, amount(network.parameters), amount(network.macs)].forEach((text, i) => { cells[i].textContent = text; });
    }
    told.textContent = `${NAMES[way][0].toUpperCase()}${NAMES[way].slice(1)} at φ = ${fmt(phi, 1)}: depth × ${fmt(now.depth)}, width × ${fmt(now.width)}, resolution × ${fmt(now.resolution)}. `
      + `${fmt(now.macs / base.macs, 2)} times the arithmetic of φ = 0; the rule says (αβ²γ²)^φ = ${fmt(alpha * beta ** 2 * gamma ** 2, 3)}^${fmt(phi, 1)} = ${fmt((alpha * beta ** 2 * gamma ** 2) ** phi, 2)}. Parameters: × ${fmt(now.parameters / base.parameters, 2)}.`;
    if (width) { drawShapes(networks, way); drawPlot(networks, setting); }
  }

  frame(model, el, "compound_scaling",
    h("div", { class: "bk-controls" }, parts.map((part) => part.el)),
    h("div", { class: "bk-scaling-layout" }, shapes, h("div", { class: "bk-scaling-side" }, numbers, plot)),
    told, toolbar(model, { presets: PRESETS }));
  const resized = new ResizeObserver(() => { const now = Math.round(shapes.clientWidth); if (now && now !== width) { width = now; update(); } });
  resized.observe(shapes);
  watched.forEach((name) => model.on(`change:${name}`, update));
  const mended = readScaling((name) => model.get(name));
  for (const name of watched) if (model.get(name) !== mended[name]) model.set(name, mended[name]);
  model.save_changes();
  update();
  return () => { resized.disconnect(); parts.forEach((part) => part.off()); watched.forEach((name) => model.off(`change:${name}`, update)); };
}

export default { render };
