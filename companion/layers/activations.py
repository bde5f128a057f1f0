r"""Activation functions and their derivatives, in closed form and safe for large inputs.

Every function takes a floating-point tensor of any shape and device and returns one of the same shape and
type. The derivative is entry by entry, dφ/dz, named `<function>_derivative`. Nothing here raises e to a
positive power, so no intermediate number overflows, and where φ is flat the derivative goes to 0 without
cancellation. At a kink both follow torch: the side of the negative inputs is taken.

Letters: z pre-activation, φ activation function, K entries of a softmax.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor, nn

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805
"""The constants of `selu`: with them N(0, 1) goes in and mean 0, variance 1 comes out."""

LENET_SCALE, LENET_SLOPE = 1.7159, 2 / 3
"""The constants of `scaled_tanh`: f(1) = 1 and f(-1) = -1, to four decimals."""

_GELU_INNER, _GELU_CUBIC = math.sqrt(2 / math.pi), 0.044715


def _floating(z: Tensor) -> Tensor:
    if not isinstance(z, Tensor) or not z.is_floating_point():
        found = z.dtype if isinstance(z, Tensor) else type(z).__name__
        raise TypeError(f"z must be a floating-point tensor, got {found}")
    return z


def _positive(name: str, value: float) -> float:
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be > 0 and finite, got {value}")
    return value


def _decay(z: Tensor) -> Tensor:
    """e^(-|z|), at most 1; written so that autograd has a slope at 0, where |z| has none."""
    return torch.exp(torch.where(z >= 0, -z, z))


# --- smooth steps


def sigmoid(z: Tensor) -> Tensor:
    """Logistic sigmoid, 1 / (1 + e^-z): a smooth step from 0 to 1.

    Example:
        >>> sigmoid(torch.tensor([-1e4, 0.0, 1e4])).tolist()
        [0.0, 0.5, 1.0]
    """
    small = _decay(_floating(z))
    return torch.where(z >= 0, 1, small) / (1 + small)


def sigmoid_derivative(z: Tensor) -> Tensor:
    """Slope of `sigmoid` at the *pre-activation* z, σ(z) (1 - σ(z)); at most 1/4.

    Example:
        >>> sigmoid_derivative(torch.tensor([0.0, 1e4])).tolist()
        [0.25, 0.0]
    """
    small = _decay(_floating(z))
    return small / (1 + small) ** 2


def tanh(z: Tensor) -> Tensor:
    """Hyperbolic tangent, 2 σ(2z) - 1: a smooth step from -1 to 1 with slope 1 at 0."""
    return torch.tanh(_floating(z))


def tanh_derivative(z: Tensor) -> Tensor:
    """Slope of `tanh`, 1 - tanh(z)^2 = 4 σ'(2z); at most 1."""
    return 4 * sigmoid_derivative(2 * z)


def scaled_tanh(z: Tensor) -> Tensor:
    """The tanh of LeNet-5, 1.7159 tanh(2z/3): ±1 go to ±1, where its curvature is largest.

    Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition", appendix A.
    """
    return LENET_SCALE * tanh(LENET_SLOPE * _floating(z))


def scaled_tanh_derivative(z: Tensor) -> Tensor:
    """Slope of `scaled_tanh`; 1.144 at 0."""
    return LENET_SCALE * LENET_SLOPE * tanh_derivative(LENET_SLOPE * _floating(z))


def hard_sigmoid(z: Tensor) -> Tensor:
    """Three straight pieces instead of the sigmoid: 0 below -3, z/6 + 1/2, 1 above 3.

    Source: Howard et al. 2019, arXiv:1905.02244, section 5.2, as ReLU6(z + 3) / 6.
    """
    return relu6(z + 3) / 6


def hard_sigmoid_derivative(z: Tensor) -> Tensor:
    """Slope of `hard_sigmoid`, 1/6 inside (-3, 3) and 0 elsewhere."""
    return relu6_derivative(z + 3) / 6


# --- rectifiers


def relu(z: Tensor) -> Tensor:
    """Rectified linear unit, max(0, z).

    Source: Fukushima 1969, doi:10.1109/TSSC.1969.300225; in deep networks Nair & Hinton 2010, Glorot et al. 2011.
    """
    return torch.where(_floating(z) > 0, z, 0)


def relu_derivative(z: Tensor) -> Tensor:
    """Slope of `relu`: 1 for z > 0, else 0; the 0 at z = 0 is torch's convention."""
    return (_floating(z) > 0).to(z.dtype)


def relu6(z: Tensor) -> Tensor:
    """ReLU that stops at 6, min(max(0, z), 6).

    Source: Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10", section 2.
    """
    return torch.where(z < 6, relu(z), 6)


def relu6_derivative(z: Tensor) -> Tensor:
    """Slope of `relu6`: 1 inside (0, 6), else 0."""
    return ((_floating(z) > 0) & (z < 6)).to(z.dtype)


def leaky_relu(z: Tensor, negative_slope: float = 0.01) -> Tensor:
    """ReLU with a small slope for negative inputs, so that a unit never falls silent for good.

    Source: Maas, Hannun & Ng 2013, "Rectifier nonlinearities improve neural network acoustic models".
    """
    return torch.where(_floating(z) > 0, z, negative_slope * z)


def leaky_relu_derivative(z: Tensor, negative_slope: float = 0.01) -> Tensor:
    """Slope of `leaky_relu`: 1 for z > 0, else `negative_slope`."""
    return torch.where(_floating(z) > 0, torch.ones_like(z), negative_slope)


def prelu(z: Tensor, weight: Tensor) -> Tensor:
    """Leaky ReLU whose negative slopes are learned.

    Args:
        z: (N, C, ...) or any shape if there is one weight.
        weight: (1,), one slope for all, or (C,), one for each channel, that is dimension 1 of z.

    Raises:
        ValueError: if the number of weights is neither 1 nor the number of channels.

    Source: He et al. 2015, arXiv:1502.01852, eq. 1.
    """
    return torch.where(_floating(z) > 0, z, _per_channel(z, weight) * z)


def prelu_derivative(z: Tensor, weight: Tensor) -> Tensor:
    """Slope of `prelu` with respect to z; with respect to its weight the slope is min(0, z)."""
    return torch.where(_floating(z) > 0, 1, _per_channel(z, weight))


def _per_channel(z: Tensor, weight: Tensor) -> Tensor:
    channels = z.shape[1] if z.ndim > 1 else 1
    if weight.ndim != 1 or len(weight) not in (1, channels):
        shapes = f"z of {tuple(z.shape)}, got {tuple(weight.shape)}"
        raise ValueError(f"weight must be a vector of 1 or {channels} slopes for {shapes}")
    return weight if len(weight) == 1 else weight.reshape(-1, *[1] * (z.ndim - 2))


# --- rectifiers with a soft left side


def elu(z: Tensor, alpha: float = 1.0) -> Tensor:
    """Exponential linear unit: z for z > 0, alpha (e^z - 1) else, which saturates at -alpha.

    Smooth at 0, in the sense that the slope does not jump, for alpha = 1 alone.

    Raises:
        ValueError: if alpha <= 0.

    Source: Clevert, Unterthiner & Hochreiter 2015, arXiv:1511.07289, eq. 15.
    """
    return torch.where(_floating(z) > 0, z, _positive("alpha", alpha) * torch.expm1(z.clamp(max=0)))


def elu_derivative(z: Tensor, alpha: float = 1.0) -> Tensor:
    """Slope of `elu`: 1 for z > 0, alpha e^z else, so alpha at 0."""
    return torch.where(_floating(z) > 0, 1, _positive("alpha", alpha) * torch.exp(z.clamp(max=0)))


def selu(z: Tensor) -> Tensor:
    """ELU scaled so that layer after layer the signal is drawn to mean 0 and variance 1 (weights: variance 1/fan-in).

    Source: Klambauer et al. 2017, arXiv:1706.02515, eq. 2.
    """
    return SELU_SCALE * elu(z, SELU_ALPHA)


def selu_derivative(z: Tensor) -> Tensor:
    """Slope of `selu`: 1.051 for z > 0; 1.758 just left of 0, where it jumps."""
    return SELU_SCALE * elu_derivative(z, SELU_ALPHA)


def softplus(z: Tensor, beta: float = 1.0) -> Tensor:
    """A ReLU with a round corner, ln(1 + e^(beta z)) / beta; its slope is the sigmoid of beta z.

    Raises:
        ValueError: if beta <= 0.

    Source: Dugas et al. 2001, "Incorporating second-order functional knowledge for better option pricing".
    Differs: torch's turns into z above beta z = 20, which is 2e-9 less.
    """
    scaled = _positive("beta", beta) * _floating(z)
    return (torch.where(scaled >= 0, scaled, 0) + torch.log1p(_decay(scaled))) / beta


def softplus_derivative(z: Tensor, beta: float = 1.0) -> Tensor:
    """Slope of `softplus`, σ(beta z)."""
    return sigmoid(_positive("beta", beta) * _floating(z))


# --- gated units: z times a step


def silu(z: Tensor, beta: float | Tensor = 1.0) -> Tensor:
    """Swish, z σ(beta z); SiLU is its name for beta = 1.

    Beta 0 makes it the line z/2; for large beta it becomes ReLU. Dips to -0.278/beta at z = -1.278/beta.

    Source: SiLU: Hendrycks & Gimpel 2016, arXiv:1606.08415, and Elfwing et al. 2017, arXiv:1702.03118; Swish:
    Ramachandran, Zoph & Le 2017, arXiv:1710.05941.

    Example:
        >>> silu(torch.tensor([-1e4, 0.0, 1e4])).tolist()
        [-0.0, 0.0, 10000.0]
    """
    return z * sigmoid(beta * _floating(z))


def silu_derivative(z: Tensor, beta: float | Tensor = 1.0) -> Tensor:
    """Slope of `silu`, σ(beta z) + beta z σ'(beta z)."""
    scaled = beta * _floating(z)
    return sigmoid(scaled) + scaled * sigmoid_derivative(scaled)


swish = silu
swish_derivative = silu_derivative


def gelu(z: Tensor, approximate: str = "none") -> Tensor:
    """Gaussian error linear unit, z Φ(z) with the normal distribution function Φ.

    Args:
        z: pre-activations.
        approximate: "none", or "tanh": Φ(z) is replaced by σ(2u), u = sqrt(2/π) (z + 0.044715 z^3).

    Raises:
        ValueError: for another value of `approximate`.

    Source: Hendrycks & Gimpel 2016, arXiv:1606.08415, section 2. Differs: erfc and sigmoid where the paper has
    1 + erf and 1 + tanh, which lose their digits for negative z.
    """
    return z * _gate(_floating(z), approximate)


def gelu_derivative(z: Tensor, approximate: str = "none") -> Tensor:
    """Slope of `gelu`: Φ(z) + z times the normal density, or σ(2u) + 2 z u' σ'(2u)."""
    gate = _gate(_floating(z), approximate)
    if approximate == "none":
        return gate + z * torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    inner_slope = _GELU_INNER * (1 + 3 * _GELU_CUBIC * z * z)
    return gate + 2 * z * inner_slope * sigmoid_derivative(2 * _gelu_inner(z))


def _gate(z: Tensor, approximate: str) -> Tensor:
    if approximate not in ("none", "tanh"):
        raise ValueError(f"approximate must be 'none' or 'tanh', got {approximate!r}")
    return torch.erfc(-z / math.sqrt(2)) / 2 if approximate == "none" else sigmoid(2 * _gelu_inner(z))


def _gelu_inner(z: Tensor) -> Tensor:
    return _GELU_INNER * (z + _GELU_CUBIC * z**3)


def mish(z: Tensor) -> Tensor:
    """Mish, z tanh(softplus(z)); close to Swish.

    Source: Misra 2019, arXiv:1908.08681, eq. 1.
    """
    return z * torch.tanh(softplus(z))


def mish_derivative(z: Tensor) -> Tensor:
    """Slope of `mish`, tanh(s) + z σ(z) tanh'(s) with s = softplus(z)."""
    s = softplus(z)
    return torch.tanh(s) + z * sigmoid(z) * tanh_derivative(s)


def hard_swish(z: Tensor) -> Tensor:
    """Swish with the hard sigmoid, z ReLU6(z + 3) / 6: no exponential.

    Source: Howard et al. 2019, arXiv:1905.02244, section 5.2.
    """
    return z * hard_sigmoid(z)


def hard_swish_derivative(z: Tensor) -> Tensor:
    """Slope of `hard_swish`: 0, z/3 + 1/2 inside (-3, 3), 1; at ±3 the outer pieces count."""
    return hard_sigmoid(z) + z * hard_sigmoid_derivative(z)


# --- functions of a whole vector


def softmax(z: Tensor, dim: int = -1) -> Tensor:
    """Probabilities e^(z_k) / Σ e^(z_j) along `dim`; the largest entry is first taken away from all.

    Source: Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs".

    Example:
        >>> softmax(torch.tensor([1e4, 1e4, -1e4])).tolist()
        [0.5, 0.5, 0.0]
    """
    powers = torch.exp(_below_largest(z, dim))
    return powers / powers.sum(dim, keepdim=True)


def softmax_jacobian(z: Tensor) -> Tensor:
    """∂p_i/∂z_j = p_i ([i = j] - p_j) of a softmax over the last dimension, (..., K) -> (..., K, K)."""
    p = softmax(z)
    return torch.diag_embed(p) - p.unsqueeze(-1) * p.unsqueeze(-2)


def log_softmax(z: Tensor, dim: int = -1) -> Tensor:
    """Logarithm of `softmax` without its rounding to 0: z_k - ln Σ e^(z_j).

    Example:
        >>> log_softmax(torch.tensor([0.0, 1e4])).tolist()
        [-10000.0, 0.0]
    """
    lowered = _below_largest(z, dim)
    return lowered - lowered.exp().sum(dim, keepdim=True).log()


def log_softmax_jacobian(z: Tensor) -> Tensor:
    """∂ ln p_i/∂z_j = [i = j] - p_j over the last dimension, (..., K) -> (..., K, K)."""
    p = softmax(z)
    return torch.eye(p.shape[-1], dtype=p.dtype, device=p.device) - p.unsqueeze(-2)


def _below_largest(z: Tensor, dim: int) -> Tensor:
    if not _floating(z).numel():
        raise ValueError(f"softmax needs at least one entry, got shape {tuple(z.shape)}")
    return z - z.detach().amax(dim, keepdim=True)


# --- modules: only what has something to learn


class PReLU(nn.Module):
    """`prelu` with learned slopes; arguments and state_dict of torch.nn.PReLU.

    Args:
        num_parameters: 1, one slope for all, or the number of channels.
        init: first value of the slopes.

    Raises:
        ValueError: if num_parameters < 1.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        super().__init__()
        if num_parameters < 1:
            raise ValueError(f"num_parameters must be >= 1, got {num_parameters}")
        self.weight = nn.Parameter(torch.full((num_parameters,), init))

    def forward(self, z: Tensor) -> Tensor:
        """Return φ(z), of z's shape."""
        return prelu(z, self.weight)


class Swish(nn.Module):
    """`silu` with a learned beta, one for the whole layer.

    Args:
        beta: its first value, finite.

    Source: Ramachandran, Zoph & Le 2017, arXiv:1710.05941, section 4.
    """

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        if not math.isfinite(beta):
            raise ValueError(f"beta must be finite, got {beta}")
        self.beta = nn.Parameter(torch.tensor(float(beta)))

    def forward(self, z: Tensor) -> Tensor:
        """Return z σ(beta z), of z's shape."""
        return silu(z, self.beta)


# --- the table


@dataclass(frozen=True)
class Activation:
    """One row of `ACTIVATIONS`: a function of one number, its slope, and the name of its parameter if it has one.

    `function(z)` and `derivative(z)` use the parameter's default; both take it as a keyword as well.
    """

    title: str
    function: Callable[..., Tensor]
    derivative: Callable[..., Tensor]
    parameter: str | None = None
    default: float | None = None


ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        "sigmoid": Activation("sigmoid", sigmoid, sigmoid_derivative),
        "tanh": Activation("tanh", tanh, tanh_derivative),
        "scaled_tanh": Activation("LeNet's scaled tanh", scaled_tanh, scaled_tanh_derivative),
        "hard_sigmoid": Activation("hard sigmoid", hard_sigmoid, hard_sigmoid_derivative),
        "relu": Activation("ReLU", relu, relu_derivative),
        "relu6": Activation("ReLU6", relu6, relu6_derivative),
        "leaky_relu": Activation("leaky ReLU", leaky_relu, leaky_relu_derivative, "negative_slope", 0.01),
        "elu": Activation("ELU", elu, elu_derivative, "alpha", 1.0),
        "selu": Activation("SELU", selu, selu_derivative),
        "softplus": Activation("softplus", softplus, softplus_derivative, "beta", 1.0),
        "silu": Activation("Swish (SiLU)", silu, silu_derivative, "beta", 1.0),
        "gelu": Activation("GELU", gelu, gelu_derivative),
        "gelu_tanh": Activation(
            "GELU, tanh form", partial(gelu, approximate="tanh"), partial(gelu_derivative, approximate="tanh")
        ),
        "mish": Activation("Mish", mish, mish_derivative),
        "hard_swish": Activation("hard swish", hard_swish, hard_swish_derivative),
    }
)
"""The activations that work entry by entry, under torch's names; `prelu` is `leaky_relu` with a learned slope."""
