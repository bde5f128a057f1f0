"""Gates on channels: a layer looks at its whole map and decides how much of each channel passes.

Letters: B pictures, C channels, H rows, W columns.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


class SqueezeExcitation(nn.Module):
    """Scale each channel by a number in [0, 1] that two small layers compute from the means of all channels.

        y[c] = x[c] * gate(W2 activation(W1 mean(x) + b1) + b2)[c]

    Args:
        in_channels: channels of the map, C.
        squeeze_channels: width of the layer between, >= 1. It is a width, not the factor r of the paper: that
            is C / squeeze_channels.
        activation, gate: make the activation of the layer between, and the gate.
        bias: whether the two layers have biases.

    Shape:
        (B, C, H, W) -> (B, C, H, W)

    Raises:
        ValueError: for sizes < 1.

    Source: Hu, Shen & Sun 2018, "Squeeze-and-Excitation Networks", arXiv:1709.01507, section 3. The two layers
    are 1 x 1 convolutions on a map of one cell, as in torchvision.ops.SqueezeExcitation, whose weights fit.

    Example:
        >>> import torch
        >>> gated = SqueezeExcitation(8, 2)
        >>> gated(torch.ones(1, 8, 3, 3)).shape, sum(p.numel() for p in gated.parameters())
        (torch.Size([1, 8, 3, 3]), 42)
    """

    def __init__(
        self,
        in_channels: int,
        squeeze_channels: int,
        *,
        activation: Callable[[], nn.Module] = nn.ReLU,
        gate: Callable[[], nn.Module] = nn.Sigmoid,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if in_channels < 1 or squeeze_channels < 1:
            raise ValueError(f"need in_channels and squeeze_channels >= 1, got {in_channels} and {squeeze_channels}")
        self.fc1 = nn.Conv2d(in_channels, squeeze_channels, 1, bias=bias)
        self.fc2 = nn.Conv2d(squeeze_channels, in_channels, 1, bias=bias)
        self.activation, self.gate = activation(), gate()

    def weights(self, x: Tensor) -> Tensor:
        """Return how much of each channel passes, (B, C, H, W) -> (B, C, 1, 1)."""
        gates: Tensor = self.gate(self.fc2(self.activation(self.fc1(x.mean((2, 3), keepdim=True)))))
        return gates

    def forward(self, x: Tensor) -> Tensor:
        """Return x with its channels scaled, (B, C, H, W) -> (B, C, H, W)."""
        return x * self.weights(x)


def eca_kernel_size(in_channels: int, *, gamma: float = 2.0, b: float = 1.0) -> int:
    """Return how many neighbouring channels a gate of `EfficientChannelAttention` reads: odd, growing with log2 C.

    t = (log2(C) + b) / gamma, cut to a whole number, and one more if that is even.

    Raises:
        ValueError: if in_channels < 1 or gamma <= 0.

    Source: Wang et al. 2020, arXiv:1910.03151, section 3.2.3 ("the nearest odd number"), rounded as in the authors'
    code. Differs from timm: no minimum of 3, which matters below 8 channels.

    Example:
        >>> [eca_kernel_size(2**k) for k in range(6, 12)]              # 64, 128, ..., 2048 channels
        [3, 5, 5, 5, 5, 7]
    """
    if in_channels < 1 or gamma <= 0:
        raise ValueError(f"need in_channels >= 1 and gamma > 0, got {in_channels} and {gamma}")
    t = int(abs((math.log2(in_channels) + b) / gamma))
    return t if t % 2 else t + 1


class EfficientChannelAttention(nn.Module):
    """Scale each channel by a number in [0, 1] that one small kernel computes from the means of its neighbours.

        y[c] = x[c] * sigmoid(sum over k of w[k] * mean(x[c + k - K // 2]))

    Channels have no natural order; the layers around learn one. Beyond the first and last channel the means are 0.

    Args:
        in_channels: channels of the map, C.
        kernel_size: K, odd; by default `eca_kernel_size(in_channels)`.

    Shape:
        (B, C, H, W) -> (B, C, H, W)

    Raises:
        ValueError: for sizes < 1 and an even kernel.

    Source: Wang et al. 2020, "ECA-Net: Efficient Channel Attention for Deep Convolutional Neural Networks",
    arXiv:1910.03151, section 3.2.

    Example:
        >>> import torch
        >>> gated = EfficientChannelAttention(64)
        >>> gated(torch.ones(1, 64, 3, 3)).shape, sum(p.numel() for p in gated.parameters())
        (torch.Size([1, 64, 3, 3]), 3)
    """

    def __init__(self, in_channels: int, *, kernel_size: int | None = None) -> None:
        super().__init__()
        size = eca_kernel_size(in_channels) if kernel_size is None else kernel_size
        if in_channels < 1 or size < 1 or size % 2 == 0:
            raise ValueError(f"need in_channels >= 1 and an odd kernel_size, got {in_channels} and {size}")
        self.conv = nn.Conv1d(1, 1, size, padding=size // 2, bias=False)

    def weights(self, x: Tensor) -> Tensor:
        """Return how much of each channel passes, (B, C, H, W) -> (B, C, 1, 1)."""
        means = x.mean((2, 3))[:, None]  # (B, 1, C): the channels stand in a row
        gates: Tensor = self.conv(means).sigmoid()
        return gates[:, 0, :, None, None]

    def forward(self, x: Tensor) -> Tensor:
        """Return x with its channels scaled, (B, C, H, W) -> (B, C, H, W)."""
        return x * self.weights(x)


class SplitAttention(nn.Module):
    """Add R versions of a map, weighted channel by channel by gates that are computed from their sum.

    For every channel the R gates add up to 1 (softmax over the versions); with R = 1 the gate is a sigmoid.

    Args:
        out_channels: channels of one version, C.
        squeeze_channels: width of the layer between.
        radix: number of versions, R; they lie one behind the other in the input's channels.
        groups: groups of both layers; the versions of a group are weighed by that group alone.

    Shape:
        (B, R * C, H, W) -> (B, C, H, W)

    Raises:
        ValueError: for sizes < 1, and groups that do not divide both widths.

    Source: Zhang et al. 2020, "ResNeSt: Split-Attention Networks", arXiv:2004.08955, section 3.1 and its appendix
    on the radix-major form.

    Example:
        >>> import torch
        >>> SplitAttention(8, 4).eval()(torch.ones(1, 16, 3, 3)).shape
        torch.Size([1, 8, 3, 3])
    """

    def __init__(self, out_channels: int, squeeze_channels: int, *, radix: int = 2, groups: int = 1) -> None:
        super().__init__()
        if min(out_channels, squeeze_channels, radix, groups) < 1 or out_channels % groups or squeeze_channels % groups:
            raise ValueError(
                "need sizes >= 1 and groups that divide out_channels and squeeze_channels, "
                f"got {out_channels=}, {squeeze_channels=}, {radix=}, {groups=}"
            )
        self.radix, self.groups = radix, groups
        self.fc1 = nn.Conv2d(out_channels, squeeze_channels, 1, groups=groups)
        self.norm = nn.BatchNorm2d(squeeze_channels)
        self.fc2 = nn.Conv2d(squeeze_channels, radix * out_channels, 1, groups=groups)
        self.act = nn.ReLU(inplace=True)

    def weights(self, x: Tensor) -> Tensor:
        """Return the share of each version in each channel, (B, R * C, H, W) -> (B, R, C, 1, 1)."""
        R, C, G = self.radix, x.shape[1] // self.radix, self.groups
        means = x.mean((2, 3)).view(-1, R, C).sum(1)[:, :, None, None]  # (B, C, 1, 1), of the sum of the versions
        scores: Tensor = self.fc2(self.act(self.norm(self.fc1(means))))
        scores = scores.view(-1, G, R, C // G).transpose(1, 2).reshape(-1, R, C, 1, 1)
        return scores.softmax(1) if self.radix > 1 else scores.sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted sum of the versions, (B, R * C, H, W) -> (B, C, H, W)."""
        gates = self.weights(x).to(x.dtype)  # under autocast the softmax comes in float32
        out = torch.zeros_like(gates[:, 0])
        for version, gate in zip(x.chunk(self.radix, 1), gates.unbind(1), strict=True):
            out = torch.addcmul(out, version, gate)
        return out
