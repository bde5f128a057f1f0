"""What an output of a real model sees of its input, measured by the gradient."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from companion.analysis.running import undisturbed


class Box(NamedTuple):
    """A rectangle of pixels: first and last row, first and last column, all inside."""

    rows: tuple[int, int]
    columns: tuple[int, int]


def effective_receptive_field(
    model: nn.Module,
    input_size: tuple[int, int, int],
    position: tuple[int, int] | None = None,
    *,
    samples: int = 16,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return how much each pixel of the input moves one place of the output: the mean size of the gradient.

    The outputs of all channels at that place are added up with random signs, and the absolute value of the sum's
    gradient is averaged over input channels and over inputs drawn from N(0, 1). The model runs in evaluation mode
    and is left as it was, its `.grad`s included.

    Args:
        model: maps (N, C_in, H, W) to (N, C_out, H', W').
        input_size: (C_in, H, W).
        position: row and column in the output map; by default its middle.
        samples: number of inputs, >= 1. Layers that choose, such as max pooling, show all of their reach only over
            many.
        generator: draws inputs and signs; by default one with the seed 0.

    Returns:
        (H, W), non-negative, on the model's device.

    Raises:
        ValueError: if a size or the number of samples is not positive, the output is not a map, or the position lies
            outside of it.

    Source: Luo et al. 2016, arXiv:1701.04128, section 3. Differs: absolute values, all channels.
    """
    if len(input_size) != 3 or min(input_size) < 1:
        raise ValueError(f"input_size must be three positive numbers (C, H, W), got {input_size}")
    if samples < 1:
        raise ValueError(f"samples must be >= 1, got {samples}")
    like = next(model.parameters(), torch.empty(()))
    generator = generator or torch.Generator().manual_seed(0)
    x = torch.randn(samples, *input_size, generator=generator, dtype=torch.float64)
    x = x.to(device=like.device, dtype=like.dtype).requires_grad_()
    with undisturbed(model), torch.enable_grad():
        z = model(x)
        if z.ndim != 4:
            raise ValueError(f"the output must be a map (N, C, H, W), got shape {tuple(z.shape)}")
        height, width = z.shape[2:]
        row, column = (height // 2, width // 2) if position is None else position
        if not (0 <= row < height and 0 <= column < width):
            raise ValueError(f"position must lie in the {height} x {width} output, got {(row, column)}")
        signs = torch.randn(z.shape[:2], generator=generator, dtype=torch.float64).to(z)
        (gradient,) = torch.autograd.grad((z[:, :, row, column] * signs).sum(), x)
    return gradient.abs().mean(dim=(0, 1))


def measured_receptive_field(
    model: nn.Module,
    input_size: tuple[int, int, int],
    position: tuple[int, int] | None = None,
    *,
    samples: int = 16,
    generator: torch.Generator | None = None,
) -> Box:
    """Return the rows and columns of the input that move one place of the output: where its gradient is not zero.

    `receptive_field` says what the architecture allows, this what the weights use, inside the input. Args and errors
    as in `effective_receptive_field`.

    Raises:
        ValueError: if no pixel moves the output there, for example because all units are dead.

    Example:
        >>> measured_receptive_field(nn.Conv2d(1, 1, 3, dilation=2), (1, 9, 9), (1, 4))
        Box(rows=(1, 5), columns=(4, 8))
    """
    field = effective_receptive_field(model, input_size, position, samples=samples, generator=generator)
    rows, columns = field.nonzero(as_tuple=True)
    if not len(rows):
        raise ValueError(f"no pixel of the input moves the output at {position or 'its middle'}")
    return Box((int(rows.min()), int(rows.max())), (int(columns.min()), int(columns.max())))
