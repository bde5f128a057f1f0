// Convolution of small multi-channel maps: float64, zeros outside, PyTorch's conventions and names; tests hold it to
// torch's own numbers. A map is { data, shape: [C, H, W] }, a kernel { data, shape: [C_out, C_in / groups, K, K] },
// for transposed convolution [C_in, C_out / groups, K, K]; data are row-major.

const PLAIN = { stride: 1, padding: 0, dilation: 1, groups: 1, outputPadding: 0 };

// Values along one side of the output; 0 or less where the window does not fit.
export const outputSize = (n, K, { stride, padding, dilation } = PLAIN) =>
  Math.floor((n + 2 * padding - dilation * (K - 1) - 1) / stride) + 1;

export const transposedSize = (n, K, { stride, padding, outputPadding }) =>
  (n - 1) * stride - 2 * padding + K + outputPadding;

export function conv2d(x, w, bias, options = {}) {
  const o = { ...PLAIN, ...options }, [, H, W] = x.shape, [out, perGroup, K] = w.shape;
  const rows = Math.max(0, outputSize(H, K, o)), columns = Math.max(0, outputSize(W, K, o));
  const z = new Float64Array(out * rows * columns);
  for (let n = 0, at = 0; n < out; n++) {
    const first = Math.floor(n / (out / o.groups)) * perGroup;
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) z[at++] = windowSum(x, w, n, first, i * o.stride - o.padding, j * o.stride - o.padding, o.dilation) + (bias?.[n] ?? 0);
  }
  return { data: z, shape: [out, rows, columns] };
}

function windowSum(x, w, n, first, top, left, dilation) {
  const [, H, W] = x.shape, [, perGroup, K] = w.shape;
  let sum = 0;
  for (let c = 0; c < perGroup; c++)
    for (let u = 0; u < K; u++) {
      const r = top + u * dilation;
      if (r < 0 || r >= H) continue;
      const from = ((first + c) * H + r) * W, tap = ((n * perGroup + c) * K + u) * K;
      for (let v = 0; v < K; v++) {
        const q = left + v * dilation;
        if (q >= 0 && q < W) sum += w.data[tap + v] * x.data[from + q];
      }
    }
  return sum;
}

// Every input value stamps the kernel, times itself, onto the output.
export function convTranspose2d(x, w, bias, options = {}) {
  const o = { ...PLAIN, ...options }, [C, H, W] = x.shape, [, perGroup, K] = w.shape, out = perGroup * o.groups;
  const reach = o.dilation * (K - 1) + 1, rows = Math.max(0, transposedSize(H, reach, o)), columns = Math.max(0, transposedSize(W, reach, o));
  const z = new Float64Array(out * rows * columns);
  if (bias) for (let n = 0; n < out; n++) z.fill(bias[n], n * rows * columns, (n + 1) * rows * columns);
  for (let c = 0; c < C; c++)
    for (let n = 0; n < perGroup; n++) {
      const target = Math.floor(c / (C / o.groups)) * perGroup + n;
      for (let i = 0; i < H; i++)
        for (let j = 0; j < W; j++)
          for (let u = 0; u < K; u++)
            for (let v = 0; v < K; v++) {
              const r = i * o.stride - o.padding + u * o.dilation, q = j * o.stride - o.padding + v * o.dilation;
              if (r < 0 || r >= rows || q < 0 || q >= columns) continue;
              z[(target * rows + r) * columns + q] += x.data[(c * H + i) * W + j] * w.data[((c * perGroup + n) * K + u) * K + v];
            }
    }
  return { data: z, shape: [out, rows, columns] };
}

// A kernel turned by half a turn: cross-correlation with it is convolution with the kernel itself.
export function flipKernel({ data, shape }) {
  const area = shape.at(-1) ** 2;
  return { data: Float64Array.from(data, (_, i) => data[Math.floor(i / area) * area + area - 1 - (i % area)]), shape };
}

// ---- who feeds whom, along one side -----------------------------------------------------------------------------
// For every output index the list of { tap, at }: input index `at` enters through entry `tap` of the kernel. An `at`
// outside the input is padding.

export const windowTaps = (n, K, { stride, padding, dilation }) =>
  Array.from({ length: Math.max(0, outputSize(n, K, { stride, padding, dilation })) }, (_, i) =>
    Array.from({ length: K }, (_, tap) => ({ tap, at: i * stride - padding + tap * dilation })));

export const transposedTaps = (n, K, { stride, padding, outputPadding }) =>
  Array.from({ length: Math.max(0, transposedSize(n, K, { stride, padding, outputPadding })) }, (_, i) =>
    Array.from({ length: K }, (_, tap) => ({ tap, at: (i + padding - tap) / stride }))
      .filter(({ at }) => Number.isInteger(at) && at >= 0 && at < n));

// Every input repeated `scale` times, then a window of stride 1.
export const resizedTaps = (n, K, { scale, padding }) =>
  windowTaps(n * scale, K, { stride: 1, padding, dilation: 1 }).map((taps) =>
    taps.map(({ tap, at }) => ({ tap, at: Math.floor(at / scale) })));

// How many inputs enter each output, and how often each of the n inputs is used. Over a grid the counts multiply.
export const overlapCounts = (taps, n) => taps.map((list) => list.filter(({ at }) => at >= 0 && at < n).length);
export function useCounts(taps, n) {
  const counts = Array(n).fill(0);
  for (const { at } of taps.flat()) if (at >= 0 && at < n) counts[at] += 1;
  return counts;
}

// ---- what it costs ----------------------------------------------------------------------------------------------

// Weights (no biases) and multiply-accumulates of a layer with a map of `area` outputs per channel.
export function costs({ inChannels, outChannels, kernelSize, groups = 1, area }) {
  const taps = kernelSize ** 2, priced = (parameters) => ({ parameters, macs: parameters * area });
  const depthwise = priced(inChannels * taps), pointwise = priced(inChannels * outChannels);
  return {
    dense: priced(inChannels * outChannels * taps), grouped: priced((inChannels / groups) * outChannels * taps),
    depthwise, pointwise, separable: priced(depthwise.parameters + pointwise.parameters),
  };
}
