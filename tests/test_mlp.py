import pytest
import torch
from torch import nn

from companion.analysis import count_parameters
from companion.layers.mlp import Mlp


@pytest.mark.parametrize("hidden_features", [[], [5], [5, 4, 3]])
@pytest.mark.parametrize("bias", [True, False])
def test_equals_a_sequential_with_the_same_weights(hidden_features, bias):
    mlp = Mlp(3, hidden_features, 2, activation=nn.Tanh, bias=bias).double()
    widths = [3, *hidden_features, 2]
    modules = []
    for i in range(len(widths) - 1):
        modules += [nn.Linear(widths[i], widths[i + 1], bias=bias), nn.Tanh()]
    reference = nn.Sequential(*modules[:-1]).double()
    reference.load_state_dict(dict(zip(reference.state_dict(), mlp.state_dict().values(), strict=True)))
    x = torch.randn(2, 7, 3, dtype=torch.float64)
    torch.testing.assert_close(mlp(x), reference(x), rtol=0, atol=0)


def test_layers_are_the_linear_layers_in_order():
    mlp = Mlp(3, [5, 4], 2)
    assert [tuple(layer.weight.shape) for layer in mlp.layers] == [(5, 3), (4, 5), (2, 4)]
    assert list(mlp.state_dict())[:2] == ["layers.0.weight", "layers.0.bias"]
    assert all(isinstance(activation, nn.ReLU) for activation in mlp.activations)
    assert mlp.activations[0] is not mlp.activations[1]  # so that hooks can tell them apart


def test_published_parameter_count():
    assert count_parameters(Mlp(784, [512, 256], 10)) == 784 * 512 + 512 + 512 * 256 + 256 + 256 * 10 + 10
    assert count_parameters(Mlp(784, [512], 10, bias=False)) == 784 * 512 + 512 * 10


def test_every_parameter_gets_a_gradient():
    mlp = Mlp(3, [8, 8], 2, activation=nn.Sigmoid)
    mlp(torch.randn(5, 3)).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in mlp.parameters())


def test_dropout_acts_on_hidden_units_in_training_only():
    mlp = Mlp(1, [1000], 1000, activation=nn.Identity, bias=False, dropout=0.25)
    with torch.no_grad():
        mlp.layers[0].weight.fill_(1.0)
        mlp.layers[1].weight.copy_(torch.eye(1000))  # shows the hidden units
    x = torch.ones(1, 1)
    values, counts = mlp(x).unique(return_counts=True)
    torch.testing.assert_close(values, torch.tensor([0, 1 / 0.75]))
    assert counts[0].item() == pytest.approx(250, abs=60)  # 4 standard deviations
    torch.testing.assert_close(mlp.eval()(x), torch.ones(1, 1000))


def test_logits_are_not_activated_or_dropped():
    mlp = Mlp(1, [], 1000, activation=nn.ReLU, dropout=0.9)
    assert (mlp(torch.ones(1, 1)) < 0).any()
    assert (mlp(torch.ones(1, 1)) != 0).all()


@pytest.mark.parametrize("widths", [(0, [3], 2), (3, [0], 2), (3, [], -1)])
def test_bad_widths(widths):
    with pytest.raises(ValueError, match=r"all widths must be >= 1, got \["):
        Mlp(*widths)


@pytest.mark.parametrize("dropout", [-0.1, 1.0, float("nan")])
def test_bad_dropout(dropout):
    with pytest.raises(ValueError, match=rf"dropout must lie in \[0, 1\), got {dropout}"):
        Mlp(3, [2], 1, dropout=dropout)


def test_an_activation_module_is_not_a_maker_of_modules():
    with pytest.raises(TypeError, match=r"such as nn.ReLU, got the module ReLU\(\)"):
        Mlp(3, [2], 1, activation=nn.ReLU())
    with pytest.raises(TypeError, match="is not a Module subclass"):
        Mlp(3, [2], 1, activation=lambda: torch.relu)
