"""EfficientNet: a small network found by search, made larger in depth, width and resolution together; and its heir V2.

Letters: B pictures, C channels, H rows, W columns.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from companion.layers.conv_norm import ConvNormActivation
from companion.layers.drop import StochasticDepth
from companion.layers.gates import SqueezeExcitation
from companion.models.mobilenet import make_divisible

Norm = Callable[[int], nn.Module]
"""Makes a normalization from the number of channels."""


class MBConv(nn.Module):
    """Expand, look around channel by channel, gate the channels, project back; add the input where shapes allow.

    An inverted residual with SiLU, a squeeze-and-excitation gate, and stochastic depth on the sum's new part.

    Args:
        in_channels, out_channels: channels of the map before and after.
        expansion: the map inside has expansion * in_channels channels, >= 1; at 1 nothing expands.
        kernel_size: side of the depthwise window, odd.
        stride: of the depthwise convolution, 1 or 2.
        drop_rate: probability, in [0, 1], with which an example skips the block in training.
        norm: makes the normalizations.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, ceil(H / stride), ceil(W / stride))

    Raises:
        ValueError: for sizes < 1, an even kernel_size, another stride or rate.

    Source: Tan & Le 2019, "EfficientNet", arXiv:1905.11946, section 4; torchvision's MBConv. The gate is
    in_channels // 4 wide: a quarter of what comes *in*, not of the expanded map.

    Example:
        >>> block = MBConv(24, 24, expansion=6)
        >>> block.branch.gate.fc1.weight.shape, block.residual
        (torch.Size([6, 144, 1, 1]), True)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        expansion: int = 6,
        kernel_size: int = 3,
        stride: int = 1,
        drop_rate: float = 0.0,
        norm: Norm = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        _check_block(in_channels, out_channels, expansion, kernel_size, stride)
        self.residual = stride == 1 and in_channels == out_channels
        wide, brick = expansion * in_channels, partial(ConvNormActivation, norm=norm, activation=nn.SiLU)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if expansion > 1:
            layers["expand"] = brick(in_channels, wide, 1)
        layers["depthwise"] = brick(wide, wide, kernel_size, stride=stride, groups=wide)
        layers["gate"] = SqueezeExcitation(wide, max(1, in_channels // 4), activation=nn.SiLU)
        layers["project"] = ConvNormActivation(wide, out_channels, 1, norm=norm, activation=None)
        self.branch = nn.Sequential(layers)
        self.drop = StochasticDepth(drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, (B, in_channels, H, W) -> (B, out_channels, h, w)."""
        return _join(self, x)


class FusedMBConv(nn.Module):
    """MBConv with its first two convolutions fused into one dense one, and without the gate.

    At expansion 1 a single convolution remains.

    Args:
        in_channels, out_channels, expansion, kernel_size, stride, drop_rate, norm: as in `MBConv`; the window and
            the stride are those of the dense convolution.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, ceil(H / stride), ceil(W / stride))

    Raises:
        ValueError: as `MBConv`.

    Source: Tan & Le 2021, "EfficientNetV2", arXiv:2104.00298, figure 2. Differs: the figure draws a gate, the
    paper's table 4 and torchvision's FusedMBConv have none.

    Example:
        >>> list(dict(FusedMBConv(24, 48, expansion=4, stride=2).branch.named_children()))
        ['expand', 'project']
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        expansion: int = 4,
        kernel_size: int = 3,
        stride: int = 1,
        drop_rate: float = 0.0,
        norm: Norm = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        _check_block(in_channels, out_channels, expansion, kernel_size, stride)
        self.residual = stride == 1 and in_channels == out_channels
        wide, brick = expansion * in_channels, partial(ConvNormActivation, norm=norm)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if expansion > 1:
            layers["expand"] = brick(in_channels, wide, kernel_size, stride=stride, activation=nn.SiLU)
            layers["project"] = brick(wide, out_channels, 1, activation=None)
        else:
            layers["conv"] = brick(in_channels, out_channels, kernel_size, stride=stride, activation=nn.SiLU)
        self.branch = nn.Sequential(layers)
        self.drop = StochasticDepth(drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, (B, in_channels, H, W) -> (B, out_channels, h, w)."""
        return _join(self, x)


class Stage(NamedTuple):
    """A row of a network's table: `depth` blocks of one kind, the first of which has the stride."""

    block: type[MBConv] | type[FusedMBConv]
    expansion: int
    kernel_size: int
    stride: int
    channels: int
    depth: int


B0_STAGES = (
    Stage(MBConv, 1, 3, 1, 16, 1),
    Stage(MBConv, 6, 3, 2, 24, 2),
    Stage(MBConv, 6, 5, 2, 40, 2),
    Stage(MBConv, 6, 3, 2, 80, 3),
    Stage(MBConv, 6, 5, 1, 112, 3),
    Stage(MBConv, 6, 5, 2, 192, 4),
    Stage(MBConv, 6, 3, 1, 320, 1),
)
"""EfficientNet-B0. Source: table 1 of the paper."""

V2_S_STAGES = (
    Stage(FusedMBConv, 1, 3, 1, 24, 2),
    Stage(FusedMBConv, 4, 3, 2, 48, 4),
    Stage(FusedMBConv, 4, 3, 2, 64, 4),
    Stage(MBConv, 4, 3, 2, 128, 6),
    Stage(MBConv, 6, 3, 1, 160, 9),
    Stage(MBConv, 6, 3, 2, 256, 15),
)
"""EfficientNetV2-S. Source: table 4 of its paper."""


class Scale(NamedTuple):
    """How a member of the family differs from B0: factors on channels and blocks, pixels a side, dropout."""

    width: float
    depth: float
    resolution: int
    dropout: float


SCALES = {
    "efficientnet_b0": Scale(1.0, 1.0, 224, 0.2),
    "efficientnet_b1": Scale(1.0, 1.1, 240, 0.2),
    "efficientnet_b2": Scale(1.1, 1.2, 260, 0.3),
    "efficientnet_b3": Scale(1.2, 1.4, 300, 0.3),
    "efficientnet_b4": Scale(1.4, 1.8, 380, 0.4),
    "efficientnet_b5": Scale(1.6, 2.2, 456, 0.4),
    "efficientnet_b6": Scale(1.8, 2.6, 528, 0.5),
    "efficientnet_b7": Scale(2.0, 3.1, 600, 0.5),
}
"""The published family. Source: the authors' released code (tensorflow/tpu, efficientnet_builder.py)."""


def scale_stages(stages: Sequence[Stage], *, width: float = 1.0, depth: float = 1.0) -> tuple[Stage, ...]:
    """Return the table with wider and deeper stages: channels to the nearest multiple of 8, depths rounded up.

    Args:
        stages: the table to scale.
        width: factor on the channels, > 0; rounding never takes away more than a tenth (`make_divisible`).
        depth: factor on the number of blocks, > 0.

    Raises:
        ValueError: for factors that are not > 0.

    Source: the authors' released code (round_filters and round_repeats).

    Example:
        >>> [(stage.channels, stage.depth) for stage in scale_stages(B0_STAGES[:3], width=1.1, depth=1.2)]
        [(16, 2), (24, 3), (48, 3)]
    """
    if not (width > 0 and depth > 0):
        raise ValueError(f"width and depth must be > 0, got {width} and {depth}")
    return tuple(
        s._replace(channels=make_divisible(width * s.channels), depth=math.ceil(depth * s.depth)) for s in stages
    )


class EfficientNet(nn.Module):
    """A 3 x 3 convolution, stages of MBConv blocks, a wide 1 x 1 convolution, the mean over places, one linear layer.

    Args:
        stages: the table, from the input on.
        stem_channels: channels behind the first convolution, which has stride 2.
        last_channels: channels before the classifier; by default 4 times those of the last stage.
        norm: makes the normalizations.
        dropout: probability, in [0, 1), with which an input of the classifier is dropped.
        drop_path_rate: of stochastic depth, in [0, 1]: block i of n is skipped with probability rate * i / n.
        num_classes, in_channels: width of the last layer, channels of the pictures; >= 1.

    Attributes:
        stem, stages, last, head: the parts, in this order.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits. Any size from 1 pixel on.

    Raises:
        ValueError: for sizes < 1, no stages, or rates outside their bounds.

    Source: Tan & Le 2019, arXiv:1905.11946, and 2021, arXiv:2104.00298; first weights and the rates of stochastic
    depth as in torchvision.models.EfficientNet, whose weights fit.

    Example:
        >>> import torch
        >>> with torch.device("meta"):
        ...     model = EfficientNet(scale_stages(B0_STAGES, width=0.5), stem_channels=16, num_classes=10)
        >>> sum(p.numel() for p in model.parameters())
        1077932
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        stem_channels: int = 32,
        last_channels: int | None = None,
        norm: Norm = nn.BatchNorm2d,
        dropout: float = 0.2,
        drop_path_rate: float = 0.2,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if not stages or min(stem_channels, num_classes, in_channels, *(s.depth for s in stages)) < 1:
            raise ValueError(
                "need stages, and sizes >= 1, got "
                f"depths {[s.depth for s in stages]}, {stem_channels=}, {num_classes=}, {in_channels=}"
            )
        if not 0 <= dropout < 1 or not 0 <= drop_path_rate <= 1:
            raise ValueError(f"need dropout in [0, 1) and drop_path_rate in [0, 1], got {dropout} and {drop_path_rate}")
        brick = partial(ConvNormActivation, norm=norm, activation=nn.SiLU)
        self.stem = brick(in_channels, stem_channels, stride=2)
        channels, i, total, made = stem_channels, 0, sum(stage.depth for stage in stages), []
        for stage in stages:
            blocks = []
            for j in range(stage.depth):
                block = stage.block(
                    channels,
                    stage.channels,
                    expansion=stage.expansion,
                    kernel_size=stage.kernel_size,
                    stride=1 if j else stage.stride,
                    drop_rate=drop_path_rate * i / total,
                    norm=norm,
                )
                blocks.append(block)
                channels, i = stage.channels, i + 1
            made.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*made)
        last = 4 * channels if last_channels is None else last_channels
        self.last = brick(channels, last, 1)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, num_classes))
        self._initialize()

    def _initialize(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.out_features)
                nn.init.uniform_(module.weight, -bound, bound)
                nn.init.zeros_(module.bias)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the last map, (B, in_channels, H, W) -> (B, last_channels, H / 32, W / 32), rounded up."""
        features: Tensor = self.last(self.stages(self.stem(x)))
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, in_channels, H, W) -> (B, num_classes)."""
        logits: Tensor = self.head(self.forward_features(x).mean((2, 3)))
        return logits


def efficientnet_b0(
    *, num_classes: int = 1000, in_channels: int = 3, dropout: float | None = None, drop_path_rate: float = 0.2
) -> EfficientNet:
    """Return EfficientNet-B0: 5,288,548 parameters at 1000 classes, for 224 pixels; dropout 0.2 by default."""
    return _scaled("efficientnet_b0", num_classes, in_channels, dropout, drop_path_rate)


def efficientnet_b1(
    *, num_classes: int = 1000, in_channels: int = 3, dropout: float | None = None, drop_path_rate: float = 0.2
) -> EfficientNet:
    """Return EfficientNet-B1: 7,794,184 parameters at 1000 classes, for 240 pixels; dropout 0.2 by default."""
    return _scaled("efficientnet_b1", num_classes, in_channels, dropout, drop_path_rate)


def efficientnet_b2(
    *, num_classes: int = 1000, in_channels: int = 3, dropout: float | None = None, drop_path_rate: float = 0.2
) -> EfficientNet:
    """Return EfficientNet-B2: 9,109,994 parameters at 1000 classes, for 260 pixels; dropout 0.3 by default."""
    return _scaled("efficientnet_b2", num_classes, in_channels, dropout, drop_path_rate)


def efficientnet_b3(
    *, num_classes: int = 1000, in_channels: int = 3, dropout: float | None = None, drop_path_rate: float = 0.2
) -> EfficientNet:
    """Return EfficientNet-B3: 12,233,232 parameters at 1000 classes, for 300 pixels; dropout 0.3 by default."""
    return _scaled("efficientnet_b3", num_classes, in_channels, dropout, drop_path_rate)


def efficientnet_b4(
    *, num_classes: int = 1000, in_channels: int = 3, dropout: float | None = None, drop_path_rate: float = 0.2
) -> EfficientNet:
    """Return EfficientNet-B4: 19,341,616 parameters at 1000 classes, for 380 pixels; dropout 0.4 by default."""
    return _scaled("efficientnet_b4", num_classes, in_channels, dropout, drop_path_rate)


def efficientnet_b5(
    *, num_classes: int = 1000, in_channels: int = 3, dropout: float | None = None, drop_path_rate: float = 0.2
) -> EfficientNet:
    """Return EfficientNet-B5: 30,389,784 parameters at 1000 classes, for 456 pixels; dropout 0.4 by default."""
    return _scaled("efficientnet_b5", num_classes, in_channels, dropout, drop_path_rate, SLOW_NORM)


def efficientnet_b6(
    *, num_classes: int = 1000, in_channels: int = 3, dropout: float | None = None, drop_path_rate: float = 0.2
) -> EfficientNet:
    """Return EfficientNet-B6: 43,040,704 parameters at 1000 classes, for 528 pixels; dropout 0.5 by default."""
    return _scaled("efficientnet_b6", num_classes, in_channels, dropout, drop_path_rate, SLOW_NORM)


def efficientnet_b7(
    *, num_classes: int = 1000, in_channels: int = 3, dropout: float | None = None, drop_path_rate: float = 0.2
) -> EfficientNet:
    """Return EfficientNet-B7: 66,347,960 parameters at 1000 classes, for 600 pixels; dropout 0.5 by default."""
    return _scaled("efficientnet_b7", num_classes, in_channels, dropout, drop_path_rate, SLOW_NORM)


def efficientnet_v2_s(
    *, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.2, drop_path_rate: float = 0.2
) -> EfficientNet:
    """Return EfficientNetV2-S: 21,458,488 parameters at 1000 classes, for 384 pixels.

    Source: Tan & Le 2021, arXiv:2104.00298, table 4.
    """
    return EfficientNet(
        V2_S_STAGES,
        stem_channels=24,
        last_channels=1280,
        norm=partial(nn.BatchNorm2d, eps=1e-3),
        dropout=dropout,
        drop_path_rate=drop_path_rate,
        num_classes=num_classes,
        in_channels=in_channels,
    )


SLOW_NORM = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
"""The authors' settings of batch normalization; torchvision has them in B5, B6 and B7 only."""


def _scaled(
    name: str,
    num_classes: int,
    in_channels: int,
    dropout: float | None,
    drop_path_rate: float,
    norm: Norm = nn.BatchNorm2d,
) -> EfficientNet:
    scale = SCALES[name]
    return EfficientNet(
        scale_stages(B0_STAGES, width=scale.width, depth=scale.depth),
        stem_channels=make_divisible(32 * scale.width),
        norm=norm,
        dropout=scale.dropout if dropout is None else dropout,
        drop_path_rate=drop_path_rate,
        num_classes=num_classes,
        in_channels=in_channels,
    )


def _join(block: MBConv | FusedMBConv, x: Tensor) -> Tensor:
    """Return the branch, with the input added where the block is residual."""
    out: Tensor = block.branch(x)
    if block.residual:
        out = block.drop(out)
        out += x
    return out


def _check_block(in_channels: int, out_channels: int, expansion: int, kernel_size: int, stride: int) -> None:
    if min(in_channels, out_channels, expansion, kernel_size) < 1:
        raise ValueError(f"sizes must be >= 1, got {in_channels=}, {out_channels=}, {expansion=}, {kernel_size=}")
    if kernel_size % 2 == 0 or stride not in (1, 2):
        raise ValueError(f"need an odd kernel_size and stride 1 or 2, got {kernel_size} and {stride}")
