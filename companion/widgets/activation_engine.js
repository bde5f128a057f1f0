// Activation functions and what they do: values and slopes, a deep random stack, a small net that loses units.
// float64; tests hold the table to companion.layers.activations and both experiments to torch.
//
//   row = { name, title, value(z, p), slope(z, p), parameter: { label, min, max, step, start } or null, bounded }
//   a stack has `depth` layers of `width` units without biases: z = W a, a = φ(z), W ~ N(0, gain² / width)
import { mulberry32, normal } from "./mlp_engine.js";

// ---- functions --------------------------------------------------------------------------------------------------

const small = (z) => Math.exp(-Math.abs(z));                  // never e to a positive power
const logistic = (z) => (z >= 0 ? 1 : small(z)) / (1 + small(z));
const logisticSlope = (z) => small(z) / (1 + small(z)) ** 2;
const tanhSlope = (z) => 4 * logisticSlope(2 * z);
const softplus = (z) => Math.max(z, 0) + Math.log1p(small(z));
const ramp = (z) => Math.min(Math.max(z + 3, 0), 6) / 6;
const rampSlope = (z) => (z + 3 > 0 && z + 3 < 6 ? 1 / 6 : 0);
const exponential = (z, alpha) => (z > 0 ? z : alpha * Math.expm1(z));
const exponentialSlope = (z, alpha) => (z > 0 ? 1 : alpha * Math.exp(z));

// Complementary error function: the series of erf where it is short, else its continued fraction, bottom up.
export function erfc(x) {
  const size = Math.abs(x), bell = Math.exp(-x * x);
  let right;
  if (size < 2.5) {
    let term = size, sum = size;
    for (let n = 1; term > 1e-17 * sum; n++) { term *= (2 * size * size) / (2 * n + 1); sum += term; }
    right = 1 - (2 / Math.sqrt(Math.PI)) * bell * sum;
  } else {
    let tail = size;
    for (let n = 60; n > 0; n--) tail = size + n / 2 / tail;
    right = bell / Math.sqrt(Math.PI) / tail;
  }
  return x >= 0 ? right : 2 - right;
}

const normalShare = (z) => erfc(-z / Math.SQRT2) / 2;
const normalDensity = (z) => Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
const INNER = Math.sqrt(2 / Math.PI), CUBIC = 0.044715;
const inner = (z) => INNER * (z + CUBIC * z ** 3);
const SELU = [1.0507009873554805, 1.6732632423543772], LENET = 1.7159;

const row = (name, title, value, slope, { parameter = null, bounded = false } = {}) => ({ name, title, value, slope, parameter, bounded });
const number = (label, min, max, step, start) => ({ parameter: { label, min, max, step, start } });

export const ACTIVATION_ROWS = [
  row("relu", "ReLU", (z) => Math.max(z, 0), (z) => (z > 0 ? 1 : 0)),
  row("leaky_relu", "leaky ReLU", (z, p) => (z > 0 ? z : p * z), (z, p) => (z > 0 ? 1 : p), number("slope for z < 0", 0, 0.5, 0.01, 0.01)),
  row("elu", "ELU", exponential, exponentialSlope, number("α", 0.1, 2, 0.1, 1)),
  row("selu", "SELU", (z) => SELU[0] * exponential(z, SELU[1]), (z) => SELU[0] * exponentialSlope(z, SELU[1])),
  row("gelu", "GELU", (z) => z * normalShare(z), (z) => normalShare(z) + z * normalDensity(z)),
  row("gelu_tanh", "GELU, tanh form", (z) => z * logistic(2 * inner(z)),
    (z) => logistic(2 * inner(z)) + 2 * z * INNER * (1 + 3 * CUBIC * z * z) * logisticSlope(2 * inner(z))),
  row("silu", "Swish (SiLU)", (z, p) => z * logistic(p * z), (z, p) => logistic(p * z) + p * z * logisticSlope(p * z), number("β", 0, 10, 0.1, 1)),
  row("mish", "Mish", (z) => z * Math.tanh(softplus(z)), (z) => Math.tanh(softplus(z)) + z * logistic(z) * tanhSlope(softplus(z))),
  row("hard_swish", "hard swish", (z) => z * ramp(z), (z) => ramp(z) + z * rampSlope(z)),
  row("softplus", "softplus", (z, p) => softplus(p * z) / p, (z, p) => logistic(p * z), number("β", 0.2, 5, 0.1, 1)),
  row("relu6", "ReLU6", (z) => Math.min(Math.max(z, 0), 6), (z) => (z > 0 && z < 6 ? 1 : 0)),
  row("sigmoid", "sigmoid", logistic, logisticSlope, { bounded: true }),
  row("hard_sigmoid", "hard sigmoid", ramp, rampSlope, { bounded: true }),
  row("tanh", "tanh", Math.tanh, tanhSlope, { bounded: true }),
  row("scaled_tanh", "LeNet’s scaled tanh", (z) => LENET * Math.tanh((2 * z) / 3), (z) => ((LENET * 2) / 3) * tanhSlope((2 * z) / 3), { bounded: true }),
];

export const rowOf = (name) => ACTIVATION_ROWS.find((r) => r.name === name);

// ---- a deep stack -----------------------------------------------------------------------------------------------

export const MOST_DEPTH = 50, EXAMPLES = 16;

// All random numbers of a stack, standard normal: inputs, the gradient that arrives at the top, and the weights, to be
// multiplied by gain / √width. A shallower stack uses the first layers of a deeper one.
export function drawStack(width, seed) {
  const uniform = mulberry32(seed), fill = (count) => Float64Array.from({ length: count }, () => normal(uniform));
  return { width, x: fill(EXAMPLES * width), top: fill(EXAMPLES * width), weights: fill(MOST_DEPTH * width * width) };
}

const rms = (values) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);

// One pass forward and one back. signal[ℓ]: root mean square of the pre-activations of layer ℓ, error[ℓ]: that of
// ∂loss/∂z in it, for a loss whose gradient at the last activations is `top`; z: all pre-activations.
export function runStack({ row: { value, slope }, parameter, depth, gain }, { width, x, top, weights }) {
  const count = x.length, rows = count / width, scale = gain / Math.sqrt(width), z = [];
  let a = x;
  for (let l = 0; l < depth; l++) {
    const here = new Float64Array(count), base = l * width * width;
    for (let i = 0; i < rows; i++)
      for (let o = 0, w = base; o < width; o++, w += width) {
        let sum = 0;
        for (let k = 0; k < width; k++) sum += weights[w + k] * a[i * width + k];
        here[i * width + o] = scale * sum;
      }
    z.push(here);
    a = here.map((v) => value(v, parameter));
  }
  const error = new Float64Array(depth);
  let below = top;
  for (let l = depth - 1; l >= 0; l--) {
    const delta = below.map((g, k) => g * slope(z[l][k], parameter)), base = l * width * width;
    error[l] = rms(delta);
    below = new Float64Array(count);
    for (let i = 0; i < rows; i++)
      for (let o = 0, w = base; o < width; o++, w += width) {
        const d = scale * delta[i * width + o];
        for (let k = 0; k < width; k++) below[i * width + k] += weights[w + k] * d;
      }
  }
  return { signal: Float64Array.from(z, rms), error, z };
}

// E[f(ξ)], ξ standard normal, by the midpoint rule; midpoints, so that kinks at 0 fall between two of them.
export function normalMean(f, cell = 0.05) {
  let sum = 0;
  for (let z = -8 + cell / 2; z < 8; z += cell) sum += f(z) * normalDensity(z);
  return sum * cell;
}

// The gain that keeps a signal of size 1: 1 / √E[φ(ξ)²].
export const matchedGain = ({ value }, parameter) => 1 / Math.sqrt(normalMean((z) => value(z, parameter) ** 2));

// What infinitely wide layers would do: q ← gain² E[φ(√q ξ)²] forward, gain² E[φ′(√q ξ)²] from layer to layer back.
export function predictStack({ row: { value, slope }, parameter, depth, gain }) {
  const signal = new Float64Array(depth), error = new Float64Array(depth), steep = new Float64Array(depth);
  for (let l = 0, a = 1; l < depth; l++) {
    signal[l] = gain * Math.sqrt(a);
    a = normalMean((z) => value(signal[l] * z, parameter) ** 2);
    steep[l] = normalMean((z) => slope(signal[l] * z, parameter) ** 2);
  }
  for (let l = depth - 1, above = 1; l >= 0; l--) {
    error[l] = Math.sqrt(above * steep[l]);
    above = gain * gain * error[l] ** 2;
  }
  return { signal, error };
}

// ---- a small net that loses units -------------------------------------------------------------------------------

export const UNITS = 24, POINTS = 33, STEPS = 200, DEAD = 1e-3;
const KEPT = 0.9;                                              // momentum

export const WAVE = Array.from({ length: POINTS }, (_, i) => {
  const x = -2 + (4 * i) / (POINTS - 1);
  return { x, y: Math.sin(2 * x) };
});

// First parameters of the 1–24–1 network, in one array: weights and biases of the hidden units, output weights, and
// the output bias. `bias` is the mean of the hidden biases.
export function drawUnits(bias, seed) {
  const uniform = mulberry32(seed), params = new Float64Array(3 * UNITS + 1);
  for (let u = 0; u < UNITS; u++) {
    params[u] = Math.SQRT2 * normal(uniform);
    params[UNITS + u] = bias + normal(uniform);
    params[2 * UNITS + u] = Math.sqrt(2 / UNITS) * normal(uniform);
  }
  return params;
}

export function unitOutput({ value }, parameter, params, x) {
  let y = params[3 * UNITS];
  for (let u = 0; u < UNITS; u++) y += params[2 * UNITS + u] * value(params[u] * x + params[UNITS + u], parameter);
  return y;
}

// Full-batch gradient descent with momentum on the mean Huber loss: ½e² up to an error of 1, from there on |e| − ½, so
// that one large error cannot blow the weights up. frames[t]: { params, loss, steepest } before step t, where
// steepest[u] is the largest |φ′| that unit u has on any point.
export function trainUnits({ row: { value, slope }, parameter, lr }, start) {
  const frames = [], params = start.slice(), grads = new Float64Array(params.length), speed = new Float64Array(params.length);
  const a = new Float64Array(UNITS), d = new Float64Array(UNITS);
  for (let t = 0; t <= STEPS; t++) {
    const steepest = new Float64Array(UNITS);
    let loss = 0;
    grads.fill(0);
    for (const { x, y } of WAVE) {
      let out = params[3 * UNITS];
      for (let u = 0; u < UNITS; u++) {
        const z = params[u] * x + params[UNITS + u];
        a[u] = value(z, parameter);
        d[u] = slope(z, parameter);
        if (Math.abs(d[u]) > steepest[u]) steepest[u] = Math.abs(d[u]);
        out += params[2 * UNITS + u] * a[u];
      }
      const off = Math.abs(out - y), e = Math.min(off, 1) * Math.sign(out - y) / POINTS;
      loss += (off < 1 ? (off * off) / 2 : off - 0.5) / POINTS;
      for (let u = 0; u < UNITS; u++) {
        const back = e * params[2 * UNITS + u] * d[u];
        grads[u] += back * x;
        grads[UNITS + u] += back;
        grads[2 * UNITS + u] += e * a[u];
      }
      grads[3 * UNITS] += e;
    }
    frames.push({ params: params.slice(), loss, steepest });
    for (let k = 0; k < params.length; k++) {
      speed[k] = KEPT * speed[k] + grads[k];
      params[k] -= lr * speed[k];
    }
  }
  return frames;
}

export const deadUnits = ({ steepest }) => steepest.reduce((count, s) => count + (s < DEAD ? 1 : 0), 0);
