"""NASNet-A: a network of two cells that a search found, stacked by hand.

Letters: B pictures, C channels, H rows, W columns.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Step = tuple[str, int]
"""An operation and the state that it reads: 0 the previous map, 1 the current one, 2 + i the sum of block i."""


class CellPlan(NamedTuple):
    """What a search decides of a cell: five blocks, each the sum of two steps, and the states that are its output."""

    blocks: tuple[tuple[Step, Step], ...]
    output: tuple[int, ...]


NORMAL = CellPlan(
    blocks=(
        (("sep_conv_5x5", 1), ("sep_conv_3x3", 0)),
        (("sep_conv_5x5", 0), ("sep_conv_3x3", 0)),
        (("avg_pool_3x3", 1), ("identity", 0)),
        (("avg_pool_3x3", 0), ("avg_pool_3x3", 0)),
        (("sep_conv_3x3", 1), ("identity", 1)),
    ),
    output=(0, 2, 3, 4, 5, 6),
)
"""The cell that keeps height and width. Its output holds the previous map as well, as in the published code."""

REDUCTION = CellPlan(
    blocks=(
        (("sep_conv_5x5", 1), ("sep_conv_7x7", 0)),
        (("max_pool_3x3", 1), ("sep_conv_7x7", 0)),
        (("avg_pool_3x3", 1), ("sep_conv_5x5", 0)),
        (("identity", 3), ("avg_pool_3x3", 2)),
        (("sep_conv_3x3", 2), ("max_pool_3x3", 1)),
    ),
    output=(3, 4, 5, 6),
)
"""The cell that halves height and width: its steps that read state 0 or 1 have stride 2."""


class PadSame(nn.Module):
    """Zeros (or `value`) on the edges, so that a window with stride 2 makes ceil(side / 2) places of each side.

    Where the number of rows or columns to add is odd, the larger part goes to the lower and right edge.

    Shape:
        (B, C, H, W) -> (B, C, H', W')
    """

    def __init__(self, kernel_size: int, *, value: float = 0.0) -> None:
        super().__init__()
        self.kernel_size, self.value = kernel_size, value

    def forward(self, x: Tensor) -> Tensor:
        """Return the padded maps."""
        rows, columns = (max(0, self.kernel_size - (2 - side % 2)) for side in x.shape[-2:])
        edges = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        return F.pad(x, edges, value=self.value)


class FactorizedReduction(nn.Module):
    """Halve height and width by two 1x1 convolutions with stride 2, one on even places, one on odd; then a norm.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, ceil(H / 2), ceil(W / 2)); out_channels is even.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(in_channels, out_channels // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(in_channels, out_channels // 2, 1, stride=2, bias=False)
        self.norm = _norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the halved maps; beyond the lower and right edge there are zeros."""
        x = x.relu()
        shifted = F.pad(x, (-1, 1, -1, 1))
        maps: Tensor = self.norm(torch.cat([self.even(x), self.odd(shifted)], 1))
        return maps


class Cell(nn.Module):
    """A cell built after its plan from the outputs of the two cells before it.

    Args:
        plan: what to compute.
        previous_channels, in_channels: channels of the previous and of the current map.
        channels: channels of every state; the output has `channels * len(plan.output)`.
        stride: 1, or 2 for a cell that halves height and width.
        previous: how the previous map becomes as wide and high as the current one: "project" by a 1x1
            convolution, "halve" where it is twice as high and wide, "as it is" where the first step that reads it
            does the rest.

    Shape:
        previous (B, previous_channels, H, W) or twice as high and wide, current (B, in_channels, H, W)
        -> (B, channels * len(plan.output), ceil(H / stride), ceil(W / stride))
    """

    def __init__(
        self,
        plan: CellPlan,
        previous_channels: int,
        in_channels: int,
        channels: int,
        *,
        stride: int = 1,
        previous: str = "project",
    ) -> None:
        super().__init__()
        self.plan, self.stride = plan, stride
        fit_current = _project(in_channels, channels)
        if previous == "project":
            self.fit_previous: nn.Module = _project(previous_channels, channels)
            self.fit_current = fit_current
        else:  # the published weights list these two the other way round here
            self.fit_current = fit_current
            halve = previous == "halve"
            self.fit_previous = FactorizedReduction(previous_channels, channels) if halve else nn.Identity()
        width_of_state = (previous_channels if previous == "as it is" else channels, channels)
        self.steps = nn.ModuleList(
            _operation(name, (*width_of_state, *[channels] * 5)[state], channels, stride if state < 2 else 1)
            for block in plan.blocks
            for name, state in block
        )

    def forward(self, previous: Tensor, current: Tensor) -> Tensor:
        """Return the states named in the plan's output, one behind the other."""
        states = [self.fit_previous(previous), self.fit_current(current)]
        for i, ((_, first), (_, second)) in enumerate(self.plan.blocks):
            states.append(self.steps[2 * i](states[first]) + self.steps[2 * i + 1](states[second]))
        return torch.cat([states[state] for state in self.plan.output], 1)


class NASNet(nn.Module):
    """NASNet-A: a stem with two reduction cells, then three stages of normal cells with reductions between them.

    Args:
        cells_per_stage: normal cells in each of the three stages, >= 1; the paper's N.
        penultimate_channels: channels of the last maps, a multiple of 96; the paper writes N @ this number.
        stem_channels: channels of the first convolution.
        skip_reduction: what the first cell behind a reduction takes as its previous map: True is the map that the
            reduction took as its own previous one, False the map that the reduction halved.
        num_classes: width of the last layer, >= 1.
        in_channels: channels of the pictures, >= 1.
        dropout: probability, in [0, 1), with which an input of the last layer is dropped.

    Shape:
        (B, in_channels, H, W), H and W at least 33 -> (B, num_classes), logits.

    Raises:
        ValueError: for sizes < 1, penultimate_channels that 96 does not divide, or a dropout outside [0, 1).

    Source: Zoph et al. 2018, "Learning Transferable Architectures for Scalable Image Recognition",
    arXiv:1707.07012, figure 4 and appendix A; timm.models.nasnet. Differs: no auxiliary head and no scheduled drop
    path, which work in training only; average pools with stride 2 count the zeros at the edge, as timm's do.
    """

    def __init__(
        self,
        *,
        cells_per_stage: int,
        penultimate_channels: int,
        stem_channels: int,
        skip_reduction: bool,
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        sizes = {"cells_per_stage": cells_per_stage, "penultimate_channels": penultimate_channels}
        sizes |= {"stem_channels": stem_channels, "num_classes": num_classes, "in_channels": in_channels}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"{name} must be >= 1, got {size}")
        if penultimate_channels % 96:
            raise ValueError(f"penultimate_channels must be a multiple of 96, got {penultimate_channels}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), got {dropout}")
        self.num_classes, self.in_channels, self.skip_reduction = num_classes, in_channels, skip_reduction
        width = penultimate_channels // 24
        self.stem = nn.Sequential(nn.Conv2d(in_channels, stem_channels, 3, stride=2, bias=False), _norm(stem_channels))
        self.stem_cells = nn.ModuleList(
            [
                Cell(REDUCTION, stem_channels, stem_channels, width // 4, stride=2, previous="as it is"),
                Cell(REDUCTION, stem_channels, width, width // 2, stride=2, previous="halve"),
            ]
        )
        self.stages = nn.ModuleList()
        before, now = width, 2 * width  # channels of the previous and of the current map
        for stage in range(3):
            channels = width * 2**stage
            if stage:
                self.stages.append(Cell(REDUCTION, before, now, channels, stride=2))
                before, now = before if skip_reduction else now, 4 * channels
            for i in range(cells_per_stage):
                self.stages.append(Cell(NORMAL, before, now, channels, previous="project" if i else "halve"))
                before, now = now, 6 * channels
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(now, num_classes)
        )

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the last maps, (B, in_channels, H, W) -> (B, penultimate_channels, h, w), behind a ReLU."""
        previous = x = self.stem(x)
        for cell in self.stem_cells:
            previous, x = x, cell(previous, x)
        for cell in self.stages:
            out = cell(previous, x)
            previous = previous if self.skip_reduction and cell.stride == 2 else x
            x = out
        return F.relu(x)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, in_channels, H, W) -> (B, num_classes)."""
        logits: Tensor = self.head(self.forward_features(x))
        return logits


def nasnet_a_mobile(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.0) -> NASNet:
    """NASNet-A (4 @ 1056): 5,289,978 parameters at 1000 classes, for 224 x 224 pixels.

    Source: Zoph et al. 2018, arXiv:1707.07012, table 2; the authors' published configuration for mobile devices.
    """
    return NASNet(
        cells_per_stage=4,
        penultimate_channels=1056,
        stem_channels=32,
        skip_reduction=False,
        num_classes=num_classes,
        in_channels=in_channels,
        dropout=dropout,
    )


def nasnet_a_large(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.0) -> NASNet:
    """NASNet-A (6 @ 4032): 88,753,150 parameters at 1000 classes, for 331 x 331 pixels; timm's nasnetalarge.

    Source: Zoph et al. 2018, arXiv:1707.07012, table 2.
    """
    return NASNet(
        cells_per_stage=6,
        penultimate_channels=4032,
        stem_channels=96,
        skip_reduction=True,
        num_classes=num_classes,
        in_channels=in_channels,
        dropout=dropout,
    )


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def _project(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), nn.Conv2d(in_channels, out_channels, 1, bias=False), _norm(out_channels))


def _operation(name: str, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Return a step of a cell; with stride 2, edges are padded as TensorFlow's SAME does."""
    if name == "identity":
        return nn.Identity()
    kernel_size = int(name[-1])
    if name.startswith("sep_conv"):
        return _separable(in_channels, out_channels, kernel_size, stride)
    largest = name.startswith("max_pool")
    if stride == 1:
        return nn.AvgPool2d(kernel_size, stride=1, padding=kernel_size // 2, count_include_pad=False)
    pool = nn.MaxPool2d(kernel_size, stride=2) if largest else nn.AvgPool2d(kernel_size, stride=2)
    return nn.Sequential(PadSame(kernel_size, value=-math.inf if largest else 0.0), pool)


def _separable(in_channels: int, out_channels: int, kernel_size: int, stride: int) -> nn.Sequential:
    """Return ReLU, depthwise and pointwise convolution and norm, twice in a row; only the first has the stride."""
    layers: list[nn.Module] = []
    for channels, step in ((in_channels, stride), (out_channels, 1)):
        layers.append(nn.ReLU(inplace=bool(layers)))  # the first ReLU's input is read by other steps too
        if step == 2:
            layers.append(PadSame(kernel_size))
        padding = 0 if step == 2 else kernel_size // 2
        layers += [
            nn.Conv2d(channels, channels, kernel_size, stride=step, padding=padding, groups=channels, bias=False),
            nn.Conv2d(channels, out_channels, 1, bias=False),
            _norm(out_channels),
        ]
    return nn.Sequential(*layers)
