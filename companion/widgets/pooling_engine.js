// Pooling of one square map: values, where they come from, gradients, and what a shift does to them.
// A map is a list of size × size numbers, row by row; nothing here draws.

export const KINDS = ["max", "average", "stochastic", "expected", "blurred", "subsampled"];

// The n × n window of a picture with sides of n + 2 margin pixels, after its content moved down and right.
export function viewOf(pixels, n, margin, down, right) {
  const side = n + 2 * margin, view = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) view[i * n + j] = pixels[(i + margin - down) * side + (j + margin - right)];
  return view;
}

export const outputSize = (n, window, stride) => Math.floor((n - window) / stride) + 1;

// Positions in the input of the entries of the window at output (i, j), row by row.
export function entriesOf(n, window, stride, i, j) {
  const entries = [];
  for (let u = 0; u < window; u++)
    for (let v = 0; v < window; v++) entries.push((i * stride + u) * n + (j * stride + v));
  return entries;
}

// A number in [0, 1) that looks random and is the same for the same seed and place.
export function chanceAt(seed, place) {
  let t = (Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(place + 1, 0x85ebca6b)) >>> 0;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

// The probabilities of stochastic pooling, a / Σa; of zeros alone, all the same.
export function chancesOf(values) {
  const total = values.reduce((a, b) => a + b, 0);
  return values.map((v) => (total > 0 ? v / total : 1 / values.length));
}

// The index that a chance from [0, 1) draws; never one of probability 0 beside anything positive.
export function drawFrom(probabilities, chance) {
  let last = 0;
  for (let k = 0; k < probabilities.length; k++) {
    if (probabilities[k] <= 0) continue;
    last = k;
    if ((chance -= probabilities[k]) < 0) return k;
  }
  return last;
}

export const firstLargest = (values) => values.reduce((best, v, k) => (v > values[best] ? k : best), 0);

// How much of each input pixel a pooled value takes over: [[position, share], …]. The value is Σ share · input for all
// kinds but "expected", and the shares are the gradient of the value for all but that one.
export function sharesOf(kind, x, n, { window, stride, seed }, i, j) {
  if (kind === "subsampled") return [[i * stride * n + j * stride, 1]];
  if (kind === "blurred") return blurShares(x, n, window, stride, i, j);
  const entries = entriesOf(n, window, stride, i, j), values = entries.map((at) => x[at]);
  if (kind === "max") return [[entries[firstLargest(values)], 1]];
  if (kind === "average") return entries.map((at) => [at, 1 / entries.length]);
  const chances = chancesOf(values);
  if (kind === "expected") return entries.map((at, k) => [at, chances[k]]);
  return [[entries[drawFrom(chances, chanceAt(seed, i * n + j))], 1]];
}

// Max pooling at every place, then 1 2 1 / 4 in both directions, reflected at the edge, at every stride-th place.
function blurShares(x, n, window, stride, i, j) {
  const dense = n - window + 1, weights = [0.25, 0.5, 0.25], shares = [];
  const reflect = (k) => (k < 0 ? -k : k >= dense ? 2 * dense - 2 - k : k);
  for (let u = -1; u <= 1; u++)
    for (let v = -1; v <= 1; v++) {
      const entries = entriesOf(n, window, 1, reflect(i * stride + u), reflect(j * stride + v));
      shares.push([entries[firstLargest(entries.map((at) => x[at]))], weights[u + 1] * weights[v + 1]]);
    }
  return shares;
}

export function sizeOf(kind, n, { window, stride }) {
  if (kind === "subsampled") return Math.ceil(n / stride);
  if (kind === "blurred") return Math.ceil((n - window + 1) / stride);
  return outputSize(n, window, stride);
}

// The pooled map: { size, values }.
export function poolMap(kind, x, n, setting) {
  const size = sizeOf(kind, n, setting), values = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++)
      for (const [at, share] of sharesOf(kind, x, n, setting, i, j)) values[i * size + j] += share * x[at];
  return { size, values };
}

// The gradient that reaches the input when every pooled value has the gradient 1.
export function gradientMap(kind, x, n, setting) {
  const size = sizeOf(kind, n, setting), gradient = new Float64Array(n * n);
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++) {
      const shares = sharesOf(kind, x, n, setting, i, j);
      const value = shares.reduce((sum, [at, share]) => sum + share * x[at], 0);
      const total = shares.reduce((sum, [at]) => sum + x[at], 0);
      for (const [at, share] of shares)
        gradient[at] += kind !== "expected" ? share : total > 0 ? (2 * x[at] - value) / total : 0;
    }
  return gradient;
}

// ‖after − before moved by (down, right) cells‖ / ‖before‖ where both exist; 0 / 0 is 0, and anything else over 0 is 1.
export function relativeDistance(before, after, size, down = 0, right = 0) {
  let difference = 0, whole = 0;
  for (let i = Math.max(0, down); i < Math.min(size, size + down); i++)
    for (let j = Math.max(0, right); j < Math.min(size, size + right); j++) {
      const old = before[(i - down) * size + (j - right)];
      difference += (after[i * size + j] - old) ** 2;
      whole += old ** 2;
    }
  return whole > 0 ? Math.sqrt(difference / whole) : difference > 0 ? 1 : 0;
}

// What a shift of the picture by (down, right) pixels did to a pooled map. Invariance: distance from the old map where it
// was. Equivariance: distance from the old map moved by shift / stride cells, the best of the nearest whole numbers.
export function shiftErrors(before, after, { stride }, down, right) {
  const near = (pixels) => [...new Set([Math.floor(pixels / stride), Math.ceil(pixels / stride)])];
  const moved = near(down).flatMap((d) => near(right).map((r) => relativeDistance(before.values, after.values, after.size, d, r)));
  return {
    invariance: relativeDistance(before.values, after.values, after.size),
    equivariance: Math.min(...moved),
    changed: after.values.reduce((count, v, k) => count + (Math.abs(v - before.values[k]) > 1e-9), 0),
  };
}
