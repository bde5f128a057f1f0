"""GoogLeNet (Inception v1): as published in 2014, and as torchvision knows it.

Letters: B pictures, C channels, H rows, W columns.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from companion.layers.conv_norm import ConvNormActivation
from companion.layers.norm import LocalResponseNorm

Norm = Callable[[int], nn.Module]

batch_norm = partial(nn.BatchNorm2d, eps=1e-3)
"""Batch normalization with the constant that the whole Inception family has."""


class Branches(nn.ModuleList):
    """Modules side by side: all see the same input, their output maps are stacked along the channels.

    Args:
        *branches: modules whose outputs have the same height and width; at least one.

    Shape:
        (B, C, H, W) -> (B, sum of the branches' channels, H_out, W_out)

    Raises:
        ValueError: without a branch.

    Source: Szegedy et al. 2015, "Going Deeper with Convolutions", arXiv:1409.4842, figure 2 ("filter
    concatenation").

    Example:
        >>> Branches(nn.Conv2d(8, 2, 1), nn.Conv2d(8, 3, 3, padding=1), nn.Identity())(torch.zeros(1, 8, 5, 5)).shape
        torch.Size([1, 13, 5, 5])
    """

    def __init__(self, *branches: nn.Module) -> None:
        if not branches:
            raise ValueError("need at least one branch, got none")
        super().__init__(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of all branches, one after the other along the channels."""
        return torch.cat([branch(x) for branch in self], 1)


class InceptionWidths(NamedTuple):
    """Channels of an Inception module, in the order of the paper's table 1.

    The outputs are those of `conv1`, `conv3`, `conv5` and `pool` (the projection behind the pooling); `reduce3`
    and `reduce5` are what is left of the input's channels before the two larger windows.
    """

    conv1: int
    reduce3: int
    conv3: int
    reduce5: int
    conv5: int
    pool: int

    @property
    def out_channels(self) -> int:
        """Channels of the module's output."""
        return self.conv1 + self.conv3 + self.conv5 + self.pool


WIDTHS = {
    "3a": InceptionWidths(64, 96, 128, 16, 32, 32),
    "3b": InceptionWidths(128, 128, 192, 32, 96, 64),
    "4a": InceptionWidths(192, 96, 208, 16, 48, 64),
    "4b": InceptionWidths(160, 112, 224, 24, 64, 64),
    "4c": InceptionWidths(128, 128, 256, 24, 64, 64),
    "4d": InceptionWidths(112, 144, 288, 32, 64, 64),
    "4e": InceptionWidths(256, 160, 320, 32, 128, 128),
    "5a": InceptionWidths(256, 160, 320, 32, 128, 128),
    "5b": InceptionWidths(384, 192, 384, 48, 128, 128),
}
"""The nine modules of GoogLeNet (table 1 of the paper)."""


class InceptionModule(Branches):
    """Windows of 1, 3 and 5 and a pooling side by side; 1 x 1 convolutions thin out the channels beforehand.

    Args:
        in_channels: channels of the input, >= 1.
        widths: of the six convolutions, >= 1 each.
        kernel_size: of the largest window: 5 as published; torchvision has 3.
        norm: after each convolution, made from its channels; None as published, then the convolutions have biases.

    Shape:
        (B, in_channels, H, W) -> (B, widths.out_channels, H, W)

    Raises:
        ValueError: for a width below 1, or a window of even size.

    Source: Szegedy et al. 2015, "Going Deeper with Convolutions", arXiv:1409.4842, figure 2b.

    Example:
        >>> InceptionModule(192, WIDTHS["3a"])(torch.zeros(1, 192, 28, 28)).shape
        torch.Size([1, 256, 28, 28])
    """

    def __init__(
        self, in_channels: int, widths: InceptionWidths, *, kernel_size: int = 5, norm: Norm | None = None
    ) -> None:
        if min(in_channels, *widths) < 1:
            raise ValueError(f"channels must be >= 1, got {in_channels} and {widths}")
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {kernel_size}")
        conv = partial(ConvNormActivation, norm=norm)
        super().__init__(
            conv(in_channels, widths.conv1, 1),
            nn.Sequential(conv(in_channels, widths.reduce3, 1), conv(widths.reduce3, widths.conv3, 3)),
            nn.Sequential(conv(in_channels, widths.reduce5, 1), conv(widths.reduce5, widths.conv5, kernel_size)),
            nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(in_channels, widths.pool, 1)),
        )


class NaiveInceptionModule(Branches):
    """The module as one would first think of it: full windows on all channels, the pooled input as it is.

    The paper shows it to say why it does not use it: the windows are dear, and the pooling adds all channels of
    the input to the output, which so grows from module to module.

    Args:
        in_channels: channels of the input, >= 1.
        conv1, conv3, conv5: output channels of the three windows, >= 1 each.
        norm: as in `InceptionModule`.

    Shape:
        (B, in_channels, H, W) -> (B, conv1 + conv3 + conv5 + in_channels, H, W)

    Raises:
        ValueError: for a width below 1.

    Source: Szegedy et al. 2015, figure 2a.
    """

    def __init__(self, in_channels: int, *, conv1: int, conv3: int, conv5: int, norm: Norm | None = None) -> None:
        if min(in_channels, conv1, conv3, conv5) < 1:
            raise ValueError(f"channels must be >= 1, got {in_channels}, {conv1}, {conv3} and {conv5}")
        windows = [
            ConvNormActivation(in_channels, channels, size, norm=norm)
            for channels, size in ((conv1, 1), (conv3, 3), (conv5, 5))
        ]
        super().__init__(*windows, nn.MaxPool2d(3, stride=1, padding=1))


class AuxiliaryHead(nn.Sequential):
    """A classifier on maps from the middle of GoogLeNet, there in training only.

    Args:
        in_channels: of the maps.
        num_classes: width of the output.
        dropout: probability of dropping a hidden unit.
        norm: as in `InceptionModule`. Without it (as published) the pooling has windows of 5 with stride 3, which
            make 4 x 4 of 14 x 14 maps; with it (torchvision) maps of any size are averaged down to 4 x 4.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits.

    Source: Szegedy et al. 2015, section 5; torchvision.models.googlenet.
    """

    def __init__(self, in_channels: int, num_classes: int, *, dropout: float = 0.7, norm: Norm | None = None) -> None:
        super().__init__(
            nn.AvgPool2d(5, stride=3) if norm is None else nn.AdaptiveAvgPool2d(4),
            ConvNormActivation(in_channels, 128, 1, norm=norm),
            nn.Flatten(),
            nn.Linear(128 * 4 * 4, 1024),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(1024, num_classes),
        )


class GoogLeNetOutputs(NamedTuple):
    """What a GoogLeNet with auxiliary heads returns in training, each (B, num_classes); torchvision's names.

    `aux_logits1` is the head behind module 4a, `aux_logits2` the one behind 4d.
    """

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


class GoogLeNet(nn.Module):
    """22 layers deep, nine Inception modules, a global average instead of wide dense layers.

    As published there is no batch normalization (it did not exist yet): two response normalizations in the stem,
    windows of 5 in the modules, a last max pooling of 3 x 3, dropout of 0.4. torchvision's network has batch
    normalization after every convolution, windows of 3 where 5 was meant, a last max pooling of 2 x 2, and
    dropout of 0.2.

    Args:
        as_published: the network of the paper instead of torchvision's.
        num_classes: width of the last layer, >= 1.
        in_channels: channels of the pictures, >= 1.
        aux_logits: two auxiliary heads, used in training only.
        transform_input: take pictures normalized by ImageNet's mean and standard deviation, and bring them to
            [-1, 1]; torchvision's published weights want it.
        dropout: probability of dropping an input of the last layer; None for the variant's own.
        dropout_aux: the same for the hidden layer of the auxiliary heads.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits; in training with auxiliary heads `GoogLeNetOutputs`.
        The paper has H = W = 224, and its auxiliary heads need that in training (209 to 224); all else takes any
        picture from 15 x 15 on.

    Raises:
        ValueError: for sizes < 1, a dropout outside [0, 1], or transform_input without three channels.

    Source: Szegedy et al. 2015, "Going Deeper with Convolutions", arXiv:1409.4842, table 1 and section 5;
    torchvision.models.googlenet. Differs (as published): the paper gives neither the constants of the response
    normalization nor the first weights; here they are AlexNet's, and He's with zero biases.

    Example:
        >>> with torch.device("meta"):                             # shapes only, no memory
        ...     model, pictures = GoogLeNet(as_published=True), torch.empty(2, 3, 224, 224)
        >>> [tuple(logits.shape) for logits in model(pictures)], tuple(model.eval()(pictures).shape)
        ([(2, 1000), (2, 1000), (2, 1000)], (2, 1000))
    """

    def __init__(
        self,
        *,
        as_published: bool = False,
        num_classes: int = 1000,
        in_channels: int = 3,
        aux_logits: bool = True,
        transform_input: bool = False,
        dropout: float | None = None,
        dropout_aux: float = 0.7,
    ) -> None:
        super().__init__()
        check_sizes(num_classes, in_channels, transform_input=transform_input)
        self.transform_input = transform_input
        norm = None if as_published else batch_norm
        response_norm = LocalResponseNorm if as_published else nn.Identity
        pool = partial(nn.MaxPool2d, stride=2, ceil_mode=True)
        conv = partial(ConvNormActivation, norm=norm)
        inception = partial(InceptionModule, kernel_size=5 if as_published else 3, norm=norm)

        self.stem = nn.Sequential(
            conv(in_channels, 64, 7, stride=2),
            pool(3),
            response_norm(),
            conv(64, 64, 1),
            conv(64, 192, 3),
            response_norm(),
            pool(3),
        )
        layers: list[tuple[str, nn.Module]] = []
        channels = 192
        for name, widths in WIDTHS.items():
            layers.append((f"inception{name}", inception(channels, widths)))
            channels = widths.out_channels
            if name == "3b":
                layers.append(("pool3", pool(3)))
            if name == "4e":
                layers.append(("pool4", pool(3 if as_published else 2)))
        to_4a, to_4d = 4, 7  # where the auxiliary heads look
        self.stages = nn.ModuleList(
            nn.Sequential(OrderedDict(part)) for part in (layers[:to_4a], layers[to_4a:to_4d], layers[to_4d:])
        )
        heads = (WIDTHS["4a"], WIDTHS["4d"]) if aux_logits else ()
        self.auxiliary = nn.ModuleList(
            AuxiliaryHead(widths.out_channels, num_classes, dropout=dropout_aux, norm=norm) for widths in heads
        )
        if dropout is None:
            dropout = 0.4 if as_published else 0.2
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, num_classes)
        )
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                if as_published:
                    nn.init.kaiming_normal_(layer.weight)
                    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
                else:
                    nn.init.normal_(layer.weight, std=0.01)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the maps of module 5b, (B, in_channels, 224, 224) -> (B, 1024, 7, 7)."""
        return self._maps(x)[-1]

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutputs:
        """Return logits, (B, in_channels, H, W) -> (B, num_classes); in training those of the other heads too."""
        maps = self._maps(x)
        logits: Tensor = self.head(maps[-1])
        if not self.training or not self.auxiliary:
            return logits
        first, second = (head(inner) for head, inner in zip(self.auxiliary, maps[:-1], strict=True))
        return GoogLeNetOutputs(logits, aux_logits2=second, aux_logits1=first)

    def _maps(self, x: Tensor) -> list[Tensor]:
        """Return the maps behind modules 4a, 4d and 5b."""
        x = self.stem(imagenet_to_unit_range(x) if self.transform_input else x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


def googlenet(
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    aux_logits: bool = True,
    transform_input: bool = False,
    dropout: float = 0.2,
    dropout_aux: float = 0.7,
) -> GoogLeNet:
    """Return torchvision's GoogLeNet: 13,004,888 parameters at 1000 classes, 6,624,904 without auxiliary heads.

    Options and source: see `GoogLeNet`.
    """
    return GoogLeNet(
        num_classes=num_classes,
        in_channels=in_channels,
        aux_logits=aux_logits,
        transform_input=transform_input,
        dropout=dropout,
        dropout_aux=dropout_aux,
    )


def googlenet_2014(
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    aux_logits: bool = True,
    dropout: float = 0.4,
    dropout_aux: float = 0.7,
) -> GoogLeNet:
    """Return the published GoogLeNet: 13,378,280 parameters at 1000 classes, 6,998,552 without auxiliary heads.

    Options and source: see `GoogLeNet`.
    """
    return GoogLeNet(
        as_published=True,
        num_classes=num_classes,
        in_channels=in_channels,
        aux_logits=aux_logits,
        dropout=dropout,
        dropout_aux=dropout_aux,
    )


def imagenet_to_unit_range(x: Tensor) -> Tensor:
    """Turn pictures normalized by ImageNet's mean and standard deviation into ones with pixels in [-1, 1].

    Shape:
        (B, 3, H, W) -> (B, 3, H, W)

    Source: torchvision.models.googlenet, option transform_input.
    """
    mean, std = (x.new_tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return x * (2 * std) + (2 * mean - 1)


def check_sizes(num_classes: int, in_channels: int, *, transform_input: bool = False) -> None:
    """Refuse what no network of the family can be built with.

    Raises:
        ValueError: for numbers < 1, or transform_input with other than three channels.
    """
    if num_classes < 1 or in_channels < 1:
        raise ValueError(f"num_classes and in_channels must be >= 1, got {num_classes} and {in_channels}")
    if transform_input and in_channels != 3:
        raise ValueError(f"transform_input needs in_channels = 3 (ImageNet's colours), got {in_channels}")
