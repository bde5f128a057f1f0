"""A stack of windows in the reader's hands: what one cell of a map sees in the input, and by how many paths."""

from collections.abc import Sequence
from typing import Any

import traitlets

from companion.widgets.base import BookWidget

KINDS = ("conv", "pool")
RANGES = {"kernel_size": (1, 11), "stride": (1, 4), "padding": (0, 5), "dilation": (1, 9)}
"""Smallest and largest of each number of a layer."""

MOST_LAYERS = 8
SIZE_RANGE = (5, 227)


class ReceptiveField(BookWidget):
    """Receptive-field builder: stack convolutions and pools, point at a cell, see what it sees in every map before.

    The frame is the theoretical field. The shade counts the paths that lead from each cell to the chosen one, by a
    backward pass through the stack in which every weight is 1; it thins out towards the edge. Input and windows are
    square. In a running notebook each attribute can be set and read.

    Args:
        layers: 1 to 8 layers, first to last: (kind, kernel_size, stride, padding, dilation), kind "conv" or "pool";
            what is left out is stride 1 for a convolution and the kernel's size (4 at most) for a pool, padding 0,
            dilation 1. They are kept as lists of five.
        size: rows and columns of the input, 5 to 227 pixels.
        layer: the layer in whose map the cell lies, from 1; the last one where nothing is said.
        row, column: index of the cell in that map, from 0; -1 is the middle. Too large a number is the last.
        key: name of the figure in links, unique on its page.
        label: what the figure is, read out by screen readers.

    Raises:
        TypeError: if a layer is not a sequence of a kind and whole numbers.
        ValueError: if a kind is unknown, a number is out of range, or there is no layer or too many.

    Source: Araujo, Norris & Sim 2019, doi:10.23915/distill.00021 (size, jump, start); Luo et al. 2016,
    arXiv:1701.04128 (paths).

    Example:
        >>> ReceptiveField([("conv", 7), ("pool", 2)]).layers
        [['conv', 7, 1, 0, 1], ['pool', 2, 2, 0, 1]]
    """

    module = "receptive_field"
    linked = ("layers", "size", "layer", "row", "column")

    layers: traitlets.List[list[Any]] = traitlets.List().tag(sync=True)
    size = traitlets.Int().tag(sync=True)
    layer = traitlets.Int().tag(sync=True)
    row = traitlets.Int().tag(sync=True)
    column = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        layers: Sequence[Sequence[Any]] = (("conv", 3), ("conv", 3)),
        *,
        size: int = 15,
        layer: int | None = None,
        row: int = -1,
        column: int = -1,
        key: str = "field",
        label: str = "Receptive-field builder: a stack of layers and what one cell of it sees",
    ) -> None:
        shown = min(max(1, len(layers)), MOST_LAYERS) if layer is None else layer
        super().__init__(key=key, label=label, layers=list(layers), size=size, layer=shown, row=row, column=column)

    @traitlets.validate("layers")
    def _check_layers(self, proposal: dict[str, Any]) -> list[list[Any]]:
        layers = proposal["value"]
        if not 1 <= len(layers) <= MOST_LAYERS:
            raise ValueError(f"there must be 1 to {MOST_LAYERS} layers, got {len(layers)}")
        return [_read_layer(layer) for layer in layers]

    @traitlets.validate("size")
    def _check_size(self, proposal: dict[str, Any]) -> int:
        return _within("size", proposal["value"], *SIZE_RANGE)

    @traitlets.validate("layer")
    def _check_layer(self, proposal: dict[str, Any]) -> int:
        return _within("layer", proposal["value"], 1, MOST_LAYERS)

    @traitlets.validate("row", "column")
    def _check_cell(self, proposal: dict[str, Any]) -> int:
        return _within(proposal["trait"].name, proposal["value"], -1, SIZE_RANGE[1])


def _read_layer(layer: Any) -> list[Any]:
    if isinstance(layer, str) or not isinstance(layer, Sequence) or not 2 <= len(layer) <= 5:
        raise TypeError(
            f"a layer is (kind, kernel_size, stride, padding, dilation), at least the first two, got {layer!r}"
        )
    kind, *numbers = layer
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    for name, number in zip(RANGES, numbers, strict=False):
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(f"{name} must be a whole number, got {number!r}")
        _within(name, number, *RANGES[name])
    stride = min(numbers[0], RANGES["stride"][1]) if kind == "pool" else 1
    return [kind, *numbers, *[stride, 0, 1][len(numbers) - 1 :]]


def _within(name: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low} to {high}, got {value}")
    return value
