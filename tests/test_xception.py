"""Xception: sizes, the paper's layers, blocks against loops, options, errors."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from companion.models.xception import XceptionBlock, separable_conv, xception


def meta(build, **options):
    with torch.device("meta"):
        return build(**options)


def test_sizes():
    model = meta(xception)
    x = torch.empty(2, 3, 299, 299, device="meta")
    assert model.forward_features(x).shape == (2, 2048, 10, 10)
    assert model.stages[1](model.stages[0](model.stem(x))).shape == (2, 728, 19, 19)


def test_the_paper_counts_36_convolutional_layers():
    """A separable convolution counts as one; the four of the shortcuts do not count."""
    model = meta(xception)
    depthwise = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    shortcuts = [m for n, m in model.named_modules() if isinstance(m, nn.Conv2d) and "shortcut" in n]
    all_of_them = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert len(shortcuts) == 4
    assert len(all_of_them) - len(shortcuts) - len(depthwise) == 36
    assert all(m.groups == m.in_channels == m.out_channels for m in depthwise)


def test_a_separable_convolution_is_one_kernel_per_channel_and_a_mixture():
    layer, x = separable_conv(3, 5).double(), torch.randn(2, 3, 6, 7, dtype=torch.float64)
    depthwise, pointwise = layer[0].weight, layer[1].weight
    channels = [F.conv2d(x[:, c : c + 1], depthwise[c : c + 1], padding=1) for c in range(3)]
    expected = torch.einsum("oc,bchw->bohw", pointwise[:, :, 0, 0], torch.cat(channels, 1))
    torch.testing.assert_close(layer(x), expected)
    assert layer[0].bias is layer[1].bias is None


@pytest.mark.parametrize("first_activation", [True, False])
@pytest.mark.parametrize(("channels", "stride"), [((4, 6, 6), 2), ((4, 4, 4, 4), 1), ((4, 6), 1)])
def test_a_block_is_body_plus_shortcut_and_leaves_its_input_alone(channels, stride, first_activation):
    block = XceptionBlock(channels, stride=stride, first_activation=first_activation).double().eval()
    x = torch.randn(2, 4, 9, 9, dtype=torch.float64)
    before, out = x.clone(), x
    for i, (conv, norm) in enumerate(
        zip(
            [m for m in block.body if isinstance(m, nn.Sequential)],
            [m for m in block.body if isinstance(m, nn.BatchNorm2d)],
            strict=True,
        )
    ):
        out = norm(conv(out.relu() if i or first_activation else out))
    if stride == 2:
        out = F.max_pool2d(out, 3, 2, 1)
    expected = out + (block.shortcut(x) if (stride, channels[-1]) != (1, 4) else x)
    torch.testing.assert_close(block(x), expected)
    torch.testing.assert_close(x, before)


def test_first_weights():
    for layer in xception(num_classes=10).modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 2000:
            fan_out = layer.weight.shape[0] * layer.weight[0, 0].numel()
            assert layer.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.1)


def test_the_rate_of_dropping_is_free():
    assert [
        [m.p for m in meta(xception, **o).modules() if isinstance(m, nn.Dropout)] for o in ({}, {"dropout": 0.0})
    ] == [[0.5], [0.0]]


@pytest.mark.parametrize(
    ("channels", "stride", "message"),
    [((4,), 1, r"two or more numbers >= 1, got \(4,\)"), ((4, 0), 1, r"got \(4, 0\)"), ((4, 4), 3, "1 or 2, got 3")],
)
def test_wrong_blocks_are_refused(channels, stride, message):
    with pytest.raises(ValueError, match=message):
        XceptionBlock(channels, stride=stride)
