"""Inception-v3: the Inception module with factorized windows, batch normalization and one auxiliary head.

Letters: B pictures, C channels, H rows, W columns.
"""

from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from companion.layers.conv_norm import ConvNormActivation
from companion.models.googlenet import Branches, batch_norm, check_sizes, imagenet_to_unit_range

conv = partial(ConvNormActivation, norm=batch_norm)


class TwoThreesModule(Branches):
    """Inception module on 35 x 35 maps: two windows of 3 in a row where GoogLeNet has one of 5.

    (A branch with a window of 5 is there as well.)

    Args:
        in_channels: channels of the input, >= 1.
        pool: channels of the projection behind the pooling, >= 1.

    Shape:
        (B, in_channels, H, W) -> (B, 224 + pool, H, W)

    Source: Szegedy et al. 2016, arXiv:1512.00567, figure 5; widths of torchvision.models.inception_v3.
    """

    def __init__(self, in_channels: int, pool: int) -> None:
        super().__init__(
            conv(in_channels, 64, 1),
            nn.Sequential(conv(in_channels, 48, 1), conv(48, 64, 5)),
            nn.Sequential(conv(in_channels, 64, 1), conv(64, 96, 3), conv(96, 96, 3)),
            nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1), conv(in_channels, pool, 1)),
        )


class AsymmetricModule(Branches):
    """Inception module on 17 x 17 maps: a window of 7 as 1 x 7 and 7 x 1 in a row, once and twice.

    Args:
        in_channels: channels of the input, >= 1.
        width: channels between the windows, >= 1.

    Shape:
        (B, in_channels, H, W) -> (B, 768, H, W)

    Source: Szegedy et al. 2016, arXiv:1512.00567, figure 6; widths of torchvision.models.inception_v3.
    """

    def __init__(self, in_channels: int, width: int) -> None:
        row, column = (1, 7), (7, 1)
        super().__init__(
            conv(in_channels, 192, 1),
            nn.Sequential(conv(in_channels, width, 1), conv(width, width, row), conv(width, 192, column)),
            nn.Sequential(
                conv(in_channels, width, 1),
                conv(width, width, column),
                conv(width, width, row),
                conv(width, width, column),
                conv(width, 192, row),
            ),
            nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1), conv(in_channels, 192, 1)),
        )


class WideModule(Branches):
    """Inception module on 8 x 8 maps: 1 x 3 and 3 x 1 side by side, which makes many channels.

    Args:
        in_channels: channels of the input, >= 1.

    Shape:
        (B, in_channels, H, W) -> (B, 2048, H, W)

    Source: Szegedy et al. 2016, arXiv:1512.00567, figure 7; widths of torchvision.models.inception_v3.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__(
            conv(in_channels, 320, 1),
            nn.Sequential(conv(in_channels, 384, 1), Branches(conv(384, 384, (1, 3)), conv(384, 384, (3, 1)))),
            nn.Sequential(
                conv(in_channels, 448, 1), conv(448, 384, 3), Branches(conv(384, 384, (1, 3)), conv(384, 384, (3, 1)))
            ),
            nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1), conv(in_channels, 192, 1)),
        )


def reduction_to_17(in_channels: int) -> Branches:
    """Return the module that halves 35 x 35 maps: windows with stride 2 beside a pooling with stride 2.

    Shape of the module: (B, in_channels, 35, 35) -> (B, 480 + in_channels, 17, 17).

    Source: Szegedy et al. 2016, arXiv:1512.00567, section 5 and figure 10.
    """
    return Branches(
        conv(in_channels, 384, 3, stride=2, padding=0),
        nn.Sequential(conv(in_channels, 64, 1), conv(64, 96, 3), conv(96, 96, 3, stride=2, padding=0)),
        nn.MaxPool2d(3, stride=2),
    )


def reduction_to_8(in_channels: int) -> Branches:
    """Return the module that halves 17 x 17 maps; (B, in_channels, 17, 17) -> (B, 512 + in_channels, 8, 8)."""
    return Branches(
        nn.Sequential(conv(in_channels, 192, 1), conv(192, 320, 3, stride=2, padding=0)),
        nn.Sequential(
            conv(in_channels, 192, 1),
            conv(192, 192, (1, 7)),
            conv(192, 192, (7, 1)),
            conv(192, 192, 3, stride=2, padding=0),
        ),
        nn.MaxPool2d(3, stride=2),
    )


class BatchNormAuxiliaryHead(nn.Sequential):
    """A classifier on 17 x 17 maps, there in training only; unlike GoogLeNet's it has batch normalization.

    Shape:
        (B, in_channels, 17, 17) -> (B, num_classes), logits.

    Source: Szegedy et al. 2016, arXiv:1512.00567, figure 8; sizes and first weights of torchvision.
    """

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__(
            nn.AvgPool2d(5, stride=3),
            conv(in_channels, 128, 1),
            conv(128, 768, 5, padding=0),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(768, num_classes),
        )
        layers = [layer for layer in self.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
        for layer, std in zip(layers, (0.1, 0.01, 0.001), strict=True):
            nn.init.normal_(layer.weight, std=std)


class InceptionV3Outputs(NamedTuple):
    """What Inception-v3 with its auxiliary head returns in training, each (B, num_classes); torchvision's names."""

    logits: Tensor
    aux_logits: Tensor


class InceptionV3(nn.Module):
    """Inception-v3 for pictures of 299 x 299: maps of 35, 17 and 8 rows, each with its own kind of module.

    Args:
        num_classes: width of the last layer, >= 1.
        in_channels: channels of the pictures, >= 1.
        aux_logits: an auxiliary head behind the last module on 17 x 17 maps, used in training only.
        transform_input: take pictures normalized by ImageNet's mean and standard deviation, and bring them to
            [-1, 1]; torchvision's published weights want it.
        dropout: probability of dropping an input of the last layer.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits; in training with the auxiliary head
        `InceptionV3Outputs`. H and W are 75 at least, in training with the auxiliary head 299.

    Raises:
        ValueError: for sizes < 1, a dropout outside [0, 1], or transform_input without three channels.

    Source: Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision", arXiv:1512.00567;
    widths, order and first weights of torchvision.models.inception_v3. Differs: the paper's table 1 has other
    sizes in the stem and other counts of modules; the network that everybody uses is the authors' later one.

    Example:
        >>> import torch
        >>> with torch.device("meta"):                             # shapes only, no memory
        ...     model, pictures = InceptionV3(), torch.empty(2, 3, 299, 299)
        >>> model.forward_features(pictures).shape, model.eval()(pictures).shape
        (torch.Size([2, 2048, 8, 8]), torch.Size([2, 1000]))
    """

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        aux_logits: bool = True,
        transform_input: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        check_sizes(num_classes, in_channels, transform_input=transform_input)
        self.transform_input = transform_input
        self.stem = nn.Sequential(
            conv(in_channels, 32, 3, stride=2, padding=0),
            conv(32, 32, 3, padding=0),
            conv(32, 64, 3),
            nn.MaxPool2d(3, stride=2),
            conv(64, 80, 1),
            conv(80, 192, 3, padding=0),
            nn.MaxPool2d(3, stride=2),
        )
        self.stage1 = nn.Sequential(TwoThreesModule(192, 32), TwoThreesModule(256, 64), TwoThreesModule(288, 64))
        self.stage2 = nn.Sequential(reduction_to_17(288), *(AsymmetricModule(768, c) for c in (128, 160, 160, 192)))
        self.auxiliary = BatchNormAuxiliaryHead(768, num_classes) if aux_logits else None
        self.stage3 = nn.Sequential(reduction_to_8(768), WideModule(1280), WideModule(2048))
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Dropout(dropout), nn.Flatten(), nn.Linear(2048, num_classes)
        )
        for part in (self.stem, self.stage1, self.stage2, self.stage3, self.head):
            for layer in part.modules():
                if isinstance(layer, (nn.Conv2d, nn.Linear)):
                    nn.init.normal_(layer.weight, std=0.1)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the last maps, (B, in_channels, 299, 299) -> (B, 2048, 8, 8)."""
        maps: Tensor = self.stage3(self._maps_17(x))
        return maps

    def forward(self, x: Tensor) -> Tensor | InceptionV3Outputs:
        """Return logits, (B, in_channels, H, W) -> (B, num_classes); in training those of the other head too."""
        inner = self._maps_17(x)
        logits: Tensor = self.head(self.stage3(inner))
        if not self.training or self.auxiliary is None:
            return logits
        return InceptionV3Outputs(logits, self.auxiliary(inner))

    def _maps_17(self, x: Tensor) -> Tensor:
        maps: Tensor = self.stage2(self.stage1(self.stem(imagenet_to_unit_range(x) if self.transform_input else x)))
        return maps


def inception_v3(
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    aux_logits: bool = True,
    transform_input: bool = False,
    dropout: float = 0.5,
) -> InceptionV3:
    """Return Inception-v3: 27,161,264 parameters at 1000 classes, 23,834,568 without the auxiliary head.

    Options and source: see `InceptionV3`.
    """
    return InceptionV3(
        num_classes=num_classes,
        in_channels=in_channels,
        aux_logits=aux_logits,
        transform_input=transform_input,
        dropout=dropout,
    )
