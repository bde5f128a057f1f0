"""SE- and ECA-ResNets: without biases too, where the gates sit, errors."""

from functools import partial

import pytest
import timm
import torch

from companion.layers.gates import EfficientChannelAttention, SqueezeExcitation
from companion.models import senet as zoo
from companion.models.resnet import resnet50
from tests.references import gated_resnet
from tests.twins import assert_same_logits, reference_twin


def test_gates_without_biases_are_timms():
    theirs = partial(gated_resnet, partial(timm.layers.SEModule, bias=False))
    twins = reference_twin(partial(zoo.seresnet50, bias=False), theirs)
    assert sum(p.numel() for p in twins.ours.parameters()) == 28_071_976
    assert_same_logits(twins, size=33)


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
