r"""Convolution: from its definition, by loops, and fast, by unfolding.

The loops (in `companion.layers.conv_loops`, imported here too) say what is meant, one product at a time. The fast
functions write all windows of an image side by side and multiply once by the kernels, on any device. Gradients
flow through both.

Letters: N images, C_in and C_out channels, H rows, W columns, K side of the kernel, L windows (H_out W_out),
G groups. Layout (N, C, H, W). Where a size is one number for both axes, a pair (rows, columns) will do too.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from companion.layers.conv_geometry import Axis, Pair, as_pair, axes_of, check_channels, check_shapes, require_axes
from companion.layers.conv_loops import conv2d_loops, convolve1d, convolve2d, cross_correlate2d
from companion.layers.init import fans, kaiming_uniform_

__all__ = [
    "Conv2d",
    "ConvTranspose2d",
    "DepthwiseSeparableConv2d",
    "conv2d",
    "conv2d_loops",
    "conv_transpose2d",
    "convolve1d",
    "convolve2d",
    "cross_correlate2d",
    "fold",
    "unfold",
]


def unfold(x: Tensor, kernel_size: Pair, *, stride: Pair = 1, padding: Pair | str = 0, dilation: Pair = 1) -> Tensor:
    """Write every window of an image as one column (im2col), after a view that copies nothing.

    Args:
        x: images.
        kernel_size: K.
        stride: as in `conv2d`.
        padding: as in `conv2d`.
        dilation: as in `conv2d`.

    Shape:
        (N, C, H, W) -> (N, C K K, L), a window's channels first, then its rows and columns, as in `torch.nn.Unfold`.

    Raises:
        ValueError, TypeError: as `conv2d`.

    Example:
        >>> unfold(torch.arange(6.0).reshape(1, 1, 2, 3), 2)[0].T             # two windows of 2x2
        tensor([[0., 1., 3., 4.],
                [1., 2., 4., 5.]])
    """
    N, C, H, W = require_axes("x", x, 4).shape
    rows, columns = axes_of(kernel_size, stride, padding, dilation)
    L = rows.windows(H) * columns.windows(W)
    padded = F.pad(x, (columns.before, columns.after, rows.before, rows.after))
    view = padded.unfold(2, rows.span, rows.stride).unfold(3, columns.span, columns.stride)
    view = view[..., :: rows.dilation, :: columns.dilation]  # (N, C, H_out, W_out, K, K)
    return view.permute(0, 1, 4, 5, 2, 3).reshape(N, C * rows.kernel * columns.kernel, L)


def fold(
    columns: Tensor,
    output_size: tuple[int, int],
    kernel_size: Pair,
    *,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
) -> Tensor:
    """Add windows back to where `unfold` took them from: its adjoint, not its inverse, for windows overlap.

    Args:
        columns: windows, as `unfold` returns them.
        output_size: (H, W) of the image.
        kernel_size: K.
        stride: that of the `unfold`.
        padding: that of the `unfold`.
        dilation: that of the `unfold`.

    Shape:
        (N, C K K, L) -> (N, C, H, W).

    Raises:
        ValueError: if `unfold` makes no such columns of images of that size; otherwise as `conv2d`.

    Example:
        >>> fold(torch.ones(1, 4, 2), (2, 3), 2)                             # how many windows hold a pixel
        tensor([[[[1., 2., 1.],
                  [1., 2., 1.]]]])
    """
    N, size, L = require_axes("columns", columns, 3).shape
    row_axis, column_axis = axes_of(kernel_size, stride, padding, dilation)
    H_out, W_out = row_axis.windows(output_size[0]), column_axis.windows(output_size[1])
    window = row_axis.kernel * column_axis.kernel
    if size % window or H_out * W_out != L:
        raise ValueError(
            f"an image of {output_size[0]}x{output_size[1]} has {H_out * W_out} windows of {window} values a channel, "
            f"got columns of shape {tuple(columns.shape)}"
        )
    windows = columns.reshape(N, size // window, row_axis.kernel, column_axis.kernel, H_out, W_out)
    return _scatter(windows, output_size, row_axis, column_axis)


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    r"""The convolution of deep learning, as one matrix product with the unfolded windows.

    Args:
        x: images or feature maps.
        weight: kernels.
        bias: one number for each output channel.
        stride: pixels from one window to the next, >= 1.
        padding: rows and columns of zeros on each side, >= 0; "valid" is 0, "same" as many as keep the size
            (one more at the bottom and on the right where the number is odd), for stride 1 only.
        dilation: pixels from one entry of the kernel to the next, >= 1.
        groups: parts of the channels that do not see each other; divides C_in and C_out.

    Shape:
        (N, C_in, H, W), (C_out, C_in / G, K, K), (C_out,) -> (N, C_out, H_out, W_out), where
        H_out = floor((H + 2 pad - D (K - 1) - 1) / S) + 1, and W_out likewise.

    Raises:
        ValueError: shapes that do not fit each other, a window larger than the padded image, a stride or
            dilation < 1, a negative padding, an unknown word, "same" with a stride.
        TypeError: sizes that are no whole numbers.

    Source: Chellapilla, Puri & Simard 2006 (unfolding). Differs: torch also takes one image without its batch.

    Example:
        >>> x = torch.arange(16.0).reshape(1, 1, 4, 4)
        >>> conv2d(x, torch.tensor([[[[-1.0, 1.0]]]]), stride=2)             # right minus left, every second
        tensor([[[[1., 1.],
                  [1., 1.]]]])
    """
    check_shapes(x, weight, bias, groups, in_axis=1)
    N, _, H, W = x.shape
    C_out, C_group, K_H, K_W = weight.shape
    rows, columns = axes_of((K_H, K_W), stride, padding, dilation)
    windows = unfold(x, (K_H, K_W), stride=stride, padding=padding, dilation=dilation)  # (N, C_in K K, L)
    windows = windows.reshape(N, groups, C_group * K_H * K_W, windows.shape[2])
    kernels = weight.reshape(groups, C_out // groups, C_group * K_H * K_W)
    z = (kernels @ windows).reshape(N, C_out, rows.windows(H), columns.windows(W))
    return z if bias is None else z + bias[:, None, None]


def conv_transpose2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    r"""Transposed convolution: every input value paints a copy of the kernel, and where copies overlap they add.

    The adjoint of `conv2d` with the same weight, <conv2d(y, w), x> = <y, conv_transpose2d(x, w)>: what carries
    gradients back through a convolution. It undoes the change of size, not the convolution.

    Args:
        x: images or feature maps.
        weight: kernels, shaped as for the convolution whose adjoint this is.
        bias: one number for each output channel.
        stride: pixels of the output from one copy to the next, >= 1.
        padding: rows and columns cut off from each side of the output, >= 0.
        output_padding: rows and columns more at the bottom and on the right, less than stride or dilation. A
            convolution with a stride makes one size of several; this says which one is meant.
        dilation: pixels of the output from one entry of the kernel to the next, >= 1.
        groups: parts of the channels that do not see each other; divides C_in and C_out.

    Shape:
        (N, C_in, H, W), (C_in, C_out / G, K, K), (C_out,) -> (N, C_out, H_out, W_out), where
        H_out = (H - 1) S - 2 pad + D (K - 1) + output_padding + 1, and W_out likewise.

    Raises:
        ValueError: shapes that do not fit each other, an output without pixels, a number out of its range.
        TypeError: sizes that are no whole numbers.

    Source: Zeiler, Krishnan, Taylor & Fergus 2010, "Deconvolutional networks"; the name is misleading.

    Example:
        >>> conv_transpose2d(torch.tensor([[[[1.0, 2.0]]]]), torch.ones(1, 1, 1, 3), stride=2)
        tensor([[[[1., 1., 3., 2., 2.]]]])
    """
    check_shapes(x, weight, bias, groups, in_axis=0)
    if isinstance(padding, str):
        raise TypeError(f"padding of a transposed convolution must be a number, got {padding!r}")
    N, C_in, H, W = x.shape
    _, C_group, K_H, K_W = weight.shape
    axes = axes_of((K_H, K_W), stride, padding, dilation)
    extra = as_pair("output_padding", output_padding, least=0)
    size = []
    for axis, length, more in zip(axes, (H, W), extra, strict=True):
        if more >= max(axis.stride, axis.dilation):
            raise ValueError(
                f"output_padding must be less than stride {axis.stride} or dilation {axis.dilation}, got {more}"
            )
        size.append((length - 1) * axis.stride + axis.span - axis.before - axis.after + more)
    if min(size) < 1:
        raise ValueError(f"padding {padding} leaves an output of {size[0]}x{size[1]}, each side must be >= 1")
    kernels = weight.reshape(groups, C_in // groups, C_group * K_H * K_W)
    windows = kernels.mT @ x.reshape(N, groups, C_in // groups, H * W)
    y = _scatter(windows.reshape(N, groups * C_group, K_H, K_W, H, W), (size[0], size[1]), *axes)
    return y if bias is None else y + bias[:, None, None]


class Conv2d(nn.Module):
    """`conv2d` with weights that learn: torch's arguments, names in the state dict, and first random numbers.

    Args:
        in_channels, out_channels: C_in and C_out, >= 1.
        kernel_size: K, >= 1.
        stride, padding, dilation, groups: as in `conv2d`.
        bias: whether each output channel adds a number of its own.

    Shape:
        (N, C_in, H, W) -> (N, C_out, H_out, W_out).

    Raises:
        ValueError, TypeError: as `conv2d`, for what can be judged without an image.

    Source: `torch.nn.Conv2d`. Differs: pads with zeros only; wants a batch.

    Example:
        >>> sum(p.numel() for p in Conv2d(3, 64, 3).parameters())            # 3 * 3 * 3 * 64 weights, 64 biases
        1792
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_channels(in_channels, out_channels, groups)
        axes_of(kernel_size, stride, padding, dilation)
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        kernel = as_pair("kernel_size", kernel_size, least=1)
        self.weight, self.bias = _parameters((out_channels, in_channels // groups, *kernel), out_channels, bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output maps, (N, C_in, H, W) -> (N, C_out, H_out, W_out)."""
        return conv2d(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )


class ConvTranspose2d(nn.Module):
    """`conv_transpose2d` with weights that learn: torch's arguments, names and first random numbers.

    Args:
        in_channels, out_channels: C_in and C_out, >= 1.
        kernel_size: K, >= 1.
        stride, padding, output_padding, groups, dilation: as in `conv_transpose2d`.
        bias: whether each output channel adds a number of its own.

    Shape:
        (N, C_in, H, W) -> (N, C_out, H_out, W_out).

    Raises:
        ValueError, TypeError: as `conv_transpose2d`, for what can be judged without an image.

    Source: `torch.nn.ConvTranspose2d`. Differs: wants a batch; `output_padding` chooses the size, no argument of
        `forward` does.

    Example:
        >>> ConvTranspose2d(8, 4, 4, stride=2, padding=1)(torch.zeros(1, 8, 7, 7)).shape
        torch.Size([1, 4, 14, 14])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        output_padding: Pair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Pair = 1,
    ) -> None:
        super().__init__()
        check_channels(in_channels, out_channels, groups)
        axes_of(kernel_size, stride, padding, dilation)
        self.stride, self.padding, self.output_padding = stride, padding, output_padding
        self.groups, self.dilation = groups, dilation
        kernel = as_pair("kernel_size", kernel_size, least=1)
        self.weight, self.bias = _parameters((in_channels, out_channels // groups, *kernel), out_channels, bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output maps, (N, C_in, H, W) -> (N, C_out, H_out, W_out)."""
        return conv_transpose2d(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            dilation=self.dilation,
            groups=self.groups,
        )


class DepthwiseSeparableConv2d(nn.Module):
    """One kernel for each channel, then a 1x1 convolution that mixes the channels.

    Costs C_in K^2 + C_in C_out weights instead of C_in C_out K^2, biases aside.

    Args:
        in_channels, out_channels: C_in and C_out, >= 1.
        kernel_size, stride, padding, dilation: those of the depthwise part, as in `conv2d`.
        bias: whether both parts add biases.

    Shape:
        (N, C_in, H, W) -> (N, C_out, H_out, W_out).

    Raises:
        ValueError, TypeError: as `Conv2d`.

    Source: Howard et al. 2017, arXiv:1704.04861, section 3.1. Differs: no normalization or activation between.

    Example:
        >>> sum(p.numel() for p in DepthwiseSeparableConv2d(32, 64, 3, bias=False).parameters())
        2336
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.depthwise = Conv2d(in_channels, in_channels, kernel_size, stride, padding, dilation, in_channels, bias)
        self.pointwise = Conv2d(in_channels, out_channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output maps, (N, C_in, H, W) -> (N, C_out, H_out, W_out)."""
        maps: Tensor = self.pointwise(self.depthwise(x))
        return maps


def _scatter(windows: Tensor, size: tuple[int, int], rows: Axis, columns: Axis) -> Tensor:
    """Add windows (N, C, K, K, H_out, W_out) into images (N, C, *size), entry of the kernel by entry."""
    N, C, K_H, K_W, H_out, W_out = windows.shape
    padded = windows.new_zeros(N, C, size[0] + rows.before + rows.after, size[1] + columns.before + columns.after)
    for u in range(K_H):
        for v in range(K_W):
            row, column = u * rows.dilation, v * columns.dilation
            down = slice(row, row + (H_out - 1) * rows.stride + 1, rows.stride)
            along = slice(column, column + (W_out - 1) * columns.stride + 1, columns.stride)
            padded[:, :, down, along] += windows[:, :, u, v]
    return padded[:, :, rows.before : rows.before + size[0], columns.before : columns.before + size[1]]


def _parameters(shape: tuple[int, ...], biases: int, bias: bool) -> tuple[nn.Parameter, nn.Parameter | None]:
    """Weight and bias, both from U(-a, a) with a = 1 / sqrt(fan_in): torch's rule and its random numbers."""
    weight = nn.Parameter(torch.empty(shape))
    kaiming_uniform_(weight, a=math.sqrt(5))
    if not bias:
        return weight, None
    bound = 1 / math.sqrt(fans(weight)[0])
    return weight, nn.Parameter(torch.empty(biases).uniform_(-bound, bound))
