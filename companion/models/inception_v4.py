"""Inception-v4 (without shortcuts) and Inception-ResNet-v2 (with them).

Letters: B pictures, C channels, H rows, W columns.
"""

from functools import partial

import torch
from torch import Tensor, nn

from companion.layers.conv_norm import ConvNormActivation
from companion.models.googlenet import Branches, batch_norm, check_sizes

conv = partial(ConvNormActivation, norm=batch_norm)
shrink = partial(conv, padding=0)  # the map loses what the window sticks out
Chain = nn.Sequential


def _average() -> nn.AvgPool2d:
    return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)


class ResidualInception(nn.Module):
    """Inception module with a shortcut: x + scale * W branches(x), then a ReLU.

    The 1 x 1 convolution W has a bias and neither norm nor ReLU: it brings the branches to the width of the input
    and may add or subtract. Without the scale the authors saw wide networks die early in training.

    Args:
        channels: of the input and of the output, >= 1.
        branches: its branches, on maps of unchanged size.
        branch_channels: channels of their output, >= 1.
        scale: of what the branches add, > 0; the paper has 0.1 to 0.3.
        activation: whether the ReLU follows.

    Shape:
        (B, channels, H, W) -> (B, channels, H, W)

    Raises:
        ValueError: for sizes < 1 or a scale that is not positive.

    Source: Szegedy et al. 2017, "Inception-v4, Inception-ResNet and the Impact of Residual Connections on
    Learning", arXiv:1602.07261, sections 3.2 and 3.3.

    Example:
        >>> block = ResidualInception(8, Branches(nn.Conv2d(8, 2, 1), nn.Conv2d(8, 3, 3, padding=1)), 5, scale=0.1)
        >>> block(torch.zeros(1, 8, 4, 4)).shape
        torch.Size([1, 8, 4, 4])
    """

    def __init__(
        self, channels: int, branches: nn.Module, branch_channels: int, *, scale: float, activation: bool = True
    ) -> None:
        super().__init__()
        if channels < 1 or branch_channels < 1:
            raise ValueError(f"channels must be >= 1, got {channels} and {branch_channels}")
        if not scale > 0:
            raise ValueError(f"scale must be > 0, got {scale}")
        self.branches, self.scale = branches, scale
        self.project = nn.Conv2d(branch_channels, channels, 1)
        self.activation = nn.ReLU(inplace=True) if activation else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum, (B, channels, H, W) -> (B, channels, H, W)."""
        out: Tensor = self.activation(torch.add(x, self.project(self.branches(x)), alpha=self.scale))
        return out


class _Inception(nn.Module):
    """What both networks share: stem, stages and a head on the average of the last 1536 maps."""

    def __init__(self, stem: nn.Module, stages: nn.Sequential, *, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.stem, self.stages = stem, stages
        self.head = Chain(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(1536, num_classes))

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the last maps, (B, in_channels, 299, 299) -> (B, 1536, 8, 8)."""
        maps: Tensor = self.stages(self.stem(x))
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, in_channels, H, W) -> (B, num_classes)."""
        logits: Tensor = self.head(self.forward_features(x))
        return logits


class InceptionV4(_Inception):
    """Inception-v4: 4, 7 and 3 modules on maps of 35, 17 and 8 rows. It has *no* residual connections.

    Args:
        num_classes: width of the last layer, >= 1.
        in_channels: channels of the pictures, >= 1.
        dropout: probability of dropping an input of the last layer.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits; the paper has H = W = 299, 75 is the least.

    Raises:
        ValueError: for sizes < 1 or a dropout outside [0, 1].

    Source: Szegedy et al. 2017, arXiv:1602.07261, figures 3 to 9; order and first weights (torch's own) of timm's
    inception_v4. Differs: timm has no dropout by default, the paper keeps 0.8 of the inputs, as here.
    """

    def __init__(self, *, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.2) -> None:
        check_sizes(num_classes, in_channels)
        stem = Chain(
            shrink(in_channels, 32, 3, stride=2),
            shrink(32, 32, 3),
            conv(32, 64, 3),
            Branches(nn.MaxPool2d(3, stride=2), shrink(64, 96, 3, stride=2)),
            Branches(
                Chain(conv(160, 64, 1), shrink(64, 96, 3)),
                Chain(conv(160, 64, 1), conv(64, 64, (1, 7)), conv(64, 64, (7, 1)), shrink(64, 96, 3)),
            ),
            Branches(shrink(192, 192, 3, stride=2), nn.MaxPool2d(3, stride=2)),
        )
        stages = Chain(
            Chain(*(_v4_module_35() for _ in range(4))),
            Chain(_reduction_to_17(384, 384, 192, 224, 256), *(_v4_module_17() for _ in range(7))),
            Chain(_v4_reduction_to_8(), *(_v4_module_8() for _ in range(3))),
        )
        super().__init__(stem, stages, num_classes=num_classes, dropout=dropout)


class InceptionResNetV2(_Inception):
    """Inception-ResNet-v2: 10, 20 and 10 residual Inception modules on maps of 35, 17 and 8 rows.

    Args:
        num_classes, in_channels, dropout: as in `InceptionV4`.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits; the paper has H = W = 299, 75 is the least.

    Raises:
        ValueError: for sizes < 1 or a dropout outside [0, 1].

    Source: Szegedy et al. 2017, arXiv:1602.07261, figures 15 to 19; stem, counts, scales and first weights
    (torch's own) of timm's inception_resnet_v2, which is the authors' published network. Differs from the paper:
    the stem is that of Inception-v3, with another first module, where the paper draws Inception-v4's, and the
    stages have 10, 20 and 10 modules, where it draws 5, 10 and 5. Dropout as in `InceptionV4`.
    """

    def __init__(self, *, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.2) -> None:
        check_sizes(num_classes, in_channels)
        stem = Chain(
            shrink(in_channels, 32, 3, stride=2),
            shrink(32, 32, 3),
            conv(32, 64, 3),
            nn.MaxPool2d(3, stride=2),
            conv(64, 80, 1),
            shrink(80, 192, 3),
            nn.MaxPool2d(3, stride=2),
            Branches(
                conv(192, 96, 1),
                Chain(conv(192, 48, 1), conv(48, 64, 5)),
                Chain(conv(192, 64, 1), conv(64, 96, 3), conv(96, 96, 3)),
                Chain(_average(), conv(192, 64, 1)),
            ),
        )
        stages = Chain(
            Chain(*(_residual_35() for _ in range(10))),
            Chain(_reduction_to_17(320, 384, 256, 256, 384), *(_residual_17() for _ in range(20))),
            Chain(
                _residual_reduction_to_8(),
                *(_residual_8(scale=0.2) for _ in range(9)),
                _residual_8(scale=1.0, activation=False),
                conv(2080, 1536, 1),
            ),
        )
        super().__init__(stem, stages, num_classes=num_classes, dropout=dropout)


def inception_v4(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.2) -> InceptionV4:
    """Return Inception-v4: 42,679,816 parameters at 1000 classes; see `InceptionV4`."""
    return InceptionV4(num_classes=num_classes, in_channels=in_channels, dropout=dropout)


def inception_resnet_v2(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.2) -> InceptionResNetV2:
    """Return Inception-ResNet-v2: 55,843,464 parameters at 1000 classes; see `InceptionResNetV2`."""
    return InceptionResNetV2(num_classes=num_classes, in_channels=in_channels, dropout=dropout)


def _reduction_to_17(in_channels: int, direct: int, first: int, second: int, third: int) -> Branches:
    """Return the module that halves 35 x 35 maps; both networks have it, in their own widths (figure 7)."""
    return Branches(
        shrink(in_channels, direct, 3, stride=2),
        Chain(conv(in_channels, first, 1), conv(first, second, 3), shrink(second, third, 3, stride=2)),
        nn.MaxPool2d(3, stride=2),
    )


def _v4_module_35() -> Branches:
    return Branches(
        conv(384, 96, 1),
        Chain(conv(384, 64, 1), conv(64, 96, 3)),
        Chain(conv(384, 64, 1), conv(64, 96, 3), conv(96, 96, 3)),
        Chain(_average(), conv(384, 96, 1)),
    )


def _v4_module_17() -> Branches:
    return Branches(
        conv(1024, 384, 1),
        Chain(conv(1024, 192, 1), conv(192, 224, (1, 7)), conv(224, 256, (7, 1))),
        Chain(
            conv(1024, 192, 1),
            conv(192, 192, (7, 1)),
            conv(192, 224, (1, 7)),
            conv(224, 224, (7, 1)),
            conv(224, 256, (1, 7)),
        ),
        Chain(_average(), conv(1024, 128, 1)),
    )


def _v4_reduction_to_8() -> Branches:
    return Branches(
        Chain(conv(1024, 192, 1), shrink(192, 192, 3, stride=2)),
        Chain(conv(1024, 256, 1), conv(256, 256, (1, 7)), conv(256, 320, (7, 1)), shrink(320, 320, 3, stride=2)),
        nn.MaxPool2d(3, stride=2),
    )


def _v4_module_8() -> Branches:
    return Branches(
        conv(1536, 256, 1),
        Chain(conv(1536, 384, 1), Branches(conv(384, 256, (1, 3)), conv(384, 256, (3, 1)))),
        Chain(
            conv(1536, 384, 1),
            conv(384, 448, (3, 1)),
            conv(448, 512, (1, 3)),
            Branches(conv(512, 256, (1, 3)), conv(512, 256, (3, 1))),
        ),
        Chain(_average(), conv(1536, 256, 1)),
    )


def _residual_35() -> ResidualInception:
    branches = Branches(
        conv(320, 32, 1),
        Chain(conv(320, 32, 1), conv(32, 32, 3)),
        Chain(conv(320, 32, 1), conv(32, 48, 3), conv(48, 64, 3)),
    )
    return ResidualInception(320, branches, 128, scale=0.17)


def _residual_17() -> ResidualInception:
    branches = Branches(conv(1088, 192, 1), Chain(conv(1088, 128, 1), conv(128, 160, (1, 7)), conv(160, 192, (7, 1))))
    return ResidualInception(1088, branches, 384, scale=0.1)


def _residual_reduction_to_8() -> Branches:
    return Branches(
        Chain(conv(1088, 256, 1), shrink(256, 384, 3, stride=2)),
        Chain(conv(1088, 256, 1), shrink(256, 288, 3, stride=2)),
        Chain(conv(1088, 256, 1), conv(256, 288, 3), shrink(288, 320, 3, stride=2)),
        nn.MaxPool2d(3, stride=2),
    )


def _residual_8(*, scale: float, activation: bool = True) -> ResidualInception:
    branches = Branches(conv(2080, 192, 1), Chain(conv(2080, 192, 1), conv(192, 224, (1, 3)), conv(224, 256, (3, 1))))
    return ResidualInception(2080, branches, 448, scale=scale, activation=activation)
