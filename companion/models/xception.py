"""Xception: Inception at its extreme, every channel a branch of its own, with shortcuts.

Letters: B pictures, C channels, H rows, W columns.
"""

from itertools import pairwise

from torch import Tensor, nn

from companion.models.googlenet import check_sizes


def separable_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return a depthwise 3 x 3 and a pointwise 1 x 1 convolution, without biases and with nothing between them.

    Shape of the module: (B, in_channels, H, W) -> (B, out_channels, H, W).

    Source: Chollet 2017, arXiv:1610.02357, section 2; that nothing stands between the two is its section 4.7.
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
    )


class XceptionBlock(nn.Module):
    """Separable convolutions, each behind a ReLU and before a norm, beside a shortcut.

    Args:
        channels: of the input and of the output of each separable convolution: (64, 128, 128) has two of them.
        stride: 2 ends with a max pooling of stride 2, and the shortcut skips every other pixel as well.
        first_activation: whether a ReLU stands before the first convolution too.

    Shape:
        (B, channels[0], H, W) -> (B, channels[-1], ceil(H / stride), ceil(W / stride))

    Raises:
        ValueError: for fewer than two widths, a width < 1, or a stride other than 1 and 2.

    Source: Chollet 2017, arXiv:1610.02357, figure 5.

    Example:
        >>> import torch
        >>> XceptionBlock((64, 128, 128), stride=2)(torch.zeros(1, 64, 9, 9)).shape
        torch.Size([1, 128, 5, 5])
    """

    def __init__(self, channels: tuple[int, ...], *, stride: int = 1, first_activation: bool = True) -> None:
        super().__init__()
        if len(channels) < 2 or min(channels) < 1:
            raise ValueError(f"channels must be two or more numbers >= 1, got {channels}")
        if stride not in (1, 2):
            raise ValueError(f"stride must be 1 or 2, got {stride}")
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels[0] != channels[-1]:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels[0], channels[-1], 1, stride=stride, bias=False), nn.BatchNorm2d(channels[-1])
            )
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise(channels)):
            if i > 0 or first_activation:
                layers.append(nn.ReLU(inplace=i > 0))  # the block's own input is needed again by the shortcut
            layers += [separable_conv(before, after), nn.BatchNorm2d(after)]
        if stride == 2:
            layers.append(nn.MaxPool2d(3, stride=2, padding=1))
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of body and shortcut."""
        out: Tensor = self.body(x) + self.shortcut(x)
        return out


class Xception(nn.Module):
    """Xception: 36 convolutional layers, all but the first two depthwise separable, in 14 modules.

    Args:
        num_classes: width of the last layer, >= 1.
        in_channels: channels of the pictures, >= 1.
        dropout: probability of dropping an input of the last layer.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits; the paper has H = W = 299.

    Raises:
        ValueError: for sizes < 1 or a dropout outside [0, 1].

    Source: Chollet 2017, "Xception: Deep Learning with Depthwise Separable Convolutions", arXiv:1610.02357, figure
    5; order and first weights of timm's legacy_xception. Differs: timm has no dropout by default, the paper 0.5 on
    ImageNet, as here.

    Example:
        >>> import torch
        >>> with torch.device("meta"):                             # shapes only, no memory
        ...     model, pictures = Xception(), torch.empty(2, 3, 299, 299)
        >>> model.forward_features(pictures).shape, model(pictures).shape
        (torch.Size([2, 2048, 10, 10]), torch.Size([2, 1000]))
    """

    def __init__(self, *, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> None:
        super().__init__()
        check_sizes(num_classes, in_channels)
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, 32, 3, stride=2, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 64, 3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
        )
        entry = nn.Sequential(
            XceptionBlock((64, 128, 128), stride=2, first_activation=False),
            XceptionBlock((128, 256, 256), stride=2),
            XceptionBlock((256, 728, 728), stride=2),
        )
        middle = nn.Sequential(*(XceptionBlock((728,) * 4) for _ in range(8)))
        last = nn.Sequential(
            XceptionBlock((728, 728, 1024), stride=2),
            separable_conv(1024, 1536),
            nn.BatchNorm2d(1536),
            nn.ReLU(inplace=True),
            separable_conv(1536, 2048),
            nn.BatchNorm2d(2048),
            nn.ReLU(inplace=True),
        )
        self.stages = nn.Sequential(entry, middle, last)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(2048, num_classes)
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the last maps, (B, in_channels, 299, 299) -> (B, 2048, 10, 10)."""
        maps: Tensor = self.stages(self.stem(x))
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, in_channels, H, W) -> (B, num_classes)."""
        logits: Tensor = self.head(self.forward_features(x))
        return logits


def xception(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> Xception:
    """Return Xception: 22,855,952 parameters at 1000 classes; see `Xception`."""
    return Xception(num_classes=num_classes, in_channels=in_channels, dropout=dropout)
