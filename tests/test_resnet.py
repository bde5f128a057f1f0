"""Residual networks: torchvision's logits in little, shortcuts A, B, C, stride places, options, errors."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from companion._torchvision import torchvision
from companion.models import resnet as zoo
from companion.models.resnet import BasicBlock, Bottleneck, ResNet, ZeroPadShortcut, make_shortcut
from tests.twins import assert_same_logits, reference_twin


def count(model):
    return sum(p.numel() for p in model.parameters())


def lively(model):
    """The model in float64, evaluation mode, with normalizations as after some training."""
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_(0.0, 0.1)
            norm.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias, 0.0, 0.1)
    return model.double().eval()


# --- against torchvision


@pytest.mark.parametrize("width_per_group", [64, 128])
def test_deep_and_wide_logits_equal_torchvisions_with_fewer_blocks(width_per_group):
    """The stages of ResNet-101/152 and Wide ResNet-101-2 in little: other depths, groups 1, wider inside."""
    theirs = torchvision.models.resnet
    twins = reference_twin(
        lambda: ResNet(Bottleneck, (1, 2, 1, 1), width_per_group=width_per_group, num_classes=10),
        lambda: theirs.ResNet(theirs.Bottleneck, [1, 2, 1, 1], width_per_group=width_per_group, num_classes=10),
    )
    assert_same_logits(twins, size=33)


def test_first_weights_follow_torchvisions_rule():
    model = zoo.resnet18(num_classes=10)
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d):
            fan_out = layer.out_channels * layer.kernel_size[0] ** 2
            assert abs(layer.weight.std().item() * (fan_out / 2) ** 0.5 - 1) < 0.05, name
        if isinstance(layer, nn.BatchNorm2d):
            assert (layer.weight == 1).all(), name
            assert (layer.bias == 0).all(), name
    assert model.head.fc.weight.abs().max() <= 512**-0.5


# --- blocks


def test_bottleneck_is_the_formula():
    block = lively(Bottleneck(16, 4))
    x = torch.randn(2, 16, 5, 5, dtype=torch.float64)

    def layer(h, conv, norm, padding=0):
        h = F.conv2d(h, conv.weight, padding=padding)
        return F.batch_norm(h, norm.running_mean, norm.running_var, norm.weight, norm.bias)

    h = layer(x, block.conv1, block.norm1).relu()
    h = layer(h, block.conv2, block.norm2, padding=1).relu()
    expected = (layer(h, block.conv3, block.norm3) + x).relu()
    torch.testing.assert_close(block(x), expected, rtol=1e-10, atol=1e-12)
    assert count(Bottleneck(256, 64)) == 70_400


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_a_block_keeps_its_input_as_it_was(block):
    x = torch.randn(2, 8, 4, 4)
    before = x.clone()
    block(8, 8 // block.expansion)(x)
    assert torch.equal(x, before)


def test_the_stride_sits_where_it_was_asked_for():
    later, first = Bottleneck(16, 8, stride=2), Bottleneck(16, 8, stride=2, stride_in_3x3=False)
    assert [later.conv1.stride, later.conv2.stride] == [(1, 1), (2, 2)]
    assert [first.conv1.stride, first.conv2.stride] == [(2, 2), (1, 1)]
    first.load_state_dict(later.state_dict())  # the same weights fit, and compute something else
    x = torch.randn(1, 16, 8, 8)
    a, b = later.eval()(x), first.eval()(x)
    assert a.shape == b.shape == (1, 32, 4, 4)
    assert not torch.allclose(a, b)
    with torch.device("meta"):
        assert zoo.resnet50(stride_in_3x3=False).stages[1][0].conv1.stride == (2, 2)
        assert zoo.resnet50().stages[1][0].conv2.stride == (2, 2)


def test_groups_are_split_transform_merge():
    """A grouped bottleneck is the sum over its groups of narrow branches, figure 3(a) of the ResNeXt paper."""
    block = lively(Bottleneck(16, 8, groups=4, width_per_group=16))  # 4 groups of 2
    x = torch.randn(2, 16, 5, 5, dtype=torch.float64)

    def normalized(h, norm, part):
        tensors = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
        return F.batch_norm(h, *(t[part] for t in tensors)).relu()

    total = torch.zeros(2, 32, 5, 5, dtype=torch.float64)
    for g in range(4):
        part = slice(2 * g, 2 * g + 2)
        h = normalized(F.conv2d(x, block.conv1.weight[part]), block.norm1, part)
        h = normalized(F.conv2d(h, block.conv2.weight[part], padding=1), block.norm2, part)
        total += F.conv2d(h, block.conv3.weight[:, part])
    expected = (block.norm3(total) + block.shortcut(x)).relu()
    torch.testing.assert_close(block(x), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_a_gate_sits_on_the_branch_before_the_addition(block):
    class Mute(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.channels = channels

        def forward(self, x):
            return 0.0 * x

    gated = block(8, 8 // block.expansion, gate=Mute).double()
    x = torch.randn(2, 8, 4, 4, dtype=torch.float64)
    assert gated.gate.channels == 8
    torch.testing.assert_close(gated(x), x.relu())
    model = ResNet(block, (1,), widths=(8,), gate=Mute)
    assert isinstance(model.stages[0][0].gate, Mute)


# --- shortcuts


def test_shortcut_kinds():
    kinds = {kind: [make_shortcut(kind, 8, 8), make_shortcut(kind, 8, 16, stride=2)] for kind in ("A", "B", "C", None)}
    assert [type(s) for s in kinds["A"]] == [nn.Identity, ZeroPadShortcut]
    assert [type(s) for s in kinds["B"]] == [nn.Identity, nn.Sequential]
    assert [type(s) for s in kinds["C"]] == [nn.Sequential, nn.Sequential]
    assert kinds[None] == [None, None]
    assert count(kinds["B"][1]) == 8 * 16 + 2 * 16
    x = torch.randn(2, 8, 5, 5)
    assert {s[1](x).shape for kind, s in kinds.items() if kind} == {(2, 16, 3, 3)}


def test_zero_padding_keeps_every_second_place_and_adds_silent_channels():
    x = torch.randn(2, 3, 5, 4)
    y = ZeroPadShortcut(3, 7, stride=2)(x)
    assert y.shape == (2, 7, 3, 2)
    assert torch.equal(y[:, :3], x[:, :, ::2, ::2])
    assert (y[:, 3:] == 0).all()


@pytest.mark.parametrize("kind", ["A", "B", "C"])
def test_what_the_shortcut_options_of_resnet34_cost(kind):
    """B projects at the three changes of shape, C at the thirteen other blocks too; A costs nothing."""
    with torch.device("meta"):
        a, model = (ResNet(BasicBlock, (3, 4, 6, 3), shortcut=k) for k in ("A", kind))
    projections = [(64, 128), (128, 256), (256, 512)]
    squares = [64] * 3 + [128] * 3 + [256] * 5 + [512] * 2
    cost = sum(i * o + 2 * o for i, o in projections) if kind != "A" else 0
    cost += sum(c * c + 2 * c for c in squares) if kind == "C" else 0
    assert count(model) - count(a) == cost


def test_without_shortcuts_the_network_is_a_chain():
    model = lively(ResNet(BasicBlock, (2, 1), widths=(4, 8), shortcut=None, num_classes=3))
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    h = model.stem(x)
    for stage in model.stages:
        for block in stage:
            h = block.norm2(block.conv2(block.norm1(block.conv1(h)).relu())).relu()
    torch.testing.assert_close(model.forward_features(x), h)


# --- the whole


@pytest.mark.parametrize("stem", ["imagenet", "cifar"])
def test_stems(stem):
    model = ResNet(BasicBlock, (1, 1), widths=(8, 16), stem=stem, num_classes=5, in_channels=1)
    x = torch.randn(2, 1, 32, 32)
    assert model.stem(x).shape == ((2, 8, 8, 8) if stem == "imagenet" else (2, 8, 32, 32))
    assert model.forward_features(x).shape[1] == 16
    assert model(x).shape == (2, 5)


def test_forward_features_of_resnet50_are_the_papers_stage_table():
    with torch.device("meta"):
        model, x = zoo.resnet50(), torch.empty(1, 3, 224, 224)
        shapes = [tuple(model.stem(x).shape[1:])]
        h = model.stem(x)
        for stage in model.stages:
            h = stage(h)
            shapes.append(tuple(h.shape[1:]))
    assert [len(stage) for stage in model.stages] == [3, 4, 6, 3]
    assert shapes == [(64, 56, 56), (256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7)]


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_zero_init_makes_every_same_shape_block_an_identity(block):
    model = ResNet(block, (3,), widths=(8,), zero_init_residual=True)
    x = torch.rand(2, 8 * block.expansion, 4, 4)
    assert torch.equal(model.stages[0][1:].eval()(x), x)
    assert not torch.allclose(ResNet(block, (3,), widths=(8,)).stages[0][1:].eval()(x), x)


def test_export_keeps_the_logits_of_channels_last_too():
    model = lively(ResNet(BasicBlock, (1, 1), widths=(4, 8), shortcut="A", num_classes=3))
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    exported = torch.export.export(model.to(memory_format=torch.channels_last), (x,)).module()
    torch.testing.assert_close(exported(x), model(x))


# --- errors


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"depths": ()}, r"got depths \(\)"),
        ({"depths": (1, 0)}, r"got depths \(1, 0\)"),
        ({"depths": (1, 1, 1)}, r"as many depths as widths .* widths \(4, 8\)"),
        ({"stem": "tiny"}, "stem must be one of .* got 'tiny'"),
        ({"shortcut": "D"}, "shortcut must be 'A', 'B', 'C' or None, got 'D'"),
        ({"groups": 2}, "only a Bottleneck has these options, got .*'groups': 2.* with BasicBlock"),
        ({"stride_in_3x3": False}, "only a Bottleneck has these options"),
        ({"block": Bottleneck, "width_per_group": 4}, "width 4 with width_per_group 4 leaves no channel"),
        ({"block": Bottleneck, "groups": 0}, "groups 0"),
    ],
)
def test_errors_of_the_network(wrong, message):
    with pytest.raises(ValueError, match=message):
        ResNet(**{"block": BasicBlock, "depths": (1, 1), "widths": (4, 8), **wrong})


@pytest.mark.parametrize("sizes", [(8, 4, 1), (0, 4, 1), (4, 4, 0)])
def test_errors_of_zero_padding(sizes):
    with pytest.raises(ValueError, match=f"got {sizes[0]}, {sizes[1]} and stride {sizes[2]}"):
        ZeroPadShortcut(*sizes[:2], stride=sizes[2])
