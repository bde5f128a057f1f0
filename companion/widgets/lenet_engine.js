// LeNet-5 as it is taught today (61,706 parameters), forward only, one image at a time, in float64; and, for every
// value of every layer, where it comes from. Layout as in torch: maps one after the other, each row by row.

// A layer: its name, its maps, their side, and how it is made. Units of the last three are maps of side 1.
export const LAYERS = [
  { name: "input", maps: 1, side: 32 },
  { name: "C1", maps: 6, side: 28, kind: "conv", kernel: 5 },
  { name: "S2", maps: 6, side: 14, kind: "pool", kernel: 2 },
  { name: "C3", maps: 16, side: 10, kind: "conv", kernel: 5 },
  { name: "S4", maps: 16, side: 5, kind: "pool", kernel: 2 },
  { name: "C5", maps: 120, side: 1, kind: "dense" },
  { name: "F6", maps: 84, side: 1, kind: "dense" },
  { name: "output", maps: 10, side: 1, kind: "dense" },
];
const valuesIn = ({ maps, side }) => maps * side * side;
const fanIn = (l) => (LAYERS[l].kind === "conv" ? LAYERS[l - 1].maps * LAYERS[l].kernel ** 2 : valuesIn(LAYERS[l - 1]));

export function halfToNumber(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return exponent === 31 ? (fraction ? NaN : sign * Infinity) : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

// All weights and biases in torch's order, from the half-precision numbers that travelled (little endian).
export function readHalves(view) {
  return Float64Array.from({ length: view.byteLength / 2 }, (_, i) => halfToNumber(view.getUint16(2 * i, true)));
}

// params: weight, bias, weight, bias, … in one array. values[l] is what layer l gives, sums[l] what its activation gets.
export function createLenet(params, { activation, pool }) {
  let at = 0;
  const parts = LAYERS.map(({ kind, maps }, l) => {
    if (kind !== "conv" && kind !== "dense") return null;
    const count = maps * fanIn(l), weight = params.subarray(at, at + count), bias = params.subarray(at + count, at + count + maps);
    at += count + maps;
    return { weight, bias };
  });
  if (at !== params.length) throw new RangeError(`LeNet-5 has ${at} parameters, got ${params.length}`);
  const buffers = () => LAYERS.map((layer) => new Float64Array(valuesIn(layer)));
  return { parts, activation, pool, values: buffers(), sums: buffers(), probabilities: new Float64Array(10) };
}

function convolve(x, { maps: inMaps, side: inSide }, { weight, bias }, { maps, side, kernel }, out) {
  for (let map = 0; map < maps; map++) {
    const z = out.subarray(map * side * side, (map + 1) * side * side).fill(bias[map]);
    for (let from = 0; from < inMaps; from++)
      for (let u = 0; u < kernel; u++)
        for (let v = 0; v < kernel; v++) {
          const w = weight[((map * inMaps + from) * kernel + u) * kernel + v];
          for (let row = 0; row < side; row++) {
            const to = row * side, start = (from * inSide + row + u) * inSide + v;
            for (let column = 0; column < side; column++) z[to + column] += w * x[start + column];
          }
        }
  }
}

function poolMaps(x, inSide, kind, { maps, side }, out) {
  for (let map = 0, at = 0; map < maps; map++)
    for (let row = 0; row < side; row++)
      for (let column = 0; column < side; column++, at++) {
        const i = (map * inSide + 2 * row) * inSide + 2 * column, j = i + inSide;
        out[at] = kind === "max" ? Math.max(x[i], x[i + 1], x[j], x[j + 1]) : (x[i] + x[i + 1] + x[j] + x[j + 1]) / 4;
      }
}

function connect(x, { weight, bias }, out) {
  for (let unit = 0; unit < out.length; unit++) {
    let sum = bias[unit];
    for (let i = 0, w = unit * x.length; i < x.length; i++, w++) sum += weight[w] * x[i];
    out[unit] = sum;
  }
}

// Fills net.values, net.sums and net.probabilities; returns the probabilities.
export function forward(net, input) {
  const squash = net.activation === "relu" ? (v) => Math.max(0, v) : Math.tanh;
  net.values[0].set(input);
  for (let l = 1; l < LAYERS.length; l++) {
    const layer = LAYERS[l], below = LAYERS[l - 1], x = net.values[l - 1], z = net.sums[l], a = net.values[l];
    if (layer.kind === "conv") convolve(x, below, net.parts[l], layer, z);
    else if (layer.kind === "pool") poolMaps(x, below.side, net.pool, layer, z);
    else connect(x, net.parts[l], z);
    const plain = layer.kind === "pool" || layer.name === "output";
    for (let i = 0; i < z.length; i++) a[i] = plain ? z[i] : squash(z[i]);
  }
  const logits = net.values.at(-1), top = Math.max(...logits), total = logits.reduce((sum, v) => sum + Math.exp(v - top), 0);
  logits.forEach((v, i) => { net.probabilities[i] = Math.exp(v - top) / total; });
  return net.probabilities;
}

// The windows below that a value is computed from: one part for every map that it reads (`map`), with the window's
// place, its values row by row, the weights on them and their product sum. Units without rows come in rows of 12.
export function originOf(net, { layer: l, unit, row, column }) {
  const layer = LAYERS[l], below = LAYERS[l - 1], x = net.values[l - 1], at = (unit * layer.side + row) * layer.side + column;
  const flat = layer.kind === "dense" && below.side === 1, size = layer.kernel ?? below.side, step = layer.kind === "pool" ? 2 : 1;
  const top = layer.kernel ? step * row : 0, left = layer.kernel ? step * column : 0;
  const cut = (map) => Float64Array.from({ length: size * size }, (_, i) => x[(map * below.side + top + Math.floor(i / size)) * below.side + left + (i % size)]);
  const part = (map, window, weights) => ({ map, window, weights, sum: weights && weights.reduce((sum, w, i) => sum + w * window[i], 0) });
  const common = { kind: layer.kind, top, left, size, columns: flat ? 12 : size, flat, z: net.sums[l][at], value: net.values[l][at] };
  if (layer.kind === "pool") return { ...common, parts: [part(unit, cut(unit), null)] };
  const { weight, bias } = net.parts[l], fan = fanIn(l), own = weight.subarray(unit * fan, (unit + 1) * fan);
  const parts = flat ? [part(0, x.slice(), own)]
    : Array.from({ length: below.maps }, (_, map) => part(map, cut(map), own.subarray(map * size * size, (map + 1) * size * size)));
  return { ...common, parts, bias: bias[unit] };
}

// The square of the input that a value can see: its first row, its first column, its side.
export function fieldOf({ layer, row, column }) {
  let top = row, left = column, side = 1;
  for (let l = layer; l > 0; l--) {
    const { kernel, kind, side: own } = LAYERS[l], step = kind === "pool" ? 2 : 1;
    if (!kernel) { top = 0; left = 0; side = LAYERS[l - 1].side; continue; }
    if (own === 1) continue;
    top *= step; left *= step; side = (side - 1) * step + kernel;
  }
  return { top, left, side };
}
