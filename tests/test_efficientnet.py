"""EfficientNet: torchvision's gradients and first weights, the scaling rules, the gate's width, options, errors."""

import math

import pytest
import torch
from torch import nn

from companion._torchvision import torchvision
from companion.layers.drop import StochasticDepth
from companion.models.efficientnet import (
    B0_STAGES,
    SCALES,
    V2_S_STAGES,
    EfficientNet,
    FusedMBConv,
    MBConv,
    Stage,
    efficientnet_b0,
    efficientnet_b1,
    scale_stages,
)

TINY = (Stage(FusedMBConv, 1, 3, 1, 8, 1), Stage(FusedMBConv, 2, 3, 2, 8, 2), Stage(MBConv, 2, 5, 2, 16, 2))


def tiny(**options):
    return EfficientNet(TINY, stem_channels=8, **{"last_channels": 32, "num_classes": 5, **options})


def count(model):
    return sum(p.numel() for p in model.parameters())


# --- the published family, beyond what tests/test_zoo_table.py proves of every model


def test_training_step_is_torchvisions():
    """Without randomness the gradients agree too, so nothing but the random masks separates the two in training."""
    theirs = torchvision.models.efficientnet_b0(num_classes=3, dropout=0.0, stochastic_depth_prob=0.0).double()
    ours = efficientnet_b0(num_classes=3, dropout=0.0, drop_path_rate=0.0).double()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    x = torch.randn(3, 3, 32, 32, dtype=torch.float64)
    for model in (ours, theirs):
        model(x).square().sum().backward()
    for mine, reference in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, reference.grad, rtol=1e-7, atol=1e-9)


def test_first_weights_are_spread_as_torchvisions():
    ours = dict(efficientnet_b0(num_classes=50).named_parameters())
    theirs = torchvision.models.efficientnet_b0(num_classes=50).parameters()
    for (name, mine), reference in zip(ours.items(), theirs, strict=True):
        if mine.numel() > 2000:
            assert mine.std().item() == pytest.approx(reference.std().item(), rel=0.1), name
        elif mine.ndim == 1:
            assert torch.equal(mine, reference), name


# --- scaling


def test_the_published_members_follow_from_their_factors():
    assert scale_stages(B0_STAGES) == B0_STAGES
    b3 = scale_stages(B0_STAGES, width=SCALES["efficientnet_b3"].width, depth=SCALES["efficientnet_b3"].depth)
    assert [s.channels for s in b3] == [24, 32, 48, 96, 136, 232, 384]
    assert [s.depth for s in b3] == [2, 3, 3, 5, 5, 6, 2]
    assert [s._replace(channels=0, depth=0) for s in b3] == [s._replace(channels=0, depth=0) for s in B0_STAGES]


@pytest.mark.parametrize("factor", [0.3, 0.75, 1.1, 1.37, 2.0, 4.3])
def test_scaling_rounds_to_eights_and_never_loses_a_block(factor):
    for before, after in zip(B0_STAGES, scale_stages(B0_STAGES, width=factor, depth=factor), strict=True):
        assert after.channels % 8 == 0
        assert after.channels == 8 or abs(after.channels - factor * before.channels) <= max(
            4, 8 - 0.1 * factor * before.channels
        )
        assert after.channels >= 0.9 * factor * before.channels
        assert after.depth == math.ceil(factor * before.depth) >= factor * before.depth


def test_b1_is_b0_with_more_blocks():
    with torch.device("meta"):
        b0, b1 = efficientnet_b0(), efficientnet_b1()
    assert [len(stage) for stage in b0.stages] == [1, 2, 2, 3, 3, 4, 1]
    assert [len(stage) for stage in b1.stages] == [2, 3, 3, 4, 4, 5, 2]
    assert b0.last[0].weight.shape == b1.last[0].weight.shape


# --- blocks


@pytest.mark.parametrize(("channels", "squeeze"), [(16, 4), (24, 6), (192, 48), (3, 1), (1, 1)])
def test_the_gate_is_a_quarter_of_what_comes_in(channels, squeeze):
    gate = MBConv(channels, 8, expansion=6).branch.gate
    assert gate.fc1.weight.shape == (squeeze, 6 * channels, 1, 1)


def test_the_block_that_listings_get_wrong():
    """192 channels, expanded by 6, window 5: the gate is 48 wide; listings that pass 192 // 4 as a *factor* get 24."""
    block = MBConv(192, 192, kernel_size=5)
    wide, factor = 6 * 192, 192 // 4
    listed = count(block) - count(block.branch.gate) + 2 * wide * (wide // factor)  # without biases, as in the listing
    assert (count(block), listed) == (587_952, 531_456)


@pytest.mark.parametrize("block", [MBConv, FusedMBConv])
@pytest.mark.parametrize(("stride", "channels", "residual"), [(1, 8, True), (2, 8, False), (1, 16, False)])
def test_blocks_add_their_input_only_where_shapes_allow(block, stride, channels, residual):
    made = block(8, channels, stride=stride).eval()
    for parameter in made.branch[-1][1].parameters():
        nn.init.zeros_(parameter)  # the last norm: the branch says 0
    x = torch.randn(2, 8, 7, 5)
    out = made(x)
    assert made.residual is residual
    assert out.shape == (2, channels, math.ceil(7 / stride), math.ceil(5 / stride))
    assert torch.equal(out, x if residual else torch.zeros_like(out))


@pytest.mark.parametrize("block", [MBConv, FusedMBConv])
def test_a_dropped_example_passes_unchanged(block):
    x = torch.randn(40, 4, 3, 3)
    kept = (block(4, 4, drop_rate=0.5)(x) != x).flatten(1).any(dim=1)
    assert 5 < kept.sum() < 35
    assert torch.equal(block(4, 4, drop_rate=1.0)(x), x)


def test_fused_is_mbconv_with_one_dense_convolution():
    plain, fused = MBConv(16, 16, expansion=4), FusedMBConv(16, 16)
    assert [type(m).__name__ for m in fused.branch] == ["ConvNormActivation", "ConvNormActivation"]
    assert fused.branch.expand[0].weight.shape == (64, 16, 3, 3)
    assert fused.branch.project[0].weight.shape == plain.branch.project[0].weight.shape
    assert list(dict(FusedMBConv(8, 8, expansion=1).branch.named_children())) == ["conv"]
    assert [s.block for s in V2_S_STAGES] == [FusedMBConv] * 3 + [MBConv] * 3


# --- what every network of the zoo can do


def test_features_and_options():
    x = torch.randn(2, 1, 33, 20)
    model = tiny(in_channels=1, dropout=0.3, drop_path_rate=0.4).eval()
    assert model.head[0].p == 0.3
    assert [m.p for m in model.modules() if isinstance(m, StochasticDepth)] == pytest.approx(
        [0, 0.08, 0.16, 0.24, 0.32]
    )
    features = model.forward_features(x)
    assert features.shape == (2, 32, 5, 3)
    torch.testing.assert_close(model.head(features.mean((2, 3))), model(x))
    assert tiny(last_channels=None).last[0].out_channels == 64


def test_in_training_the_masks_are_drawn_inside_the_graph():
    assert torch.compile(tiny(), fullgraph=True, backend="eager")(torch.randn(2, 3, 32, 32)).shape == (2, 5)


def test_errors():
    for call, message in [
        (lambda: EfficientNet(()), "need stages"),
        (lambda: tiny(num_classes=0), "num_classes=0"),
        (lambda: tiny(in_channels=0), "in_channels=0"),
        (lambda: EfficientNet((Stage(MBConv, 1, 3, 1, 8, 0),)), r"depths \[0\]"),
        (lambda: tiny(dropout=1.0), "dropout in"),
        (lambda: tiny(drop_path_rate=1.5), "1.5"),
        (lambda: efficientnet_b0(drop_path_rate=-0.1), "-0.1"),
        (lambda: MBConv(0, 8), "in_channels=0"),
        (lambda: MBConv(8, 8, kernel_size=4), "odd kernel_size"),
        (lambda: FusedMBConv(8, 8, stride=3), "stride 1 or 2"),
        (lambda: FusedMBConv(8, 8, expansion=0), "expansion=0"),
        (lambda: scale_stages(B0_STAGES, width=0.0), "got 0.0"),
        (lambda: scale_stages(B0_STAGES, depth=math.nan), "nan"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
