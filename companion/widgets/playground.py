"""The network playground: a multilayer perceptron that trains in the page, while you watch it."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import traitlets
from numpy.typing import ArrayLike

from companion.widgets.base import BookWidget

ACTIVATIONS = ("tanh", "sigmoid", "relu", "linear")
OPTIMIZERS = ("sgd", "momentum", "adam")
INITS = ("zeros", "small_normal", "large_normal", "xavier_normal", "kaiming_normal")

OWN = "own"
"""Name of the data set that the reader places by hand."""

MOST_LAYERS, MOST_UNITS, MOST_POINTS, MOST_OWN = 4, 8, 1000, 150
OWN_LIMIT = 3.5
"""The reader's own points have coordinates in [-OWN_LIMIT, OWN_LIMIT]."""


PLAIN: Mapping[str, Any] = MappingProxyType(
    {
        "hidden": [4, 4],
        "activation": "tanh",
        "optimizer": "adam",
        "lr": 0.01,
        "batch_size": 16,
        "l2": 0.0,
        "init": "xavier_normal",
        "noise": 0.0,
        "seed": 0,
    }
)
"""What an experiment of the menu does not say."""


def _preset(name: str, note: str, **state: Any) -> dict[str, Any]:
    return {"name": name, "note": note, "state": {**PLAIN, **state}}


PRESETS = (
    _preset(
        "Rings with two small layers",
        "Run it. The first layer draws lines, the second one puts them together into a closed curve.",
        data="circles",
    ),
    _preset(
        "XOR with two hidden units",
        "Two units draw two lines, and two lines are enough. Yet some seeds get stuck on the way: press "
        "New seed and Run a few times.",
        data="xor",
        hidden=[2],
        lr=0.03,
    ),
    _preset(
        "Two spirals",
        "Hard for small networks: the loss rests on plateaus before it falls. Can plain SGD do it, too?",
        data="two_spirals",
        hidden=[8, 8],
        lr=0.03,
        l2=0.0003,
    ),
    _preset(
        "Why does this one not learn? Four sigmoid layers",
        "Look at the purple bars: every sigmoid layer shrinks the gradient on its way back, and the "
        "first layers hardly move. Try tanh; or leave the sigmoids and take Adam, which divides each "
        "gradient by its own size.",
        data="circles",
        hidden=[8, 8, 8, 8],
        activation="sigmoid",
        optimizer="sgd",
        lr=0.1,
    ),
    _preset(
        "Four layers without a curve",
        "Linear layers in a row make one linear map: however deep, the boundary stays a straight line.",
        data="circles",
        hidden=[8, 8, 8, 8],
        activation="linear",
    ),
    _preset(
        "All weights zero",
        "Eight units, one picture: equal units get equal gradients and stay equal for ever. With tanh "
        "instead of sigmoid nothing moves at all but the last bias. Any random start breaks the "
        "symmetry.",
        data="circles",
        hidden=[8],
        activation="sigmoid",
        lr=0.03,
        init="zeros",
    ),
    _preset(
        "Weights too small",
        "Every layer multiplies by small weights, forward and backward: the units say nothing and the "
        "gradients are tiny in all layers. Change the first weights to Xavier.",
        data="circles",
        hidden=[8, 8, 8],
        optimizer="sgd",
        lr=0.1,
        init="small_normal",
    ),
    _preset(
        "Weights too large",
        "The units start saturated, almost all of them at −1 or 1, and the field is a patchwork. It can "
        "still learn the training points, but look at the held-out loss.",
        data="circles",
        hidden=[8, 8, 8],
        optimizer="sgd",
        lr=0.1,
        init="large_normal",
    ),
    _preset(
        "ReLUs that die",
        "Steps this large throw the units to where they are 0 for every point: no value, no gradient, "
        "no way back. Restart with a smaller learning rate.",
        data="circles",
        hidden=[8, 8],
        activation="relu",
        optimizer="sgd",
        lr=3.0,
        init="kaiming_normal",
        seed=1,
    ),
    _preset(
        "Steps too small",
        "Nothing is wrong but the patience it asks for. Raise the learning rate while it runs, or add momentum.",
        data="circles",
        optimizer="sgd",
        lr=0.001,
    ),
    _preset(
        "Learning the noise by heart",
        "The classes overlap, so a straight line is nearly the best there is. Watch the two losses "
        "part, and the boundary bend round single points; then restart with an L2 penalty of 0.01.",
        data="gaussians",
        hidden=[8, 8],
        lr=0.03,
        noise=0.7,
    ),
)
"""Experiments with a sentence each. A playground offers those whose data it has."""

EXAMPLE: tuple[float, ...] = (0.0, 0.5, 1, -0.6, -0.4, 1, 0.6, -0.4, 1)
EXAMPLE += (0.0, 2.2, 0, -2.1, 0.6, 0, 2.1, 0.6, 0, -1.3, -1.9, 0, 1.3, -1.9, 0)
"""Points to begin with for readers who place their own: three of class 1 amid five of class 0."""


class Playground(BookWidget):
    """A multilayer perceptron for two classes in the plane, trained in the reader's browser.

    One output unit gives the logit of class 1. The loss is the mean binary cross-entropy in nats plus
    l2 / 2 · Σ w² over the weights, not the biases. Arithmetic is float64 and follows torch.nn.Linear and
    torch.optim: the same weights and batches give torch's numbers. In the order of the points every second
    one of each class is held out; the reader's own points are all trained on.

    Args:
        datasets: per name the points, (n, 2), and their classes 0/1, (n,); coordinates are kept to three
            decimals. At least 2 points of each class, at most 1000 in all. The names "circles", "xor",
            "two_spirals" and "gaussians" bring experiments with these sets into the menu.
        data: name of the set shown first, or "own"; the first of `datasets` where nothing is said.
        hidden: units of each hidden layer, 1 to 4 layers of 1 to 8 units.
        activation: "tanh", "sigmoid", "relu" or "linear", after every hidden layer.
        optimizer: "sgd", "momentum" (0.9, dampening 0) or "adam" (0.9, 0.999, 1e-8), as in torch.optim.
        lr: learning rate, in [1e-5, 10].
        batch_size: points per step, drawn without replacement; 0 takes all of them.
        l2: λ of the penalty, in [0, 1].
        init: first weights; "zeros", "small_normal" N(0, 0.01²), "large_normal" N(0, 2²), "xavier_normal" or
            "kaiming_normal" (gains 1 and √2). Biases start at 0.
        noise: standard deviation of the normal noise that the page adds to the points, in [0, 1]; always the
            same draw.
        points: the reader's own points, flat: x₁, x₂, class, x₁, x₂, class, …; coordinates within ±3.5, at
            most 150 points.
        seed: of the first weights and of the order of the batches, 0 to 9999.
        key, label: see BookWidget.

    Raises:
        ValueError: for data that are empty, not finite, of a wrong shape or of one class only, a class that
            is not 0 or 1, an unknown name, and a number out of its range.
        TypeError: if datasets does not map names to pairs.
        traitlets.TraitError: for a setting of a wrong type.
    """

    module = "playground"
    linked = (
        "data",
        "hidden",
        "activation",
        "optimizer",
        "lr",
        "batch_size",
        "l2",
        "init",
        "noise",
        "points",
        "seed",
    )

    datasets = traitlets.Dict().tag(sync=True)
    data = traitlets.Unicode().tag(sync=True)
    hidden = traitlets.List(traitlets.Int()).tag(sync=True)
    activation = traitlets.Unicode().tag(sync=True)
    optimizer = traitlets.Unicode().tag(sync=True)
    lr = traitlets.Float().tag(sync=True)
    batch_size = traitlets.Int().tag(sync=True)
    l2 = traitlets.Float().tag(sync=True)
    init = traitlets.Unicode().tag(sync=True)
    noise = traitlets.Float().tag(sync=True)
    points = traitlets.List(traitlets.Float()).tag(sync=True)
    seed = traitlets.Int().tag(sync=True)
    presets: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)

    def __init__(
        self,
        datasets: Mapping[str, tuple[ArrayLike, ArrayLike]],
        *,
        key: str,
        label: str = "Network playground: a multilayer perceptron that trains in this page",
        data: str | None = None,
        hidden: Sequence[int] = (4, 4),
        activation: str = "tanh",
        optimizer: str = "adam",
        lr: float = 0.01,
        batch_size: int = 16,
        l2: float = 0.0,
        init: str = "xavier_normal",
        noise: float = 0.0,
        points: Sequence[float] = EXAMPLE,
        seed: int = 0,
    ) -> None:
        if not isinstance(datasets, Mapping):
            raise TypeError(f"datasets must map names to pairs (X, y), got {type(datasets).__name__}")
        if not datasets:
            raise ValueError("datasets must hold at least one data set, got none")
        plain = {name: _plain(name, pair) for name, pair in datasets.items()}
        super().__init__(
            key=key,
            label=label,
            datasets=plain,
            data=next(iter(plain)) if data is None else data,
            hidden=list(hidden),
            activation=activation,
            optimizer=optimizer,
            lr=lr,
            batch_size=batch_size,
            l2=l2,
            init=init,
            noise=noise,
            points=[float(value) for value in points],
            seed=seed,
            presets=[preset for preset in PRESETS if preset["state"]["data"] in plain],
        )

    @traitlets.validate("data")
    def _check_data(self, proposal: dict[str, Any]) -> str:
        return _one_of("data", proposal["value"], (*self.datasets, OWN))

    @traitlets.validate("activation")
    def _check_activation(self, proposal: dict[str, Any]) -> str:
        return _one_of("activation", proposal["value"], ACTIVATIONS)

    @traitlets.validate("optimizer")
    def _check_optimizer(self, proposal: dict[str, Any]) -> str:
        return _one_of("optimizer", proposal["value"], OPTIMIZERS)

    @traitlets.validate("init")
    def _check_init(self, proposal: dict[str, Any]) -> str:
        return _one_of("init", proposal["value"], INITS)

    @traitlets.validate("hidden")
    def _check_hidden(self, proposal: dict[str, Any]) -> list[int]:
        widths = list(proposal["value"])
        if not 1 <= len(widths) <= MOST_LAYERS or not all(1 <= width <= MOST_UNITS for width in widths):
            raise ValueError(f"hidden must be 1 to {MOST_LAYERS} layers of 1 to {MOST_UNITS} units, got {widths}")
        return widths

    @traitlets.validate("lr")
    def _check_lr(self, proposal: dict[str, Any]) -> float:
        return _within("lr", proposal["value"], 1e-5, 10)

    @traitlets.validate("l2")
    def _check_l2(self, proposal: dict[str, Any]) -> float:
        return _within("l2", proposal["value"], 0, 1)

    @traitlets.validate("noise")
    def _check_noise(self, proposal: dict[str, Any]) -> float:
        return _within("noise", proposal["value"], 0, 1)

    @traitlets.validate("batch_size")
    def _check_batch_size(self, proposal: dict[str, Any]) -> int:
        return int(_within("batch_size", proposal["value"], 0, MOST_POINTS))

    @traitlets.validate("seed")
    def _check_seed(self, proposal: dict[str, Any]) -> int:
        return int(_within("seed", proposal["value"], 0, 9999))

    @traitlets.validate("points")
    def _check_points(self, proposal: dict[str, Any]) -> list[float]:
        flat = list(proposal["value"])
        if len(flat) % 3 or len(flat) > 3 * MOST_OWN:
            rule = f"points must be x1, x2, class of at most {MOST_OWN} points, one after the other"
            raise ValueError(f"{rule}, got {len(flat)} numbers")
        for value in (*flat[0::3], *flat[1::3]):
            _within("a coordinate in points", value, -OWN_LIMIT, OWN_LIMIT)
        for value in flat[2::3]:
            if value not in (0, 1):
                raise ValueError(f"a class in points must be 0 or 1, got {value}")
        return flat


def _one_of(name: str, value: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value


def _within(name: str, value: float, low: float, high: float) -> float:
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} must be from {low:g} to {high:g}, got {value}")
    return value


def _plain(name: str, pair: tuple[ArrayLike, ArrayLike]) -> dict[str, list[float] | list[int]]:
    """Return {"points": [x1, x2, x1, ...], "labels": [0, 1, ...]}, which travels as JSON."""
    if not isinstance(name, str):
        raise TypeError(f"a data set's name must be a string, got {name!r}")
    if not name or name == OWN:
        raise ValueError(f"a data set's name must not be empty or {OWN!r} (the reader's own points), got {name!r}")
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise TypeError(f"data set {name!r} must be a pair (X, y), got {type(pair).__name__}")
    X, y = np.asarray(pair[0], dtype=np.float64), np.asarray(pair[1])
    if X.ndim != 2 or X.shape[1] != 2 or y.shape != X.shape[:1]:
        raise ValueError(f"data set {name!r} must be X (n, 2) and y (n,), got {X.shape} and {y.shape}")
    if len(X) > MOST_POINTS:
        raise ValueError(f"data set {name!r} must have at most {MOST_POINTS} points, got {len(X)}")
    if not np.isfinite(X).all():
        raise ValueError(f"data set {name!r} must be finite, got {X[~np.isfinite(X)][0]} in X")
    if not np.isin(y, (0, 1)).all():
        raise ValueError(f"data set {name!r} must have classes 0 and 1, got {y[~np.isin(y, (0, 1))][0]}")
    counts = [int((y == label).sum()) for label in (0, 1)]
    if min(counts) < 2:
        rule = f"data set {name!r} must have 2 points or more of each class"
        raise ValueError(f"{rule}, got {counts[0]} and {counts[1]}")
    return {"points": X.round(3).ravel().tolist(), "labels": y.astype(int).tolist()}
