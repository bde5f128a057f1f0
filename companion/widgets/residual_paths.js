// Blocks of a residual network and of its plain twin are switched off: paths left by length, errors as measured.
import { axes, clamp, frame, h, linear, s, setAll, status, toolbar } from "./controls.js";

const ROW = 106, NAMES = ["residual", "plain"];

export const choose = (n, k) => { let c = 1; for (let i = 1; i <= k; i++) c = (c * (n - k + i)) / i; return c; };
export const countOff = (off, n) => { let c = 0; for (let i = 0; i < n; i++) c += (off >> i) & 1; return c; };

// The bytes as errors[network][seed][subset], shares.
export function readErrors(bytes, seeds, n) {
  const size = 2 ** n, at = (k) => bytes.getUint16(2 * k, true) / 10000;
  return NAMES.map((_, net) => Array.from({ length: seeds }, (_, seed) => Array.from({ length: size }, (_, j) => at((net * seeds + seed) * size + j))));
}

// For each number of removed blocks: least, median and greatest error over all subsets and seeds.
export function spread(errors, n) {
  const groups = Array.from({ length: n + 1 }, () => []);
  for (const seed of errors) seed.forEach((error, j) => groups[countOff(j, n)].push(error));
  return groups.map((g) => { g.sort((a, b) => a - b); return { low: g[0], middle: g[Math.floor(g.length / 2)], high: g.at(-1) }; });
}

export const readOff = (value, n) => { const v = Math.round(Number(value)); return Number.isFinite(v) ? clamp(v, 0, 2 ** n - 1) : 0; };

const percent = (v) => `${(100 * v).toFixed(0)} %`;
const mean = (v) => v.reduce((a, b) => a + b, 0) / v.length;
const listed = (v) => (v.length < 2 ? `${v}` : `${v.slice(0, -1).join(", ")} and ${v.at(-1)}`);

// ---- the two networks as wires and boxes -----------------------------------------------------------------------------

function drawNets(stages, n, toggle) {
  const el = h("div", { class: "bk-residual_paths-nets" });
  const boxes = Array.from({ length: n }, (_, i) => {
    const input = h("input", { type: "checkbox", onchange: () => toggle(i) });
    return { input, el: h("label", { title: `Block ${i + 1}` }, input, h("span", {}, h("span", { class: "bk-residual_paths-hidden", text: "Block " }), `${i + 1}`)) };
  });
  const rows = NAMES.map(() => h("div"));
  const picks = h("div", { class: "bk-residual_paths-picks", role: "group", "aria-label": "Blocks that are on" }, boxes.map((b) => b.el));
  el.append(rows[0], picks, rows[1]);
  return {
    el,
    update(off) {
      const width = el.clientWidth;
      if (!width) return;
      const edge = width < 500 ? 14 : 34, pitch = (width - 2 * edge) / n, half = Math.min(20, 0.3 * pitch), X = (i) => edge + (i + 0.5) * pitch;
      picks.style.padding = `0 ${edge}px`;
      boxes.forEach((b, i) => { b.input.checked = !((off >> i) & 1); });
      NAMES.forEach((name, net) => {
        const residual = net === 0, line = residual ? 86 : 46, top = residual ? 34 : line - 16, left = countOff(off, n);
        const says = residual ? `${2 ** (n - left)} paths lead through it` : "one path leads through it";
        const height = residual ? ROW : 78;
        const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": `${residual ? "Residual" : "Plain"} network of ${n} blocks, ${left} of them off: ${says}.`, class: `bk-residual_paths-${name}` });
        let first = 0;
        stages.forEach(([label, count], k) => {
          if (k % 2 === 0) svg.append(s("rect", { class: "bk-residual_paths-stage", x: edge + first * pitch, y: 0, width: count * pitch, height }));
          if (residual) svg.append(s("text", { class: "bk-residual_paths-quiet", x: edge + (first + count / 2) * pitch, y: 16, "text-anchor": "middle", text: label }));
          first += count;
        });
        svg.append(s("line", { class: "bk-residual_paths-wire", x1: 2, x2: width - 8, y1: line, y2: line }), s("path", { class: "bk-residual_paths-tip", d: `M${width - 9} ${line - 5} l8 5 l-8 5 z` }));
        for (let i = 0; i < n; i++) {
          const gone = (off >> i) & 1, x = X(i), a = x - 0.42 * pitch, b = x + 0.38 * pitch, box = s("g", { class: `bk-residual_paths-block${gone ? " bk-off" : ""}`, onclick: () => toggle(i) });
          if (residual) box.append(s("path", { class: "bk-residual_paths-branch", d: `M${a} ${line} V${top + 16} H${x - half} M${x + half} ${top + 16} H${b} V${line - 6}` }));
          box.append(s("rect", { x: x - half, y: top, width: 2 * half, height: 32, rx: 4 }), s("text", { x, y: top + 21, "text-anchor": "middle", text: i + 1 }));
          svg.append(box);
          if (residual) svg.append(
            s("circle", { class: `bk-residual_paths-sum${gone ? " bk-off" : ""}`, cx: b, cy: line, r: 6 }),
            s("path", { class: "bk-residual_paths-plus", d: gone ? "" : `M${b - 3} ${line} h6 M${b} ${line - 3} v6` }));
        }
        rows[net].replaceChildren(h("p", { class: "bk-residual_paths-name", text: residual ? "Residual: boxes add to the wire" : "Plain twin: boxes in the wire" }), svg);
      });
    },
  };
}

// ---- paths by length -------------------------------------------------------------------------------------------------

function drawPaths(n) {
  const most = choose(n, Math.floor(n / 2)), plot = axes({ label: "", width: 310, height: 240, x: [-0.6, n + 0.6], y: [0, 1.12 * most], xlabel: "blocks on the path", ylabel: "paths" });
  const bar = (attrs) => s("rect", attrs);
  const ghosts = Array.from({ length: n + 1 }, (_, k) => bar({ class: "bk-residual_paths-ghost", x: plot.X(k - 0.4), width: plot.X(k + 0.4) - plot.X(k - 0.4), y: plot.Y(choose(n, k)), height: plot.Y(0) - plot.Y(choose(n, k)) }));
  const bars = Array.from({ length: n + 1 }, (_, k) => bar({ class: "bk-residual_paths-bar", x: plot.X(k - 0.4), width: plot.X(k + 0.4) - plot.X(k - 0.4) }));
  const numbers = Array.from({ length: n + 1 }, (_, k) => s("text", { class: "bk-residual_paths-count", x: plot.X(k), "text-anchor": "middle" }));
  plot.layer.append(...ghosts, ...bars, ...numbers);
  return {
    el: h("div", {}, h("p", { class: "bk-residual_paths-name", text: "Paths of the residual network, by length" }), plot.svg),
    update(off) {
      const live = n - countOff(off, n);
      bars.forEach((b, k) => {
        const count = k <= live ? choose(live, k) : 0, y = plot.Y(count);
        b.setAttribute("y", y);
        b.setAttribute("height", plot.Y(0) - y);
        numbers[k].setAttribute("y", y - 5);
        numbers[k].textContent = count || "";
      });
      plot.svg.setAttribute("aria-label", `${2 ** live} paths; by number of blocks on them: ${bars.map((_, k) => (k <= live ? choose(live, k) : 0)).join(", ")}. Grey: with all blocks on.`);
    },
  };
}

// ---- measured errors -------------------------------------------------------------------------------------------------

function drawErrors(errors, n) {
  const plot = axes({ label: "", width: 310, height: 240, x: [-0.4, n + 0.4], y: [0, 105], xlabel: "blocks removed", ylabel: "held-out error, %" });
  const at = ({ X, Y }, points) => points.map(([k, v]) => `${X(k)},${Y(100 * v)}`).join(" ");
  NAMES.forEach((name, net) => {
    const range = spread(errors[net], n);
    plot.layer.append(
      s("polygon", { class: `bk-residual_paths-band bk-${name}`, points: at(plot, [...range.map((r, k) => [k, r.low]), ...range.map((r, k) => [k, r.high]).reverse()]) }),
      s("polyline", { class: `bk-residual_paths-line bk-${name}`, points: at(plot, range.map((r, k) => [k, r.middle])) }));
  });
  const dots = NAMES.map((name, net) => errors[net].map(() => (net === 0 ? s("circle", { class: `bk-residual_paths-dot bk-${name}`, r: 5.5 }) : s("rect", { class: `bk-residual_paths-dot bk-${name}`, width: 9.5, height: 9.5 }))));
  plot.layer.append(...dots.flat());
  const sample = (shape) => s("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" }, shape);
  const key = h("p", { class: "bk-residual_paths-key" },
    h("span", {}, sample(s("circle", { class: "bk-residual_paths-dot bk-residual", cx: 7, cy: 7, r: 5.5 })), "residual, this setting, one mark a seed"),
    h("span", {}, sample(s("rect", { class: "bk-residual_paths-dot bk-plain", x: 2.2, y: 2.2, width: 9.5, height: 9.5 })), "plain"),
    h("span", { text: "Lines and bands: median and range over all ways to remove so many." }));
  return {
    el: h("div", {}, h("p", { class: "bk-residual_paths-name", text: "Error without these blocks, as measured" }), plot.svg, key),
    update(off) {
      const k = countOff(off, n), place = linear([0, 1], [-0.16, 0.16]);
      dots.forEach((marks, net) => marks.forEach((mark, seed) => {
        const x = plot.X(k + place(marks.length > 1 ? seed / (marks.length - 1) : 0.5)), y = plot.Y(100 * errors[net][seed][off]);
        for (const [name, value] of net === 0 ? [["cx", x], ["cy", y]] : [["x", x - 4.75], ["y", y - 4.75]]) mark.setAttribute(name, value);
      }));
      plot.svg.setAttribute("aria-label", `Held-out error with ${k} block${k === 1 ? "" : "s"} removed: ${NAMES.map((name, net) => `${name} ${errors[net].map((seed) => percent(seed[off])).join(", ")}`).join("; ")}. It climbs step by step in the residual network and at once in the plain one.`);
    },
  };
}

function render({ model, el }) {
  const stages = model.get("stages"), n = stages.reduce((sum, [, count]) => sum + count, 0);
  const errors = readErrors(model.get("errors"), model.get("seeds"), n), say = status();
  const read = () => readOff(model.get("off"), n);
  if (model.get("off") !== read()) setAll(model, { off: read() });
  const toggle = (i) => setAll(model, { off: read() ^ (1 << i) });
  const nets = drawNets(stages, n, toggle), paths = drawPaths(n), chart = drawErrors(errors, n);
  const starts = stages.reduce((all, [, count]) => [...all, all.at(-1) + count], [0]), bits = (list) => list.reduce((sum, i) => sum | (1 << i), 0);
  const all = Array.from({ length: n }, (_, i) => i);
  const presets = [
    { name: "Without the last block", note: "Half of all paths are gone. The residual network hardly notices; for the plain one it is the end.", state: { off: bits([n - 1]) } },
    { name: "Without the first block", note: "Not all blocks are equal: every path that is left misses the first features.", state: { off: 1 } },
    { name: "One block in each stage", note: "The last of each. An eighth of the paths is left.", state: { off: bits(starts.slice(1).map((end) => end - 1)) } },
    { name: "Only the first of each stage", note: "The blocks that change the shape stay.", state: { off: bits(all.filter((i) => !starts.includes(i))) } },
    { name: "No block at all", note: "One path is left: stem, shortcuts, linear layer.", state: { off: 2 ** n - 1 } },
  ];
  frame(model, el, "residual_paths", nets.el, say, h("div", { class: "bk-residual_paths-charts" }, paths.el, chart.el), toolbar(model, { presets }));

  function update() {
    const off = read(), gone = all.filter((i) => (off >> i) & 1).map((i) => i + 1), live = n - gone.length;
    nets.update(off);
    paths.update(off);
    chart.update(off);
    const told = (net) => `${percent(mean(errors[net].map((seed) => seed[off])))}${gone.length ? ` (${percent(mean(errors[net].map((seed) => seed[0])))} with all)` : ""}`;
    const what = gone.length ? `Without block${gone.length > 1 ? "s" : ""} ${listed(gone)}` : "All blocks on";
    say.textContent = `${what}: ${2 ** live} of ${2 ** n} paths. Mean error: residual ${told(0)}, plain ${told(1)}.`;
  }
  let size = 0;
  const resized = new ResizeObserver(() => { if (nets.el.clientWidth !== size) { size = nets.el.clientWidth; nets.update(read()); } });
  resized.observe(nets.el);
  model.on("change:off", update);
  update();
  return () => { resized.disconnect(); model.off("change:off", update); };
}

export default { render };
