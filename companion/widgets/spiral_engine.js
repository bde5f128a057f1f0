// A plane in m channels and back: what an activation between the two matrices leaves of it. Points are pairs [a, b].
import { mulberry32, normal } from "./mlp_engine.js";

export const MOST_CHANNELS = 30;
export const SLOPES = { relu: 0, leaky: 0.1, linear: 1 };      // of the activation below zero

// Points along a spiral of `turns` turns about the origin, evenly spaced in angle, from radius 0.15 to 1.
export function spiral(count, turns = 2) {
  return Array.from({ length: count }, (_, k) => {
    const t = k / (count - 1), r = 0.15 + 0.85 * t, angle = 2 * Math.PI * turns * t;
    return [r * Math.cos(angle), r * Math.sin(angle)];
  });
}

// The rows of W, one for each channel: standard normal numbers. More channels keep the rows of fewer.
export function drawRows(seed, m) {
  const uniform = mulberry32(seed);
  return Array.from({ length: m }, () => [normal(uniform), normal(uniform)]);
}

export const preActivations = (rows, [a, b]) => rows.map(([t, u]) => t * a + u * b);
export const activate = (z, slope) => z.map((v) => (v > 0 ? v : slope * v));

// The pair x for which |rows x - y| is least; of several, the shortest. Rows of length 0 are not expected.
function leastSquares(rows, y) {
  let [p, q, r, c, d] = [0, 0, 0, 0, 0];
  rows.forEach(([t, u], i) => { p += t * t; q += t * u; r += u * u; c += t * y[i]; d += u * y[i]; });
  const determinant = p * r - q * q, trace = p + r;
  if (trace === 0) return [0, 0];
  if (determinant <= 1e-12 * trace * trace) return [c / trace, d / trace];        // one direction only
  return [(r * c - q * d) / determinant, (p * d - q * c) / determinant];
}

// The way back through W's pseudo-inverse, times the number that makes up for what is cut off on average.
export function backByInverse(rows, y, slope) {
  return leastSquares(rows, y).map((v) => (2 / (1 + slope)) * v);
}

// The best way back: undo the activation in every channel that tells its input. A channel at 0 tells none.
export function backByChannels(rows, y, slope) {
  if (slope > 0) return leastSquares(rows, y.map((v) => (v > 0 ? v : v / slope)));
  const on = y.map((v, i) => i).filter((i) => y[i] > 0);
  return leastSquares(on.map((i) => rows[i]), on.map((i) => y[i]));
}

// How many channels tell their input. Two are enough to bring a point of the plane back.
export const tellingChannels = (z, slope) => (slope > 0 ? z.length : z.filter((v) => v > 0).length);

// Share of the plane that has fewer than two channels above zero, on average over all W: (m + 1) / 2^m.
export const meanShareLost = (m, slope) => (slope > 0 ? 0 : (m + 1) / 2 ** m);

// Products at one place of a map of C channels, in and out: dense, separable, inverted residual of expansion t.
export function productsPerPlace(C, K, t) {
  return { dense: K * K * C * C, look: K * K * C, mix: C * C, expand: t > 1 ? t * C * C : 0, lookWide: K * K * t * C, project: t * C * C };
}
export const saving = (C, K) => 1 / (1 / C + 1 / (K * K));
