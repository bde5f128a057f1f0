"""DenseNet: torchvision's gradients, what a block hands on, options, errors."""

import pytest
import torch
from torch import nn

from companion._torchvision import torchvision
from companion.models.densenet import DenseBlock, DenseLayer, DenseNet, Transition
from tests.twins import reference_twin


def small(**changes):
    given = {"growth_rate": 4, "stem_channels": 8, "stem": "cifar", "num_classes": 5} | changes
    return DenseNet((2, 3), **given)


def test_training_mode_and_gradients_equal_torchvisions():
    ours = lambda: DenseNet((2, 3), growth_rate=4, stem_channels=8, num_classes=5)  # noqa: E731
    theirs = lambda: torchvision.models.DenseNet(4, (2, 3), 8, num_classes=5)  # noqa: E731
    mine, reference = reference_twin(ours, theirs)
    x = torch.randn(3, 3, 40, 40, dtype=torch.float64)
    outputs = [model.train()(x) for model in (mine, reference)]
    torch.testing.assert_close(*outputs, rtol=1e-10, atol=1e-10)
    for out in outputs:
        out.square().sum().backward()
    for p, q in zip(mine.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-8, atol=1e-10)


def test_a_block_hands_its_input_on_untouched_and_adds_k_channels_a_layer():
    block, x = DenseBlock(3, 6, 4).double().eval(), torch.randn(2, 6, 5, 5, dtype=torch.float64)
    before = x.clone()
    out = block(x)
    assert out.shape == (2, 6 + 3 * 4, 5, 5)
    assert torch.equal(out[:, :6], before)
    assert torch.equal(x, before)
    seen = torch.cat([x, block[0](x)], 1)
    assert torch.equal(out[:, 10:14], block[1](seen))  # the second layer reads the input and the first layer


def test_later_layers_do_not_reach_back():
    block, x = DenseBlock(2, 6, 4).eval(), torch.randn(1, 6, 5, 5)
    before = block(x)
    with torch.no_grad():
        block[1].conv2.weight += 1
    assert torch.equal(block(x)[:, :10], before[:, :10])
    assert not torch.equal(block(x)[:, 10:], before[:, 10:])


def test_a_layer_is_six_steps_in_order():
    layer, x = DenseLayer(6, 4, bottleneck=3).double().eval(), torch.randn(2, 6, 5, 5, dtype=torch.float64)
    assert layer.conv1.out_channels == 12
    y = nn.functional.conv2d(layer.norm1(x).clamp(min=0), layer.conv1.weight)
    y = nn.functional.conv2d(layer.norm2(y).clamp(min=0), layer.conv2.weight, padding=1)
    torch.testing.assert_close(layer(x), y)


def test_a_transition_halves_the_map():
    assert Transition(6, 3)(torch.randn(2, 6, 7, 8)).shape == (2, 3, 3, 4)


def test_features_are_what_the_head_reads():
    model, x = small().double().eval(), torch.randn(2, 3, 8, 8, dtype=torch.float64)
    features = model.forward_features(x)
    assert features.shape == (2, 20, 4, 4)  # (8 + 2 * 4) / 2 + 3 * 4
    assert (features >= 0).all()
    torch.testing.assert_close(model(x), model.head(features.mean((2, 3))))


def test_options_change_the_network():
    assert small(compression=1.0).head.in_features == 28
    assert small(bottleneck=2).stages[0][0].conv1.out_channels == 8
    assert small(in_channels=1)(torch.randn(2, 1, 8, 8)).shape == (2, 5)
    assert small(stem="imagenet")(torch.randn(2, 3, 32, 32)).shape == (2, 5)
    dropping, x = small(dropout=0.5), torch.randn(2, 3, 8, 8)
    assert not torch.equal(dropping(x), dropping(x))
    assert torch.equal(dropping.eval()(x), dropping(x))


def test_first_weights_follow_fan_in():
    torch.manual_seed(0)
    model = small(growth_rate=16)
    conv = model.stages[2][0].conv2  # 64 channels below, 3 x 3
    assert conv.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)
    assert torch.equal(model.head.bias, torch.zeros(5))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"growth_rate": 0}, "growth_rate must be >= 1, got 0"),
        ({"stem_channels": 0}, "stem_channels must be >= 1, got 0"),
        ({"bottleneck": 0}, "bottleneck must be >= 1, got 0"),
        ({"num_classes": 0}, "num_classes must be >= 1, got 0"),
        ({"in_channels": -1}, "in_channels must be >= 1, got -1"),
        ({"compression": 0.0}, r"compression must lie in \(0, 1\], got 0.0"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
        ({"stem": "large"}, r"stem must be one of \('imagenet', 'cifar'\), got 'large'"),
    ],
)
def test_bad_sizes_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        small(**given)


@pytest.mark.parametrize("depths", [(), (2, 0)])
def test_no_or_empty_blocks_are_refused(depths):
    with pytest.raises(ValueError, match="depths must name at least one block"):
        DenseNet(depths)


def test_a_picture_of_other_channels_or_too_small_is_refused():
    model = small().eval()
    with pytest.raises(RuntimeError, match="3 channels"):
        model(torch.randn(1, 1, 8, 8))
    with pytest.raises(RuntimeError, match="too small"):
        model(torch.randn(1, 3, 1, 1))
