"""ResNeSt: the block step by step, features, options, errors."""

import pytest
import torch
from torch.nn import functional as F

from companion.models.resnest import ResNeSt, ResNeStBottleneck


def small(**changes):
    return ResNeSt((1, 2), **({"widths": (8, 16), "stem_width": 4, "num_classes": 5} | changes))


@pytest.mark.parametrize("stride", [1, 2])
def test_a_block_step_by_step(stride):
    block = ResNeStBottleneck(6, 6, stride=stride, radix=3).double().eval()
    x = torch.randn(2, 6, 7, 7, dtype=torch.float64)
    y = block.norm1(F.conv2d(x, block.conv1.weight)).relu()
    y = block.norm2(F.conv2d(y, block.conv2.weight, padding=1, groups=3)).relu()
    assert y.shape[1] == 18
    y = block.split(y)
    y = F.avg_pool2d(y, 3, stride, 1) if stride > 1 else y
    y = block.norm3(F.conv2d(y, block.conv3.weight))
    conv, norm = block.shortcut[1]
    mean = F.avg_pool2d(x, 2, 2, ceil_mode=True, count_include_pad=False) if stride > 1 else x
    torch.testing.assert_close(block(x), (y + norm(F.conv2d(mean, conv.weight))).relu())


def test_a_shortcut_of_the_same_shape_is_the_identity():
    block = ResNeStBottleneck(16, 4).eval()
    torch.nn.init.zeros_(block.norm3.weight)
    x = torch.randn(2, 16, 5, 5)
    assert torch.equal(block(x), x.relu())


def test_features_and_options():
    model, x = small(), torch.randn(4, 3, 32, 32)
    assert model.forward_features(x).shape == (4, 64, 4, 4)
    assert small(in_channels=1, radix=1)(x[:, :1]).shape == (4, 5)


@pytest.mark.parametrize(
    "given", [{"widths": (8,)}, {"widths": (8, 0)}, {"stem_width": 0}, {"radix": 0}, {"num_classes": 0}]
)
def test_bad_sizes_are_refused(given):
    with pytest.raises(ValueError, match="as many depths as widths and all sizes >= 1, got depths"):
        small(**given)


def test_no_stages_are_refused():
    with pytest.raises(ValueError, match=r"got depths \(\)"):
        ResNeSt((), widths=())
