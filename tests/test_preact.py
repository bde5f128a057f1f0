"""Pre-activation ResNet: layers counted, the sum over blocks, options, errors."""

import pytest
import torch
from torch import nn

from companion.models import preact as zoo
from companion.models.preact import PreActBasicBlock, PreActBottleneck, PreActResNet

CIFAR = {"cifar_preact_resnet110": 110, "cifar_preact_resnet164": 164, "cifar_preact_resnet1001": 1001}


def small(block=PreActBasicBlock, **changes):
    return PreActResNet(block, (2, 2), **({"widths": (8, 16), "stem": "cifar", "num_classes": 5} | changes))


@pytest.mark.parametrize("name", CIFAR)
def test_names_count_the_layers_with_weights_on_the_longest_way(name):
    with torch.device("meta"):
        model = getattr(zoo, name)()
    inside = sum(isinstance(m, nn.Conv2d) for n, m in model.named_modules() if "shortcut" not in n)
    assert inside + 1 == CIFAR[name]  # and the linear layer
    assert model.head.out_features == 10


@pytest.mark.parametrize("block", [PreActBasicBlock, PreActBottleneck])
def test_a_stage_adds_its_branches_to_its_input(block):
    """x_L = x_l + sum of F(x_i), the identity of He et al. 2016, eq. 4; a ReLU behind the sum would break it."""
    width = 8
    channels = width * block.expansion
    blocks = [block(channels, width).double().train() for _ in range(5)]
    x = first = torch.randn(2, channels, 6, 6, dtype=torch.float64)
    branches = []
    for unit in blocks:
        out = unit(x)
        branches.append(out - x)
        x = out
    torch.testing.assert_close(x, first + sum(branches))
    assert (x < 0).any()  # nothing clips the sum
    rectified = first
    for unit in blocks:
        rectified = unit(rectified).relu()
    assert (rectified - x).abs().max() > 0.1


def test_the_gradient_reaches_the_first_block_past_dead_branches():
    blocks = nn.Sequential(*(PreActBasicBlock(4, 4) for _ in range(3))).double()
    for unit in blocks:
        nn.init.zeros_(unit.conv2.weight)
    x = torch.randn(1, 4, 5, 5, dtype=torch.float64, requires_grad=True)
    seed = torch.randn(1, 4, 5, 5, dtype=torch.float64)
    blocks(x).backward(seed)
    assert torch.equal(x.grad, seed)


@pytest.mark.parametrize("block", [PreActBasicBlock, PreActBottleneck])
def test_the_shortcut_reads_the_activation_where_the_shape_changes(block):
    unit = block(6, 4, stride=2).double().eval()
    x = torch.randn(2, 6, 7, 7, dtype=torch.float64)
    for p in unit.parameters():
        p.data.uniform_(0.1, 1)
    last = unit.conv2 if block is PreActBasicBlock else unit.conv3
    nn.init.zeros_(last.weight)
    a = unit.norm1(x).clamp(min=0)
    torch.testing.assert_close(unit(x), nn.functional.conv2d(a, unit.shortcut.weight, stride=2))
    assert unit(x).shape == (2, 4 * block.expansion, 4, 4)


def test_features_are_rectified_and_what_the_head_reads():
    model, x = small().double().eval(), torch.randn(2, 3, 9, 9, dtype=torch.float64)
    features = model.forward_features(x)
    assert features.shape == (2, 16, 5, 5)
    assert (features >= 0).all()
    torch.testing.assert_close(model(x), model.head(features.mean((2, 3))))


def test_options_change_the_network():
    assert small(PreActBottleneck)(torch.randn(2, 3, 8, 8)).shape == (2, 5)
    assert small(in_channels=1)(torch.randn(2, 1, 8, 8)).shape == (2, 5)
    assert small(stem="imagenet").forward_features(torch.randn(2, 3, 32, 32)).shape == (2, 16, 4, 4)


def test_first_weights_are_the_references():
    torch.manual_seed(0)
    model = small(widths=(32, 64), num_classes=50)
    assert model.stages[1][1].conv1.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)
    assert model.head.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert torch.equal(model.head.bias, torch.zeros(50))


@pytest.mark.parametrize(
    "given", [{"widths": (8,)}, {"widths": (8, 0)}, {"num_classes": 0}, {"in_channels": 0}, {"widths": ()}]
)
def test_bad_sizes_are_refused(given):
    with pytest.raises(ValueError, match="as many depths as widths and all sizes >= 1, got depths"):
        small(**given)


def test_no_stages_and_an_unknown_stem_are_refused():
    with pytest.raises(ValueError, match=r"got depths \(\)"):
        PreActResNet(PreActBasicBlock, (), widths=())
    with pytest.raises(ValueError, match="got 'tiny'"):
        small(stem="tiny")
