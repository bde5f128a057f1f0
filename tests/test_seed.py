import random

import numpy as np
import pytest
import torch

from companion.seed import seed_everything


def draw() -> tuple[float, float, float]:
    return random.random(), np.random.rand(), torch.rand(()).item()  # noqa: NPY002


def test_same_seed_same_numbers_from_all_three_generators():
    seed_everything(7)
    first = draw()
    seed_everything(7)
    assert draw() == first
    seed_everything(8)
    assert all(a != b for a, b in zip(draw(), first, strict=True))


def test_returned_generator_is_seeded_and_on_its_own():
    generator = seed_everything(7)
    torch.rand(3)  # drawing from the global generator does not touch it
    torch.testing.assert_close(
        torch.rand(3, generator=generator), torch.rand(3, generator=torch.Generator().manual_seed(7))
    )
    state = torch.get_rng_state()
    torch.rand(3, generator=generator)  # nor the other way round
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_the_whole_range_is_allowed(seed):
    assert seed_everything(seed).initial_seed() == seed


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_out_of_range(seed):
    with pytest.raises(ValueError, match=rf"\[0, 2\*\*32\), got {seed}"):
        seed_everything(seed)


@pytest.mark.parametrize("seed", [1.0, "1", None, True])
def test_not_an_integer(seed):
    with pytest.raises(TypeError, match=f"must be an integer, got {seed!r}"):
        seed_everything(seed)
