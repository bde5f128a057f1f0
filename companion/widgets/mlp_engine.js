// A multilayer perceptron for binary classification that trains in the page: float64, no dependency, and nothing
// allocated while it trains. Letters and conventions are PyTorch's, and tests hold it to torch's own numbers:
// a layer's weight is (out, in), row-major; Adam, momentum and SGD are torch.optim's.
//
//   network    { sizes, activation, layers, params, grads }: all parameters in one flat array, layer after layer,
//              weight before bias; `layers` says where each part lies
//   workspace  { a, delta, y }: activations, deltas and classes of a batch of at most `capacity` rows
//   X, y       (n, in) row-major inputs and n classes 0/1, as Float64Array

// ---- random numbers: seeded, the same on every machine ----------------------------------------------------------

// Mulberry32: 32 bits of state, period 2^32, ample for a few thousand draws. Returns uniform() in [0, 1).
export function mulberry32(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// One standard normal number per call (Box–Muller; the sine half is not kept).
export const normal = (uniform) =>
  Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());

// Fisher–Yates, in place.
export function shuffle(order, uniform) {
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(uniform() * (i + 1)), kept = order[i];
    order[i] = order[j];
    order[j] = kept;
  }
  return order;
}

// ---- the network ------------------------------------------------------------------------------------------------

// sizes: [in, hidden …, 1]; activation: "tanh" | "sigmoid" | "relu" | "linear", after every layer but the last.
export function createNetwork(sizes, activation) {
  const layers = [];
  let at = 0;
  for (let l = 1; l < sizes.length; l++) {
    const fanIn = sizes[l - 1], fanOut = sizes[l], weight = at, bias = at + fanIn * fanOut;
    layers.push({ fanIn, fanOut, weight, bias });
    at = bias + fanOut;
  }
  return { sizes, activation, layers, params: new Float64Array(at), grads: new Float64Array(at) };
}

// The standard deviation of a layer's first weights; biases start at 0. Xavier and He are the normal variants, with
// gain 1 and √2 whatever the activation is, so that a wrong match can be seen.
export const SCHEMES = {
  zeros: () => 0,
  small_normal: () => 0.01,
  large_normal: () => 2,
  xavier_normal: (fanIn, fanOut) => Math.sqrt(2 / (fanIn + fanOut)),
  kaiming_normal: (fanIn) => Math.sqrt(2 / fanIn),
};

export function initialize(network, scheme, uniform) {
  const { params, layers } = network;
  params.fill(0);
  for (const { fanIn, fanOut, weight, bias } of layers) {
    const std = SCHEMES[scheme](fanIn, fanOut);
    for (let k = weight; k < bias; k++) params[k] = std * normal(uniform);
  }
}

export function createWorkspace({ sizes }, capacity) {
  const rows = () => sizes.map((width) => new Float64Array(capacity * width));
  // a[0] holds the inputs, a[last] the logits; delta[l] = ∂loss/∂z[l]
  return { a: rows(), delta: rows(), y: new Float64Array(capacity) };
}

// Each activation works in place on the first `count` numbers of z.
const ACTIVATE = {
  tanh(z, count) { for (let k = 0; k < count; k++) z[k] = Math.tanh(z[k]); },
  sigmoid(z, count) { for (let k = 0; k < count; k++) z[k] = 1 / (1 + Math.exp(-z[k])); },
  relu(z, count) { for (let k = 0; k < count; k++) if (z[k] < 0) z[k] = 0; },
  linear() {},
};

// Multiplies delta by φ′(z), which all four activations can tell from their value a = φ(z).
const TIMES_SLOPE = {
  tanh(delta, a, count) { for (let k = 0; k < count; k++) delta[k] *= 1 - a[k] * a[k]; },
  sigmoid(delta, a, count) { for (let k = 0; k < count; k++) delta[k] *= a[k] * (1 - a[k]); },
  relu(delta, a, count) { for (let k = 0; k < count; k++) if (a[k] <= 0) delta[k] = 0; },
  linear() {},
};

// z = W x + b for n rows.
function affine(params, { fanIn, fanOut, weight, bias }, x, z, n) {
  for (let i = 0, at = 0; i < n; i++) {
    const row = i * fanIn;
    for (let o = 0, w = weight; o < fanOut; o++, w += fanIn) {
      let sum = params[bias + o];
      for (let k = 0; k < fanIn; k++) sum += params[w + k] * x[row + k];
      z[at++] = sum;
    }
  }
}

// Runs the n rows that lie in work.a[0]; returns the logits (n). All activations stay in work.a.
export function forward(network, work, n) {
  const { layers, params, activation } = network, last = layers.length;
  for (let l = 0; l < last; l++) {
    affine(params, layers[l], work.a[l], work.a[l + 1], n);
    if (l + 1 < last) ACTIVATE[activation](work.a[l + 1], n * layers[l].fanOut);
  }
  return work.a[last];
}

// log(1 + e^z) − y z: the cross-entropy of a logit, without overflow at either end.
const crossEntropy = (z, y) => Math.max(z, 0) - y * z + Math.log1p(Math.exp(-Math.abs(z)));

// Mean binary cross-entropy in nats over n logits.
export function meanLoss(logits, y, n) {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += crossEntropy(logits[i], y[i]);
  return sum / n;
}

// Share of the n logits on the right side of 0; a logit of 0 counts as class 1.
export function accuracy(logits, y, n) {
  let right = 0;
  for (let i = 0; i < n; i++) right += (logits[i] >= 0) === (y[i] === 1) ? 1 : 0;
  return right / n;
}

// λ/2 Σ w², weights only: its gradient is λ w, torch's weight_decay=λ for a parameter group without the biases.
export function penalty({ layers, params }, l2) {
  let sum = 0;
  for (const { weight, bias } of layers) for (let k = weight; k < bias; k++) sum += params[k] * params[k];
  return 0.5 * l2 * sum;
}

// After forward() on the n rows of work: writes the gradient of (mean cross-entropy + penalty) into network.grads.
export function backward(network, work, n, l2) {
  const { layers, params, grads, activation } = network, last = layers.length;
  const logits = work.a[last], top = work.delta[last];
  for (let i = 0; i < n; i++) top[i] = (1 / (1 + Math.exp(-logits[i])) - work.y[i]) / n;
  grads.fill(0);
  for (let l = last - 1; l >= 0; l--) {
    accumulate(grads, layers[l], work.delta[l + 1], work.a[l], n);
    if (l === 0) break;
    pullBack(params, layers[l], work.delta[l + 1], work.delta[l], n);
    TIMES_SLOPE[activation](work.delta[l], work.a[l], n * layers[l].fanIn);
  }
  if (l2 > 0) for (const { weight, bias } of layers) for (let k = weight; k < bias; k++) grads[k] += l2 * params[k];
}

// ∂loss/∂W = Σ δ xᵀ and ∂loss/∂b = Σ δ over the n rows.
function accumulate(grads, { fanIn, fanOut, weight, bias }, delta, x, n) {
  for (let i = 0; i < n; i++) {
    const row = i * fanIn;
    for (let o = 0, w = weight; o < fanOut; o++, w += fanIn) {
      const d = delta[i * fanOut + o];
      grads[bias + o] += d;
      for (let k = 0; k < fanIn; k++) grads[w + k] += d * x[row + k];
    }
  }
}

// ∂loss/∂x = Wᵀ δ for n rows.
function pullBack(params, { fanIn, fanOut, weight }, delta, below, n) {
  for (let i = 0; i < n; i++) {
    const row = i * fanIn;
    for (let k = 0; k < fanIn; k++) below[row + k] = 0;
    for (let o = 0, w = weight; o < fanOut; o++, w += fanIn) {
      const d = delta[i * fanOut + o];
      for (let k = 0; k < fanIn; k++) below[row + k] += params[w + k] * d;
    }
  }
}

// Writes ‖∂loss/∂W‖₂ of every layer into out. Call after backward().
export function gradientNorms({ layers, grads }, out) {
  layers.forEach(({ weight, bias }, l) => {
    let sum = 0;
    for (let k = weight; k < bias; k++) sum += grads[k] * grads[k];
    out[l] = Math.sqrt(sum);
  });
  return out;
}

// ---- optimizers: the update rules of torch.optim ----------------------------------------------------------------

export const MOMENTUM = 0.9, BETA1 = 0.9, BETA2 = 0.999, EPS = 1e-8;      // torch's usual values

// name: "sgd" | "momentum" | "adam". step(params, grads, lr) changes params; state starts at 0.
export function createOptimizer(name, size) {
  const m = new Float64Array(size), v = new Float64Array(size);
  let t = 0;
  const rules = {
    sgd(params, grads, lr) {
      for (let k = 0; k < size; k++) params[k] -= lr * grads[k];
    },
    momentum(params, grads, lr) {                                         // dampening 0, no Nesterov
      for (let k = 0; k < size; k++) {
        m[k] = MOMENTUM * m[k] + grads[k];
        params[k] -= lr * m[k];
      }
    },
    adam(params, grads, lr) {
      t += 1;
      const size1 = lr / (1 - BETA1 ** t), root2 = Math.sqrt(1 - BETA2 ** t);
      for (let k = 0; k < size; k++) {
        const g = grads[k];
        m[k] += (1 - BETA1) * (g - m[k]);
        v[k] = BETA2 * v[k] + (1 - BETA2) * g * g;
        params[k] -= (size1 * m[k]) / (Math.sqrt(v[k]) / root2 + EPS);
      }
    },
  };
  return { name, step: rules[name] };
}

// ---- training ---------------------------------------------------------------------------------------------------

// Mini-batches without replacement: every epoch is a fresh seeded permutation, the last batch may be smaller
// (torch's DataLoader with shuffle=True, drop_last=False). batchSize 0 takes all rows.
export function createBatches(count, batchSize, uniform) {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  const size = batchSize > 0 ? Math.min(batchSize, count) : count;
  let at = count;
  const batch = { order, start: 0, length: 0, epoch: 0 };
  return function next() {
    if (at >= count) { shuffle(order, uniform); at = 0; batch.epoch += 1; }
    batch.start = at;
    batch.length = Math.min(size, count - at);
    at += batch.length;
    return batch;
  };
}

// Copies rows order[start … start + length) of the data into the workspace.
export function loadRows(work, { X, y }, order, start, length) {
  const x = work.a[0], width = X.length / y.length;
  for (let i = 0; i < length; i++) {
    const row = order[start + i];
    for (let k = 0; k < width; k++) x[i * width + k] = X[row * width + k];
    work.y[i] = y[row];
  }
}

// One optimizer step on one batch of the training set.
export function trainStep(network, work, optimizer, data, { order, start, length }, { lr, l2 }) {
  loadRows(work, data, order, start, length);
  forward(network, work, length);
  backward(network, work, length, l2);
  optimizer.step(network.params, network.grads, lr);
}
