"""Residual networks for small pictures: counts from a sum of table 6, the paper's shapes, plain twins, errors."""

import pytest
import torch
from torch import nn

from companion.models import cifar_resnet as zoo
from companion.models.cifar_resnet import CifarResNet

IN_THE_PAPER = {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.7, 1202: 19.4}  # table 6, millions of parameters
BUILDERS = [name for name in vars(zoo) if name.startswith("cifar_")]


def meta(build, *args, **options):
    with torch.device("meta"):
        return build(*args, **options)


def count(model):
    return sum(p.numel() for p in model.parameters())


def count_by_hand(n, classes=10):
    """Convolutions without bias, two numbers per channel for each normalization, the linear layer."""
    convs = [(3, 16)]
    for below, width in ((16, 16), (16, 32), (32, 64)):
        convs += [(below, width)] + [(width, width)] * (2 * n - 1)
    return sum(9 * i * o + 2 * o for i, o in convs) + 64 * classes + classes


@pytest.mark.parametrize("name", BUILDERS)
def test_counts(name):
    """The stated count is the network's own by tests/test_zoo_table.py."""
    depth = int(name.removeprefix("cifar_plain").removeprefix("cifar_resnet"))
    exact = count_by_hand((depth - 2) // 6)
    assert abs(exact / 1e6 - IN_THE_PAPER[depth]) < (0.06 if depth > 56 else 0.006)
    assert f"{exact:,} parameters" in getattr(zoo, name).__doc__


@pytest.mark.parametrize("depth", [8, 20, 110])
def test_the_depth_counts_the_layers_with_weights(depth):
    model = meta(CifarResNet, depth)
    assert sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in model.modules()) == depth
    assert count(model) == count_by_hand((depth - 2) // 6)


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_a_plain_twin_has_the_same_parameters(depth):
    residual, plain = (meta(getattr(zoo, f"cifar_{kind}{depth}")) for kind in ("resnet", "plain"))
    states = [{k: v.shape for k, v in model.state_dict().items()} for model in (residual, plain)]
    assert states[0] == states[1]
    assert all(block.shortcut is None for stage in plain.stages for block in stage)


def test_shapes_are_the_papers():
    model, h = meta(CifarResNet, 20), torch.empty(2, 3, 32, 32, device="meta")
    shapes = []
    for part in (model.stem, *model.stages):
        h = part(h)
        shapes.append(tuple(h.shape[1:]))
    assert shapes == [(16, 32, 32), (16, 32, 32), (32, 16, 16), (64, 8, 8)]
    assert meta(CifarResNet, 8, num_classes=4, in_channels=1)(torch.empty(5, 1, 8, 8, device="meta")).shape == (5, 4)


def test_the_missing_addition_is_the_only_difference():
    """A plain twin whose blocks get the shortcut by hand computes what the residual network does."""
    residual = CifarResNet(14, width=4).double().eval()
    plain = CifarResNet(14, width=4, shortcut=None).double().eval()
    plain.load_state_dict(residual.state_dict())
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    assert not torch.allclose(plain(x), residual(x))
    for mine, other in zip(plain.stages, residual.stages, strict=True):
        for block, twin in zip(mine, other, strict=True):
            block.shortcut = twin.shortcut
    assert torch.equal(plain(x), residual(x))


@pytest.mark.parametrize("shortcut", ["A", "B", "C"])
def test_projections_cost_parameters(shortcut):
    """Depth 20: two changes of shape; with C also three, two and two blocks that keep it."""
    projections = {"A": [], "B": [(16, 32), (32, 64)]}
    projections["C"] = projections["B"] + [(16, 16)] * 3 + [(32, 32)] * 2 + [(64, 64)] * 2
    extra = sum(i * o + 2 * o for i, o in projections[shortcut])
    assert count(meta(zoo.cifar_resnet20, shortcut=shortcut)) - count_by_hand(3) == extra


@pytest.mark.parametrize("depth", [2, 7, 18, 57, -4])
def test_errors_of_the_depth(depth):
    with pytest.raises(ValueError, match=rf"depth must be 6n \+ 2 .*, got {depth}"):
        CifarResNet(depth)


@pytest.mark.parametrize("wrong", [{"num_classes": 0}, {"in_channels": 0}, {"width": 0}, {"shortcut": "D"}])
def test_errors_of_the_options(wrong):
    with pytest.raises(ValueError, match="got"):
        CifarResNet(8, **wrong)
