"""A kernel slides over a picture: every output number is a sum of products that can be read."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from companion.widgets.base import BookWidget
from companion.widgets.image_pixels import one_of, read_images, within

VIEWS = ("signed", "clipped")
"""How the output is drawn: around zero in two colours, or as grey with all below 0 black and all above white white."""

LARGEST_WEIGHT = 999.0


def _kernels(size: int) -> list[tuple[str, NDArray[np.float64], float]]:
    """Return name, weights (size, size) and the number that divides them, for the kernels of the menu."""
    half = size // 2
    u, v = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    one = np.where((u == 0) & (v == 0), 1.0, 0.0)
    smooth = np.array([math.comb(size - 1, k) for k in range(size)], dtype=np.float64)
    slope = np.convolve([-1.0, 0.0, 1.0], [math.comb(size - 3, k) for k in range(size - 2)])
    round_ = np.outer(smooth, smooth)
    laplacian = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], dtype=np.float64)
    if size == 5:  # a Laplacian of a smoothed picture
        laplacian = np.maximum(0.0, 3 - abs(u) - abs(v)) - 19 * one
    total = round_.sum()
    return [
        ("identity", one, 1.0),
        ("vertical edges", np.sign(v), 1.0),
        ("horizontal edges", np.sign(u), 1.0),
        ("diagonal edges", np.sign(u + v), 1.0),
        ("Sobel, left to right", np.outer(smooth, slope), 1.0),
        ("Sobel, top to bottom", np.outer(slope, smooth), 1.0),
        ("box blur", np.ones((size, size)), float(size * size)),
        ("Gaussian blur", round_, float(total)),
        ("sharpen", one - laplacian if size == 3 else 2 * total * one - round_, 1.0 if size == 3 else float(total)),
        ("emboss", u + v + half**2 * one, float(half**2)),
        ("Laplacian", laplacian, 1.0),
    ]


KERNELS = {size: {name: (weights, divisor) for name, weights, divisor in _kernels(size)} for size in (3, 5)}
"""The kernels of the menu: size, then name, then the weights, (size, size), and the number that divides them."""


class ConvExplorer(BookWidget):
    """One convolution in the reader's hands: kernel, stride, padding, dilation, and the sum at every place.

    The figure shows the input, the patch under the kernel, the products and their sum, and the whole output map
    with its size formula. It computes `z = (Σ w x) / divisor + bias` over 1 or 3 channels on the numbers as
    given (0 to 255 for photographs), with zeros outside the picture; `flip` turns the cross-correlation of
    torch.nn.Conv2d into the convolution of mathematics and of scipy.signal.convolve2d. In a running notebook
    each attribute can be set and read.

    Args:
        images: pairs (name, array); each array is uint8 of shape (H, W), (1, H, W) or (3, H, W), sides of 4
            to 256. The largest value of a picture is drawn white. 64 × 64 to 96 × 96 is a good size for a
            photograph; of small grids the numbers are written into the cells.
        image: name of the picture shown first; the first of `images` where nothing is said.
        kernel: the weights: a name of `KERNELS[3]`, or an array (K, K) with K 3 or 5, or (3, K, K) with a
            slice for each channel of a colour picture; entries within ±999. A kernel of one slice looks at
            the brightness of a colour picture, 0.299 R + 0.587 G + 0.114 B rounded to an integer.
        divisor: divides the sum of products, > 0; 1 or what the named kernel asks for where nothing is said.
        bias: is added to the sum, within ±999.
        stride: 1 to 4.
        padding: zeros on each side, 0 to K − 1.
        dilation: distance between the kernel's taps in pixels, 1 to 3.
        flip: rotate the kernel by 180° before it is applied.
        view: one of `VIEWS`.
        row, column: index of the output cell whose sum is written out; the middle where nothing is said.
        key: name of the figure in links, unique on its page.
        label: what the figure is, read out by screen readers.

    Raises:
        TypeError: if `images` is not a sequence of pairs of a string and an array of dtype uint8.
        ValueError: for a picture or kernel of a wrong shape, an unknown name, and a number out of its range.

    Example:
        >>> step = np.repeat(np.array([[0] * 3 + [10] * 3], dtype=np.uint8), 6, axis=0)
        >>> ConvExplorer([("step", step)], kernel="box blur").divisor
        9.0
    """

    module = "conv_explorer"
    linked = (
        "image",
        "kernel",
        "divisor",
        "bias",
        "stride",
        "padding",
        "dilation",
        "flip",
        "view",
        "row",
        "column",
    )

    names: traitlets.List[str] = traitlets.List().tag(sync=True)
    shapes: traitlets.List[list[int]] = traitlets.List().tag(sync=True)
    pixels = traitlets.Bytes().tag(sync=True)
    kernels: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    image = traitlets.Unicode().tag(sync=True)
    kernel: traitlets.List[float] = traitlets.List(traitlets.Float()).tag(sync=True)
    divisor = traitlets.Float().tag(sync=True)
    bias = traitlets.Float().tag(sync=True)
    stride = traitlets.Int().tag(sync=True)
    padding = traitlets.Int().tag(sync=True)
    dilation = traitlets.Int().tag(sync=True)
    flip = traitlets.Bool().tag(sync=True)
    view = traitlets.Unicode().tag(sync=True)
    row = traitlets.Int().tag(sync=True)
    column = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        images: Sequence[tuple[str, ArrayLike]],
        *,
        image: str | None = None,
        kernel: str | ArrayLike = "vertical edges",
        divisor: float | None = None,
        bias: float = 0.0,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        flip: bool = False,
        view: str = "signed",
        row: int | None = None,
        column: int | None = None,
        key: str = "convolution",
        label: str = "Convolution explorer: a kernel slides over a picture",
    ) -> None:
        names, arrays = read_images(images, channels=(1, 3))
        shapes = [list(array.shape) for array in arrays]
        shown = names[0] if image is None else image
        channels, height, width = shapes[names.index(one_of("image", shown, names))]
        weights, own_divisor = _read_kernel(kernel)
        if len(weights) == 3 and channels == 1:
            raise ValueError(f"kernel has 3 slices, but picture {shown!r} has one channel")
        super().__init__(
            key=key,
            label=label,
            names=names,
            shapes=shapes,
            pixels=b"".join(array.tobytes() for array in arrays),
            kernels=[
                {"name": name, "size": size, "values": values.ravel().tolist(), "divisor": divides}
                for size, group in KERNELS.items()
                for name, (values, divides) in group.items()
            ],
            image=shown,
            kernel=weights.ravel().tolist(),
            divisor=own_divisor if divisor is None else divisor,
            bias=bias,
            stride=stride,
            padding=within("padding", padding, 0, weights.shape[-1] - 1),
            dilation=dilation,
            flip=flip,
            view=view,
            row=height // 2 // max(stride, 1) if row is None else row,
            column=width // 2 // max(stride, 1) if column is None else column,
        )

    @traitlets.validate("image")
    def _check_image(self, proposal: dict[str, Any]) -> str:
        return one_of("image", proposal["value"], self.names)

    @traitlets.validate("view")
    def _check_view(self, proposal: dict[str, Any]) -> str:
        return one_of("view", proposal["value"], VIEWS)

    @traitlets.validate("kernel")
    def _check_kernel(self, proposal: dict[str, Any]) -> list[float]:
        weights = list(proposal["value"])
        if len(weights) not in (9, 25, 27, 75):
            raise ValueError(f"kernel must hold 1 or 3 times 3 × 3 or 5 × 5 weights, got {len(weights)}")
        for weight in weights:
            _finite("a weight of the kernel", weight, -LARGEST_WEIGHT, LARGEST_WEIGHT)
        return weights

    @traitlets.validate("divisor", "bias")
    def _check_number(self, proposal: dict[str, Any]) -> float:
        name = proposal["trait"].name
        low, high = (0.01, 9999.0) if name == "divisor" else (-LARGEST_WEIGHT, LARGEST_WEIGHT)
        return _finite(name, proposal["value"], low, high)

    @traitlets.validate("stride", "padding", "dilation", "row", "column")
    def _check_count(self, proposal: dict[str, Any]) -> int:
        name = proposal["trait"].name
        low, high = {"stride": (1, 4), "padding": (0, 4), "dilation": (1, 3)}.get(name, (0, 263))
        return within(name, proposal["value"], low, high)


def _finite(name: str, value: float, low: float, high: float) -> float:
    if not low <= value <= high:  # NaN is neither
        raise ValueError(f"{name} must be from {low:g} to {high:g}, got {value}")
    return value


def _read_kernel(kernel: str | ArrayLike) -> tuple[NDArray[np.float64], float]:
    """Return the weights, (1 or 3, K, K), and the divisor that belongs to them."""
    if isinstance(kernel, str):
        weights, divisor = KERNELS[3][one_of("kernel", kernel, tuple(KERNELS[3]))]
        return weights[None], divisor
    weights = np.asarray(kernel, dtype=np.float64)
    weights = weights[None] if weights.ndim == 2 else weights
    if weights.ndim != 3 or len(weights) not in (1, 3) or weights.shape[1:] not in ((3, 3), (5, 5)):
        raise ValueError(f"kernel must have shape (K, K) or (3, K, K) with K 3 or 5, got {np.shape(kernel)}")
    return weights, 1.0
