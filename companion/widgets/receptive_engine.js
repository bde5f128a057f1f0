// Sizes, receptive fields and path counts of a stack of windows along one axis. A layer is { kernel, stride, padding,
// dilation }; pixel i has its centre at i. Everything in two directions is a product of two such rows.

// How many places the window has on `size` cells; 0 if it does not fit.
export function outputSize(size, { kernel, stride, padding, dilation }) {
  const free = size + 2 * padding - dilation * (kernel - 1) - 1;
  return size > 0 && free >= 0 ? Math.floor(free / stride) + 1 : 0;
}

// Cells of the input and of the map after each layer; 0 from the first window on that does not fit.
export function mapSizes(size, layers) {
  const sizes = [size];
  for (const layer of layers) sizes.push(outputSize(sizes.at(-1), layer));
  return sizes;
}

// { size, jump, start } of the input (one pixel sees itself) and after each layer, in pixels of the input.
export function receptiveFields(layers) {
  const fields = [{ size: 1, jump: 1, start: 0 }];
  for (const { kernel, stride, padding, dilation } of layers) {
    const { size, jump, start } = fields.at(-1), reach = dilation * (kernel - 1);
    fields.push({ size: size + reach * jump, jump: jump * stride, start: start + (reach / 2 - padding) * jump });
  }
  return fields;
}

// First and last pixel that the cell at `position` can see; padding has indices outside of the input.
export function span({ size, jump, start }, position) {
  const first = Math.round(start + position * jump - (size - 1) / 2);
  return [first, first + size - 1];
}

// The stack run backwards from one cell of the last of `layers`: for every map, in order, the number of paths from
// each of its cells to that one. It is the gradient of the stack when all weights are 1.
export function pathCounts(size, layers, position) {
  const sizes = mapSizes(size, layers);
  const counts = [new Float64Array(sizes.at(-1))];
  counts[0][position] = 1;
  for (let l = layers.length - 1; l >= 0; l--) {
    const { kernel, stride, padding, dilation } = layers[l], above = counts[0], below = new Float64Array(sizes[l]);
    above.forEach((paths, i) => {
      if (!paths) return;
      for (let u = 0; u < kernel; u++) {
        const at = i * stride - padding + u * dilation;
        if (at >= 0 && at < below.length) below[at] += paths;
      }
    });
    counts.unshift(below);
  }
  return counts;
}

export const total = (counts) => counts.reduce((sum, c) => sum + c, 0);

// First and last cell with paths, and how many cells have some.
export function reached(counts) {
  const seen = [...counts.keys()].filter((i) => counts[i] > 0);
  return seen.length ? { first: seen[0], last: seen.at(-1), cells: seen.length } : { first: -1, last: -1, cells: 0 };
}

// Side of the smallest square around a cell's field centre that holds `share` of its paths in two directions, where
// rows and columns are the counts along each axis and the centres are in pixels.
export function middle(rows, columns, rowCentre, columnCentre, share) {
  const within = (counts, centre, reach) => counts.reduce((sum, c, i) => sum + (Math.abs(i - centre) <= reach ? c : 0), 0);
  const wanted = share * total(rows) * total(columns), odd = Number.isInteger(rowCentre) ? 1 : 0;
  for (let side = 2 - odd; ; side += 2) {
    const reach = (side - 1) / 2, held = within(rows, rowCentre, reach) * within(columns, columnCentre, reach);
    if (held >= wanted * (1 - 1e-12)) return side;
  }
}
