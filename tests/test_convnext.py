"""ConvNeXt: torchvision's gradients; the path from ResNet-50, whose two ends are torchvision's networks."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from companion._torchvision import torchvision
from companion.analysis import multiply_accumulates
from companion.layers.drop import StochasticDepth
from companion.layers.norm import LayerNorm2d
from companion.layers.scale import LayerScale
from companion.models.convnext import ConvNeXt, ConvNeXtBlock, convnext_tiny
from companion.models.modernized import CHANGES, Design, ModernizedBlock, ModernizedResNet, path
from tests.twins import assert_same_logits, reference_twin

# The paper's text, sections 2.3 to 2.5 and table 1; billions of multiply-accumulates, rounded as there.
STATED = {"wider": 5.3, "inverted": 4.6, "window first": 4.1, "steps apart": 4.5}


def tiny(**options):
    return ConvNeXt((1, 2), (8, 16), **{"num_classes": 5, **options})


def count(model):
    return sum(p.numel() for p in model.parameters())


def on_meta(build, **options):
    with torch.device("meta"):
        return build(**options)


# --- the published family, beyond what tests/test_zoo_table.py proves of every model


def test_a_blocks_gradients_are_torchvisions():
    theirs = torchvision.models.convnext.CNBlock(12, 0.7, 0.0).double()
    ours = ConvNeXtBlock(12).double()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    for layout in (torch.contiguous_format, torch.channels_last):
        x = torch.randn(2, 12, 9, 8, dtype=torch.float64).to(memory_format=layout)
        for block in (ours, theirs):
            block.zero_grad()
            block(x).square().sum().backward()
        for mine, reference in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(mine.grad, reference.grad, rtol=1e-10, atol=1e-10)


def test_first_weights_are_spread_as_torchvisions():
    ours, theirs = tiny(), torchvision.models.ConvNeXt([torchvision.models.convnext.CNBlockConfig(8, None, 2)])
    for model in (ours, theirs):
        wide = [p for p in model.parameters() if p.numel() > 200 and p.ndim > 1]
        assert all(p.std().item() == pytest.approx(0.02, rel=0.25) for p in wide)
        assert all(m.bias.abs().sum() == 0 for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear)))
    assert all((m.weight == 1e-6).all() for m in ours.modules() if isinstance(m, LayerScale))


# --- block and network


def test_a_block_starts_as_its_shortcut_and_drops_whole_examples():
    x = torch.randn(40, 8, 7, 7)
    torch.testing.assert_close(ConvNeXtBlock(8)(x), x, rtol=0, atol=1e-4)
    block = ConvNeXtBlock(8, layer_scale=1.0, drop_rate=0.5)
    moved = (block(x) != x).flatten(1).any(dim=1)
    assert 5 < moved.sum() < 35
    assert (block.eval()(x) != x).flatten(1).any(dim=1).all()


def test_options_of_a_block():
    small = ConvNeXtBlock(8, kernel_size=3, expansion=2)
    assert count(small) == 8 + 8 * 9 + 8 + 16 + (8 * 16 + 16) + (16 * 8 + 8)
    assert small(torch.zeros(1, 8, 5, 5)).shape == (1, 8, 5, 5)


def test_features_and_options():
    x = torch.randn(2, 1, 33, 20)
    model = tiny(in_channels=1, drop_path_rate=0.4, layer_scale=0.5).eval()
    assert [m.p for m in model.modules() if isinstance(m, StochasticDepth)] == pytest.approx([0, 0.2, 0.4])
    features = model.forward_features(x)
    assert features.shape == (2, 16, 4, 2)
    torch.testing.assert_close(model.head(features.mean((2, 3))), model(x))
    assert features.is_contiguous(memory_format=torch.channels_last)
    assert [m.p for m in ConvNeXt((1,), (8,), drop_path_rate=0.3).modules() if isinstance(m, StochasticDepth)] == [0]


# --- the path


def test_the_first_stop_is_resnet_50():
    stops = list(path().values())
    ours = partial(ModernizedResNet, stops[0], num_classes=6)
    assert_same_logits(reference_twin(ours, partial(torchvision.models.resnet50, num_classes=6)), size=33)


def test_the_last_stop_with_layer_scale_is_convnext_tiny():
    """A linear layer is a 1 x 1 convolution whose weights have two more dimensions, of size 1."""
    last = replace(path()["steps apart"], layer_scale=1e-6)
    ours = on_meta(ModernizedResNet, design=last, num_classes=6).to_empty(device="cpu").double()
    theirs = on_meta(convnext_tiny, num_classes=6).to_empty(device="cpu").double()
    with torch.no_grad():
        for mine, reference in zip(ours.parameters(), theirs.parameters(), strict=True):
            reference.normal_(0, 0.1)
            mine.copy_(reference.reshape(mine.shape))
    x = torch.randn(2, 3, 33, 33, dtype=torch.float64)
    with torch.no_grad():
        a, b = ours.eval()(x), theirs.eval()(x)
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    assert not torch.allclose(a[0], a[1])


def test_counts_along_the_path():
    stops = {name: on_meta(ModernizedResNet, design=design) for name, design in path().items()}
    parameters = {name: count(model) for name, model in stops.items()}
    macs = {name: multiply_accumulates(model, (3, 224, 224)) / 1e9 for name, model in stops.items()}
    assert parameters["ResNet-50"] == 25_557_032
    assert parameters["steps apart"] + sum(d * 96 * 2**i for i, d in enumerate((3, 3, 9, 3))) == 28_589_128
    assert {name: round(macs[name], 1) for name in STATED} == STATED
    unchanged = ["window 7", "GELU", "one activation", "one norm", "LayerNorm"]
    assert len({macs[name] for name in unchanged}) == 1
    assert macs["depthwise"] == min(macs.values())


def test_each_change_is_one_change():
    stops = list(path().values())
    assert len(stops) == len(CHANGES) == 13
    for before, after, (_, change) in zip(stops, stops[1:], CHANGES[1:], strict=False):
        assert replace(before, **change) == after != before


@pytest.mark.parametrize("name", list(path()))
def test_every_stop_runs_and_learns_in_small(name):
    design = path(Design(depths=(1, 1, 1), width=2), depths=(1, 1, 2), width=4)[name]
    model, x = ModernizedResNet(design, num_classes=3, in_channels=1), torch.randn(2, 1, 32, 32)
    out = model(x)
    out.sum().backward()
    assert out.shape == (2, 3)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    ends = design.channels(2)[0]
    assert model.forward_features(x).shape == (2, ends, 2, 2)


def test_norms_activations_and_windows_of_a_block():
    kinds = {}
    for name, design in path(width=8).items():
        block = ModernizedBlock(design.channels(1)[0], 1, design)
        kinds[name] = [type(m).__name__ for m in (*block.branch, block.act)]
    assert kinds["ResNet-50"] == ["Conv2d", "BatchNorm2d", "ReLU"] * 2 + ["Conv2d", "BatchNorm2d", "ReLU"]
    assert kinds["one activation"] == ["Conv2d", "BatchNorm2d"] * 2 + ["GELU", "Conv2d", "BatchNorm2d", "Identity"]
    assert kinds["LayerNorm"] == ["Conv2d", "LayerNorm2d", "Conv2d", "GELU", "Conv2d", "Identity"]
    assert kinds["steps apart"] == kinds["LayerNorm"]


def test_layer_norm_replaces_every_batch_norm():
    model = on_meta(ModernizedResNet, design=path()["LayerNorm"])
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    assert any(isinstance(m, LayerNorm2d) for m in model.modules())


def test_errors():
    for call, message in [
        (lambda: ConvNeXt((), ()), "as many depths"),
        (lambda: ConvNeXt((1, 1), (8,)), r"\(8,\)"),
        (lambda: tiny(num_classes=0), "num_classes=0"),
        (lambda: tiny(in_channels=-1), "in_channels=-1"),
        (lambda: tiny(drop_path_rate=2.0), r"\[0, 1\], got 2"),
        (lambda: ConvNeXtBlock(0), "channels=0"),
        (lambda: ConvNeXtBlock(8, kernel_size=6), "kernel_size=6"),
        (lambda: ModernizedResNet(Design(depths=())), "need stages"),
        (lambda: ModernizedResNet(Design(kernel_size=4)), "kernel_size=4"),
        (lambda: ModernizedResNet(Design(width=0)), "width=0"),
        (lambda: ModernizedResNet(Design(stem="nine")), "unknown stem 'nine'"),
        (lambda: ModernizedResNet(Design(order="sideways")), "'sideways'"),
        (lambda: path(colour=3), r"\['colour'\]"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
