"""Blocks of a trained residual network and of its plain twin, to be switched off: the paths left, the error measured.

>>> errors = [[[0.1, 0.2, 0.2, 0.4]], [[0.3, 0.9, 0.9, 0.9]]]  # 2 networks, 1 seed, all subsets of 2 blocks
>>> ResidualPaths(errors, stages=[("8 x 8", 1), ("4 x 4", 1)], off=[2]).off
2
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import traitlets

from companion.widgets.base import BookWidget

MOST_BLOCKS = 10
"""More would mean more than 2^10 measured errors, and boxes too small for a thumb."""


class ResidualPaths(BookWidget):
    """Switch blocks off: how many paths of which length are left, and what error was measured without them.

    Args:
        errors: held-out errors as shares, (2, seeds, 2^n), first the residual network, then the plain one. Entry
            j of the last axis belongs to the network without the blocks of j's binary digits: digit i (of value
            2^i) stands for block i + 1.
        stages: (label, number of blocks) of each stage, n blocks in all, 1 to 10.
        off: numbers of the blocks that are off at first, counted from 1.
        key, label: see `BookWidget`.

    Attributes:
        off: the blocks that are off, as the sum of 2^(number - 1).

    Raises:
        ValueError: for errors of another shape or outside [0, 1], a stage without blocks, too many blocks, or
            a block that is not there.
    """

    module = "residual_paths"
    linked = ("off",)

    errors = traitlets.Bytes().tag(sync=True)
    seeds = traitlets.Int().tag(sync=True)
    stages: traitlets.List[list[Any]] = traitlets.List().tag(sync=True)
    off = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        errors: npt.ArrayLike,
        *,
        stages: Sequence[tuple[str, int]],
        off: Iterable[int] = (),
        key: str = "paths",
        label: str = "Blocks of a residual and of a plain network, to be switched off",
    ) -> None:
        blocks = [int(count) for _, count in stages]
        n = sum(blocks)
        if not blocks or min(blocks) < 1 or n > MOST_BLOCKS:
            raise ValueError(f"need stages of one or more blocks, {MOST_BLOCKS} in all at most, got {list(stages)}")
        shares = np.asarray(errors, dtype=np.float64)
        if shares.ndim != 3 or shares.shape[0] != 2 or shares.shape[1] < 1 or shares.shape[2] != 2**n:
            raise ValueError(f"errors must be (2, seeds, {2**n}) for {n} blocks, got {shares.shape}")
        if not ((shares >= 0) & (shares <= 1)).all():
            raise ValueError(f"errors must lie in [0, 1], got {shares.min()} to {shares.max()}")
        given = sorted(set(off))
        if given and not 1 <= given[0] <= given[-1] <= n:
            raise ValueError(f"off must name blocks 1 to {n}, got {given}")
        super().__init__(
            key=key,
            label=label,
            errors=np.round(shares * 10_000).astype("<u2").tobytes(),
            seeds=shares.shape[1],
            stages=[[str(name), count] for (name, _), count in zip(stages, blocks, strict=True)],
            off=sum(2 ** (block - 1) for block in given),
        )

    @traitlets.validate("off")
    def _check_off(self, proposal: dict[str, Any]) -> int:
        most = 2 ** sum(count for _, count in self.stages)
        if not 0 <= proposal["value"] < most:
            raise ValueError(f"off must be 0 to {most - 1}, one binary digit a block, got {proposal['value']}")
        return int(proposal["value"])
