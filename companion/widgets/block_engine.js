// The blocks of ResNet's family as lists of steps with their costs; stride 1, as many channels out as in (dense: more).
// mark: "new", "changed", "moved" or "gone" against the block before; a step that is gone costs nothing.

const conv = (K, from, to, { groups = 1, mark = "" } = {}) => {
  const weights = (to * from * K * K) / groups;
  return { kind: "conv", K, from, to, groups, mark, parameters: weights, perPlace: weights, once: 0, channels: to };
};
const norm = (channels, text, mark = "") => ({ kind: "thin", text, mark, parameters: 2 * channels, perPlace: 0, once: 0, channels });
const step = (text, channels, mark = "") => ({ kind: "thin", text, mark, parameters: 0, perPlace: 0, once: 0, channels });
const gone = (text, channels, kind = "thin") => ({ kind, text, mark: "gone", parameters: 0, perPlace: 0, once: 0, channels });
const join = (text, channels, mark = "") => ({ kind: "join", text, mark, parameters: 0, perPlace: 0, once: 0, channels });
const gate = (lines, channels, parameters, once) => ({ kind: "gate", lines, mark: "new", parameters, perPlace: 0, once, channels });

// Neighbours that a gate of ECA reads: odd, growing with the logarithm of the channels.
export function ecaKernel(channels) {
  const t = Math.floor((Math.log2(channels) + 1) / 2);
  return t % 2 ? t : t + 1;
}

// A bottleneck with other inner widths and groups, and with a gate before the sum.
function bottleneck(C, { inner = C / 4, groups = 1, marks = ["", "", ""], extra = [] } = {}) {
  return [conv(1, C, inner, { mark: marks[0] }), norm(inner, "norm, ReLU"), conv(3, inner, inner, { groups, mark: marks[1] }), norm(inner, "norm, ReLU"),
    conv(1, inner, C, { mark: marks[2] }), norm(C, "norm"), ...extra, join("+ input", C), step("ReLU", C)];
}

const STEPS = {
  basic: ({ channels: C }) => [conv(3, C, C), norm(C, "norm, ReLU"), conv(3, C, C), norm(C, "norm"), join("+ input", C), step("ReLU", C)],
  bottleneck: ({ channels: C }) => bottleneck(C, { marks: ["new", "changed", "changed"] }),
  preact: ({ channels: C }) => [norm(C, "norm, ReLU", "moved"), conv(1, C, C / 4), norm(C / 4, "norm, ReLU"), conv(3, C / 4, C / 4), norm(C / 4, "norm, ReLU"),
    conv(1, C / 4, C), gone("norm", C), join("+ input", C), gone("ReLU", C)],
  wide: ({ channels: C, widen }) => bottleneck(C, { inner: (widen * C) / 4, marks: widen > 1 ? ["changed", "changed", "changed"] : ["", "", ""] }),
  resnext: ({ channels: C, groups }) => bottleneck(C, { inner: C / 2, groups: Math.min(groups, C / 2), marks: ["changed", "changed", "changed"] }),
  se({ channels: C, reduction }) {
    const squeezed = Math.max(1, Math.floor(C / reduction));
    return bottleneck(C, { extra: [gate(["× gate of every channel", `mean, ${C} → ${squeezed}, ReLU, ${squeezed} → ${C}, σ`], C, 2 * C * squeezed + C + squeezed, 2 * C * squeezed)] });
  },
  eca({ channels: C }) {
    const k = ecaKernel(C);
    return bottleneck(C, { extra: [gate(["× gate of every channel", `mean, kernel over ${k} neighbours, σ`], C, k, k * C)] });
  },
  split({ channels: C, radix }) {
    const w = C / 4, squeezed = Math.max(32, (radix * w) / 4), all = radix * w;
    const parameters = w * squeezed + squeezed + 2 * squeezed + squeezed * all + all;
    const mix = gate([radix > 1 ? `weighted sum of ${radix} versions` : "× gate of every channel", `mean, ${w} → ${squeezed}, norm, ReLU,`, `${squeezed} → ${all}, ${radix > 1 ? `softmax over the ${radix}` : "σ"}`], w, parameters, w * squeezed + squeezed * all);
    return [conv(1, C, w), norm(w, "norm, ReLU"), conv(3, w, all, { groups: radix, mark: radix > 1 ? "changed" : "" }), norm(all, "norm, ReLU"), mix,
      conv(1, w, C), norm(C, "norm"), join("+ input", C), step("ReLU", C)];
  },
  dense: ({ channels: C, growth: k }) => [norm(C, "norm, ReLU", "moved"), conv(1, C, 4 * k, { mark: "changed" }), norm(4 * k, "norm, ReLU"),
    conv(3, 4 * k, k, { mark: "changed" }), gone("1×1 convolution", C), join("beside input", C + k, "changed"), gone("ReLU", C + k)],
};

// { block, channels, side, … } -> its steps, and what it costs on a map of side × side places.
export function designBlock(setting) {
  const steps = STEPS[setting.block](setting), places = setting.side ** 2;
  const sum = (f) => steps.reduce((total, one) => total + f(one), 0);
  return { steps, parameters: sum((one) => one.parameters), macs: sum((one) => one.perPlace * places + one.once), out: steps.at(-1).channels };
}
