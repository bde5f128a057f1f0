"""ResNeSt: timm's logits, published counts, the block step by step, options, errors."""

import pytest
import torch
from torch.nn import functional as F

from companion.models import resnest as zoo
from companion.models.resnest import ResNeSt, ResNeStBottleneck
from tests.twins import assert_same_logits, reference_twin

from companion import _torchvision  # noqa: F401 # isort: skip - timm imports torchvision, so ours comes first
import timm

PUBLISHED = {"resnest50": ("resnest50d", 27_483_240), "resnest101": ("resnest101e", 48_275_016)}


def small(**changes):
    return ResNeSt((1, 2), **({"widths": (8, 16), "stem_width": 4, "num_classes": 5} | changes))


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_and_every_shape_are_timms(name):
    theirs, published = PUBLISHED[name]
    with torch.device("meta"):
        models = getattr(zoo, name)(), timm.create_model(theirs)
    assert sum(p.numel() for p in models[0].parameters()) == published
    shapes = [[tuple(v.shape) for v in model.state_dict().values()] for model in models]
    assert shapes[0] == shapes[1]


def test_logits_equal_timms():
    assert_same_logits(reference_twin(zoo.resnest50, lambda: timm.create_model("resnest50d")), size=72)


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


def test_features_options_and_gradients():
    model, x = small(), torch.randn(4, 3, 32, 32)
    assert model.forward_features(x).shape == (4, 64, 4, 4)
    assert small(in_channels=1, radix=1)(x[:, :1]).shape == (4, 5)
    model(x).square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    dead = [name for name, p in model.named_parameters() if p.grad.abs().max() == 0]
    assert dead == []


def test_memory_format_autocast_and_export():
    model, x = small().eval(), torch.randn(2, 3, 32, 32)
    expected = model(x)
    last = model.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(last, expected, rtol=1e-4, atol=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(model(x).float(), expected, rtol=0.1, atol=0.1)
    torch.testing.assert_close(torch.export.export(model, (x,)).module()(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "given", [{"widths": (8,)}, {"widths": (8, 0)}, {"stem_width": 0}, {"radix": 0}, {"num_classes": 0}]
)
def test_bad_sizes_are_refused(given):
    with pytest.raises(ValueError, match="as many depths as widths and all sizes >= 1, got depths"):
        small(**given)


def test_no_stages_are_refused():
    with pytest.raises(ValueError, match=r"got depths \(\)"):
        ResNeSt((), widths=())
