"""What every model of the zoo can do: any number of classes and channels, features, layouts, precisions, compilers."""

import copy
import re
from functools import partial
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from companion.layers.gates import EfficientChannelAttention
from companion.models import MODELS
from companion.models.convnext import ConvNeXt
from companion.models.densenet import DenseNet
from companion.models.efficientnet import B0_STAGES, V2_S_STAGES, EfficientNet
from companion.models.nasnet import NASNet
from companion.models.preact import PreActBasicBlock, PreActBottleneck, PreActResNet
from companion.models.regnet import AnyNet
from companion.models.resnest import ResNeSt
from companion.models.resnet import BasicBlock, Bottleneck, ResNet
from companion.models.senet import squeeze_excitation
from companion.models.vgg import CONFIGURATIONS, VGG
from tests.benchmarks.__main__ import small_side
from tests.benchmarks.speed import logits
from tests.references import REFERENCES

NAMES = [
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
    "resnetv2_18",
    "resnetv2_50",
    "resnext50_32x4d",
    "seresnet50",
    "vgg11_bn",
    "xception",
]
"""A small one of every family and every kind of block; they really compute."""

SMALL = {name: MODELS[name] for name in NAMES}
SMALL["vgg11_bn"] = partial(VGG, CONFIGURATIONS["A"], hidden_features=16, batch_norm=True)

TWO_STAGES = {"depths": (2, 2), "widths": (64, 128)}
SHORT = SMALL | {
    "convnext_tiny": partial(ConvNeXt, **TWO_STAGES),
    "densenet121": partial(DenseNet, (2, 2)),
    "ecaresnet50": partial(ResNet, Bottleneck, gate=EfficientChannelAttention, **TWO_STAGES),
    "efficientnet_b0": partial(EfficientNet, B0_STAGES[:3]),
    "efficientnet_v2_s": partial(EfficientNet, V2_S_STAGES[2:4]),
    "nasnet_a_mobile": partial(
        NASNet, cells_per_stage=1, penultimate_channels=96, stem_channels=4, skip_reduction=False
    ),
    "regnet_x_400mf": partial(AnyNet, **TWO_STAGES, group_widths=(16, 16)),
    "regnet_y_400mf": partial(AnyNet, **TWO_STAGES, group_widths=(16, 16), squeeze_ratio=0.25),
    "resnest50": partial(ResNeSt, **TWO_STAGES),
    "resnet18": partial(ResNet, BasicBlock, **TWO_STAGES),
    "resnet50": partial(ResNet, Bottleneck, **TWO_STAGES),
    "resnetv2_18": partial(PreActResNet, PreActBasicBlock, **TWO_STAGES),
    "resnetv2_50": partial(PreActResNet, PreActBottleneck, **TWO_STAGES),
    "resnext50_32x4d": partial(ResNet, Bottleneck, groups=32, width_per_group=4, **TWO_STAGES),
    "seresnet50": partial(ResNet, Bottleneck, gate=squeeze_excitation(), **TWO_STAGES),
}
"""The same in little, where there is a class for it: the same lines of code, for fewer layers."""


class Small(NamedTuple):
    """A model in evaluation mode, pictures for it, and its logits of them."""

    name: str
    model: nn.Module
    x: Tensor  # (2, 3, H, W)
    logits: Tensor


def pictures(name, batch=2, channels=3):
    return torch.randn(batch, channels, small_side(name), small_side(name))


@pytest.fixture(scope="module", params=NAMES)
def small(request):
    torch.manual_seed(0)
    model, x = SMALL[request.param](num_classes=5).eval(), pictures(request.param)
    with torch.inference_mode():
        return Small(request.param, model, x, model(x))


def once(model):
    """Leave out every block that repeats the one before it: who compiles the one compiles the other."""
    for chain in [m for m in model.modules() if isinstance(m, nn.Sequential)]:
        before = None
        for name, block in list(chain.named_children()):
            looks = re.sub(r"\bp=[\d.e-]+", "", repr(block))  # but for the rate of dropping, which grows with depth
            if looks == before and list(block.children()):
                delattr(chain, name)
            before = looks
    return model


def assert_near(found, expected, *, relative, absolute):
    torch.testing.assert_close(found, expected, rtol=relative, atol=absolute * expected.abs().max().item())


def test_names_of_torchvision_and_every_reference_are_here():
    assert set(MODELS) <= set(REFERENCES)
    assert {n for n, r in REFERENCES.items() if r.source == f"torchvision {n}"} & set(MODELS) >= {"resnet50", "vgg16"}
    assert all(name == builder.__name__ for name, builder in MODELS.items())


@pytest.mark.parametrize("name", MODELS)
def test_any_number_of_classes_and_channels(name):
    features = []
    with torch.device("meta"):
        model, x = MODELS[name](num_classes=7, in_channels=2).eval(), pictures(name, channels=2)
    compute = model.forward_features
    model.forward_features = lambda maps: features.append(compute(maps)) or features[-1]
    assert model(x).shape == (2, 7)
    maps = features[0] if features else compute(x)  # a network with auxiliary heads goes its own way
    assert maps.ndim == 4
    assert maps.shape[0] == 2


@pytest.mark.parametrize("wrong", [{"num_classes": 0}, {"in_channels": 0}])
@pytest.mark.parametrize("name", MODELS)
def test_sizes_below_one_are_refused(name, wrong):
    with torch.device("meta"), pytest.raises(ValueError, match=r"got .*\b0\b"):
        MODELS[name](**wrong)


@pytest.mark.parametrize("name", MODELS)
def test_a_misspelt_option_is_refused(name):
    with pytest.raises(TypeError, match="num_clases"):
        MODELS[name](num_clases=10)


@pytest.mark.parametrize("name", NAMES)
def test_pictures_of_other_channels_are_refused(name):
    with torch.device("meta"), pytest.raises((ValueError, RuntimeError), match=r"channel|must be"):
        SMALL[name]().eval()(pictures(name, channels=4))


def test_channels_last_changes_nothing_but_the_order_in_memory(small):
    model = copy.deepcopy(small.model).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        found = model(small.x.to(memory_format=torch.channels_last))
    assert_near(found, small.logits, relative=1e-3, absolute=1e-4)


def test_half_the_precision_gives_nearly_the_same(small):
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        found = small.model(small.x)
    assert found.dtype == torch.bfloat16
    assert found.isfinite().all()
    assert (found - small.logits).norm() < 0.1 * small.logits.norm()


def test_the_gradient_reaches_every_parameter(small):
    model = copy.deepcopy(small.model).train()
    for layer in model.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.weight is not None:
            nn.init.uniform_(layer.weight, 0.5, 1.5)  # some start at 0, as published, and hold the gradient back
    sum(z.square().sum() for z in logits(model(pictures(small.name, batch=4)))).backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@pytest.mark.gpu
def test_a_gpu_says_what_the_cpu_says(small):
    model, x = copy.deepcopy(small.model).double(), small.x.double()
    with torch.inference_mode():
        expected = model(x)
        found = model.to("cuda")(x.to("cuda")).cpu()
    assert_near(found, expected, relative=1e-8, absolute=1e-9)


@pytest.mark.no_cover  # to count lines here as well takes longer than to compile
@pytest.mark.parametrize("name", NAMES)
def test_compiled_and_exported_it_says_the_same(name):
    model, x = once(SHORT[name](num_classes=5).eval()), pictures(name)
    with torch.no_grad():
        expected = model(x)
        torch.compiler.reset()
        whole = torch.compile(model, fullgraph=True, backend="eager")(x)  # fails where the graph would break
        exported = torch.export.export(model, (x,), strict=False).module()(x)
    assert_near(whole, expected, relative=1e-4, absolute=1e-5)
    assert_near(exported, expected, relative=1e-4, absolute=1e-5)
