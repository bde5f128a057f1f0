"""Pre-activation ResNet: norm and ReLU stand before each convolution, so that the shortcuts add up untouched.

Letters: B pictures, C channels, H rows, W columns.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from companion.models.resnet import STEMS, init_residual


class PreActBasicBlock(nn.Module):
    """x + F(x), where F is twice norm, ReLU, 3x3 convolution; nothing follows the sum.

    Where the shape changes, the shortcut is a 1x1 convolution of what the first norm and ReLU make of x.

    Args:
        in_channels: channels of the map below.
        width: channels of the convolutions inside; the block makes `width * expansion` channels.
        stride: pixels from one place of the first 3x3 window to the next.

    Shape:
        (B, in_channels, H, W) -> (B, width * expansion, ceil(H / stride), ceil(W / stride))

    Source: He, Zhang, Ren & Sun 2016, "Identity Mappings in Deep Residual Networks", arXiv:1603.05027, figure 1b.
    """

    expansion = 1

    def __init__(self, in_channels: int, width: int, *, stride: int = 1) -> None:
        super().__init__()
        self.shortcut = _shortcut(in_channels, width * self.expansion, stride)
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return x + F(x)."""
        a = self.act(self.norm1(x))
        y: Tensor = self.conv1(a)
        y = self.conv2(self.act(self.norm2(y)))
        y += self.shortcut(a) if self.shortcut else x
        return y


class PreActBottleneck(nn.Module):
    """x + F(x), where F is norm, ReLU, convolution three times: 1x1 to fewer channels, 3x3, 1x1 to four times as many.

    Arguments, shortcut and shape as in `PreActBasicBlock`.

    Source: arXiv:1603.05027, figure 1b and section 4.1. Differs: the stride is in the 3x3 convolution as in later
    ResNets (timm, torchvision); the authors' code has it in the first 1x1 convolution.
    """

    expansion = 4

    def __init__(self, in_channels: int, width: int, *, stride: int = 1) -> None:
        super().__init__()
        self.shortcut = _shortcut(in_channels, width * self.expansion, stride)
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return x + F(x)."""
        a = self.act(self.norm1(x))
        y: Tensor = self.conv1(a)
        y = self.conv2(self.act(self.norm2(y)))
        y = self.conv3(self.act(self.norm3(y)))
        y += self.shortcut(a) if self.shortcut else x
        return y


class PreActResNet(nn.Module):
    """Stem without norm, stages of pre-activation blocks, then the norm and ReLU that the last block still owes.

    Args:
        block: `PreActBasicBlock` or `PreActBottleneck`.
        depths: blocks in each stage; every stage but the first halves rows and columns.
        widths: of the blocks of each stage; the stem has widths[0] channels.
        stem: "imagenet", a 7x7 convolution and max pooling, each at stride 2; or "cifar" for small pictures, one 3x3
            convolution at stride 1.
        num_classes, in_channels: width of the last layer and channels of the pictures, >= 1.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits.

    Raises:
        ValueError: for sizes < 1, as many depths as widths are not given, or an unknown stem.

    Source: arXiv:1603.05027; for large pictures as timm's resnetv2. First weights: convolutions by He's rule with
    fan-out, the linear layer N(0, 0.01^2) with bias 0. Differs from timm: there the last convolution of a bottleneck
    starts at 0, and the linear layer is a 1x1 convolution.

    Example:
        >>> import torch
        >>> model = PreActResNet(PreActBasicBlock, (1, 1), widths=(8, 16), stem="cifar", num_classes=10)
        >>> model(torch.zeros(2, 3, 16, 16)).shape, model.forward_features(torch.zeros(2, 3, 16, 16)).shape
        (torch.Size([2, 10]), torch.Size([2, 16, 8, 8]))
    """

    def __init__(
        self,
        block: type[PreActBasicBlock] | type[PreActBottleneck],
        depths: Sequence[int],
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        stem: str = "imagenet",
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if not depths or len(depths) != len(widths) or min(*depths, *widths, num_classes, in_channels) < 1:
            raise ValueError(
                f"need as many depths as widths and all sizes >= 1, got depths {tuple(depths)}, "
                f"widths {tuple(widths)}, num_classes {num_classes}, in_channels {in_channels}"
            )
        if stem not in STEMS:
            raise ValueError(f"stem must be one of {STEMS}, got {stem!r}")
        if stem == "imagenet":
            conv = nn.Conv2d(in_channels, widths[0], 7, stride=2, padding=3, bias=False)
            self.stem = nn.Sequential(conv, nn.MaxPool2d(3, stride=2, padding=1))
        else:
            self.stem = nn.Sequential(nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False))
        self.stages, channels = nn.Sequential(), widths[0]
        for i, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            stage = nn.Sequential()
            for j in range(depth):
                stage.append(block(channels, width, stride=2 if i > 0 and j == 0 else 1))
                channels = width * block.expansion
            self.stages.append(stage)
        self.norm = nn.BatchNorm2d(channels)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(channels, num_classes)
        init_residual(self)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the last map, behind the last norm and ReLU: (B, in_channels, H, W) -> (B, C, h, w)."""
        features: Tensor = self.act(self.norm(self.stages(self.stem(x))))
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, in_channels, H, W) -> (B, num_classes)."""
        logits: Tensor = self.head(self.forward_features(x).mean((2, 3)))
        return logits


def resnetv2_18(*, num_classes: int = 1000, in_channels: int = 3) -> PreActResNet:
    """Return pre-activation ResNet-18: 11,687,720 parameters at 1000 classes. Source: timm, arXiv:1603.05027."""
    return PreActResNet(PreActBasicBlock, (2, 2, 2, 2), num_classes=num_classes, in_channels=in_channels)


def resnetv2_34(*, num_classes: int = 1000, in_channels: int = 3) -> PreActResNet:
    """Return pre-activation ResNet-34: 21,795,880 parameters at 1000 classes. Source: timm, arXiv:1603.05027."""
    return PreActResNet(PreActBasicBlock, (3, 4, 6, 3), num_classes=num_classes, in_channels=in_channels)


def resnetv2_50(*, num_classes: int = 1000, in_channels: int = 3) -> PreActResNet:
    """Return pre-activation ResNet-50: 25,549,352 parameters at 1000 classes. Source: timm, arXiv:1603.05027."""
    return PreActResNet(PreActBottleneck, (3, 4, 6, 3), num_classes=num_classes, in_channels=in_channels)


def resnetv2_101(*, num_classes: int = 1000, in_channels: int = 3) -> PreActResNet:
    """Return pre-activation ResNet-101: 44,541,480 parameters at 1000 classes. Source: timm, arXiv:1603.05027."""
    return PreActResNet(PreActBottleneck, (3, 4, 23, 3), num_classes=num_classes, in_channels=in_channels)


def resnetv2_152(*, num_classes: int = 1000, in_channels: int = 3) -> PreActResNet:
    """Return pre-activation ResNet-152: 60,185,128 parameters at 1000 classes. Source: timm, arXiv:1603.05027."""
    return PreActResNet(PreActBottleneck, (3, 8, 36, 3), num_classes=num_classes, in_channels=in_channels)


def cifar_preact_resnet110(*, num_classes: int = 10, in_channels: int = 3) -> PreActResNet:
    """Return 110 = 6 * 18 + 2 layers of basic blocks: 1,730,522 parameters at 10 classes. Source: arXiv:1603.05027."""
    return _cifar(PreActBasicBlock, 18, num_classes, in_channels)


def cifar_preact_resnet164(*, num_classes: int = 10, in_channels: int = 3) -> PreActResNet:
    """Return 164 = 9 * 18 + 2 layers of bottlenecks: 1,703,258 parameters at 10 classes. Source: arXiv:1603.05027."""
    return _cifar(PreActBottleneck, 18, num_classes, in_channels)


def cifar_preact_resnet1001(*, num_classes: int = 10, in_channels: int = 3) -> PreActResNet:
    """Return 1001 = 9 * 111 + 2 layers of bottlenecks: 10,327,706 parameters. Source: arXiv:1603.05027."""
    return _cifar(PreActBottleneck, 111, num_classes, in_channels)


def _cifar(
    block: type[PreActBasicBlock] | type[PreActBottleneck], depth: int, num_classes: int, in_channels: int
) -> PreActResNet:
    depths, widths = (depth, depth, depth), (16, 32, 64)
    return PreActResNet(block, depths, widths=widths, stem="cifar", num_classes=num_classes, in_channels=in_channels)


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Conv2d | None:
    """Return the 1x1 convolution where the shape changes, None where x itself is the shortcut."""
    if in_channels == out_channels and stride == 1:
        return None
    return nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)
