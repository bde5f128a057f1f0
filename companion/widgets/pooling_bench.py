"""Kinds of pooling side by side on one picture that the reader shifts by single pixels."""

import re
from collections.abc import Sequence
from typing import Any

import traitlets
from numpy.typing import ArrayLike

from companion.widgets.base import BookWidget
from companion.widgets.image_pixels import one_of, read_images, within

SIDE = 16
"""Rows and columns that are seen and pooled."""

MARGIN = 4
"""Rows and columns around them that a shift brings in; no shift is larger."""

DRAWING = "own drawing"
"""Name of the picture that the reader draws."""

LARGEST_WINDOW = LARGEST_STRIDE = 4
KINDS = ("max", "average", "stochastic", "expected", "blurred", "subsampled")
"""What is compared; "expected" is stochastic pooling at test time, "blurred" max pooling, blur, every S-th value."""

ROUND = "0000000003c006600c300810081008100c30066003c000000000000000000000"
"""A ring of 16 × 16 pixels, four a digit: the drawing to start with."""


class PoolingBench(BookWidget):
    """Six ways to pool one picture; how each pooled map answers to a shift; one window worked out in numbers.

    For each kind, the invariance error is the relative distance of the pooled map after the shift from the map
    before it, and the equivariance error that from the map before, moved along by shift / stride cells (where
    that is no whole number, the better one of its neighbours). In a running notebook each attribute can be set
    and read.

    Args:
        pictures: pairs (name, array); arrays are uint8, (24, 24): the 16 × 16 pixels that are seen and four
            more on each side, which a shift brings in.
        signals: names of those pictures whose values are drawn as ink on the page (as with digits); the others
            are drawn as photographs, from black to white.
        picture: name of the one shown first, or `DRAWING`; the first of `pictures` where nothing is said.
        window, stride: sides of the window and its steps, 1 to 4 pixels.
        down, right: shift of the picture's content in pixels, -4 to 4.
        seed: which draws stochastic pooling makes, 0 to 999.
        overlay: the kind whose gradient is shown in the picture, one of `KINDS`, or "none".
        row, column: the pixel pointed at, 0 to 15.
        drawing: the reader's picture as 64 hexadecimal digits, four pixels each, row by row.
        key: name of the figure in links, unique on its page.
        label: what the figure is, read out by screen readers.

    Raises:
        TypeError: if `pictures` is not a sequence of pairs of a string and an array of dtype uint8.
        ValueError: for a wrong shape, an unknown name, a number out of range, or a drawing of another form.

    Source: Zeiler & Fergus 2013, arXiv:1301.3557 (stochastic); Zhang 2019, arXiv:1904.11486 (blurred).
    """

    module = "pooling_bench"
    linked = ("picture", "window", "stride", "down", "right", "seed", "overlay", "row", "column", "drawing")

    names: traitlets.List[str] = traitlets.List().tag(sync=True)
    shapes: traitlets.List[list[int]] = traitlets.List().tag(sync=True)
    pixels = traitlets.Bytes().tag(sync=True)
    signals: traitlets.List[str] = traitlets.List().tag(sync=True)
    picture = traitlets.Unicode().tag(sync=True)
    window = traitlets.Int().tag(sync=True)
    stride = traitlets.Int().tag(sync=True)
    down = traitlets.Int().tag(sync=True)
    right = traitlets.Int().tag(sync=True)
    seed = traitlets.Int().tag(sync=True)
    overlay = traitlets.Unicode().tag(sync=True)
    row = traitlets.Int().tag(sync=True)
    column = traitlets.Int().tag(sync=True)
    drawing = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        pictures: Sequence[tuple[str, ArrayLike]],
        *,
        signals: Sequence[str] = (),
        picture: str | None = None,
        window: int = 2,
        stride: int = 2,
        down: int = 0,
        right: int = 1,
        seed: int = 0,
        overlay: str = "none",
        row: int = 6,
        column: int = 6,
        drawing: str = ROUND,
        key: str = "pooling",
        label: str = "Pooling bench: kinds of pooling side by side, and what a shift of the picture does to them",
    ) -> None:
        names, arrays = read_images(pictures, channels=(1,))
        side = SIDE + 2 * MARGIN
        for name, array in zip(names, arrays, strict=True):
            if array.shape != (1, side, side):
                raise ValueError(f"picture {name!r} must have shape ({side}, {side}), got {array.shape[1:]}")
        if DRAWING in names:
            raise ValueError(f"the name {DRAWING!r} is taken by the reader's own")
        super().__init__(
            key=key,
            label=label,
            names=names,
            shapes=[list(array.shape) for array in arrays],
            pixels=b"".join(array.tobytes() for array in arrays),
            signals=[one_of("signals", name, names) for name in signals],
            picture=names[0] if picture is None else picture,
            window=window,
            stride=stride,
            down=down,
            right=right,
            seed=seed,
            overlay=overlay,
            row=row,
            column=column,
            drawing=drawing,
        )

    @traitlets.validate("picture")
    def _check_picture(self, proposal: dict[str, Any]) -> str:
        return one_of("picture", proposal["value"], [*self.names, DRAWING])

    @traitlets.validate("overlay")
    def _check_overlay(self, proposal: dict[str, Any]) -> str:
        return one_of("overlay", proposal["value"], ["none", *KINDS])

    @traitlets.validate("window", "stride", "down", "right", "seed", "row", "column")
    def _check_number(self, proposal: dict[str, Any]) -> int:
        name = proposal["trait"].name
        ranges = {"window": (1, LARGEST_WINDOW), "stride": (1, LARGEST_STRIDE), "seed": (0, 999)}
        ranges |= {"down": (-MARGIN, MARGIN), "right": (-MARGIN, MARGIN)}
        return within(name, proposal["value"], *ranges.get(name, (0, SIDE - 1)))

    @traitlets.validate("drawing")
    def _check_drawing(self, proposal: dict[str, Any]) -> str:
        if not re.fullmatch(rf"[0-9a-f]{{{SIDE * SIDE // 4}}}", proposal["value"]):
            raise ValueError(f"drawing must be {SIDE * SIDE // 4} hexadecimal digits, got {proposal['value'][:80]!r}")
        return str(proposal["value"])
