"""Pooling against torch and against loops: values, gradients, sizes, chances, errors."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from companion.layers import pool
from companion.layers.pool import (
    AdaptiveAvgPool2d,
    AdaptiveMaxPool2d,
    AvgPool2d,
    BlurPool2d,
    GlobalAvgPool2d,
    GlobalMaxPool2d,
    MaxPool2d,
    MixedPool2d,
    StochasticPool2d,
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool2d,
    blur_pool2d,
    global_avg_pool2d,
    global_max_pool2d,
    max_pool2d,
    mixed_pool2d,
    stochastic_pool2d,
)

EXAMPLE = torch.tensor([[[[1.0, 3, 2, 4], [5, 6, 1, 2], [7, 8, 9, 1], [3, 4, 2, 5]]]], dtype=torch.float64)

pairs = st.one_of(st.integers(1, 4), st.tuples(st.integers(1, 4), st.integers(1, 4)))
sides = st.integers(1, 9)


def half(kernel):
    """Paddings that every version of torch allows: at most half of the kernel."""
    return st.tuples(*(st.integers(0, k // 2) for k in (kernel if isinstance(kernel, tuple) else (kernel, kernel))))


def maps(height, width, *, ties):
    x = torch.randn(2, 3, height, width, dtype=torch.float64)
    return (x.round() if ties else x).requires_grad_()


def same(ours, theirs, x, y):
    """Equal values, and equal gradients for one random gradient from above; x and y hold the same numbers."""
    torch.testing.assert_close(ours, theirs)
    above = torch.randn_like(theirs)
    (a,) = torch.autograd.grad(ours, x, above)
    (b,) = torch.autograd.grad(theirs, y, above)
    torch.testing.assert_close(a, b)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), height=sides, width=sides, kernel=pairs, stride=st.none() | pairs)
def test_max_and_average_equal_torch(data, height, width, kernel, stride):
    padding, dilation = data.draw(half(kernel)), data.draw(st.integers(1, 3))
    ceil_mode, count_include_pad = data.draw(st.booleans()), data.draw(st.booleans())
    x = maps(height, width, ties=data.draw(st.booleans()))
    y = x.detach().clone().requires_grad_()
    calls = [(max_pool2d, F.max_pool2d, (kernel, stride, padding, dilation, ceil_mode))]
    calls += [(avg_pool2d, F.avg_pool2d, (kernel, stride, padding, ceil_mode, count_include_pad))]
    for ours, theirs, arguments in calls:
        try:
            expected = theirs(y, *arguments)
        except RuntimeError:  # torch: output size is too small
            with pytest.raises(ValueError, match="does not fit into"):
                ours(x, *arguments)
        else:
            assume(expected.isfinite().all())  # a dilated window of padding alone has no winner to compare
            same(ours(x, *arguments), expected, x, y)


@settings(max_examples=100, deadline=None)
@given(height=sides, width=sides, rows=sides, columns=sides, ties=st.booleans())
def test_adaptive_and_global_equal_torch(height, width, rows, columns, ties):
    x = maps(height, width, ties=ties)
    y = x.detach().clone().requires_grad_()
    same(adaptive_avg_pool2d(x, (rows, columns)), F.adaptive_avg_pool2d(y, (rows, columns)), x, y)
    same(adaptive_max_pool2d(x, (rows, columns)), F.adaptive_max_pool2d(y, (rows, columns)), x, y)
    same(adaptive_avg_pool2d(x, rows), F.adaptive_avg_pool2d(y, rows), x, y)
    same(global_avg_pool2d(x), F.adaptive_avg_pool2d(y, 1).flatten(1), x, y)
    same(global_max_pool2d(x), F.adaptive_max_pool2d(y, 1).flatten(1), x, y)


def test_worked_example():
    assert max_pool2d(EXAMPLE, 2).tolist() == [[[[6, 4], [8, 9]]]]
    assert avg_pool2d(EXAMPLE, 2).tolist() == [[[[3.75, 2.25], [5.5, 4.25]]]]
    assert global_avg_pool2d(EXAMPLE).tolist() == [[63 / 16]] == [[3.9375]]
    assert global_max_pool2d(EXAMPLE).tolist() == [[9]]


def test_gradient_of_a_maximum_goes_to_the_first_winner():
    x = torch.tensor([[[2.0, 5, 1], [5, 5, 0]]], requires_grad=True)
    max_pool2d(x, (2, 3)).backward(torch.full((1, 1, 1), 7.0))
    assert x.grad.tolist() == [[[0, 7, 0], [0, 0, 0]]]


@pytest.mark.parametrize("shape", [(7, 6), (1, 7, 6), (2, 3, 7, 6), (2, 2, 3, 7, 6)])
def test_any_number_of_leading_dimensions(shape):
    x = torch.randn(*shape, dtype=torch.float64)
    if len(shape) == 2:
        with pytest.raises(ValueError, match=r"needs a non-empty \(..., C, H, W\) tensor, got shape \(7, 6\)"):
            max_pool2d(x, 2)
        return
    flat = x.reshape(-1, 1, 7, 6)
    for function in (max_pool2d, avg_pool2d):
        torch.testing.assert_close(function(x, 3, 2).flatten(), function(flat, 3, 2).flatten())


def test_nothing_is_lost_in_half_precision_and_nan_is_passed_on():
    x = torch.randn(1, 2, 6, 6)
    torch.testing.assert_close(avg_pool2d(x.bfloat16(), 2).float(), avg_pool2d(x, 2), atol=0.02, rtol=0.02)
    x[0, 0, 0, 0] = math.nan
    assert max_pool2d(x, 2).isnan().sum() == avg_pool2d(x, 2).isnan().sum() == 1


# --- mixed


@pytest.mark.parametrize("options", [{}, {"stride": 1}, {"padding": 1}, {"ceil_mode": True}])
def test_mixture_lies_between_mean_and_maximum(options):
    x = torch.randn(2, 3, 7, 7, dtype=torch.float64)
    largest = F.max_pool2d(x, 2, **options)
    mean = F.avg_pool2d(x, 2, **options)
    torch.testing.assert_close(mixed_pool2d(x, 2, 1.0, **options), largest)
    torch.testing.assert_close(mixed_pool2d(x, 2, 0.0, **options), mean)
    torch.testing.assert_close(mixed_pool2d(x, 2, 0.25, **options), 0.25 * largest + 0.75 * mean)
    shares = torch.rand(3, 1, 1, dtype=torch.float64)
    torch.testing.assert_close(mixed_pool2d(x, 2, shares, **options), shares * largest + (1 - shares) * mean)


def test_trained_mixture_finds_the_kind_of_pooling_behind_its_targets():
    x = torch.randn(8, 2, 6, 6)
    target = torch.cat([F.max_pool2d(x[:, :1], 2), F.avg_pool2d(x[:, 1:], 2)], dim=1)
    layer = MixedPool2d(2, channels=2, alpha=0.3)
    torch.testing.assert_close(layer.logit.sigmoid().flatten(), torch.tensor([0.3, 0.3]))
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.3)
    for _ in range(60):
        optimizer.zero_grad()
        F.mse_loss(layer(x), target).backward()
        assert (layer.logit.grad != 0).all()
        optimizer.step()
    share_max, share_avg = layer.logit.sigmoid().flatten().tolist()
    assert share_max > 0.95
    assert share_avg < 0.05


# --- stochastic


def windows_by_loops(x, kernel, stride, padding, ceil_mode):
    """All entries of each window of one map, left out where the window sticks out."""
    H, W = x.shape
    round_up = math.ceil if ceil_mode else math.floor
    tops = [i * stride - padding for i in range(round_up((H + 2 * padding - kernel) / stride) + 1)]
    lefts = [j * stride - padding for j in range(round_up((W + 2 * padding - kernel) / stride) + 1)]
    tops, lefts = [t for t in tops if t < H], [s for s in lefts if s < W]
    for top, left in itertools.product(tops, lefts):
        yield x[max(top, 0) : top + kernel, max(left, 0) : left + kernel].flatten()


@settings(max_examples=60, deadline=None)
@given(data=st.data(), height=sides, width=sides, kernel=st.integers(1, 4), stride=st.integers(1, 4))
def test_weighted_mean_of_any_size_equals_loops(data, height, width, kernel, stride):
    padding, ceil_mode = data.draw(st.integers(0, kernel // 2)), data.draw(st.booleans())
    assume(min(height, width) + 2 * padding >= kernel)
    x = torch.relu(torch.randn(height, width, dtype=torch.float64))
    got = stochastic_pool2d(x[None], kernel, stride, padding, ceil_mode, training=False)
    windows = list(windows_by_loops(x, kernel, stride, padding, ceil_mode))
    expected = [(w**2).sum() / w.sum() if w.sum() > 0 else w.new_zeros(()) for w in windows]
    torch.testing.assert_close(got.flatten(), torch.stack(expected))
    drawn = stochastic_pool2d(x[None], kernel, stride, padding, ceil_mode).flatten()
    for value, window in zip(drawn, windows, strict=True):
        assert value in window if window.sum() > 0 else value == 0
        assert value > 0 or window.sum() == 0  # a zero has no chance beside anything positive


def test_draws_have_the_chances_of_the_paper():
    window = torch.tensor([[1.6, 0.0], [0.4, 2.0]], dtype=torch.float64)  # chances 0.4, 0, 0.1, 0.5
    x = window.expand(1, 20_000, 2, 2)
    values, counts = stochastic_pool2d(x, 2).unique(return_counts=True)
    assert values.tolist() == [0.4, 1.6, 2.0]
    chances = counts / 20_000
    torch.testing.assert_close(chances, torch.tensor([0.1, 0.4, 0.5]), atol=0.015, rtol=0)  # 4 standard deviations
    mean = stochastic_pool2d(x[:, :1], 2, training=False).item()
    assert mean == pytest.approx(0.1 * 0.4 + 0.4 * 1.6 + 0.5 * 2.0)
    assert stochastic_pool2d(x, 2).mean().item() == pytest.approx(mean, abs=4 * 0.53 / math.sqrt(20_000))


def test_expectation_of_the_draws_on_overlapping_windows():
    x = torch.rand(1, 1, 5, 4, dtype=torch.float64)
    draws = stochastic_pool2d(x.expand(4000, 1, 5, 4), 3, 2, 1, True)
    expected = stochastic_pool2d(x, 3, 2, 1, True, training=False)
    torch.testing.assert_close(draws.mean(0, keepdim=True), expected, atol=0.025, rtol=0)


def test_stochastic_gradients():
    x = torch.rand(1, 3, 5, 5, dtype=torch.float64) + 0.1
    x[0, 0, :2, :2] = 0
    x.requires_grad_()
    stochastic_pool2d(x, 2).sum().backward()
    assert set(x.grad.unique().tolist()) == {0.0, 1.0}  # all of it to the one that was drawn
    assert x.grad.sum() == 3 * 2 * 2
    positive = (torch.rand(1, 2, 4, 5, dtype=torch.float64) + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda t: stochastic_pool2d(t, 2, 1, training=False), positive)
    x.grad = None
    stochastic_pool2d(x, 2, training=False).sum().backward()
    assert x.grad.isfinite().all()  # also where a window is all zeros


def test_a_generator_repeats_the_draws():
    x = torch.rand(2, 3, 8, 8)
    a, b, c = (stochastic_pool2d(x, 2, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_stochastic_module_draws_in_training_only():
    layer, x = StochasticPool2d(3, 2, 1, ceil_mode=True), torch.rand(2, 3, 8, 8)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), stochastic_pool2d(x, 3, 2, 1, True, training=False))
    assert layer(x).shape == (2, 3, 5, 5)


# --- blurred


@pytest.mark.parametrize(("kernel", "stride"), [(1, 2), (3, 1), (3, 2), (5, 3), (7, (2, 1))])
def test_blur_is_the_average_of_neighbours_again_and_again(kernel, stride):
    x = torch.randn(2, 3, 8, 9, dtype=torch.float64)
    dense = F.pad(x, (kernel // 2,) * 4, mode="reflect")
    for _ in range(kernel - 1):
        dense = F.avg_pool2d(dense, 2, stride=1)
    down, right = stride if isinstance(stride, tuple) else (stride, stride)
    torch.testing.assert_close(blur_pool2d(x, kernel, stride), dense[..., ::down, ::right])
    torch.testing.assert_close(BlurPool2d(kernel, stride)(x), dense[..., ::down, ::right])


def test_blur_keeps_a_constant_and_erases_the_finest_stripes():
    assert torch.equal(blur_pool2d(torch.full((1, 1, 6, 6), 3.0)), torch.full((1, 1, 3, 3), 3.0))
    stripes = torch.tensor([1.0, -1.0]).repeat(4).expand(1, 1, 8, 8)
    assert blur_pool2d(stripes).abs().max() == 0
    assert avg_pool2d(stripes, 1, 2).abs().min() == 1  # plain subsampling mistakes them for a constant


# --- modules


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (MaxPool2d(3, 2, 1), nn.MaxPool2d(3, 2, 1)),
        (MaxPool2d(2, dilation=2, ceil_mode=True), nn.MaxPool2d(2, dilation=2, ceil_mode=True)),
        (MaxPool2d((2, 3)), nn.MaxPool2d((2, 3))),
        (AvgPool2d(3, 2, 1, True, False), nn.AvgPool2d(3, 2, 1, True, False)),
        (AvgPool2d(2), nn.AvgPool2d(2)),
        (AdaptiveAvgPool2d((3, 5)), nn.AdaptiveAvgPool2d((3, 5))),
        (AdaptiveMaxPool2d(4), nn.AdaptiveMaxPool2d(4)),
        (nn.Sequential(GlobalAvgPool2d()), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())),
        (nn.Sequential(GlobalMaxPool2d()), nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())),
    ],
    ids=str,
)
def test_modules_equal_torchs(ours, theirs):
    x = torch.randn(2, 3, 9, 8, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x))
    assert not list(ours.parameters())


def test_each_option_changes_the_output():
    x = torch.rand(2, 3, 9, 9)
    plain = {MaxPool2d: {}, AvgPool2d: {}, MixedPool2d: {}}
    for kind in plain:
        base = kind(3, 2, 1)(x)
        for changed in (kind(2, 2, 1), kind(3, 1, 1), kind(3, 2, 0)):
            assert changed(x).shape != base.shape or not torch.equal(changed(x), base)
        assert kind(2, ceil_mode=True)(x).shape[-1] == kind(2)(x).shape[-1] + 1
    assert not torch.equal(MaxPool2d(3, 1, 1)(x)[..., :7, :7], MaxPool2d(3, 1, 1, dilation=2)(x))
    assert not torch.equal(AvgPool2d(3, 2, 1)(x), AvgPool2d(3, 2, 1, count_include_pad=False)(x))
    assert not torch.equal(BlurPool2d(3)(x), BlurPool2d(5)(x))


def test_modules_say_what_they_are():
    assert str(MaxPool2d(3, 2, 1)) == "MaxPool2d(kernel_size=3, stride=2, padding=1)"
    assert str(AvgPool2d(2)) == "AvgPool2d(kernel_size=2, stride=2, padding=0)"
    assert str(AdaptiveAvgPool2d((1, 2))) == "AdaptiveAvgPool2d(output_size=(1, 2))"
    assert str(BlurPool2d()) == "BlurPool2d(kernel_size=3, stride=2)"
    assert MaxPool2d(3).dilation == 1


# --- errors


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: max_pool2d(x.long(), 2), TypeError, "floating point, got torch.int64"),
        (lambda x: avg_pool2d(x[:, :, :0], 2), ValueError, r"non-empty .* got shape \(1, 1, 0, 4\)"),
        (lambda x: global_avg_pool2d(x[0, 0]), ValueError, r"got shape \(4, 4\)"),
        (lambda x: max_pool2d(x, 0), ValueError, "each >= 1, got 0"),
        (lambda x: max_pool2d(x, 2, 0), ValueError, "each >= 1, got 0"),
        (lambda x: max_pool2d(x, 2, dilation=0), ValueError, "each >= 1, got 0"),
        (lambda x: max_pool2d(x, 2.5), TypeError, "whole numbers, got 2.5"),
        (lambda x: max_pool2d(x, True), TypeError, "whole numbers, got True"),
        (lambda x: max_pool2d(x, (2, 2, 2)), ValueError, r"one number or two, each >= 1, got \(2, 2, 2\)"),
        (lambda x: max_pool2d(x, 2, padding=-1), ValueError, "each >= 0, got -1"),
        (lambda x: avg_pool2d(x, 3, padding=2), ValueError, "at most half of kernel_size, got 2 for 3"),
        (lambda x: max_pool2d(x, 5), ValueError, "a window that spans 5 does not fit into 4 with padding 0"),
        (lambda x: max_pool2d(x, 3, dilation=2), ValueError, "spans 5 does not fit into 4"),
        (lambda x: adaptive_avg_pool2d(x, 0), ValueError, "each >= 1, got 0"),
        (lambda x: adaptive_max_pool2d(x, (1, 2.0)), TypeError, r"whole numbers, got \(1, 2.0\)"),
        (lambda x: mixed_pool2d(x, 2, 1.5), ValueError, r"alpha must lie in \[0, 1\], got 1.5"),
        (lambda x: mixed_pool2d(x, 2, math.nan), ValueError, "got nan"),
        (lambda x: MixedPool2d(2, alpha=1.0), ValueError, r"alpha must lie in \(0, 1\) to be trained, got 1.0"),
        (lambda x: MixedPool2d(2, channels=0), ValueError, "channels must be >= 1, got 0"),
        (lambda x: stochastic_pool2d(x - 2, 2), ValueError, "activations >= 0, got -2; apply a ReLU"),
        (lambda x: stochastic_pool2d(x, 9), ValueError, "spans 9 does not fit"),
        (lambda x: blur_pool2d(x, 2), ValueError, "kernel_size must be odd, got 2"),
        (lambda x: blur_pool2d(x, 9), ValueError, r"reflects 4 rows and columns, got \(1, 1, 4, 4\)"),
        (lambda x: blur_pool2d(x, 3, 0), ValueError, "each >= 1, got 0"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.zeros(1, 1, 4, 4))


def test_public_names_are_all_here():
    public = {name for name in vars(pool) if name.endswith("pool2d") or name.endswith("Pool2d")}
    assert {name for name in public if not name.startswith("_")} == {
        n for n in globals() if n.lower().endswith("pool2d")
    }
