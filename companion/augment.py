"""Augmentation of whole batches: every image gets its own draw, on any device.

Letters: B images, C channels, H, W rows and columns; h, w those of a crop. A `generator` may live on the CPU
while the images are on a GPU: the same seed then gives the same draws on both.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

Size = int | tuple[int, int]


class ColorPca(NamedTuple):
    """Principal components of the colours of a set of images.

    Shape:
        eigenvalues: (C,), variances along the components, largest first, in the square of the images' unit.
        eigenvectors: (C, C), one component of length 1 in each *column*.
    """

    eigenvalues: Tensor
    eigenvectors: Tensor


def random_crop(x: Tensor, size: Size, *, padding: int = 0, generator: Generator | None = None) -> Tensor:
    """Cut a window out of each image, at a place of its own; all places are equally likely.

    Args:
        x: (B, C, H, W), any type.
        size: rows and columns of the crop; one number for a square.
        padding: rows and columns of zeros put around the images first.
        generator: where the places come from; torch's global generator by default.

    Shape:
        (B, C, H, W) -> (B, C, h, w).

    Raises:
        ValueError: if x is not such a batch, padding is negative, or the crop is empty or larger than the image.

    Source: Krizhevsky et al. 2012, section 4.1 (without padding).
    """
    rows, columns = _crop_size(x, size, padding)
    x = F.pad(x, (padding, padding, padding, padding))
    B, C, H, W = x.shape
    top = _integers(H - rows + 1, x, generator) + torch.arange(rows, device=x.device)  # (B, h)
    left = _integers(W - columns + 1, x, generator) + torch.arange(columns, device=x.device)  # (B, w)
    strips = x.gather(2, top[:, None, :, None].expand(B, C, rows, W))
    return strips.gather(3, left[:, None, None, :].expand(B, C, rows, columns))


def random_shift(x: Tensor, pixels: int, *, generator: Generator | None = None) -> Tensor:
    """Move each image by up to `pixels` rows and columns either way; what comes in from outside is 0.

    Shape:
        (B, C, H, W) -> the same.

    Raises:
        ValueError: if x is not such a batch or pixels is negative.
    """
    _check_batch(x)
    return random_crop(x, (x.shape[2], x.shape[3]), padding=pixels, generator=generator)


def random_flip(x: Tensor, p: float = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Mirror each image, left for right, with probability p.

    Shape:
        (B, C, H, W) -> the same.

    Raises:
        ValueError: if x is not such a batch or p lies outside [0, 1].

    Source: Krizhevsky et al. 2012, section 4.1.
    """
    _check_batch(x)
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    flipped = torch.rand(len(x), device=_place(x, generator), generator=generator) < p
    return torch.where(flipped.to(x.device)[:, None, None, None], x.flip(3), x)


def color_pca(images: Tensor) -> ColorPca:
    """Return the principal components of all pixels' colours, for `pca_color`.

    Args:
        images: (B, C, H, W), floating point; the training set or a large part of it.

    Raises:
        TypeError: if the images are not of floating point.
        ValueError: if they are not such a batch or hold fewer than two pixels.

    Source: Krizhevsky et al. 2012, section 4.1.
    """
    _check_batch(images)
    _check_floating(images)
    pixels = images.movedim(1, 0).flatten(1)  # (C, B H W)
    if pixels.shape[1] < 2:
        raise ValueError(f"a covariance needs two pixels or more, got shape {tuple(images.shape)}")
    eigenvalues, eigenvectors = torch.linalg.eigh(torch.cov(pixels))  # smallest first
    return ColorPca(eigenvalues.flip(0).clamp(min=0), eigenvectors.flip(1))


def pca_color(
    x: Tensor, eigen: tuple[Tensor, Tensor], *, std: float = 0.1, generator: Generator | None = None
) -> Tensor:
    """Add to all pixels of an image one colour along the principal components, drawn anew for each image.

    The colour is sum_i alpha_i lambda_i p_i with the eigenvalues lambda_i, the eigenvectors p_i and
    alpha_i ~ N(0, std^2). Since lambda has the square of the unit of x, the strength depends on that unit:
    images in [0, 1] are meant. Values may leave the range; nothing is clipped.

    Args:
        x: (B, C, H, W), floating point.
        eigen: eigenvalues (C,) and eigenvectors (C, C) in columns, as `color_pca` gives them.
        std: standard deviation of alpha, >= 0.
        generator: where alpha comes from; torch's global generator by default.

    Shape:
        (B, C, H, W) -> the same.

    Raises:
        TypeError: if x is not of floating point.
        ValueError: if the shapes do not fit or std is negative.

    Source: Krizhevsky et al. 2012, section 4.1.
    """
    eigenvalues, eigenvectors = eigen
    _check_batch(x)
    _check_floating(x)
    B, C = x.shape[:2]
    if eigenvalues.shape != (C,) or eigenvectors.shape != (C, C):
        shapes = tuple(eigenvalues.shape), tuple(eigenvectors.shape)
        raise ValueError(f"{C} channels need eigenvalues ({C},) and eigenvectors ({C}, {C}), got {shapes}")
    if not std >= 0:
        raise ValueError(f"std must be >= 0, got {std}")
    alpha = std * torch.randn(B, C, dtype=x.dtype, device=_place(x, generator), generator=generator)
    shift = (alpha.to(x.device) * eigenvalues.to(x)) @ eigenvectors.to(x).T  # (B, C)
    return x + shift[:, :, None, None]


def ten_crop(x: Tensor, size: Size) -> Tensor:
    """Return four corners and centre of each image, then those of its mirror image.

    Shape:
        (B, C, H, W) -> (B, 10, C, h, w); order: top left, top right, bottom left, bottom right, centre.

    Raises:
        ValueError: if x is not such a batch, or the crop is empty or larger than the image.

    Source: Krizhevsky et al. 2012, section 4.1; order and rounding of torchvision.transforms.TenCrop.
    """
    rows, columns = _crop_size(x, size, 0)
    down, right = x.shape[2] - rows, x.shape[3] - columns
    corners = [(0, 0), (0, right), (down, 0), (down, right), (round(down / 2), round(right / 2))]
    return torch.stack(
        [view[:, :, top : top + rows, left : left + columns] for view in (x, x.flip(3)) for top, left in corners], dim=1
    )


@torch.no_grad()
def predict_ten_crop(model: Callable[[Tensor], Tensor], x: Tensor, size: Size) -> Tensor:
    """Return the mean of the class probabilities that a model gives the ten crops of each image.

    Args:
        model: (N, C, h, w) -> (N, classes), logits; put it into evaluation mode first.
        x: (B, C, H, W).
        size: rows and columns of the crops.

    Shape:
        (B, C, H, W) -> (B, classes), rows sum to 1.

    Raises:
        ValueError: as `ten_crop`.

    Source: Krizhevsky et al. 2012, section 4.1.
    """
    crops = ten_crop(x, size)
    probs = model(crops.flatten(0, 1)).softmax(dim=-1)
    return probs.view(len(x), 10, -1).mean(dim=1)


def _check_batch(x: Tensor) -> None:
    if x.ndim != 4 or not x.numel():
        raise ValueError(f"need a non-empty batch (B, C, H, W), got shape {tuple(x.shape)}")


def _check_floating(x: Tensor) -> None:
    if not x.is_floating_point():
        raise TypeError(f"colours need a tensor of floating point, in [0, 1], got {x.dtype}")


def _crop_size(x: Tensor, size: Size, padding: int) -> tuple[int, int]:
    _check_batch(x)
    if padding < 0:
        raise ValueError(f"padding must be >= 0, got {padding}")
    rows, columns = (size, size) if isinstance(size, int) else size
    H, W = x.shape[2] + 2 * padding, x.shape[3] + 2 * padding
    if not (0 < rows <= H and 0 < columns <= W):
        raise ValueError(f"a crop of {rows} x {columns} does not fit into {H} x {W}")
    return rows, columns


def _place(x: Tensor, generator: Generator | None) -> torch.device:
    return x.device if generator is None else generator.device


def _integers(high: int, x: Tensor, generator: Generator | None) -> Tensor:
    draws = torch.randint(high, (len(x), 1), device=_place(x, generator), generator=generator)
    return draws.to(x.device)
