"""A stored experiment: every cell of a small search space trained on the digits, and what gradient searches did there.

The space is `companion.nas.CellSpace(4, operations)`; `nas_digits.json` holds one row for each kind of cell
(`CellSpace.signature`), three trainings each. A training is `companion.nas.short_training` with its defaults of a
`CellNetwork` with its defaults, on the first 300 training digits, `(images / 255 - 0.3) / 0.37`; validated on the
other 901, tested on the 596 held-out ones. The chapter on architecture search shows how to make all of it again.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_FILE = Path(__file__).with_name("nas_digits.json")


class DartsRun(NamedTuple):
    """One search with `companion.nas.search_darts`, epoch by epoch.

    `probabilities` has the table before the first epoch and after each, (epochs + 1, edges, operations), three
    decimals; the losses are means over an epoch, in nats. `cost_weight` multiplies the expected share of the
    multiply-accumulates that the dearest cell would need.
    """

    cells_per_stage: int
    cost_weight: float
    seed: int
    loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    probabilities: npt.NDArray[np.float64]


class NasDigits(NamedTuple):
    """What was stored.

    `validation` and `test` give, for the number of one cell of each kind, the accuracies of its three trainings.
    """

    operations: tuple[str, ...]
    validation: dict[int, tuple[float, ...]]
    test: dict[int, tuple[float, ...]]
    darts: tuple[DartsRun, ...]


def nas_digits() -> NasDigits:
    """Return the stored trainings and searches.

    Example:
        >>> stored = nas_digits()
        >>> len(stored.validation), len(stored.validation[0])
        (1011, 3)
    """
    raw = json.loads(_FILE.read_text(encoding="utf-8"))
    sizes = raw["validation_examples"], raw["test_examples"]

    def accuracies(part: int) -> dict[int, tuple[float, ...]]:
        errors = {row[0]: row[1 + 3 * part : 4 + 3 * part] for row in raw["errors"]}
        return {cell: tuple(1 - wrong / sizes[part] for wrong in three) for cell, three in errors.items()}

    runs = (
        DartsRun(
            run["cells_per_stage"],
            run["cost_weight"],
            run["seed"],
            tuple(run["loss"]),
            tuple(run["validation_loss"]),
            np.array(run["probabilities"]),
        )
        for run in raw["darts"]
    )
    return NasDigits(tuple(raw["operations"]), accuracies(0), accuracies(1), tuple(runs))
