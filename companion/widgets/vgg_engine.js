// What each layer of a VGG costs: stages of small convolutions, 2 x 2 pooling after each, and one of three heads.
// Counts are exact whole numbers; a picture is square, its side in pixels.

export const HEADS = [["dense", "fully connected"], ["convolution", "the same as convolutions"], ["mean", "mean and one layer"]];
export const CELLS = 7, HIDDEN = 4096, CHANNELS = 3;

// configuration: sides of the windows, stage by stage -> [{ name, stage, kind, shape, parameters, macs, outputs, field }].
// `field` is the side of the receptive field in pixels of the picture, 0 for all of it; stage 0 is the head.
export function layersOf({ kernels, widths, side, head, classes }) {
  const rows = [];
  let channels = CHANNELS, size = side, field = 1, jump = 1;
  const add = (row) => rows.push({ parameters: 0, macs: 0, ...row, outputs: row.shape.reduce((a, b) => a * b, 1) });
  kernels.forEach((windows, i) => {
    const width = widths[i], stage = i + 1;
    windows.forEach((window, j) => {
      const weights = width * channels * window * window;
      field += (window - 1) * jump;
      add({ name: `conv${stage}-${j + 1}`, stage, kind: `${window} × ${window}`, shape: [width, size, size], parameters: weights + width, macs: weights * size * size, field });
      channels = width;
    });
    size = Math.floor(size / 2);
    field += jump;
    jump *= 2;
    add({ name: `pool${stage}`, stage, kind: "2 × 2", shape: [width, size, size], field });
  });
  if (head === "mean") {
    add({ name: "mean", stage: 0, kind: "of each map", shape: [channels], field: 0 });
    add({ name: "fc", stage: 0, kind: "dense", shape: [classes], parameters: classes * channels + classes, macs: classes * channels, field: 0 });
    return rows;
  }
  const dense = head === "dense", places = dense ? 1 : Math.max(0, size - CELLS + 1);
  field += (CELLS - 1) * jump;
  [HIDDEN, HIDDEN, classes].forEach((width, i) => {
    const weights = width * (i ? HIDDEN : channels * CELLS * CELLS);
    add({ name: `fc${i + 6}`, stage: 0, kind: dense ? "dense" : i ? "1 × 1" : `${CELLS} × ${CELLS}`, shape: dense ? [width] : [width, places, places], parameters: weights + width, macs: weights * places * places, field: dense ? 0 : field });
  });
  return rows;
}

export const totalOf = (rows, what) => rows.reduce((sum, row) => sum + row[what], 0);

// How much of a cost lies in each stage, the head (stage 0) last: [{ stage, value, share }].
export function shares(rows, what) {
  const stages = [...new Set(rows.map((row) => row.stage))], total = totalOf(rows, what) || 1;
  return stages.map((stage) => {
    const value = totalOf(rows.filter((row) => row.stage === stage), what);
    return { stage, value, share: value / total };
  });
}
