"""Convolution by loops, one product at a time: what the words mean. Slow; read and test with it.

Letters and layout as in `companion.layers.conv`, which has the fast functions and hands these on.
"""

import torch
from torch import Tensor

from companion.layers.conv_geometry import Pair, axes_of, check_shapes, require_axes


def convolve1d(signal: Tensor, kernel: Tensor, mode: str = "full") -> Tensor:
    r"""True convolution of two sequences: z_i = sum_u w_u x_(i-u), with zeros beyond both ends of x.

    Args:
        signal: x.
        kernel: w.
        mode: "full", every sum that is not empty; "same", the middle of it, as long as the signal; "valid",
            only the sums for which the kernel lies within the signal.

    Shape:
        (n,), (k,) -> (n + k - 1,), (n,) or (n - k + 1,).

    Raises:
        ValueError: not one axis each, an empty one, an unknown mode, or mode "valid" with k > n.

    Differs: SciPy exchanges signal and kernel in mode "valid" where the kernel is the longer one.

    Example:
        >>> convolve1d(torch.tensor([1, 2, 3]), torch.tensor([1, 10]))
        tensor([ 1, 12, 23, 30])
    """
    return convolve2d(require_axes("signal", signal, 1)[None], require_axes("kernel", kernel, 1)[None], mode)[0]


def convolve2d(image: Tensor, kernel: Tensor, mode: str = "full") -> Tensor:
    r"""True convolution, the kernel flipped: z_(i,j) = sum_(u,v) w_(u,v) x_(i-u, j-v); modes as in `convolve1d`.

    Shape:
        (H, W), (K_H, K_W) -> (H + K_H - 1, W + K_W - 1), (H, W) or (H - K_H + 1, W - K_W + 1).

    Raises:
        ValueError: not two axes each, an empty one, an unknown mode, or mode "valid" with too large a kernel.

    Example:
        >>> impulse = torch.tensor([[0, 1, 0]])
        >>> convolve2d(impulse, torch.tensor([[1, 2, 3]]), mode="same")      # an impulse shows the kernel
        tensor([[1, 2, 3]])
    """
    H, W = require_axes("image", image, 2).shape
    K_H, K_W = require_axes("kernel", kernel, 2).shape
    rows, columns = _kept(H, K_H, mode), _kept(W, K_W, mode)
    zero = image.new_zeros(()) * kernel.new_zeros(())
    sums = [
        sum(
            (
                kernel[u, v] * image[i - u, j - v]
                for u in range(K_H)
                for v in range(K_W)
                if 0 <= i - u < H and 0 <= j - v < W
            ),
            start=zero,
        )
        for i in rows
        for j in columns
    ]
    return torch.stack(sums).reshape(len(rows), len(columns))


def cross_correlate2d(image: Tensor, kernel: Tensor) -> Tensor:
    r"""Cross-correlation, the kernel as it is: z_(i,j) = sum_(u,v) w_(u,v) x_(i+u, j+v), kernel within the image.

    What deep learning calls convolution.

    Shape:
        (H, W), (K_H, K_W) -> (H - K_H + 1, W - K_W + 1).

    Raises:
        ValueError: not two axes each, an empty one, or a kernel larger than the image.

    Example:
        >>> cross_correlate2d(torch.arange(1, 7)[None], torch.tensor([[-1, 0, 1]]))
        tensor([[2, 2, 2, 2]])
    """
    H, W = require_axes("image", image, 2).shape
    K_H, K_W = require_axes("kernel", kernel, 2).shape
    rows, columns = len(_kept(H, K_H, "valid")), len(_kept(W, K_W, "valid"))
    sums = [
        torch.stack([kernel[u, v] * image[i + u, j + v] for u in range(K_H) for v in range(K_W)]).sum()
        for i in range(rows)
        for j in range(columns)
    ]
    return torch.stack(sums).reshape(rows, columns)


def conv2d_loops(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    r"""`conv2d` by seven nested loops, one product at a time: slow, and plainly right.

        z_(n,o,i,j) = b_o + sum_(c,u,v) w_(o,c,u,v) x_(n, c, i S - pad + u D, j S - pad + v D)

    where x is zero outside of the image and c runs over the channels of o's group. Arguments, shapes and errors
    are those of `conv2d`.

    Example:
        >>> conv2d_loops(torch.ones(1, 2, 3, 3), torch.ones(1, 2, 3, 3))
        tensor([[[[18.]]]])
    """
    check_shapes(x, weight, bias, groups, in_axis=1)
    N, _, H, W = x.shape
    C_out, C_group, K_H, K_W = weight.shape
    rows, columns = axes_of((K_H, K_W), stride, padding, dilation)

    def value(n: int, o: int, i: int, j: int) -> Tensor:
        total = weight.new_zeros(()) if bias is None else bias[o]
        first = o // (C_out // groups) * C_group
        for c in range(C_group):
            for u in range(K_H):
                for v in range(K_W):
                    row = i * rows.stride - rows.before + u * rows.dilation
                    column = j * columns.stride - columns.before + v * columns.dilation
                    if 0 <= row < H and 0 <= column < W:
                        total = total + weight[o, c, u, v] * x[n, first + c, row, column]
        return total

    H_out, W_out = rows.windows(H), columns.windows(W)
    places = [(n, o, i, j) for n in range(N) for o in range(C_out) for i in range(H_out) for j in range(W_out)]
    return torch.stack([value(*place) for place in places]).reshape(N, C_out, H_out, W_out)


def _kept(size: int, kernel: int, mode: str) -> range:
    """The indices i of the sums z_i that a mode keeps."""
    starts = {
        "full": (0, size + kernel - 1),
        "same": ((kernel - 1) // 2, size),
        "valid": (kernel - 1, size - kernel + 1),
    }
    if mode not in starts:
        raise ValueError(f"mode must be one of {', '.join(starts)}, got {mode!r}")
    start, count = starts[mode]
    if count < 1:
        raise ValueError(f"a kernel of {kernel} does not fit within {size} pixels")
    return range(start, start + count)
