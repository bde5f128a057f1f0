"""Sizes and reach of sliding windows, along one axis: what convolution and pooling do to a row of pixels.

All lengths and positions are in pixels (or cells of the map that a layer gets); the first pixel has its centre at 0.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from torch import nn

# Layers that work on each place by itself, by the class names that torch and the companion share.
_POINTWISE = {
    *(set(nn.modules.activation.__all__) - {"MultiheadAttention"}),
    *(set(nn.modules.dropout.__all__) | {"DropoutScaledAtTest"}),
    *("BatchNorm1d", "BatchNorm2d", "LocalResponseNorm", "CrossMapLRN2d", "Identity", "Swish"),
}


class Window(NamedTuple):
    """A sliding window along one axis: the shape of a convolution or of a pooling layer.

    Args:
        kernel_size: cells that the window looks at, >= 1.
        stride: cells between two places of the window, >= 1.
        padding: empty cells in front of the first one, >= 0.
        dilation: distance of two neighbouring cells that the window looks at, >= 1.
    """

    kernel_size: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1


class Field(NamedTuple):
    """What one cell of a map sees of the input, along one axis.

    Args:
        size: the receptive field: from the first to the last pixel that can reach the cell, in pixels.
        jump: distance in the input between the fields of two neighbouring cells, in pixels.
        start: centre of the field of cell 0; a pixel's centre is its index, so it can end in .5.
    """

    size: int
    jump: int
    start: float

    def span(self, position: int) -> tuple[int, int]:
        """Return the first and the last pixel in the field of the cell at `position`; padding has indices outside.

        Example:
            >>> Field(size=5, jump=2, start=0.0).span(3)                # centre 6, two pixels on either side
            (4, 8)
        """
        first = self.start + position * self.jump - (self.size - 1) / 2
        return round(first), round(first) + self.size - 1


def conv_output_size(
    size: int, kernel_size: int, *, stride: int = 1, padding: int = 0, dilation: int = 1, ceil_mode: bool = False
) -> int:
    """Return how many places a window has along one axis.

    floor((size + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1, for convolution and pooling alike.
    `ceil_mode` (pooling only) rounds up, so that a window may hang over the end; one that would start behind the
    last pixel is left out.

    Raises:
        TypeError: if a number is not whole.
        ValueError: if a number is out of range, or the window does not fit in even once.

    Source: Dumoulin & Visin 2016, arXiv:1603.07285, relationships 6 and 15; `ceil_mode` as in torch.

    Example:
        >>> conv_output_size(224, 7, stride=2, padding=3)
        112
        >>> conv_output_size(6, 3, stride=2), conv_output_size(6, 3, stride=2, ceil_mode=True)
        (2, 3)
    """
    _whole(1, size=size, kernel_size=kernel_size, stride=stride, dilation=dilation)
    _whole(0, padding=padding)
    free = size + 2 * padding - dilation * (kernel_size - 1) - 1  # steps of one cell that the window can make
    if free < 0:
        span = dilation * (kernel_size - 1) + 1
        raise ValueError(f"a window of {span} cells does not fit into {size} with padding {padding}")
    if not ceil_mode:
        return free // stride + 1
    places = -(-free // stride) + 1
    return places - 1 if (places - 1) * stride >= size + padding else places


def conv_transpose_output_size(
    size: int, kernel_size: int, *, stride: int = 1, padding: int = 0, output_padding: int = 0, dilation: int = 1
) -> int:
    """Return the length of a transposed convolution's output along one axis.

    (size - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1: a length that the convolution
    with the same numbers takes to `size`. Up to `stride` lengths have that many places; `output_padding` chooses one.

    Raises:
        TypeError: if a number is not whole.
        ValueError: if a number is out of range, `output_padding` is smaller than neither `stride` nor `dilation`, or
            nothing is left after cutting off the padding.

    Source: Dumoulin & Visin 2016, arXiv:1603.07285, relationship 14; dilation as in torch.

    Example:
        >>> conv_transpose_output_size(7, 3, stride=2, padding=1)
        13
        >>> conv_transpose_output_size(7, 2, stride=2), conv_transpose_output_size(7, 4, stride=2, padding=1)
        (14, 14)
    """
    _whole(1, size=size, kernel_size=kernel_size, stride=stride, dilation=dilation)
    _whole(0, padding=padding, output_padding=output_padding)
    if output_padding >= max(stride, dilation):
        raise ValueError(
            f"output_padding must be smaller than stride or dilation, got {output_padding} with {stride} and {dilation}"
        )
    length = (size - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1
    if length < 1:
        raise ValueError(f"nothing is left: padding {padding} cuts the output down to {length} cells")
    return length


def receptive_field(windows: Iterable[Window]) -> list[Field]:
    """Return size, jump and start of the receptive field after each of the layers, in the order of `windows`.

    A layer that looks at `kernel_size` cells, `dilation` apart, spans `dilation (kernel_size - 1)` steps of the map
    that it gets, and one step there is a `jump` in the input: size += dilation (kernel_size - 1) jump. Its stride
    multiplies the jump of all layers after it.

    Raises:
        TypeError: if a number is not whole.
        ValueError: if a number is out of range.

    Source: Araujo, Norris & Sim 2019, doi:10.23915/distill.00021, equations 2 and 3. Differs: with dilation; the
    first pixel is 0.

    Example:
        >>> receptive_field([Window(3), Window(3)])                    # two 3 x 3 see as much as one 5 x 5
        [Field(size=3, jump=1, start=1.0), Field(size=5, jump=1, start=2.0)]
    """
    fields, (size, jump, start) = [], Field(1, 1, 0.0)
    for window in windows:
        kernel_size, stride, padding, dilation = window
        _whole(1, kernel_size=kernel_size, stride=stride, dilation=dilation)
        _whole(0, padding=padding)
        reach = dilation * (kernel_size - 1)
        size += reach * jump
        start += (reach / 2 - padding) * jump
        jump *= stride
        fields.append(Field(size, jump, start))
    return fields


def windows_of(model: nn.Module, *, axis: int = 0) -> dict[str, Window]:
    """Return the windows of a sequential model's convolution and pooling layers by name, in the order of use.

    Args:
        model: a convolution or pooling layer, or an `nn.Sequential` of such layers, of layers that work on each
            place by itself (activations, dropout, batch norm, local response norm) and of further `nn.Sequential`s.
        axis: 0 for rows, 1 for columns.

    Raises:
        ValueError: if the axis is another one, or the model holds a layer that is neither.
    """
    if axis not in (0, 1):
        raise ValueError(f"axis must be 0 (rows) or 1 (columns), got {axis}")
    return {name: _window(name, layer, axis) for name, layer in _spatial_layers(model, "")}


def receptive_field_of(model: nn.Module, *, axis: int = 0) -> dict[str, Field]:
    """Return `receptive_field` of each convolution and pooling layer of a sequential model, by name.

    Args and errors as in `windows_of`.

    Example:
        >>> receptive_field_of(nn.Sequential(nn.Conv2d(1, 4, 7), nn.ReLU(), nn.MaxPool2d(2)))
        {'0': Field(size=7, jump=1, start=3.0), '2': Field(size=8, jump=2, start=3.5)}
    """
    windows = windows_of(model, axis=axis)
    return dict(zip(windows, receptive_field(windows.values()), strict=True))


def _spatial_layers(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    kind = type(module).__name__
    if isinstance(module, nn.Sequential):
        for child_name, child in module.named_children():
            yield from _spatial_layers(child, f"{name}.{child_name}".removeprefix("."))
    elif hasattr(module, "kernel_size") and "Transpose" not in kind:
        yield name, module
    elif kind not in _POINTWISE:
        raise ValueError(f"cannot read the windows of {kind} {name!r}: not sliding, pointwise or nn.Sequential")


def _window(name: str, layer: Any, axis: int) -> Window:
    def along(value: Any) -> Any:
        return value[axis] if isinstance(value, tuple) else value

    kernel_size, dilation = along(layer.kernel_size), along(getattr(layer, "dilation", 1))
    stride, padding = along(layer.stride), along(layer.padding)
    if isinstance(padding, str):
        padding = dilation * (kernel_size - 1) // 2 if padding == "same" else 0
    return Window(kernel_size, kernel_size if stride is None else stride, padding, dilation)


def _whole(least: int, **numbers: int) -> None:
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be a whole number, got {value!r}")
        if value < least:
            raise ValueError(f"{name} must be >= {least}, got {value}")
