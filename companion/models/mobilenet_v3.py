"""MobileNetV3: inverted residuals with gates and piecewise linear activations, arranged by a search.

Letters: B pictures, C channels, H rows, W columns.
"""

from functools import partial
from typing import NamedTuple

from torch import nn

from companion.layers.conv_norm import ConvNormActivation
from companion.models.mobilenet import InvertedResidual, MobileNet, make_divisible


class BlockSpec(NamedTuple):
    """A row of MobileNetV3's tables: side of the window, channels inside and out, gated or not, activation, stride."""

    kernel_size: int
    hidden_channels: int
    out_channels: int
    gated: bool
    activation: type[nn.Module]
    stride: int


_RE, _HS = nn.ReLU, nn.Hardswish
V3_LARGE = (
    (BlockSpec(3, 16, 16, False, _RE, 1),),
    (BlockSpec(3, 64, 24, False, _RE, 2), BlockSpec(3, 72, 24, False, _RE, 1)),
    (
        BlockSpec(5, 72, 40, True, _RE, 2),
        BlockSpec(5, 120, 40, True, _RE, 1),
        BlockSpec(5, 120, 40, True, _RE, 1),
    ),
    (
        BlockSpec(3, 240, 80, False, _HS, 2),
        BlockSpec(3, 200, 80, False, _HS, 1),
        BlockSpec(3, 184, 80, False, _HS, 1),
        BlockSpec(3, 184, 80, False, _HS, 1),
        BlockSpec(3, 480, 112, True, _HS, 1),
        BlockSpec(3, 672, 112, True, _HS, 1),
    ),
    (
        BlockSpec(5, 672, 160, True, _HS, 2),
        BlockSpec(5, 960, 160, True, _HS, 1),
        BlockSpec(5, 960, 160, True, _HS, 1),
    ),
)
V3_SMALL = (
    (BlockSpec(3, 16, 16, True, _RE, 2),),
    (BlockSpec(3, 72, 24, False, _RE, 2), BlockSpec(3, 88, 24, False, _RE, 1)),
    (
        BlockSpec(5, 96, 40, True, _HS, 2),
        BlockSpec(5, 240, 40, True, _HS, 1),
        BlockSpec(5, 240, 40, True, _HS, 1),
        BlockSpec(5, 120, 48, True, _HS, 1),
        BlockSpec(5, 144, 48, True, _HS, 1),
    ),
    (
        BlockSpec(5, 288, 96, True, _HS, 2),
        BlockSpec(5, 576, 96, True, _HS, 1),
        BlockSpec(5, 576, 96, True, _HS, 1),
    ),
)
"""MobileNetV3: its blocks, stage by stage. Source: tables 1 and 2 of the paper."""


class MobileNetV3(MobileNet):
    """Inverted residuals with windows, widths, gates and activations found by a search, and a shortened end.

    Args:
        stages: the blocks, `V3_LARGE` or `V3_SMALL`.
        last_channels: width of the layer before the classifier: 1280 for large, 1024 for small.
        width_multiplier: factor on the channels of every layer, > 0, rounded to multiples of 8.
        num_classes, in_channels: as in `MobileNetV1`.
        dropout: probability, in [0, 1), with which an input of the last layer is dropped.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits.

    Raises:
        ValueError: as `MobileNetV1`.

    Source: Howard et al. 2019, arXiv:1905.02244, tables 1 and 2; torchvision.models.mobilenet_v3_large, whose weights
    fit.
    """

    def __init__(
        self,
        stages: tuple[tuple[BlockSpec, ...], ...],
        last_channels: int,
        *,
        width_multiplier: float = 1.0,
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.2,
    ) -> None:
        super().__init__(
            width_multiplier=width_multiplier, num_classes=num_classes, in_channels=in_channels, dropout=dropout
        )
        norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        width = make_divisible(16 * width_multiplier)
        self.stem = ConvNormActivation(in_channels, width, stride=2, norm=norm, activation=nn.Hardswish)
        made = []
        for stage in stages:
            blocks = []
            for spec in stage:
                hidden, wide = (make_divisible(c * width_multiplier) for c in (spec.hidden_channels, spec.out_channels))
                blocks.append(
                    InvertedResidual(
                        width,
                        hidden,
                        wide,
                        kernel_size=spec.kernel_size,
                        stride=spec.stride,
                        squeeze_channels=make_divisible(hidden // 4) if spec.gated else None,
                        activation=spec.activation,
                        norm=norm,
                    )
                )
                width = wide
            made.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*made)
        self.last = ConvNormActivation(width, 6 * width, 1, norm=norm, activation=nn.Hardswish)
        features = make_divisible(last_channels * width_multiplier)
        self.head = nn.Sequential(
            nn.Linear(6 * width, features),
            nn.Hardswish(inplace=True),
            nn.Dropout(dropout, inplace=True),
            nn.Linear(features, num_classes),
        )
        self.reset_parameters()


def mobilenet_v3_large(
    *, width_multiplier: float = 1.0, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.2
) -> MobileNetV3:
    """Return MobileNetV3-Large: 5,483,032 parameters at 1000 classes. Source: Howard et al. 2019, arXiv:1905.02244."""
    return MobileNetV3(
        V3_LARGE,
        1280,
        width_multiplier=width_multiplier,
        num_classes=num_classes,
        in_channels=in_channels,
        dropout=dropout,
    )


def mobilenet_v3_small(
    *, width_multiplier: float = 1.0, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.2
) -> MobileNetV3:
    """Return MobileNetV3-Small: 2,542,856 parameters at 1000 classes. Source: Howard et al. 2019, arXiv:1905.02244."""
    return MobileNetV3(
        V3_SMALL,
        1024,
        width_multiplier=width_multiplier,
        num_classes=num_classes,
        in_channels=in_channels,
        dropout=dropout,
    )
