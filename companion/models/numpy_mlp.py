r"""A multi-layer perceptron with backpropagation written out by hand, in NumPy alone.

Letters: N examples, L layers, W weights (in, out), b biases (out,), z pre-activations, a = phi(z) activations,
delta the gradient of the loss with respect to z. Capitals hold one example per row, so that the formula for one
column, z = W a + b, is Z = A W + b here, with a transposed W.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Gradients = list[tuple[Array, Array]]


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)) without overflow: only exp(-|z|), which is at most 1, is ever computed.

    Example:
        >>> sigmoid(np.array([-1e4, 0.0, 1e4])).tolist()
        [0.0, 0.5, 1.0]
    """
    e = np.exp(-np.abs(z))
    numerator: Array = np.where(z >= 0, 1.0, e)
    return numerator / (1.0 + e)


def log_sum_exp(z: Array) -> Array:
    """Return log(sum(exp(z))) over the last axis without overflow, (..., K) -> (..., 1).

    Example:
        >>> log_sum_exp(np.array([1e4, 1e4])).round(6).tolist()             # 1e4 + log 2
        [10000.693147]
    """
    largest: Array = z.max(axis=-1, keepdims=True)  # (..., 1)
    total: Array = np.exp(z - largest).sum(axis=-1, keepdims=True)  # (..., 1), at least 1
    return largest + np.log(total)


def softmax(z: Array) -> Array:
    """Return exp(z) / sum(exp(z)) over the last axis without overflow.

    Example:
        >>> softmax(np.array([1e4, 1e4])).tolist()
        [0.5, 0.5]
    """
    e: Array = np.exp(z - z.max(axis=-1, keepdims=True))  # (..., K), at most 1
    total: Array = e.sum(axis=-1, keepdims=True)  # (..., 1), at least 1
    return e / total


class Activation(NamedTuple):
    """An activation function phi and its derivative, the latter as a function of the *activation* a = phi(z)."""

    f: Callable[[Array], Array]
    derivative: Callable[[Array], Array]


ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        "sigmoid": Activation(sigmoid, lambda a: a * (1 - a)),
        "tanh": Activation(np.tanh, lambda a: 1 - a**2),
        "relu": Activation(lambda z: np.maximum(z, 0.0), lambda a: (a > 0).astype(np.float64)),
    }
)
"""Hidden activations by name."""


class Output(NamedTuple):
    """An output function y_hat = f(z) and the loss of each example, from z and the targets, both (N, out)."""

    f: Callable[[Array], Array]
    losses: Callable[[Array, Array], Array]


OUTPUTS: Mapping[str, Output] = MappingProxyType(
    {
        "softmax": Output(softmax, lambda z, y: log_sum_exp(z)[:, 0] - (y * z).sum(axis=1)),
        "sigmoid": Output(sigmoid, lambda z, y: (np.logaddexp(0, z) - y * z).sum(axis=1)),
        "linear": Output(lambda z: z, lambda z, y: ((z - y) ** 2).sum(axis=1) / 2),
    }
)
"""Outputs by name, each with the loss whose gradient with respect to z is y_hat - y."""


class NumpyMlp:
    r"""An MLP that learns by gradient descent with hand-written backpropagation, all in float64.

    The output and its loss belong together, and for each pair the gradient at the output is the same:

        "softmax"   cross-entropy             -log y_hat[y]
        "sigmoid"   binary cross-entropy      -y log y_hat - (1 - y) log(1 - y_hat)
        "linear"    half the squared error    (y_hat - y)^2 / 2

    summed over outputs and averaged over the N examples. Backwards from there:

        delta_L = (y_hat - y) / N
        dW_l = A_(l-1)^T delta_l          db_l = sum over examples of delta_l
        delta_(l-1) = (delta_l W_l^T) * phi'(Z_(l-1))

    Weights start with the standard deviation of Glorot & Bengio (tanh, sigmoid) or of He et al. (relu), biases at 0.

    Args:
        sizes: width of input, hidden layers and output, at least two numbers >= 1.
        activation: of the hidden layers: "tanh", "sigmoid" or "relu".
        output: "softmax" (targets: class indices), "sigmoid" (0 or 1, or between) or "linear" (numbers).
        seed: of the generator that draws the first weights.

    Shape:
        X: (N, in). Targets: (N,) class indices for softmax; (N, out), or (N,) where out is 1, for the others.

    Raises:
        ValueError: for unknown names, bad sizes, or data that are empty, not finite or of another shape.

    Source: Rumelhart, Hinton & Williams 1986, "Learning representations by back-propagating errors", Nature
    323. Differs: they used the logistic sigmoid and the squared error throughout.

    Example:
        >>> X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
        >>> net = NumpyMlp([2, 4, 1], output="sigmoid", seed=0)
        >>> losses = net.fit(X, y, lr=1.0, epochs=500)
        >>> net.predict(X).tolist()
        [0, 1, 1, 0]
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: Literal["tanh", "sigmoid", "relu"] = "tanh",
        output: Literal["softmax", "sigmoid", "linear"] = "softmax",
        seed: int = 0,
    ) -> None:
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"sizes must be two or more numbers >= 1, got {list(sizes)}")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}")
        if output not in OUTPUTS:
            raise ValueError(f"output must be one of {', '.join(OUTPUTS)}, got {output!r}")
        self.sizes, self.activation, self.output = tuple(sizes), activation, output
        rng = np.random.default_rng(seed)
        self.weights: list[Array] = []
        self.biases: list[Array] = []
        for fan_in, fan_out in pairwise(sizes):
            std = (2 / fan_in) ** 0.5 if activation == "relu" else (2 / (fan_in + fan_out)) ** 0.5
            self.weights.append(rng.normal(0.0, std, (fan_in, fan_out)))
            self.biases.append(np.zeros(fan_out))

    def forward(self, X: ArrayLike) -> Array:
        """Return the output y_hat, (N, in) -> (N, out): probabilities for softmax and sigmoid."""
        _, z = self._forward(self._inputs(X))
        return OUTPUTS[self.output].f(z)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return classes, or the numbers of a linear output: (N,), or (N, out) where these are several."""
        _, z = self._forward(self._inputs(X))
        values: NDArray[Any] = z  # (N, out)
        if self.output == "softmax":
            values = z.argmax(axis=1, keepdims=True)
        elif self.output == "sigmoid":
            values = (z >= 0).astype(np.int64)
        return values.squeeze(axis=1) if values.shape[1] == 1 else values

    def loss(self, X: ArrayLike, y: ArrayLike) -> float:
        """Return the mean loss over the examples; in nats for softmax and sigmoid."""
        inputs = self._inputs(X)
        return self._loss(inputs, self._targets(y, len(inputs)))

    def backward(self, X: ArrayLike, y: ArrayLike) -> Gradients:
        """Return [(dW_1, db_1), ..., (dW_L, db_L)], the gradient of `loss(X, y)`, shaped like W and b."""
        inputs = self._inputs(X)
        return self._backward(inputs, self._targets(y, len(inputs)))

    def step(self, grads: Gradients, lr: float) -> None:
        """Take one step of gradient descent, in place: parameter <- parameter - lr gradient."""
        for W, b, (dW, db) in zip(self.weights, self.biases, grads, strict=True):
            W -= lr * dW
            b -= lr * db

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        lr: float,
        epochs: int,
        batch_size: int | None = None,
        seed: int = 0,
    ) -> list[float]:
        """Run mini-batch gradient descent; return the loss on all of (X, y) after each epoch.

        Args:
            X: training inputs, (N, in).
            y: their targets.
            lr: learning rate, > 0.
            epochs: passes over the data, >= 1.
            batch_size: examples per step, >= 1, by default all; the last batch of an epoch may be smaller.
            seed: of the generator that shuffles the examples before each epoch.
        """
        inputs = self._inputs(X)
        targets = self._targets(y, len(inputs))
        batch_size = len(inputs) if batch_size is None else batch_size
        if not 0 < lr < np.inf or epochs < 1 or batch_size < 1:
            raise ValueError(f"need a finite lr > 0, epochs >= 1, batch_size >= 1, got {lr}, {epochs}, {batch_size}")
        rng = np.random.default_rng(seed)
        losses = []
        for _ in range(epochs):
            order = rng.permutation(len(inputs))
            for start in range(0, len(inputs), batch_size):
                batch = order[start : start + batch_size]
                self.step(self._backward(inputs[batch], targets[batch]), lr)
            losses.append(self._loss(inputs, targets))
        return losses

    def _forward(self, X: Array) -> tuple[list[Array], Array]:
        """Return the inputs of all layers, [A_0, ..., A_(L-1)], and the last pre-activation Z_L."""
        f = ACTIVATIONS[self.activation].f
        activations = [X]
        for W, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            activations.append(f(activations[-1] @ W + b))
        return activations, activations[-1] @ self.weights[-1] + self.biases[-1]

    def _loss(self, X: Array, targets: Array) -> float:
        _, z = self._forward(X)
        return float(OUTPUTS[self.output].losses(z, targets).mean())

    def _backward(self, X: Array, targets: Array) -> Gradients:
        derivative = ACTIVATIONS[self.activation].derivative
        activations, z = self._forward(X)
        delta = (OUTPUTS[self.output].f(z) - targets) / len(X)  # (N, out)
        grads: Gradients = []
        for layer in reversed(range(len(self.weights))):
            A = activations[layer]  # (N, in), the layer's input
            grads.append((A.T @ delta, delta.sum(axis=0)))
            if layer > 0:
                delta = delta @ self.weights[layer].T * derivative(A)
        return grads[::-1]

    def _inputs(self, X: ArrayLike) -> Array:
        inputs = np.asarray(X, dtype=np.float64)
        if inputs.ndim != 2 or inputs.shape[1] != self.sizes[0] or not len(inputs):
            raise ValueError(f"need X of shape (N, {self.sizes[0]}) with N >= 1, got {inputs.shape}")
        if not np.isfinite(inputs).all():
            raise ValueError("X must be finite, it holds NaN or infinity")
        return inputs

    def _targets(self, y: ArrayLike, n: int) -> Array:
        """Return targets as (N, out) numbers; class indices become one-hot rows."""
        given, out = np.asarray(y), self.sizes[-1]
        if self.output == "softmax":
            if given.shape != (n,) or given.dtype.kind not in "iu" or given.min() < 0 or given.max() >= out:
                raise ValueError(f"need {n} class indices in [0, {out}), got {given.dtype} {given.shape}: {given}")
            one_hot: Array = np.eye(out)[given]
            return one_hot
        if given.shape != (n, out) and not (given.shape == (n,) and out == 1):
            raise ValueError(f"need targets of shape ({n}, {out}), got {given.shape}")
        if not np.isfinite(given).all() or (self.output == "sigmoid" and (given.min() < 0 or given.max() > 1)):
            raise ValueError(f"targets must be finite, and in [0, 1] for a sigmoid output, got {given}")
        return given.astype(np.float64).reshape(n, out)
