"""Rosenblatt's perceptron, trained in the page on points that the reader places."""

from collections.abc import Sequence
from numbers import Real
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import traitlets

from companion.widgets.base import BookWidget

Points: TypeAlias = tuple[Sequence[Sequence[float]] | npt.ArrayLike, Sequence[int] | npt.ArrayLike]

LIMIT = 3.0
MOST_POINTS = 60
LR_RANGE = (0.1, 2.0)
ORDERS = ("listed", "shuffled")
SPEEDS = (1, 2, 5, 10, 30, 100, 300, 1000)


class Preset(NamedTuple):
    """An experiment to choose: what to see, a fitting speed, and the points as x1, x2, class, x1, …"""

    note: str
    speed: int
    points: list[float]


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split()]


PRESETS = MappingProxyType(
    {
        "two clusters": Preset(
            "A clear gap between the classes: a few mistakes, a few passes, and the line is found.",
            10,
            _numbers(
                "-0.72 0.8 0  1.84 1.51 1  0.08 0.26 0  1.62 1.98 1  -1.63 -0.23 0  1.48 1.22 1  "
                "0.36 0.18 0  0.51 1.3 1  -2.15 -0.56 0  1.58 2.2 1  -0.81 -0.11 0  1.42 0.85 1  "
                "-0.55 -0.53 0  0.84 1.85 1  -1.09 -0.51 0  1.1 1.46 1  -1.28 -0.33 0  0.13 1.3 1"
            ),
        ),
        "thin margin": Preset(
            "Still separable, but the gap is thin: the bound grows with 1/γ², and the line has to be "
            "turned often. Drag the points next to the gap apart and watch the bound fall.",
            100,
            _numbers(
                "0.64 -0.8 0  -1.5 -1.37 0  -0.54 1.79 1  1.08 2.25 1  2.01 -0.03 1  2.37 -2.06 1  "
                "-0.29 -0.74 0  0.65 -0.38 0  1.45 0.66 1  0.74 1.36 1  -1.21 -1.83 0  -1.46 0.99 0  "
                "2.54 1.52 1  -2.52 -2.29 0  -1.27 1.57 0  -0.35 -1.72 0  1.57 -1.44 0  1.79 -2.22 0  "
                "-1.91 2.13 0  1.42 1.85 1  2.38 0.17 1  0.45 -2.59 0  0.94 0.22 1  0.28 1.14 1"
            ),
        ),
        "AND gate": Preset(
            "The truth table of AND as four points: learning finds weights that you could have set by hand.",
            10,
            _numbers("0 0 0  0 1 0  1 0 0  1 1 1"),
        ),
        "XOR": Preset(
            "No line separates the two classes: the same weights come back, and the same mistakes with them.",
            10,
            _numbers("0 0 0  0 1 1  1 0 1  1 1 0"),
        ),
        "noisy overlap": Preset(
            "The classes overlap a little. A line could be nearly right everywhere, but the rule does "
            "not look for it: every pass makes mistakes, and the last line is no better than the ones "
            "before.",
            100,
            _numbers(
                "-0.44 0.02 0  -0.86 0.98 1  -1.5 -1.97 0  1.44 1.06 1  0.28 0.05 0  0.5 0.91 1  "
                "-0.2 -0.88 0  1.68 1.46 1  -1.74 -0.59 0  0.94 1.13 1  -0.46 -0.81 0  -0.01 -0.04 1  "
                "0.69 -0.13 0  -0.97 0.41 1  -0.87 -0.81 0  0.21 0.86 1  -1.63 -0.37 0  1.01 -0.2 1  "
                "-0.51 0.58 0  1.86 2.13 1  -1.01 0 0  0.38 -0.19 1"
            ),
        ),
    }
)
"""The experiments that the reader can choose; a name also serves as `points`."""


class PerceptronTrainer(BookWidget):
    """Points of two classes, the perceptron's line, and its mistakes counted against Novikoff's bound.

    Training starts at zero weights and shows one example after the other: `w += lr (y - ŷ) x`,
    `b += lr (y - ŷ)`, with ŷ = 1 when `w·x + b >= 0`. If a line separates the classes, at most (R/γ)²
    mistakes are made: R is the length of the longest example (x, 1), γ the largest margin of a plane through
    the origin of that space. If none does, mistakes never end. In a running notebook the attributes can be
    set and read; `X` and `y` give the points as the reader left them.

    Args:
        points: the name of a preset (`PRESETS`) or a pair `(X, y)`: X (N, 2) with -3 <= x <= 3, y (N,) of 0
            and 1, 1 <= N <= 60. Coordinates are kept to two decimals.
        lr: learning rate, 0.1 to 2, dimensionless. From zero weights it scales w and b, no decision changes.
        order: "listed" goes through the points as listed, "shuffled" draws a new order for every pass.
        speed: examples per second while it runs, one of 1, 2, 5, 10, 30, 100, 300, 1000.
        key: name of the figure in links, unique on its page.
        label: what the figure is, read out by screen readers.

    Raises:
        TypeError: if lr is not a number or points is neither a name nor a pair.
        ValueError: if a name is unknown, shapes do not fit, a value is NaN or out of range, or X is empty.

    Source: Rosenblatt 1958, doi:10.1037/h0042519. Differs: his learning units sat behind a layer of fixed
    random ones; here they see the inputs themselves.
    """

    module = "perceptron_trainer"
    linked = ("points", "lr", "order", "speed")

    points = traitlets.Any().tag(sync=True)
    lr = traitlets.Any(1.0).tag(sync=True)
    order = traitlets.Any("listed").tag(sync=True)
    speed = traitlets.Any(10).tag(sync=True)
    presets: Any = traitlets.List().tag(sync=True)

    def __init__(
        self,
        points: str | Points = "two clusters",
        *,
        lr: float = 1.0,
        order: str = "listed",
        speed: int = 10,
        key: str = "trainer",
        label: str = "Perceptron trainer: points of two classes, the learned line and the count of mistakes.",
    ) -> None:
        presets = [
            {"name": name, "note": note, "state": {"points": flat, "speed": pace}}
            for name, (note, pace, flat) in PRESETS.items()
        ]
        experiment = {"points": _flat(points), "lr": lr, "order": order, "speed": speed}
        super().__init__(key=key, label=label, presets=presets, **experiment)

    @property
    def X(self) -> npt.NDArray[np.float64]:
        """Coordinates of the points as they are now, (N, 2)."""
        return np.array(self.points, dtype=np.float64).reshape(-1, 3)[:, :2]

    @property
    def y(self) -> npt.NDArray[np.int64]:
        """Classes of the points as they are now, (N,), 0 or 1."""
        return np.array(self.points, dtype=np.float64).reshape(-1, 3)[:, 2].astype(np.int64)

    @traitlets.validate("points")
    def _clean_points(self, proposal: Any) -> list[float]:
        flat = proposal["value"]
        if not isinstance(flat, list) or len(flat) % 3 or len(flat) > 3 * MOST_POINTS:
            raise ValueError(f"points must be a flat list x1, x2, class, … of at most {MOST_POINTS}, got {flat!r}")
        rows = np.asarray(flat, dtype=np.float64).reshape(-1, 3)
        outside = rows[:, :2][~(np.abs(rows[:, :2]) <= LIMIT)]  # NaN is outside too
        if len(outside):
            raise ValueError(f"coordinates must be between {-LIMIT:g} and {LIMIT:g} (scale the data), got {outside[0]}")
        if not np.isin(rows[:, 2], (0, 1)).all():
            raise ValueError(f"classes must be 0 or 1, got {sorted(set(rows[:, 2].tolist()))}")
        return [value for x1, x2, y in rows.tolist() for value in (round(x1, 2), round(x2, 2), int(y))]

    @traitlets.validate("lr")
    def _in_range(self, proposal: Any) -> float:
        value, (low, high) = proposal["value"], LR_RANGE
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"lr must be a number, got {value!r}")
        number = float(value)
        if not low <= number <= high:
            raise ValueError(f"lr must be between {low:g} and {high:g}, got {value}")
        return number

    @traitlets.validate("order", "speed")
    def _known(self, proposal: Any) -> str | int:
        name, value = proposal["trait"].name, proposal["value"]
        allowed: tuple[str | int, ...] = ORDERS if name == "order" else SPEEDS
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}, got {value!r}")
        return allowed[allowed.index(value)]


def _flat(points: str | Points) -> list[float]:
    if isinstance(points, str):
        if points not in PRESETS:
            raise ValueError(f"points must be one of {', '.join(PRESETS)} or a pair (X, y), got {points!r}")
        return list(PRESETS[points].points)
    if not isinstance(points, tuple) or len(points) != 2:
        raise TypeError(f"points must be the name of a preset or a pair (X, y), got {type(points).__name__}")
    X, y = (np.asarray(part, dtype=np.float64) for part in points)
    if X.ndim != 2 or X.shape[1:] != (2,) or y.shape != X.shape[:1]:
        raise ValueError(f"need X of shape (N, 2) and y of shape (N,), got {X.shape} and {y.shape}")
    if not 1 <= len(X) <= MOST_POINTS:
        raise ValueError(f"need 1 to {MOST_POINTS} points, got {len(X)}")
    flat: list[float] = np.column_stack([X, y]).ravel().tolist()
    return flat
