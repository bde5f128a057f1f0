"""Residual networks: ResNet, ResNeXt and Wide ResNet for large pictures, one class for all of them.

Letters: B pictures, C channels, H rows, W columns.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor, nn

Shortcut = Literal["A", "B", "C"]
"""Options of the paper's section 4.1: zero padding (A) or projection (B) where shapes change; projections only (C)."""

STEMS = ("imagenet", "cifar")
"""7 x 7 convolution with stride 2, then pooling with stride 2; or one 3 x 3 convolution with stride 1."""


class ZeroPadShortcut(nn.Module):
    """Shortcut without parameters (option A): every `stride`-th place is kept, new channels are zero.

    Args:
        in_channels, out_channels: channels before and after, 1 <= in_channels <= out_channels.
        stride: step along rows and columns, >= 1.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, ceil(H / stride), ceil(W / stride)).

    Raises:
        ValueError: if channels would have to be removed, or a size is < 1.

    Source: He et al. 2015, arXiv:1512.03385, sections 3.3 and 4.2. The paper does not say where the zeros go;
    here they come last.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        if not 1 <= in_channels <= out_channels or stride < 1:
            raise ValueError(
                "need 1 <= in_channels <= out_channels and stride >= 1, "
                f"got {in_channels}, {out_channels} and stride {stride}"
            )
        self.new_channels, self.stride = out_channels - in_channels, stride

    def forward(self, x: Tensor) -> Tensor:
        """Return the thinned and padded maps."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new_channels))


def make_shortcut(kind: Shortcut | None, in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Module | None:
    """Return what carries a block's input past it: identity, zero padding, projection, or None in a plain network.

    Args:
        kind: "A" pads with zeros where the shape changes, "B" projects there (1 x 1 convolution and batch
            normalization), "C" projects always; None gives None.
        in_channels: of the block.
        out_channels: of the block.
        stride: of the block.

    Raises:
        ValueError: for another kind, or where A would have to remove channels.

    Source: He et al. 2015, arXiv:1512.03385, section 4.1, "Identity vs. projection shortcuts".

    Example:
        >>> make_shortcut("B", 64, 64)
        Identity()
    """
    if kind not in ("A", "B", "C", None):
        raise ValueError(f"shortcut must be 'A', 'B', 'C' or None, got {kind!r}")
    if kind is None:
        return None
    if kind != "C" and stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if kind == "A":
        return ZeroPadShortcut(in_channels, out_channels, stride=stride)
    projection = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)
    return nn.Sequential(projection, nn.BatchNorm2d(out_channels))


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut: relu(norm(conv(relu(norm(conv(x))))) + shortcut(x)).

    Args:
        in_channels: channels of the input.
        width: channels of both convolutions, and of the output.
        stride: of the first convolution.
        shortcut: see `make_shortcut`; None leaves the addition out.
        gate: called with the number of output channels; the module that it returns is applied to the
            branch before the addition (Squeeze-and-Excitation and its kin).

    Shape:
        (B, in_channels, H, W) -> (B, width, ceil(H / stride), ceil(W / stride)).

    Source: He et al. 2015, arXiv:1512.03385, figure 5, left.

    Example:
        >>> block = BasicBlock(64, 128, stride=2)
        >>> sum(p.numel() for p in block.parameters())
        230144
    """

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        width: int,
        *,
        stride: int = 1,
        shortcut: Shortcut | None = "B",
        gate: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.gate = gate(width) if gate else nn.Identity()
        self.act = nn.ReLU(inplace=True)
        self.shortcut = make_shortcut(shortcut, in_channels, width, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        y = self.act(self.norm1(self.conv1(x)))
        y = self.gate(self.norm2(self.conv2(y)))
        if self.shortcut is not None:
            y += self.shortcut(x)
        out: Tensor = self.act(y)
        return out


class Bottleneck(nn.Module):
    """1 x 1 convolution to few channels, 3 x 3 among them, 1 x 1 to four times as many, and a shortcut.

    Args:
        in_channels: channels of the input.
        width: a quarter of the output's channels; the 3 x 3 convolution has `groups * (width *
            width_per_group // 64)` channels, which is `width` by default.
        stride: of the block.
        groups, width_per_group: 32 and 4 make the block of ResNeXt-50 32x4d; 1 and 128 that of a Wide ResNet.
        stride_in_3x3: whether the stride sits in the 3 x 3 convolution (torchvision and others, "v1.5") or in
            the first 1 x 1 (the paper, "v1").
        shortcut, gate: as in `BasicBlock`.

    Shape:
        (B, in_channels, H, W) -> (B, 4 * width, ceil(H / stride), ceil(W / stride)).

    Source: He et al. 2015, arXiv:1512.03385, figure 5, right; Xie et al. 2017, arXiv:1611.05431, figure 3(c);
    torchvision.models.resnet.

    Example:
        >>> sum(p.numel() for p in Bottleneck(256, 64).parameters())
        70400
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        width: int,
        *,
        stride: int = 1,
        groups: int = 1,
        width_per_group: int = 64,
        stride_in_3x3: bool = True,
        shortcut: Shortcut | None = "B",
        gate: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        inner, out_channels = groups * (width * width_per_group // 64), self.expansion * width
        if inner < 1:
            raise ValueError(f"width {width} with width_per_group {width_per_group} leaves no channel for the 3 x 3")
        first, second = (1, stride) if stride_in_3x3 else (stride, 1)
        self.conv1 = nn.Conv2d(in_channels, inner, 1, stride=first, bias=False)
        self.norm1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=second, padding=1, groups=groups, bias=False)
        self.norm2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, out_channels, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(out_channels)
        self.gate = gate(out_channels) if gate else nn.Identity()
        self.act = nn.ReLU(inplace=True)
        self.shortcut = make_shortcut(shortcut, in_channels, out_channels, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        y = self.act(self.norm1(self.conv1(x)))
        y = self.act(self.norm2(self.conv2(y)))
        y = self.gate(self.norm3(self.conv3(y)))
        if self.shortcut is not None:
            y += self.shortcut(x)
        out: Tensor = self.act(y)
        return out


class ResNet(nn.Module):
    """A stem, four stages of residual blocks, the mean over all places, one linear layer.

    Args:
        block: `BasicBlock` or `Bottleneck` (or a subclass).
        depths: blocks in each stage; every stage but the first halves rows and columns.
        widths: of the blocks of each stage; the stem has widths[0] channels.
        groups, width_per_group, stride_in_3x3: of a `Bottleneck`; see there.
        shortcut, gate: of the blocks; see `BasicBlock`. With shortcut None the network is the plain twin.
        stem: "imagenet", or "cifar" for small pictures (no stride, no pooling).
        zero_init_residual: start the scale of each branch's last normalization at 0, so that every block
            starts as its shortcut.
        num_classes, in_channels: of the pictures, >= 1.

    Attributes:
        stem, stages, head: the parts, in this order.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits. Any size from 1 pixel on; 224 in the paper.

    Raises:
        ValueError: for sizes < 1, as many depths as widths are not given, an unknown stem or shortcut, or
            groups, width_per_group or stride_in_3x3 with a `BasicBlock`.

    Source: He et al. 2015, arXiv:1512.03385, table 1; first weights as in torchvision.models.resnet (He's rule
    by fan-out for convolutions); zero_init_residual: Goyal et al. 2017, arXiv:1706.02677, section 5.1.
    Differs: the stride sits in the 3 x 3 convolution of a bottleneck unless stride_in_3x3 is False.

    Example:
        >>> model = ResNet(BasicBlock, (1, 1), widths=(8, 16), stem="cifar", num_classes=10)
        >>> sum(p.numel() for p in model.parameters())
        5266
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: Sequence[int],
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        groups: int = 1,
        width_per_group: int = 64,
        stride_in_3x3: bool = True,
        shortcut: Shortcut | None = "B",
        gate: Callable[[int], nn.Module] | None = None,
        stem: str = "imagenet",
        zero_init_residual: bool = False,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        sizes = (*depths, *widths, groups, width_per_group, num_classes, in_channels)
        if not depths or len(depths) != len(widths) or min(sizes) < 1:
            raise ValueError(
                "need as many depths as widths and all sizes >= 1, "
                f"got depths {tuple(depths)}, widths {tuple(widths)}, groups {groups}, "
                f"width_per_group {width_per_group}, num_classes {num_classes}, in_channels {in_channels}"
            )
        options: dict[str, Any] = {"shortcut": shortcut, "gate": gate}
        inside = {"groups": groups, "width_per_group": width_per_group, "stride_in_3x3": stride_in_3x3}
        if issubclass(block, Bottleneck):
            options |= inside
        elif inside != {"groups": 1, "width_per_group": 64, "stride_in_3x3": True}:
            raise ValueError(f"only a Bottleneck has these options, got {inside} with {block.__name__}")

        self.stem = _stem(stem, in_channels, widths[0])
        stages, channels = [], widths[0]
        for i, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            blocks = []
            for j in range(depth):
                blocks.append(block(channels, width, stride=2 if i > 0 and j == 0 else 1, **options))
                channels = width * block.expansion
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(
            OrderedDict(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=nn.Linear(channels, num_classes))
        )
        init_residual(self, zero_init_residual=zero_init_residual)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the maps of the last stage, (B, in_channels, H, W) -> (B, C, h, w)."""
        maps: Tensor = self.stages(self.stem(x))
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, in_channels, H, W) -> (B, num_classes)."""
        logits: Tensor = self.head(self.forward_features(x))
        return logits


def init_residual(model: nn.Module, *, zero_init_residual: bool = False) -> None:
    """Draw the convolutions' first weights by He's rule (fan-out); the last scale of each branch 0 if asked for."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if zero_init_residual:
        for module in model.modules():
            if isinstance(module, BasicBlock):
                nn.init.zeros_(module.norm2.weight)
            elif isinstance(module, Bottleneck):
                nn.init.zeros_(module.norm3.weight)


def resnet18(*, num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """Return ResNet-18: 11,689,512 parameters at 1000 classes. Source: He et al. 2015, table 1."""
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes=num_classes, in_channels=in_channels)


def resnet34(*, num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """Return ResNet-34: 21,797,672 parameters at 1000 classes. Source: He et al. 2015, table 1."""
    return ResNet(BasicBlock, (3, 4, 6, 3), num_classes=num_classes, in_channels=in_channels)


def resnet50(*, num_classes: int = 1000, in_channels: int = 3, stride_in_3x3: bool = True) -> ResNet:
    """Return ResNet-50: 25,557,032 parameters at 1000 classes. Source: He et al. 2015, table 1."""
    return ResNet(
        Bottleneck, (3, 4, 6, 3), stride_in_3x3=stride_in_3x3, num_classes=num_classes, in_channels=in_channels
    )


def resnet101(*, num_classes: int = 1000, in_channels: int = 3, stride_in_3x3: bool = True) -> ResNet:
    """Return ResNet-101: 44,549,160 parameters at 1000 classes. Source: He et al. 2015, table 1."""
    return ResNet(
        Bottleneck, (3, 4, 23, 3), stride_in_3x3=stride_in_3x3, num_classes=num_classes, in_channels=in_channels
    )


def resnet152(*, num_classes: int = 1000, in_channels: int = 3, stride_in_3x3: bool = True) -> ResNet:
    """Return ResNet-152: 60,192,808 parameters at 1000 classes. Source: He et al. 2015, table 1."""
    return ResNet(
        Bottleneck, (3, 8, 36, 3), stride_in_3x3=stride_in_3x3, num_classes=num_classes, in_channels=in_channels
    )


def resnext50_32x4d(*, num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """Return ResNeXt-50 with 32 groups of 4: 25,028,904 parameters. Source: Xie et al. 2017, arXiv:1611.05431."""
    return ResNet(
        Bottleneck, (3, 4, 6, 3), groups=32, width_per_group=4, num_classes=num_classes, in_channels=in_channels
    )


def resnext101_32x8d(*, num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """Return ResNeXt-101 with 32 groups of 8: 88,791,336 parameters. Source: Xie et al. 2017, arXiv:1611.05431."""
    return ResNet(
        Bottleneck, (3, 4, 23, 3), groups=32, width_per_group=8, num_classes=num_classes, in_channels=in_channels
    )


def wide_resnet50_2(*, num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """Return Wide ResNet-50-2: 68,883,240 parameters. Source: Zagoruyko & Komodakis 2016, arXiv:1605.07146."""
    return ResNet(
        Bottleneck, (3, 4, 6, 3), groups=1, width_per_group=128, num_classes=num_classes, in_channels=in_channels
    )


def wide_resnet101_2(*, num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """Return Wide ResNet-101-2: 126,886,696 parameters. Source: Zagoruyko & Komodakis 2016, arXiv:1605.07146."""
    return ResNet(
        Bottleneck, (3, 4, 23, 3), groups=1, width_per_group=128, num_classes=num_classes, in_channels=in_channels
    )


def _stem(kind: str, in_channels: int, width: int) -> nn.Sequential:
    if kind not in STEMS:
        raise ValueError(f"stem must be one of {STEMS}, got {kind!r}")
    large = kind == "imagenet"
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv=nn.Conv2d(
            in_channels, width, 7 if large else 3, stride=2 if large else 1, padding=3 if large else 1, bias=False
        ),
        norm=nn.BatchNorm2d(width),
        act=nn.ReLU(inplace=True),
    )
    if large:
        layers["pool"] = nn.MaxPool2d(3, stride=2, padding=1)
    return nn.Sequential(layers)
