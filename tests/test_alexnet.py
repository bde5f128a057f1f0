"""AlexNet: the paper's kernels, maps and start, the listed options, the towers, two devices."""

import pytest
import torch
from torch import nn

from companion.layers.norm import LocalResponseNorm
from companion.models.alexnet import (
    AlexNet2012,
    AlexNetTwoDevices,
    alexnet,
    alexnet_single_tower,
    alexnet_two_towers,
)

BUILDERS = [alexnet, alexnet_two_towers, alexnet_single_tower]
# Table of the paper's figure 2: kernels of each layer and the maps that they see.
KERNELS = {
    "conv1": (96, 3, 11, 11),
    "conv2": (256, 48, 5, 5),
    "conv3": (384, 256, 3, 3),
    "conv4": (384, 192, 3, 3),
    "conv5": (256, 192, 3, 3),
    "fc6": (4096, 9216),
    "fc7": (4096, 4096),
    "fc8": (1000, 4096),
}


def meta(build, **options):
    with torch.device("meta"):
        return build(**options)


def count(model):
    return sum(p.numel() for p in model.parameters())


def pictures(size=224, batch=1, channels=3, dtype=torch.float64):
    return torch.randn(batch, channels, size, size, dtype=dtype)


def lively(build, dtype=torch.float64, **options):
    """A model whose weights keep a signal of ordinary size down to the logits, which N(0, 0.01²) does not.

    Drawing 58 million numbers takes long; a million of them, again and again, will do: 999,983 is a prime.
    """
    model = meta(build, **options).to_empty(device="cpu").to(dtype)
    drawn = torch.randn(999_983, dtype=dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            size = (2 / parameter[0].numel()) ** 0.5 if parameter.ndim > 1 else 0.1
            parameter.copy_(
                (size * drawn).repeat(-(-parameter.numel() // len(drawn)))[: parameter.numel()].view_as(parameter)
            )
    return model


@pytest.fixture(scope="module")
def towers():
    """The full network in float64, narrow only in its number of classes."""
    torch.manual_seed(0)
    return lively(alexnet_two_towers, num_classes=6).eval()


# --- counts and shapes


def test_kernels_are_the_papers():
    weights = {name.split(".")[1]: p for name, p in meta(alexnet_two_towers).named_parameters() if "weight" in name}
    assert {name: tuple(weight.shape) for name, weight in weights.items()} == KERNELS
    single = dict(meta(alexnet_single_tower).features.named_children())
    assert [tuple(single[f"conv{i}"].weight.shape[:2]) for i in range(1, 6)] == [
        (96, 3), (256, 96), (384, 256), (384, 384), (256, 384)
    ]  # fmt: skip


def test_maps_are_the_papers():
    model, shapes = meta(alexnet_two_towers), {}
    x = model.edge(torch.empty(1, 3, 224, 224, device="meta"))
    for name, layer in model.features.named_children():
        x = layer(x)
        shapes[name] = tuple(x.shape[1:])
    assert shapes["conv1"] == (96, 55, 55)
    assert shapes["pool1"] == (96, 27, 27)
    assert shapes["conv2"] == (256, 27, 27)
    assert shapes["pool2"] == (256, 13, 13)
    assert shapes["conv3"] == shapes["conv4"] == (384, 13, 13)
    assert shapes["conv5"] == (256, 13, 13)
    assert shapes["pool5"] == (256, 6, 6)
    plain = nn.Conv2d(3, 96, 11, stride=4, device="meta")  # what the paper's numbers give without the edge
    assert plain(torch.empty(1, 3, 224, 224, device="meta")).shape[-1] == 54


@pytest.mark.parametrize("size", [224, 225, 226, 227])
def test_picture_sizes(size):
    assert meta(alexnet_two_towers)(torch.empty(2, 3, size, size, device="meta")).shape == (2, 1000)


@pytest.mark.parametrize("build", BUILDERS)
def test_classes_channels_and_dropout_are_free(build):
    model = meta(build, num_classes=7, in_channels=1, dropout=0.25)
    assert model(torch.empty(3, 1, 224, 224, device="meta")).shape == (3, 7)
    assert [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)] == [0.25, 0.25]


def test_order_of_the_layers():
    """conv, ReLU, response normalization, pooling; dropout on the outputs of fc6 and fc7."""
    model = meta(alexnet_two_towers)
    assert [name for name, _ in model.features.named_children()][:4] == ["conv1", "relu1", "norm1", "pool1"]
    assert [name for name, _ in model.classifier.named_children()] == [
        "fc6", "relu6", "drop6", "fc7", "relu7", "drop7", "fc8"
    ]  # fmt: skip
    norms = [layer for layer in model.modules() if isinstance(layer, LocalResponseNorm)]
    assert [(n.size, n.alpha, n.beta, n.k, n.groups) for n in norms] == [(5, 1e-4, 0.75, 2.0, 2)] * 2


# --- the start


def test_the_papers_start():
    model, generator = AlexNet2012(num_classes=10), torch.Generator().manual_seed(1)
    model.reset_parameters(generator)
    for name, parameter in model.named_parameters():
        layer, kind = name.split(".")[1:]
        if kind == "bias":
            assert (parameter == (layer in {"conv2", "conv4", "conv5", "fc6", "fc7"})).all(), name
        else:
            sigmas = 5 / parameter.numel() ** 0.5
            assert abs(parameter.mean()) < 0.01 * sigmas, name
            assert abs(parameter.std() / 0.01 - 1) < sigmas, name
    first = model.features.conv1.weight.clone()
    model.reset_parameters(torch.Generator().manual_seed(1))
    assert torch.equal(model.features.conv1.weight, first)


# --- the towers


def test_224_with_an_edge_of_zeros_is_227(towers):
    x = pictures()
    wide = nn.functional.pad(x, (0, 3, 0, 3))
    torch.testing.assert_close(towers(wide), towers(x), rtol=1e-12, atol=1e-12)
    wide[..., -1] = 1.0  # of a picture of 227 pixels the last column counts
    assert not torch.allclose(towers(wide), towers(x))


def test_a_tower_does_not_see_the_other_before_layer_three(towers):
    x = pictures()
    maps = {}
    for blind in (False, True):
        h = towers.edge(x)
        for name, layer in towers.features.named_children():
            h = layer(h)
            if name == "conv1" and blind:
                h = h.clone()
                h[:, 48:] = 0.0
            maps[name, blind] = h
    assert torch.equal(maps["pool2", True][:, :128], maps["pool2", False][:, :128])
    assert not torch.allclose(maps["pool2", True][:, 128:], maps["pool2", False][:, 128:])
    assert not torch.allclose(maps["conv3", True][:, :192], maps["conv3", False][:, :192])


# --- two devices


def test_two_devices_equal_the_grouped_network(towers):
    halves = AlexNetTwoDevices(towers, ("cpu", torch.device("cpu", 0))).eval()
    assert count(halves) == count(towers)
    assert count(halves.first) == count(halves.second)
    x = pictures().requires_grad_()
    out, expected = halves(x), towers(x)
    torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-12)
    weights = out.detach()
    (grad,) = torch.autograd.grad((out * weights).sum(), x)
    (reference,) = torch.autograd.grad((expected * weights).sum(), x)
    torch.testing.assert_close(grad, reference, rtol=1e-8, atol=1e-10 * reference.abs().max().item())


def test_two_devices_meet_only_where_the_paper_lets_them(towers, monkeypatch):
    """Every concatenation of halves is a meeting; what it makes says before which layer."""
    met, real = [], torch.cat
    monkeypatch.setattr(torch, "cat", lambda halves, dim: met.append(real(halves, dim)) or met[-1])
    halves = AlexNetTwoDevices(meta(alexnet_two_towers, num_classes=6), ("meta", "meta"))
    assert halves(torch.empty(1, 3, 224, 224, device="meta")).shape == (1, 6)
    crossed = [tuple(both.shape[1:]) for both in met]
    assert crossed == [(256, 13, 13)] * 2 + [(9216,)] * 2 + [(4096,)] * 4 + [(6,)]
    assert halves.exchanges == ("conv3", "fc6", "fc7", "fc8")


def test_the_halves_live_on_their_devices():
    halves = AlexNetTwoDevices(meta(alexnet_two_towers), ("meta", "meta"))
    assert halves.devices == (torch.device("meta"), torch.device("meta"))
    whole = meta(alexnet_two_towers, num_classes=2).to_empty(device="cpu")
    on_two = AlexNetTwoDevices(whole, ("cpu", "meta"))
    assert {p.device.type for p in on_two.first.parameters()} == {"cpu"}
    assert {p.device.type for p in on_two.second.parameters()} == {"meta"}


@pytest.mark.gpu
@pytest.mark.parametrize("devices", [("cuda", "cuda"), ("cuda", "cpu"), ("cpu", "cuda")])
def test_two_real_devices_equal_one(towers, devices):
    x = pictures()
    out = AlexNetTwoDevices(towers, devices).eval()(x)
    assert out.device.type == devices[0]
    torch.testing.assert_close(out.cpu(), towers(x), rtol=1e-9, atol=1e-10)


# --- gradients and errors


def test_gradients_reach_every_parameter():
    model = lively(alexnet_two_towers, torch.float32, num_classes=4)
    model(pictures(dtype=torch.float32)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"in_channels": -1}, "got 1000 and -1"), ({"dropout": 1.0}, "got 1.0")],
)
def test_errors_of_the_builders(build, wrong, message):
    with pytest.raises(ValueError, match=message):
        meta(build, **wrong)


def test_errors_of_pictures_towers_and_devices():
    model = meta(alexnet_two_towers)
    for shape in [(3, 224, 224), (1, 1, 224, 224), (1, 3, 223, 224), (1, 3, 224, 228)]:
        with pytest.raises(ValueError, match=r"x must be \(B, 3, H, W\), H and W 224 to 227, got"):
            model(torch.empty(shape, device="meta"))
    with pytest.raises(ValueError, match="224 to 227"):
        AlexNetTwoDevices(model, ("meta", "meta"))(torch.empty(1, 3, 64, 64, device="meta"))
    with pytest.raises(ValueError, match="towers must be 1 or 2, got 3"):
        meta(AlexNet2012, towers=3)
    with pytest.raises(ValueError, match="got 1, 1000"):
        AlexNetTwoDevices(meta(alexnet_single_tower), ("meta", "meta"))
    with pytest.raises(ValueError, match="got 2, 7"):
        AlexNetTwoDevices(meta(alexnet_two_towers, num_classes=7), ("meta", "meta"))
    with pytest.raises(ValueError, match="need two devices, got 3"):
        AlexNetTwoDevices(model, ("meta", "meta", "meta"))
