"""Local response normalization: the paper's formula in loops, torch's layer, gradients, groups, errors."""

import pytest
import torch
from torch import nn

from companion.layers.norm import LocalResponseNorm, local_response_norm


def lrn_by_loops(x, size, alpha, beta, k):
    """The formula of section 3.3, channel by channel."""
    channels, reach = x.shape[1], size // 2
    out = torch.empty_like(x)
    for i in range(channels):
        total = torch.zeros_like(x[:, 0])
        for j in range(max(0, i - reach), min(channels - 1, i + reach) + 1):
            total += x[:, j] * x[:, j]
        out[:, i] = x[:, i] / (k + alpha * total) ** beta
    return out


def double(*shape):
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("size", [1, 3, 5, 9])
@pytest.mark.parametrize("shape", [(2, 7), (2, 7, 4), (3, 6, 4, 5), (1, 5, 2, 2, 3)])
def test_equals_the_papers_formula(size, shape):
    x = 3 * double(*shape)
    expected = lrn_by_loops(x, size, alpha=0.3, beta=0.6, k=1.5)
    torch.testing.assert_close(local_response_norm(x, size, 0.3, 0.6, 1.5), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8])
def test_equals_torchs_layer_when_that_is_given_alpha_times_size(size):
    x, alpha = 20 * double(2, 10, 3, 4), 1e-2
    theirs = nn.LocalResponseNorm(size, alpha=alpha * size, beta=0.75, k=2.0)
    torch.testing.assert_close(LocalResponseNorm(size, alpha)(x), theirs(x), rtol=1e-12, atol=0)
    if size > 1:
        assert not torch.allclose(LocalResponseNorm(size, alpha)(x), nn.LocalResponseNorm(size, alpha, k=2.0)(x))


def test_the_defaults_are_the_papers():
    x = 100 * double(1, 9, 2, 2)
    torch.testing.assert_close(LocalResponseNorm()(x), lrn_by_loops(x, 5, 1e-4, 0.75, 2.0), rtol=1e-12, atol=0)


def test_gradients():
    x = double(2, 6, 2, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: local_response_norm(x, 3, 0.5, 0.75, 1.0), x)
    assert torch.autograd.gradcheck(lambda x: local_response_norm(x, 3, 0.5, 0.75, 1.0, groups=2), x)


def test_groups_do_not_see_each_other():
    x = 5 * double(3, 8, 2, 2)
    halves = [local_response_norm(half, 5, 0.1) for half in x.chunk(2, dim=1)]
    apart = local_response_norm(x, 5, 0.1, groups=2)
    torch.testing.assert_close(apart, torch.cat(halves, 1), rtol=1e-12, atol=0)
    differs = (apart != local_response_norm(x, 5, 0.1)).flatten(2).any(2).any(0)
    assert differs.tolist() == [False, False, True, True, True, True, False, False]  # two channels from the border


def test_each_constant_changes_the_output():
    x, usual = 10 * double(2, 6, 3), {"size": 5, "alpha": 1e-2, "beta": 0.75, "k": 2.0, "groups": 1}
    out = LocalResponseNorm(**usual)(x)
    for change in ({"size": 3}, {"alpha": 1e-3}, {"beta": 0.5}, {"k": 1.0}, {"groups": 2}):
        assert not torch.allclose(LocalResponseNorm(**{**usual, **change})(x), out), change


def test_beta_zero_is_the_identity_and_large_signals_are_damped_more():
    x = double(2, 5, 3)
    torch.testing.assert_close(LocalResponseNorm(beta=0.0)(x), x)
    shrunk = (LocalResponseNorm(alpha=1.0)(10 * x) / (10 * x)).abs()
    assert (shrunk < (LocalResponseNorm(alpha=1.0)(x) / x).abs()).all()


def test_precision_and_layout_stay():
    x = torch.randn(2, 6, 4, 4).to(memory_format=torch.channels_last)
    assert LocalResponseNorm()(x).dtype == torch.float32
    assert LocalResponseNorm()(x).is_contiguous(memory_format=torch.channels_last)
    assert LocalResponseNorm()(x.bfloat16()).dtype == torch.bfloat16


def test_repr_names_the_constants():
    assert repr(LocalResponseNorm()) == "LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=2.0)"
    assert "groups=2" in repr(LocalResponseNorm(groups=2))


def test_errors():
    with pytest.raises(ValueError, match="size=0"):
        LocalResponseNorm(0)
    with pytest.raises(ValueError, match="groups=-1"):
        LocalResponseNorm(groups=-1)
    with pytest.raises(ValueError, match=r"\(N, C, \*\), got \(4,\)"):
        local_response_norm(torch.zeros(4))
    with pytest.raises(ValueError, match="divide 5 channels"):
        local_response_norm(torch.zeros(1, 5, 2), groups=2)
    with pytest.raises(ValueError, match="size=-3"):
        local_response_norm(torch.zeros(1, 5, 2), -3)
