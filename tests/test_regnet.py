"""RegNet: the line against torchvision's generator, the paper's sizes, the block by hand, options, errors."""

import random

import pytest
import timm.models.regnet as timm_regnet
import torch
from torch import nn

from companion._torchvision import torchvision
from companion.layers.gates import SqueezeExcitation
from companion.models.regnet import RELEASED, AnyNet, Block, Line, RegNet, regnet_stages

BlockParams = torchvision.models.regnet.BlockParams
TIMM = {"200MF": "002", "400MF": "004", "600MF": "006", "800MF": "008", "1.6GF": "016", "3.2GF": "032"}
TIMM |= {"4.0GF": "040", "6.4GF": "064", "8.0GF": "080", "12GF": "120", "16GF": "160", "32GF": "320"}
SMALL = {"widths": (8, 12), "depths": (1, 2), "group_widths": (4, 6), "stem_width": 6, "num_classes": 3}


def count(model):
    return sum(p.numel() for p in model.parameters())


def small(**options):
    return AnyNet(**{**SMALL, **options}).double()


# --- the line


def test_y_4gf_before_and_after_the_groups():
    numbers = RELEASED["Y-4.0GF"]._asdict()
    line = regnet_stages(**{**numbers, "group_width": 8})
    assert (line.widths, line.depths) == ((96, 216, 480, 1080), (2, 6, 12, 2))
    assert regnet_stages(**numbers, rounding="paper").widths == (128, 192, 512, 1088)
    assert regnet_stages(**numbers).widths == (128, 256, 512, 1088)


def test_equals_torchvisions_generator():
    """600 lines drawn at random, on the integers where the generator's single precision decides as ours does."""
    draw, differ = random.Random(0), 0
    for _ in range(600):
        line = Line(
            8 * draw.randint(1, 32), round(draw.uniform(0, 200), 2), round(draw.uniform(1.05, 3), 2),
            draw.randint(1, 40), 8 * draw.randint(1, 20),
        )  # fmt: skip
        params = BlockParams.from_init_params(**line._asdict())
        ours = regnet_stages(**line._asdict())
        same = (list(ours.widths), list(ours.depths), list(ours.group_widths)) == (
            params.widths, params.depths, params.group_widths
        )  # fmt: skip
        differ += not same
    assert differ == 0


def test_rules_of_rounding():
    """Each step written out: w_0 = 16, +8 a block, factor 2: 16, 24, 32, 40 -> steps 0, 1, 1, 1 (log2 1.5 > 0.5)."""
    assert regnet_stages(w_0=16, w_a=8, w_m=2, depth=4, group_width=8) == ((16, 32), (1, 3), (8, 8))
    assert regnet_stages(w_0=16, w_a=8, w_m=2, depth=4, group_width=64).group_widths == (16, 32)
    assert regnet_stages(w_0=40, w_a=0, w_m=2, depth=3, group_width=16) == ((48,), (3,), (16,))
    assert regnet_stages(w_0=40, w_a=0, w_m=2, depth=3, group_width=16, rounding="paper").widths == (32,)
    assert regnet_stages(w_0=192, w_a=0, w_m=2, depth=1, group_width=56).widths == (224,)
    assert regnet_stages(w_0=192, w_a=0, w_m=2, depth=1, group_width=56, rounding="paper").widths == (168,)


def test_stages_keep_the_blocks_rise_and_fit_their_groups():
    for line in RELEASED.values():
        for rounding in ("torchvision", "paper"):
            stages = regnet_stages(**line._asdict(), rounding=rounding)
            assert sum(stages.depths) == line.depth
            assert len(stages.widths) == 4
            assert list(stages.widths) == sorted(set(stages.widths))
            assert not any(w % g for w, g in zip(stages.widths, stages.group_widths, strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w_0": 0}, "multiple of 8, got 0"),
        ({"w_0": 12}, "multiple of 8, got 12"),
        ({"w_a": -1.0}, "w_a must be >= 0 and w_m > 1, got -1.0 and 2.0"),
        ({"w_m": 1.0}, "got 8.0 and 1.0"),
        ({"depth": 0}, "depth and group_width must be >= 1, got 0 and 8"),
        ({"group_width": 0}, "got 4 and 0"),
        ({"rounding": "up"}, "rounding must be 'torchvision' or 'paper', got 'up'"),
    ],
)
def test_errors_of_the_line(change, message):
    with pytest.raises(ValueError, match=message):
        regnet_stages(**{"w_0": 16, "w_a": 8.0, "w_m": 2.0, "depth": 4, "group_width": 8, **change})


# --- the paper's sizes


@pytest.mark.parametrize("name", RELEASED)
def test_the_papers_rounding_gives_the_papers_stages(name):
    """All 24 published configurations, against timm, which keeps to the authors' numbers and rounding."""
    line, config = RELEASED[name], timm_regnet.model_cfgs[f"regnet{name[0].lower()}_{TIMM[name[2:]]}"]
    assert line == (config.w0, config.wa, config.wm, config.depth, config.group_size)
    blocks, stages, groups = timm_regnet.generate_regnet(line.w_a, line.w_0, line.w_m, line.depth, line.group_width)
    widths = sorted(set(blocks))
    adjusted = timm_regnet.adjust_widths_groups_comp(widths, [1.0] * stages, groups)
    ours = regnet_stages(**line._asdict(), rounding="paper")
    assert (list(ours.widths), list(ours.group_widths)) == adjusted
    assert list(ours.depths) == [blocks.count(width) for width in widths]


def test_y_4gf_has_the_published_count():
    with torch.device("meta"):
        ours = RegNet(**RELEASED["Y-4.0GF"]._asdict(), rounding="paper", squeeze_ratio=0.25)
        reference = timm_regnet.regnety_040()
    assert count(ours) == count(reference) == 20_646_656


# --- the network


def test_block_by_hand():
    """A block with nothing but its parts: shortcut + conv3(gate(conv2(conv1(x)))), then ReLU."""
    block = Block(8, 12, stride=2, group_width=3, bottleneck_ratio=2.0, squeeze_ratio=0.25).double().eval()
    x = torch.randn(2, 8, 5, 5, dtype=torch.float64)
    inside = block.conv2(block.conv1(x))
    assert inside.shape == (2, 6, 3, 3)
    assert block.conv2[0].weight.shape == (6, 3, 3, 3)
    assert isinstance(block.gate, SqueezeExcitation)
    assert block.gate.fc1.out_channels == 2
    torch.testing.assert_close(block(x), (block.shortcut(x) + block.conv3(block.gate(inside))).clamp_min(0))


def test_shortcut_is_a_projection_only_where_the_shape_changes():
    assert isinstance(Block(8, 8, stride=1, group_width=4).shortcut, nn.Identity)
    assert not isinstance(Block(8, 8, stride=2, group_width=4).shortcut, nn.Identity)
    assert not isinstance(Block(4, 8, stride=1, group_width=4).shortcut, nn.Identity)
    block, x = Block(8, 8, stride=1, group_width=4).eval(), torch.randn(1, 8, 3, 3)
    nn.init.zeros_(block.conv3[1].weight)
    torch.testing.assert_close(block(x), x.clamp_min(0))
    kept = x.clone()
    block(x)
    assert torch.equal(x, kept), "the input is not written over"


def test_shapes_and_options():
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    model = small().eval()
    assert model.forward_features(x).shape == (2, 12, 2, 2)
    torch.testing.assert_close(model(x), model.head[2](model.forward_features(x).mean((2, 3))))
    assert small(stem_stride=1).forward_features(x).shape == (2, 12, 4, 4)
    assert small(in_channels=1, num_classes=5)(x[:, :1]).shape == (2, 5)
    assert count(small(bottleneck_ratio=2.0, group_widths=(4, 3))) < count(small())
    assert count(small(squeeze_ratio=0.25)) > count(small())
    assert small(stem_width=4).stem[0].out_channels == 4
    assert RegNet(w_0=8, w_a=4, w_m=2, depth=3, group_width=4, num_classes=2, in_channels=1)(
        x[:, :1].float()
    ).shape == (2, 2)


def test_first_weights():
    model = AnyNet((64,), (2,), (8,), num_classes=500)
    grouped, pointwise = model.stages[0][1].conv2[0], model.stages[0][1].conv1[0]
    assert grouped.weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.05)
    assert pointwise.weight.std().item() == pytest.approx((2 / 64) ** 0.5, rel=0.05)
    assert model.head[2].weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert not model.head[2].bias.any()
    nn.init.zeros_(model.stem[1].weight)
    model.reset_parameters()
    assert model.stem[1].weight.eq(1).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widths": (), "depths": (), "group_widths": ()}, "of as many stages"),
        ({"depths": (1,)}, "of as many stages"),
        ({"depths": (1, 0)}, ">= 1, got"),
        ({"group_widths": (4, 5)}, "divide the 12 channels inside the block, got 5"),
        ({"bottleneck_ratio": 100.0}, "divide the 0 channels"),
        ({"bottleneck_ratio": 0.0}, "bottleneck_ratio must be > 0"),
        ({"squeeze_ratio": 1.5}, r"squeeze_ratio in \[0, 1\], got 1.0 and 1.5"),
        ({"num_classes": 0}, "must be >= 1, got 6, 2, 0 and 3"),
        ({"in_channels": 0}, "must be >= 1"),
        ({"stem_width": 0}, "must be >= 1"),
    ],
)
def test_errors(change, message):
    with pytest.raises(ValueError, match=message):
        small(**change)
