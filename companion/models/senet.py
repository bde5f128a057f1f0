"""ResNets whose blocks end in a gate on channels: Squeeze-and-Excitation, and its frugal successor ECA."""

from collections.abc import Callable

from companion.layers.gates import EfficientChannelAttention, SqueezeExcitation
from companion.models.resnet import Bottleneck, ResNet


def squeeze_excitation(*, reduction: int = 16, bias: bool = True) -> Callable[[int], SqueezeExcitation]:
    """Return what makes the gate of a block from its number of channels C; the layer between has C / reduction.

    Args:
        reduction: the r of the paper, >= 1.
        bias: whether the gate's two layers have biases.

    Raises:
        ValueError: if reduction < 1.

    Source: Hu, Shen & Sun 2018, arXiv:1709.01507, section 3.2; r = 16 in section 6.1.

    Example:
        >>> squeeze_excitation()(256).fc1
        Conv2d(256, 16, kernel_size=(1, 1), stride=(1, 1))
    """
    if reduction < 1:
        raise ValueError(f"reduction must be >= 1, got {reduction}")
    return lambda channels: SqueezeExcitation(channels, max(1, channels // reduction), bias=bias)


def seresnet50(*, num_classes: int = 1000, in_channels: int = 3, reduction: int = 16, bias: bool = True) -> ResNet:
    """Return SE-ResNet-50: 28,088,024 parameters at 1000 classes, 28,071,976 without the gates' biases.

    Source: Hu, Shen & Sun 2018, arXiv:1709.01507, tables 1 and 2; timm. Differs: the stride sits in the
    3x3 convolution.
    """
    gate = squeeze_excitation(reduction=reduction, bias=bias)
    return ResNet(Bottleneck, (3, 4, 6, 3), gate=gate, num_classes=num_classes, in_channels=in_channels)


def seresnet101(*, num_classes: int = 1000, in_channels: int = 3, reduction: int = 16, bias: bool = True) -> ResNet:
    """Return SE-ResNet-101: 49,326,872 parameters at 1000 classes. Source as `seresnet50`."""
    gate = squeeze_excitation(reduction=reduction, bias=bias)
    return ResNet(Bottleneck, (3, 4, 23, 3), gate=gate, num_classes=num_classes, in_channels=in_channels)


def seresnext50_32x4d(
    *, num_classes: int = 1000, in_channels: int = 3, reduction: int = 16, bias: bool = True
) -> ResNet:
    """Return SE-ResNeXt-50: 27,559,896 parameters at 1000 classes. Source: arXiv:1709.01507, table 1; timm."""
    return ResNet(
        Bottleneck,
        (3, 4, 6, 3),
        groups=32,
        width_per_group=4,
        gate=squeeze_excitation(reduction=reduction, bias=bias),
        num_classes=num_classes,
        in_channels=in_channels,
    )


def ecaresnet50(*, num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """Return ECA-ResNet-50: ResNet-50 and 86 weights, 25,557,118 parameters at 1000 classes.

    Source: Wang et al. 2020, arXiv:1910.03151, table 2.
    """
    gate = EfficientChannelAttention
    return ResNet(Bottleneck, (3, 4, 6, 3), gate=gate, num_classes=num_classes, in_channels=in_channels)


def ecaresnet101(*, num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """Return ECA-ResNet-101: ResNet-101 and 171 weights, 44,549,331 parameters at 1000 classes.

    Source: Wang et al. 2020, arXiv:1910.03151, table 2.
    """
    gate = EfficientChannelAttention
    return ResNet(Bottleneck, (3, 4, 23, 3), gate=gate, num_classes=num_classes, in_channels=in_channels)
