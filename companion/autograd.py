r"""Reverse-mode automatic differentiation on NumPy arrays, small enough to read in one sitting.

Every operation records, beside its result, which tensors it came from and how a gradient flows back to each
of them: the tape. `backward` walks it once from the end to the start. Since the tape is written while Python
runs, loops, branches and recursion need nothing special.

    >>> x = Tensor([1.0, 2.0])
    >>> loss = (x * x).sum()
    >>> loss.backward()
    >>> x.grad
    array([2., 4.])

Names and meaning follow torch, in float64, with two simplifications: every tensor gets its gradient,
intermediate ones too, and there is no switch to turn recording off.

Source: Linnainmaa 1970 (the reverse accumulation of derivatives); survey: Baydin et al. 2018,
arXiv:1502.05767.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Edge = tuple[object, Callable[[Array], Array]]


class Tensor:
    """An array that remembers how it was computed.

    `data` is the array (float64, a copy of what was given), `grad` the gradient (None until a `backward`
    reached this tensor; it adds up over several calls until `zero_grad`). Change `data` in place, as an
    optimizer does, only after the backward pass: the tape refers to it.

    Args:
        data: a number, nested lists or an array.

    Raises:
        TypeError: if the data are not real numbers.
    """

    __array_ufunc__ = None  # lets `array * tensor` reach Tensor.__rmul__

    def __init__(self, data: ArrayLike) -> None:
        self.data = _array(data)
        self.grad: Array | None = None
        self._edges: list[tuple[Tensor, Callable[[Array], Array]]] = []

    @classmethod
    def _result(cls, data: Array, *edges: Edge) -> Tensor:
        """Make what an operation returns; an edge is (operand, its gradient given that of the result)."""
        result = cls(data)
        result._edges = [(operand, pull) for operand, pull in edges if isinstance(operand, Tensor)]
        return result

    def __repr__(self) -> str:
        return f"Tensor({self.data})"

    @property
    def shape(self) -> tuple[int, ...]:
        """Size along each axis."""
        return self.data.shape

    def item(self) -> float:
        """Return the value of a tensor with one element as a Python number."""
        return float(self.data.item())

    # Arithmetic. Operands are tensors, arrays or numbers; shapes broadcast as in NumPy.

    def __add__(self, other: Tensor | ArrayLike) -> Tensor:
        return self._result(self.data + _array(other), (self, lambda g: g), (other, lambda g: g))

    def __mul__(self, other: Tensor | ArrayLike) -> Tensor:
        a, b = self.data, _array(other)
        return self._result(a * b, (self, lambda g: g * b), (other, lambda g: g * a))

    def __truediv__(self, other: Tensor | ArrayLike) -> Tensor:
        a, b = self.data, _array(other)
        return self._result(a / b, (self, lambda g: g / b), (other, lambda g: -g * a / b**2))

    def __pow__(self, exponent: float) -> Tensor:
        if not isinstance(exponent, (int, float)):
            raise TypeError(f"the exponent must be a number, got {exponent!r}")
        a, p = self.data, exponent
        slope = p * a ** (p - 1) if p else np.zeros_like(a)  # x**0 is 1 everywhere, at 0 too
        return self._result(a**p, (self, lambda g: g * slope))

    def __matmul__(self, other: Tensor | ArrayLike) -> Tensor:
        a, b = self.data, _array(other)
        if not a.ndim or not b.ndim:
            raise ValueError(f"@ multiplies vectors and matrices, got shapes {a.shape} and {b.shape}")
        rows = a if a.ndim > 1 else a[None, :]  # a vector on the left is one row,
        columns = b if b.ndim > 1 else b[:, None]  # on the right one column,
        product = rows @ columns  # (..., n, m), and the result lacks that axis
        y = product.squeeze(axis=(-2,) * (a.ndim == 1) + (-1,) * (b.ndim == 1))

        def to_a(g: Array) -> Array:
            grad: Array = g.reshape(product.shape) @ columns.swapaxes(-1, -2)
            return grad

        def to_b(g: Array) -> Array:
            grad: Array = rows.swapaxes(-1, -2) @ g.reshape(product.shape)
            return grad if b.ndim > 1 else grad[..., 0]

        return self._result(y, (self, to_a), (other, to_b))

    def __neg__(self) -> Tensor:
        return self._result(-self.data, (self, lambda g: -g))

    def __sub__(self, other: Tensor | ArrayLike) -> Tensor:
        return self._result(self.data - _array(other), (self, lambda g: g), (other, lambda g: -g))

    def __rsub__(self, other: ArrayLike) -> Tensor:
        return Tensor(other) - self

    def __rtruediv__(self, other: ArrayLike) -> Tensor:
        return Tensor(other) / self

    def __rmatmul__(self, other: ArrayLike) -> Tensor:
        return Tensor(other) @ self

    __radd__ = __add__
    __rmul__ = __mul__

    # Functions of each element.

    def exp(self) -> Tensor:
        """Return e to the power of each element."""
        y = np.exp(self.data)
        return self._result(y, (self, lambda g: g * y))

    def log(self) -> Tensor:
        """Return the natural logarithm of each element."""
        x = self.data
        return self._result(np.log(x), (self, lambda g: g / x))

    def tanh(self) -> Tensor:
        """Return the hyperbolic tangent of each element."""
        y = np.tanh(self.data)
        return self._result(y, (self, lambda g: g * (1 - y**2)))

    def sigmoid(self) -> Tensor:
        """Return 1 / (1 + exp(-x)) of each element, without overflow."""
        e = np.exp(-np.abs(self.data))
        y = np.where(self.data >= 0, 1.0, e) / (1.0 + e)
        return self._result(y, (self, lambda g: g * y * (1 - y)))

    def relu(self) -> Tensor:
        """Return max(x, 0) of each element; the gradient at 0 is 0, as in torch."""
        active = self.data > 0
        return self._result(np.maximum(self.data, 0.0), (self, lambda g: g * active))

    # Shape.

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """Add up along the given axes, by default along all."""
        kept = self.data.sum(axis=axis, keepdims=True)
        y = kept if keepdims else kept.squeeze(axis)
        return self._result(y, (self, lambda g: np.broadcast_to(g.reshape(kept.shape), self.shape)))

    def mean(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """Average along the given axes, by default along all."""
        total = self.sum(axis, keepdims)
        return total * (total.data.size / self.data.size)

    def reshape(self, *shape: int) -> Tensor:
        """Return the same elements in another shape."""
        return self._result(self.data.reshape(shape), (self, lambda g: g.reshape(self.shape)))

    @property
    def T(self) -> Tensor:
        """The transpose of a matrix."""
        if self.data.ndim != 2:
            raise ValueError(f"T is for matrices, got shape {self.shape}")
        return self._result(self.data.T, (self, lambda g: g.T))

    # The backward pass.

    def backward(self, grad: ArrayLike | None = None) -> None:
        """Add the gradient of this tensor to `grad` of every tensor that it was computed from.

        Args:
            grad: gradient of some loss with respect to this tensor, of its shape. May be left out for a
                tensor with a single element, where it is 1.

        Raises:
            ValueError: if it is left out for a larger tensor, or has another shape.
        """
        if grad is None and self.data.size != 1:
            raise ValueError(f"backward() starts at a single number, this tensor has shape {self.shape}: pass grad")
        start = np.ones(self.shape) if grad is None else _array(grad)
        if start.shape != self.shape:
            raise ValueError(f"grad must have the tensor's shape {self.shape}, got {start.shape}")
        gradients: dict[Tensor, Array] = {self: start}
        for tensor in self._consumers_first():
            gradient = gradients.pop(tensor)
            for operand, pull in tensor._edges:
                arrived = _sum_to(pull(gradient), operand.shape)
                gradients[operand] = gradients[operand] + arrived if operand in gradients else arrived
            tensor.grad = gradient if tensor.grad is None else tensor.grad + gradient

    def _consumers_first(self) -> list[Tensor]:
        """Return this tensor and all that it came from, each after everything computed from it.

        A depth-first walk with its own stack: a chain of 100,000 operations is no problem, as it would be for
        Python's recursion.
        """
        order: list[Tensor] = []
        seen: set[Tensor] = set()
        stack: list[tuple[Tensor, bool]] = [(self, False)]
        while stack:
            tensor, operands_done = stack.pop()
            if operands_done:
                order.append(tensor)
            elif tensor not in seen:
                seen.add(tensor)
                stack.append((tensor, True))
                stack.extend((operand, False) for operand, _ in tensor._edges)
        return order[::-1]

    def zero_grad(self) -> None:
        """Forget the gradient of this tensor."""
        self.grad = None


def _array(data: Tensor | ArrayLike) -> Array:
    """Return the values of an operand: a tensor's own, or a float64 copy of numbers."""
    if isinstance(data, Tensor):
        return data.data
    array = np.asarray(data)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"a Tensor holds real numbers, got {array.dtype} from {data!r}")
    return array.astype(np.float64)


def _sum_to(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Undo broadcasting, in a new array: an operand that was repeated collects the gradients of all its copies."""
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    repeated = tuple(axis for axis, size in enumerate(shape) if size == 1 and gradient.shape[axis] != 1)
    collected: Array = gradient.sum(axis=repeated, keepdims=True)
    return collected
