"""ConvNeXt: a residual network rebuilt with the habits of Transformers, and without attention.

Letters: B pictures, C channels, H rows, W columns.
"""

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from companion.layers.drop import StochasticDepth
from companion.layers.norm import LayerNorm2d
from companion.layers.scale import LayerScale


class ConvNeXtBlock(nn.Module):
    """Look around with a large depthwise window, normalize once, expand, one GELU, project; add the input.

    The two 1 x 1 convolutions are linear layers on maps with the channels last: the same sums. Where the maps already
    lie so in memory, as behind `LayerNorm2d`, neither permute copies anything.

    Args:
        channels: C, of the map before and after.
        kernel_size: side of the depthwise window, odd.
        expansion: the map inside has expansion * C channels.
        layer_scale: factor with which the branch starts.
        drop_rate: probability, in [0, 1], with which an example skips the block in training.

    Shape:
        (B, C, H, W) -> (B, C, H, W)

    Raises:
        ValueError: for sizes < 1, an even kernel_size or another rate.

    Source: Liu et al. 2022, "A ConvNet for the 2020s", arXiv:2201.03545, figure 4; torchvision's CNBlock.

    Example:
        >>> sum(p.numel() for p in ConvNeXtBlock(96).parameters())
        79296
    """

    def __init__(
        self,
        channels: int,
        *,
        kernel_size: int = 7,
        expansion: int = 4,
        layer_scale: float = 1e-6,
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        if min(channels, kernel_size, expansion) < 1 or kernel_size % 2 == 0:
            raise ValueError(f"need sizes >= 1, an odd kernel_size, got {channels=}, {kernel_size=}, {expansion=}")
        self.scale = LayerScale(channels, layer_scale)
        self.depthwise = nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.expand = nn.Linear(channels, expansion * channels)
        self.act = nn.GELU()
        self.project = nn.Linear(expansion * channels, channels)
        self.drop = StochasticDepth(drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, (B, C, H, W) -> (B, C, H, W)."""
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.project(self.act(self.expand(y))).permute(0, 3, 1, 2)
        out: Tensor = self.drop(self.scale(y))
        out += x
        return out


class ConvNeXt(nn.Module):
    """Patches of 4 x 4 pixels, stages of blocks with 2 x 2 steps between them, the mean over places, a linear layer.

    Args:
        depths: blocks in each stage.
        widths: channels of each stage.
        layer_scale: factor with which every block's branch starts.
        drop_path_rate: of stochastic depth, in [0, 1]: it grows from 0 in the first block to this in the last.
        num_classes, in_channels: width of the last layer, channels of the pictures; >= 1.

    Attributes:
        stem, stages, head: the parts, in this order. Every stage but the first begins with its step.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits. H and W at least 4 * 2 ** (stages - 1); 32 with four.

    Raises:
        ValueError: for sizes < 1, not as many depths as widths, or a rate outside [0, 1].

    Source: Liu et al. 2022, arXiv:2201.03545, section 3 and table 9; torchvision.models.ConvNeXt, whose weights fit.
    First weights are theirs: normal with deviation 0.02, biases 0.

    Example:
        >>> import torch
        >>> model = ConvNeXt((1, 1), (8, 16), num_classes=10)
        >>> model(torch.zeros(2, 3, 16, 16)).shape, model.forward_features(torch.zeros(2, 3, 16, 16)).shape
        (torch.Size([2, 10]), torch.Size([2, 16, 2, 2]))
    """

    def __init__(
        self,
        depths: Sequence[int],
        widths: Sequence[int],
        *,
        layer_scale: float = 1e-6,
        drop_path_rate: float = 0.0,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if not depths or len(depths) != len(widths) or min(*depths, *widths, num_classes, in_channels) < 1:
            raise ValueError(
                "need as many depths as widths and all sizes >= 1, got "
                f"{tuple(depths)}, {tuple(widths)}, {num_classes=}, {in_channels=}"
            )
        self.stem = nn.Sequential(nn.Conv2d(in_channels, widths[0], 4, stride=4), LayerNorm2d(widths[0]))
        stages, total = [], max(1, sum(depths) - 1)
        for i, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            layers: OrderedDict[str, nn.Module] = OrderedDict()
            if i > 0:
                below = widths[i - 1]
                layers["step"] = nn.Sequential(LayerNorm2d(below), nn.Conv2d(below, width, 2, stride=2))
            for j in range(depth):
                rate = drop_path_rate * (sum(depths[:i]) + j) / total
                layers[f"block{j + 1}"] = ConvNeXtBlock(width, layer_scale=layer_scale, drop_rate=rate)
            stages.append(nn.Sequential(layers))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(
            OrderedDict(norm=nn.LayerNorm(widths[-1], eps=1e-6), fc=nn.Linear(widths[-1], num_classes))
        )
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the last map, (B, in_channels, H, W) -> (B, widths[-1], H / 32, W / 32), rounded down."""
        maps: Tensor = self.stages(self.stem(x))
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, in_channels, H, W) -> (B, num_classes)."""
        logits: Tensor = self.head(self.forward_features(x).mean((2, 3)))
        return logits


def convnext_tiny(*, num_classes: int = 1000, in_channels: int = 3, drop_path_rate: float = 0.1) -> ConvNeXt:
    """Return ConvNeXt-T: 28,589,128 parameters at 1000 classes. Source: Liu et al. 2022, section 3."""
    return _sized((3, 3, 9, 3), 96, num_classes, in_channels, drop_path_rate)


def convnext_small(*, num_classes: int = 1000, in_channels: int = 3, drop_path_rate: float = 0.4) -> ConvNeXt:
    """Return ConvNeXt-S: 50,223,688 parameters at 1000 classes. Source: Liu et al. 2022, section 3."""
    return _sized((3, 3, 27, 3), 96, num_classes, in_channels, drop_path_rate)


def convnext_base(*, num_classes: int = 1000, in_channels: int = 3, drop_path_rate: float = 0.5) -> ConvNeXt:
    """Return ConvNeXt-B: 88,591,464 parameters at 1000 classes. Source: Liu et al. 2022, section 3."""
    return _sized((3, 3, 27, 3), 128, num_classes, in_channels, drop_path_rate)


def convnext_large(*, num_classes: int = 1000, in_channels: int = 3, drop_path_rate: float = 0.5) -> ConvNeXt:
    """Return ConvNeXt-L: 197,767,336 parameters at 1000 classes. Source: Liu et al. 2022, section 3."""
    return _sized((3, 3, 27, 3), 192, num_classes, in_channels, drop_path_rate)


def _sized(depths: Sequence[int], width: int, num_classes: int, in_channels: int, drop_path_rate: float) -> ConvNeXt:
    widths = (width, 2 * width, 4 * width, 8 * width)
    return ConvNeXt(depths, widths, drop_path_rate=drop_path_rate, num_classes=num_classes, in_channels=in_channels)
