r"""The first artificial neurons: McCulloch and Pitts 1943, the threshold unit, Rosenblatt's perceptron.

Letters: N examples, x input, y target and y_hat prediction (0 or 1), w weights, b bias, theta threshold,
R radius of the data, gamma their margin.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linprog, nnls
from torch import Tensor, nn

Array = NDArray[np.float64]


class McCullochPittsNeuron(nn.Module):
    r"""The neuron of 1943: it counts active excitatory inputs, and any active inhibitory input silences it.

        output = 1  if no inhibitory input is active and at least `threshold` excitatory inputs are, else 0

    There are no weights and nothing to learn. A stronger connection is made by listing an input twice.

    Args:
        threshold: how many excitatory inputs must be active; an integer >= 0. A neuron with threshold 0 fires
            unless inhibited.
        excitatory, inhibitory: number of inputs of each kind, >= 0.

    Shape:
        (..., excitatory) and (..., inhibitory), all 0 or 1 -> (...,), int64. Without inhibitory inputs the
        second argument may be left out.

    Raises:
        ValueError: for a negative size or threshold, a wrong number of inputs, or inputs other than 0 and 1.

    Source: McCulloch & Pitts 1943, "A logical calculus of the ideas immanent in nervous activity", Bulletin
    of Mathematical Biophysics 5. Differs: the delay of one time step from input to output is up to the caller.

    Example:
        >>> a_and_not_b = McCullochPittsNeuron(threshold=1, excitatory=1, inhibitory=1)
        >>> a_and_not_b(torch.tensor([[0], [1], [0], [1]]), torch.tensor([[0], [0], [1], [1]])).tolist()
        [0, 1, 0, 0]
    """

    def __init__(self, threshold: int, excitatory: int, inhibitory: int = 0) -> None:
        super().__init__()
        sizes = (threshold, excitatory, inhibitory)
        if any(size != int(size) or size < 0 for size in sizes):
            raise ValueError(f"threshold, excitatory and inhibitory must be integers >= 0, got {sizes}")
        self.threshold, self.excitatory, self.inhibitory = threshold, excitatory, inhibitory

    def forward(self, excitatory: Tensor, inhibitory: Tensor | None = None) -> Tensor:
        """Return 1 where the neuron fires, 0 where it does not."""
        if inhibitory is None:
            inhibitory = excitatory.new_zeros(*excitatory.shape[:-1], 0)
        _check_binary(excitatory, self.excitatory, "excitatory")
        _check_binary(inhibitory, self.inhibitory, "inhibitory")
        excited = excitatory.sum(dim=-1) >= self.threshold  # (...,)
        vetoed = inhibitory.bool().any(dim=-1)  # (...,)
        return (excited & ~vetoed).long()

    def extra_repr(self) -> str:
        """Name the sizes in `print(neuron)`."""
        return f"threshold={self.threshold}, excitatory={self.excitatory}, inhibitory={self.inhibitory}"


def _check_binary(x: Tensor, size: int, name: str) -> None:
    if x.ndim == 0 or x.shape[-1] != size:
        raise ValueError(f"need {size} {name} inputs in the last dimension, got shape {tuple(x.shape)}")
    _check_zero_or_one(x, f"{name} inputs")


def _check_zero_or_one(values: Tensor, name: str) -> None:
    wrong = values[(values != 0) & (values != 1)]
    if len(wrong):
        raise ValueError(f"{name} must be 0 or 1, got {wrong[0].item()}")


class ThresholdUnit(nn.Module):
    r"""A weighted threshold unit with fixed weights: it fires when w . x >= theta.

    The later, weighted form of the neuron. Inhibition is a negative weight here, which other inputs can
    outvote; in `McCullochPittsNeuron` nothing outvotes it.

    Args:
        weights: one number per input.
        threshold: theta, in the units of w . x.

    Shape:
        (..., in_features) -> (...,), int64, 0 or 1.

    Raises:
        ValueError: if the weights are not a non-empty list of finite numbers, the threshold is not finite, or
            the input has another number of features.

    Example:
        >>> at_least_two_of_three = ThresholdUnit([1, 1, 1], threshold=2)
        >>> at_least_two_of_three(torch.tensor([[1, 0, 1], [0, 0, 1]])).tolist()
        [1, 0]
    """

    weights: Tensor
    threshold: Tensor

    def __init__(self, weights: Sequence[float] | Tensor, threshold: float) -> None:
        super().__init__()
        self.register_buffer("weights", torch.as_tensor(weights) * 1.0)  # a copy, of integers too
        self.register_buffer("threshold", self.weights.new_tensor(float(threshold)))
        if self.weights.ndim != 1 or not self.weights.numel() or not self.weights.isfinite().all():
            raise ValueError(f"weights must be a non-empty list of finite numbers, got {weights}")
        if not self.threshold.isfinite():
            raise ValueError(f"threshold must be finite, got {threshold}")

    def forward(self, x: Tensor) -> Tensor:
        """Return 1 where w . x >= theta, else 0."""
        _check_features(x, len(self.weights))
        return (x.to(self.weights.dtype) @ self.weights >= self.threshold).long()

    def extra_repr(self) -> str:
        """Name the numbers in `print(unit)`."""
        return f"weights={self.weights.tolist()}, threshold={self.threshold.item():g}"


def _check_features(x: Tensor, in_features: int) -> None:
    if x.ndim == 0 or x.shape[-1] != in_features:
        raise ValueError(f"need inputs of shape (..., {in_features}), got {tuple(x.shape)}")


GATES: Mapping[str, Callable[[], ThresholdUnit]] = MappingProxyType(
    {
        "AND": partial(ThresholdUnit, (1.0, 1.0), 1.5),
        "OR": partial(ThresholdUnit, (1.0, 1.0), 0.5),
        "NOT": partial(ThresholdUnit, (-1.0,), -0.5),
        "NAND": partial(ThresholdUnit, (-1.0, -1.0), -1.5),
        "NOR": partial(ThresholdUnit, (-1.0, -1.0), -0.5),
    }
)
"""Makers of the logic gates that one threshold unit computes; each threshold lies midway between two sums."""


def gate(name: str) -> ThresholdUnit:
    """Return a threshold unit that computes a logic gate: AND, OR, NAND or NOR of two inputs, NOT of one.

    Raises:
        ValueError: for another name; XOR is not there because no single unit computes it.

    Example:
        >>> gate("NAND")(torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])).tolist()
        [1, 1, 1, 0]
    """
    if name not in GATES:
        raise ValueError(f"a single threshold unit computes {', '.join(GATES)}; got {name!r}")
    return GATES[name]()


class PerceptronHistory(NamedTuple):
    """What happened in `Perceptron.fit`.

    `mistakes_per_epoch` has an entry for every epoch run; `converged` says that the last one was without
    mistakes. Row 0 of `weights`, (updates + 1, in_features + 1), is the start, row k what stood after mistake
    k; its last column is the bias.
    """

    mistakes_per_epoch: list[int]
    converged: bool
    weights: Tensor


class Perceptron(nn.Module):
    r"""Rosenblatt's perceptron: a threshold unit that learns from its mistakes.

        score = w . x + b          y_hat = 1 if score >= 0 else 0
        w <- w + lr (y - y_hat) x          b <- b + lr (y - y_hat)

    Nothing changes when the prediction is right. Weights are buffers, not parameters: the rule is not
    gradient descent on the count of mistakes, whose gradient is zero almost everywhere. They start at zero.

    Args:
        in_features: number of inputs, >= 1.

    Source: Rosenblatt 1958, "The perceptron: a probabilistic model for information storage and organization
    in the brain", Psychological Review 65; the rule as in his "Principles of Neurodynamics", 1962. Differs: his
    machine had a layer of fixed random units in front of the learning one; this is the learning one alone.

    Example:
        >>> X = torch.tensor([[0., 0.], [0., 1.], [1., 0.], [1., 1.]])
        >>> perceptron = Perceptron(in_features=2)
        >>> perceptron.fit(X, torch.tensor([0, 0, 0, 1])).converged                           # AND
        True
        >>> perceptron(X).tolist()
        [0, 0, 0, 1]
        >>> Perceptron(2).fit(X, torch.tensor([0, 1, 1, 0])).converged                        # XOR
        False
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, in_features: int) -> None:
        super().__init__()
        if in_features < 1:
            raise ValueError(f"in_features must be >= 1, got {in_features}")
        self.register_buffer("weight", torch.zeros(in_features))
        self.register_buffer("bias", torch.zeros(()))

    def decision_function(self, x: Tensor) -> Tensor:
        """Return the scores w . x + b, (..., in_features) -> (...,)."""
        _check_features(x, len(self.weight))
        return x.to(self.weight.dtype) @ self.weight + self.bias

    def forward(self, x: Tensor) -> Tensor:
        """Return classes, (..., in_features) -> (...,), int64: 1 where the score is >= 0, else 0."""
        return (self.decision_function(x) >= 0).long()

    @torch.no_grad()
    def step(self, x: Tensor, y: Tensor | int, lr: float = 1.0) -> bool:
        """Learn from one example, x (in_features,) and y 0 or 1; return True if it was a mistake.

        Raises:
            ValueError: if x has another shape or is not finite, y is neither 0 nor 1, or lr <= 0.
        """
        _check_lr(lr)
        X, targets = _check_data(x[None], torch.as_tensor(y)[None])
        return self._step(X[0].to(self.weight.dtype), int(targets[0]), lr)

    def _step(self, x: Tensor, y: int, lr: float) -> bool:
        error = y - int(self(x))  # -1, 0 or 1
        if error:
            self.weight += lr * error * x
            self.bias += lr * error
        return error != 0

    @torch.no_grad()
    def fit(self, X: Tensor, y: Tensor, *, lr: float = 1.0, max_epochs: int = 100) -> PerceptronHistory:
        """Go through the examples in order, again and again, until an epoch passes without a mistake.

        Training goes on from the present weights. On data that are not linearly separable it never ends by
        itself, hence `max_epochs`.

        Shape:
            X: (N, in_features);  y: (N,), 0 or 1.

        Raises:
            ValueError: for data that are empty, not finite, of other shapes or classes, for lr <= 0, or for
                max_epochs < 1.
        """
        _check_lr(lr)
        if max_epochs < 1:
            raise ValueError(f"max_epochs must be >= 1, got {max_epochs}")
        X, y = _check_data(X, y)
        _check_features(X, len(self.weight))
        examples = list(zip(X.to(self.weight.dtype), y.tolist(), strict=True))
        weights = [self._snapshot()]
        mistakes_per_epoch: list[int] = []
        while len(mistakes_per_epoch) < max_epochs and (not mistakes_per_epoch or mistakes_per_epoch[-1] > 0):
            mistakes_per_epoch.append(0)
            for example, target in examples:
                if self._step(example, target, lr):
                    mistakes_per_epoch[-1] += 1
                    weights.append(self._snapshot())
        return PerceptronHistory(mistakes_per_epoch, mistakes_per_epoch[-1] == 0, torch.stack(weights))

    def _snapshot(self) -> Tensor:
        return torch.cat([self.weight, self.bias[None]])  # (in_features + 1,)


def _check_lr(lr: float) -> None:
    if not 0 < lr < math.inf:
        raise ValueError(f"lr must be > 0 and finite, got {lr}")


def _check_data(X: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    if X.ndim != 2 or y.shape != X.shape[:1] or not X.numel():
        raise ValueError(f"need X (N, in_features) and y (N,), not empty, got {tuple(X.shape)} and {tuple(y.shape)}")
    if not X.isfinite().all():
        raise ValueError("X must be finite, it holds NaN or infinity")
    _check_zero_or_one(y, "classes")
    return X, y


def _signed_rows(X: Tensor, y: Tensor) -> Array:
    """Return (2y - 1) (x, 1) for every example, (N, in_features + 1): w separates if w . row > 0 for all."""
    X, y = _check_data(X, y)
    augmented = torch.cat([X.detach().double(), torch.ones_like(X[:, :1], dtype=torch.float64)], dim=1)
    rows: Array = ((2 * y.double() - 1)[:, None] * augmented).cpu().numpy()
    return rows


def _separating_weights(rows: Array) -> Array | None:
    """Return w with w . row > 0 for all rows, or None if a linear program finds none with w . row >= 1."""
    scale = np.maximum(np.abs(rows).max(axis=0), 1e-100)
    scaled = rows / scale  # columns in [-1, 1]: the same question, better conditioned
    answer = linprog(np.zeros(len(scale)), A_ub=-scaled, b_ub=-np.ones(len(rows)), bounds=(None, None))
    if answer.status not in (0, 2):  # neither solved nor shown to have no solution
        raise RuntimeError(f"the linear program failed: {answer.message}")
    if answer.status == 2 or (scaled @ answer.x <= 0).any():
        return None
    weights: Array = answer.x / scale
    return weights


def _margin(rows: Array, weights: Array) -> float:
    return float((rows @ weights).min() / np.linalg.norm(weights))


def is_linearly_separable(X: Tensor, y: Tensor) -> bool:
    """Say whether some hyperplane has all of class 1 on one side and all of class 0 on the other.

    Asks a linear program for weights with (2y - 1)(w . x + b) >= 1 on all examples; a yes is checked in
    float64 on the examples themselves. A gap below about 1e-8 of the size of the data counts as none.

    Shape:
        X: (N, in_features);  y: (N,), 0 or 1.

    Raises:
        ValueError: for data that are empty, not finite, or of other shapes or classes.

    Example:
        >>> X = torch.tensor([[0., 0.], [0., 1.], [1., 0.], [1., 1.]])
        >>> is_linearly_separable(X, torch.tensor([0, 1, 1, 1]))                              # OR
        True
        >>> is_linearly_separable(X, torch.tensor([0, 1, 1, 0]))                              # XOR
        False
    """
    return _separating_weights(_signed_rows(X, y)) is not None


class NovikoffBound(NamedTuple):
    """R = max |(x, 1)|, gamma = largest margin of the data, and the bound on mistakes (R / gamma)^2."""

    radius: float
    margin: float
    mistakes: float


def novikoff_bound(X: Tensor, y: Tensor) -> NovikoffBound:
    r"""Return Novikoff's bound: a perceptron that starts at zero makes at most (R / gamma)^2 mistakes.

    A constant input 1 stands for the bias, so that separating planes pass through the origin. R is the
    largest length of such an augmented example, gamma the largest distance that all of them can have from a
    plane on its right side, max over |w| = 1 of min over n of (2 y_n - 1) w . (x_n, 1). The bound depends
    neither on the number of examples, nor on their order, nor on lr.

    The best w points to that point of the convex hull of all (2 y_n - 1)(x_n, 1) which is nearest to the origin,
    found by non-negative least squares. The margin returned is one that some w reaches, so the bound holds; where
    the gap is below a millionth of R it can come out a few percent too large.

    Shape:
        X: (N, in_features);  y: (N,), 0 or 1.

    Raises:
        ValueError: if the data are not linearly separable, or as in `is_linearly_separable`.

    Source: Novikoff 1962, "On convergence proofs on perceptrons"; Lawson & Hanson 1974, "Solving Least
    Squares Problems", chapter 23 (the least distance by non-negative least squares).

    Example:
        >>> X = torch.tensor([[0., 0.], [0., 1.], [1., 0.], [1., 1.]])
        >>> bound = novikoff_bound(X, torch.tensor([0, 1, 1, 1]))                             # OR
        >>> round(bound.radius**2, 9), round(bound.margin, 9), round(bound.mistakes, 9)
        (3.0, 0.333333333, 27.0)
    """
    rows = _signed_rows(X, y)
    weights = _separating_weights(rows)
    if weights is None:
        raise ValueError("the classes are not linearly separable: no margin, and no bound on the mistakes")
    radius = float(np.linalg.norm(rows, axis=1).max())
    hull = np.vstack([rows.T / radius, np.ones(len(rows))])
    shares, _ = nnls(hull, np.append(np.zeros(rows.shape[1]), 1.0), maxiter=100 * len(rows))
    margin = max(_margin(rows, shares @ rows), _margin(rows, weights))  # the latter for the narrowest gaps
    return NovikoffBound(radius, margin, (radius / margin) ** 2)
