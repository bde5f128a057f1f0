"""NASNet-A: timm's large form, narrow and at full width; wiring, parts by hand, errors."""

import pytest
import timm.models.nasnet as timm_nasnet
import torch
import torch.nn.functional as F
from torch import nn

from companion.models.nasnet import (
    NORMAL,
    REDUCTION,
    Cell,
    FactorizedReduction,
    NASNet,
    PadSame,
    nasnet_a_large,
)
from companion.weights import match_state
from tests.references import REFERENCES
from tests.twins import assert_same_logits, reference_twin


def small(**changes) -> NASNet:
    sizes = {"cells_per_stage": 1, "penultimate_channels": 96, "stem_channels": 4, "skip_reduction": True}
    return NASNet(**{**sizes, "num_classes": 5, **changes})


@pytest.mark.parametrize("size", [64, 75])
def test_a_narrow_large_form_says_what_timm_says(size):
    twins = reference_twin(
        lambda: small(cells_per_stage=6, penultimate_channels=192, stem_channels=8),
        lambda: timm_nasnet.NASNetALarge(num_classes=5, num_features=192, stem_size=8),
    )
    assert_same_logits(twins, size=size)


def test_the_large_form_itself_says_what_timm_says():
    twins = reference_twin(nasnet_a_large, REFERENCES["nasnet_a_large"].build, dtype=torch.float32)
    assert_same_logits(twins, size=64, tolerance=1e-4)


def test_which_map_a_cell_behind_a_reduction_sees_matters():
    twins = [small(skip_reduction=skip, cells_per_stage=2).double().eval() for skip in (True, False)]
    twins[1].load_state_dict(twins[0].state_dict())
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    assert not torch.allclose(twins[0](x), twins[1](x))


def test_weights_of_another_width_do_not_fit():
    with pytest.raises(ValueError, match="not the same network"):
        match_state(small(), small(penultimate_channels=192).state_dict())


def test_features_and_logits():
    model = small(in_channels=1).eval()
    x = torch.randn(2, 1, 64, 48)
    features = model.forward_features(x)
    assert features.shape == (2, 96, 2, 2)
    torch.testing.assert_close(model(x), model.head[-1](features.mean((2, 3))))


def test_every_parameter_learns():
    model = small().train()
    model(torch.randn(4, 3, 64, 64)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_dropout_changes_training_and_not_use():
    model, x = small(dropout=0.5), torch.randn(2, 3, 64, 64)
    model.eval()
    torch.testing.assert_close(model(x), model(x))
    model.head.train()
    assert not torch.allclose(model(x), model(x))


@pytest.mark.parametrize(
    ("side", "kernel_size", "edges"), [(8, 3, (0, 1)), (9, 3, (1, 1)), (8, 7, (2, 3)), (9, 5, (2, 2))]
)
def test_pad_same_gives_half_the_places_rounded_up(side, kernel_size, edges):
    x = torch.ones(1, 1, side, side)
    padded = PadSame(kernel_size, value=7.0)(x)
    torch.testing.assert_close(padded, F.pad(x, (*edges, *edges), value=7.0))
    assert F.max_pool2d(padded, kernel_size, stride=2).shape[-1] == -(-side // 2)


def test_factorized_reduction_sees_even_and_odd_places():
    layer = FactorizedReduction(1, 2).double().eval()
    nn.init.ones_(layer.even.weight)
    nn.init.ones_(layer.odd.weight)
    x = torch.rand(1, 1, 5, 4, dtype=torch.float64)
    even, odd = layer(x)[0] * (1 + 1e-3) ** 0.5
    torch.testing.assert_close(even, x[0, 0, ::2, ::2])
    torch.testing.assert_close(odd[:2], x[0, 0, 1::2, 1::2])
    assert (odd[2] == 0).all()


@pytest.mark.parametrize(("plan", "stride", "maps", "side"), [(NORMAL, 1, 6, 9), (REDUCTION, 2, 4, 5)])
def test_a_cell_is_as_wide_as_its_plan_says(plan, stride, maps, side):
    cell = Cell(plan, 3, 5, 4, stride=stride)
    assert cell(torch.randn(2, 3, 9, 9), torch.randn(2, 5, 9, 9)).shape == (2, 4 * maps, side, side)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"in_channels": -1}, "in_channels must be >= 1, got -1"),
        ({"cells_per_stage": 0}, "cells_per_stage must be >= 1, got 0"),
        ({"stem_channels": 0}, "stem_channels must be >= 1, got 0"),
        ({"penultimate_channels": 100}, "multiple of 96, got 100"),
        ({"dropout": 1.0}, r"\[0, 1\), got 1.0"),
    ],
)
def test_bad_sizes(changes, said):
    with pytest.raises(ValueError, match=said):
        small(**changes)


def test_a_cell_exports():
    cell = Cell(REDUCTION, 3, 5, 4, stride=2, previous="halve").eval()
    maps = torch.randn(1, 3, 17, 18), torch.randn(1, 5, 9, 9)
    torch.testing.assert_close(torch.export.export(cell, maps).module()(*maps), cell(*maps))
