// A RegNet from its numbers: the line, its steps, the stages, and what the network costs. Equal to the companion.

// Of two equally near whole numbers the even one, as Python rounds.
export function roundEven(v) {
  const low = Math.floor(v), rest = v - low;
  return rest < 0.5 || (rest === 0.5 && low % 2 === 0) ? low : low + 1;
}

// Nearest multiple of a group; by torchvision's rule the upper of two, and one more where over a tenth would be lost.
export function fitGroups(width, group, rounding) {
  if (rounding === "paper") return Math.max(group, roundEven(width / group) * group);
  const rounded = Math.max(group, Math.floor((width + Math.floor(group / 2)) / group) * group);
  return rounded < 0.9 * width ? rounded + group : rounded;
}

// -> { line, powers, blocks, fitted: a number for each block; widths, depths, groups: a number for each stage }.
export function designOf({ w_0, w_a, w_m, depth, group_width, rounding }) {
  const line = Array.from({ length: depth }, (_, j) => w_0 + w_a * j);
  const powers = line.map((u) => w_0 * w_m ** roundEven(Math.log(u / w_0) / Math.log(w_m)));
  const blocks = powers.map((v) => 8 * roundEven(v / 8)), distinct = [...new Set(blocks)];
  const groups = distinct.map((width) => Math.min(group_width, width));
  const widths = distinct.map((width, i) => fitGroups(width, groups[i], rounding));
  return { line, powers, blocks, fitted: blocks.map((width) => widths[distinct.indexOf(width)]), widths, groups,
    depths: distinct.map((width) => blocks.filter((b) => b === width).length) };
}

// Parameters and multiply-accumulates at `side` pixels; every convolution is followed by a norm with two numbers a channel.
export function costsOf({ widths, depths, groups }, { gate, side = 224, stem = 32, classes = 1000 }) {
  let parameters = 0, macs = 0, size = Math.ceil(side / 2), below = stem;
  const conv = (weights, outputs, places) => { parameters += weights + 2 * outputs; macs += weights * places; };
  conv(3 * 9 * stem, stem, size * size);
  widths.forEach((width, i) => {
    for (let j = 0; j < depths[i]; j++) {
      const half = Math.ceil(size / 2), after = j ? size : half;
      if (!j || below !== width) conv(below * width, width, after * after);       // the shortcut's projection
      conv(below * width, width, size * size);
      conv(width * groups[i] * 9, width, after * after);
      if (gate) {
        const squeeze = roundEven(0.25 * below);
        parameters += 2 * width * squeeze + squeeze + width;
        macs += 2 * width * squeeze;
      }
      conv(width * width, width, after * after);
      below = width;
      size = after;
    }
  });
  return { parameters: parameters + classes * below + classes, macs: macs + classes * below };
}
