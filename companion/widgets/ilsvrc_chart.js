// Winning errors by year. One slider walks through the years; the figure can be seen on a linear or a logarithmic axis.
import { bind, checkbox, clamp, frame, h, linear, s, setAll, slider, toolbar } from "./controls.js";

const HEIGHT = 340, TOP = 24, LEFT = 46, RIGHT = 16;

// A share as percent with the official digits ("28.191 %"), or rounded for a label ("28.2").
export const percent = (share, digits = 3) => `${(100 * share).toFixed(digits)} %`;
// "1 image in 6": what an error rate means for one who looks at images.
export const oneIn = (share) => `wrong on about 1 image in ${Math.round(1 / share)}`;

function diamond(x, y, r, attrs) { return s("polygon", { ...attrs, points: `${x},${y - r} ${x + r},${y} ${x},${y + r} ${x - r},${y}` }); }

function render({ model, el }) {
  const results = model.get("results"), human = model.get("human"), supplied = results.filter((r) => !r.outside_data), before = results[0].family;
  const years = supplied.map((r) => r.year), families = [...new Set(results.map((r) => r.family))];
  const context = document.createElement("canvas").getContext("2d");
  const on = (name) => model.get(name) === true;
  const chosen = () => { const i = years.indexOf(model.get("year")); return i < 0 ? 0 : i; };
  let hovered = null, size = 0;

  const stage = h("div", { class: "bk-ilsvrc_chart-stage" }), card = h("div", { role: "status", "aria-live": "polite" });
  const walker = slider({ label: "Year", min: 0, max: years.length - 1, step: 1, value: 0, format: (v) => `${years[v]}`, oninput: (v) => setAll(model, { year: years[v] }) });
  const toggles = [["outside", "With outside data"], ["person", "Human reference"], ["log", "Logarithmic axis"]].map(([name, label]) => bind(model, name, checkbox, { label }));

  function draw() {
    const width = stage.clientWidth, now = hovered ?? chosen(), log = on("log");
    if (!width) return;
    const most = 0.05 * Math.ceil(Math.max(...results.map((r) => r.error), human.error) / 0.05), least = 0.01;
    const column = (width - LEFT - RIGHT) / years.length, X = (i) => LEFT + (i + 0.5) * column;
    context.font = `12px ${getComputedStyle(el).fontFamily}`;
    const lines = supplied.map((r) => (context.measureText(r.team).width < column - 4 ? [r.team] : r.team.split(/(?<=-)/)));
    const roomy = lines.flat().every((line) => context.measureText(line).width < column - 2), base = HEIGHT - (roomy ? 62 : 30);
    const scale = linear(log ? [Math.log(least), Math.log(most)] : [0, most], [base, TOP]), Y = (share) => scale(log ? Math.log(share) : share);
    const marks = log ? [0.01, 0.02, 0.05, 0.1, 0.2, 0.3].filter((v) => v <= most) : Array.from({ length: Math.round(most / 0.05) + 1 }, (_, i) => i * 0.05);
    const svg = s("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "img", "aria-label": `${model.get("label")} It falls from ${percent(supplied[0].error, 1)} in ${years[0]} to ${percent(supplied.at(-1).error, 1)} in ${years.at(-1)}. ${log ? "Logarithmic" : "Linear"} axis. The table below has all numbers.` });
    svg.append(s("rect", { class: "bk-ilsvrc_chart-column", x: X(now) - column / 2, y: TOP - 14, width: column, height: HEIGHT - TOP + 14, rx: 6 }));
    const axes = s("g", { class: "bk-axes" });
    for (const v of marks) axes.append(s("line", { x1: LEFT, x2: width - RIGHT, y1: Y(v), y2: Y(v) }), s("text", { x: LEFT - 8, y: Y(v) + 4, "text-anchor": "end", text: `${Math.round(100 * v)} %` }));
    supplied.forEach((r, i) => {
      axes.append(s("text", { x: X(i), y: base + 20, "text-anchor": "middle", text: column > 40 ? r.year : `’${r.year % 100}` }));
      if (roomy) lines[i].forEach((line, n) => axes.append(s("text", { x: X(i), y: base + 37 + 14 * n, "text-anchor": "middle", text: line })));
    });
    svg.append(axes);
    if (on("person")) svg.append(
      s("line", { class: "bk-ilsvrc_chart-person", x1: LEFT, x2: width - RIGHT, y1: Y(human.error), y2: Y(human.error) }),
      s("text", { class: "bk-ilsvrc_chart-person-label", x: LEFT + 6, y: Y(human.error) - 7, text: `a person: ${percent(human.error, 1)}` }));
    svg.append(s("polyline", { class: "bk-ilsvrc_chart-path", points: supplied.map((r, i) => `${X(i)},${Y(r.error)}`).join(" ") }));
    for (const r of results) {
      const i = years.indexOf(r.year), hot = i === now ? " bk-on" : "", y = Y(r.error), radius = i === now ? 7.5 : 6;
      if (r.outside_data && !on("outside")) continue;
      // The number stands above its mark, that of a diamond below; the other way round where the person's line would cross it.
      const crossed = (baseline) => on("person") && Math.abs(Y(human.error) - baseline + 4.5) < 8, sides = r.outside_data ? [y + 20, y - 11] : [y - 11, y + 20];
      const x = X(i) + (r.outside_data ? 13 : 0), attrs = { class: `bk-ilsvrc_chart-mark${r.outside_data ? " bk-outside" : r.family === before ? " bk-before" : ""}${hot}` };
      svg.append(
        r.outside_data ? diamond(x, y, radius, attrs) : r.family === before ? s("rect", { ...attrs, x: x - radius * 0.9, y: y - radius * 0.9, width: radius * 1.8, height: radius * 1.8 }) : s("circle", { ...attrs, cx: x, cy: y, r: radius }),
        s("text", { class: `bk-ilsvrc_chart-value${hot}`, x: r.outside_data ? x - 3 : x + 3, y: crossed(sides[0]) ? sides[1] : sides[0], "text-anchor": r.outside_data ? "end" : "start", text: (100 * r.error).toFixed(1) }));
    }
    stage.replaceChildren(svg);
  }

  function tell() {
    const i = hovered ?? chosen(), r = supplied[i], extra = on("outside") ? results.find((q) => q.outside_data && q.year === r.year) : null;
    const result = (q, note) => h("div", { class: "bk-ilsvrc_chart-result" }, h("b", { text: percent(q.error) }), `, ${note}. `, h("span", { class: "bk-ilsvrc_chart-quiet", text: `Conditions: ${q.conditions}.` }));
    const change = i ? `${Math.round(100 * (1 - r.error / supplied[i - 1].error))} % below the year before, ` : "";
    card.className = `bk-ilsvrc_chart-card${r.family === before ? " bk-before" : ""}`;
    card.replaceChildren(
      h("div", { class: "bk-ilsvrc_chart-quiet", text: `${r.year} · ${r.family}` }), h("div", { class: "bk-ilsvrc_chart-title", text: r.team }), h("div", { text: r.method }),
      result(r, `${change}${oneIn(r.error)}`), ...(extra ? [result(extra, "with outside data")] : []),
      ...(on("person") ? [h("div", { class: "bk-ilsvrc_chart-result" }, h("b", { text: percent(human.error, 1) }), `, ${human.who}. `, h("span", { class: "bk-ilsvrc_chart-quiet", text: `Conditions: ${human.conditions}.` }))] : []),
      h("div", { class: "bk-ilsvrc_chart-source" }, "Source: ", cite(r), ...(on("person") ? ["; person: ", cite(human)] : [])));
  }

  function update() {
    walker.set(chosen());
    draw();
    tell();
  }

  const under = (event) => { const box = stage.getBoundingClientRect(); return clamp(Math.floor((event.clientX - box.left - LEFT) / ((box.width - LEFT - RIGHT) / years.length)), 0, years.length - 1); };
  const hover = (i) => { if (i !== hovered) { hovered = i; draw(); tell(); } };
  stage.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse") hover(under(event)); });
  stage.addEventListener("pointerleave", () => hover(null));
  stage.addEventListener("click", (event) => { hovered = null; setAll(model, { year: years[under(event)] }); update(); });

  const sample = (...shapes) => s("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" }, ...shapes);
  const legend = h("div", { class: "bk-ilsvrc_chart-key" },
    h("span", {}, sample(s("rect", { class: "bk-ilsvrc_chart-mark bk-before", x: 1.6, y: 1.6, width: 10.8, height: 10.8 })), families[0]),
    ...families.slice(1).map((name) => h("span", {}, sample(s("circle", { class: "bk-ilsvrc_chart-mark", cx: 7, cy: 7, r: 6 })), name)),
    ...(results.some((r) => r.outside_data) ? [h("span", {}, sample(diamond(7, 7, 5.6, { class: "bk-ilsvrc_chart-mark bk-outside" })), "with outside data")] : []));
  const row = (year, what, conditions, error) => h("tr", {}, h("td", { text: year }), h("td", {}, h("b", { text: what }), h("br"), h("span", { class: "bk-ilsvrc_chart-quiet", text: conditions })), h("td", { text: error }));
  const table = h("table", {},
    h("thead", {}, h("tr", {}, ["Year", "Winner, method, conditions", "Top-5 error"].map((text) => h("th", { scope: "col", text })))),
    h("tbody", {}, results.map((r) => row(r.year, `${r.team}: ${r.method}`, `${r.family}; ${r.conditions}`, percent(r.error))), row("–", human.who, human.conditions, percent(human.error, 1))));
  const presets = [
    { name: "The year 2012", note: "How large is the step to AlexNet beside the step of the year before?", state: { year: 2012 } },
    { name: "What did extra data buy?", note: "Open diamonds used more images than the organizers supplied.", state: { year: 2012, outside: true } },
    { name: "Below a person?", note: "The line is one trained person on a sample, a ruler rather than a limit.", state: { year: 2015, person: true } },
    { name: "Did progress slow down?", note: "On a logarithmic axis equal heights are equal ratios: the last steps look tiny on the linear axis and are not.", state: { year: 2017, log: true } },
  ].filter(({ state }) => years.includes(state.year));
  frame(model, el, "ilsvrc_chart", h("div", { class: "bk-ilsvrc_chart-toggles" }, toggles.map((t) => t.el)), stage, legend,
    h("div", { class: "bk-ilsvrc_chart-walk" }, walker.el), card, toolbar(model, { presets }),
    h("details", { class: "bk-ilsvrc_chart-all" }, h("summary", { text: "All numbers as a table" }), table));
  const watched = ["year", "outside", "person", "log"];
  watched.forEach((name) => model.on(`change:${name}`, update));
  const resized = new ResizeObserver(() => { if (stage.clientWidth !== size) { size = stage.clientWidth; draw(); } });
  resized.observe(stage);
  update();
  return () => { resized.disconnect(); toggles.forEach((t) => t.off()); watched.forEach((name) => model.off(`change:${name}`, update)); };
}

const cite = (r) => (/^https:\/\//.test(r.url) ? h("a", { href: r.url, rel: "noopener", text: r.reference }) : r.reference);

export default { render };
