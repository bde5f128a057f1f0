"""AlexNet: as published in 2012 (two towers or one, also on two devices), and as torchvision knows it.

Letters: B pictures, C channels, H rows, W columns.
"""

import copy
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from companion.layers.norm import LocalResponseNorm

SIZES = range(224, 228)
"""Heights and widths in pixels that AlexNet2012 accepts: those that make its first map 55 x 55."""


class AlexNet2012(nn.Module):
    """The network of the paper: five convolutional and three fully connected layers, in one tower or two.

    With two towers, layers conv2, conv4 and conv5 see only their own half of the channels, so that each half
    can live on a device of its own (`AlexNetTwoDevices`). conv3 and the fully connected layers see both.

    The paper gives 224 x 224 pixels and a first map of 55 x 55, which a plain 11 x 11 window with stride 4 does
    not make of them (that would be 54 x 54). The author's published code rounds the number of windows up: the
    last ones reach three pixels over the right and lower edge, where they see zeros. So does this network.
    A picture of 227 x 227 pixels needs no such edge, and nothing of the added zeros is used then.

    Args:
        towers: 2, as published (60,965,224 parameters at 1000 classes), or 1, without the cut (62,378,344).
        num_classes: width of the last layer, >= 1.
        in_channels: channels of the pictures, >= 1.
        dropout: probability, in [0, 1), with which the output of a hidden unit of fc6 and fc7 is dropped.

    Shape:
        (B, in_channels, 224, 224) -> (B, num_classes), logits; 225 to 227 pixels will do as well.

    Raises:
        ValueError: for other towers, sizes < 1 or a dropout outside [0, 1); when called, for other pictures.

    Source: Krizhevsky, Sutskever & Hinton 2012, "ImageNet Classification with Deep Convolutional Neural
    Networks", sections 3.5, 4.2 and 5. Differs: dropout scales up in training instead of down in use, which is
    the same network on average. With two towers, response normalization stays inside a tower; the paper does
    not say, but a sum across them would be communication that it does not have.

    Example:
        >>> with torch.device("meta"):                             # shapes only, no memory
        ...     model, picture = AlexNet2012(), torch.empty(1, 3, 224, 224)
        >>> sum(p.numel() for p in model.parameters()), model(picture).shape
        (60965224, torch.Size([1, 1000]))
    """

    def __init__(self, *, towers: int = 2, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> None:
        super().__init__()
        if towers not in (1, 2):
            raise ValueError(f"towers must be 1 or 2, got {towers}")
        _check(num_classes, in_channels, dropout)
        self.towers, self.num_classes, self.in_channels = towers, num_classes, in_channels
        self.edge = nn.ZeroPad2d((0, 3, 0, 3))  # left, right, top, bottom
        self.features = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(in_channels, 96, 11, stride=4),
                relu1=nn.ReLU(inplace=True),
                norm1=LocalResponseNorm(groups=towers),
                pool1=nn.MaxPool2d(3, stride=2),
                conv2=nn.Conv2d(96, 256, 5, padding=2, groups=towers),
                relu2=nn.ReLU(inplace=True),
                norm2=LocalResponseNorm(groups=towers),
                pool2=nn.MaxPool2d(3, stride=2),
                conv3=nn.Conv2d(256, 384, 3, padding=1),
                relu3=nn.ReLU(inplace=True),
                conv4=nn.Conv2d(384, 384, 3, padding=1, groups=towers),
                relu4=nn.ReLU(inplace=True),
                conv5=nn.Conv2d(384, 256, 3, padding=1, groups=towers),
                relu5=nn.ReLU(inplace=True),
                pool5=nn.MaxPool2d(3, stride=2),
            )
        )
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(
            OrderedDict(
                fc6=nn.Linear(256 * 6 * 6, 4096),
                relu6=nn.ReLU(inplace=True),
                drop6=nn.Dropout(dropout),
                fc7=nn.Linear(4096, 4096),
                relu7=nn.ReLU(inplace=True),
                drop7=nn.Dropout(dropout),
                fc8=nn.Linear(4096, num_classes),
            )
        )
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw the paper's first weights: N(0, 0.01^2); biases 1 in conv2, conv4, conv5, fc6, fc7, else 0."""
        for name, parameter in self.named_parameters():
            layer, kind = name.split(".")[1:]
            if kind == "weight":
                parameter.normal_(0.0, 0.01, generator=generator)
            else:
                parameter.fill_(1.0 if layer in {"conv2", "conv4", "conv5", "fc6", "fc7"} else 0.0)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the maps of the last pooling, (B, in_channels, 224, 224) -> (B, 256, 6, 6)."""
        _check_pictures(x, self.in_channels)
        features: Tensor = self.features(self.edge(x))
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, in_channels, 224, 224) -> (B, num_classes)."""
        logits: Tensor = self.classifier(self.flatten(self.forward_features(x)))
        return logits


class AlexNetTwoDevices(nn.Module):
    """AlexNet2012 with two towers as its authors ran it: each half of every layer on a device of its own.

    Every layer is cut in two by its outputs. Where a layer reads both halves of the maps below (`exchanges`),
    the devices first send each other theirs; everywhere else they work side by side without a word. The logits
    are gathered on the first device. In evaluation the result is that of the whole network; in training each
    device draws its own dropout.

    Args:
        model: a network with two towers; its weights are copied.
        devices: where the halves live; the same device twice works too.

    Attributes:
        first, second: the layers of each device, by name.
        exchanges: names of the layers before which the devices exchange their maps.

    Shape:
        (B, in_channels, 224, 224), on any device -> (B, num_classes), logits on the first device.

    Raises:
        ValueError: if the model has one tower or an odd number of classes, or there are not two devices.

    Source: Krizhevsky, Sutskever & Hinton 2012, section 3.2 and figure 2. Differs: the paper does not say
    where the last layer lives; here each device computes one half of the classes.

    Example:
        >>> with torch.device("meta"):
        ...     model = AlexNetTwoDevices(alexnet_two_towers(), ("meta", "meta"))
        >>> model.exchanges
        ('conv3', 'fc6', 'fc7', 'fc8')
    """

    def __init__(self, model: AlexNet2012, devices: Sequence[torch.device | str]) -> None:
        super().__init__()
        if len(devices) != 2:
            raise ValueError(f"need two devices, got {len(devices)}: {list(devices)}")
        layers = {name.split(".")[-1]: layer for name, layer in model.named_modules() if not list(layer.children())}
        if model.towers != 2 or model.num_classes % 2:
            raise ValueError(f"need 2 towers and an even number of classes, got {model.towers}, {model.num_classes}")
        self.in_channels = model.in_channels
        self.devices = tuple(torch.device(device) for device in devices)
        self.first, self.second = (
            nn.ModuleDict({name: _half(layer, i) for name, layer in layers.items()}).to(device)
            for i, device in enumerate(self.devices)
        )
        self.exchanges = ("conv3", "fc6", "fc7", "fc8")

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, in_channels, 224, 224) -> (B, num_classes)."""
        _check_pictures(x, self.in_channels)
        a, b = (x.to(device) for device in self.devices)  # both look at the whole picture
        for (name, first), second in zip(self.first.items(), self.second.values(), strict=True):
            if name in self.exchanges:
                a, b = (torch.cat([a.to(device), b.to(device)], 1) for device in self.devices)
            a, b = first(a), second(b)
        return torch.cat([a, b.to(a.device)], 1)


class AlexNet2014(nn.Module):
    """The one-tower network that torchvision calls AlexNet, with torchvision's names, so that its weights load.

    Against the network of 2012: other widths (64, 192, 384, 256, 256), no response normalization, dropout on
    the *inputs* of the first two fully connected layers, first weights as torch draws them, and a last pooling
    that makes 6 x 6 maps of pictures of any size from 63 x 63 pixels on.

    Args:
        num_classes, in_channels: as in AlexNet2012.
        dropout: probability, in [0, 1), with which an input of the first two fully connected layers is dropped.

    Shape:
        (B, in_channels, 224, 224) -> (B, num_classes), logits.

    Raises:
        ValueError: for sizes < 1 or a dropout outside [0, 1).

    Source: Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks", arXiv:1404.5997;
    torchvision.models.alexnet. Differs: the paper's has 384 maps in the fourth layer.
    """

    def __init__(self, *, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> None:
        super().__init__()
        _check(num_classes, in_channels, dropout)
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the maps of the last pooling, (B, in_channels, H, W) -> (B, 256, h, w)."""
        features: Tensor = self.features(x)
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, in_channels, H, W) -> (B, num_classes)."""
        logits: Tensor = self.classifier(self.flatten(self.avgpool(self.forward_features(x))))
        return logits


def alexnet(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> AlexNet2014:
    """Return torchvision's AlexNet: 61,100,840 parameters at 1000 classes; see `AlexNet2014`."""
    return AlexNet2014(num_classes=num_classes, in_channels=in_channels, dropout=dropout)


def alexnet_two_towers(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> AlexNet2012:
    """Return the network as published: 60,965,224 parameters at 1000 classes; see `AlexNet2012`."""
    return AlexNet2012(num_classes=num_classes, in_channels=in_channels, dropout=dropout)


def alexnet_single_tower(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> AlexNet2012:
    """Return the network without the cut: 62,378,344 parameters at 1000 classes; see `AlexNet2012`."""
    return AlexNet2012(towers=1, num_classes=num_classes, in_channels=in_channels, dropout=dropout)


def _check(num_classes: int, in_channels: int, dropout: float) -> None:
    if num_classes < 1 or in_channels < 1:
        raise ValueError(f"num_classes and in_channels must be >= 1, got {num_classes} and {in_channels}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must lie in [0, 1), got {dropout}")


def _check_pictures(x: Tensor, in_channels: int) -> None:
    if x.ndim != 4 or x.shape[1] != in_channels or x.shape[2] not in SIZES or x.shape[3] not in SIZES:
        sizes = f"{SIZES[0]} to {SIZES[-1]}"
        raise ValueError(f"x must be (B, {in_channels}, H, W), H and W {sizes}, got {tuple(x.shape)}")


def _half(layer: nn.Module, i: int) -> nn.Module:
    """Return the part of a layer that computes the i-th half of its outputs, with copies of its weights."""
    if isinstance(layer, LocalResponseNorm):
        return LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k)
    if not isinstance(layer, (nn.Conv2d, nn.Linear)):
        return copy.deepcopy(layer)
    half: nn.Conv2d | nn.Linear
    if isinstance(layer, nn.Conv2d):
        fan_in, fan_out, window = layer.in_channels // layer.groups, layer.out_channels // 2, layer.kernel_size[0]
        half = nn.Conv2d(fan_in, fan_out, window, layer.stride[0], int(layer.padding[0]), device="meta")
    else:
        half = nn.Linear(layer.in_features, layer.out_features // 2, device="meta")
    for name, parameter in layer.named_parameters():
        setattr(half, name, nn.Parameter(parameter.detach().chunk(2)[i].clone()))
    return half
