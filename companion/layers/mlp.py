"""The multi-layer perceptron: linear layers with a non-linearity between them."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn


class Mlp(nn.Module):
    r"""Linear layers with an activation (and dropout) after each but the last.

        a_0 = x          z_l = W_l a_(l-1) + b_l          a_l = phi(z_l)          logits = z_L

    `layers` holds the L = len(hidden_features) + 1 linear layers. Without hidden layers this is linear (or
    softmax, or logistic) regression. Weights start as `torch.nn.Linear` makes them; `companion.layers.init`
    has the others.

    Args:
        in_features, out_features: width of input and output, >= 1.
        hidden_features: width of each hidden layer, from the input on; may be empty.
        activation: makes one activation module per hidden layer, such as `torch.nn.Tanh`.
        bias: whether the linear layers add one.
        dropout: probability, in [0, 1), with which a hidden unit is dropped in training.

    Shape:
        (..., in_features) -> (..., out_features), logits: no activation is applied to the last layer.

    Raises:
        ValueError: for a width < 1 or a dropout outside [0, 1).
        TypeError: if `activation` does not make modules.

    Source: Rumelhart, Hinton & Williams 1986, "Learning representations by back-propagating errors", Nature
    323. Differs: ReLU by default (they used the logistic sigmoid), and logits instead of activated outputs.

    Example:
        >>> mlp = Mlp(64, [32, 16], 10)
        >>> mlp.layers
        ModuleList(
          (0): Linear(in_features=64, out_features=32, bias=True)
          (1): Linear(in_features=32, out_features=16, bias=True)
          (2): Linear(in_features=16, out_features=10, bias=True)
        )
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: Sequence[int],
        out_features: int,
        *,
        activation: Callable[[], nn.Module] = nn.ReLU,
        bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        widths = [in_features, *hidden_features, out_features]
        if min(widths) < 1:
            raise ValueError(f"all widths must be >= 1, got {widths}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), got {dropout}")
        if isinstance(activation, nn.Module):
            raise TypeError(f"activation must make modules, such as nn.ReLU, got the module {activation}")
        self.layers = nn.ModuleList(nn.Linear(fan_in, fan_out, bias=bias) for fan_in, fan_out in pairwise(widths))
        self.activations = nn.ModuleList(activation() for _ in hidden_features)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (..., in_features) -> (..., out_features)."""
        for layer, activation in zip(self.layers[:-1], self.activations, strict=True):
            x = self.dropout(activation(layer(x)))
        logits: Tensor = self.layers[-1](x)
        return logits
