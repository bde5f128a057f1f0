import pytest
import torch
from torch import nn

from companion._torchvision import torchvision
from companion.layers.gates import SqueezeExcitation

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
