// A stack of windows: build it, point at a cell of any map, and see the cells that it depends on in the maps before.
import { bind, button, clamp, color, fmt, frame, h, onTheme, select, setAll, sharpPen, slider, status, toolbar, uid } from "./controls.js";
import { mapSizes, middle, pathCounts, reached, receptiveFields, span, total } from "./receptive_engine.js";

const KINDS = [["conv", "convolution"], ["pool", "pooling"]];
const NUMBERS = [["kernel", "K, window", 1, 11], ["stride", "S, stride", 1, 4], ["padding", "padding", 0, 5], ["dilation", "D, dilation", 1, 9]];
const MOST_LAYERS = 8, LEAST_SIZE = 5, MOST_SIZE = 227, MOST_LINES = 500;

const conv = (kernel, stride = 1, padding = 0, dilation = 1) => ["conv", kernel, stride, padding, dilation];
const pool = (kernel, stride = kernel, padding = 0) => ["pool", kernel, stride, padding, 1];
const preset = (name, size, layers, note) => ({ name, note, state: { size, layers, layer: layers.length, row: -1, column: -1 } });
const PRESETS = [
  preset("Two 3 × 3 see what one 5 × 5 sees", 15, [conv(3), conv(3)],
    "Field 5, as with one window of 5. But look at the shade: the middle has many paths to the output, a corner has one."),
  preset("A 7 × 7, then 2 × 2 pooling: 8, not 14", 20, [conv(7), pool(2)],
    "Pooling joins two fields that lie one pixel apart, so the field grows from 7 to 8. What doubles is the jump."),
  preset("The same again after the pooling", 28, [conv(3, 1, 1), conv(3, 1, 1), pool(2), conv(3, 1, 1), conv(3, 1, 1), pool(2)],
    "Two blocks as in VGG. After the first pooling each 3 × 3 adds 4 pixels, not 2: it steps by the jump."),
  preset("Dilation 1, 2, 4, 8: it doubles", 35, [conv(3, 1, 0, 1), conv(3, 1, 0, 2), conv(3, 1, 0, 4), conv(3, 1, 0, 8)],
    "Fields 3, 7, 15, 31 from nine weights a layer. No pixel is left out, though some have more paths than others."),
  preset("Dilation 1, 3, 9: each pixel once", 31, [conv(3, 1, 0, 1), conv(3, 1, 0, 3), conv(3, 1, 0, 9)],
    "Field 27, and exactly one path from each of its 729 pixels: an even shade."),
  preset("Dilation 2, 2, 2: a comb", 19, [conv(3, 1, 0, 2), conv(3, 1, 0, 2), conv(3, 1, 0, 2)],
    "The frame is 13 pixels wide, yet every second row and column is never looked at."),
  preset("Eight times 3 × 3: a bell", 31, Array.from({ length: 8 }, () => conv(3, 1, 1)),
    "Field 17, but nearly all paths start in the middle. Counts of paths tend to a Gaussian."),
  preset("ResNet's first two layers", 64, [conv(7, 2, 3), pool(3, 2, 1)],
    "Field 11, jump 4, first centre at 0: the padding is just so that fields are centred on every fourth pixel."),
  preset("AlexNet's eight windows", 227, [conv(11, 4), pool(3, 2), conv(5, 1, 2), pool(3, 2), conv(3, 1, 1), conv(3, 1, 1), conv(3, 1, 1), pool(3, 2)],
    "Field 195 of 227 pixels at the end. Early strides make every later window reach far."),
];

// What a link or a kernel may hold -> a stack that can be drawn.
export function readStack(get) {
  const whole = (value, low, high, otherwise) => (Number.isFinite(value) ? clamp(Math.round(value), low, high) : otherwise);
  const readLayer = ([kind, ...numbers]) => ({
    kind: kind === "pool" ? "pool" : "conv",
    ...Object.fromEntries(NUMBERS.map(([name, , low, high], i) => [name, whole(numbers[i], low, high, Math.max(low, i ? 1 - (i === 2) : 3))])),
  });
  const given = Array.isArray(get("layers")) ? get("layers").filter(Array.isArray).slice(0, MOST_LAYERS).map(readLayer) : [];
  const layers = given.length ? given : [readLayer(["conv", 3])];
  const size = whole(get("size"), LEAST_SIZE, MOST_SIZE, 15);
  const cell = (name) => whole(get(name), -1, MOST_SIZE, -1);
  return { layers, size, layer: whole(get("layer"), 1, layers.length, layers.length), row: cell("row"), column: cell("column") };
}

const asList = ({ kind, kernel, stride, padding, dilation }) => [kind, kernel, stride, padding, dilation];
const nameOf = ({ kind, kernel, stride, padding, dilation }) =>
  [kind, kernel, stride > 1 && `s${stride}`, padding && `p${padding}`, dilation > 1 && `d${dilation}`].filter(Boolean).join(" ");
const choose = (wanted, n) => (wanted < 0 ? Math.floor(n / 2) : Math.min(wanted, n - 1));
const many = (n) => (n < 1e10 ? n.toLocaleString("en") : fmt(n));

// ---- painting ---------------------------------------------------------------------------------------------------

const shade = (share) => (share > 0 ? 0.12 + 0.88 * share : 0);           // a cell with few paths still shows

// A map: its cells, the shade of their paths, the frame of the theoretical field, the chosen cell.
function paintMap(canvas, n, look, inks) {
  const { pen, width } = sharpPen(canvas), cell = width / n;
  pen.fillStyle = inks.panel;
  pen.fillRect(0, 0, width, width);
  if (look) {
    const { rows, columns } = look, most = Math.max(...rows) * Math.max(...columns);
    pen.fillStyle = inks.purple;
    rows.forEach((r, i) => r && columns.forEach((c, j) => {
      if (!c) return;
      pen.globalAlpha = shade((r * c) / most);
      pen.fillRect(j * cell, i * cell, cell + 0.3, cell + 0.3);
    }));
    pen.globalAlpha = 1;
  }
  if (cell >= 4) {
    pen.strokeStyle = inks.rule;
    pen.lineWidth = 1;
    pen.beginPath();
    for (let k = 1; k < n; k++) { pen.moveTo(k * cell, 0); pen.lineTo(k * cell, width); pen.moveTo(0, k * cell); pen.lineTo(width, k * cell); }
    pen.stroke();
  }
  pen.strokeStyle = inks.grey;
  pen.lineWidth = 1;
  pen.strokeRect(0.5, 0.5, width - 1, width - 1);
  if (look?.chosen) {
    const [i, j] = look.chosen, side = Math.max(cell, 4);
    pen.fillStyle = inks.blue;
    pen.fillRect((j + 0.5) * cell - side / 2, (i + 0.5) * cell - side / 2, side, side);
  } else if (look) {
    const [[top, bottom], [left, right]] = [look.rowSpan, look.columnSpan];
    pen.strokeStyle = inks.amber;
    pen.lineWidth = 2.5;
    pen.strokeRect(left * cell, top * cell, (right + 1 - left) * cell, (bottom + 1 - top) * cell);
  }
}

// The stack cut along the chosen row: every map as a row of cells at their true place over the input.
const ROW = 30, TOP = 16, GUTTER = 98;
function sectionGeometry(stack, sizes, fields, width) {
  const lows = [], highs = [];
  sizes.forEach((n, m) => { if (n) { lows.push(fields[m].start); highs.push(fields[m].start + (n - 1) * fields[m].jump); } });
  const low = Math.min(...lows) - 0.5, high = Math.max(...highs) + 0.5, scale = (width - GUTTER - 4) / (high - low);
  return {
    scale,
    x: (m, i) => GUTTER + (fields[m].start + i * fields[m].jump - low) * scale,
    y: (m) => TOP + (stack.layers.length - m) * ROW,
    side: (m) => clamp(fields[m].jump * scale - 1.5, 0.8, 13),
  };
}

function paintSection(canvas, stack, sizes, fields, looks, inks) {
  canvas.style.height = `${2 * TOP + stack.layers.length * ROW}px`;
  const { pen, width } = sharpPen(canvas), { x, y, side, scale } = sectionGeometry(stack, sizes, fields, width);
  pen.save();
  pen.beginPath();
  pen.rect(GUTTER - 2, 0, width, 1e4);
  pen.clip();
  for (let m = stack.layer; m > 0 && looks; m--) {
    const { kernel, stride, padding, dilation } = stack.layers[m - 1], above = looks[m].columns;
    const at = (i) => x(m - 1, 0) + i * fields[m - 1].jump * scale;
    const [first, last] = looks[m].fullColumnSpan, [from, to] = looks[m - 1].fullColumnSpan;
    const upper = (i) => x(m, 0) + i * fields[m].jump * scale;
    pen.globalAlpha = 0.14;
    pen.fillStyle = inks.amber;
    pen.beginPath();
    for (const [px, py] of [[upper(first), y(m)], [upper(last), y(m)], [at(to), y(m - 1)], [at(from), y(m - 1)]]) pen.lineTo(px, py);
    pen.fill();
    const cells = [...above.keys()].filter((i) => above[i]);
    if (cells.length * kernel > MOST_LINES) continue;
    pen.globalAlpha = 0.55;
    pen.strokeStyle = inks.purple;
    pen.lineWidth = 0.8;
    pen.beginPath();
    for (const i of cells) for (let u = 0; u < kernel; u++) { pen.moveTo(x(m, i), y(m)); pen.lineTo(at(i * stride - padding + u * dilation), y(m - 1)); }
    pen.stroke();
  }
  pen.restore();
  sizes.forEach((n, m) => {
    const look = looks && m <= stack.layer ? looks[m] : null, most = look ? Math.max(...look.columns) : 0, s = side(m), tall = Math.max(s, 9);
    for (let i = 0; i < n; i++) {
      const paths = look ? look.columns[i] : 0, left = x(m, i) - s / 2, top = y(m) - tall / 2;
      pen.globalAlpha = 1;
      pen.fillStyle = look?.chosen && paths ? inks.blue : inks.page;
      pen.fillRect(left, top, s, tall);
      if (paths && !look.chosen) { pen.globalAlpha = shade(paths / most); pen.fillStyle = inks.purple; pen.fillRect(left, top, s, tall); }
      pen.globalAlpha = s < 3 && !paths ? 0.5 : 1;
      pen.strokeStyle = look && paths ? (look.chosen ? inks.blue : inks.purple) : inks.grey;
      pen.lineWidth = s < 3 ? 0.5 : 1;
      pen.strokeRect(left, top, s, tall);
    }
    pen.globalAlpha = 1;
    pen.fillStyle = m === stack.layer ? inks.ink : inks.muted;
    pen.textBaseline = "middle";
    pen.fillText(m ? `${m}  ${nameOf(stack.layers[m - 1])}` : "input", 2, y(m));
  });
}

// ---- pieces of the page -----------------------------------------------------------------------------------------

function makeTable(pick) {
  const body = h("tbody"), group = uid("layer");
  const heads = ["show", "layer", "map", "jump", "first centre", "field"].map((text) => h("th", { scope: "col", text }));
  let radios = [];
  return {
    el: h("table", { class: "bk-receptive-table" }, h("caption", { text: "Each layer's map, and what its cells see of the input" }), h("thead", {}, h("tr", {}, heads)), body),
    update({ layers, layer }, sizes, fields) {
      if (radios.length !== layers.length) {
        radios = layers.map((_, i) => h("input", { type: "radio", name: group, value: i + 1, onchange: () => pick(i + 1) }));
      }
      const row = (m) => {
        const cells = [m ? nameOf(layers[m - 1]) : "input", sizes[m] ? `${sizes[m]}²` : "–", ...(sizes[m] ? [fields[m].jump, fmt(fields[m].start, 1), fields[m].size] : ["–", "–", "–"])];
        if (m) { radios[m - 1].checked = m === layer; radios[m - 1].setAttribute("aria-label", `Layer ${m}: ${cells[0]}`); }
        return h("tr", { class: m === layer ? "bk-receptive-current" : "", onclick: m ? () => pick(m) : undefined },
          h("td", {}, m ? radios[m - 1] : null), h("th", { scope: "row", text: m ? `${m}  ${cells[0]}` : cells[0] }), cells.slice(1).map((text) => h("td", { text })));
      };
      const focused = radios.indexOf(document.activeElement);
      body.replaceChildren(...sizes.map((_, m) => row(m)));
      if (focused >= 0) radios[focused].focus();
    },
  };
}

// Kind and numbers of the chosen layer; a new layer after it; the layer gone.
function makeEditor(change, add, remove) {
  const title = h("p", { class: "bk-receptive-title" });
  const kind = select({ label: "Kind", options: KINDS, value: "conv", onchange: (v) => change({ kind: v }) });
  const numbers = NUMBERS.map(([name, label, min, max]) => [name, slider({ label, min, max, step: 1, value: min, oninput: (v) => change({ [name]: v }) })]);
  const more = button("Add a layer", add), less = button("Remove it", remove);
  return {
    el: h("div", { class: "bk-receptive-editor" }, h("div", { class: "bk-receptive-head" }, title, kind.el), numbers.map(([, c]) => c.el), h("div", { class: "bk-receptive-buttons" }, more, less)),
    update({ layers, layer }) {
      const shown = layers[layer - 1];
      title.textContent = `Layer ${layer} of ${layers.length}`;
      kind.set(shown.kind);
      for (const [name, control] of numbers) control.set(shown[name]);
      more.disabled = layers.length >= MOST_LAYERS;
      less.disabled = layers.length <= 1;
    },
  };
}

// The input and one small map a layer. `point(m, row, column)` for a press, `peek` for a look; `move` for keys.
function makeMaps(point, peek, move) {
  const hint = uid("hint"), list = h("div", { class: "bk-receptive-list" });
  const canvas = () => h("canvas", { role: "img" });
  const input = canvas(), caption = h("span");
  let maps = [], sizes = [];
  const place = (event, m) => {
    const box = event.currentTarget.getBoundingClientRect(), n = sizes[m];
    return [event.clientY - box.top, event.clientX - box.left].map((v) => clamp(Math.floor((v / box.width) * n), 0, n - 1));
  };
  const makeMap = (m) => {
    const drawing = canvas(), text = h("span");
    drawing.addEventListener("pointerdown", (e) => { if (sizes[m]) { drawing.setPointerCapture(e.pointerId); point(m, ...place(e, m)); } });
    drawing.addEventListener("pointermove", (e) => { if (sizes[m]) (e.buttons ? point : peek)(m, ...place(e, m)); });
    drawing.addEventListener("pointerleave", () => peek(0));
    return { drawing, text, el: h("div", { class: "bk-receptive-map" }, drawing, text) };
  };
  const steps = { ArrowUp: [0, -1, 0], ArrowDown: [0, 1, 0], ArrowLeft: [0, 0, -1], ArrowRight: [0, 0, 1], PageUp: [1, 0, 0], PageDown: [-1, 0, 0] };
  const el = h("div", { class: "bk-receptive-maps", tabindex: 0, role: "application", "aria-label": "The maps: arrow keys move the cell, Page Up and Page Down change the map", "aria-describedby": hint,
    onkeydown: (e) => { if (steps[e.key]) { e.preventDefault(); move(...steps[e.key]); } } },
    h("div", { class: "bk-receptive-input" }, input, caption), list);
  return {
    el: h("div", {}, el, h("p", { id: hint, class: "bk-receptive-hint", text: "Point at a cell of a small map; press to keep it. Keys: arrows move the cell, Page Up and Page Down change the map. In names, s is the stride, p the padding, d the dilation." })),
    paint(stack, mapSizesNow, looks, inks) {
      sizes = mapSizesNow;
      if (maps.length !== stack.layers.length) {
        maps = stack.layers.map((_, i) => makeMap(i + 1));
        list.replaceChildren(...maps.map((map) => map.el));
      }
      const describe = (m) => {
        const look = looks && m <= stack.layer && looks[m];
        if (!look) return `${sizes[m]} by ${sizes[m]} cells.`;
        if (look.chosen) return `${sizes[m]} by ${sizes[m]} cells; chosen is row ${look.chosen[0]}, column ${look.chosen[1]}.`;
        return `${sizes[m]} by ${sizes[m]} cells; the field is rows ${look.rowSpan.join(" to ")}, columns ${look.columnSpan.join(" to ")}.`;
      };
      paintMap(input, sizes[0], looks?.[0], inks);
      input.setAttribute("aria-label", `Input: ${describe(0)}`);
      caption.textContent = `input, ${sizes[0]} × ${sizes[0]}`;
      maps.forEach(({ drawing, text, el: box }, i) => {
        const m = i + 1, name = nameOf(stack.layers[i]);
        box.classList.toggle("bk-receptive-chosen", m === stack.layer);
        drawing.hidden = !sizes[m];
        text.textContent = `${m}  ${name}${sizes[m] ? `, ${sizes[m]}²` : ": no room"}`;
        drawing.setAttribute("aria-label", `Map ${m}, ${name}: ${describe(m)}`);
        if (sizes[m]) paintMap(drawing, sizes[m], looks && m <= stack.layer ? looks[m] : null, inks);
      });
    },
  };
}

// ---- the figure -------------------------------------------------------------------------------------------------

// For every map up to the chosen layer: paths along both axes, the frame (cut at the map's edge) and its full reach.
export function look({ size, layers, layer, row, column }, sizes) {
  const used = layers.slice(0, layer), n = sizes[layer];
  if (!n) return null;
  const [i, j] = [choose(row, n), choose(column, n)], rows = pathCounts(size, used, i), columns = pathCounts(size, used, j);
  return rows.map((_, m) => {
    const field = receptiveFields(used.slice(m)).at(-1);
    const [rowFull, columnFull] = [span(field, i), span(field, j)];
    const cut = (ends) => ends.map((v) => clamp(v, 0, sizes[m] - 1));
    return { rows: rows[m], columns: columns[m], rowSpan: cut(rowFull), columnSpan: cut(columnFull), fullRowSpan: rowFull, fullColumnSpan: columnFull, chosen: m === layer ? [i, j] : null };
  });
}

// What the chosen cell sees, in words.
export function tell(stack, sizes, fields, looks) {
  const failed = sizes.indexOf(0);
  if (!looks) return `Layer ${failed} does not fit: its window spans ${stack.layers[failed - 1].dilation * (stack.layers[failed - 1].kernel - 1) + 1} cells and finds ${sizes[failed - 1] + 2 * stack.layers[failed - 1].padding}. Enlarge the input or add padding.`;
  const { rows, columns, fullRowSpan: [top, bottom], fullColumnSpan: [left, right] } = looks[0], field = fields[stack.layer];
  const [i, j] = looks[stack.layer].chosen, [down, across] = [reached(rows), reached(columns)], pixels = down.cells * across.cells;
  const where = `Cell (${i}, ${j}) of map ${stack.layer} has a field of ${field.size} × ${field.size} pixels: rows ${fmt(top)} to ${fmt(bottom)}, columns ${fmt(left)} to ${fmt(right)}.`;
  if (!pixels) return `${where} All of it lies in the padding.`;
  const outside = top < 0 || left < 0 || bottom >= stack.size || right >= stack.size ? " It hangs over the edge into the padding." : "";
  const side = middle(rows, columns, field.start + i * field.jump, field.start + j * field.jump, 0.9);
  return `${where}${outside} Paths: ${many(total(rows) * total(columns))}, from ${many(pixels)} pixels; 90 % of them from the middle ${side} × ${side}.`;
}

function render({ model, el }) {
  const traits = ["layers", "size", "layer", "row", "column"];
  let inks, peeked = null, waiting = false, gone = false, stack = readStack((name) => model.get(name));
  const save = (changes) => setAll(model, { ...changes, ...(changes.layers ? { layers: changes.layers.map(asList) } : {}) });
  if (JSON.stringify(traits.map((t) => model.get(t))) !== JSON.stringify(traits.map((t) => (t === "layers" ? stack.layers.map(asList) : stack[t])))) save(stack);

  const shownStack = () => (peeked ? { ...stack, ...peeked } : stack);
  const pick = (layer) => save({ layer, row: -1, column: -1 });
  const edit = (change) => save({ layers: stack.layers.map((one, i) => (i === stack.layer - 1 ? { ...one, ...change } : one)) });
  const add = () => save({ layers: stack.layers.toSpliced(stack.layer, 0, { kind: "conv", kernel: 3, stride: 1, padding: 1, dilation: 1 }), layer: stack.layer + 1, row: -1, column: -1 });
  const remove = () => save({ layer: Math.max(1, stack.layer - 1), layers: stack.layers.toSpliced(stack.layer - 1, 1), row: -1, column: -1 });
  const point = (layer, row, column) => { peeked = null; save({ layer, row, column }); };
  const peek = (layer, row, column) => { peeked = layer ? { layer, row, column } : null; paint(); };
  const move = (up, down, right) => {
    const sizes = mapSizes(stack.size, stack.layers), layer = clamp(stack.layer + up, 1, stack.layers.length), n = sizes[stack.layer];
    if (up) { pick(layer); return; }
    if (n) save({ row: clamp(choose(stack.row, n) + down, 0, n - 1), column: clamp(choose(stack.column, n) + right, 0, n - 1) });
  };

  const news = status(), table = makeTable(pick), editor = makeEditor(edit, add, remove), maps = makeMaps(point, peek, move);
  const size = bind(model, "size", slider, { label: "Input, pixels", min: LEAST_SIZE, max: MOST_SIZE, step: 1 });
  const section = h("canvas", { class: "bk-receptive-section", role: "img" });

  function paint() {
    const shown = shownStack(), sizes = mapSizes(shown.size, shown.layers), fields = receptiveFields(shown.layers), looks = look(shown, sizes);
    maps.paint(shown, sizes, looks, inks);
    paintSection(section, shown, sizes, fields, looks, inks);
    section.setAttribute("aria-label", `Side view: ${shown.layers.length + 1} rows of cells, the input at the bottom; lines lead from the chosen cell down to the cells that it sees.`);
    const text = tell(shown, sizes, fields, looks);
    if (news.textContent !== text) news.textContent = text;
  }
  function update() {
    stack = readStack((name) => model.get(name));
    peeked = null;
    editor.update(stack);
    table.update(stack, mapSizes(stack.size, stack.layers), receptiveFields(stack.layers));
    paint();
  }
  const onChange = () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; if (!gone) update(); });
  };

  frame(model, el, "receptive",
    toolbar(model, { presets: PRESETS }), maps.el, news, section,
    h("div", { class: "bk-receptive-bottom" }, table.el, h("div", {}, size.el, editor.el)));
  const readInks = () => { inks = Object.fromEntries(["blue", "purple", "amber", "grey", "page", "panel", "ink", "muted", "rule"].map((name) => [name, color(el, name)])); };
  readInks();
  for (const name of traits) model.on(`change:${name}`, onChange);
  update();
  const offTheme = onTheme(() => { readInks(); paint(); });
  const resized = new ResizeObserver(() => paint());
  resized.observe(section);
  return () => {
    gone = true;
    offTheme();
    resized.disconnect();
    size.off();
    for (const name of traits) model.off(`change:${name}`, onChange);
  };
}

export default { render };
