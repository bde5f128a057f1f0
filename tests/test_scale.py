"""LayerScale: each channel times its own number, at any place of the channels; start, gradient, errors."""

import pytest
import torch
from timm.layers import LayerScale as TimmScale
from timm.layers import LayerScale2d as TimmScale2d

from companion.layers.scale import LayerScale


@pytest.mark.parametrize("shape", [(2, 5), (5,), (2, 3, 5), (2, 5, 4, 3), (5, 4, 3)])
def test_each_channel_gets_its_factor(shape):
    axis = shape.index(5)
    layer, x = LayerScale(5, trailing=len(shape) - 1 - axis).double(), torch.randn(shape, dtype=torch.float64)
    layer.weight.data = torch.arange(1.0, 6.0, dtype=torch.float64).reshape(layer.weight.shape)
    out = layer(x)
    for c in range(5):
        torch.testing.assert_close(out.select(axis, c), (c + 1) * x.select(axis, c))


def test_is_timms_in_both_layouts():
    maps, rows = torch.randn(2, 6, 3, 3), torch.randn(2, 7, 6)
    assert torch.equal(LayerScale(6, 0.3)(maps), TimmScale2d(6, 0.3)(maps))
    assert torch.equal(LayerScale(6, 0.3, trailing=0)(rows), TimmScale(6, 0.3)(rows))


def test_starts_as_almost_nothing_and_learns():
    layer, x = LayerScale(3), torch.ones(1, 3, 2, 2)
    assert layer.weight.shape == (3, 1, 1)
    assert layer(x).abs().max().item() == pytest.approx(1e-6)
    layer(x).sum().backward()
    assert layer.weight.grad.flatten().tolist() == [4.0, 4.0, 4.0]  # one for each place
    assert str(layer) == "LayerScale(3)"


def test_errors():
    with pytest.raises(ValueError, match="got 0 and 2"):
        LayerScale(0)
    with pytest.raises(ValueError, match="got 4 and -1"):
        LayerScale(4, trailing=-1)
