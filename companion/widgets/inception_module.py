"""An Inception module with its branches: naive, reduced or factorized, and what each branch costs."""

from typing import Any

import traitlets

from companion.widgets.base import BookWidget
from companion.widgets.image_pixels import one_of

DESIGNS = ("naive", "reduced", "stacked", "asymmetric")
"""Full windows on all channels; 1×1 reductions first; then the largest window as 3×3s, or as 1×n and n×1."""

SIDES = (7, 8, 14, 17, 28, 35, 56)
WINDOWS = (3, 5, 7, 9, 11)

_WIDTHS = ("in_channels", "conv1", "reduce3", "conv3", "reduce5", "conv5", "pool")


class InceptionModule(BookWidget):
    """The four branches of an Inception module as boxes, with weights and multiply-accumulates beside the naive one.

    Point at a branch and its arithmetic is written out. In a running notebook each attribute can be set and read.

    Args:
        design: one of `DESIGNS`.
        in_channels: channels of the input, a multiple of 8 from 8 to 1024.
        side: rows and columns of the maps, one of `SIDES`.
        window: side of the largest window, one of `WINDOWS`.
        conv1, reduce3, conv3, reduce5, conv5, pool: widths of the six convolutions as in the paper's table,
            multiples of 8 from 8 to 512; `reduce5` and `conv5` belong to the largest window, whatever its side.
            The naive form uses no `reduce3`, `reduce5`, `pool`.
        branch: the branch that is written out, 0 to 3.
        key: name of the figure in links, unique on its page.
        label: what the figure is, read out by screen readers.

    Raises:
        ValueError: for an unknown name and a number out of its range.

    Source: Szegedy et al. 2015, arXiv:1409.4842, figure 2 and table 1; Szegedy et al. 2016, arXiv:1512.00567,
    section 3.

    Example:
        >>> InceptionModule(design="naive", in_channels=832).conv5
        32
    """

    module = "inception_module"
    linked = (
        "design",
        "in_channels",
        "side",
        "window",
        "conv1",
        "reduce3",
        "conv3",
        "reduce5",
        "conv5",
        "pool",
        "branch",
    )

    design = traitlets.Unicode().tag(sync=True)
    in_channels = traitlets.Int().tag(sync=True)
    side = traitlets.Int().tag(sync=True)
    window = traitlets.Int().tag(sync=True)
    conv1 = traitlets.Int().tag(sync=True)
    reduce3 = traitlets.Int().tag(sync=True)
    conv3 = traitlets.Int().tag(sync=True)
    reduce5 = traitlets.Int().tag(sync=True)
    conv5 = traitlets.Int().tag(sync=True)
    pool = traitlets.Int().tag(sync=True)
    branch = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        *,
        design: str = "reduced",
        in_channels: int = 192,
        side: int = 28,
        window: int = 5,
        conv1: int = 64,
        reduce3: int = 96,
        conv3: int = 128,
        reduce5: int = 16,
        conv5: int = 32,
        pool: int = 32,
        branch: int = 2,
        key: str = "module",
        label: str = "An Inception module: its branches and what they cost",
    ) -> None:
        super().__init__(
            key=key,
            label=label,
            design=design,
            in_channels=in_channels,
            side=side,
            window=window,
            conv1=conv1,
            reduce3=reduce3,
            conv3=conv3,
            reduce5=reduce5,
            conv5=conv5,
            pool=pool,
            branch=branch,
        )

    @traitlets.validate("design")
    def _check_design(self, proposal: dict[str, Any]) -> str:
        return one_of("design", proposal["value"], DESIGNS)

    @traitlets.validate("side", "window", "branch")
    def _check_listed(self, proposal: dict[str, Any]) -> int:
        name, value = proposal["trait"].name, proposal["value"]
        choices = {"side": SIDES, "window": WINDOWS, "branch": range(4)}[name]
        if value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(map(str, choices))}, got {value}")
        return int(value)

    @traitlets.validate(*_WIDTHS)
    def _check_width(self, proposal: dict[str, Any]) -> int:
        name, value = proposal["trait"].name, proposal["value"]
        most = 1024 if name == "in_channels" else 512
        if value % 8 or not 8 <= value <= most:
            raise ValueError(f"{name} must be a multiple of 8 from 8 to {most}, got {value}")
        return int(value)
