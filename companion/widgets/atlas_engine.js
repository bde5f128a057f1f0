// The atlas's sums: what a model is worth on an axis, which models are in view, ticks, ratios. No drawing.

export const AXES = [["year", "Year"], ["parameters", "Parameters"], ["macs", "Multiply-accumulates"], ["activations", "Activations"], ["accuracy", "Top-1 accuracy, %"]];
export const SERIES = [["paper", "as in the papers"], ["torchvision_v1", "torchvision, first weights"], ["torchvision_v2", "torchvision, newer recipe"], ["extra_data", "torchvision, extra data first"], ["cifar10", "CIFAR-10, as in the papers"]];
export const isLog = (axis) => axis === "parameters" || axis === "macs" || axis === "activations";

// The result of a kind, or undefined.
export const resultOf = (model, series) => model.results.find((r) => r.series === series);
// What answers a picture: without the heads that only run in training.
export const working = (model) => model.parameters - model.training_only;
export function valueOf(model, axis, series) {
  if (axis === "accuracy") return resultOf(model, series)?.top1 ?? null;
  return axis === "parameters" ? working(model) : model[axis];
}

// Models with a value on both axes.
export const placed = (models, { x, y, series }) => models.filter((m) => valueOf(m, x, series) !== null && valueOf(m, y, series) !== null);
// Those among them that pass the filters, from left to right.
export function visible(models, state) {
  const words = state.find.toLowerCase().split(/\s+/).filter(Boolean);
  const told = (m) => `${m.title} ${m.name} ${m.people} ${m.idea} ${m.family}`.toLowerCase();
  return placed(models, state).filter((m) => state.families.includes(m.family) && m.year >= state.start && m.year <= state.end && words.every((w) => told(m).includes(w)))
    .sort((p, q) => valueOf(p, state.x, state.series) - valueOf(q, state.x, state.series) || valueOf(p, state.y, state.series) - valueOf(q, state.y, state.series) || (p.name < q.name ? -1 : 1));
}

// First and last value of an axis over all models placed, with room around; a factor of room where it is logarithmic.
export function range(models, axis, series) {
  const values = models.map((m) => valueOf(m, axis, series));
  const [a, b] = values.length ? [Math.min(...values), Math.max(...values)] : [1, 10];
  if (isLog(axis)) return [a / 1.25, b * 1.25];
  const room = axis === "year" ? 0.8 : 1;
  return [a - room, b + room];
}
// 1, 10, 100, …, with 3 or with 2 and 5 where there is room for them.
export function logTicks(a, b, about) {
  const decades = Math.log10(b / a), steps = [[1, 2, 5], [1, 3]].find((list) => list.length * decades <= about) ?? [1], out = [];
  for (let e = Math.floor(Math.log10(a)); e <= Math.ceil(Math.log10(b)); e++) for (const s of steps) if (s * 10 ** e >= a && s * 10 ** e <= b) out.push(s * 10 ** e);
  return out;
}

export const brief = (n) => {
  const [unit, name] = n >= 1e9 ? [1e9, " G"] : n >= 1e6 ? [1e6, " M"] : n >= 1e3 ? [1e3, " k"] : [1, ""];
  return `${+(n / unit).toPrecision(3)}${name}`;
};
export const commas = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
// b over a, in words that fit a cell: "× 3.1", or "÷ 3.1" where b is smaller.
export const factor = (a, b) => (a === b ? "the same" : b > a ? `× ${+(b / a).toPrecision(3)}` : `÷ ${+(a / b).toPrecision(3)}`);

// Rows of the comparison: [what, of A, of B, B against A], only where at least one has a number.
export function compare(a, b) {
  const rows = [["Year", String(a.year), String(b.year), b.year === a.year ? "the same" : `${b.year > a.year ? "+" : "−"}${Math.abs(b.year - a.year)}`]];
  for (const [what, of] of [["Picture, pixels", (m) => m.side], ["Parameters", working], ["MACs", (m) => m.macs], ["Activations", (m) => m.activations]])
    rows.push([what, brief(of(a)), brief(of(b)), factor(of(a), of(b))]);
  for (const [series, name] of SERIES) {
    const [p, q] = [resultOf(a, series)?.top1 ?? null, resultOf(b, series)?.top1 ?? null];
    if (p === null && q === null) continue;
    const points = p === null || q === null ? "–" : `${q >= p ? "+" : "−"}${Math.abs(q - p).toFixed(1)}`;
    rows.push([`Top-1 %, ${name}`, p === null ? "–" : p.toFixed(1), q === null ? "–" : q.toFixed(1), points]);
  }
  return rows;
}
// "stages.2" -> "stage 3"
export const stageName = (name) => name.replace(/^stages\.(\d+)$/, (_, i) => `stage ${+i + 1}`).replace(/^stage(\d)$/, "stage $1").replace(/^stem_cells\.(\d+)$/, (_, i) => `stem cell ${+i + 1}`).replace(/^features\./, "");
