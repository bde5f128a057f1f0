// What a network of inverted residuals costs when its table is scaled: parameters and multiply-accumulates, exactly.

// The nearest multiple of 8, never less than 9/10 of what was asked for.
export function roundChannels(channels) {
  const rounded = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return rounded >= 0.9 * channels ? rounded : rounded + 8;
}
export const roundDepth = (blocks) => Math.ceil(blocks);
export const half = (side, stride) => Math.ceil(side / stride);

// table: { stages, stem_channels, classes }; factors: { depth, width, side (pixels) }
// -> { stages: [{ channels, depth, side, parameters, macs }], parameters, macs, blocks, widest }.
export function networkCost({ stages, stem_channels, classes }, { depth, width, side }) {
  const stem = roundChannels(stem_channels * width), rows = [];
  let channels = stem, size = half(side, 2);
  let parameters = 27 * stem + 2 * stem, macs = 27 * stem * size * size, blocks = 0;
  for (const stage of stages) {
    const wide = roundChannels(stage.channels * width), many = roundDepth(stage.depth * depth), k2 = stage.kernel_size ** 2;
    let p = 0, m = 0;
    for (let j = 0; j < many; j++) {
      const inner = stage.expansion * channels, out = half(size, j ? 1 : stage.stride), squeeze = Math.max(1, Math.floor(channels / 4));
      if (stage.expansion > 1) { p += inner * channels + 2 * inner; m += inner * channels * size * size; }
      p += inner * k2 + 2 * inner; m += inner * k2 * out * out;
      if (stage.gated) { p += 2 * inner * squeeze + squeeze + inner; m += 2 * inner * squeeze; }
      p += inner * wide + 2 * wide; m += inner * wide * out * out;
      size = out; channels = wide;
    }
    rows.push({ channels: wide, depth: many, side: size, parameters: p, macs: m });
    parameters += p; macs += m; blocks += many;
  }
  const last = 4 * channels;
  parameters += channels * last + 2 * last + last * classes + classes;
  macs += channels * last * size * size + last * classes;
  return { stages: rows, parameters, macs, blocks, widest: Math.max(...rows.map((row) => row.channels)) };
}

export const WAYS = ["together", "depth", "width", "resolution"];
// The factors of depth, width and resolution for one way and phi; alone, a factor grows as fast in cost as all three.
export function factors(way, { phi, alpha, beta, gamma }) {
  const growth = alpha * beta ** 2 * gamma ** 2;
  const base = { together: [alpha, beta, gamma], depth: [growth, 1, 1], width: [1, Math.sqrt(growth), 1], resolution: [1, 1, Math.sqrt(growth)] }[way];
  return { depth: base[0] ** phi, width: base[1] ** phi, resolution: base[2] ** phi };
}
export function scaled(table, way, setting) {
  const { depth, width, resolution } = factors(way, setting), side = Math.max(1, Math.round(table.resolution * resolution));
  return { way, depth, width, resolution, pixels: side, ...networkCost(table, { depth, width, side }) };
}
