"""Normalization layers: local response by the paper's formula in loops, LayerNorm2d place by place; torch's layers."""

import pytest
import torch
from torch import nn

from companion._torchvision import torchvision
from companion.layers.norm import LayerNorm2d, LocalResponseNorm, local_response_norm


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


# --- LayerNorm2d


def lively_layer_norm(channels):
    layer = LayerNorm2d(channels).double()
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    return layer


def test_every_place_is_normalized_by_itself():
    x, layer = 3 * double(2, 7, 3, 4) + 5, lively_layer_norm(7)
    expected = torch.empty_like(x)
    for n in range(2):
        for i in range(3):
            for j in range(4):
                place = x[n, :, i, j]
                spread = ((place - place.mean()) ** 2).mean()
                expected[n, :, i, j] = (place - place.mean()) / (spread + 1e-6).sqrt() * layer.weight + layer.bias
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)


def test_is_torchvisions_and_a_group_norm_only_on_single_places():
    x, layer = double(2, 6, 4, 3), lively_layer_norm(6)
    theirs = torchvision.models.convnext.LayerNorm2d(6, eps=1e-6).double()
    theirs.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(x), theirs(x), rtol=1e-12, atol=1e-12)
    one_group = nn.GroupNorm(1, 6, eps=1e-6).double()
    one_group.load_state_dict(layer.state_dict())
    assert not torch.allclose(layer(x), one_group(x))  # that one takes the mean over all places as well
    torch.testing.assert_close(layer(x[:, :, :1, :1]), one_group(x[:, :, :1, :1]))


def test_scale_and_offset_of_a_place_do_not_matter():
    x, layer = double(1, 9, 2, 2), lively_layer_norm(9)
    torch.testing.assert_close(layer(1000 * x - 300), layer(1000 * x), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(layer(1e4 * x), layer(1e3 * x), rtol=1e-5, atol=1e-5)
    assert torch.equal(layer(x.flip(3)), layer(x).flip(3))


def test_layer_norm_2d_gradient_layout_and_precision():
    layer = lively_layer_norm(4)
    assert torch.autograd.gradcheck(layer, double(2, 4, 2, 2).requires_grad_())
    for x in (torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3).to(memory_format=torch.channels_last)):
        out = LayerNorm2d(4)(x)
        assert out.is_contiguous(memory_format=torch.channels_last)
        assert LayerNorm2d(4).bfloat16()(x.bfloat16()).dtype == torch.bfloat16


def test_layer_norm_2d_errors():
    with pytest.raises(ValueError, match="channels must be >= 1, got 0"):
        LayerNorm2d(0)
    for shape in [(2, 5, 4, 4), (4, 3, 3), (2, 4, 4, 3, 3)]:
        with pytest.raises(ValueError, match=r"\(B, 4, H, W\), got"):
            LayerNorm2d(4)(torch.zeros(shape))
