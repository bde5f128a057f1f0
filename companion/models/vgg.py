"""VGG: nothing but small windows, one on top of the other; configurations A to E, with or without batch norm.

Letters: B pictures, C channels, H rows, W columns.
"""

import copy
from collections.abc import Sequence
from types import MappingProxyType

from torch import Tensor, nn

Kernels = Sequence[Sequence[int]]

CONFIGURATIONS = MappingProxyType(
    {
        "A": ((3,), (3,), (3, 3), (3, 3), (3, 3)),
        "B": ((3, 3), (3, 3), (3, 3), (3, 3), (3, 3)),
        "C": ((3, 3), (3, 3), (3, 3, 1), (3, 3, 1), (3, 3, 1)),
        "D": ((3, 3), (3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3)),
        "E": ((3, 3), (3, 3), (3, 3, 3, 3), (3, 3, 3, 3), (3, 3, 3, 3)),
    }
)
"""The paper's table 1: sides of the windows of each convolution, stage by stage."""

WIDTHS = (64, 128, 256, 512, 512)
"""Channels of the five stages, in all configurations."""

CELLS = 7
"""Rows and columns of the map that the head reads: 224 pixels, halved five times."""


class VGG(nn.Module):
    """Stages of small convolutions, each stage closed by 2 x 2 max pooling; then three fully connected layers.

    Args:
        kernels: sides of the convolutions' windows, odd, stage by stage: one of `CONFIGURATIONS`, or your own.
        widths: channels of each stage.
        batch_norm: whether a batch norm follows each convolution (which keeps its bias, as in torchvision).
        hidden_features: width of the two hidden fully connected layers.
        num_classes: width of the last layer, >= 1.
        in_channels: channels of the pictures, >= 1.
        dropout: probability, in [0, 1), with which the output of a hidden fully connected unit is dropped.

    Attributes:
        stages: (B, in_channels, H, W) -> (B, widths[-1], H / 32, W / 32) with five stages.
        head: averages that map to 7 x 7 cells, which at 224 x 224 pixels changes nothing, and classifies.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits. Each stage halves H and W, so five need 32 pixels.

    Raises:
        ValueError: for no stage or an empty one, an even or negative window, a width missing, sizes < 1, or a
            dropout outside [0, 1).

    Source: Simonyan & Zisserman 2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
    arXiv:1409.1556, table 1; batch norm, the averaging and the first weights as in torchvision.models.vgg, whose
    published weights fit. Differs: the paper has neither batch norm nor the averaging, and other first weights.

    Example:
        >>> import torch
        >>> with torch.device("meta"):                             # shapes only, no memory
        ...     model, picture = VGG(CONFIGURATIONS["D"]), torch.empty(1, 3, 224, 224)
        >>> sum(p.numel() for p in model.parameters()), model.forward_features(picture).shape
        (138357544, torch.Size([1, 512, 7, 7]))
    """

    def __init__(
        self,
        kernels: Kernels,
        *,
        widths: Sequence[int] = WIDTHS,
        batch_norm: bool = False,
        hidden_features: int = 4096,
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if not kernels or not all(kernels) or len(widths) != len(kernels):
            raise ValueError(f"need one or more stages, none empty, and a width for each, got {kernels} and {widths}")
        if any(size < 1 or size % 2 == 0 for stage in kernels for size in stage):
            raise ValueError(f"windows must have odd sides >= 1, got {kernels}")
        if min(*widths, hidden_features, num_classes, in_channels) < 1:
            sizes = f"{tuple(widths)}, {hidden_features}, {num_classes} and {in_channels}"
            raise ValueError(f"widths, hidden_features, num_classes and in_channels must be >= 1, got {sizes}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), got {dropout}")
        below = (in_channels, *widths)
        self.stages = nn.Sequential(
            *(_stage(below[i], width, kernels[i], batch_norm=batch_norm) for i, width in enumerate(widths))
        )
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(CELLS),
            nn.Flatten(),
            nn.Linear(widths[-1] * CELLS**2, hidden_features),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden_features, hidden_features),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden_features, num_classes),
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw first weights: convolutions by He's rule for outputs, linear layers N(0, 0.01^2), biases 0."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, 0.0, 0.01)
            elif isinstance(layer, nn.BatchNorm2d):
                layer.reset_parameters()
            if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the last stage's map, (B, in_channels, H, W) -> (B, widths[-1], H / 32, W / 32) with five stages."""
        features: Tensor = self.stages(x)
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, in_channels, H, W) -> (B, num_classes)."""
        logits: Tensor = self.head(self.forward_features(x))
        return logits


def _stage(in_channels: int, width: int, kernels: Sequence[int], *, batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size in kernels:
        layers.append(nn.Conv2d(in_channels, width, size, padding=size // 2))
        if batch_norm:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.ReLU(inplace=True))
        in_channels = width
    return nn.Sequential(*layers, nn.MaxPool2d(2))


def fully_convolutional(model: VGG) -> nn.Sequential:
    """Return a copy that reads pictures of any size: its fully connected layers have become convolutions.

    The first one's weights are a 7 x 7 window, those of the others 1 x 1. On a picture of 224 x 224 pixels it
    gives the model's logits; on a larger one a map of them, one for each place where a crop of 224 x 224 could
    lie, 32 pixels apart, at a fraction of the work. Their mean over the places is the paper's dense evaluation.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes, H / 32 - 6, W / 32 - 6), with five stages; H, W >= 224.

    Source: Simonyan & Zisserman 2015, arXiv:1409.1556, section 3.2.

    Example:
        >>> import torch
        >>> with torch.device("meta"):
        ...     dense, picture = fully_convolutional(vgg16()), torch.empty(1, 3, 384, 288)
        >>> dense(picture).shape
        torch.Size([1, 1000, 6, 3])
    """
    layers: list[nn.Module] = []
    for layer in list(model.head)[2:]:
        if isinstance(layer, nn.Linear):
            window = 1 if layers else CELLS
            conv = nn.Conv2d(layer.in_features // window**2, layer.out_features, window, device="meta")
            conv.weight = nn.Parameter(layer.weight.detach().clone().view(conv.weight.shape))
            conv.bias = nn.Parameter(layer.bias.detach().clone())
            layers.append(conv)
        else:
            layers.append(copy.deepcopy(layer))
    return nn.Sequential(copy.deepcopy(model.stages), *layers).train(model.training)


def vgg11(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """Return configuration A: 132,863,336 parameters at 1000 classes; see `VGG`."""
    return VGG(CONFIGURATIONS["A"], num_classes=num_classes, in_channels=in_channels, dropout=dropout)


def vgg13(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """Return configuration B: 133,047,848 parameters at 1000 classes; see `VGG`."""
    return VGG(CONFIGURATIONS["B"], num_classes=num_classes, in_channels=in_channels, dropout=dropout)


def vgg16_c(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """Return configuration C, with three 1 x 1 windows: 133,638,952 parameters at 1000 classes; see `VGG`."""
    return VGG(CONFIGURATIONS["C"], num_classes=num_classes, in_channels=in_channels, dropout=dropout)


def vgg16(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """Return configuration D: 138,357,544 parameters at 1000 classes; see `VGG`."""
    return VGG(CONFIGURATIONS["D"], num_classes=num_classes, in_channels=in_channels, dropout=dropout)


def vgg19(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """Return configuration E: 143,667,240 parameters at 1000 classes; see `VGG`."""
    return VGG(CONFIGURATIONS["E"], num_classes=num_classes, in_channels=in_channels, dropout=dropout)


def vgg11_bn(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """Return configuration A with batch norm: 132,868,840 parameters at 1000 classes; see `VGG`."""
    kernels = CONFIGURATIONS["A"]
    return VGG(kernels, batch_norm=True, num_classes=num_classes, in_channels=in_channels, dropout=dropout)


def vgg13_bn(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """Return configuration B with batch norm: 133,053,736 parameters at 1000 classes; see `VGG`."""
    kernels = CONFIGURATIONS["B"]
    return VGG(kernels, batch_norm=True, num_classes=num_classes, in_channels=in_channels, dropout=dropout)


def vgg16_bn(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """Return configuration D with batch norm: 138,365,992 parameters at 1000 classes; see `VGG`."""
    kernels = CONFIGURATIONS["D"]
    return VGG(kernels, batch_norm=True, num_classes=num_classes, in_channels=in_channels, dropout=dropout)


def vgg19_bn(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """Return configuration E with batch norm: 143,678,248 parameters at 1000 classes; see `VGG`."""
    kernels = CONFIGURATIONS["E"]
    return VGG(kernels, batch_norm=True, num_classes=num_classes, in_channels=in_channels, dropout=dropout)
