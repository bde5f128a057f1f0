r"""Weight initialisation: how large the first random weights must be for signals to keep their size.

A linear layer adds up fan_in products. For inputs and weights that are independent, with weights of mean
zero, the variance of the sum is fan_in var(w) E[x^2]; backward it is fan_out var(w) E[g^2]. The functions
here choose var(w).

Each fills a tensor in place and returns it, takes torch.nn.init's arguments, and from the same generator
draws the same numbers.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TypeVar

import torch
from torch import Generator, Tensor, nn

Module = TypeVar("Module", bound=nn.Module)


def fans(weight: Tensor) -> tuple[int, int]:
    """Return (fan_in, fan_out): products added up in one output, and outputs that one input feeds.

    Shape:
        (out_features, in_features), or (out_channels, in_channels, ...) of a convolution: its kernel counts.

    Raises:
        ValueError: if the weight has fewer than two dimensions or no elements.

    Example:
        >>> fans(torch.empty(8, 4)), fans(torch.empty(8, 4, 3, 3))
        ((4, 8), (36, 72))
    """
    if weight.ndim < 2 or not weight.numel():
        raise ValueError(f"fans need a non-empty weight of two or more dimensions, got {tuple(weight.shape)}")
    kernel = weight[0, 0].numel()
    return weight.shape[1] * kernel, weight.shape[0] * kernel


def calculate_gain(nonlinearity: str, param: float = 0.01) -> float:
    """Return the factor by which weights must grow to make up for what an activation takes away.

    ReLU and its leaky kin (slope `param` for negative inputs) are exact: 1 / sqrt(E[phi(z)^2]) for a standard
    normal z. For the others these are torch's customary values: linear and sigmoid 1, tanh 5/3, selu 3/4.

    Raises:
        ValueError: for an unknown name.

    Example:
        >>> round(calculate_gain("relu") ** 2, 12)
        2.0
    """
    gains = {
        "linear": 1.0,
        "sigmoid": 1.0,
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "leaky_relu": math.sqrt(2 / (1 + param**2)),
        "selu": 3 / 4,
    }
    if nonlinearity not in gains:
        raise ValueError(f"nonlinearity must be one of {', '.join(gains)}, got {nonlinearity!r}")
    return gains[nonlinearity]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    r"""Fill from U(-a, a), a = gain sqrt(6 / (fan_in + fan_out)).

    Source: Glorot & Bengio 2010, eq. 16. Differs: `gain`, which is torch's.
    """
    return _uniform_(tensor, _xavier_std(tensor, gain), generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    r"""Fill from a normal distribution of mean 0 and *standard deviation* gain sqrt(2 / (fan_in + fan_out)).

    Source: the variance of Glorot & Bengio 2010, eq. 12; they draw from the uniform one.
    """
    return _normal_(tensor, _xavier_std(tensor, gain), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    r"""Fill from U(-b, b), b = gain sqrt(3 / fan); arguments as in `kaiming_normal_`.

    Source: the variance of He et al. 2015, arXiv:1502.01852, eq. 10 and 15; they draw from the normal one.
    """
    return _uniform_(tensor, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    r"""Fill from a normal distribution of mean 0 and standard deviation gain / sqrt(fan); for ReLU, gain^2 = 2.

    Args:
        tensor: the weight to fill.
        a: slope of a leaky ReLU for negative inputs; 0, the default, is ReLU.
        mode: "fan_in" keeps the size of the signals, "fan_out" that of the gradients.
        nonlinearity: as in `calculate_gain`.
        generator: where the numbers come from; torch's global generator by default.

    Raises:
        ValueError: for an unknown mode or nonlinearity, or a tensor without fans.

    Source: He et al. 2015, arXiv:1502.01852, eq. 10 (forward), 14 (backward) and 15 (leaky).
    """
    return _normal_(tensor, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def _xavier_std(tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2 / sum(fans(tensor)))


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode must be 'fan_in' or 'fan_out', got {mode!r}")
    fan_in, fan_out = fans(tensor)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan_in if mode == "fan_in" else fan_out)


@torch.no_grad()
def _normal_(tensor: Tensor, std: float, generator: Generator | None) -> Tensor:
    return tensor.normal_(0.0, std, generator=generator)


@torch.no_grad()
def _uniform_(tensor: Tensor, std: float, generator: Generator | None) -> Tensor:
    bound = math.sqrt(3) * std  # U(-c, c) has the variance c^2 / 3
    return tensor.uniform_(-bound, bound, generator=generator)


SCHEMES: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {
        "xavier_uniform": xavier_uniform_,
        "xavier_normal": xavier_normal_,
        "kaiming_uniform": kaiming_uniform_,
        "kaiming_normal": kaiming_normal_,
    }
)
"""The names that `init_linear_` knows."""


def init_linear_(
    module: Module, scheme: str | Callable[[Tensor], object] = "xavier_normal", generator: Generator | None = None
) -> Module:
    """Fill the weights of all linear layers of a module, set their biases to 0, and return the module.

    Args:
        module: any module; layers other than `torch.nn.Linear` are left as they are.
        scheme: a name in `SCHEMES`, or a function that fills a weight in place.
        generator: where the numbers of a named scheme come from; torch's global generator by default.

    Raises:
        ValueError: for an unknown scheme, or for a generator that a function would not see.

    Example:
        >>> layer = init_linear_(nn.Linear(3, 3), torch.nn.init.eye_)
        >>> layer(torch.tensor([1., 2., 3.])).tolist()
        [1.0, 2.0, 3.0]
    """
    if isinstance(scheme, str):
        if scheme not in SCHEMES:
            raise ValueError(f"scheme must be a function or one of {', '.join(SCHEMES)}, got {scheme!r}")
        scheme = partial(SCHEMES[scheme], generator=generator)
    elif generator is not None:
        raise ValueError(f"a generator reaches named schemes only; bind it into the function {scheme}")
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Linear):
                scheme(layer.weight)
                if layer.bias is not None:
                    layer.bias.zero_()
    return module
