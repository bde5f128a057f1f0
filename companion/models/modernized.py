"""From ResNet-50 to ConvNeXt in twelve changes, each of which leaves a network that can be built, counted and trained.

Letters: B pictures, C channels, H rows, W columns.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

from torch import Tensor, nn

from companion.layers.norm import LayerNorm2d
from companion.layers.scale import LayerScale

Order = Literal["bottleneck", "inverted", "depthwise first"]
"""Where a block is wide, and where its window sits: wide-narrow-wide with the window in the middle, narrow-wide-narrow
with the window in the middle, or the window first and then narrow-wide-narrow."""


@dataclass(frozen=True)
class Design:
    """What a network of the path is made of; the defaults are ResNet-50's.

    Args:
        depths: blocks in each stage.
        width: channels of the narrow end of a block in the first stage; it doubles from stage to stage.
        stem: "conv and pool" (7 x 7 with stride 2, then pooling with stride 2) or "patches" (4 x 4 with stride 4).
        order: of a block's three convolutions; see `Order`.
        depthwise: whether the convolution with the window sees every channel by itself.
        kernel_size: side of that window, odd.
        activation: makes the activations.
        few_activations: only the one between the last two convolutions stays, none behind the sum or the stem.
        few_norms: only the one behind the window stays.
        norm: makes the norms from the number of channels.
        steps: a convolution of 2 x 2 with stride 2 between stages, with a norm before it, one behind the stem and one
            before the classifier; no block changes shapes any more.
        layer_scale: factor with which every block's branch starts; None for none.
    """

    depths: tuple[int, ...] = (3, 4, 6, 3)
    width: int = 64
    stem: Literal["conv and pool", "patches"] = "conv and pool"
    order: Order = "bottleneck"
    depthwise: bool = False
    kernel_size: int = 3
    activation: Callable[[], nn.Module] = nn.ReLU
    few_activations: bool = False
    few_norms: bool = False
    norm: Callable[[int], nn.Module] = nn.BatchNorm2d
    steps: bool = False
    layer_scale: float | None = None

    def channels(self, stage: int) -> tuple[int, int]:
        """Return (channels between blocks, channels of the window) in a stage, counted from 0."""
        narrow = self.width * 2**stage
        ends = 4 * narrow if self.order == "bottleneck" else narrow
        return ends, 4 * narrow if self.order == "inverted" else narrow


CHANGES: tuple[tuple[str, dict[str, object]], ...] = (
    ("ResNet-50", {}),
    ("stage ratio", {"depths": (3, 3, 9, 3)}),
    ("patches", {"stem": "patches"}),
    ("depthwise", {"depthwise": True}),
    ("wider", {"width": 96}),
    ("inverted", {"order": "inverted"}),
    ("window first", {"order": "depthwise first"}),
    ("window 7", {"kernel_size": 7}),
    ("GELU", {"activation": nn.GELU}),
    ("one activation", {"few_activations": True}),
    ("one norm", {"few_norms": True}),
    ("LayerNorm", {"norm": LayerNorm2d}),
    ("steps apart", {"steps": True}),
)
"""The path: a name for every stop, and what changes there against the stop before.
Source: Liu et al. 2022, "A ConvNet for the 2020s", arXiv:2201.03545, sections 2.2 to 2.6."""


def path(start: Design | None = None, **scaled: object) -> dict[str, Design]:
    """Return the designs of all stops, in order.

    Args:
        start: where the path begins; ResNet-50 by default.
        scaled: other values for what a change sets, where the network is not of ResNet-50's size (`depths`, `width`).

    Raises:
        ValueError: for a name that no change sets.

    Example:
        >>> [name for name, design in path().items() if design.kernel_size == 7][0]
        'window 7'
    """
    known = {name for _, change in CHANGES for name in change}
    if unknown := sorted(set(scaled) - known):
        raise ValueError(f"no change sets {unknown}; there are {sorted(known)}")
    design, designs = start or Design(), {}
    for name, change in CHANGES:
        changed = {key: scaled.get(key, value) for key, value in change.items()}
        design = replace(design, **changed)  # type: ignore[arg-type]
        designs[name] = design
    return designs


class ModernizedBlock(nn.Module):
    """Three convolutions and a shortcut, as the design orders them.

    Args:
        in_channels: of the input.
        stage: counted from 0; the design says how many channels that means.
        design: of the network.
        stride: of the convolution with the window, and of the shortcut.

    Shape:
        (B, in_channels, H, W) -> (B, C, ceil(H / stride), ceil(W / stride))
    """

    def __init__(self, in_channels: int, stage: int, design: Design, *, stride: int = 1) -> None:
        super().__init__()
        ends, spatial = design.channels(stage)
        narrow, size = design.width * 2**stage, design.kernel_size
        convolutions = {  # in, out, side
            "bottleneck": [(in_channels, narrow, 1), (narrow, narrow, size), (narrow, ends, 1)],
            "inverted": [(in_channels, spatial, 1), (spatial, spatial, size), (spatial, ends, 1)],
            "depthwise first": [(in_channels, in_channels, size), (in_channels, 4 * narrow, 1), (4 * narrow, ends, 1)],
        }[design.order]
        window = 0 if design.order == "depthwise first" else 1
        self.scale = nn.Identity() if design.layer_scale is None else LayerScale(ends, design.layer_scale)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for i, (below, above, side) in enumerate(convolutions):
            norm = design.norm if i == window or not design.few_norms else None
            layers[f"conv{i + 1}"] = _conv(
                below,
                above,
                side,
                stride=stride if i == window else 1,
                groups=below if i == window and design.depthwise else 1,
                norm=norm,
            )
            if norm is not None:
                layers[f"norm{i + 1}"] = norm(above)
            if i == 1 or (i == 0 and not design.few_activations):
                layers[f"act{i + 1}"] = design.activation()
        self.branch = nn.Sequential(layers)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_channels != ends:
            projection = _conv(in_channels, ends, 1, stride=stride, norm=design.norm)
            self.shortcut = nn.Sequential(projection, design.norm(ends))
        self.act = nn.Identity() if design.few_activations else design.activation()

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        out: Tensor = self.act(self.scale(self.branch(x)) + self.shortcut(x))
        return out


class ModernizedResNet(nn.Module):
    """The network of one stop of the path.

    Args:
        design: what it is made of; `path` lists the stops.
        num_classes, in_channels: width of the last layer, channels of the pictures; >= 1.

    Attributes:
        stem, stages, head: the parts, in this order.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits.

    Raises:
        ValueError: for sizes < 1, an even kernel_size, an unknown order or stem.

    Source: Liu et al. 2022, arXiv:2201.03545, section 2. The first stop is torchvision's ResNet-50, the last (with
    layer_scale) its ConvNeXt-T, weight by weight. Differs, or is not said there: the norm of a shortcut stays where
    a block keeps one norm; first weights are torch's own, since a network of the path may have ReLUs or GELUs.

    Example:
        >>> design = path(depths=(1, 1), width=8)["inverted"]
        >>> model = ModernizedResNet(design, num_classes=10)
        >>> sum(p.numel() for p in model.parameters())
        4074
    """

    def __init__(self, design: Design, *, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        sizes = (*design.depths, design.width, design.kernel_size, num_classes, in_channels)
        if not design.depths or min(sizes) < 1 or design.kernel_size % 2 == 0:
            raise ValueError(
                "need stages, sizes >= 1 and an odd kernel_size, got "
                f"{design.depths=}, {design.width=}, {design.kernel_size=}, {num_classes=}, {in_channels=}"
            )
        if design.stem not in ("conv and pool", "patches") or design.order not in get_args(Order):
            raise ValueError(f"unknown stem {design.stem!r} or order {design.order!r}")
        self.stem = _stem(design, in_channels)
        stages, channels = [], design.width
        for i, depth in enumerate(design.depths):
            ends, layers = design.channels(i)[0], list[nn.Module]()
            if design.steps and i > 0:
                step = _conv(channels, ends, 2, stride=2, padding=0)
                layers.append(nn.Sequential(design.norm(channels), step))
                channels = ends
            for j in range(depth):
                stride = 2 if i > 0 and j == 0 and not design.steps else 1
                layers.append(ModernizedBlock(channels, i, design, stride=stride))
                channels = ends
            stages.append(nn.Sequential(*layers))
        self.stages = nn.Sequential(*stages)
        head: OrderedDict[str, nn.Module] = OrderedDict(pool=nn.AdaptiveAvgPool2d(1))
        if design.steps:
            head["norm"] = design.norm(channels)
        head |= OrderedDict(flatten=nn.Flatten(), fc=nn.Linear(channels, num_classes))
        self.head = nn.Sequential(head)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the last map, (B, in_channels, H, W) -> (B, C, H / 32, W / 32)."""
        maps: Tensor = self.stages(self.stem(x))
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, in_channels, H, W) -> (B, num_classes)."""
        logits: Tensor = self.head(self.forward_features(x))
        return logits


def _stem(design: Design, in_channels: int) -> nn.Sequential:
    width, layers = design.width, OrderedDict[str, nn.Module]()
    large = design.stem == "conv and pool"
    size, stride, padding = (7, 2, 3) if large else (4, 4, 0)
    layers["conv"] = _conv(in_channels, width, size, stride=stride, padding=padding, norm=design.norm)
    layers["norm"] = design.norm(width)
    if not design.few_activations:
        layers["act"] = design.activation()
    if large:
        layers["pool"] = nn.MaxPool2d(3, stride=2, padding=1)
    return nn.Sequential(layers)


def _conv(
    in_channels: int,
    out_channels: int,
    size: int,
    *,
    stride: int = 1,
    padding: int | None = None,
    groups: int = 1,
    norm: Callable[[int], nn.Module] | None = None,
) -> nn.Conv2d:
    """Return a convolution, without a bias where batch normalization would subtract it again."""
    padding = size // 2 if padding is None else padding
    bias = norm is not nn.BatchNorm2d
    return nn.Conv2d(in_channels, out_channels, size, stride=stride, padding=padding, groups=groups, bias=bias)
