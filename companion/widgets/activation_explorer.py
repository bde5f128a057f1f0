"""Activation functions in the reader's hands: value and slope, a deep stack of layers, units that die in training."""

from numbers import Real
from types import MappingProxyType
from typing import Any

import traitlets

from companion.widgets.base import BookWidget

PARAMETERS = MappingProxyType(
    {
        "relu": None,
        "leaky_relu": (0.0, 0.5, 0.01),
        "elu": (0.1, 2.0, 1.0),
        "selu": None,
        "gelu": None,
        "gelu_tanh": None,
        "silu": (0.0, 10.0, 1.0),
        "mish": None,
        "hard_swish": None,
        "softplus": (0.2, 5.0, 1.0),
        "relu6": None,
        "sigmoid": None,
        "hard_sigmoid": None,
        "tanh": None,
        "scaled_tanh": None,
    }
)
"""The activations, each with the range and the first value of its parameter (slope for z < 0, alpha or beta)."""

WIDTHS = (8, 16, 32, 64)
LEARNING_RATES = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
LIMITS = MappingProxyType(
    {
        "point": (-6.0, 6.0),
        "depth": (2, 50),
        "gain": (0.1, 3.0),
        "layer": (1, 50),
        "bias": (-4.0, 2.0),
        "step": (0, 200),
        "seed": (1, 9999),
    }
)
"""The range of every other number; those whose limits are whole take whole numbers."""


class ActivationExplorer(BookWidget):
    """One activation in three views that share it.

    The function with its slope and a tangent; a deep stack of random layers, with the size of the signal going
    forward and of the error signal coming back, measured and predicted, and the histogram of one layer drawn
    below the function; and a network with 24 hidden units that learns a wave, with the units that die.

    Args:
        activation: a name in `PARAMETERS`.
        parameter: its parameter; None, or a change of activation, takes the usual value (0 where there is none).
        point: where the tangent touches, -6 to 6.
        depth: layers of the stack, 2 to 50; width: units of each, one of `WIDTHS`.
        gain: weights are drawn from N(0, gain^2 / width), 0.1 to 3; 0.58 is torch's default, 1.41 He's.
        layer: the layer whose pre-activations are shown, 1 to depth; a larger one shows the last.
        learning_rate: of the small network, one of `LEARNING_RATES`.
        bias: mean of its first hidden biases, -4 to 2.
        step: the step of its training that is shown, 0 to 200.
        seed: of all random numbers, 1 to 9999.
        key: name of the figure in links, unique on its page.
        label: what the figure is, read out by screen readers.

    Raises:
        TypeError: if a number is not a number, or not a whole one where it must be.
        ValueError: if one is NaN or out of range, or a name is unknown.
    """

    module = "activation_explorer"
    linked = (
        "activation",
        "parameter",
        "point",
        "depth",
        "width",
        "gain",
        "layer",
        "learning_rate",
        "bias",
        "step",
        "seed",
    )

    activation = traitlets.Any("relu").tag(sync=True)
    parameter = traitlets.Any(0.0).tag(sync=True)
    point = traitlets.Any(1.0).tag(sync=True)
    depth = traitlets.Any(20).tag(sync=True)
    width = traitlets.Any(32).tag(sync=True)
    gain = traitlets.Any(0.8).tag(sync=True)
    layer = traitlets.Any(10).tag(sync=True)
    learning_rate = traitlets.Any(0.1).tag(sync=True)
    bias = traitlets.Any(0.0).tag(sync=True)
    step = traitlets.Any(200).tag(sync=True)
    seed = traitlets.Any(7).tag(sync=True)

    def __init__(
        self,
        activation: str = "relu",
        *,
        parameter: float | None = None,
        key: str = "activation",
        label: str = "Activation explorer: a function and its slope, a deep stack of layers, and units that die",
        **setting: float,
    ) -> None:
        unknown = setting.keys() - set(self.linked)
        if unknown:
            raise TypeError(f"unknown arguments {sorted(unknown)}; there are {', '.join(self.linked)}")
        super().__init__(key=key, label=label, activation=activation, **setting)
        if parameter is not None:
            self.parameter = parameter
        self.defaults = {name: getattr(self, name) for name in self.linked}

    @traitlets.validate("activation")
    def _known(self, proposal: Any) -> str:
        if proposal["value"] not in PARAMETERS:
            raise ValueError(f"activation must be one of {', '.join(PARAMETERS)}, got {proposal['value']!r}")
        return str(proposal["value"])

    @traitlets.observe("activation")
    def _usual_parameter(self, change: Any) -> None:
        known = PARAMETERS[change["new"]]
        self.parameter = known[2] if known else 0.0

    @traitlets.validate("parameter")
    def _in_its_range(self, proposal: Any) -> float:
        low, high, _ = PARAMETERS[self.activation] or (0.0, 0.0, 0.0)
        return _number("parameter", proposal["value"], low, high, f" for {self.activation}")

    @traitlets.validate("width", "learning_rate")
    def _one_of(self, proposal: Any) -> float:
        name, value = proposal["trait"].name, proposal["value"]
        choices: tuple[float, ...] = WIDTHS if name == "width" else LEARNING_RATES
        if isinstance(value, bool) or value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(map(str, choices))}, got {value!r}")
        return choices[choices.index(value)]

    @traitlets.validate(*LIMITS)
    def _in_range(self, proposal: Any) -> float:
        name = proposal["trait"].name
        return _number(name, proposal["value"], *LIMITS[name])


def _number(name: str, value: object, low: float, high: float, where: str = "") -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    number = float(value)
    if not low <= number <= high:  # NaN is neither
        raise ValueError(f"{name} must be between {low:g} and {high:g}{where}, got {value}")
    if not isinstance(low, int):
        return round(number, 2)
    if not number.is_integer():
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    return int(number)
