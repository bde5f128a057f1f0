"""VGG: torchvision's layers and logits, the paper's table, dense evaluation, options, errors."""

import pytest
import torch
from torch import nn

from companion._torchvision import torchvision
from companion.models import vgg
from companion.models.vgg import CONFIGURATIONS, VGG, fully_convolutional, vgg11, vgg16, vgg16_bn, vgg16_c
from tests.references import REFERENCES
from tests.twins import assert_same_logits, reference_twin

NAMES = [f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")]
SMALL = {"widths": (4, 6), "hidden_features": 5, "num_classes": 3}


def meta(build, **options):
    with torch.device("meta"):
        return build(**options)


def count(model):
    return sum(p.numel() for p in model.parameters())


def small(kernels=((3,), (3, 1)), **options):
    return VGG(kernels, **{**SMALL, **options}).double()


def test_configuration_c_by_hand():
    """D with three windows of 1 x 1 instead of 3 x 3: eight weights fewer for each pair of channels."""
    assert count(meta(vgg16_c)) == count(meta(vgg16)) - 8 * (256**2 + 2 * 512**2) == 133_638_952


def test_weight_layers_are_the_papers():
    depths = {name: sum(map(len, kernels)) + 3 for name, kernels in CONFIGURATIONS.items()}
    assert depths == {"A": 11, "B": 13, "C": 16, "D": 16, "E": 19}


def leaves(model):
    """The layers in order, told by what they print; without those that have no counterpart."""
    return [
        repr(layer) for layer in model.modules() if not list(layer.children()) and not isinstance(layer, nn.Flatten)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_layers_in_the_same_order_as_torchvision(name):
    ours, theirs = meta(getattr(vgg, name)), meta(REFERENCES[name].build)
    same = {"AdaptiveAvgPool2d(output_size=(7, 7))": "AdaptiveAvgPool2d(output_size=7)"}
    assert leaves(ours) == [same.get(layer, layer) for layer in leaves(theirs)]


def test_same_logits_as_torchvision():
    """One of the giants, in single precision; the others differ in how often a layer stands there."""
    twins = reference_twin(
        lambda: vgg11(num_classes=7),
        lambda: torchvision.models.vgg11(num_classes=7),
        dtype=torch.float32,
    )
    assert_same_logits(twins, size=32, tolerance=1e-4)


def test_same_logits_in_double_precision():
    """The same wiring at widths at which double precision is cheap."""
    features = torchvision.models.vgg.make_layers([4, "M", 6, 6, "M"], batch_norm=True)

    def theirs():
        model = torchvision.models.VGG(features, num_classes=3, init_weights=False)
        model.classifier[0], model.classifier[3], model.classifier[6] = (
            nn.Linear(6 * 49, 5), nn.Linear(5, 5), nn.Linear(5, 3)
        )  # fmt: skip
        return model.to_empty(device="meta")

    twins = reference_twin(lambda: VGG(((3,), (3, 3)), batch_norm=True, **SMALL), theirs)
    assert_same_logits(twins, size=30, tolerance=1e-12)


def test_maps_are_the_papers():
    """224 pixels, halved by each stage; the head's averaging has nothing to do."""
    model, x, seen = meta(vgg16), torch.empty(1, 3, 224, 224, device="meta"), []
    for stage in model.stages:
        x = stage(x)
        seen.append(tuple(x.shape[1:]))
    assert seen == [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)]
    assert model.head[0](x).shape == x.shape


def test_forward_is_features_then_head():
    model, x = small().eval(), torch.randn(2, 3, 12, 8, dtype=torch.float64)
    assert model.forward_features(x).shape == (2, 6, 3, 2)
    torch.testing.assert_close(model(x), model.head(model.forward_features(x)))
    by_hand = model.stages[0][0](x).clamp_min(0)
    torch.testing.assert_close(model.stages[0](x), nn.functional.max_pool2d(by_hand, 2))


def test_first_weights():
    model = VGG(((3, 3),), widths=(64,), hidden_features=300, num_classes=50, batch_norm=True)
    conv, first = model.stages[0][3], model.head[2]
    assert conv.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    assert first.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert not any(layer.bias.any() for layer in (conv, first, model.head[8], model.stages[0][1]))
    model.stages[0][1].running_var.fill_(9)
    nn.init.zeros_(model.stages[0][1].weight)
    model.reset_parameters()
    assert model.stages[0][1].weight.eq(1).all()
    assert model.stages[0][1].running_var.eq(1).all()


def test_gradients_reach_every_parameter():
    model = small(batch_norm=True, dropout=0.0)
    with torch.no_grad():
        model.head[2].bias.fill_(1.0)  # no unit of so small a head starts dead
        model.head[5].bias.fill_(1.0)
    model(torch.randn(4, 3, 8, 8, dtype=torch.float64)).square().sum().backward()
    dead = {name for name, p in model.named_parameters() if not p.grad.any()}
    assert not {name for name in dead if "bias" not in name}
    assert dead <= {f"stages.{i}.{j}.bias" for i, j in [(0, 0), (1, 0), (1, 3)]}, "only a norm takes a bias away"


def test_options_matter():
    assert count(small(batch_norm=True)) == count(small()) + 2 * (4 + 6 + 6)
    assert small(in_channels=1)(torch.zeros(2, 1, 8, 8, dtype=torch.float64)).shape == (2, 3)
    assert [m.p for m in small(dropout=0.25).modules() if isinstance(m, nn.Dropout)] == [0.25, 0.25]
    assert meta(vgg16_bn, num_classes=7, in_channels=1, dropout=0.1).head[-1].out_features == 7
    model, x = small(dropout=0.9).train(), torch.randn(2, 3, 8, 8, dtype=torch.float64)
    model.head[5].bias.data.fill_(1.0)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


# --- dense evaluation


def test_fully_convolutional_is_the_same_network_at_224():
    """At the size for which the head's window covers the map: here two stages, so 28 pixels."""
    model, x = small().eval(), torch.randn(2, 3, 28, 28, dtype=torch.float64)
    dense = fully_convolutional(model)
    torch.testing.assert_close(dense(x)[:, :, 0, 0], model(x), rtol=1e-12, atol=1e-12)
    assert dense(x).shape == (2, 3, 1, 1)


def test_a_map_of_logits_is_the_logits_of_all_crops():
    """1 x 1 windows know no border, so that a crop and its place in the large picture agree to the last digit."""
    model = small(((1, 1), (1,))).eval()
    x = torch.randn(1, 3, 36, 40, dtype=torch.float64)
    logits = fully_convolutional(model)(x)
    assert logits.shape == (1, 3, 3, 4)
    for i in range(3):
        for j in range(4):
            crop = x[:, :, 4 * i : 4 * i + 28, 4 * j : 4 * j + 28]
            torch.testing.assert_close(logits[:, :, i, j], model(crop), rtol=1e-12, atol=1e-12)


def test_fully_convolutional_is_a_copy_in_the_same_mode():
    model = small().eval()
    dense = fully_convolutional(model)
    assert not dense.training
    assert fully_convolutional(model.train()).training
    before = [p.clone() for p in dense.parameters()]
    nn.init.zeros_(model.head[2].weight)
    nn.init.zeros_(model.stages[0][0].weight)
    assert all(torch.equal(a, b) for a, b in zip(before, dense.parameters(), strict=True))
    assert count(dense) == count(model)


# --- errors


@pytest.mark.parametrize(
    ("kernels", "options", "message"),
    [
        ((), {}, "one or more stages"),
        (((3,), ()), {}, "none empty"),
        (((3,),), {}, "a width for each"),
        (((3,), (2,)), {}, r"odd sides >= 1, got \(\(3,\), \(2,\)\)"),
        (((3,), (-1,)), {}, "odd sides"),
        (((3,), (3,)), {"widths": (4, 0)}, ">= 1, got .*0"),
        (((3,), (3,)), {"hidden_features": 0}, "hidden_features"),
        (((3,), (3,)), {"num_classes": 0}, "num_classes"),
        (((3,), (3,)), {"in_channels": -1}, "in_channels"),
        (((3,), (3,)), {"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
    ],
)
def test_errors(kernels, options, message):
    with pytest.raises(ValueError, match=message):
        small(kernels, **options)


def test_wrong_pictures():
    with pytest.raises(RuntimeError, match="channels"):
        small()(torch.zeros(1, 1, 8, 8, dtype=torch.float64))
    with pytest.raises(RuntimeError, match="too small"):
        small()(torch.zeros(1, 3, 3, 3, dtype=torch.float64))
