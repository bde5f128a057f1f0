"""Three photographs that are there without any download: they come with scikit-learn and with matplotlib."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def photo(name: str, *, size: tuple[int, int] | None = None) -> Tensor:
    """Return a photograph in colour.

    | name       | picture                              | size      |
    |------------|--------------------------------------|-----------|
    | `china`    | a pagoda above a lake                | 427 × 640 |
    | `flower`   | a dahlia                             | 427 × 640 |
    | `portrait` | Rear Admiral Grace Hopper in uniform | 600 × 512 |

    Args:
        name: one of `PHOTOS`.
        size: rows and columns wanted, >= 1. The largest piece of these proportions is cut out of the middle and
            resized, averaging where it shrinks, so that no pattern appears that is not in the picture.

    Shape:
        (3, H, W), uint8, red, green and blue from 0 to 255.

    Raises:
        ValueError: unknown name, or a size that is not two numbers >= 1.

    Source: scikit-learn's `load_sample_image` and matplotlib's sample data; their files name the photographers.

    Example:
        >>> photo("china", size=(32, 48)).shape
        torch.Size([3, 32, 48])
    """
    if name not in _READERS:
        raise ValueError(f"name must be one of {', '.join(PHOTOS)}, got {name!r}")
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise ValueError(f"size must be two numbers >= 1, rows and columns, got {size}")
    image = torch.from_numpy(np.array(_READERS[name]())).permute(2, 0, 1).contiguous()  # (H, W, 3) -> (3, H, W)
    return image if size is None else _resize(_crop(image, size), size)


def _scikit_learn(file: str) -> Any:
    from sklearn.datasets import load_sample_image  # here, because scikit-learn takes long to import

    return load_sample_image(file)


def _matplotlib(file: str) -> Any:
    from matplotlib import cbook, image

    return image.imread(cbook.get_sample_data(file, asfileobj=False))


_READERS: dict[str, Callable[[], Any]] = {
    "china": lambda: _scikit_learn("china.jpg"),
    "flower": lambda: _scikit_learn("flower.jpg"),
    "portrait": lambda: _matplotlib("grace_hopper.jpg"),
}

PHOTOS = tuple(_READERS)
"""The names that `photo` knows."""


def _crop(image: Tensor, size: tuple[int, int]) -> Tensor:
    """The largest middle piece with the proportions of `size`."""
    H, W = image.shape[1:]
    scale = min(H / size[0], W / size[1])
    rows, columns = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    top, left = (H - rows) // 2, (W - columns) // 2
    return image[:, top : top + rows, left : left + columns]


def _resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    resized = F.interpolate(image[None].float(), size=size, mode="bilinear", antialias=True, align_corners=False)
    return resized[0].round().clamp(0, 255).to(torch.uint8)
