"""Dropout in both forms: what is expected stays, for every rate; evaluation is exact."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from companion.layers.drop import Dropout, DropoutScaledAtTest, dropout, dropout_scaled_at_test

RATES = [0.0, 0.1, 0.2, 0.5, 0.8, 0.9]
N = 40_000


@pytest.mark.parametrize("p", RATES)
@pytest.mark.parametrize("layer", [Dropout, DropoutScaledAtTest])
def test_what_is_expected_in_training_is_what_evaluation_gives(layer, p):
    layer = layer(p)
    x = torch.full((N,), 3.0, dtype=torch.float64)
    trained, evaluated = layer(x), layer.eval()(x)
    spread = trained.std().item() / math.sqrt(N)
    assert trained.mean().item() == pytest.approx(evaluated.mean().item(), abs=4.5 * spread + 1e-12)


@pytest.mark.parametrize("p", RATES)
def test_each_entry_is_kept_as_often_and_as_large_as_it_should_be(p):
    x = torch.rand(N, dtype=torch.float64) + 0.5
    for function, scale in ((dropout, 1 / (1 - p)), (dropout_scaled_at_test, 1.0)):
        y = function(x, p)
        kept = y != 0
        torch.testing.assert_close(y[kept], x[kept] * scale)
        assert kept.double().mean().item() == pytest.approx(1 - p, abs=4.5 * math.sqrt(p * (1 - p) / N))


def test_evaluation_is_exact():
    x = torch.randn(5, 7, dtype=torch.float64)
    assert Dropout(0.3).eval()(x) is x
    assert torch.equal(DropoutScaledAtTest(0.3).eval()(x), 0.7 * x)
    assert torch.equal(dropout(x, 0.3, training=False), F.dropout(x, 0.3, training=False))


def test_both_forms_are_the_same_network_up_to_one_scale():
    """With the same draws, scaling at test is inverted dropout times 1 - p, in training and in evaluation."""
    x = torch.randn(64, 10, dtype=torch.float64)
    for training in (True, False):
        a, b = (
            f(x, 0.4, training=training, generator=torch.Generator().manual_seed(1))
            for f in (dropout, dropout_scaled_at_test)
        )
        torch.testing.assert_close(0.6 * a, b)


def test_inverted_dropout_has_the_statistics_of_torchs():
    x = torch.ones(N)
    ours, theirs = dropout(x, 0.3), F.dropout(x, 0.3)
    assert ours.unique().tolist() == theirs.unique().tolist()
    assert ours.mean().item() == pytest.approx(theirs.mean().item(), abs=6 * math.sqrt(0.3 / 0.7 / N))
    torch.testing.assert_close(ours.std(), theirs.std(), atol=0.02, rtol=0)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4, 5)])
def test_every_entry_has_a_draw_of_its_own(shape):
    x = torch.ones(shape)
    kept = torch.stack([dropout(x, 0.5) for _ in range(400)]) != 0
    share = kept.double().mean(dim=0)
    assert ((share > 0.38) & (share < 0.62)).all()
    if len(shape) == 4:
        assert len(kept.flatten(1).unique(dim=0)) == 400


def test_p_of_one_drops_everything_and_p_of_zero_nothing():
    x = torch.randn(9)
    for function in (dropout, dropout_scaled_at_test):
        assert torch.equal(function(x, 1.0), torch.zeros(9))
        assert torch.equal(function(x, 0.0), x)
    assert torch.equal(dropout(x, 1.0), F.dropout(x, 1.0))


def test_gradient_passes_where_the_entry_was_kept():
    x = torch.randn(50, dtype=torch.float64, requires_grad=True)
    y = dropout(x, 0.5)
    y.sum().backward()
    torch.testing.assert_close(x.grad, torch.where(y == 0, 0.0, 2.0).double())


def test_generator_dtype_and_infinities():
    x = torch.randn(30).half()
    a, b, c = (dropout(x, 0.5, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert a.dtype == torch.float16
    assert not dropout(torch.full((100,), math.inf), 0.5).isnan().any()


def test_modules_follow_train_and_eval_inside_a_network():
    network = nn.Sequential(nn.Linear(4, 50), Dropout(0.5), nn.Linear(50, 2))
    x = torch.randn(3, 4)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))
    assert str(network[1]) == "Dropout(p=0.5)"
    assert str(DropoutScaledAtTest(0.1)) == "DropoutScaledAtTest(p=0.1)"


@pytest.mark.parametrize("p", [-0.1, 1.01, math.nan])
def test_bad_rates(p):
    message = rf"p, the probability of dropping, must lie in \[0, 1\], got {p}"
    for call in (Dropout, DropoutScaledAtTest, lambda p: dropout(torch.ones(1), p)):
        with pytest.raises(ValueError, match=message):
            call(p)


@pytest.mark.parametrize("function", [dropout, dropout_scaled_at_test])
def test_whole_numbers_are_refused(function):
    with pytest.raises(TypeError, match=r"floating point, got torch\.int64"):
        function(torch.ones(3, dtype=torch.int64))
