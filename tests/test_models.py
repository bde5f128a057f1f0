"""What every model of the zoo can do: any number of classes and channels, features, layouts, precisions, compilers."""

from functools import partial

import pytest
import torch
from torch import nn

from companion.models import MODELS
from companion.models.vgg import CONFIGURATIONS, VGG
from tests.benchmarks.__main__ import small_side
from tests.references import REFERENCES

SMALL = [
    "alexnet",
    "cifar_plain20",
    "cifar_resnet20",
    "convnext_tiny",
    "densenet121",
    "ecaresnet50",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "googlenet",
    "inception_resnet_v2",
    "inception_v3",
    "inception_v4",
    "mobilenet_v1",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "nasnet_a_mobile",
    "regnet_x_400mf",
    "regnet_y_400mf",
    "resnest50",
    "resnet18",
    "resnet50",
    "resnetv2_50",
    "resnext50_32x4d",
    "seresnet50",
    "xception",
]
"""A small one of every family and every kind of block; they really compute."""


def build(name):
    return MODELS[name](num_classes=5).eval()


def pictures(name, batch=2, channels=3):
    return torch.randn(batch, channels, small_side(name), small_side(name))


def outputs(result):
    return [result] if isinstance(result, torch.Tensor) else [z for z in result if z is not None]


def test_names_of_torchvision_and_every_reference_are_here():
    assert set(MODELS) <= set(REFERENCES)
    assert {n for n, r in REFERENCES.items() if r.source == f"torchvision {n}"} & set(MODELS) >= {"resnet50", "vgg16"}
    assert all(name == builder.__name__ for name, builder in MODELS.items())


@pytest.mark.parametrize("name", MODELS)
def test_any_number_of_classes_and_channels(name):
    with torch.device("meta"):
        model, x = MODELS[name](num_classes=7, in_channels=2).eval(), pictures(name, channels=2)
        features, logits = model.forward_features(x), model(x)
    assert logits.shape == (2, 7)
    assert features.ndim == 4
    assert features.shape[0] == 2


@pytest.mark.parametrize("wrong", [{"num_classes": 0}, {"in_channels": 0}])
@pytest.mark.parametrize("name", MODELS)
def test_sizes_below_one_are_refused(name, wrong):
    with torch.device("meta"), pytest.raises(ValueError, match=r"got .*\b0\b"):
        MODELS[name](**wrong)


@pytest.mark.parametrize("name", MODELS)
def test_a_misspelt_option_is_refused(name):
    with pytest.raises(TypeError, match="num_clases"):
        MODELS[name](num_clases=10)


@pytest.mark.parametrize("name", SMALL)
def test_pictures_of_other_channels_are_refused(name):
    with torch.device("meta"), pytest.raises((ValueError, RuntimeError), match=r"channel|must be"):
        build(name)(pictures(name, channels=4))


@pytest.mark.parametrize("name", SMALL)
def test_the_gradient_reaches_every_parameter(name):
    model = build(name).train()
    for layer in model.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.weight is not None:
            nn.init.uniform_(layer.weight, 0.5, 1.5)  # some start at 0, as published, and hold the gradient back
    sum(z.square().sum() for z in outputs(model(pictures(name, batch=4)))).backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@pytest.mark.parametrize("name", SMALL)
def test_channels_last_changes_nothing_but_the_order_in_memory(name):
    model, x = build(name), pictures(name)
    with torch.inference_mode():
        expected = model(x)
        found = model.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())


@pytest.mark.parametrize("name", SMALL)
def test_half_the_precision_gives_nearly_the_same(name):
    model, x = build(name), pictures(name)
    with torch.inference_mode():
        expected = model(x)
        with torch.autocast("cpu", torch.bfloat16):
            found = model(x)
    assert found.isfinite().all()
    assert (found - expected).norm() < 0.1 * expected.norm()


@pytest.mark.parametrize("name", SMALL)
def test_compiled_and_exported_it_says_the_same(name):
    model, x = build(name), pictures(name)
    with torch.no_grad():
        expected = model(x)
        torch.compiler.reset()
        whole = torch.compile(model, fullgraph=True, backend="eager")(x)  # fails where the graph would break
        exported = torch.export.export(model, (x,), strict=False).module()(x)
    torch.testing.assert_close(whole, expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())
    torch.testing.assert_close(exported, expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())


@pytest.mark.gpu
@pytest.mark.parametrize("name", SMALL)
def test_a_gpu_says_what_the_cpu_says(name):
    model, x = build(name).double(), pictures(name).double()
    with torch.inference_mode():
        expected = model(x)
        found = model.to("cuda")(x.to("cuda")).cpu()
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-9 * expected.abs().max().item())


def test_vgg_with_a_small_head_does_all_of_it_too():
    small = partial(VGG, CONFIGURATIONS["A"], hidden_features=16, num_classes=5, batch_norm=True)
    model, x = small().eval(), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = model(x)
        whole = torch.compile(model, fullgraph=True, backend="eager")(x)
        last = model.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(whole, expected)
    torch.testing.assert_close(last, expected, rtol=1e-4, atol=1e-5)
    model.train()(x).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())
