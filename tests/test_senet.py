"""SE- and ECA-ResNets: timm's logits, published counts, where the gates sit, errors."""

from functools import partial

import pytest
import torch

from companion.layers.gates import EfficientChannelAttention, SqueezeExcitation
from companion.models import senet as zoo
from companion.models.resnet import resnet50
from tests.twins import assert_same_logits, reference_twin

from companion import _torchvision  # noqa: F401 # isort: skip - timm imports torchvision, so ours comes first
import timm
from timm.models.resnet import Bottleneck as TimmBottleneck
from timm.models.resnet import ResNet as TimmResNet


def with_gate(gate, depths=(3, 4, 6, 3)):
    """timm's ResNet-50, which it does not name, with a gate in every block."""
    return lambda: TimmResNet(TimmBottleneck, depths, block_args={"attn_layer": gate})


MODELS = {
    "seresnet50": (zoo.seresnet50, partial(timm.create_model, "seresnet50"), 28_088_024),
    "seresnet50 without biases": (
        partial(zoo.seresnet50, bias=False),
        with_gate(partial(timm.layers.SEModule, bias=False)),
        28_071_976,
    ),
    "seresnet101": (zoo.seresnet101, partial(timm.create_model, "seresnet101"), 49_326_872),
    "seresnext50_32x4d": (zoo.seresnext50_32x4d, partial(timm.create_model, "seresnext50_32x4d"), 27_559_896),
    "ecaresnet50": (zoo.ecaresnet50, with_gate("eca"), 25_557_032 + 86),
    "ecaresnet101": (zoo.ecaresnet101, with_gate("eca", (3, 4, 23, 3)), 44_549_160 + 171),
}


@pytest.mark.parametrize("name", MODELS)
def test_counts_and_every_shape_are_timms(name):
    ours, theirs, published = MODELS[name]
    with torch.device("meta"):
        models = ours(), theirs()
    assert sum(p.numel() for p in models[0].parameters()) == published
    shapes = [[tuple(v.shape) for v in model.state_dict().values()] for model in models]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", ["seresnet50", "seresnext50_32x4d", "ecaresnet50"])
def test_logits_equal_timms(name):
    ours, theirs, _ = MODELS[name]
    assert_same_logits(reference_twin(ours, theirs), size=32)


def test_every_block_ends_in_a_gate_of_its_width():
    with torch.device("meta"):
        se, eca, base = zoo.seresnet50(reduction=8), zoo.ecaresnet50(), resnet50()
    inside = [m for m in se.modules() if isinstance(m, SqueezeExcitation)]
    assert [m.fc1.out_channels for m in inside] == [32] * 3 + [64] * 4 + [128] * 6 + [256] * 3
    kernels = [m.conv.kernel_size[0] for m in eca.modules() if isinstance(m, EfficientChannelAttention)]
    assert kernels == [5] * 13 + [7] * 3
    extra = sum(p.numel() for p in eca.parameters()) - sum(p.numel() for p in base.parameters())
    assert extra == sum(kernels) == 86


def test_narrow_blocks_keep_one_channel_between():
    assert zoo.squeeze_excitation(reduction=16)(4).fc1.out_channels == 1


def test_a_reduction_below_one_is_refused():
    with pytest.raises(ValueError, match="reduction must be >= 1, got 0"):
        zoo.squeeze_excitation(reduction=0)
