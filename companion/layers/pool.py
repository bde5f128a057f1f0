"""Pooling: one number for each window of a feature map.

Every function reads its windows through one strided view, so it runs on any device and torch differentiates it.
Names, argument order, defaults and output sizes are those of torch.nn.functional.

Letters: B batch, C channels, H, W rows and columns of the input, H', W' of the output, K entries of a window.
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

Size: TypeAlias = int | tuple[int, int]


def max_pool2d(
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the largest entry of each window; its gradient goes to the first entry that has that value.

    Args:
        x: feature maps of floating point.
        kernel_size: rows and columns of a window; one number serves for both, here and below.
        stride: steps from window to window; by default `kernel_size`, so that windows touch and do not overlap.
        padding: rows and columns of minus infinity on each side, at most half of `kernel_size`.
        dilation: distance of a window's entries in the input.
        ceil_mode: whether a last window that sticks out over the edge counts too.

    Shape:
        (..., H, W) -> (..., H', W') with H' = floor((H + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1;
        ceil instead of floor with `ceil_mode`, less windows that would start beyond the input and its left padding.

    Raises:
        TypeError: if x is not of floating point or a size is not a whole number.
        ValueError: if x has no rows and columns, a size is out of range, or no window fits in.

    Source: Riesenhuber & Poggio 1999, "Hierarchical models of object recognition in cortex", doi:10.1038/14819.
    Differs: theirs is a model of nerve cells; window, stride and padding are torch's.

    Example:
        >>> max_pool2d(torch.tensor([[[1., 3., 2., 4.], [5., 6., 1., 2.]]]), 2).tolist()
        [[[6.0, 4.0]]]
    """
    return _windows(x, kernel_size, stride, padding, dilation, ceil_mode, -torch.inf).max(dim=-1).values


def avg_pool2d(
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the mean of each window; every entry gets an equal share of the gradient.

    Args:
        x: as in `max_pool2d`, and so are:
        kernel_size: rows and columns of a window.
        stride: steps from window to window.
        ceil_mode: whether a last window that sticks out counts.
        padding: rows and columns of zeros on each side, at most half of `kernel_size`.
        count_include_pad: whether those zeros count in the mean. What `ceil_mode` adds beyond them never does.

    Shape:
        (..., H, W) -> (..., H', W'), sizes as in `max_pool2d` with dilation 1.

    Raises:
        TypeError, ValueError: as in `max_pool2d`.

    Source: LeCun et al. 1990, "Handwritten digit recognition with a back-propagation network", NIPS 2.
    """
    total = _windows(x, kernel_size, stride, padding, 1, ceil_mode, 0.0).sum(dim=-1)
    counts = []
    geometry = _pair(kernel_size), _pair(kernel_size if stride is None else stride), _pair(padding, least=0)
    for size, out, kernel, step, pad in zip(x.shape[-2:], total.shape[-2:], *geometry, strict=True):
        start = torch.arange(out, device=x.device) * step - pad
        low, high = (-pad, size + pad) if count_include_pad else (0, size)
        counts.append((start + kernel).clamp(max=high) - start.clamp(min=low))
    return total / (counts[0][:, None] * counts[1])


def global_avg_pool2d(x: Tensor) -> Tensor:
    """Return the mean of each feature map, (B, C, H, W) -> (B, C), whatever H and W are.

    Source: Lin, Chen & Yan 2013, arXiv:1312.4400, section 3.2.
    """
    return _maps(x).mean(dim=(-2, -1))


def global_max_pool2d(x: Tensor) -> Tensor:
    """Return the largest entry of each feature map, (B, C, H, W) -> (B, C), whatever H and W are.

    Source: Oquab et al. 2015, "Is object localization for free?", CVPR.
    """
    return _maps(x).flatten(-2).max(dim=-1).values


def adaptive_avg_pool2d(x: Tensor, output_size: Size) -> Tensor:
    """Return `output_size` means of each map; the windows are as equal as H and W allow.

    Output i of n covers the rows from floor(i H / n) up to, not including, ceil((i + 1) H / n). Where n does not
    divide H, neighbouring windows share a row; where n > H, rows are repeated.

    Shape:
        (..., H, W) -> (..., *output_size).

    Raises:
        TypeError, ValueError: for input or sizes that are not as in `max_pool2d`.

    Source: He et al. 2014, arXiv:1406.4729 (spatial pyramid pooling). Differs: one level, as in torch.

    Example:
        >>> adaptive_avg_pool2d(torch.arange(5.0).expand(1, 5, 5), (1, 2)).tolist()     # columns 0-2 and 2-4
        [[[1.0, 3.0]]]
    """
    rows, columns = _pair(output_size)
    return _split(_split(_maps(x), -1, columns, torch.mean), -2, rows, torch.mean)


def adaptive_max_pool2d(x: Tensor, output_size: Size) -> Tensor:
    """Return `output_size` maxima of each map, from the windows of `adaptive_avg_pool2d`; errors as there."""
    rows, columns = _pair(output_size)
    return _split(_split(_maps(x), -1, columns, _largest), -2, rows, _largest)


def mixed_pool2d(
    x: Tensor,
    kernel_size: Size,
    alpha: float | Tensor,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
) -> Tensor:
    """Return alpha max + (1 - alpha) mean of each window.

    Args:
        x: as in `max_pool2d` and `avg_pool2d`, and so are:
        kernel_size: rows and columns of a window.
        stride: steps from window to window.
        padding: rows and columns around the maps.
        ceil_mode: whether a last window that sticks out counts.
        alpha: share of the maximum in [0, 1]; a tensor that broadcasts to the output, such as one number for
            each channel of shape (C, 1, 1), is taken as it is.

    Raises:
        TypeError, ValueError: as in `max_pool2d`; ValueError if the number alpha lies outside [0, 1].

    Source: Lee, Gallagher & Tu 2016, arXiv:1509.08985 (mixed max-average pooling).
    """
    if not isinstance(alpha, Tensor) and not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1], got {alpha}")
    largest = max_pool2d(x, kernel_size, stride, padding, ceil_mode=ceil_mode)
    return alpha * largest + (1 - alpha) * avg_pool2d(x, kernel_size, stride, padding, ceil_mode)


def stochastic_pool2d(
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    *,
    training: bool = True,
    generator: Generator | None = None,
) -> Tensor:
    """Return one entry of each window, drawn with a probability in proportion to its value.

    In training the probabilities are p_i = a_i / sum(a); otherwise their mean, sum(p_i a_i), is returned. A
    window of zeros gives 0. What padding and `ceil_mode` add is 0 and is never drawn before anything positive.

    Args:
        x: activations >= 0, as after a ReLU.
        kernel_size: as in `max_pool2d`, and so are:
        stride: steps from window to window.
        padding: rows and columns around the maps.
        ceil_mode: whether a last window that sticks out counts.
        training: whether to draw.
        generator: where the draws come from, on the device of x; torch's global generator by default.

    Raises:
        TypeError, ValueError: as in `max_pool2d`; ValueError if an entry is negative.

    Source: Zeiler & Fergus 2013, arXiv:1301.3557.

    Example:
        >>> stochastic_pool2d(torch.tensor([[[1., 3.], [0., 0.]]]), 2, training=False)   # (1 + 9) / 4
        tensor([[[2.5000]]])
    """
    if (x < 0).any():
        raise ValueError(f"stochastic pooling needs activations >= 0, got {x.min().item():g}; apply a ReLU first")
    entries = _windows(x, kernel_size, stride, padding, 1, ceil_mode, 0.0)
    total = entries.sum(dim=-1, keepdim=True)
    probs = entries / total.where(total > 0, 1)
    if not training:
        return (probs * entries).sum(dim=-1)
    weights = probs.detach().where(total > 0, 1).flatten(0, -2)
    drawn = torch.multinomial(weights, 1, generator=generator).view(total.shape)
    return entries.gather(-1, drawn).squeeze(-1)


def blur_pool2d(x: Tensor, kernel_size: int = 3, stride: Size = 2) -> Tensor:
    """Return every `stride`-th entry of the blurred map: a weighted mean of each window, heavier in its middle.

    The weights are the products of binomial coefficients, (1, 2, 1) / 4 in each direction for 3; the map is
    reflected at its edges. Max pooling that hardly depends on where its windows fall is
    `blur_pool2d(max_pool2d(x, 2, stride=1))`.

    Args:
        x: feature maps of floating point.
        kernel_size: width of the blur, odd; 1 takes every `stride`-th entry as it is.
        stride: steps from window to window.

    Shape:
        (B, C, H, W) -> (B, C, ceil(H / stride), ceil(W / stride)), H and W > kernel_size // 2.

    Raises:
        TypeError, ValueError: for input and sizes as in `max_pool2d`, an even width, or maps too small to reflect.

    Source: Zhang 2019, arXiv:1904.11486. Differs: odd widths only, which need no uneven padding.
    """
    _pair(kernel_size)
    if kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd, got {kernel_size}")
    reach = kernel_size // 2
    if min(_maps(x).shape[-2:]) <= reach:
        raise ValueError(f"a blur of {kernel_size} reflects {reach} rows and columns, got {tuple(x.shape)}")
    line = torch.ones(1, dtype=x.dtype, device=x.device)
    for _ in range(kernel_size - 1):
        line = F.pad(line, (0, 1)) + F.pad(line, (1, 0))
    weights = torch.outer(line, line) / 4 ** (kernel_size - 1)
    padded = F.pad(x, (reach, reach, reach, reach), mode="reflect")
    channels = x.shape[-3]
    return F.conv2d(padded, weights.expand(channels, 1, -1, -1), stride=_pair(stride), groups=channels)


def _windows(
    x: Tensor, kernel_size: Size, stride: Size | None, padding: Size, dilation: Size, ceil_mode: bool, fill: float
) -> Tensor:
    """View all windows of x, (..., H, W) -> (..., H', W', K); places outside x hold `fill`."""
    kernels, steps = _pair(kernel_size), _pair(kernel_size if stride is None else stride)
    pads, gaps = _pair(padding, least=0), _pair(dilation)
    margins, spans = [], []
    for size, kernel, step, pad, gap in zip(_maps(x).shape[-2:], kernels, steps, pads, gaps, strict=True):
        if pad > kernel // 2:
            raise ValueError(f"padding must be at most half of kernel_size, got {padding} for {kernel_size}")
        span = gap * (kernel - 1) + 1
        rest = size + 2 * pad - span
        beyond = -rest % step if ceil_mode else 0
        if rest + beyond >= size + pad:  # the last window would hold nothing but padding
            beyond = 0
        if rest + beyond < 0:
            raise ValueError(f"a window that spans {span} does not fit into {size} with padding {pad}")
        margins += [pad, pad + beyond]
        spans.append(span)
    x = F.pad(x, [*margins[2:], *margins[:2]], value=fill)
    windows = x.unfold(-2, spans[0], steps[0]).unfold(-2, spans[1], steps[1])  # (..., H', W', span, span)
    return windows[..., :: gaps[0], :: gaps[1]].flatten(-2)


def _split(x: Tensor, dim: int, parts: int, reduce: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Reduce `parts` nearly equal, perhaps overlapping stretches of one dimension to one entry each."""
    size = x.shape[dim]
    ends = [(i * size // parts, -(-(i + 1) * size // parts)) for i in range(parts)]
    return torch.stack([reduce(x.narrow(dim, start, stop - start), dim) for start, stop in ends], dim)


def _largest(x: Tensor, dim: int) -> Tensor:
    return x.max(dim).values


def _maps(x: Tensor) -> Tensor:
    if not x.is_floating_point():
        raise TypeError(f"pooling needs a tensor of floating point, got {x.dtype}")
    if x.ndim < 3 or not x.numel():
        raise ValueError(f"pooling needs a non-empty (..., C, H, W) tensor, got shape {tuple(x.shape)}")
    return x


def _pair(size: Size, least: int = 1) -> tuple[int, int]:
    both = size if isinstance(size, tuple) else (size, size)
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in both):
        raise TypeError(f"sizes must be whole numbers, got {size!r}")
    if len(both) != 2 or min(both) < least:
        raise ValueError(f"sizes must be one number or two, each >= {least}, got {size}")
    return both


class _Pool2d(nn.Module):
    """What modules with a moving window keep: the window, named as in torch."""

    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.kernel_size, self.padding, self.ceil_mode = kernel_size, padding, ceil_mode
        self.stride = kernel_size if stride is None else stride

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool2d(_Pool2d):
    """`max_pool2d` as a module; arguments, shapes and errors as there."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.dilation = dilation

    def forward(self, x: Tensor) -> Tensor:
        """Return the largest entry of each window, (..., H, W) -> (..., H', W')."""
        return max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)


class AvgPool2d(_Pool2d):
    """`avg_pool2d` as a module; arguments, shapes and errors as there."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean of each window, (..., H, W) -> (..., H', W')."""
        return avg_pool2d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class MixedPool2d(_Pool2d):
    """`mixed_pool2d` whose share of the maximum is trained: one number for each channel, or one for all.

    Args:
        kernel_size, stride, padding, ceil_mode: as in `mixed_pool2d`.
        alpha: share of the maximum to start with, in (0, 1).
        channels: number of channels with a share of their own; 1 is one share for all.

    Attributes:
        logit: the trained parameter, (channels, 1, 1); the share is its logistic sigmoid.

    Raises:
        ValueError: if alpha or channels is out of range.

    Source: Lee, Gallagher & Tu 2016, arXiv:1509.08985. Differs: the sigmoid keeps the share in (0, 1).
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        *,
        alpha: float = 0.5,
        channels: int = 1,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        if not 0 < alpha < 1:
            raise ValueError(f"alpha must lie in (0, 1) to be trained, got {alpha}")
        if channels < 1:
            raise ValueError(f"channels must be >= 1, got {channels}")
        self.logit = nn.Parameter(torch.full((channels, 1, 1), alpha).logit())

    def forward(self, x: Tensor) -> Tensor:
        """Return the mixture of each window, (..., C, H, W) -> (..., C, H', W')."""
        return mixed_pool2d(x, self.kernel_size, self.logit.sigmoid(), self.stride, self.padding, self.ceil_mode)


class StochasticPool2d(_Pool2d):
    """`stochastic_pool2d` as a module: it draws in training and takes the weighted mean in evaluation."""

    def forward(self, x: Tensor) -> Tensor:
        """Return one entry of each window or their weighted mean, (..., H, W) -> (..., H', W')."""
        window = (self.kernel_size, self.stride, self.padding, self.ceil_mode)
        return stochastic_pool2d(x, *window, training=self.training)


class BlurPool2d(nn.Module):
    """`blur_pool2d` as a module; arguments, shapes and errors as there."""

    def __init__(self, kernel_size: int = 3, stride: Size = 2) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, kernel_size // 2

    def forward(self, x: Tensor) -> Tensor:
        """Return every `stride`-th entry of the blurred maps, (B, C, H, W) -> (B, C, H', W')."""
        return blur_pool2d(x, self.kernel_size, self.stride)

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}"


class GlobalAvgPool2d(nn.Module):
    """`global_avg_pool2d` as a module, (B, C, H, W) -> (B, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean of each map."""
        return global_avg_pool2d(x)


class GlobalMaxPool2d(nn.Module):
    """`global_max_pool2d` as a module, (B, C, H, W) -> (B, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the largest entry of each map."""
        return global_max_pool2d(x)


class _AdaptivePool2d(nn.Module):
    def __init__(self, output_size: Size) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool2d(_AdaptivePool2d):
    """`adaptive_avg_pool2d` as a module, (..., H, W) -> (..., *output_size)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return `output_size` means of each map."""
        return adaptive_avg_pool2d(x, self.output_size)


class AdaptiveMaxPool2d(_AdaptivePool2d):
    """`adaptive_max_pool2d` as a module, (..., H, W) -> (..., *output_size)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return `output_size` maxima of each map."""
        return adaptive_max_pool2d(x, self.output_size)
