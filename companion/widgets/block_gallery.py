"""The blocks of ResNet's family in one drawing: what each changed against the block before, and what it costs."""

from typing import Any

import traitlets

from companion.widgets.base import BookWidget
from companion.widgets.image_pixels import one_of

BLOCKS = ("basic", "bottleneck", "preact", "wide", "resnext", "se", "eca", "split", "dense")
CHOICES: dict[str, tuple[int, ...]] = {
    "channels": (64, 128, 256, 512, 1024, 2048),
    "side": (7, 14, 28, 56),
    "groups": (1, 2, 4, 8, 16, 32, 64),
    "widen": (1, 2, 4),
    "reduction": (2, 4, 8, 16, 32),
    "radix": (1, 2, 4),
    "growth": (12, 24, 32, 48),
}
"""The values that each number of the figure can take."""


class BlockGallery(BookWidget):
    """Nine blocks, step by step with shapes and weights; what changed is marked, parameters and arithmetic are live.

    Every block has stride 1 and, but for the dense one, as many channels out as in. Counted are convolutions, norms
    and gates with their biases; multiply-accumulates are those of one picture, in convolutions and gates. In a
    running notebook each attribute can be set and read; a value that a block does not use waits for one that does.

    Args:
        block: one of `BLOCKS`.
        channels: channels that come in, one of `CHOICES["channels"]`; likewise all numbers below.
        side: rows and columns of the map.
        groups: groups of the 3x3 convolution (resnext); at most its channels are used.
        widen: inner channels, as a multiple of a bottleneck's (wide).
        reduction: channels divided by the width of the gate's inner layer (se).
        radix: versions of the map (split).
        growth: new channels (dense).
        key: name of the figure in links, unique on its page.
        label: what the figure is, read out by screen readers.

    Raises:
        ValueError: for an unknown block and a number that is not among its choices.

    Source: He et al. 2015, arXiv:1512.03385; He et al. 2016, arXiv:1603.05027; Zagoruyko & Komodakis 2016,
    arXiv:1605.07146; Xie et al. 2017, arXiv:1611.05431; Huang et al. 2017, arXiv:1608.06993; Hu et al. 2018,
    arXiv:1709.01507; Wang et al. 2020, arXiv:1910.03151; Zhang et al. 2020, arXiv:2004.08955.

    Example:
        >>> BlockGallery(block="resnext", channels=256).groups
        32
    """

    module = "block_gallery"
    linked = ("block", *CHOICES)

    block = traitlets.Unicode().tag(sync=True)
    channels = traitlets.Int().tag(sync=True)
    side = traitlets.Int().tag(sync=True)
    groups = traitlets.Int().tag(sync=True)
    widen = traitlets.Int().tag(sync=True)
    reduction = traitlets.Int().tag(sync=True)
    radix = traitlets.Int().tag(sync=True)
    growth = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        *,
        block: str = "bottleneck",
        channels: int = 256,
        side: int = 56,
        groups: int = 32,
        widen: int = 2,
        reduction: int = 16,
        radix: int = 2,
        growth: int = 32,
        key: str = "blocks",
        label: str = "Blocks of ResNet's family: what each changed, and what it costs",
    ) -> None:
        super().__init__(
            key=key,
            label=label,
            block=block,
            channels=channels,
            side=side,
            groups=groups,
            widen=widen,
            reduction=reduction,
            radix=radix,
            growth=growth,
        )

    @traitlets.validate("block")
    def _check_block(self, proposal: dict[str, Any]) -> str:
        return one_of("block", proposal["value"], BLOCKS)

    @traitlets.validate(*CHOICES)
    def _check_choice(self, proposal: dict[str, Any]) -> int:
        name, value = proposal["trait"].name, proposal["value"]
        if value not in CHOICES[name]:
            raise ValueError(f"{name} must be one of {', '.join(map(str, CHOICES[name]))}, got {value}")
        return int(value)
