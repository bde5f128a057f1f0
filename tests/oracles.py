"""Slow and plain versions, written from the definitions, against which the companion is tested."""

import itertools
import math
from collections.abc import Sequence

Vector = Sequence[float]
Matrix = Sequence[Vector]


def dot(a: Vector, b: Vector) -> float:
    return sum(p * q for p, q in zip(a, b, strict=True))


# Perceptron. With whole numbers everything here is exact.


def perceptron_by_loops(X: Matrix, y: Sequence[int], *, max_epochs: int) -> tuple[list[int], list[list[float]]]:
    """Return mistakes per epoch and the weights, bias last, at the start and after every mistake."""
    w = [0] * (len(X[0]) + 1)
    mistakes, history = [], [list(w)]
    for _ in range(max_epochs):
        count = 0
        for x, target in zip(X, y, strict=True):
            augmented = [*x, 1]
            prediction = 1 if dot(w, augmented) >= 0 else 0
            if prediction != target:
                sign = 1 if target == 1 else -1
                w = [p + sign * q for p, q in zip(w, augmented, strict=True)]
                history.append(list(w))
                count += 1
        mistakes.append(count)
        if count == 0:
            break
    return mistakes, history


def separable_by_perceptron(X: Sequence[Sequence[int]], y: Sequence[int]) -> bool:
    """Decide separability of points with whole-number coordinates exactly.

    The rule is deterministic and, on whole numbers, free of rounding. If it runs through an epoch without a
    mistake, the data are separable; if it begins an epoch with weights it began one with before, it will repeat
    that cycle for ever, and by the convergence theorem they are not.
    """
    w, seen = (0,) * (len(X[0]) + 1), set()
    while w not in seen:
        seen.add(w)
        mistakes = 0
        for x, target in zip(X, y, strict=True):
            error = target - (1 if dot(w, [*x, 1]) >= 0 else 0)
            w = tuple(p + error * q for p, q in zip(w, [*x, 1], strict=True))
            mistakes += abs(error)
        if mistakes == 0:
            return True
    return False


def margin_on_a_line(x: Vector, y: Sequence[int], *, directions: int = 100_000) -> float:
    """Return the largest margin through the origin of the points (x, 1), by trying directions (cos t, sin t)."""
    signs = [2 * target - 1 for target in y]
    return max(
        min(s * (math.cos(t) * p + math.sin(t)) for p, s in zip(x, signs, strict=True))
        for t in (2 * math.pi * k / directions for k in range(directions))
    )


# Multi-layer perceptron: one example and one number at a time. W[i][j] leads from unit i to unit j.

_ACTIVATIONS = {
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "tanh": math.tanh,
    "relu": lambda z: max(z, 0.0),
}


def mlp_loss_by_loops(
    weights: Sequence[Matrix], biases: Sequence[Vector], X: Matrix, y: Sequence, activation: str, output: str
) -> float:
    """Return the mean loss of an MLP; `y` holds class indices for softmax, else rows of numbers."""
    total = 0.0
    for x, target in zip(X, y, strict=True):
        a = list(x)
        for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
            z = [dot(a, [row[j] for row in W]) + b[j] for j in range(len(b))]
            a = z if layer == len(weights) - 1 else [_ACTIVATIONS[activation](value) for value in z]
        if output == "softmax":
            total -= math.log(math.exp(z[target]) / sum(math.exp(value) for value in z))
        elif output == "sigmoid":
            p = [1 / (1 + math.exp(-value)) for value in z]
            total -= sum(t * math.log(q) + (1 - t) * math.log(1 - q) for t, q in zip(target, p, strict=True))
        else:
            total += sum((value - t) ** 2 / 2 for t, value in zip(target, z, strict=True))
    return total / len(X)


# Threshold logic.


def truth_table(inputs: int) -> list[tuple[int, ...]]:
    """Return all rows of zeros and ones, counting upwards."""
    return list(itertools.product((0, 1), repeat=inputs))
