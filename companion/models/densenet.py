"""DenseNet: every layer of a block reads the maps of all layers before it, and adds a few of its own.

Letters: B pictures, C channels, H rows, W columns, k growth rate.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from companion.models.resnet import STEMS


class DenseLayer(nn.Module):
    """Two convolutions, each behind its norm and ReLU, that make k new channels of all that is there.

    Args:
        in_channels: channels of the map below.
        growth_rate: channels that it makes, k.
        bottleneck: the 1x1 convolution makes `bottleneck * growth_rate` channels for the 3x3 convolution to read.
        dropout: probability of dropping a new value in training.

    Shape:
        (B, in_channels, H, W) -> (B, growth_rate, H, W): only the new channels.

    Source: Huang, Liu, van der Maaten & Weinberger 2017, arXiv:1608.06993, section 3 ("DenseNet-B").
    """

    def __init__(self, in_channels: int, growth_rate: int, *, bottleneck: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        width = bottleneck * growth_rate
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, growth_rate, 3, padding=1, bias=False)
        self.act = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return the new channels, (B, in_channels, H, W) -> (B, growth_rate, H, W)."""
        x = self.conv1(self.act(self.norm1(x)))
        x = self.conv2(self.act(self.norm2(x)))
        new: Tensor = self.dropout(x)
        return new


class DenseBlock(nn.ModuleList):
    """Dense layers in a row; what each makes is laid beside what it read, and never changed again.

    Args:
        depth: number of layers.
        in_channels, growth_rate, bottleneck, dropout: of the first layer; each later one reads k channels more.

    Shape:
        (B, in_channels, H, W) -> (B, in_channels + depth * growth_rate, H, W)

    Example:
        >>> block = DenseBlock(3, 8, 4)
        >>> [layer.norm1.num_features for layer in block], block(torch.zeros(1, 8, 5, 5)).shape[1]
        ([8, 12, 16], 20)
    """

    def __init__(
        self, depth: int, in_channels: int, growth_rate: int, *, bottleneck: int = 4, dropout: float = 0.0
    ) -> None:
        super().__init__(
            DenseLayer(in_channels + i * growth_rate, growth_rate, bottleneck=bottleneck, dropout=dropout)
            for i in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return x and the channels that the layers made of it, (B, C, H, W) -> (B, C + depth * k, H, W)."""
        for layer in self:
            x = torch.cat([x, layer(x)], 1)
        return x


class Transition(nn.Sequential):
    """Between two blocks: norm, ReLU, a 1x1 convolution to fewer channels, and the mean of 2 x 2 pixels.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, H // 2, W // 2)
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            OrderedDict(
                norm=nn.BatchNorm2d(in_channels),
                relu=nn.ReLU(inplace=True),
                conv=nn.Conv2d(in_channels, out_channels, 1, bias=False),
                pool=nn.AvgPool2d(2),
            )
        )


class DenseNet(nn.Module):
    """Dense blocks with transitions between them, a last norm and ReLU, the mean over all places, one linear layer.

    Args:
        depths: layers of each block.
        growth_rate: channels that each layer adds, k.
        stem_channels: channels that the first convolution makes.
        stem: "imagenet", a 7x7 convolution at stride 2, norm, ReLU and max pooling at stride 2; or "cifar" for small
            pictures, one 3x3 convolution at stride 1.
        bottleneck: see `DenseLayer`.
        compression: share of its channels that a transition keeps, in (0, 1].
        dropout: probability, in [0, 1), with which a layer's new values are dropped.
        num_classes, in_channels: width of the last layer and channels of the pictures, >= 1.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits. H and W >= 29 for four blocks behind the large stem.

    Raises:
        ValueError: for no or empty blocks, sizes < 1, an unknown stem, a compression or dropout out of its range.

    Source: Huang, Liu, van der Maaten & Weinberger 2017, "Densely Connected Convolutional Networks",
    arXiv:1608.06993, table 1 and section 3; first weights as in torchvision.models.densenet. Differs from
    torchvision: a block keeps one growing map instead of a list of its pieces that every layer joins anew; the
    numbers are the same.
    """

    def __init__(
        self,
        depths: Sequence[int],
        *,
        growth_rate: int = 32,
        stem_channels: int = 64,
        stem: str = "imagenet",
        bottleneck: int = 4,
        compression: float = 0.5,
        dropout: float = 0.0,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if not depths or min(depths) < 1:
            raise ValueError(f"depths must name at least one block, each of at least one layer, got {list(depths)}")
        sizes = {"growth_rate": growth_rate, "stem_channels": stem_channels, "bottleneck": bottleneck}
        for name, size in {**sizes, "num_classes": num_classes, "in_channels": in_channels}.items():
            if size < 1:
                raise ValueError(f"{name} must be >= 1, got {size}")
        if not 0 < compression <= 1:
            raise ValueError(f"compression must lie in (0, 1], got {compression}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), got {dropout}")
        if stem not in STEMS:
            raise ValueError(f"stem must be one of {STEMS}, got {stem!r}")
        if stem == "imagenet":
            self.stem = nn.Sequential(
                nn.Conv2d(in_channels, stem_channels, 7, stride=2, padding=3, bias=False),
                nn.BatchNorm2d(stem_channels),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(3, stride=2, padding=1),
            )
        else:
            self.stem = nn.Sequential(nn.Conv2d(in_channels, stem_channels, 3, padding=1, bias=False))
        self.stages, width = nn.Sequential(), stem_channels
        for i, depth in enumerate(depths):
            if i:
                kept = int(compression * width)
                self.stages.append(Transition(width, kept))
                width = kept
            self.stages.append(DenseBlock(depth, width, growth_rate, bottleneck=bottleneck, dropout=dropout))
            width += depth * growth_rate
        self.norm = nn.BatchNorm2d(width)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(width, num_classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the first weights: convolutions by the rule of He with fan-in, the linear layer's bias 0."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(self.head.bias)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the last map, behind its norm and ReLU: (B, in_channels, H, W) -> (B, C, h, w)."""
        features: Tensor = self.act(self.norm(self.stages(self.stem(x))))
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, in_channels, H, W) -> (B, num_classes)."""
        logits: Tensor = self.head(self.forward_features(x).mean((2, 3)))
        return logits


def densenet121(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.0) -> DenseNet:
    """DenseNet-121, k = 32: 7,978,856 parameters at 1000 classes. Source: arXiv:1608.06993, table 1."""
    return DenseNet((6, 12, 24, 16), num_classes=num_classes, in_channels=in_channels, dropout=dropout)


def densenet161(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.0) -> DenseNet:
    """DenseNet-161, k = 48: 28,681,000 parameters at 1000 classes. Source: torchvision; arXiv:1608.06993."""
    return DenseNet(
        (6, 12, 36, 24),
        growth_rate=48,
        stem_channels=96,
        num_classes=num_classes,
        in_channels=in_channels,
        dropout=dropout,
    )


def densenet169(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.0) -> DenseNet:
    """DenseNet-169, k = 32: 14,149,480 parameters at 1000 classes. Source: arXiv:1608.06993, table 1."""
    return DenseNet((6, 12, 32, 32), num_classes=num_classes, in_channels=in_channels, dropout=dropout)


def densenet201(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.0) -> DenseNet:
    """DenseNet-201, k = 32: 20,013,928 parameters at 1000 classes. Source: arXiv:1608.06993, table 1."""
    return DenseNet((6, 12, 48, 32), num_classes=num_classes, in_channels=in_channels, dropout=dropout)
