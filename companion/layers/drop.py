"""Dropout and stochastic depth: in training something is dropped with probability p; what is expected stays the same.

Dropout drops single entries, and comes in two forms; stochastic depth drops a whole example's branch of a block.

|                      | in training              | in evaluation |
|----------------------|--------------------------|---------------|
| inverted, as today   | kept entries / (1 - p)   | x             |
| scaled at test, 2012 | kept entries             | (1 - p) x     |

p is the probability of *dropping*, as in torch; papers of 2012 to 2016 often write p for the probability of keeping.
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


def stochastic_depth(x: Tensor, p: float, *, training: bool = True, generator: Generator | None = None) -> Tensor:
    """Return x with whole examples set to 0 and the kept ones divided by 1 - p; x itself outside training.

    Meant for the branch of a residual block, before its input is added: a dropped example then skips the block.
    timm calls it drop path.

    Args:
        x: a batch of floating point.
        p: probability that an example becomes 0, in [0, 1].
        training: whether to drop.
        generator: where the draws come from, on the device of x; torch's global generator by default.

    Shape:
        (N, *) -> (N, *), with one draw for each of the N examples.

    Raises:
        TypeError: if x is not of floating point.
        ValueError: if p lies outside [0, 1], or x has no dimension of examples.

    Source: Huang et al. 2016, "Deep Networks with Stochastic Depth", arXiv:1603.09382; one draw an example and
    the scaling as in torchvision.ops.stochastic_depth(mode="row").
    Differs: the paper draws once for the whole batch, and multiplies by 1 - p in evaluation instead.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> stochastic_depth(torch.ones(4, 2), 0.5, generator=generator).tolist()
        [[0.0, 0.0], [2.0, 2.0], [0.0, 0.0], [0.0, 0.0]]
    """
    _check_rate(p)
    _check_floating(x)
    if x.ndim < 1:
        raise ValueError(f"x must be (N, *), a batch of examples, got {tuple(x.shape)}")
    if not training or p == 0:
        return x
    kept = torch.rand(x.shape[:1], device=x.device, generator=generator) >= p
    factor = kept.to(x.dtype) * (1 / (1 - p) if p < 1 else 0.0)
    return x * factor.view(-1, *[1] * (x.ndim - 1))


class StochasticDepth(nn.Module):
    """`stochastic_depth` as a layer: drops whole examples in training, does nothing in evaluation.

    Args:
        p: probability that an example becomes 0, in [0, 1].

    Shape:
        (N, *) -> (N, *)

    Raises:
        ValueError: if p lies outside [0, 1].

    Source, Differs: as `stochastic_depth`.

    Example:
        >>> StochasticDepth(0.5).eval()(torch.tensor([1., 2.]))
        tensor([1., 2.])
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = _check_rate(p)

    def forward(self, x: Tensor) -> Tensor:
        """Return x with examples dropped, or x in evaluation."""
        return stochastic_depth(x, self.p, training=self.training)

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return f"p={self.p}"


def _check_rate(p: float) -> float:
    if not 0 <= p <= 1:
        raise ValueError(f"p, the probability of dropping, must lie in [0, 1], got {p}")
    return p


def _check_floating(x: Tensor) -> None:
    if not x.is_floating_point():
        raise TypeError(f"dropping needs a tensor of floating point, got {x.dtype}")


def _drop(x: Tensor, p: float, generator: Generator | None) -> Tensor:
    _check_floating(x)
    dropped = torch.rand(x.shape, device=x.device, generator=generator) < p  # float32: p as fine in half precision
    return x.masked_fill(dropped, 0.0)
