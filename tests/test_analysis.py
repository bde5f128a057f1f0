import math

import pytest
import torch
from torch import nn

from companion.analysis import activation_std, count_parameters, finite_difference_check, gradient_norms
from companion.layers.init import init_linear_
from companion.layers.mlp import Mlp
from companion.models.numpy_mlp import NumpyMlp

# count_parameters


def test_count_parameters():
    model = nn.Sequential(nn.Conv2d(3, 8, 5), nn.BatchNorm2d(8), nn.Linear(8, 2, bias=False))
    assert count_parameters(model) == (8 * 3 * 25 + 8) + (8 + 8) + 16  # BatchNorm's running averages are buffers
    shared = nn.Linear(3, 3)
    assert count_parameters(nn.Sequential(shared, shared)) == 12
    assert count_parameters(shared.requires_grad_(False)) == 12
    assert count_parameters(nn.ReLU()) == 0


# gradient_norms


def test_gradient_norms_equal_those_of_backward():
    mlp = Mlp(4, [6, 5], 3, activation=nn.Tanh).double()
    loss = nn.functional.cross_entropy(mlp(torch.randn(7, 4, dtype=torch.float64)), torch.arange(7) % 3)
    norms = gradient_norms(mlp, loss)
    assert all(p.grad is None for p in mlp.parameters())
    loss.backward()  # the graph is still there
    assert list(norms) == ["layers.0.weight", "layers.1.weight", "layers.2.weight"]
    for layer, norm in zip(mlp.layers, norms.values(), strict=True):
        assert norm == pytest.approx(layer.weight.grad.square().sum().sqrt().item(), rel=1e-12)


def test_gradient_norms_leave_out_frozen_layers_and_give_zero_to_unused_ones():
    used, unused, frozen = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2).requires_grad_(False)
    model = nn.ModuleDict({"used": used, "unused": unused, "frozen": frozen, "conv": nn.Conv1d(1, 1, 1)})
    norms = gradient_norms(model, frozen(used(torch.ones(2))).sum())
    assert list(norms) == ["used.weight", "unused.weight"]
    assert norms["used.weight"] > 0
    assert norms["unused.weight"] == 0


@pytest.mark.parametrize(
    ("activation", "scheme", "ratio", "last"),
    [
        (nn.Sigmoid, "xavier_normal", (0, 1e-9), (1e-2, 10)),  # vanishes on the way back
        (nn.ReLU, "kaiming_normal", (0.2, 5), (1e-2, 10)),
        (nn.ReLU, "xavier_normal", (0.2, 5), (0, 1e-2)),  # signals shrink forward, gradients backward: small everywhere
        (nn.ReLU, lambda w: w.normal_(0, 0.5), (0.2, 5), (1e5, math.inf)),  # and here both explode
    ],
    ids=["sigmoid-xavier", "relu-kaiming", "relu-xavier", "relu-too-large"],
)
def test_gradients_vanish_explode_or_keep_their_size_over_twenty_layers(activation, scheme, ratio, last):
    """`ratio`: first layer's norm over that of the last hidden layer; `last`: the latter; 64 units wide."""
    mlp = init_linear_(Mlp(64, [64] * 20, 10, activation=activation).double(), scheme)
    loss = nn.functional.cross_entropy(mlp(torch.randn(64, 64, dtype=torch.float64)), torch.arange(64) % 10)
    first, *_, last_hidden, _output = gradient_norms(mlp, loss).values()
    assert ratio[0] < first / last_hidden < ratio[1]
    assert last[0] < last_hidden < last[1]


@pytest.mark.parametrize("loss", [torch.ones(2, requires_grad=True), torch.tensor(1.0)])
def test_gradient_norms_bad_loss(loss):
    with pytest.raises(ValueError, match="loss must be a 0-d tensor with a graph, got shape"):
        gradient_norms(nn.Linear(2, 2), loss)


@pytest.mark.parametrize("model", [nn.ReLU(), nn.Linear(2, 2).requires_grad_(False)])
def test_gradient_norms_without_a_linear_layer(model):
    with pytest.raises(ValueError, match=f"{type(model).__name__} holds no linear layer that learns"):
        gradient_norms(model, torch.tensor(1.0, requires_grad=True))


# activation_std


def test_activation_std_equals_a_walk_through_the_layers():
    mlp = Mlp(5, [8, 7], 3, activation=nn.Tanh).double()
    x = torch.randn(11, 5, dtype=torch.float64)
    expected, a = [], x
    for layer in mlp.layers:
        z = a @ layer.weight.T + layer.bias
        expected.append((z - z.mean()).square().mean().sqrt().item())
        a = z.tanh()
    assert activation_std(mlp, x) == pytest.approx(expected, rel=1e-12)


def test_activation_std_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)).train()
    activation_std(model, torch.randn(3, 4))
    assert model.training
    assert not model[0]._forward_hooks
    with pytest.raises(RuntimeError):
        activation_std(model, torch.randn(3, 5))
    assert not model[0]._forward_hooks  # after an error, too


def test_activation_std_without_a_linear_layer():
    with pytest.raises(ValueError, match="ReLU uses no linear layer"):
        activation_std(nn.ReLU(), torch.ones(2))


# finite_difference_check


def test_right_gradients_pass_whatever_their_scale():
    x = torch.randn(3, 4)
    for scale in (1e-6, 1.0, 1e6):
        assert finite_difference_check(lambda x, s=scale: s * (x.sin() * x.exp()).sum(), x) < 1e-7
    assert finite_difference_check(lambda x: (x * 0).sum(), x) == 0


def test_wrong_gradients_are_found():
    x = torch.randn(3, 4, dtype=torch.float64)
    wrong = x.cos()
    wrong[2, 3] *= 1.01
    assert finite_difference_check(lambda x: x.sin().sum(), x, gradient=x.cos()) < 1e-8
    error = finite_difference_check(lambda x: x.sin().sum(), x, gradient=wrong)
    assert error == pytest.approx(0.01 * x[2, 3].cos().abs().item() / wrong.abs().max().item(), rel=1e-3)


def test_eps_is_half_the_distance_of_the_points():
    # Central differences of x^3 are off by eps^2 everywhere; at x = 1 the larger of both gradients is 3 + eps^2.
    error = finite_difference_check(lambda x: x**3, torch.tensor(1.0), eps=0.5)
    assert error == pytest.approx(0.25 / 3.25, rel=1e-12)


def test_hand_written_gradients_of_the_numpy_mlp():
    net = NumpyMlp([3, 4, 2], seed=0)
    X, y = torch.randn(5, 3, dtype=torch.float64).numpy(), [0, 1, 0, 1, 1]
    (dW, _), _ = net.backward(X, y)

    def loss(W: torch.Tensor) -> float:
        net.weights[0] = W.numpy()
        return net.loss(X, y)

    W = torch.tensor(net.weights[0])
    assert finite_difference_check(loss, W, gradient=torch.tensor(dW)) < 1e-8


def test_the_point_is_not_changed():
    x = torch.tensor([1.0, 2.0])
    finite_difference_check(lambda x: x.square().sum(), x)
    assert x.tolist() == [1.0, 2.0]
    assert x.grad is None
    assert not x.requires_grad


def test_finite_difference_check_errors():
    x = torch.ones(2)
    with pytest.raises(ValueError, match=r"x's shape \(2,\), got \(3,\)"):
        finite_difference_check(lambda x: x.sum(), x, gradient=torch.ones(3))
    for eps in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match=f"eps must be > 0, got {eps}"):
            finite_difference_check(lambda x: x.sum(), x, eps=eps)
    for bad in (torch.tensor([1.0, math.nan]), torch.tensor([math.inf]), torch.ones(0)):
        with pytest.raises(ValueError, match="x must be finite and not empty, got tensor"):
            finite_difference_check(lambda x: x.sum(), bad)
