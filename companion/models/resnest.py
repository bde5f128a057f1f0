"""ResNeSt: bottlenecks whose 3x3 convolution makes several versions of its map, mixed by split attention.

Letters: B pictures, C channels, H rows, W columns, R radix (number of versions).
"""

from collections.abc import Sequence

from torch import Tensor, nn

from companion.layers.conv_norm import ConvNormActivation
from companion.layers.gates import SplitAttention
from companion.models.resnet import init_residual


class ResNeStBottleneck(nn.Module):
    """1x1 convolution, 3x3 convolution to R versions, split attention, 1x1 convolution, and a shortcut.

    A stride is a mean over 3x3 windows behind the attention; on the shortcut it is a mean over 2x2 windows in front
    of the 1x1 convolution, so that no value is thrown away.

    Args:
        in_channels: channels of the map below.
        width: channels of one version; the block makes four times as many.
        stride: of the block.
        radix: number of versions, R.

    Shape:
        (B, in_channels, H, W) -> (B, 4 * width, ceil(H / stride), ceil(W / stride))

    Source: Zhang et al. 2020, arXiv:2004.08955, section 3 and section 4.1 (average downsampling).
    """

    expansion = 4

    def __init__(self, in_channels: int, width: int, *, stride: int = 1, radix: int = 2) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, radix * width, 3, padding=1, groups=radix, bias=False)
        self.norm2 = nn.BatchNorm2d(radix * width)
        self.split = SplitAttention(width, max(32, radix * width // 4), radix=radix)
        self.pool = nn.AvgPool2d(3, stride=stride, padding=1) if stride > 1 else nn.Identity()
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(out_channels)
        self.act = nn.ReLU(inplace=True)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            mean = nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False) if stride > 1 else nn.Identity()
            self.shortcut = nn.Sequential(mean, ConvNormActivation(in_channels, out_channels, 1, activation=None))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        y = self.act(self.norm1(self.conv1(x)))
        y = self.pool(self.split(self.act(self.norm2(self.conv2(y)))))
        y = self.norm3(self.conv3(y))
        y += self.shortcut(x)
        out: Tensor = self.act(y)
        return out


class ResNeSt(nn.Module):
    """A stem of three 3x3 convolutions, four stages of split-attention bottlenecks, the mean, one linear layer.

    Args:
        depths: blocks in each stage; every stage but the first halves rows and columns.
        widths: of the blocks of each stage.
        stem_width: channels of the first two convolutions; the third makes twice as many.
        radix: versions that split attention mixes, R.
        num_classes, in_channels: width of the last layer and channels of the pictures, >= 1.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits.

    Raises:
        ValueError: for sizes < 1 or as many depths as widths are not given.

    Source: Zhang et al. 2020, "ResNeSt: Split-Attention Networks", arXiv:2004.08955; sizes and first weights as in
    timm, but no scale starts at 0.

    Example:
        >>> import torch
        >>> ResNeSt((1, 1), widths=(8, 16), stem_width=4, num_classes=10)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        depths: Sequence[int],
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        stem_width: int = 32,
        radix: int = 2,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        sizes = (*depths, *widths, stem_width, radix, num_classes, in_channels)
        if not depths or len(depths) != len(widths) or min(sizes) < 1:
            raise ValueError(
                "need as many depths as widths and all sizes >= 1, "
                f"got depths {tuple(depths)}, widths {tuple(widths)}, stem_width {stem_width}, radix {radix}, "
                f"num_classes {num_classes}, in_channels {in_channels}"
            )
        self.stem = nn.Sequential(
            ConvNormActivation(in_channels, stem_width, stride=2),
            ConvNormActivation(stem_width, stem_width),
            ConvNormActivation(stem_width, 2 * stem_width),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.stages, channels = nn.Sequential(), 2 * stem_width
        for i, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            stage = nn.Sequential()
            for j in range(depth):
                stage.append(ResNeStBottleneck(channels, width, stride=2 if i > 0 and j == 0 else 1, radix=radix))
                channels = width * ResNeStBottleneck.expansion
            self.stages.append(stage)
        self.head = nn.Linear(channels, num_classes)
        init_residual(self)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the maps of the last stage, (B, in_channels, H, W) -> (B, C, h, w)."""
        maps: Tensor = self.stages(self.stem(x))
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, in_channels, H, W) -> (B, num_classes)."""
        logits: Tensor = self.head(self.forward_features(x).mean((2, 3)))
        return logits


def resnest50(*, num_classes: int = 1000, in_channels: int = 3) -> ResNeSt:
    """Return ResNeSt-50: 27,483,240 parameters at 1000 classes. Source: arXiv:2004.08955; timm's resnest50d."""
    return ResNeSt((3, 4, 6, 3), num_classes=num_classes, in_channels=in_channels)


def resnest101(*, num_classes: int = 1000, in_channels: int = 3) -> ResNeSt:
    """Return ResNeSt-101: 48,275,016 parameters at 1000 classes. Source: arXiv:2004.08955; timm's resnest101e."""
    return ResNeSt((3, 4, 23, 3), stem_width=64, num_classes=num_classes, in_channels=in_channels)
