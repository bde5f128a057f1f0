"""Six kinds of convolution on small grids: which inputs feed an output, how often each is used, what it costs."""

from typing import Any

import traitlets

from companion.widgets.base import BookWidget
from companion.widgets.image_pixels import one_of, within

KINDS = ("dilated", "strided", "transposed", "separable", "grouped", "pointwise")
METHODS = ("transposed", "resize")
"""How to enlarge: a transposed convolution, or nearest-neighbour resizing followed by a convolution of stride 1."""

SIDES = ("input", "output")
CHANNELS = tuple(2**k for k in range(10))
MAP_SIZES = (7, 14, 28, 56, 112)

_RANGES = {
    "size": (3, 9),
    "kernel_size": (1, 5),
    "stride": (1, 4),
    "padding": (0, 4),
    "dilation": (1, 4),
    "output_padding": (0, 3),
    "row": (0, 63),
    "column": (0, 63),
    "channel": (0, 7),
}


class ConvKinds(BookWidget):
    """Dilated, strided, transposed, depthwise-separable, grouped and 1×1 convolution, one figure with a chooser.

    The first three show an input grid beside an output grid: point at a cell of one to see its partners in the
    other; shades count how often a cell is used, which shows the checkerboard of a transposed convolution.
    Separable and grouped show the wires between channels and the cost beside the dense layer's, without
    biases; 1×1 shows one pixel's channels times the matrix of weights. In a running notebook each attribute
    can be set and read; a value that a kind does not use waits for one that does.

    Args:
        kind: one of `KINDS`.
        size: rows and columns of the input grid, 3 to 9.
        kernel_size: K, 1 to 5.
        stride: S, 1 to 4 (strided, transposed).
        padding: zeros on each side, 0 to 4; at most K − 1 is used.
        dilation: D, 1 to 4 (dilated).
        output_padding: rows and columns added at the end, 0 to 3; at most S − 1 is used (transposed).
        method: one of `METHODS` (transposed).
        in_channels, out_channels: powers of two, 1 to 512 (separable, grouped); 1×1 uses at most 4.
        groups: a power of two, 1 to 512; at most the smaller number of channels is used (grouped).
        map_size: rows and columns of the output map that the multiply-accumulates are counted for, one of
            `MAP_SIZES` (separable, grouped).
        side: the grid of the cell that is pointed at, "input" or "output".
        row, column: index of that cell; a cell outside the grid becomes the nearest inside.
        channel: the output channel that is pointed at, 0 to 7 (separable, grouped, 1×1).
        key: name of the figure in links, unique on its page.
        label: what the figure is, read out by screen readers.

    Raises:
        ValueError: for an unknown name and a number out of its range.

    Source: Odena et al. 2016, doi:10.23915/distill.00003 (checkerboard, resize-convolution); Howard et al.
    2017, arXiv:1704.04861, section 3.1 (1/N + 1/K²).

    Example:
        >>> ConvKinds(kind="transposed", kernel_size=4, stride=2, padding=1).kernel_size
        4
    """

    module = "conv_kinds"
    linked = (
        "kind",
        "size",
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "output_padding",
        "method",
        "in_channels",
        "out_channels",
        "groups",
        "map_size",
        "side",
        "row",
        "column",
        "channel",
    )

    kind = traitlets.Unicode().tag(sync=True)
    size = traitlets.Int().tag(sync=True)
    kernel_size = traitlets.Int().tag(sync=True)
    stride = traitlets.Int().tag(sync=True)
    padding = traitlets.Int().tag(sync=True)
    dilation = traitlets.Int().tag(sync=True)
    output_padding = traitlets.Int().tag(sync=True)
    method = traitlets.Unicode().tag(sync=True)
    in_channels = traitlets.Int().tag(sync=True)
    out_channels = traitlets.Int().tag(sync=True)
    groups = traitlets.Int().tag(sync=True)
    map_size = traitlets.Int().tag(sync=True)
    side = traitlets.Unicode().tag(sync=True)
    row = traitlets.Int().tag(sync=True)
    column = traitlets.Int().tag(sync=True)
    channel = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        *,
        kind: str = "dilated",
        size: int = 7,
        kernel_size: int = 3,
        stride: int = 2,
        padding: int = 0,
        dilation: int = 2,
        output_padding: int = 0,
        method: str = "transposed",
        in_channels: int = 64,
        out_channels: int = 128,
        groups: int = 4,
        map_size: int = 28,
        side: str = "output",
        row: int = 1,
        column: int = 1,
        channel: int = 0,
        key: str = "kinds",
        label: str = "Kinds of convolution: which inputs feed an output, and what it costs",
    ) -> None:
        super().__init__(
            key=key,
            label=label,
            kind=kind,
            size=size,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            output_padding=output_padding,
            method=method,
            in_channels=in_channels,
            out_channels=out_channels,
            groups=groups,
            map_size=map_size,
            side=side,
            row=row,
            column=column,
            channel=channel,
        )

    @traitlets.validate("kind", "method", "side")
    def _check_name(self, proposal: dict[str, Any]) -> str:
        name = proposal["trait"].name
        return one_of(name, proposal["value"], {"kind": KINDS, "method": METHODS, "side": SIDES}[name])

    @traitlets.validate(*_RANGES)
    def _check_range(self, proposal: dict[str, Any]) -> int:
        name = proposal["trait"].name
        return within(name, proposal["value"], *_RANGES[name])

    @traitlets.validate("in_channels", "out_channels", "groups", "map_size")
    def _check_listed(self, proposal: dict[str, Any]) -> int:
        name, value = proposal["trait"].name, proposal["value"]
        choices = MAP_SIZES if name == "map_size" else CHANNELS
        if value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(map(str, choices))}, got {value}")
        return int(value)
