"""Dropout: in training each entry is dropped with probability p; in both forms the expected output stays the same.

|                      | in training              | in evaluation |
|----------------------|--------------------------|---------------|
| inverted, as today   | kept entries / (1 - p)   | x             |
| scaled at test, 2012 | kept entries             | (1 - p) x     |

p is the probability of *dropping*, as in torch; papers of 2012 to 2014 write p for the probability of keeping.
"""

import torch
from torch import Generator, Tensor, nn


def dropout(x: Tensor, p: float = 0.5, *, training: bool = True, generator: Generator | None = None) -> Tensor:
    """Return x with entries dropped and the kept ones divided by 1 - p; x itself outside training.

    Args:
        x: any tensor of floating point.
        p: probability that an entry becomes 0, in [0, 1].
        training: whether to drop.
        generator: where the draws come from, on the device of x; torch's global generator by default.

    Raises:
        TypeError: if x is not of floating point.
        ValueError: if p lies outside [0, 1].

    Source: the scaling as in torch.nn.functional.dropout; dropping as in Hinton et al. 2012, arXiv:1207.0580.
    """
    _check_rate(p)
    if not training:
        return x
    return _drop(x, p, generator) * (1 / (1 - p) if p < 1 else 0.0)


def dropout_scaled_at_test(
    x: Tensor, p: float = 0.5, *, training: bool = True, generator: Generator | None = None
) -> Tensor:
    """Return x with entries dropped and the kept ones unchanged; (1 - p) x outside training.

    Arguments and errors as in `dropout`.

    Source: Hinton et al. 2012, arXiv:1207.0580; Krizhevsky et al. 2012, section 4.2 (p = 0.5: outputs times 0.5).
    Differs: they halve the weights that leave the unit, which is the same for a linear layer behind it.
    """
    _check_rate(p)
    return _drop(x, p, generator) if training else x * (1 - p)


class Dropout(nn.Module):
    """Inverted dropout: drops and rescales in training, does nothing in evaluation.

    Args:
        p: probability that an entry becomes 0, in [0, 1].

    Shape:
        any -> the same.

    Raises:
        ValueError: if p lies outside [0, 1].

    Source: as `dropout`.

    Example:
        >>> Dropout(0.5).eval()(torch.tensor([1., 2.]))
        tensor([1., 2.])
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = _check_rate(p)

    def forward(self, x: Tensor) -> Tensor:
        """Return x with entries dropped, or x in evaluation."""
        return dropout(x, self.p, training=self.training)

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return f"p={self.p}"


class DropoutScaledAtTest(Dropout):
    """Dropout as published: drops in training, multiplies by 1 - p in evaluation; arguments as in `Dropout`.

    Source: as `dropout_scaled_at_test`.

    Example:
        >>> DropoutScaledAtTest(0.25).eval()(torch.tensor([1., 2.]))
        tensor([0.7500, 1.5000])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return x with entries dropped, or (1 - p) x in evaluation."""
        return dropout_scaled_at_test(x, self.p, training=self.training)


def _check_rate(p: float) -> float:
    if not 0 <= p <= 1:
        raise ValueError(f"p, the probability of dropping, must lie in [0, 1], got {p}")
    return p


def _drop(x: Tensor, p: float, generator: Generator | None) -> Tensor:
    if not x.is_floating_point():
        raise TypeError(f"dropout needs a tensor of floating point, got {x.dtype}")
    dropped = torch.rand(x.shape, device=x.device, generator=generator) < p  # float32: p as fine in half precision
    return x.masked_fill(dropped, 0.0)
