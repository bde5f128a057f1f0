// The layers of an Inception module and what they cost; no drawing here.

export const DESIGNS = ["naive", "reduced", "stacked", "asymmetric"];

const conv = (rows, columns, from, to) => ({ rows, columns, from, to, weights: rows * columns * from * to });
const pooling = (channels) => ({ pool: true, rows: 3, columns: 3, from: channels, to: channels, weights: 0 });

// The third branch behind its reduction: one window of n, windows of 3 that reach as far, or a row and a column.
function largeWindow(design, n, from, to) {
  if (design === "stacked") {
    const count = (n - 1) / 2;
    return Array.from({ length: count }, (_, i) => conv(3, 3, from, i === count - 1 ? to : from));
  }
  return design === "asymmetric" ? [conv(1, n, from, from), conv(n, 1, from, to)] : [conv(n, n, from, to)];
}

// Four branches, each a list of layers.
export function branchesOf({ design, window: n, in_channels: C, conv1, reduce3, conv3, reduce5, conv5, pool }) {
  if (design === "naive") return [[conv(1, 1, C, conv1)], [conv(3, 3, C, conv3)], [conv(n, n, C, conv5)], [pooling(C)]];
  return [
    [conv(1, 1, C, conv1)],
    [conv(1, 1, C, reduce3), conv(3, 3, reduce3, conv3)],
    [conv(1, 1, C, reduce5), ...largeWindow(design, n, reduce5, conv5)],
    [pooling(C), conv(1, 1, C, pool)],
  ];
}

const total = (values) => values.reduce((sum, v) => sum + v, 0);

// For each branch: output channels, weights, multiply-accumulates on maps of side × side, side of the region it sees.
export function branchCosts(branches, side) {
  return branches.map((layers) => {
    const weights = total(layers.map((layer) => layer.weights));
    return { outputs: layers.at(-1).to, weights, macs: weights * side * side, sees: 1 + total(layers.map((layer) => layer.rows - 1)) };
  });
}

export const sumOf = (costs, name) => total(costs.map((cost) => cost[name]));
