"""From a cell as data to a network that can be trained.

Letters: B pictures, C channels, H rows, W columns.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from companion.layers.conv_norm import ConvNormActivation
from companion.nas.space import Cell, CellSpace


class Zero(nn.Module):
    """Zeros of the shape of the input: the operation that is not there."""

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros."""
        return torch.zeros_like(x)


def _convolution(kernel_size: int) -> Callable[[int, bool], nn.Module]:
    def make(channels: int, affine: bool) -> nn.Module:
        return nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2, bias=False),
            nn.BatchNorm2d(channels, affine=affine),
        )

    return make


OPERATIONS: dict[str, Callable[[int, bool], nn.Module]] = {
    "none": lambda channels, affine: Zero(),
    "skip": lambda channels, affine: nn.Identity(),
    "conv_1x1": _convolution(1),
    "conv_3x3": _convolution(3),
    "avg_pool_3x3": lambda channels, affine: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
}
"""What can lie on an edge: makes the layer from the number of channels, and whether its norm has weights of its own.

All keep the shape (B, C, H, W). A convolution is ReLU, convolution, batch norm. Source: arXiv:2001.00326, section 2.1.
"""


class CellLayer(nn.Module):
    """One cell: every node the sum of what its edges bring; (B, C, H, W) -> (B, C, H, W).

    Edges that cannot change the output (`CellSpace.live_edges`) are left out, so they cost nothing.
    """

    def __init__(self, space: CellSpace, cell: Cell, channels: int) -> None:
        super().__init__()
        live = space.live_edges(cell)
        self.ends = [edge for edge, alive in zip(space.edges, live, strict=True) if alive]
        names = [name for name, alive in zip(cell, live, strict=True) if alive]
        self.nodes = space.nodes
        self.edges = nn.ModuleList(OPERATIONS[name](channels, True) for name in names)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output node; zeros if no way leads to it."""
        sums: dict[int, Tensor] = {0: x}
        for (i, j), operation in zip(self.ends, self.edges, strict=True):
            arrived = operation(sums[i])
            sums[j] = sums[j] + arrived if j in sums else arrived
        return sums.get(self.nodes - 1, torch.zeros_like(x))


class CellNetwork(nn.Module):
    """A small network for pictures around one cell, repeated: stem, stages of cells, global average, linear layer.

    Between stages a 3x3 convolution with stride 2 doubles the channels.

    Args:
        space, cell: what to build.
        channels: channels of the first stage, >= 1.
        stages: number of stages, >= 1.
        cells_per_stage: cells in each stage, >= 1.
        num_classes, in_channels: width of the last layer, channels of the pictures; >= 1.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits.

    Raises:
        ValueError: for sizes < 1, a cell that is not of the space, or operations that nobody here can build.

    Source: Dong & Yang 2020, arXiv:2001.00326, section 2.1. Differs: narrower, with as many stages and cells as
    wanted, and a plain convolution instead of a residual block between stages.
    """

    def __init__(
        self,
        space: CellSpace,
        cell: Cell,
        *,
        channels: int = 8,
        stages: int = 2,
        cells_per_stage: int = 1,
        num_classes: int = 10,
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        check_operations(space)
        self.cell = cell
        self.stem, self.stages, self.head = skeleton(
            lambda width: CellLayer(space, cell, width), channels, stages, cells_per_stage, num_classes, in_channels
        )

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the last maps, (B, in_channels, H, W) -> (B, C, h, w)."""
        x = self.stem(x)
        for layer in self.stages:
            x = layer(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, in_channels, H, W) -> (B, num_classes)."""
        logits: Tensor = self.head(self.forward_features(x))
        return logits


def check_operations(space: CellSpace) -> None:
    """Raise ValueError unless every operation of the space can be built."""
    unknown = [name for name in space.operations if name not in OPERATIONS]
    if unknown:
        raise ValueError(f"operations that can be built are {', '.join(OPERATIONS)}; got {', '.join(unknown)}")


def skeleton(
    make_cell: Callable[[int], nn.Module],
    channels: int,
    stages: int,
    cells_per_stage: int,
    num_classes: int,
    in_channels: int,
) -> tuple[nn.Module, nn.ModuleList, nn.Module]:
    """Return stem, cells with the convolutions between stages, and head; see `CellNetwork`.

    Raises:
        ValueError: for sizes < 1.
    """
    sizes = {"channels": channels, "stages": stages, "cells_per_stage": cells_per_stage}
    sizes |= {"num_classes": num_classes, "in_channels": in_channels}
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be >= 1, got {size}")
    stem = ConvNormActivation(in_channels, channels, activation=None)
    layers: list[nn.Module] = []
    for stage in range(stages):
        width = channels * 2**stage
        if stage:
            layers.append(ConvNormActivation(width // 2, width, stride=2, activation=None))
        layers += [make_cell(width) for _ in range(cells_per_stage)]
    head = nn.Sequential(
        nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes)
    )
    return stem, nn.ModuleList(layers), head
