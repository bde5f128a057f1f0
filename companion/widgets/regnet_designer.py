"""Four numbers and a depth become a network: a line of widths, its steps, its stages and their cost, live."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import traitlets

from companion.widgets.base import BookWidget
from companion.widgets.image_pixels import one_of

RANGES = {"w_0": (8, 456), "w_a": (0, 250), "w_m": (1.1, 3.5), "depth": (2, 40), "group_width": (4, 264)}
"""Smallest and largest of each number."""

ROUNDINGS = ("torchvision", "paper")


class RegNetDesigner(BookWidget):
    """Sliders for a RegNet's numbers; drawn are the line, the nearest powers of the factor, and the blocks' widths.

    Parameters and multiply-accumulates (at 224 x 224 pixels, 1000 classes) are counted in the page.

    Args:
        released: name -> (w_0, w_a, w_m, depth, group_width) of networks to choose from; those whose names begin
            with Y have a gate in each block.
        model: the one to begin with; the first where nothing is said.
        logarithmic: whether the axis of the widths is logarithmic.
        rounding: how a width goes to a multiple of the group width, one of `ROUNDINGS`.
        key, label: see `BookWidget`.

    Raises:
        ValueError: for no network, one without five numbers, a number outside `RANGES`, a w_0 that is no multiple
            of 8, or an unknown model or rounding.

    Source: Radosavovic et al. 2020, arXiv:2003.13678, section 3.3.

    Example:
        >>> RegNetDesigner({"X-200MF": (24, 36.44, 2.49, 13, 8)}).w_m
        2.49
    """

    module = "regnet_designer"
    linked = ("w_0", "w_a", "w_m", "depth", "group_width", "gate", "logarithmic", "rounding")

    released: traitlets.List[list[Any]] = traitlets.List().tag(sync=True)
    w_0 = traitlets.Int().tag(sync=True)
    w_a = traitlets.Float().tag(sync=True)
    w_m = traitlets.Float().tag(sync=True)
    depth = traitlets.Int().tag(sync=True)
    group_width = traitlets.Int().tag(sync=True)
    gate = traitlets.Bool().tag(sync=True)
    logarithmic = traitlets.Bool().tag(sync=True)
    rounding = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        released: Mapping[str, Sequence[float]],
        *,
        model: str | None = None,
        logarithmic: bool = False,
        rounding: str = "torchvision",
        key: str = "regnet",
        label: str = "RegNet designer: four numbers and a depth become a network",
    ) -> None:
        if not released:
            raise ValueError("need one network or more, got none")
        for name, numbers in released.items():
            if len(numbers) != len(RANGES):
                raise ValueError(f"{name}: need {', '.join(RANGES)}, got {tuple(numbers)}")
            for number, value in zip(RANGES, numbers, strict=True):
                _check(f"{name}: {number}", number, value)
        name = next(iter(released)) if model is None else one_of("model", model, list(released))
        super().__init__(
            key=key,
            label=label,
            released=[[name, *numbers] for name, numbers in released.items()],
            **dict(zip(RANGES, released[name], strict=True)),
            gate=name.startswith("Y"),
            logarithmic=logarithmic,
            rounding=rounding,
        )

    @traitlets.validate(*RANGES)
    def _check_number(self, proposal: dict[str, Any]) -> float:
        name = proposal["trait"].name
        return _check(name, name, proposal["value"])

    @traitlets.validate("rounding")
    def _check_rounding(self, proposal: dict[str, Any]) -> str:
        return one_of("rounding", proposal["value"], ROUNDINGS)


def _check(name: str, number: str, value: float) -> float:
    low, high = RANGES[number]
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} must be from {low} to {high}, got {value}")
    if number == "w_0" and value % 8:
        raise ValueError(f"{name} must be a multiple of 8, got {value}")
    return value
