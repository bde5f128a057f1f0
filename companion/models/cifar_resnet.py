"""Residual networks for small pictures (CIFAR-10 has 32 x 32 pixels), and their plain twins without shortcuts."""

from companion.models.resnet import BasicBlock, ResNet, Shortcut


class CifarResNet(ResNet):
    """One 3 x 3 convolution, three stages of n blocks with two each, one linear layer: 6n + 2 layers with weights.

    Args:
        depth: number of layers with weights, 6n + 2 with n >= 1 (projections are not counted).
        shortcut: "A" (identity, zeros for new channels), as published; "B" or "C" with projections; None for the
            plain twin, which differs in nothing but the missing addition.
        width: channels of the first stage; the second has twice, the third four times as many.
        num_classes, in_channels: of the pictures, >= 1.

    Attributes:
        stem, stages, head: the parts, as in `ResNet`.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits. 32 x 32 pixels in the paper; any size will do.

    Raises:
        ValueError: for a depth that is not 6n + 2, sizes < 1, or an unknown shortcut.

    Source: He et al. 2015, arXiv:1512.03385, section 4.2 and table 6.

    Example:
        >>> count = lambda model: sum(p.numel() for p in model.parameters())
        >>> count(CifarResNet(20)) == count(CifarResNet(20, shortcut=None))
        True
    """

    def __init__(
        self,
        depth: int,
        *,
        shortcut: Shortcut | None = "A",
        width: int = 16,
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        if depth < 8 or depth % 6 != 2:
            raise ValueError(f"depth must be 6n + 2 with n >= 1 (8, 14, 20, ...), got {depth}")
        super().__init__(
            BasicBlock,
            [(depth - 2) // 6] * 3,
            widths=(width, 2 * width, 4 * width),
            shortcut=shortcut,
            stem="cifar",
            num_classes=num_classes,
            in_channels=in_channels,
        )


def cifar_resnet20(*, num_classes: int = 10, in_channels: int = 3, shortcut: Shortcut = "A") -> CifarResNet:
    """Return the residual network of 20 layers: 269,722 parameters at 10 classes; see `CifarResNet`."""
    return CifarResNet(20, shortcut=shortcut, num_classes=num_classes, in_channels=in_channels)


def cifar_resnet32(*, num_classes: int = 10, in_channels: int = 3, shortcut: Shortcut = "A") -> CifarResNet:
    """Return the residual network of 32 layers: 464,154 parameters at 10 classes; see `CifarResNet`."""
    return CifarResNet(32, shortcut=shortcut, num_classes=num_classes, in_channels=in_channels)


def cifar_resnet44(*, num_classes: int = 10, in_channels: int = 3, shortcut: Shortcut = "A") -> CifarResNet:
    """Return the residual network of 44 layers: 658,586 parameters at 10 classes; see `CifarResNet`."""
    return CifarResNet(44, shortcut=shortcut, num_classes=num_classes, in_channels=in_channels)


def cifar_resnet56(*, num_classes: int = 10, in_channels: int = 3, shortcut: Shortcut = "A") -> CifarResNet:
    """Return the residual network of 56 layers: 853,018 parameters at 10 classes; see `CifarResNet`."""
    return CifarResNet(56, shortcut=shortcut, num_classes=num_classes, in_channels=in_channels)


def cifar_resnet110(*, num_classes: int = 10, in_channels: int = 3, shortcut: Shortcut = "A") -> CifarResNet:
    """Return the residual network of 110 layers: 1,727,962 parameters at 10 classes; see `CifarResNet`."""
    return CifarResNet(110, shortcut=shortcut, num_classes=num_classes, in_channels=in_channels)


def cifar_resnet1202(*, num_classes: int = 10, in_channels: int = 3, shortcut: Shortcut = "A") -> CifarResNet:
    """Return the residual network of 1,202 layers: 19,421,274 parameters at 10 classes; see `CifarResNet`."""
    return CifarResNet(1202, shortcut=shortcut, num_classes=num_classes, in_channels=in_channels)


def cifar_plain20(*, num_classes: int = 10, in_channels: int = 3) -> CifarResNet:
    """Return the plain network of 20 layers: 269,722 parameters at 10 classes; see `CifarResNet`."""
    return CifarResNet(20, shortcut=None, num_classes=num_classes, in_channels=in_channels)


def cifar_plain32(*, num_classes: int = 10, in_channels: int = 3) -> CifarResNet:
    """Return the plain network of 32 layers: 464,154 parameters at 10 classes; see `CifarResNet`."""
    return CifarResNet(32, shortcut=None, num_classes=num_classes, in_channels=in_channels)


def cifar_plain44(*, num_classes: int = 10, in_channels: int = 3) -> CifarResNet:
    """Return the plain network of 44 layers: 658,586 parameters at 10 classes; see `CifarResNet`."""
    return CifarResNet(44, shortcut=None, num_classes=num_classes, in_channels=in_channels)


def cifar_plain56(*, num_classes: int = 10, in_channels: int = 3) -> CifarResNet:
    """Return the plain network of 56 layers: 853,018 parameters at 10 classes; see `CifarResNet`."""
    return CifarResNet(56, shortcut=None, num_classes=num_classes, in_channels=in_channels)


def cifar_plain110(*, num_classes: int = 10, in_channels: int = 3) -> CifarResNet:
    """Return the plain network of 110 layers: 1,727,962 parameters at 10 classes; see `CifarResNet`."""
    return CifarResNet(110, shortcut=None, num_classes=num_classes, in_channels=in_channels)
