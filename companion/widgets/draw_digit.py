"""Draw a digit: LeNet-5 reads it in the page, and every value of every layer shows where it comes from."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets
from numpy.typing import ArrayLike

from companion.widgets.base import BookWidget

LAYERS = {
    "counts": (1, 8),
    "input": (1, 32),
    "C1": (6, 28),
    "S2": (6, 14),
    "C3": (16, 10),
    "S4": (16, 5),
    "C5": (120, 1),
    "F6": (84, 1),
    "output": (10, 1),
}
"""What can be pointed at: the number of maps of each layer and their side, in the names of LeNet-5."""

SHAPES = ((6, 1, 5, 5), (6,), (16, 6, 5, 5), (16,), (120, 400), (120,), (84, 120), (84,), (10, 84), (10,))
"""Shapes of weights and biases, in torch's order: 61,706 numbers."""

ACTIVATIONS = ("tanh", "relu")
POOLS = ("avg", "max")
OWN = -1
"""Number of the "example" that is the reader's own drawing."""

MOST_POINTS, MOST_LINES, MOST_EXAMPLES = 600, 40, 100

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_FINE = 511
_DRAWING = re.compile(r"(?:[\w-]{3})+(?:\.(?:[\w-]{3})+)*", re.ASCII)


def encode_drawing(lines: Sequence[ArrayLike]) -> str:
    """Write a drawing as the text that a link holds: three letters a point, a full stop between two lines.

    Args:
        lines: of points (x, y) in the unit square, y downwards: each of shape (points, 2). No line is "".

    Raises:
        ValueError: for a line of a wrong shape or without points, a point outside the unit square, and more than
            40 lines or 600 points.

    Example:
        >>> encode_drawing([[(0, 0), (1, 1)], [(0, 1)]])
        'AAA___.AH_'
    """
    parts = []
    for line in lines:
        points = np.asarray(line, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or not len(points):
            raise ValueError(f"a line must be points (x, y), shape (points, 2), got {points.shape}")
        if not ((points >= 0) & (points <= 1)).all():
            outside = points[~((points >= 0) & (points <= 1)).all(1)][0].tolist()
            raise ValueError(f"a point must lie in the unit square, got {outside}")
        fine = np.floor(points * _FINE + 0.5).astype(int)
        numbers = fine[:, 0] * (_FINE + 1) + fine[:, 1]
        parts.append("".join(_LETTERS[n >> 12] + _LETTERS[n >> 6 & 63] + _LETTERS[n & 63] for n in numbers))
    return _checked_drawing(".".join(parts))


def _checked_drawing(text: str) -> str:
    if not text:
        return text
    if not _DRAWING.fullmatch(text):
        raise ValueError(f"drawing must be text as encode_drawing writes it, got {text[:40]!r}")
    lines = text.split(".")
    points = sum(len(line) // 3 for line in lines)
    if len(lines) > MOST_LINES or points > MOST_POINTS:
        rule = f"drawing must have at most {MOST_LINES} lines and {MOST_POINTS} points"
        raise ValueError(f"{rule}, got {len(lines)} and {points}")
    return text


def _arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> list[tuple[float, float]]:
    """Points of an arc round (x, y), angles in turns from the right, clockwise on the paper."""
    angles = np.linspace(start, end, 14) * 2 * np.pi
    return [(x + rx * float(np.cos(a)), y + ry * float(np.sin(a))) for a in angles]


def _preset(name: str, note: str, lines: Sequence[ArrayLike], layer: str, unit: int = 0) -> dict[str, Any]:
    place = min(4, (LAYERS[layer][1] - 1) // 2)
    at = {"layer": layer, "unit": unit, "row": place, "column": place}
    return {"name": name, "note": note, "state": {"drawing": encode_drawing(lines), "example": OWN, **at}}


PRESETS = (
    _preset(
        "A tiny 3 in a corner",
        "Compare paper and bitmap: the reduction finds the digit, enlarges it and centres it. The network never "
        "learns how small it was.",
        [_arc(0.82, 0.79, 0.05, 0.045, -0.45, 0.25) + _arc(0.82, 0.885, 0.06, 0.05, -0.25, 0.42)],
        "counts",
    ),
    _preset(
        "A 2 that falls over",
        "The bitmap stands upright again: it is sheared until its first and its last rows of ink begin in the same "
        "column, as the digits of the data set were.",
        [
            [(0.46, 0.32), (0.54, 0.22), (0.66, 0.19), (0.72, 0.25), (0.66, 0.38), (0.5, 0.55), (0.24, 0.8)],
            [(0.24, 0.8), (0.52, 0.8)],
        ],
        "input",
    ),
    _preset(
        "A 7 without its bar",
        "Most writers of the data set cross their 7; look at the held-out ones. Draw the bar and watch the "
        "probabilities: a network knows the handwritings that it was trained on.",
        [[(0.34, 0.18), (0.5, 0.18), (0.66, 0.18), (0.58, 0.34), (0.5, 0.56), (0.44, 0.84)]],
        "C1",
    ),
    _preset(
        "Between 4 and 9",
        "Is it closed at the top or not? Look at how the bars share the probability; then add a line, or take one "
        "away, and see what tips the scales.",
        [
            [(0.47, 0.16), (0.41, 0.3), (0.35, 0.43), (0.38, 0.51), (0.52, 0.52), (0.66, 0.5)],
            [(0.62, 0.18), (0.64, 0.4), (0.64, 0.62), (0.63, 0.86)],
        ],
        "C3",
        3,
    ),
    _preset(
        "Not a digit at all",
        "A house. The network knows ten answers and no other one, so it gives one, and the probabilities add up to 1 "
        "as always: a high bar says “more than the other nine”, not “true”.",
        [
            [(0.25, 0.5), (0.5, 0.18), (0.75, 0.5)],
            [(0.3, 0.5), (0.3, 0.85), (0.7, 0.85), (0.7, 0.5), (0.3, 0.5)],
            [(0.45, 0.85), (0.45, 0.66), (0.56, 0.66), (0.56, 0.85)],
        ],
        "output",
    ),
)
"""Drawings with a sentence each."""


class DrawDigit(BookWidget):
    """Paper to draw a digit on, and LeNet-5 that reads it while it is drawn, layer by layer.

    A drawing takes the way of scikit-learn's digits: a bitmap of 32×32 pixels, scaled, set upright and centred,
    whose inked pixels are counted in blocks of 4×4; the 8×8 counts, divided by 16, are enlarged to 32×32 as
    `interpolate(..., mode="bilinear", align_corners=False)` does, and that is the input of the network. Pointing
    at a value of any layer shows the window that it is computed from, the weights on it and their product sum.

    Args:
        weights: (name, array) of weights and biases in torch's order, shapes as in `SHAPES`. They travel as
            float16 numbers: the page's probabilities are those of the network rounded to half precision.
        examples: pairs of an 8×8 array of counts, 0 to 16, and the digit that it shows; 1 to 100 of them.
        activation: "tanh" or "relu", after C1, C3, C5 and F6.
        pool: "avg" or "max", 2×2, in S2 and S4.
        drawing: lines on the paper at first, as `encode_drawing` writes them; "" for none.
        example: number of the example on the paper where nothing is drawn; -1 for an empty paper.
        layer, unit, row, column: the value pointed at: a name of `LAYERS`, the number of the map or unit, and
            the place in it, all from 0.
        key, label: see BookWidget.

    Raises:
        ValueError: for a wrong number of arrays, an array of a wrong shape or beyond float16, counts or digits out
            of range, an unknown name, a place outside its layer, and a text that is no drawing.
        TypeError: if weights or examples are not pairs.

    Source: LeCun et al. 1998, doi:10.1109/5.726791, section II-B, names of the layers. Differs: the network is the
    simplified one of today's textbooks.
    """

    module = "draw_digit"
    linked = ("drawing", "example", "layer", "unit", "row", "column")

    weights = traitlets.Bytes().tag(sync=True)
    examples = traitlets.Bytes().tag(sync=True)
    labels = traitlets.List(traitlets.Int()).tag(sync=True)
    activation = traitlets.Unicode().tag(sync=True)
    pool = traitlets.Unicode().tag(sync=True)
    presets: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    drawing = traitlets.Unicode().tag(sync=True)
    example = traitlets.Int().tag(sync=True)
    layer = traitlets.Unicode("C3").tag(sync=True)
    unit = traitlets.Int().tag(sync=True)
    row = traitlets.Int().tag(sync=True)
    column = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        weights: Sequence[tuple[str, ArrayLike]],
        examples: Sequence[tuple[ArrayLike, int]],
        *,
        key: str,
        label: str = "Draw a digit: LeNet-5 reads it in this page, layer by layer",
        activation: str = "tanh",
        pool: str = "avg",
        drawing: str = "",
        example: int = 0,
        layer: str = "C3",
        unit: int = 3,
        row: int = 4,
        column: int = 4,
    ) -> None:
        pictures, labels = _plain_examples(examples)
        super().__init__(
            key=key,
            label=label,
            weights=_plain_weights(weights),
            examples=pictures,
            labels=labels,
            activation=activation,
            pool=pool,
            presets=list(PRESETS),
            drawing=drawing,
            example=OWN if drawing else example,
            layer=layer,
            unit=unit,
            row=row,
            column=column,
        )

    @traitlets.validate("activation")
    def _check_activation(self, proposal: dict[str, Any]) -> str:
        return _one_of("activation", proposal["value"], ACTIVATIONS)

    @traitlets.validate("pool")
    def _check_pool(self, proposal: dict[str, Any]) -> str:
        return _one_of("pool", proposal["value"], POOLS)

    @traitlets.validate("layer")
    def _check_layer(self, proposal: dict[str, Any]) -> str:
        return _one_of("layer", proposal["value"], tuple(LAYERS))

    @traitlets.validate("example")
    def _check_example(self, proposal: dict[str, Any]) -> int:
        return _within("example", proposal["value"], OWN, len(self.labels) - 1)

    @traitlets.validate("unit")
    def _check_unit(self, proposal: dict[str, Any]) -> int:
        return _within(f"unit of {self.layer}", proposal["value"], 0, self._sizes()[0] - 1)

    @traitlets.validate("row", "column")
    def _check_place(self, proposal: dict[str, Any]) -> int:
        name = f"{proposal['trait'].name} of {self.layer}"
        return _within(name, proposal["value"], 0, self._sizes()[1] - 1)

    def _sizes(self) -> tuple[int, int]:
        """Return the number of maps of the layer pointed at, and their side."""
        return LAYERS[_one_of("layer", self.layer, tuple(LAYERS))]

    @traitlets.validate("drawing")
    def _check_drawing(self, proposal: dict[str, Any]) -> str:
        return _checked_drawing(proposal["value"])


def _one_of(name: str, value: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value


def _within(name: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low} to {high}, got {value}")
    return value


def _pairs(name: str, given: Any) -> list[tuple[Any, Any]]:
    pairs = list(given)
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"{name} must be pairs, got {type(pair).__name__}")
    return [(first, second) for first, second in pairs]


def _plain_weights(weights: Any) -> bytes:
    """Return all numbers as little-endian float16, array after array."""
    pairs = _pairs("weights", weights)
    if len(pairs) != len(SHAPES):
        raise ValueError(f"weights must be {len(SHAPES)} arrays, got {len(pairs)}")
    parts = []
    for (name, values), shape in zip(pairs, SHAPES, strict=True):
        array = np.asarray(values, dtype=np.float64)
        if array.shape != shape:
            raise ValueError(f"weights {name!r} must have shape {shape}, got {array.shape}")
        largest = float(np.finfo(np.float16).max)
        if not (np.abs(array) <= largest).all():
            raise ValueError(f"weights {name!r} must lie within ±{largest:g}, got {np.abs(array).max()}")
        parts.append(array.astype("<f2").tobytes())
    return b"".join(parts)


def _plain_examples(examples: Any) -> tuple[bytes, list[int]]:
    pairs = _pairs("examples", examples)
    if not 1 <= len(pairs) <= MOST_EXAMPLES:
        raise ValueError(f"examples must be 1 to {MOST_EXAMPLES} pairs, got {len(pairs)}")
    for picture, label in pairs:
        counts = np.asarray(picture, dtype=np.float64)
        if counts.shape != (8, 8):
            raise ValueError(f"an example must have shape (8, 8), got {counts.shape}")
        if not ((counts >= 0) & (counts <= 16) & (counts == np.round(counts))).all():
            found = f"{counts.min():g} to {counts.max():g}"
            raise ValueError(f"an example must hold whole numbers from 0 to 16, got {found}")
        _within("an example's digit", int(label), 0, 9)
    pictures = [np.asarray(picture, dtype=np.float64).astype(np.uint8).tobytes() for picture, _ in pairs]
    return b"".join(pictures), [int(label) for _, label in pairs]
