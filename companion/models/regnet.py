"""RegNet: a family in which four numbers and a depth fix every width; AnyNet is the same network with all free.

Letters: B pictures, C channels, H rows, W columns.
"""

import math
from collections.abc import Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

from torch import Tensor, nn

from companion.layers.conv_norm import ConvNormActivation
from companion.layers.gates import SqueezeExcitation

Rounding = Literal["torchvision", "paper"]


class Stages(NamedTuple):
    """Sizes of a network's stages, one entry a stage: channels, number of blocks, channels of a group."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    group_widths: tuple[int, ...]


class Line(NamedTuple):
    """The numbers of a RegNet: first width, slope, factor between stages, number of blocks, channels of a group."""

    w_0: int
    w_a: float
    w_m: float
    depth: int
    group_width: int


RELEASED = MappingProxyType(
    {
        "X-200MF": Line(24, 36.44, 2.49, 13, 8),
        "X-400MF": Line(24, 24.48, 2.54, 22, 16),
        "X-600MF": Line(48, 36.97, 2.24, 16, 24),
        "X-800MF": Line(56, 35.73, 2.28, 16, 16),
        "X-1.6GF": Line(80, 34.01, 2.25, 18, 24),
        "X-3.2GF": Line(88, 26.31, 2.25, 25, 48),
        "X-4.0GF": Line(96, 38.65, 2.43, 23, 40),
        "X-6.4GF": Line(184, 60.83, 2.07, 17, 56),
        "X-8.0GF": Line(80, 49.56, 2.88, 23, 120),
        "X-12GF": Line(168, 73.36, 2.37, 19, 112),
        "X-16GF": Line(216, 55.59, 2.1, 22, 128),
        "X-32GF": Line(320, 69.86, 2.0, 23, 168),
        "Y-200MF": Line(24, 36.44, 2.49, 13, 8),
        "Y-400MF": Line(48, 27.89, 2.09, 16, 8),
        "Y-600MF": Line(48, 32.54, 2.32, 15, 16),
        "Y-800MF": Line(56, 38.84, 2.4, 14, 16),
        "Y-1.6GF": Line(48, 20.71, 2.65, 27, 24),
        "Y-3.2GF": Line(80, 42.63, 2.66, 21, 24),
        "Y-4.0GF": Line(96, 31.41, 2.24, 22, 64),
        "Y-6.4GF": Line(112, 33.22, 2.27, 25, 72),
        "Y-8.0GF": Line(192, 76.82, 2.19, 17, 56),
        "Y-12GF": Line(168, 73.36, 2.37, 19, 112),
        "Y-16GF": Line(200, 106.23, 2.48, 18, 112),
        "Y-32GF": Line(232, 115.89, 2.53, 20, 232),
    }
)
"""The 24 models of the paper; GF is billions of multiply-accumulates at 224 x 224 pixels.

Source: Radosavovic et al. 2020, arXiv:2003.13678, figures 15 and 16; github.com/facebookresearch/pycls.
"""


def regnet_stages(
    *, w_0: int, w_a: float, w_m: float, depth: int, group_width: int, rounding: Rounding = "torchvision"
) -> Stages:
    """Return the stages that the numbers stand for: a straight line of widths, rounded until it has steps.

    The line is u[j] = w_0 + w_a j for the blocks j = 0, ..., depth - 1. Each u[j] goes to the nearest power of w_m
    times w_0 (nearest on a logarithmic scale), then to a multiple of 8. Blocks of equal width form a stage. Last,
    each width goes to a multiple of group_width; a stage narrower than that is a single group.

    Args:
        w_0: width of the first block, a positive multiple of 8.
        w_a: by how much the line rises from block to block, >= 0.
        w_m: factor between the widths of neighbouring stages, before rounding, > 1.
        depth: number of blocks, >= 1.
        group_width: channels that a group of the 3 x 3 convolutions sees, >= 1.
        rounding: how a width goes to a multiple of group_width. "paper" takes the nearest, of two equally near the
            even one, as the authors' code does. "torchvision" takes the upper of two equally near, and goes up
            wherever more than a tenth would be lost. For a few of the released numbers the results differ.

    Raises:
        ValueError: for a number out of range or an unknown rounding.

    Source: Radosavovic et al. 2020, "Designing Network Design Spaces", arXiv:2003.13678, equations 2 to 4; rounding
    as in github.com/facebookresearch/pycls and in torchvision.models.regnet. Differs: any number of stages.

    Example:
        >>> regnet_stages(w_0=96, w_a=31.41, w_m=2.24, depth=22, group_width=64, rounding="paper").widths
        (128, 192, 512, 1088)
    """
    _check_line(w_0, w_a, w_m, depth, group_width)
    if rounding not in ("torchvision", "paper"):
        raise ValueError(f"rounding must be 'torchvision' or 'paper', got {rounding!r}")
    steps = [round(math.log((w_0 + w_a * j) / w_0) / math.log(w_m)) for j in range(depth)]
    blocks = [8 * round(w_0 * w_m**step / 8) for step in steps]
    line = sorted(set(blocks))
    groups = tuple(min(group_width, width) for width in line)
    nearest = _nearest if rounding == "paper" else _nearest_or_above
    return Stages(tuple(map(nearest, line, groups)), tuple(blocks.count(width) for width in line), groups)


class Block(nn.Module):
    """1 x 1, grouped 3 x 3 and 1 x 1 convolution beside a shortcut: the X block; with a gate in it, the Y block.

    Args:
        in_channels, out_channels: of the block.
        stride: of the 3 x 3 convolution.
        group_width: channels that each of its groups sees; divides the channels inside.
        bottleneck_ratio: out_channels over the channels inside.
        squeeze_ratio: width of the gate's middle layer over in_channels; 0 for no gate.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, H / stride, W / stride), rounded up.

    Source: Radosavovic et al. 2020, arXiv:2003.13678, figure 4 and section 5.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int,
        group_width: int,
        bottleneck_ratio: float = 1.0,
        squeeze_ratio: float = 0.0,
    ) -> None:
        super().__init__()
        inside = round(out_channels / bottleneck_ratio)
        if inside < 1 or inside % group_width:
            raise ValueError(f"group_width must divide the {inside} channels inside the block, got {group_width}")
        squeeze = round(squeeze_ratio * in_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = ConvNormActivation(in_channels, out_channels, 1, stride=stride, activation=None)
        self.conv1 = ConvNormActivation(in_channels, inside, 1)
        self.conv2 = ConvNormActivation(inside, inside, 3, stride=stride, groups=inside // group_width)
        self.gate = SqueezeExcitation(inside, squeeze) if squeeze_ratio else nn.Identity()
        self.conv3 = ConvNormActivation(inside, out_channels, 1, activation=None)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H / stride, W / stride)."""
        inside = self.gate(self.conv2(self.conv1(x)))
        y: Tensor = self.activation(self.shortcut(x) + self.conv3(inside))
        return y


class AnyNet(nn.Module):
    """A stem, any number of stages of equal blocks with any sizes, and a linear head on the mean of the last map.

    Args:
        widths, depths, group_widths: channels, blocks and channels of a group, one entry a stage.
        bottleneck_ratio, squeeze_ratio: of every block, see `Block`.
        stem_width: channels of the stem.
        stem_stride: of the stem; 1 for small pictures.
        num_classes: width of the last layer, >= 1.
        in_channels: channels of the pictures, >= 1.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits. The stem and each stage halve H and W, rounding up.

    Raises:
        ValueError: for no stage, lists of different lengths, sizes < 1, ratios out of range, or a group width that
            does not divide the channels inside a block.

    Source: Radosavovic et al. 2020, arXiv:2003.13678, section 3.2; modules and first weights as in
    torchvision.models.regnet, whose published weights fit. Differs: any number of stages, any stride of the stem.

    Example:
        >>> import torch
        >>> net = AnyNet((8, 16), (1, 2), (8, 8), num_classes=10, in_channels=1, stem_stride=1)
        >>> net.forward_features(torch.zeros(1, 1, 8, 8)).shape
        torch.Size([1, 16, 2, 2])
    """

    def __init__(
        self,
        widths: Sequence[int],
        depths: Sequence[int],
        group_widths: Sequence[int],
        *,
        bottleneck_ratio: float = 1.0,
        squeeze_ratio: float = 0.0,
        stem_width: int = 32,
        stem_stride: int = 2,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if not widths or not len(widths) == len(depths) == len(group_widths):
            raise ValueError(
                f"need widths, depths and group widths of as many stages, got {widths, depths, group_widths}"
            )
        if min(*widths, *depths, *group_widths) < 1:
            raise ValueError(f"widths, depths and group widths must be >= 1, got {widths, depths, group_widths}")
        if min(stem_width, stem_stride, num_classes, in_channels) < 1:
            sizes = f"{stem_width}, {stem_stride}, {num_classes} and {in_channels}"
            raise ValueError(f"stem_width, stem_stride, num_classes and in_channels must be >= 1, got {sizes}")
        if bottleneck_ratio <= 0 or not 0 <= squeeze_ratio <= 1:
            ratios = f"{bottleneck_ratio} and {squeeze_ratio}"
            raise ValueError(f"bottleneck_ratio must be > 0 and squeeze_ratio in [0, 1], got {ratios}")
        self.stem = ConvNormActivation(in_channels, stem_width, 3, stride=stem_stride)
        self.stages = nn.Sequential()
        below = stem_width
        for width, depth, group_width in zip(widths, depths, group_widths, strict=True):
            stage = nn.Sequential()
            for i in range(depth):
                stage.append(
                    Block(
                        width if i else below,
                        width,
                        stride=1 if i else 2,
                        group_width=group_width,
                        bottleneck_ratio=bottleneck_ratio,
                        squeeze_ratio=squeeze_ratio,
                    )
                )
            self.stages.append(stage)
            below = width
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(below, num_classes))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw first weights: convolutions N(0, 2 / (K^2 C_out)), the last layer N(0, 0.01^2) with biases 0."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                fan_out = layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels  # groups not counted
                nn.init.normal_(layer.weight, 0.0, math.sqrt(2.0 / fan_out))
            elif isinstance(layer, nn.BatchNorm2d):
                layer.reset_parameters()
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, 0.0, 0.01)
                nn.init.zeros_(layer.bias)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the last stage's map, (B, in_channels, H, W) -> (B, widths[-1], h, w)."""
        features: Tensor = self.stages(self.stem(x))
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, in_channels, H, W) -> (B, num_classes)."""
        logits: Tensor = self.head(self.forward_features(x))
        return logits


class RegNet(AnyNet):
    """An AnyNet whose stages follow from a line: see `regnet_stages` for its numbers, `AnyNet` for the rest.

    Example:
        >>> import torch
        >>> with torch.device("meta"):
        ...     model = RegNet(w_0=24, w_a=36.44, w_m=2.49, depth=13, group_width=8)     # RegNetX-200MF
        >>> sum(p.numel() for p in model.parameters())
        2684792
    """

    def __init__(
        self,
        *,
        w_0: int,
        w_a: float,
        w_m: float,
        depth: int,
        group_width: int,
        rounding: Rounding = "torchvision",
        squeeze_ratio: float = 0.0,
        stem_width: int = 32,
        stem_stride: int = 2,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        stages = regnet_stages(w_0=w_0, w_a=w_a, w_m=w_m, depth=depth, group_width=group_width, rounding=rounding)
        super().__init__(
            *stages,
            squeeze_ratio=squeeze_ratio,
            stem_width=stem_width,
            stem_stride=stem_stride,
            num_classes=num_classes,
            in_channels=in_channels,
        )


def _regnet_x(line: Line, num_classes: int, in_channels: int) -> RegNet:
    return RegNet(**line._asdict(), num_classes=num_classes, in_channels=in_channels)


def _regnet_y(line: Line, num_classes: int, in_channels: int) -> RegNet:
    return RegNet(**line._asdict(), squeeze_ratio=0.25, num_classes=num_classes, in_channels=in_channels)


def regnet_y_400mf(*, num_classes: int = 1000, in_channels: int = 3) -> RegNet:
    """Return torchvision's RegNetY-400MF: 4,344,144 parameters at 1000 classes."""
    return _regnet_y(RELEASED["Y-400MF"], num_classes, in_channels)


def regnet_y_800mf(*, num_classes: int = 1000, in_channels: int = 3) -> RegNet:
    """Return torchvision's RegNetY-800MF: 6,432,512 parameters at 1000 classes; the paper's: 6,263,168."""
    return _regnet_y(RELEASED["Y-800MF"], num_classes, in_channels)


def regnet_y_1_6gf(*, num_classes: int = 1000, in_channels: int = 3) -> RegNet:
    """Return torchvision's RegNetY-1.6GF: 11,202,430 parameters at 1000 classes."""
    return _regnet_y(RELEASED["Y-1.6GF"], num_classes, in_channels)


def regnet_y_3_2gf(*, num_classes: int = 1000, in_channels: int = 3) -> RegNet:
    """Return torchvision's RegNetY-3.2GF: 19,436,338 parameters at 1000 classes."""
    return _regnet_y(RELEASED["Y-3.2GF"], num_classes, in_channels)


def regnet_y_8gf(*, num_classes: int = 1000, in_channels: int = 3) -> RegNet:
    """Return torchvision's RegNetY-8.0GF: 39,381,472 parameters at 1000 classes; the paper's: 39,180,068."""
    return _regnet_y(RELEASED["Y-8.0GF"], num_classes, in_channels)


def regnet_y_16gf(*, num_classes: int = 1000, in_channels: int = 3) -> RegNet:
    """Return torchvision's RegNetY-16GF: 83,590,140 parameters at 1000 classes."""
    return _regnet_y(RELEASED["Y-16GF"], num_classes, in_channels)


def regnet_y_32gf(*, num_classes: int = 1000, in_channels: int = 3) -> RegNet:
    """Return torchvision's RegNetY-32GF: 145,046,770 parameters at 1000 classes."""
    return _regnet_y(RELEASED["Y-32GF"], num_classes, in_channels)


def regnet_y_128gf(*, num_classes: int = 1000, in_channels: int = 3) -> RegNet:
    """Return torchvision's RegNetY-128GF, released later: 644,812,894 parameters at 1000 classes."""
    return _regnet_y(Line(456, 160.83, 2.52, 27, 264), num_classes, in_channels)


def regnet_x_400mf(*, num_classes: int = 1000, in_channels: int = 3) -> RegNet:
    """Return torchvision's RegNetX-400MF: 5,495,976 parameters at 1000 classes; the paper's: 5,157,512."""
    return _regnet_x(RELEASED["X-400MF"], num_classes, in_channels)


def regnet_x_800mf(*, num_classes: int = 1000, in_channels: int = 3) -> RegNet:
    """Return torchvision's RegNetX-800MF: 7,259,656 parameters at 1000 classes."""
    return _regnet_x(RELEASED["X-800MF"], num_classes, in_channels)


def regnet_x_1_6gf(*, num_classes: int = 1000, in_channels: int = 3) -> RegNet:
    """Return torchvision's RegNetX-1.6GF: 9,190,136 parameters at 1000 classes."""
    return _regnet_x(RELEASED["X-1.6GF"], num_classes, in_channels)


def regnet_x_3_2gf(*, num_classes: int = 1000, in_channels: int = 3) -> RegNet:
    """Return torchvision's RegNetX-3.2GF: 15,296,552 parameters at 1000 classes."""
    return _regnet_x(RELEASED["X-3.2GF"], num_classes, in_channels)


def regnet_x_8gf(*, num_classes: int = 1000, in_channels: int = 3) -> RegNet:
    """Return torchvision's RegNetX-8.0GF: 39,572,648 parameters at 1000 classes."""
    return _regnet_x(RELEASED["X-8.0GF"], num_classes, in_channels)


def regnet_x_16gf(*, num_classes: int = 1000, in_channels: int = 3) -> RegNet:
    """Return torchvision's RegNetX-16GF: 54,278,536 parameters at 1000 classes."""
    return _regnet_x(RELEASED["X-16GF"], num_classes, in_channels)


def regnet_x_32gf(*, num_classes: int = 1000, in_channels: int = 3) -> RegNet:
    """Return torchvision's RegNetX-32GF: 107,811,560 parameters at 1000 classes."""
    return _regnet_x(RELEASED["X-32GF"], num_classes, in_channels)


def _check_line(w_0: int, w_a: float, w_m: float, depth: int, group_width: int) -> None:
    if w_0 < 1 or w_0 % 8:
        raise ValueError(f"w_0 must be a positive multiple of 8, got {w_0}")
    if w_a < 0 or w_m <= 1:
        raise ValueError(f"w_a must be >= 0 and w_m > 1, got {w_a} and {w_m}")
    if depth < 1 or group_width < 1:
        raise ValueError(f"depth and group_width must be >= 1, got {depth} and {group_width}")


def _nearest(width: int, group: int) -> int:
    return max(group, round(width / group) * group)


def _nearest_or_above(width: int, group: int) -> int:
    rounded = max(group, (width + group // 2) // group * group)
    return rounded + group if rounded < 0.9 * width else rounded
