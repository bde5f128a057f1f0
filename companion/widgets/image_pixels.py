"""A photograph as the array that it is: zoom in until the numbers stand in the cells."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from companion.widgets.base import BookWidget

CHANNELS = ("colour", "red", "green", "blue", "grey")
"""What the picture shows: all three channels, one of them, or the brightness."""

SCALES = ("byte", "unit")
"""How values are written: 0 to 255 as stored, or divided by 255."""

MOST_IMAGES, LARGEST_SIDE = 6, 256


class ImagePixels(BookWidget):
    """Pictures whose pixels can be read: zoom, pan, channels apart, every value with its index `x[c, i, j]`.

    A pixel is chosen by the pointer or by the arrow keys; its three values are shown with their index in the
    tensor and with the brightness `0.299 R + 0.587 G + 0.114 B` (ITU-R BT.601). In a running notebook each
    attribute can be set and read.

    Args:
        images: pairs (name, array); each array is uint8 of shape (3, H, W) with sides of 4 to 256. They travel
            with the page, 3 H W bytes each: 128 × 128 is a good size.
        image: name of the picture shown first; the first of `images` where nothing is said.
        channel: one of `CHANNELS`.
        scale: "byte" writes values as stored, 0 to 255; "unit" divides them by 255.
        across: how many pixels the window shows from left to right (as many as there are, at most).
        row, column: index (i, j) of the chosen pixel; the middle of the picture where nothing is said.
        key: name of the figure in links, unique on its page.
        label: what the figure is, read out by screen readers.

    Raises:
        TypeError: if `images` is not a sequence of pairs of a string and an array of dtype uint8.
        ValueError: for no pictures or too many, a name used twice, a wrong shape, an unknown name, a window
            narrower than 4 pixels, and a pixel outside the largest picture.

    Example:
        >>> x = np.zeros((3, 8, 8), dtype=np.uint8)
        >>> ImagePixels([("night", x)], row=2, column=5).image
        'night'
    """

    module = "image_pixels"
    linked = ("image", "channel", "scale", "across", "row", "column")

    names: traitlets.List[str] = traitlets.List().tag(sync=True)
    shapes: traitlets.List[list[int]] = traitlets.List().tag(sync=True)
    pixels = traitlets.Bytes().tag(sync=True)
    image = traitlets.Unicode().tag(sync=True)
    channel = traitlets.Unicode().tag(sync=True)
    scale = traitlets.Unicode().tag(sync=True)
    across = traitlets.Int().tag(sync=True)
    row = traitlets.Int().tag(sync=True)
    column = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        images: Sequence[tuple[str, ArrayLike]],
        *,
        image: str | None = None,
        channel: str = "colour",
        scale: str = "byte",
        across: int = LARGEST_SIDE,
        row: int | None = None,
        column: int | None = None,
        key: str = "pixels",
        label: str = "Image as numbers: a photograph, its channels and the values of its pixels",
    ) -> None:
        names, arrays = read_images(images, channels=(3,))
        shapes = [list(array.shape) for array in arrays]
        shown = names[0] if image is None else image
        height, width = shapes[names.index(one_of("image", shown, names))][1:]
        super().__init__(
            key=key,
            label=label,
            names=names,
            shapes=shapes,
            pixels=b"".join(array.tobytes() for array in arrays),
            image=shown,
            channel=channel,
            scale=scale,
            across=across,
            row=height // 2 if row is None else row,
            column=width // 2 if column is None else column,
        )

    @traitlets.validate("image")
    def _check_image(self, proposal: dict[str, Any]) -> str:
        return one_of("image", proposal["value"], self.names)

    @traitlets.validate("channel")
    def _check_channel(self, proposal: dict[str, Any]) -> str:
        return one_of("channel", proposal["value"], CHANNELS)

    @traitlets.validate("scale")
    def _check_scale(self, proposal: dict[str, Any]) -> str:
        return one_of("scale", proposal["value"], SCALES)

    @traitlets.validate("across")
    def _check_across(self, proposal: dict[str, Any]) -> int:
        return within("across", proposal["value"], 4, LARGEST_SIDE)

    @traitlets.validate("row", "column")
    def _check_pixel(self, proposal: dict[str, Any]) -> int:
        name = proposal["trait"].name
        axis = 1 if name == "row" else 2
        return within(name, proposal["value"], 0, max(shape[axis] for shape in self.shapes) - 1)


def read_images(
    images: Sequence[tuple[str, ArrayLike]], *, channels: tuple[int, ...]
) -> tuple[list[str], list[NDArray[np.uint8]]]:
    """Return the names and the arrays, (C, H, W) and contiguous, of pictures given as pairs; (H, W) gets C = 1.

    Args:
        images: pairs (name, array) with arrays of dtype uint8 and sides of 4 to 256.
        channels: the numbers of channels that are allowed.

    Raises:
        TypeError: for anything but pairs of a string and an array of dtype uint8.
        ValueError: for no pictures or more than 6, a name that is empty or used twice, or a wrong shape.
    """
    if not 1 <= len(images) <= MOST_IMAGES:
        raise ValueError(f"images must hold 1 to {MOST_IMAGES} pictures, got {len(images)}")
    names: list[str] = []
    arrays: list[NDArray[np.uint8]] = []
    for pair in images:
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str):
            raise TypeError(f"images must be pairs (name, array), got {type(pair).__name__} {str(pair)[:60]!r}")
        name, array = pair[0], np.asarray(pair[1])
        if not name or name in names:
            raise ValueError(f"every picture needs a name of its own, got {name!r}")
        if array.dtype != np.uint8:
            raise TypeError(f"picture {name!r} must have dtype uint8, got {array.dtype}")
        array = array[None] if array.ndim == 2 else array
        if (
            array.ndim != 3
            or array.shape[0] not in channels
            or not all(4 <= n <= LARGEST_SIDE for n in array.shape[1:])
        ):
            rule = f"({' or '.join(map(str, channels))}, H, W) with sides of 4 to {LARGEST_SIDE}"
            raise ValueError(f"picture {name!r} must have shape {rule}, got {array.shape}")
        names.append(name)
        arrays.append(np.ascontiguousarray(array))
    return names, arrays


def one_of(name: str, value: str, choices: Sequence[str]) -> str:
    """Return `value` if it is one of `choices`, else raise a ValueError that lists them."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value


def within(name: str, value: int, low: int, high: int) -> int:
    """Return `value` if it is from `low` to `high`, else raise a ValueError that says so."""
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low} to {high}, got {value}")
    return value
