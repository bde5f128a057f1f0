"""Inception-v3, -v4 and Inception-ResNet-v2: torchvision's outputs in training, map sizes, options, errors."""

import copy

import pytest
import torch
from torch import nn

from companion.models.googlenet import Branches
from companion.models.inception_v3 import (
    AsymmetricModule,
    InceptionV3,
    TwoThreesModule,
    WideModule,
    inception_v3,
    reduction_to_8,
    reduction_to_17,
)
from companion.models.inception_v4 import ResidualInception, inception_resnet_v2, inception_v4
from tests.references import REFERENCES
from tests.twins import reference_twin

BUILDERS = [inception_v3, inception_v4, inception_resnet_v2]
FEATURES = {inception_v3: (2048, 8, 8), inception_v4: (1536, 8, 8), inception_resnet_v2: (1536, 8, 8)}


def count(model):
    return sum(p.numel() for p in model.parameters())


def meta(build, **options):
    with torch.device("meta"):
        return build(**options)


@pytest.fixture(scope="module")
def twins():
    torch.manual_seed(0)
    return reference_twin(inception_v3, REFERENCES["inception_v3"].build)


def test_training_returns_torchvisions_two_outputs(twins):
    """The head needs 299 rows. Batch statistics of one picture would be empty, so only the network's flag is set."""
    outputs, x = [], torch.randn(1, 3, 299, 299)
    for model in (copy.deepcopy(twins.ours).float(), copy.deepcopy(twins.theirs).float()):
        model.training = True
        with torch.inference_mode():
            outputs.append(model(x))
    got, expected = outputs
    assert got._fields == expected._fields == ("logits", "aux_logits")
    for mine, other in zip(got, expected, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(*got, atol=1e-2)


def test_transform_input_equals_torchvisions(twins):
    ours = meta(InceptionV3, transform_input=True)
    ours.load_state_dict(twins.ours.state_dict(), assign=True)
    reference = copy.copy(twins.theirs)
    reference.transform_input = True
    x = torch.randn(1, 3, 75, 75, dtype=torch.float64)
    with torch.inference_mode():
        torch.testing.assert_close(ours.eval()(x), reference(x))
        assert not torch.allclose(ours(x), twins.ours(x))


def test_the_count_without_an_auxiliary_head():
    assert count(meta(inception_v3, aux_logits=False)) == 23_834_568


@pytest.mark.parametrize("build", BUILDERS)
def test_features_and_logits_have_the_papers_sizes(build):
    model, x = meta(build, num_classes=7).eval(), torch.empty(2, 3, 299, 299, device="meta")
    assert model.forward_features(x).shape == (2, *FEATURES[build])
    assert model(x).shape == (2, 7)


@pytest.mark.parametrize("build", BUILDERS)
def test_other_channels_and_no_dropout(build):
    model = meta(build, in_channels=1, dropout=0.0)
    assert model.eval()(torch.empty(2, 1, 299, 299, device="meta")).shape == (2, 1000)
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.0]


def test_v3_without_its_head_returns_logits_in_training():
    model = meta(inception_v3, num_classes=4, aux_logits=False)
    assert model(torch.empty(2, 3, 299, 299, device="meta")).shape == (2, 4)
    assert model.auxiliary is None


@pytest.mark.parametrize(
    ("module", "in_channels", "out_channels", "side"),
    [
        (TwoThreesModule(12, 5), 12, 229, 9),
        (AsymmetricModule(12, 6), 12, 768, 9),
        (WideModule(12), 12, 2048, 9),
        (reduction_to_17(12), 12, 492, 4),
        (reduction_to_8(12), 12, 524, 4),
    ],
)
def test_modules_keep_or_halve_the_map(module, in_channels, out_channels, side):
    assert module.eval()(torch.randn(1, in_channels, 9, 9)).shape == (1, out_channels, side, side)


def test_v4_has_no_shortcut_and_inception_resnet_has_forty():
    def shortcuts(model):
        return [m for m in model.modules() if isinstance(m, ResidualInception)]

    assert not shortcuts(meta(inception_v4))
    blocks = shortcuts(meta(inception_resnet_v2))
    assert [b.scale for b in blocks] == [0.17] * 10 + [0.1] * 20 + [0.2] * 9 + [1.0]
    assert [type(b.activation) for b in blocks] == [nn.ReLU] * 39 + [nn.Identity]


@pytest.mark.parametrize("activation", [True, False])
def test_a_residual_block_adds_a_scaled_mixture_of_its_branches(activation):
    branches = Branches(nn.Conv2d(4, 2, 1), nn.Conv2d(4, 3, 3, padding=1))
    block = ResidualInception(4, branches, 5, scale=0.2, activation=activation).double()
    x = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    mixed = torch.einsum("oc,bchw->bohw", block.project.weight[:, :, 0, 0], branches(x))
    expected = x + 0.2 * (mixed + block.project.bias[:, None, None])
    torch.testing.assert_close(block(x), expected.relu() if activation else expected)
    assert torch.autograd.gradcheck(block, x[:1, :, :2, :2].clone().requires_grad_())


def test_first_weights_of_v3():
    model = inception_v3(num_classes=50)
    layers = [(n, m) for n, m in model.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    small = {"auxiliary.2.0": 0.01, "auxiliary.5": 0.001}
    for name, layer in layers:
        assert layer.weight.std().item() == pytest.approx(small.get(name, 0.1), rel=0.1), name
    assert small.keys() < {name for name, _ in layers}


def test_other_wrong_options_are_refused():
    with pytest.raises(ValueError, match="transform_input needs in_channels = 3"):
        meta(inception_v3, in_channels=4, transform_input=True)
    with pytest.raises(ValueError, match="channels must be >= 1, got 0 and 5"):
        ResidualInception(0, nn.Identity(), 5, scale=0.1)
    with pytest.raises(ValueError, match="scale must be > 0, got 0"):
        ResidualInception(4, nn.Identity(), 4, scale=0)
