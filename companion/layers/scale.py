"""A learned factor on each channel of a residual branch."""

import torch
from torch import Tensor, nn


class LayerScale(nn.Module):
    """Multiply each channel by a number of its own, which starts tiny and is learned.

    At the end of a residual branch it lets every block start as almost nothing but its shortcut.

    Args:
        channels: number of channels, C >= 1.
        init: the factor that all channels start with.
        trailing: how many dimensions follow that of the channels: 2 for maps, 0 for rows of features.

    Attributes:
        weight: the factors, (C, 1, ..., 1) with `trailing` ones.

    Shape:
        (*, C, d_1, ..., d_trailing) -> the same.

    Raises:
        ValueError: if channels < 1 or trailing < 0.

    Source: Touvron et al. 2021, "Going deeper with Image Transformers", arXiv:2103.17239, section 2; init as in Liu
    et al. 2022, arXiv:2201.03545. timm's LayerScale is this one with trailing=0, its LayerScale2d with 2.

    Example:
        >>> LayerScale(2, init=0.5)(torch.ones(1, 2, 1, 1)).flatten().tolist()
        [0.5, 0.5]
    """

    def __init__(self, channels: int, init: float = 1e-6, *, trailing: int = 2) -> None:
        super().__init__()
        if channels < 1 or trailing < 0:
            raise ValueError(f"need channels >= 1 and trailing >= 0, got {channels} and {trailing}")
        self.weight = nn.Parameter(torch.full((channels, *[1] * trailing), float(init)))

    def forward(self, x: Tensor) -> Tensor:
        """Return x with its channels scaled."""
        return x * self.weight

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return str(len(self.weight))
