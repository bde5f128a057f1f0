"""Compound scaling in the reader's hands: one coefficient for depth, width and resolution, beside one of them alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import traitlets

from companion.widgets.base import BookWidget

STAGE = ("expansion", "kernel_size", "stride", "channels", "depth", "gated")
MEMBER = ("name", "depth", "width", "resolution", "parameters", "macs")
LIMITS = {"phi": (0.0, 7.0), "alpha": (1.0, 1.5), "beta": (1.0, 1.5), "gamma": (1.0, 1.5)}
WAYS = ("together", "depth", "width", "resolution")
MOST_STAGES = 12


class CompoundScaling(BookWidget):
    """A network made larger with depth alpha^phi, width beta^phi and resolution gamma^phi, counted as it is built.

    Channels are rounded to multiples of 8 and depths up, as in the published family; parameters and
    multiply-accumulates are those of the rounded network. Beside it stand the three networks that spend as much
    on one factor alone.

    Args:
        stages: the table of the smallest network, from the input on; each with `expansion`, `kernel_size`, `stride`,
            `channels`, `depth` (blocks) and `gated` (whether its blocks have a squeeze-and-excitation gate of a quarter
            of their input's channels).
        stem_channels: channels behind the first convolution.
        resolution: pixels a side for phi = 0.
        classes: width of the last layer.
        members: a published family to be marked, each with `name`, its factors `depth` and `width`, `resolution` in
            pixels, `parameters` and `macs`; may be empty.
        phi: how much larger, 0 to 7; kept to two decimals.
        alpha, beta, gamma: factors of depth, width and resolution for phi = 1; 1 to 1.5, kept to two decimals.
        way: which of the four networks is shown in detail, one of `WAYS`.
        key, label: see `BookWidget`.

    Raises:
        TypeError: if a factor is no number.
        ValueError: for one out of range, an unknown way, missing fields, no or too many stages, or sizes < 1.

    Source: Tan & Le 2019, "EfficientNet", arXiv:1905.11946, section 3.3.
    """

    module = "compound_scaling"
    linked = ("phi", "alpha", "beta", "gamma", "way")

    stages = traitlets.List(traitlets.Dict()).tag(sync=True)
    members = traitlets.List(traitlets.Dict()).tag(sync=True)
    stem_channels = traitlets.Int().tag(sync=True)
    resolution = traitlets.Int().tag(sync=True)
    classes = traitlets.Int().tag(sync=True)
    phi = traitlets.Any(1.0).tag(sync=True)
    alpha = traitlets.Any(1.2).tag(sync=True)
    beta = traitlets.Any(1.1).tag(sync=True)
    gamma = traitlets.Any(1.15).tag(sync=True)
    way = traitlets.Any("together").tag(sync=True)

    def __init__(
        self,
        stages: Sequence[Mapping[str, Any]],
        *,
        stem_channels: int = 32,
        resolution: int = 224,
        classes: int = 1000,
        members: Sequence[Mapping[str, Any]] = (),
        phi: float = 1.0,
        alpha: float = 1.2,
        beta: float = 1.1,
        gamma: float = 1.15,
        way: str = "together",
        key: str = "scaling",
        label: str = "Scale a network's depth, width and resolution, together or alone",
    ) -> None:
        rows = [_fields(stage, STAGE, "a stage") for stage in stages]
        if not 1 <= len(rows) <= MOST_STAGES:
            raise ValueError(f"need 1 to {MOST_STAGES} stages, got {len(rows)}")
        sizes = [row[name] for row in rows for name in STAGE[:-1]] + [stem_channels, resolution, classes]
        if min(sizes) < 1:
            raise ValueError(f"all sizes must be >= 1, got {min(sizes)}")
        super().__init__(
            key=key,
            label=label,
            stages=rows,
            members=[_fields(member, MEMBER, "a member") for member in members],
            stem_channels=stem_channels,
            resolution=resolution,
            classes=classes,
            phi=phi,
            alpha=alpha,
            beta=beta,
            gamma=gamma,
            way=way,
        )

    @traitlets.validate("phi", "alpha", "beta", "gamma")
    def _check_factor(self, proposal: dict[str, Any]) -> float:
        name, value = proposal["trait"].name, proposal["value"]
        low, high = LIMITS[name]
        if isinstance(value, (bool, str)) or not hasattr(value, "__float__"):
            raise TypeError(f"{name} must be a number, got {value!r}")
        if not low <= float(value) <= high:
            raise ValueError(f"{name} must be between {low:g} and {high:g}, got {value}")
        return round(float(value), 2)

    @traitlets.validate("way")
    def _check_way(self, proposal: dict[str, Any]) -> str:
        if proposal["value"] not in WAYS:
            raise ValueError(f"way must be one of {', '.join(WAYS)}, got {proposal['value']!r}")
        return str(proposal["value"])


def _fields(given: Mapping[str, Any], names: tuple[str, ...], what: str) -> dict[str, Any]:
    if missing := set(names) - set(given):
        raise ValueError(f"{what} misses {', '.join(sorted(missing))}: {dict(given)!r}")
    return {name: given[name] for name in names}
