"""For every model of the zoo the network that it must equal: a library's, or one wired here of a library's parts.

Where neither torchvision nor timm has a network it is put together from their blocks, or from torch's layers, in
the wiring of the paper; the note says how.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from unittest import mock

import timm
import torch
import torch.nn.functional as F
from timm.models.nasnet import NASNetALarge
from timm.models.resnet import Bottleneck as TimmBottleneck
from timm.models.resnet import ResNet as TimmResNet
from timm.models.resnetv2 import PreActBasic, PreActBottleneck
from torch import Tensor, nn
from torchvision.models.googlenet import Inception, InceptionAux
from torchvision.models.regnet import BlockParams
from torchvision.models.resnet import BasicBlock

from companion._torchvision import torchvision

SIDES = {"inception_v3": 299, "inception_v4": 299, "inception_resnet_v2": 299, "xception": 299}
SIDES |= {f"efficientnet_b{i}": side for i, side in enumerate((224, 240, 260, 300, 380, 456, 528, 600))}
SIDES |= {"efficientnet_v2_s": 384, "nasnet_a_large": 331}
"""Sides in pixels of the pictures that a network was made for, where they are not 224 (CIFAR's: 32)."""


class Reference(NamedTuple):
    """Where the reference comes from, and how to build it with 1000 classes (CIFAR: 10)."""

    source: str
    build: Callable[[], nn.Module]


def side(name: str) -> int:
    """Return the side in pixels of the pictures that a model was made for."""
    return SIDES.get(name, 32 if name.startswith("cifar") else 224)


def _timm(name: str, **options: object) -> Reference:
    return Reference(f"timm {name}", partial(timm.create_model, name, **options))


# ---- wired here ---------------------------------------------------------------------------------------------------


class ZeroChannels(nn.Module):
    """Shortcut A: every second pixel, and zeros for the channels that are new."""

    def __init__(self, new: int) -> None:
        super().__init__()
        self.new = new

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.new))


class PlainBlock(BasicBlock):
    """torchvision's block without the addition."""

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))


def _cifar(depth: int, block: type[BasicBlock] = BasicBlock) -> nn.Module:
    layers = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    below = 16
    for width in (16, 32, 64):
        for _ in range((depth - 2) // 6):
            grows = width != below
            layers.append(block(below, width, 1 + grows, ZeroChannels(width - below) if grows else None))
            below = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class PreActivated(nn.Module):
    """timm's pre-activation blocks for small pictures: three stages, the norm and ReLU owed at the end."""

    def __init__(self, block: type[nn.Module], n: int, expansion: int) -> None:
        super().__init__()
        layers = [nn.Conv2d(3, 16, 3, padding=1, bias=False)]
        below = 16
        for i, width in enumerate((16, 32, 64)):
            for j in range(n):
                out, new = width * expansion, j == 0 and (i > 0 or expansion > 1)
                project = _BareProjection if new else None
                layers.append(
                    block(
                        below,
                        out,
                        stride=2 if i and not j else 1,
                        bottle_ratio=1 / expansion,
                        conv_layer=_same_conv,
                        norm_layer=_norm_relu,
                        act_layer=nn.ReLU,
                        proj_layer=project,
                    )
                )
                below = out
        self.layers = nn.Sequential(*layers, nn.BatchNorm2d(below), nn.ReLU())
        self.fc = nn.Linear(below, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layers(x).mean((2, 3)))


class _BareProjection(nn.Module):
    def __init__(self, in_chs: int, out_chs: int, stride: int = 1, **_: object) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_chs, out_chs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


def _same_conv(in_channels: int, out_channels: int, size: int, stride: int = 1, **_: object) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, size, stride, size // 2, bias=False)


def _norm_relu(channels: int, **_: object) -> nn.Module:
    return timm.layers.BatchNormAct2d(channels, act_layer=nn.ReLU)


def _linear_head(name: str) -> nn.Module:
    """timm's network, its 1 x 1 convolution at the end replaced by the linear layer that it is."""
    model = timm.create_model(name)
    model.head = timm.layers.ClassifierHead(model.num_features, 1000)
    return model


def gated_resnet(gate: str | Callable[[int], nn.Module], depths: tuple[int, ...] = (3, 4, 6, 3)) -> nn.Module:
    """timm's ResNet, of 50 layers by default, with a gate in every block that timm does not name."""
    return TimmResNet(TimmBottleneck, depths, block_args={"attn_layer": gate})


class ConvRelu(nn.Module):
    """The convolution of 2014: a bias, no norm."""

    def __init__(self, in_channels: int, out_channels: int, **options: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, **options)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).relu()


class Inception5(Inception):
    """torchvision's module with the window of 5 that the paper has."""

    def __init__(self, in_channels: int, *widths: int, conv_block: type[nn.Module]) -> None:
        super().__init__(in_channels, *widths, conv_block=conv_block)
        self.branch3[1] = conv_block(widths[3], widths[4], kernel_size=5, padding=2)


class GoogLeNet2014(torchvision.models.GoogLeNet):
    """torchvision's wiring with response normalization in the stem and 3 x 3 windows in the last max pooling."""

    def __init__(self) -> None:
        aux = partial(InceptionAux, conv_block=ConvRelu)
        super().__init__(init_weights=False, blocks=[ConvRelu, partial(Inception5, conv_block=ConvRelu), aux])
        norm = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
        self.maxpool1 = nn.Sequential(self.maxpool1, norm)
        self.maxpool2 = nn.Sequential(norm, self.maxpool2)
        self.maxpool4 = nn.MaxPool2d(3, stride=2, ceil_mode=True)


class TimmNasnetMobile(NASNetALarge):
    """timm's own cells, four a stage, wired as the authors' mobile configuration: no reduction is skipped."""

    def __init__(self) -> None:
        super().__init__(stem_size=32, num_features=1056)
        for i in (4, 5, 10, 11, 16, 17):
            delattr(self, f"cell_{i}")

    def forward(self, x: Tensor) -> Tensor:
        maps = [self.conv0(x)]
        maps.append(self.cell_stem_0(maps[0]))
        maps.append(self.cell_stem_1(maps[0], maps[1]))
        for first in (None, "reduction_cell_0", "reduction_cell_1"):
            at = {None: 0, "reduction_cell_0": 6, "reduction_cell_1": 12}[first]
            for name in [*filter(None, [first]), *(f"cell_{i}" for i in range(at, at + 4))]:
                maps.append(getattr(self, name)(maps[-1], maps[-2]))
        return self.forward_head(F.relu(maps[-1]))


def _alexnet_2012(groups: int) -> nn.Module:
    """The paper's layers by torch: response normalization divides alpha by its size there, and not in the paper."""

    def norm(channels: int) -> nn.Module:
        return _InGroups(nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0), groups)

    def conv(i: int, o: int, size: int, **options: int) -> list[nn.Module]:
        return [nn.Conv2d(i, o, size, **options), nn.ReLU()]

    half, pool = {"groups": groups}, partial(nn.MaxPool2d, 3, 2)
    return nn.Sequential(
        *[nn.ZeroPad2d((0, 3, 0, 3)), *conv(3, 96, 11, stride=4), norm(96), pool()],
        *[*conv(96, 256, 5, padding=2, **half), norm(256), pool()],
        *[*conv(256, 384, 3, padding=1), *conv(384, 384, 3, padding=1, **half)],
        *[*conv(384, 256, 3, padding=1, **half), pool(), nn.Flatten()],
        *[nn.Linear(9216, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout()],
        nn.Linear(4096, 1000),
    )


class _InGroups(nn.Module):
    def __init__(self, layer: nn.Module, groups: int) -> None:
        super().__init__()
        self.layer, self.groups = layer, groups

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.layer(part) for part in x.chunk(self.groups, 1)], 1)


def _regnet(name: str) -> nn.Module:
    """torchvision's RegNet; it does sums on tensors while it is built, which must not land on the meta device."""
    stages = BlockParams.from_init_params

    def on_cpu(**options: float) -> BlockParams:
        with torch.device("cpu"):
            return stages(**options)

    with mock.patch.object(BlockParams, "from_init_params", on_cpu):
        return torchvision.models.get_model(name)


def _vgg16_c() -> nn.Module:
    """torchvision's VGG over configuration C, whose third, fourth and fifth stage end in a 1 x 1 convolution."""
    layers: list[nn.Module] = []
    below = 3
    for width, sizes in ((64, (3, 3)), (128, (3, 3)), (256, (3, 3, 1)), (512, (3, 3, 1)), (512, (3, 3, 1))):
        for size in sizes:
            layers += [nn.Conv2d(below, width, size, padding=size // 2), nn.ReLU()]
            below = width
        layers.append(nn.MaxPool2d(2))
    return torchvision.models.VGG(nn.Sequential(*layers), init_weights=False)


def _references() -> dict[str, Reference]:
    found = {
        "alexnet_two_towers": Reference("torch layers, the paper's wiring", partial(_alexnet_2012, 2)),
        "alexnet_single_tower": Reference("torch layers, the paper's wiring", partial(_alexnet_2012, 1)),
        "vgg16_c": Reference("torchvision VGG, configuration C", _vgg16_c),
        "googlenet_2014": Reference("torchvision GoogLeNet, the paper's blocks", GoogLeNet2014),
        "mobilenet_v1": _timm("mobilenetv1_100", act_layer=nn.ReLU),
        "seresnet50": _timm("seresnet50"),
        "seresnet101": _timm("seresnet101"),
        "seresnext50_32x4d": _timm("seresnext50_32x4d"),
        "ecaresnet50": Reference("timm ResNet with eca", partial(gated_resnet, "eca")),
        "ecaresnet101": Reference("timm ResNet with eca", partial(gated_resnet, "eca", (3, 4, 23, 3))),
        "resnest50": _timm("resnest50d"),
        "resnest101": _timm("resnest101e"),
        "inception_v4": _timm("inception_v4"),
        "inception_resnet_v2": _timm("inception_resnet_v2"),
        "xception": _timm("legacy_xception"),
        "nasnet_a_large": _timm("nasnetalarge"),
        "nasnet_a_mobile": Reference("timm NASNet cells, the mobile wiring", TimmNasnetMobile),
    }
    for depth in (20, 32, 44, 56, 110, 1202):
        found[f"cifar_resnet{depth}"] = Reference("torchvision blocks, shortcut A", partial(_cifar, depth))
    for depth in (20, 32, 44, 56, 110):
        found[f"cifar_plain{depth}"] = Reference("torchvision blocks, no addition", partial(_cifar, depth, PlainBlock))
    for depth in (18, 34, 50, 101, 152):
        found[f"resnetv2_{depth}"] = Reference(f"timm resnetv2_{depth}", partial(_linear_head, f"resnetv2_{depth}"))
    for depth, block, n, expansion in ((110, PreActBasic, 18, 1), (164, PreActBottleneck, 18, 4)):
        build = partial(PreActivated, block, n, expansion)
        found[f"cifar_preact_resnet{depth}"] = Reference("timm pre-activation blocks", build)
    build = partial(PreActivated, PreActBottleneck, 111, 4)
    found["cifar_preact_resnet1001"] = Reference("timm pre-activation blocks", build)
    for name in torchvision.models.list_models(module=torchvision.models):
        if name.startswith("regnet"):
            found[name] = Reference(f"torchvision {name}", partial(_regnet, name))
        options = {"init_weights": False} if name in {"googlenet", "inception_v3"} else {}
        found.setdefault(name, Reference(f"torchvision {name}", partial(torchvision.models.get_model, name, **options)))
    return found


REFERENCES = _references()
"""Name of our builder -> its reference; torchvision's networks that we do not have are there too."""
