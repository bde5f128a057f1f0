// Reverse-mode differentiation of a small graph of numbers. graph.nodes: { name: { kind, op, of, label, … } } in an
// order in which they can be computed, the loss last; a node without `of` is a leaf whose value is given.

const logistic = (z) => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)));
const softplus = (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));

// Per operation: its value, its slope towards argument i, and both in letters (v: labels of the arguments, out: its own).
const OPERATIONS = {
  add: { value: (v) => v.reduce((sum, x) => sum + x, 0), slope: () => 1, text: (v) => v.join(" + "), slopeText: () => "1" },
  sub: { value: ([x, y]) => x - y, slope: (v, out, i) => (i ? -1 : 1), text: (v) => v.join(" − "), slopeText: (v, out, i) => (i ? "−1" : "1") },
  mul: { value: ([x, y]) => x * y, slope: (v, out, i) => v[1 - i], text: (v) => v.join("·"), slopeText: (v, out, i) => v[1 - i] },
  sigmoid: { value: ([z]) => logistic(z), slope: (v, a) => a * (1 - a), text: ([z]) => `σ(${z})`, slopeText: (v, a) => `${a}(1 − ${a})` },
  tanh: { value: ([z]) => Math.tanh(z), slope: (v, a) => 1 - a * a, text: ([z]) => `tanh ${z}`, slopeText: (v, a) => `1 − ${a}²` },
  relu: { value: ([z]) => Math.max(z, 0), slope: ([z]) => (z > 0 ? 1 : 0), text: ([z]) => `max(0, ${z})`, slopeText: ([z]) => `1 if ${z} > 0, else 0` },
  half_square: { value: ([e]) => e * e / 2, slope: ([e]) => e, text: ([e]) => `½ ${e}²`, slopeText: ([e]) => e },
  cross_entropy: {                                        // of the target y and the probability σ(z), from the logit z
    value: ([z, y]) => softplus(z) - y * z,
    slope: ([z, y], out, i) => (i ? -z : logistic(z) - y),
    text: ([z, y]) => `ln(1 + e^${z}) − ${y} ${z}`,
    slopeText: ([z, y], out, i) => (i ? `−${z}` : `σ(${z}) − ${y}`),
  },
};

// The graphs by name, each { title, lr, nodes: { name: node } }, from the lists that travel (they keep their order).
export const byName = (graphs) => Object.fromEntries(graphs.map(({ name, title, lr, nodes }) =>
  [name, { title, lr, nodes: Object.fromEntries(nodes.map((node) => [node.name, node])) }]));

// The values of all nodes, given those of the leaves.
export function forward(graph, leaves) {
  const values = { ...leaves };
  for (const [name, node] of Object.entries(graph.nodes))
    if (node.of) values[name] = OPERATIONS[node.op].value(node.of.map((n) => values[n]));
  return values;
}

// Everything that backpropagation does, in order:
// { kind: "value", name }, then { kind: "seed", name }, then { kind: "edge", from, to, upstream, slope, passed, before, grad }:
// the gradient at `from` times the slope of its operation is passed to `to`, whose gradient grows from `before` to `grad`.
export function schedule(graph, values) {
  const { nodes } = graph, order = Object.keys(nodes), learned = new Set(), steps = [], grads = {};
  for (const name of order) {
    const node = nodes[name];
    if (node.kind === "weight" || node.of?.some((n) => learned.has(n))) learned.add(name);
    if (node.of) steps.push({ kind: "value", name });
  }
  const last = order.at(-1);
  grads[last] = 1;
  steps.push({ kind: "seed", name: last });
  for (const from of [...order].reverse()) {
    const { of: sources = [], op } = nodes[from], inputs = sources.map((n) => values[n]);
    sources.forEach((to, i) => {
      if (!learned.has(to)) return;
      const slope = OPERATIONS[op].slope(inputs, values[from], i), upstream = grads[from], passed = upstream * slope, before = grads[to];
      grads[to] = (before ?? 0) + passed;
      steps.push({ kind: "edge", from, to, i, upstream, slope, passed, before, grad: grads[to] });
    });
  }
  return steps;
}

// d loss / d node for every node that a weight is or feeds.
export function gradients(graph, values) {
  const grads = {};
  for (const step of schedule(graph, values)) if (step.kind !== "value") grads[step.to ?? step.name] = step.grad ?? 1;
  return grads;
}

// The leaves after one step of gradient descent; `clip(name, value)` keeps them in range.
export function descend(graph, leaves, lr, clip = (name, value) => value) {
  const grads = gradients(graph, forward(graph, leaves)), next = { ...leaves };
  for (const name of Object.keys(leaves)) if (graph.nodes[name].kind === "weight") next[name] = clip(name, leaves[name] - lr * grads[name]);
  return next;
}

const labels = (graph, node) => node.of.map((n) => graph.nodes[n].label);
export const formula = (graph, name) => { const node = graph.nodes[name]; return OPERATIONS[node.op].text(labels(graph, node)); };
export const slopeFormula = (graph, name, i) => {
  const node = graph.nodes[name];
  return OPERATIONS[node.op].slopeText(labels(graph, node), node.label, i);
};
