"""A threshold neuron of two inputs in the reader's hands: which Boolean function do its weights compute?"""

from numbers import Real
from typing import Any

import traitlets

from companion.widgets.base import BookWidget

WEIGHT_LIMIT = 2.0
THRESHOLD_LIMIT = 3.0
TARGETS = ("none", "AND", "OR", "NAND", "NOR", "XOR", "XNOR")


class ThresholdNeuron(BookWidget):
    """The unit that fires when `w1 x1 + w2 x2 >= threshold`, with its truth table and its decision line.

    The reader moves weights and threshold; the verdict names the Boolean function that the four outputs form
    (14 of the 16 can be reached, XOR and XNOR never), and a target counts how many of its four rows are
    right. In a running notebook each attribute can be set and read.

    Args:
        w1, w2: weights, dimensionless, -2 to 2; kept to two decimals.
        threshold: the threshold θ, -3 to 3, in the unit of the weighted sum; kept to two decimals.
        target: the function to aim at, one of `TARGETS`; "none" sets no task.
        shown: the input in the drawing of the neuron: 0 for (0, 0), 1 for (0, 1), 2 for (1, 0), 3 for (1, 1).
        key: name of the figure in links, unique on its page.
        label: what the figure is, read out by screen readers.

    Raises:
        TypeError: if a weight or the threshold is not a number.
        ValueError: if one is NaN or out of range, or the target or the input is unknown.

    Source: McCulloch & Pitts 1943, doi:10.1007/BF02478259. Differs: weights are a later generalisation; the
    neuron of 1943 counts unweighted inputs, and one inhibitory input silences it.
    """

    module = "threshold_neuron"
    linked = ("w1", "w2", "threshold", "target", "shown")

    w1 = traitlets.Any(1.0).tag(sync=True)
    w2 = traitlets.Any(1.0).tag(sync=True)
    threshold = traitlets.Any(0.5).tag(sync=True)
    target = traitlets.Any("AND").tag(sync=True)
    shown = traitlets.Any(3).tag(sync=True)

    def __init__(
        self,
        *,
        w1: float = 1.0,
        w2: float = 1.0,
        threshold: float = 0.5,
        target: str = "AND",
        shown: int = 3,
        key: str = "neuron",
        label: str = "Threshold neuron: two weights, a threshold and the Boolean function that they compute",
    ) -> None:
        super().__init__(key=key, label=label, w1=w1, w2=w2, threshold=threshold, target=target, shown=shown)

    @traitlets.validate("w1", "w2", "threshold")
    def _in_range(self, proposal: Any) -> float:
        name, value = proposal["trait"].name, proposal["value"]
        limit = THRESHOLD_LIMIT if name == "threshold" else WEIGHT_LIMIT
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"{name} must be a number, got {value!r}")
        number = float(value)
        if not -limit <= number <= limit:  # NaN is neither
            raise ValueError(f"{name} must be between {-limit:g} and {limit:g}, got {value}")
        return round(number, 2)

    @traitlets.validate("target")
    def _known_target(self, proposal: Any) -> str:
        if proposal["value"] not in TARGETS:
            raise ValueError(f"target must be one of {', '.join(TARGETS)}, got {proposal['value']!r}")
        return str(proposal["value"])

    @traitlets.validate("shown")
    def _known_input(self, proposal: Any) -> int:
        if proposal["value"] not in (0, 1, 2, 3):
            raise ValueError(f"shown must be 0, 1, 2 or 3 (one of the four inputs), got {proposal['value']!r}")
        return int(proposal["value"])
