"""MobileNets: the references' logits at other widths, the papers' work, blocks by their formulas, errors."""

from functools import partial
from itertools import pairwise

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models._utils import _make_divisible

from companion._torchvision import torchvision
from companion.analysis import multiply_accumulates
from companion.models.mobilenet import InvertedResidual, SeparableBlock, make_divisible, mobilenet_v1, mobilenet_v2
from companion.models.mobilenet_v3 import mobilenet_v3_large, mobilenet_v3_small
from tests.twins import assert_same_logits, reference_twin

BUILDERS = [mobilenet_v1, mobilenet_v2, mobilenet_v3_large, mobilenet_v3_small]
THEIRS = torchvision.models


def meta(build, **options):
    with torch.device("meta"):
        return build(**options)


def count(model):
    return sum(p.numel() for p in model.parameters())


def randomize(module):
    """Give the norms statistics and scales of their own, so that an evaluation sees them."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
            nn.init.normal_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 1.5)
    return module.eval()


# --- counts and shapes


@pytest.mark.parametrize(
    ("width_multiplier", "published"), [(0.75, 2_585_560), (0.5, 1_331_592), (0.25, 470_072)]
)  # fmt: skip
def test_parameters_of_the_narrow_ones(width_multiplier, published):
    assert count(meta(mobilenet_v1, width_multiplier=width_multiplier)) == published


@pytest.mark.parametrize(
    ("width_multiplier", "side", "millions"),
    [
        (1.0, 224, 569),
        (0.75, 224, 325),
        (0.5, 224, 149),
        (0.25, 224, 41),
        (1.0, 192, 418),
        (1.0, 160, 290),
        (1.0, 128, 186),
    ],
)
def test_work_is_that_of_the_papers_tables_6_and_7(width_multiplier, side, millions):
    build = partial(mobilenet_v1, width_multiplier=width_multiplier)
    assert abs(macs_by_hand(width_multiplier, side) / 1e6 - millions) < 1  # the paper gives 290 for 290.7
    if side == 128:
        assert multiply_accumulates(meta(build), (3, side, side)) == macs_by_hand(width_multiplier, side)


def macs_by_hand(width_multiplier, side):
    """Table 1 of MobileNetV1, row by row: every layer's products."""
    wide = [int(width_multiplier * c) for c in (32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024)]
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
    side //= 2
    total = side**2 * 27 * wide[0]
    for (before, after), stride in zip(pairwise(wide), strides, strict=True):
        side //= stride
        total += side**2 * before * (9 + after)
    return total + wide[-1] * 1000


@pytest.mark.parametrize(
    ("build", "millions"), [(mobilenet_v2, 300.8), (mobilenet_v3_large, 216.6), (mobilenet_v3_small, 56.5)]
)
def test_work_of_the_later_two(build, millions):
    assert round(multiply_accumulates(meta(build), (3, 224, 224)) / 1e6, 1) == millions


@pytest.mark.parametrize(("build", "channels"), list(zip(BUILDERS, [1024, 1280, 960, 576], strict=True)))
def test_features_logits_and_free_sizes(build, channels):
    model = meta(build, num_classes=7, in_channels=1).to_empty(device="cpu").eval()
    for side, cells in ((128, 4), (97, 4), (1, 1)):
        x = torch.empty(2, 1, side, side)
        assert model.forward_features(x).shape == (2, channels, cells, cells)
        assert model(x).shape == (2, 7)


def test_the_width_before_the_classifier_of_v2_never_shrinks():
    assert meta(mobilenet_v2, width_multiplier=0.5).head[1].in_features == 1280
    assert meta(mobilenet_v2, width_multiplier=1.4).head[1].in_features == 1792


# --- against references


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (
            partial(mobilenet_v1, activation=nn.ReLU6, width_multiplier=1.25),
            partial(timm.create_model, "mobilenetv1_125"),
        ),
        (partial(mobilenet_v2, width_multiplier=0.35), partial(THEIRS.mobilenet_v2, width_mult=0.35)),
        (partial(mobilenet_v2, width_multiplier=1.4), partial(THEIRS.mobilenet_v2, width_mult=1.4)),
        (partial(mobilenet_v3_large, width_multiplier=1.4), partial(THEIRS.mobilenet_v3_large, width_mult=1.4)),
        (partial(mobilenet_v3_small, width_multiplier=0.6), partial(THEIRS.mobilenet_v3_small, width_mult=0.6)),
    ],
)
def test_logits_at_other_widths_equal_the_references(ours, theirs):
    assert_same_logits(reference_twin(ours, theirs), size=33)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(mobilenet_v2, THEIRS.mobilenet_v2), (mobilenet_v3_small, THEIRS.mobilenet_v3_small)],
)
def test_first_weights_are_torchvisions_draw_by_draw(ours, theirs):
    torch.manual_seed(3)
    mine = ours().state_dict()
    torch.manual_seed(3)
    for (name, a), b in zip(mine.items(), theirs().state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_norms_of_v3_have_their_own_constants():
    norms = [m for m in meta(mobilenet_v3_small).modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(0.001, 0.01)}


def test_make_divisible_equals_torchvisions():
    for channels in [*range(1, 200), 24 * 0.35, 24 * 1.4, 30.4, 1280 * 0.75]:
        for divisor in (1, 4, 8, 16):
            made = make_divisible(channels, divisor)
            assert made == _make_divisible(channels, divisor)
            assert made % divisor == 0
            assert made >= 0.9 * channels


# --- blocks by their formulas


def conv_norm(brick, x, **options):
    conv, norm = brick[0], brick[1]
    z = F.conv2d(x, conv.weight, **options)
    return F.batch_norm(z, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


def test_separable_block_by_its_formula():
    block, x = randomize(SeparableBlock(6, 10, stride=2).double()), torch.randn(2, 6, 9, 9, dtype=torch.float64)
    h = conv_norm(block.depthwise, x, stride=2, padding=1, groups=6).clamp(min=0)
    torch.testing.assert_close(block(x), conv_norm(block.pointwise, h).clamp(min=0))


@pytest.mark.parametrize("gated", [False, True])
def test_inverted_residual_by_its_formula(gated):
    block = InvertedResidual(4, 12, 4, kernel_size=5, squeeze_channels=3 if gated else None).double()
    x = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    parts = randomize(block).layers
    h = conv_norm(parts.expand, x).clamp(0, 6)
    h = conv_norm(parts.depthwise, h, padding=2, groups=12).clamp(0, 6)
    if gated:
        squeezed = parts.gate.fc1(h.mean((2, 3), keepdim=True)).clamp(min=0)
        h = h * ((parts.gate.fc2(squeezed) + 3) / 6).clamp(0, 1)
    projected = conv_norm(parts.project, h)
    torch.testing.assert_close(block(x), x + projected)
    assert (projected < 0).any()  # the bottleneck is linear: nothing is cut off


def test_residual_only_where_shapes_agree_and_expansion_only_where_wider():
    x = torch.randn(1, 4, 6, 6)
    for block, residual in (
        (InvertedResidual(4, 8, 4), True),
        (InvertedResidual(4, 8, 4, stride=2), False),
        (InvertedResidual(4, 8, 5), False),
    ):
        nn.init.zeros_(block.layers.project[1].weight)  # the branch gives nothing
        assert block.residual is residual
        assert torch.equal(block(x), x) is residual
    assert "expand" not in dict(InvertedResidual(4, 4, 8).layers.named_children())


def test_v2_adds_its_input_in_ten_blocks_of_seventeen():
    blocks = [m for m in meta(mobilenet_v2).modules() if isinstance(m, InvertedResidual)]
    assert [len(blocks), sum(block.residual for block in blocks)] == [17, 10]


# --- options, gradients, errors


@pytest.mark.parametrize("build", BUILDERS)
def test_dropout_acts_in_training_only(build):
    torch.manual_seed(0)
    model, x = build(num_classes=5, dropout=0.9), torch.randn(2, 3, 33, 33)
    norms = [m.eval() for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_the_activation_of_v1_is_free():
    torch.manual_seed(0)
    plain, x = randomize(mobilenet_v1(num_classes=5)), 1e3 * torch.randn(2, 3, 33, 33)
    capped = mobilenet_v1(num_classes=5, activation=nn.ReLU6).eval()
    capped.load_state_dict(plain.state_dict())
    assert not torch.allclose(plain.forward_features(x), capped.forward_features(x))
    assert {type(m) for m in plain.modules() if "ReLU" in type(m).__name__} == {nn.ReLU}


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"in_channels": -1}, "got 1000 and -1"),
        ({"width_multiplier": 0.0}, "width_multiplier must be > 0, got 0.0"),
        ({"width_multiplier": float("nan")}, "width_multiplier must be > 0, got nan"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
    ],
)
def test_errors_of_the_builders(build, wrong, message):
    with pytest.raises(ValueError, match=message):
        meta(build, **wrong)


@pytest.mark.parametrize(
    ("wrong", "message"), [({"stride": 3}, "got 3 and 3"), ({"kernel_size": 4}, "got 1 and 4")]
)  # fmt: skip
def test_errors_of_the_block(wrong, message):
    with pytest.raises(ValueError, match=message):
        InvertedResidual(4, 8, 4, **wrong)


@pytest.mark.parametrize("wrong", [(0, 8), (-3, 8), (8, 0)])
def test_errors_of_make_divisible(wrong):
    with pytest.raises(ValueError, match=f"got {wrong[0]} and {wrong[1]}"):
        make_divisible(*wrong)
