"""A spiral through m channels and back, and what a separable block costs: the two ideas of the MobileNets."""

from typing import Any

import traitlets

from companion.widgets.base import BookWidget
from companion.widgets.image_pixels import one_of, within

VIEWS = ("spiral", "cost")
ACTIVATIONS = ("relu", "leaky", "linear")
WAYS_BACK = ("channels", "inverse")
"""Undo the activation in the channels that tell their input, or multiply by the pseudo-inverse of W."""

KERNEL_SIZES = (3, 5, 7)
_RANGES = {"channels": (2, 30), "draw": (0, 9), "point": (0, 100), "width": (3, 10), "expansion": (1, 8)}


class LinearBottleneck(BookWidget):
    """Two views. A flat spiral goes through m channels, an activation, and back; or: what a block costs per place.

    *spiral*: the plane is mapped into n channels by a random matrix W, an activation acts on each channel, and the
    way back is drawn. Points with fewer than two channels above zero cannot come back from a ReLU. *cost*: the
    multiplications of a dense, a separable and an inverted residual block with C channels in and out, and the
    saving 1 / (1/C + 1/K²) over C. In a running notebook each attribute can be set and read.

    Args:
        view: one of `VIEWS`.
        channels: m, 2 to 30.
        activation: one of `ACTIVATIONS`; "leaky" has slope 0.1 below zero.
        back: one of `WAYS_BACK`.
        draw: which random W, 0 to 9.
        point: the point of the spiral whose channels are shown, in percent of its length from the inside.
        width: log2 of the channels C, 3 to 10 (cost).
        kernel_size: K, one of `KERNEL_SIZES` (cost).
        expansion: factor t of the inverted residual, 1 to 8 (cost).
        key: name of the figure in links, unique on its page.
        label: what the figure is, read out by screen readers.

    Raises:
        ValueError: for an unknown name and a number out of its range.

    Source: Sandler et al. 2018, arXiv:1801.04381, figure 1; Howard et al. 2017, arXiv:1704.04861, section 3.1.
    Differs: the figure's way back is "inverse", here scaled so that the spiral keeps its size.

    Example:
        >>> LinearBottleneck(channels=5, activation="linear").channels
        5
    """

    module = "linear_bottleneck"
    linked = ("channels", "activation", "back", "draw", "point", "width", "kernel_size", "expansion")

    view = traitlets.Unicode().tag(sync=True)
    channels = traitlets.Int().tag(sync=True)
    activation = traitlets.Unicode().tag(sync=True)
    back = traitlets.Unicode().tag(sync=True)
    draw = traitlets.Int().tag(sync=True)
    point = traitlets.Int().tag(sync=True)
    width = traitlets.Int().tag(sync=True)
    kernel_size = traitlets.Int().tag(sync=True)
    expansion = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        *,
        view: str = "spiral",
        channels: int = 3,
        activation: str = "relu",
        back: str = "channels",
        draw: int = 0,
        point: int = 70,
        width: int = 9,
        kernel_size: int = 3,
        expansion: int = 6,
        key: str = "bottleneck",
        label: str = "Linear bottleneck: a spiral through m channels and back, and the cost of a separable block",
    ) -> None:
        super().__init__(
            key=key,
            label=label,
            view=view,
            channels=channels,
            activation=activation,
            back=back,
            draw=draw,
            point=point,
            width=width,
            kernel_size=kernel_size,
            expansion=expansion,
        )

    @traitlets.validate("view", "activation", "back")
    def _check_name(self, proposal: dict[str, Any]) -> str:
        name = proposal["trait"].name
        return one_of(name, proposal["value"], {"view": VIEWS, "activation": ACTIVATIONS, "back": WAYS_BACK}[name])

    @traitlets.validate("channels", "draw", "point", "width", "expansion")
    def _check_number(self, proposal: dict[str, Any]) -> int:
        name = proposal["trait"].name
        return within(name, proposal["value"], *_RANGES[name])

    @traitlets.validate("kernel_size")
    def _check_kernel_size(self, proposal: dict[str, Any]) -> int:
        if proposal["value"] not in KERNEL_SIZES:
            raise ValueError(f"kernel_size must be one of {', '.join(map(str, KERNEL_SIZES))}, got {proposal['value']}")
        return int(proposal["value"])
