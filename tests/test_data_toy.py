"""The point sets have the shapes that their names promise; the geometry is recomputed here."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from companion.data import circles, gaussians, two_moons, two_spirals, xor

MAKERS = [circles, xor, two_spirals, gaussians, two_moons]


@pytest.mark.parametrize("maker", MAKERS)
@settings(max_examples=20, deadline=None)
@given(n=st.integers(2, 300), seed=st.integers(0, 2**31))
def test_every_set_is_balanced_seeded_and_bounded(maker, n, seed):
    X, y = maker(n, seed=seed)
    assert X.shape == (n, 2)
    assert X.dtype == torch.float32
    assert y.dtype == torch.int64
    assert y.bincount(minlength=2).tolist() == [n - n // 2, n // 2]
    assert X.abs().max() < 6
    again = maker(n, seed=seed)
    assert torch.equal(X, again[0])
    assert torch.equal(y, again[1])
    assert not torch.equal(X, maker(n, seed=seed + 1)[0])


@pytest.mark.parametrize("maker", MAKERS)
def test_classes_come_in_random_order(maker):
    _, y = maker(400)
    changes = (y[1:] != y[:-1]).sum().item()
    assert 150 < changes < 250  # 1 for sorted classes, 399 for alternating ones, about 200 by chance


@pytest.mark.parametrize("maker", MAKERS)
def test_noise_is_the_standard_deviation_of_each_coordinate(maker):
    clean, y = maker(20_000, noise=0.0)
    noisy, same = maker(20_000, noise=0.25)
    assert torch.equal(y, same)
    difference = (noisy - clean).double()
    torch.testing.assert_close(difference.std(0), torch.full((2,), 0.25).double(), atol=0.005, rtol=0)
    assert difference.mean(0).abs().max() < 0.008


@pytest.mark.parametrize("maker", MAKERS)
def test_global_generator_is_left_alone(maker):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    maker(10)
    assert torch.equal(torch.rand(1), expected)


def test_circles_without_noise_lie_on_their_radii():
    X, y = circles(500, noise=0)
    torch.testing.assert_close(X.norm(dim=1), torch.where(y == 0, 2.0, 1.0))
    assert (X[y == 0].mean(0).abs() < 0.3).all()  # all the way round


def test_xor_without_noise_is_the_truth_table():
    X, y = xor(400, noise=0)
    corners = {tuple(x): int(label) for x, label in zip(X.tolist(), y, strict=True)}
    assert corners == {(-1, -1): 0, (1, 1): 0, (-1, 1): 1, (1, -1): 1}


def test_spirals_without_noise_are_one_curve_turned():
    X, y = two_spirals(2000, noise=0)
    angle = torch.atan2(X[:, 1], X[:, 0])
    expected = math.pi * (X.norm(dim=1) + y)  # radius grows by 2 a turn
    assert ((angle - expected).cos() > 1 - 1e-5).all()
    assert X.norm(dim=1).max() == pytest.approx(3, abs=0.05)
    half_turned = torch.cdist(-X[y == 0], X[y == 1]).min(1).values
    assert half_turned.max() < 0.3


def test_spirals_cross_every_line_through_the_origin_several_times():
    X, y = two_spirals(4000, noise=0)
    ray = (X[:, 1].abs() < 0.02) & (X[:, 0] > 0.1)
    ordered = y[ray][X[ray, 0].argsort()]
    assert (ordered[1:] != ordered[:-1]).sum() >= 2


def test_gaussians_have_the_stated_error_of_the_best_line():
    X, y = gaussians(100_000, noise=1.0)
    error = ((X.sum(1) > 0).long() != y).double().mean().item()
    assert error == pytest.approx(0.5 * math.erfc(math.sqrt(2) / math.sqrt(2)), abs=0.003)  # Φ(-√2)


def test_moons_are_two_half_circles_that_interlock():
    X, y = two_moons(600, noise=0)
    centre = torch.tensor([0.5, 0.25])
    torch.testing.assert_close((X[y == 0] + centre).norm(dim=1), torch.ones(300))
    torch.testing.assert_close((X[y == 1] - centre).norm(dim=1), torch.ones(300))
    assert (X[y == 0, 1] >= -0.25 - 1e-6).all()
    assert (X[y == 1, 1] <= 0.25 + 1e-6).all()


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": 1}, ValueError, "at least 2, one point of each class, got 1"),
        ({"n": -5}, ValueError, "got -5"),
        ({"n": 10.0}, TypeError, "n must be an int, got 10.0"),
        ({"n": True}, TypeError, "n must be an int, got True"),
        ({"n": 10, "noise": -0.1}, ValueError, "finite number >= 0, got -0.1"),
        ({"n": 10, "noise": math.nan}, ValueError, "got nan"),
        ({"n": 10, "noise": math.inf}, ValueError, "got inf"),
        ({"n": 10, "seed": 1.5}, TypeError, "seed must be an int, got 1.5"),
    ],
)
def test_bad_arguments_are_quoted(maker, arguments, error, message):
    with pytest.raises(error, match=message):
        maker(**arguments)
