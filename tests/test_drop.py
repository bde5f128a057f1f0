"""Dropout in both forms, stochastic depth: what is expected stays, for every rate; evaluation is exact."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from companion._torchvision import torchvision
from companion.layers.drop import (
    Dropout,
    DropoutScaledAtTest,
    StochasticDepth,
    dropout,
    dropout_scaled_at_test,
    stochastic_depth,
)

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
    rows = torch.ones(1)
    for call in (
        Dropout,
        DropoutScaledAtTest,
        StochasticDepth,
        lambda p: dropout(rows, p),
        lambda p: stochastic_depth(rows, p),
    ):
        with pytest.raises(ValueError, match=message):
            call(p)


@pytest.mark.parametrize("function", [dropout, dropout_scaled_at_test, stochastic_depth])
def test_whole_numbers_are_refused(function):
    with pytest.raises(TypeError, match=r"floating point, got torch\.int64"):
        function(torch.ones(3, dtype=torch.int64), 0.5)


# --- stochastic depth


@pytest.mark.parametrize("p", RATES)
def test_the_branch_expected_in_training_is_the_branch_in_evaluation(p):
    layer, x = StochasticDepth(p), torch.randn(1, 3, dtype=torch.float64).expand(N, 3)
    trained, evaluated = layer(x), layer.eval()(x)
    assert evaluated is x
    spread = trained.std(dim=0) / math.sqrt(N)
    assert ((trained.mean(dim=0) - x[0]).abs() <= 4.5 * spread + 1e-12).all()


@pytest.mark.parametrize("p", RATES)
def test_an_example_is_kept_or_dropped_as_a_whole(p):
    x = torch.rand(2_000, 2, 3, dtype=torch.float64) + 0.5
    y = stochastic_depth(x, p)
    kept = (y != 0).flatten(1)
    assert (kept.all(dim=1) | ~kept.any(dim=1)).all()
    torch.testing.assert_close(y[kept[:, 0]], x[kept[:, 0]] / (1 - p))
    share = kept[:, 0].double().mean().item()
    assert share == pytest.approx(1 - p, abs=4.5 * math.sqrt(p * (1 - p) / 2_000))


def test_dropping_rows_has_the_statistics_of_torchvisions():
    x = torch.randn(1, 4, 2, 2, dtype=torch.float64).expand(N, 4, 2, 2)
    ours, theirs = stochastic_depth(x, 0.3), torchvision.ops.stochastic_depth(x, 0.3, mode="row")
    torch.testing.assert_close(ours.unique(), theirs.unique(), rtol=1e-12, atol=0)
    for statistic in (torch.mean, torch.std):
        torch.testing.assert_close(statistic(ours, dim=0), statistic(theirs, dim=0), rtol=0, atol=0.06)
    for p in (0.0, 1.0):
        assert torch.equal(stochastic_depth(x, p), torchvision.ops.stochastic_depth(x, p, mode="row"))


def test_a_chain_of_residual_blocks_is_as_long_on_average_as_the_rates_say():
    """With a branch that adds 1, the sum counts the blocks that were not skipped: the mean of kept / (1 - p) is 1."""
    rates = [0.0, 0.2, 0.5]
    x = torch.zeros(N, dtype=torch.float64)
    skipped = torch.zeros(N)
    for p in rates:
        branch = stochastic_depth(torch.ones_like(x), p)
        x, skipped = x + branch, skipped + (branch == 0)
    assert x.mean().item() == pytest.approx(len(rates), abs=0.05)
    assert skipped.mean().item() == pytest.approx(sum(rates), abs=0.02)


def test_gradient_passes_through_the_kept_examples():
    x = torch.randn(50, 3, dtype=torch.float64, requires_grad=True)
    y = stochastic_depth(x, 0.5)
    y.sum().backward()
    torch.testing.assert_close(x.grad, torch.where(y == 0, 0.0, 2.0).double())


def test_stochastic_depth_keeps_precision_layout_and_the_generators_word():
    x = torch.randn(30, 4, 2, 2).to(torch.bfloat16, memory_format=torch.channels_last)
    a, b, c = (stochastic_depth(x, 0.5, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert a.dtype == torch.bfloat16
    assert a.is_contiguous(memory_format=torch.channels_last)
    assert str(StochasticDepth(0.25)) == "StochasticDepth(p=0.25)"
    assert stochastic_depth(x[:0], 0.5).shape == (0, 4, 2, 2)


def test_stochastic_depth_needs_a_batch():
    with pytest.raises(ValueError, match=r"\(N, \*\), a batch of examples, got \(\)"):
        stochastic_depth(torch.tensor(1.0), 0.5)
