"""Gates on channels: torchvision's and timm's values, what the formulas say, errors."""

import pytest
import timm
import torch
from torch import nn

from companion._torchvision import torchvision
from companion.layers.gates import EfficientChannelAttention, SplitAttention, SqueezeExcitation, eca_kernel_size

PAIRS = [(nn.ReLU, nn.Sigmoid), (nn.SiLU, nn.Sigmoid), (nn.ReLU, nn.Hardsigmoid)]


@pytest.mark.parametrize(("activation", "gate"), PAIRS)
def test_squeeze_excitation_equals_torchvisions(activation, gate):
    ours = SqueezeExcitation(8, 3, activation=activation, gate=gate).double()
    theirs = torchvision.ops.SqueezeExcitation(8, 3, activation=activation, scale_activation=gate).double()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 8, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x))


def test_squeeze_excitation_scales_whole_channels_by_its_weights():
    layer, x = SqueezeExcitation(6, 2), torch.randn(3, 6, 4, 5)
    gates = layer.weights(x)
    assert gates.shape == (3, 6, 1, 1)
    assert ((gates > 0) & (gates < 1)).all()
    torch.testing.assert_close(layer(x) / x, gates.expand_as(x))


def test_squeeze_excitation_does_not_mind_where_things_are():
    layer, x = SqueezeExcitation(6, 2), torch.randn(1, 6, 4, 4)
    torch.testing.assert_close(layer(x.flip(3)), layer(x).flip(3))


def test_squeeze_excitation_without_biases_has_fewer_parameters():
    count = [sum(p.numel() for p in SqueezeExcitation(8, 2, bias=bias).parameters()) for bias in (True, False)]
    assert count == [8 * 2 * 2 + 8 + 2, 8 * 2 * 2]


@pytest.mark.parametrize("sizes", [(0, 1), (4, 0)])
def test_squeeze_excitation_refuses_sizes_below_one(sizes):
    with pytest.raises(ValueError, match=f"got {sizes[0]} and {sizes[1]}"):
        SqueezeExcitation(*sizes)


# --- efficient channel attention


def test_eca_kernel_sizes_of_resnets():
    assert [eca_kernel_size(2**k) for k in range(6, 12)] == [3, 5, 5, 5, 5, 7]


@pytest.mark.parametrize("channels", [8, 24, 100, 300, 2048, 5000])
def test_eca_kernel_size_is_timms_from_eight_channels_on(channels):
    assert eca_kernel_size(channels) == timm.layers.EcaModule(channels).conv.kernel_size[0]


def test_eca_kernel_size_follows_gamma_and_b():
    assert [eca_kernel_size(64, gamma=1.0), eca_kernel_size(64, b=5.0), eca_kernel_size(1)] == [7, 5, 1]


@pytest.mark.parametrize("channels", [16, 64])
def test_eca_equals_timms(channels):
    ours, theirs = EfficientChannelAttention(channels).double(), timm.layers.EcaModule(channels).double()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, channels, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x))


def test_eca_gates_by_loops():
    layer = EfficientChannelAttention(7, kernel_size=3).double()
    x = torch.randn(2, 7, 4, 3, dtype=torch.float64)
    w = layer.conv.weight.flatten().tolist()
    gates = layer.weights(x)
    for b in range(2):
        means = [0.0, *(x[b, c].mean().item() for c in range(7)), 0.0]
        for c in range(7):
            z = torch.tensor(sum(w[k] * means[c + k] for k in range(3)), dtype=torch.float64)
            torch.testing.assert_close(gates[b, c, 0, 0], z.sigmoid())
    torch.testing.assert_close(layer(x), x * gates)


def test_eca_gate_sees_its_neighbours_only_and_has_k_weights():
    layer, x = EfficientChannelAttention(9, kernel_size=5).double(), torch.randn(1, 9, 3, 3, dtype=torch.float64)
    changed = x.clone()
    changed[:, 4] += 1.0
    different = (layer.weights(x) != layer.weights(changed)).flatten().tolist()
    assert different == [2 <= c <= 6 for c in range(9)]
    assert sum(p.numel() for p in layer.parameters()) == 5


@pytest.mark.parametrize(("channels", "size"), [(0, None), (0, 3), (8, 4), (8, -1)])
def test_eca_refuses_sizes_that_make_no_sense(channels, size):
    with pytest.raises(ValueError, match=f"got {channels} and"):
        EfficientChannelAttention(channels, kernel_size=size)


def test_eca_kernel_size_refuses_gamma_zero():
    with pytest.raises(ValueError, match=r"got 8 and 0\.0"):
        eca_kernel_size(8, gamma=0.0)


# --- split attention


def timms_attention(radix, groups):
    """timm's layer, which has its convolution inside, with a convolution that changes nothing."""
    sizes = {"radix": radix, "groups": groups, "rd_channels": 8}
    layer = timm.layers.SplitAttn(24, 24, norm_layer=nn.BatchNorm2d, **sizes).double()
    layer.conv, layer.bn0, layer.act0 = nn.Identity(), nn.Identity(), nn.Identity()
    return layer.eval()


@pytest.mark.parametrize(("radix", "groups"), [(1, 1), (2, 1), (2, 2), (3, 4)])
def test_split_attention_equals_timms(radix, groups):
    ours = SplitAttention(24, 8 * radix, radix=radix, groups=groups).double().eval()
    theirs = timms_attention(radix, groups)
    for mine, value in zip(theirs.parameters(), ours.parameters(), strict=True):
        mine.data.copy_(value)
    x = torch.randn(2, 24 * radix, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x))


def test_split_attention_shares_add_up_to_one_and_mix_the_versions():
    layer, x = SplitAttention(6, 4, radix=3).double().eval(), torch.randn(2, 18, 4, 4, dtype=torch.float64)
    shares = layer.weights(x)
    assert shares.shape == (2, 3, 6, 1, 1)
    torch.testing.assert_close(shares.sum(1), torch.ones(2, 6, 1, 1, dtype=torch.float64))
    versions = x.reshape(2, 3, 6, 4, 4)
    torch.testing.assert_close(layer(x), (versions * shares).sum(1))
    same = versions[:, :1].expand(-1, 3, -1, -1, -1).reshape(2, 18, 4, 4)
    torch.testing.assert_close(layer(same), versions[:, 0])  # equal versions: nothing to choose


def test_split_attention_keeps_the_type_under_autocast():
    layer, x = SplitAttention(6, 4).eval(), torch.randn(2, 12, 4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(x.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("given", [(0, 4, 2, 1), (8, 0, 2, 1), (8, 4, 0, 1), (8, 4, 2, 0), (8, 4, 2, 3), (8, 6, 2, 4)])
def test_split_attention_refuses_sizes_that_make_no_sense(given):
    channels, squeeze, radix, groups = given
    with pytest.raises(ValueError, match=f"got out_channels={channels}, squeeze_channels={squeeze}"):
        SplitAttention(channels, squeeze, radix=radix, groups=groups)
