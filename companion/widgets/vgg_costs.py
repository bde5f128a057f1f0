"""Where a VGG keeps its parameters, its arithmetic and its outputs, for any configuration, picture and head."""

from collections.abc import Mapping, Sequence
from typing import Any

import traitlets

from companion.widgets.base import BookWidget
from companion.widgets.image_pixels import one_of

HEADS = ("dense", "convolution", "mean")
"""The published fully connected layers; the same weights as convolutions; one layer on the mean of each map."""

SIDES = range(32, 513, 32)
"""Sides of the picture in pixels: what five halvings leave whole."""


class VggCosts(BookWidget):
    """Bars for each stage and each layer: parameters, multiply-accumulates, outputs, reach; all counted in the page.

    Args:
        configurations: name -> sides of the convolutions' windows, stage by stage; the first is shown first where
            nothing is said.
        widths: channels of each stage.
        classes: width of the last layer, >= 1.
        configuration: name of the one shown.
        side: rows and columns of the picture, one of `SIDES`.
        head: one of `HEADS`.
        key, label: see `BookWidget`.

    Raises:
        ValueError: for no configuration, one whose number of stages is not five, an empty stage, other windows than
            odd ones, widths that are not five positive numbers, classes < 1, or an unknown name or side.

    Example:
        >>> VggCosts({"tiny": [[3]] * 5}, widths=[4, 4, 8, 8, 8], classes=10).configuration
        'tiny'
    """

    module = "vgg_costs"
    linked = ("configuration", "side", "head")

    configurations: traitlets.List[list[Any]] = traitlets.List().tag(sync=True)
    widths: traitlets.List[int] = traitlets.List().tag(sync=True)
    classes = traitlets.Int().tag(sync=True)
    configuration = traitlets.Unicode().tag(sync=True)
    side = traitlets.Int().tag(sync=True)
    head = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        configurations: Mapping[str, Sequence[Sequence[int]]],
        *,
        widths: Sequence[int],
        classes: int = 1000,
        configuration: str | None = None,
        side: int = 224,
        head: str = "dense",
        key: str = "vgg",
        label: str = "Where a VGG keeps its parameters, its arithmetic and its outputs",
    ) -> None:
        if not configurations:
            raise ValueError("need one configuration or more, got none")
        if len(widths) != 5 or min(widths) < 1 or classes < 1:
            raise ValueError(f"need five widths >= 1 and classes >= 1, got {list(widths)} and {classes}")
        for name, stages in configurations.items():
            if len(stages) != 5 or not all(stages) or any(k < 1 or k % 2 == 0 for stage in stages for k in stage):
                raise ValueError(f"{name}: need five stages of odd windows, none empty, got {stages}")
        super().__init__(
            key=key,
            label=label,
            configurations=[[name, [list(stage) for stage in stages]] for name, stages in configurations.items()],
            widths=list(widths),
            classes=classes,
            configuration=next(iter(configurations)) if configuration is None else configuration,
            side=side,
            head=head,
        )

    @traitlets.validate("configuration")
    def _check_configuration(self, proposal: dict[str, Any]) -> str:
        return one_of("configuration", proposal["value"], [name for name, _ in self.configurations])

    @traitlets.validate("side")
    def _check_side(self, proposal: dict[str, Any]) -> int:
        if proposal["value"] not in SIDES:
            rule = f"a multiple of 32 from {SIDES[0]} to {SIDES[-1]}"
            raise ValueError(f"side must be {rule}, got {proposal['value']}")
        return int(proposal["value"])

    @traitlets.validate("head")
    def _check_head(self, proposal: dict[str, Any]) -> str:
        return one_of("head", proposal["value"], HEADS)
