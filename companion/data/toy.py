"""Two-class point sets in the plane, seeded: the same call gives the same points.

Every maker takes the number of points n and returns X (n, 2), float32, and y (n,), int64, with n // 2 points
of class 1 and the rest of class 0, in random order. `noise` is the standard deviation of the normal noise on
each coordinate, in the units of the plane; with 0 the points lie exactly on their curve or centre.
"""

import math

import torch
from torch import Tensor


def circles(n: int, *, noise: float = 0.1, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return two rings about the origin: radius 2 is class 0, radius 1 is class 1.

    Raises:
        TypeError: n or seed is not a whole number.
        ValueError: n < 2, or noise is negative or not finite.
    """
    y, generator = _begin(n, noise, seed)
    radius = torch.where(y == 0, 2.0, 1.0)
    return _finish(_polar(radius, 2 * math.pi * torch.rand(n, generator=generator)), y, noise, generator)


def xor(n: int, *, noise: float = 0.1, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return clouds at the corners (±1, ±1): class 1 where exactly one coordinate is positive.

    Raises:
        TypeError: n or seed is not a whole number.
        ValueError: n < 2, or noise is negative or not finite.
    """
    y, generator = _begin(n, noise, seed)
    first = torch.randint(0, 2, (n,), generator=generator)
    return _finish(2.0 * torch.stack([first, first ^ y], dim=1) - 1, y, noise, generator)


def two_spirals(n: int, *, noise: float = 0.1, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return two spirals of one and a half turns and radius 3; class 1 is class 0 turned by half a circle.

    The arms lie one unit apart. Points are even along the radius.

    Raises:
        TypeError: n or seed is not a whole number.
        ValueError: n < 2, or noise is negative or not finite.
    Source: after the task that A. Wieland set, Lang & Witbrock 1988. Differs: half as many turns, and noise.
    """
    y, generator = _begin(n, noise, seed)
    along = torch.rand(n, generator=generator)
    return _finish(_polar(3 * along, math.pi * (3 * along + y)), y, noise, generator)


def gaussians(n: int, *, noise: float = 0.5, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return two round clouds: class 0 about (-1, -1), class 1 about (1, 1).

    The best possible classifier is the line x₁ + x₂ = 0; it errs with probability Φ(-√2 / noise).

    Raises:
        TypeError: n or seed is not a whole number.
        ValueError: n < 2, or noise is negative or not finite.
    """
    y, generator = _begin(n, noise, seed)
    return _finish((2.0 * y - 1)[:, None].expand(n, 2), y, noise, generator)


def two_moons(n: int, *, noise: float = 0.1, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return two half circles of radius 1 that reach into each other: class 0 arches up, class 1 down.

    Raises:
        TypeError: n or seed is not a whole number.
        ValueError: n < 2, or noise is negative or not finite.
    Source: the shape of scikit-learn's make_moons. Differs: its middle is the origin.
    """
    y, generator = _begin(n, noise, seed)
    arch = _polar(torch.ones(n), math.pi * torch.rand(n, generator=generator)) - torch.tensor([0.5, 0.25])
    return _finish(torch.where((y == 0)[:, None], arch, -arch), y, noise, generator)


def _begin(n: int, noise: float, seed: int) -> tuple[Tensor, torch.Generator]:
    """Check the arguments; return the classes in random order and the generator that shuffled them."""
    for name, value in (("n", n), ("seed", seed)):
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{name} must be an int, got {value!r}")
    if n < 2:
        raise ValueError(f"n must be at least 2, one point of each class, got {n}")
    if not (math.isfinite(noise) and noise >= 0):
        raise ValueError(f"noise must be a finite number >= 0, got {noise}")
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(n, generator=generator) * 2 // n, generator


def _polar(radius: Tensor, angle: Tensor) -> Tensor:
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


def _finish(X: Tensor, y: Tensor, noise: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    return X + noise * torch.randn(X.shape, generator=generator), y
