// The arithmetic of one threshold unit: which Boolean function it computes, how it learns, and how hard its data are.
// Inputs are whole hundredths inside, so every comparison here is exact: no tie is decided by rounding.

const hundredths = (v) => Math.round(100 * v);
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

// --- the threshold neuron: fires when w1 x1 + w2 x2 >= threshold ---

export const INPUTS = [[0, 0], [0, 1], [1, 0], [1, 1]];

const GATE_NAMES = {
  "0000": "always 0", "0001": "AND", "0010": "x₁ AND NOT x₂", "0011": "x₁",
  "0100": "x₂ AND NOT x₁", "0101": "x₂", "0110": "XOR", "0111": "OR",
  "1000": "NOR", "1001": "XNOR", "1010": "NOT x₂", "1011": "x₁ OR NOT x₂",
  "1100": "NOT x₁", "1101": "x₂ OR NOT x₁", "1110": "NAND", "1111": "always 1",
};

// The four sums and outputs, in the order of INPUTS.
export function gateRows(w1, w2, threshold) {
  const [a, b, t] = [w1, w2, threshold].map(hundredths);
  return INPUTS.map(([x1, x2]) => {
    const sum = a * x1 + b * x2;
    return { sum: sum / 100, output: +(sum >= t), onLine: sum === t };
  });
}

export const gateName = (outputs) => GATE_NAMES[outputs.join("")];
export const gateOutputs = (name) => [...Object.keys(GATE_NAMES).find((bits) => GATE_NAMES[bits] === name)].map(Number);

// --- geometry: the square [lo, hi]² cut by the line a x1 + b x2 + c = 0 ---

export function halfplane(a, b, c, lo, hi) {
  const square = [[lo, lo], [hi, lo], [hi, hi], [lo, hi]];
  const inside = [], outside = [], line = [];
  square.forEach((p, i) => {
    const q = square[(i + 1) % 4], f = a * p[0] + b * p[1] + c, g = a * q[0] + b * q[1] + c;
    (f >= 0 ? inside : outside).push(p);
    if (f >= 0 !== g >= 0) {
      const t = f / (f - g), crossing = [p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])];
      for (const part of [inside, outside, line]) part.push(crossing);
    }
  });
  return { inside, outside, line };                       // polygons where the form is >= 0 and < 0; no line: empty
}

// An arrow with its head, as an SVG path.
export function arrowPath(x, y, tipX, tipY) {
  const length = Math.hypot(tipX - x, tipY - y), u = (tipX - x) / length, v = (tipY - y) / length;
  const wing = (side) => `${tipX - 9 * u - side * 5 * v} ${tipY - 9 * v + side * 5 * u}`;
  return `M${x} ${y}L${tipX} ${tipY}M${wing(1)}L${tipX} ${tipY}L${wing(-1)}`;
}

// --- the perceptron. A point is [100 x1, 100 x2, class], whole numbers ---

// Anything that a link or a kernel may hold -> at most `most` clean points with |x| <= limit.
export function readPoints(flat, limit, most) {
  const points = [], values = Array.isArray(flat) ? flat : [];
  for (let i = 0; i + 2 < values.length && points.length < most; i += 3) {
    const [x1, x2] = [+values[i], +values[i + 1]].map((v) => hundredths(Math.min(limit, Math.max(-limit, v))));
    if (Number.isFinite(x1) && Number.isFinite(x2)) points.push([x1, x2, +values[i + 2] === 1 ? 1 : 0]);
  }
  return points;
}

export const writePoints = (points) => points.flatMap(([x1, x2, y]) => [x1 / 100, x2 / 100, y]);

function randomFrom(seed) {                                // mulberry32: small, and the same in every browser
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

// Training from zero weights. Then w = lr (v1, v2) / 100 and b = lr v3 / 100 at all times, v whole numbers: the
// learning rate scales the weights and changes no decision, and a state that comes back comes back exactly.
export function startRun(points, order) {
  return { points, order, random: randomFrom(1), v: [0, 0, 0], queue: [], at: 0, mistakes: 0, perPass: [], passes: 0,
           last: null, converged: false, cycle: null, seen: new Map([["0,0,0", 0]]) };
}

export const scoreOf = (v, [x1, x2]) => v[0] * x1 + v[1] * x2 + v[2] * 100;
export const weightsOf = (run, lr) => run.v.map((k) => lr * k / 100);

// One example: w += lr (y - predicted) x and b += lr (y - predicted), predicted = 1 when the score is >= 0.
export function stepRun(run) {
  const n = run.points.length;
  if (!n || run.converged) return null;
  if (run.at === 0) {
    run.perPass.push(0);
    run.queue = run.points.map((_, i) => i);
    if (run.order === "shuffled")
      for (let i = n - 1; i > 0; i--) {
        const j = Math.floor(run.random() * (i + 1));
        [run.queue[i], run.queue[j]] = [run.queue[j], run.queue[i]];
      }
  }
  const index = run.queue[run.at], point = run.points[index], score = scoreOf(run.v, point);
  const predicted = +(score >= 0), error = point[2] - predicted, before = run.v;
  if (error) {
    run.v = [before[0] + error * point[0], before[1] + error * point[1], before[2] + error * 100];
    run.mistakes++;
    run.perPass[run.perPass.length - 1]++;
  }
  run.last = { index, score, predicted, error, before };
  run.at = (run.at + 1) % n;
  if (run.at === 0) {
    run.passes++;
    const state = run.v.join();
    if (run.perPass.at(-1) === 0) run.converged = true;
    else if (run.order === "listed" && !run.cycle) {       // the same weights before the same pass: nothing new can come
      if (run.seen.has(state)) run.cycle = { from: run.seen.get(state), to: run.passes };
      else run.seen.set(state, run.passes);
    }
  }
  return run.last;
}

// Novikoff's bound (R/γ)² on the number of mistakes, in the space of (x, 1).
// γ is the distance from the origin to the hull of the points z = ±(x, 1), and the nearest point of that hull is
// perpendicular to a face of one, two or three of them. So we try the normal of every such face: each gives a margin
// that is really reached, and the largest is γ. None above 0: no line separates the classes.
export function novikoff(points) {
  if (!points.length) return { separable: false, radius: 0, margin: 0, bound: Infinity };
  const z = points.map(([x1, x2, y]) => (y === 1 ? [x1, x2, 100] : [-x1, -x2, -100]));
  let margin = 0;
  const attempt = (q) => {
    const size = Math.sqrt(dot(q, q));
    let least = Infinity;
    for (const p of z) {
      least = Math.min(least, dot(q, p));
      if (least <= margin * size) return;
    }
    margin = least / size;
  };
  const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
  z.forEach((a, i) => {
    attempt(a);
    for (let j = 0; j < i; j++) {
      const d = minus(z[j], a), dd = dot(d, d), ad = dot(a, d);
      attempt([a[0] * dd - ad * d[0], a[1] * dd - ad * d[1], a[2] * dd - ad * d[2]]);
      for (let k = 0; k < j; k++) {
        const e = minus(z[k], a);
        const normal = [d[1] * e[2] - d[2] * e[1], d[2] * e[0] - d[0] * e[2], d[0] * e[1] - d[1] * e[0]];
        attempt(dot(normal, a) < 0 ? normal.map((v) => -v) : normal);
      }
    }
  });
  const radius = Math.max(...z.map((p) => Math.sqrt(dot(p, p))));
  return { separable: margin > 0, radius: radius / 100, margin: margin / 100, bound: margin > 0 ? (radius / margin) ** 2 : Infinity };
}
