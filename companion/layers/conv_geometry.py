"""How the windows of a convolution lie in an image, and what must fit together."""

from typing import NamedTuple

from torch import Tensor

Pair = int | tuple[int, int]
"""One number for rows and columns alike, or one for each."""


class Axis(NamedTuple):
    """How windows lie along the rows or the columns: all in pixels, `before` and `after` count zeros."""

    kernel: int
    stride: int
    dilation: int
    before: int
    after: int

    @property
    def span(self) -> int:
        """Pixels from the first to the last that the kernel touches, both counted."""
        return self.dilation * (self.kernel - 1) + 1

    def windows(self, size: int) -> int:
        """Number of windows along an axis of `size` pixels."""
        padded = size + self.before + self.after
        if padded < self.span:
            raise ValueError(
                f"a kernel of {self.kernel} with dilation {self.dilation} spans {self.span} pixels, "
                f"the image with its padding has {padded}"
            )
        return (padded - self.span) // self.stride + 1


def axes_of(kernel_size: Pair, stride: Pair, padding: Pair | str, dilation: Pair) -> tuple[Axis, Axis]:
    """Return how windows lie along rows and columns; arguments and errors as of `companion.layers.conv.conv2d`."""
    kernels = as_pair("kernel_size", kernel_size, least=1)
    strides = as_pair("stride", stride, least=1)
    dilations = as_pair("dilation", dilation, least=1)
    pads: list[tuple[int, int]]
    if padding == "same":
        if strides != (1, 1):
            raise ValueError(f"padding 'same' needs stride 1, got {stride}")
        total = [d * (k - 1) for k, d in zip(kernels, dilations, strict=True)]
        pads = [(zeros // 2, zeros - zeros // 2) for zeros in total]
    elif padding == "valid":
        pads = [(0, 0), (0, 0)]
    elif isinstance(padding, str):
        raise ValueError(f"padding must be a number, a pair, 'same' or 'valid', got {padding!r}")
    else:
        pads = [(zeros, zeros) for zeros in as_pair("padding", padding, least=0)]
    rows, columns = (Axis(kernels[i], strides[i], dilations[i], *pads[i]) for i in range(2))
    return rows, columns


def as_pair(name: str, value: Pair, *, least: int) -> tuple[int, int]:
    """Return a number as a pair, or the pair itself; raise TypeError or ValueError for anything else."""
    pair = (value, value) if isinstance(value, int) else value
    if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(isinstance(one, int) for one in pair):
        raise TypeError(f"{name} must be a whole number or a pair of them, got {value!r}")
    if min(pair) < least:
        raise ValueError(f"{name} must be >= {least}, got {value}")
    return pair[0], pair[1]


def require_axes(name: str, tensor: Tensor, axes: int) -> Tensor:
    """Return the tensor; raise ValueError if it has another number of axes or no elements."""
    if tensor.ndim != axes or not tensor.numel():
        raise ValueError(f"{name} must have {axes} axes, none empty, got shape {tuple(tensor.shape)}")
    return tensor


def check_shapes(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int, *, in_axis: int) -> None:
    """Raise ValueError unless the shapes fit: `in_axis` of the weight meets x, 1 in a convolution, 0 transposed."""
    require_axes("x", x, 4)
    require_axes("weight", weight, 4)
    shape = list(weight.shape[:2])
    shape[1] *= groups
    C_in, C_out = shape[in_axis], shape[1 - in_axis]
    check_channels(C_in, C_out, groups)
    if x.shape[1] != C_in:
        raise ValueError(
            f"weight {tuple(weight.shape)} with {groups} groups needs {C_in} input channels, got x {tuple(x.shape)}"
        )
    if bias is not None and bias.shape != (C_out,):
        raise ValueError(f"bias must have shape ({C_out},), got {tuple(bias.shape)}")


def check_channels(in_channels: int, out_channels: int, groups: int) -> None:
    """Raise ValueError for channels that groups do not divide, or for none."""
    if min(in_channels, out_channels, groups) < 1 or in_channels % groups or out_channels % groups:
        raise ValueError(
            f"channels must be >= 1 and divisible by groups, got {in_channels} in, {out_channels} out, {groups} groups"
        )
