"""GoogLeNet: torchvision's outputs in training, published counts and sizes, parts by hand, options, errors."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from companion.models.googlenet import (
    WIDTHS,
    AuxiliaryHead,
    Branches,
    GoogLeNet,
    InceptionModule,
    InceptionWidths,
    NaiveInceptionModule,
    googlenet,
    googlenet_2014,
    imagenet_to_unit_range,
)
from tests.references import REFERENCES
from tests.twins import reference_twin

# Table 1 of the paper: output channels of each module, and rows of the maps of each stage.
OUTPUTS = {"3a": 256, "3b": 480, "4a": 512, "4b": 512, "4c": 512, "4d": 528, "4e": 832, "5a": 832, "5b": 1024}
ROWS = {"3": 28, "4": 14, "5": 7}


def count(model):
    return sum(p.numel() for p in model.parameters())


def meta(build, **options):
    with torch.device("meta"):
        return build(**options)


@pytest.fixture(scope="module")
def twins():
    torch.manual_seed(0)
    return reference_twin(googlenet, REFERENCES["googlenet"].build)


def test_training_returns_torchvisions_three_outputs(twins):
    ours, reference = (copy.deepcopy(model).train() for model in twins)
    for model in (ours, reference):
        for layer in model.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0
    x = torch.randn(3, 3, 64, 64, dtype=torch.float64)
    got, expected = ours(x), reference(x)
    assert got._fields == expected._fields == ("logits", "aux_logits2", "aux_logits1")
    for mine, other in zip(got, expected, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-7, atol=1e-9)
    gradients = []
    for model, outputs in ((ours, got), (reference, expected)):
        sum(z.square().sum() for z in outputs).backward()
        gradients.append([p.grad for p in model.parameters()])
    for mine, other in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-9 * other.abs().max().item())


def test_transform_input_equals_torchvisions(twins):
    ours = GoogLeNet(transform_input=True).double().eval()
    ours.load_state_dict(twins.ours.state_dict())
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    reference = copy.copy(twins.theirs)
    reference.transform_input = True
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), reference(x))
        assert not torch.allclose(ours(x), twins.ours(x))


def test_unit_range_undoes_the_normalization():
    pixels = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    mean = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64).view(3, 1, 1)
    torch.testing.assert_close(imagenet_to_unit_range((pixels - mean) / std), 2 * pixels - 1)


@pytest.mark.parametrize(
    ("build", "published"),
    [(googlenet, 6_624_904), (googlenet_2014, 6_998_552)],
)
def test_counts_without_auxiliary_heads(build, published):
    assert count(meta(build, aux_logits=False)) == published


@pytest.mark.parametrize("build", [googlenet, googlenet_2014])
def test_maps_have_the_sizes_of_the_papers_table(build):
    model, seen = meta(build), {}
    for name, module in model.named_modules():
        if isinstance(module, InceptionModule):
            module.register_forward_hook(lambda m, x, out, name=name: seen.update({name[-2:]: tuple(out.shape[1:])}))
    assert model.forward_features(torch.empty(1, 3, 224, 224, device="meta")).shape == (1, 1024, 7, 7)
    assert seen == {name: (channels, ROWS[name[0]], ROWS[name[0]]) for name, channels in OUTPUTS.items()}
    assert {name: widths.out_channels for name, widths in WIDTHS.items()} == OUTPUTS


def test_weights_of_every_module_counted_by_hand():
    weights = {}
    channels = 192
    for name, w in WIDTHS.items():
        module = meta(lambda c=channels, w=w: InceptionModule(c, w))
        weights[name] = sum(p.numel() for p in module.parameters() if p.ndim > 1)
        by_hand = channels * (w.conv1 + w.reduce3 + w.reduce5 + w.pool) + 9 * w.reduce3 * w.conv3
        assert weights[name] == by_hand + 25 * w.reduce5 * w.conv5
        channels = w.out_channels
    assert weights["3a"] == 163_328
    assert weights["5b"] == 1_442_816


def test_a_published_head_equals_the_papers_steps():
    head = AuxiliaryHead(6, 5, dropout=0.0).double()
    x = torch.randn(2, 6, 14, 14, dtype=torch.float64)
    conv, fc1, fc2 = (m for m in head.modules() if isinstance(m, (nn.Conv2d, nn.Linear)))
    pooled = F.relu(F.conv2d(F.avg_pool2d(x, 5, 3), conv.weight, conv.bias))
    assert pooled.shape == (2, 128, 4, 4)
    hidden = F.relu(F.linear(pooled.flatten(1), fc1.weight, fc1.bias))
    torch.testing.assert_close(head(x), F.linear(hidden, fc2.weight, fc2.bias))


def test_the_heads_sit_behind_4a_and_4d():
    model = googlenet_2014(num_classes=3)
    outputs = model(torch.randn(1, 3, 224, 224))
    for loss, sees in ((outputs.aux_logits1, ["4a"]), (outputs.aux_logits2, ["4a", "4b", "4c", "4d"])):
        model.zero_grad()
        loss.sum().backward(retain_graph=True)
        touched = [
            name
            for name in WIDTHS
            if name[0] != "3"
            and any(p.grad is not None for n, p in model.named_parameters() if f"inception{name}." in n)
        ]
        assert touched == sees
    model.zero_grad()
    sum(z.sum() for z in outputs).backward()
    assert all(p.grad is not None for p in model.parameters())


def test_without_heads_training_returns_logits():
    model = googlenet(num_classes=4, aux_logits=False)
    assert model(torch.randn(2, 3, 64, 64)).shape == (2, 4)
    assert not model.auxiliary


def test_branches_are_stacked_in_order():
    first, second = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 4, 3, padding=1)
    x = torch.randn(1, 3, 5, 5)
    torch.testing.assert_close(Branches(first, second)(x), torch.cat([first(x), second(x)], 1))
    with pytest.raises(ValueError, match="at least one branch"):
        Branches()


def test_a_reduced_module_is_the_naive_one_with_products_for_kernels():
    """A 1 x 1 convolution and a window in a row, without ReLU between, are one window of lower rank."""
    reduce, window = nn.Conv2d(6, 2, 1, bias=False).double(), nn.Conv2d(2, 5, 3, padding=1, bias=False).double()
    joined = torch.einsum("orij,rc->ocij", window.weight, reduce.weight[:, :, 0, 0])
    x = torch.randn(2, 6, 7, 7, dtype=torch.float64)
    torch.testing.assert_close(window(reduce(x)), F.conv2d(x, joined, padding=1))


def test_the_naive_module_grows_by_its_input():
    module = NaiveInceptionModule(192, conv1=64, conv3=128, conv5=32)
    assert module(torch.zeros(1, 192, 8, 8)).shape == (1, 416, 8, 8)
    weights = [p.numel() for p in module.parameters() if p.ndim > 1]
    assert weights == [192 * 64, 9 * 192 * 128, 153_600]
    x = torch.randn(1, 192, 8, 8)
    torch.testing.assert_close(module(x)[:, 224:], F.max_pool2d(x, 3, 1, 1))


def test_options_reach_the_network():
    model = googlenet(num_classes=3, in_channels=1, dropout=0.1, dropout_aux=0.5)
    assert model.eval()(torch.randn(2, 1, 64, 64)).shape == (2, 3)
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.5, 0.5, 0.1]
    assert [m.p for m in meta(GoogLeNet, as_published=True).modules() if isinstance(m, nn.Dropout)] == [0.7, 0.7, 0.4]
    assert [m.p for m in meta(GoogLeNet).modules() if isinstance(m, nn.Dropout)] == [0.7, 0.7, 0.2]
    assert meta(googlenet_2014, in_channels=1, num_classes=2, dropout=0.0).head[2].p == 0.0


def test_first_weights():
    torchvisions, published = googlenet(num_classes=10), googlenet_2014(num_classes=10, aux_logits=False)
    linear = [m for m in torchvisions.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert all(m.weight.std().item() == pytest.approx(0.01, rel=0.1) for m in linear)
    for module in published.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight[0].numel()
            assert module.weight.std().item() == pytest.approx((2 / fan_in) ** 0.5, rel=0.1)
            assert not module.bias.any()


def test_other_wrong_options_are_refused():
    with pytest.raises(ValueError, match="transform_input needs in_channels = 3"):
        meta(googlenet, in_channels=1, transform_input=True)
    with pytest.raises(ValueError, match="dropout probability"):
        meta(googlenet, dropout=1.5)
    with pytest.raises(ValueError, match="channels must be >= 1, got 0"):
        InceptionModule(0, WIDTHS["3a"])
    with pytest.raises(ValueError, match="conv5=0"):
        InceptionModule(8, InceptionWidths(1, 1, 1, 1, 0, 1))
    with pytest.raises(ValueError, match="kernel_size must be odd, got 4"):
        InceptionModule(8, WIDTHS["3a"], kernel_size=4)
    with pytest.raises(ValueError, match="channels must be >= 1, got 8, 1, 0 and 2"):
        NaiveInceptionModule(8, conv1=1, conv3=0, conv5=2)
