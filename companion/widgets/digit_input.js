// From a drawing to what the network reads, by the steps that made the digits of the data set: lines → 32×32 bitmap,
// scaled, set upright and centred → inked pixels counted in blocks of 4×4 → 8×8 counts → enlarged to 32×32.
// A line is a list of points [x, y]; a drawing is a list of lines in the unit square, y downwards.

export const SIDE = 32, BLOCK = 4, COUNTS = SIDE / BLOCK;

// ---- a drawing as text: three letters a point, a full stop between two lines ---------------------------------------

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", FINE = 511;
const DRAWING = /^(?:[\w-]{3})+(?:\.(?:[\w-]{3})+)*$/;
export const MOST_POINTS = 600, MOST_LINES = 40;

export function encodeDrawing(lines) {
  const letters = ([x, y]) => {
    const n = Math.round(x * FINE) * (FINE + 1) + Math.round(y * FINE);
    return LETTERS[n >> 12] + LETTERS[(n >> 6) & 63] + LETTERS[n & 63];
  };
  return lines.map((line) => line.map(letters).join("")).join(".");
}

// Text that is no drawing, or too long for one, is an empty paper.
export function decodeDrawing(text) {
  if (typeof text !== "string" || text.length > 4 * MOST_POINTS || !DRAWING.test(text)) return [];
  const lines = text.split(".").map((part) => part.match(/.{3}/g).map((three) => {
    const n = [...three].reduce((sum, letter) => 64 * sum + LETTERS.indexOf(letter), 0);
    return [Math.floor(n / (FINE + 1)) / FINE, (n % (FINE + 1)) / FINE];
  }));
  return lines.length <= MOST_LINES && lines.flat().length <= MOST_POINTS ? lines : [];
}

// The line with fewer points that stays within `tolerance` of the given one.
export function simplify(line, tolerance = 0.002) {
  if (line.length < 3) return line;
  const a = line[0], b = line.at(-1);
  let far = 0, at = 0;
  for (let i = 1; i < line.length - 1; i++) {
    const away = segmentDistance(line[i][0], line[i][1], a, b);
    if (away > far) { far = away; at = i; }
  }
  if (far <= tolerance) return [a, b];
  return [...simplify(line.slice(0, at + 1), tolerance).slice(0, -1), ...simplify(line.slice(at), tolerance)];
}

// ---- lines → bitmap -------------------------------------------------------------------------------------------------

// In pixels of the bitmap. The data fix them: a digit is 20 wide before it is set upright and always 32 high, and has
// some 310 inked pixels, whatever its lines are long: where they are short, the pen is thick.
const WIDE = 20, MARGIN = 2.5, INK = 310, THINNEST = 2, THICKEST = 4.5, BAND = 3, MOST_STRETCH = 1.7, TINY = 0.001;

function segmentDistance(x, y, [ax, ay], [bx, by]) {
  const dx = bx - ax, dy = by - ay, n = dx * dx + dy * dy;
  const t = n > 0 ? Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / n)) : 0;
  const u = x - ax - t * dx, v = y - ay - t * dy;
  return Math.sqrt(u * u + v * v);
}

// How far the middle of each pixel is from the nearest line.
function distances(lines) {
  const far = new Float64Array(SIDE * SIDE).fill(Infinity);
  for (const line of lines)
    for (let i = 0; i < Math.max(1, line.length - 1); i++) {
      const a = line[i], b = line[i + 1] ?? a;
      for (let row = 0, at = 0; row < SIDE; row++)
        for (let column = 0; column < SIDE; column++, at++) {
          const d = segmentDistance(column + 0.5, row + 0.5, a, b);
          if (d < far[at]) far[at] = d;
        }
    }
  return far;
}

function extent(lines, axis) {
  let low = Infinity, high = -Infinity;
  for (const line of lines) for (const point of line) { low = Math.min(low, point[axis]); high = Math.max(high, point[axis]); }
  return [low, high];
}

const moved = (lines, f) => lines.map((line) => line.map(([x, y]) => f(x, y)));

// Scaled to the height of the frame, and to its own width as far as that is no distortion.
function fit(lines) {
  const [left, right] = extent(lines, 0), [top, bottom] = extent(lines, 1);
  const across = (WIDE - 2 * MARGIN) / Math.max(right - left, TINY), down = (SIDE - 2 * MARGIN) / Math.max(bottom - top, TINY);
  const sx = Math.min(across, MOST_STRETCH * down), sy = Math.min(down, MOST_STRETCH * across);
  const mx = (left + right) / 2, my = (top + bottom) / 2;
  return moved(lines, (x, y) => [(x - mx) * sx + SIDE / 2, (y - my) * sy + SIDE / 2]);
}

// Sheared until its first and its last rows of ink begin in the same column, then centred.
function upright(lines) {
  const far = distances(lines), inked = (row) => far.subarray(row * SIDE, (row + 1) * SIDE).some((d) => d <= MARGIN);
  let top = 0, bottom = SIDE - 1;
  while (top < bottom && !inked(top)) top++;
  while (bottom > top && !inked(bottom)) bottom--;
  const begin = (start) => {                                   // the first inked column of BAND rows
    let column = SIDE;
    for (let at = start * SIDE; at < (start + BAND) * SIDE; at++) if (far[at] <= MARGIN) column = Math.min(column, at % SIDE);
    return column;
  };
  const apart = bottom - top + 1 - BAND, lean = apart > 0 ? (begin(top) - begin(bottom - BAND + 1)) / apart : 0;
  const sheared = moved(lines, (x, y) => [x + lean * (y - SIDE / 2), y]), [left, right] = extent(sheared, 0);
  const squeeze = Math.min(1, (SIDE - 2 * MARGIN) / Math.max(right - left, TINY)), middle = (left + right) / 2;
  return moved(sheared, (x, y) => [SIDE / 2 + squeeze * (x - middle), y]);
}

// 1 where there is ink: the INK pixels nearest to the lines, as far as the pen allows it.
export function toBitmap(lines) {
  if (!lines.length) return new Uint8Array(SIDE * SIDE);
  const far = distances(upright(fit(lines)));
  const pen = Math.min(THICKEST, Math.max(THINNEST, far.slice().sort()[INK - 1]));
  return Uint8Array.from(far, (d) => (d <= pen ? 1 : 0));
}

// ---- bitmap → counts → input ----------------------------------------------------------------------------------------

export function toCounts(bitmap) {
  const counts = new Uint8Array(COUNTS * COUNTS);
  bitmap.forEach((bit, at) => { counts[COUNTS * Math.floor(at / SIDE / BLOCK) + Math.floor((at % SIDE) / BLOCK)] += bit; });
  return counts;
}

// The two counts that a row (or column) of the enlarged image lies between, and their shares.
export function between(place) {
  const at = Math.max(0, (place + 0.5) / BLOCK - 0.5), low = Math.floor(at), share = at - low;
  return low + 1 < COUNTS ? { low, shares: [1 - share, share] } : { low: COUNTS - 2, shares: [0, 1] };
}

// Each count over 16 in the middle of its block, straight lines between the middles: values from 0 to 1.
export function enlarge(counts) {
  const input = new Float64Array(SIDE * SIDE);
  for (let row = 0; row < SIDE; row++) {
    const y = between(row);
    for (let column = 0; column < SIDE; column++) {
      const x = between(column), at = y.low * COUNTS + x.low;
      const upper = x.shares[0] * counts[at] + x.shares[1] * counts[at + 1];
      const lower = x.shares[0] * counts[at + COUNTS] + x.shares[1] * counts[at + COUNTS + 1];
      input[row * SIDE + column] = (y.shares[0] * upper + y.shares[1] * lower) / BLOCK ** 2;
    }
  }
  return input;
}
