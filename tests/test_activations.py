"""Activations against torch, against autograd, against their own definitions, and at ±10⁴."""

import math
from functools import partial

import pytest
import scipy.special
import torch
import torch.nn.functional as F
from torch import nn

from companion.layers import activations
from companion.layers.activations import ACTIVATIONS, PReLU, Swish, log_softmax_jacobian, prelu, softmax_jacobian

TORCH = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "scaled_tanh": lambda z: 1.7159 * torch.tanh(z * 2 / 3),
    "hard_sigmoid": F.hardsigmoid,
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "softplus": partial(F.softplus, threshold=80),  # torch's 20 drops 2e-9
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "mish": F.mish,
    "hard_swish": F.hardswish,
}
KINKS = {"hard_sigmoid": (-3, 3), "hard_swish": (-3, 3)}
"""Where torch's own versions differ from each other in the slope that they report."""

ALL = pytest.mark.parametrize("name", ACTIVATIONS)
Z = torch.cat([torch.linspace(-30, 30, 1201, dtype=torch.float64), torch.randn(200, dtype=torch.float64) / 10])
HUGE = [-1e4, -700.0, -88.0, 88.0, 700.0, 1e4]


def slope_by_autograd(function, z):
    z = z.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(function(z).sum(), z)
    return slope


def test_the_table_is_what_torch_offers_under_the_same_names():
    assert TORCH.keys() == ACTIVATIONS.keys()
    for name, row in ACTIVATIONS.items():
        assert row.title
        assert (row.parameter is None) == (row.default is None)
        stem = name.removesuffix("_tanh") if name == "gelu_tanh" else name
        assert getattr(activations, stem)(Z).shape == Z.shape


@ALL
def test_value_and_slope_are_torchs(name):
    row = ACTIVATIONS[name]
    torch.testing.assert_close(row.function(Z), TORCH[name](Z), rtol=1e-12, atol=1e-14)
    away = torch.stack([(Z - kink).abs() > 1e-9 for kink in KINKS.get(name, (1e9,))]).all(0)
    theirs = slope_by_autograd(TORCH[name], Z)
    rtol = 1e-7 if name == "hard_sigmoid" else 1e-9  # torch's 1/6 is rounded to float32 there
    torch.testing.assert_close(row.derivative(Z)[away], theirs[away], rtol=rtol, atol=1e-14)


@ALL
def test_autograd_through_our_function_finds_our_derivative_also_at_zero_and_at_kinks(name):
    row = ACTIVATIONS[name]
    z = torch.tensor([-3.0, -1.0, -0.0, 0.0, 1e-300, 3.0, 6.0, *Z[::50].tolist()], dtype=torch.float64)
    torch.testing.assert_close(slope_by_autograd(row.function, z), row.derivative(z), rtol=1e-12, atol=1e-15)


@ALL
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_huge_inputs_give_torchs_values_and_finite_slopes(name, dtype):
    row, z = ACTIVATIONS[name], torch.tensor(HUGE, dtype=dtype)
    value, slope, by_autograd = row.function(z), row.derivative(z), slope_by_autograd(row.function, z)
    assert value.dtype == slope.dtype == by_autograd.dtype == dtype
    torch.testing.assert_close(value, TORCH[name](z), rtol=1e-6, atol=1e-30)
    assert slope.isfinite().all()
    torch.testing.assert_close(slope, by_autograd, rtol=1e-5, atol=1e-30)
    assert slope[[0, -1]].tolist() == pytest.approx(ENDS.get(name, (0, 1)), rel=1e-6)


ENDS = {
    **dict.fromkeys(["sigmoid", "tanh", "scaled_tanh", "hard_sigmoid", "relu6"], (0, 0)),
    "leaky_relu": (0.01, 1),
    "selu": (0, 1.0507009873554805),
}
"""Slopes far left and far right; 0 and 1 where no others are given."""


@ALL
def test_half_precision_stays_half_precision(name):
    z = torch.linspace(-4, 4, 9, dtype=torch.bfloat16)
    assert ACTIVATIONS[name].function(z).dtype == ACTIVATIONS[name].derivative(z).dtype == torch.bfloat16


def test_small_tails_keep_their_digits():
    """Where 1 - tanh² and 1 + erf are all rounding, ours are still right to twelve digits."""
    z = torch.tensor([-30.0, 30.0], dtype=torch.float64)
    e = math.exp(-30)
    assert activations.sigmoid_derivative(z).tolist() == pytest.approx([e / (1 + e) ** 2] * 2, rel=1e-14)
    assert activations.tanh_derivative(z / 2).tolist() == pytest.approx([4 * e / (1 + e) ** 2] * 2, rel=1e-14)
    for at in (-2.0, -5.0, -8.0):
        value = activations.gelu(torch.tensor(at, dtype=torch.float64)).item()
        assert value == pytest.approx(at * float(scipy.special.ndtr(at)), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "values"),
    [("leaky_relu", (0.0, 0.3, 1.0)), ("elu", (0.5, 2.0)), ("softplus", (0.3, 4.0)), ("silu", (-1.0, 0.0, 5.0))],
)
def test_the_parameter_changes_value_and_slope_as_it_should(name, values):
    row = ACTIVATIONS[name]
    theirs = {
        "leaky_relu": lambda z, v: F.leaky_relu(z, v),
        "elu": lambda z, v: F.elu(z, v),
        "softplus": lambda z, v: F.softplus(z, v, threshold=80),
        "silu": lambda z, v: z * torch.sigmoid(v * z),
    }[name]
    torch.testing.assert_close(row.function(Z, **{row.parameter: row.default}), row.function(Z), rtol=0, atol=0)
    for value in values:
        given = {row.parameter: value}
        assert not torch.allclose(row.function(Z, **given), row.function(Z))
        torch.testing.assert_close(row.function(Z, **given), theirs(Z, value), rtol=1e-12, atol=1e-14)
        slope = slope_by_autograd(partial(theirs, v=value), Z)
        torch.testing.assert_close(row.derivative(Z, **given), slope, rtol=1e-9, atol=1e-14)


def test_elu_has_a_slope_without_a_jump_for_alpha_one_alone():
    near = torch.tensor([-1e-9, 1e-9], dtype=torch.float64)
    for alpha in (0.5, 1.0, 2.0):
        left, right = activations.elu_derivative(near, alpha).tolist()
        assert right - left == pytest.approx(1 - alpha, abs=1e-8)


def test_gelus_two_forms_differ_by_less_than_five_ten_thousandths():
    gap = (activations.gelu(Z) - activations.gelu(Z, "tanh")).abs().max().item()
    assert 4.7e-4 < gap < 4.8e-4


def test_swish_runs_from_a_line_to_relu():
    torch.testing.assert_close(activations.swish(Z, 0.0), Z / 2)
    torch.testing.assert_close(activations.swish(Z, 1e4), F.relu(Z), rtol=0, atol=3e-5)
    lowest = Z[activations.silu(Z).argmin()].item()
    assert lowest == pytest.approx(-1.278, abs=0.06)
    assert activations.silu(Z).min().item() == pytest.approx(-0.2785, abs=1e-3)


def test_selu_draws_a_standard_normal_to_itself():
    z = torch.randn(400_000, dtype=torch.float64)
    a = activations.selu(z)
    assert a.mean().item() == pytest.approx(0, abs=0.01)
    assert a.var().item() == pytest.approx(1, abs=0.01)


def test_lenets_tanh_sends_one_to_one_and_bends_most_there():
    """Its second derivative is largest in size near ±1, as LeCun et al. say."""
    one = torch.tensor([1.0, -1.0], dtype=torch.float64)
    torch.testing.assert_close(activations.scaled_tanh(one), one, rtol=0, atol=1e-4)
    z = torch.linspace(0, 4, 4001, dtype=torch.float64)
    second = torch.gradient(activations.scaled_tanh_derivative(z), spacing=(z,))[0]
    assert z[second.abs().argmax()].item() == pytest.approx(1, abs=0.02)


# --- softmax


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_softmax_and_its_logarithm_are_torchs(dim):
    z = 5 * torch.randn(3, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(activations.softmax(z, dim), torch.softmax(z, dim))
    torch.testing.assert_close(activations.log_softmax(z, dim), torch.log_softmax(z, dim))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_softmax_of_huge_scores_is_finite_and_so_are_its_slopes(dtype):
    z = torch.tensor([[1e4, -1e4, 0.0], [1e4, 1e4, 1e4]], dtype=dtype)
    for name in ("softmax", "log_softmax"):
        ours, theirs = getattr(activations, name), getattr(torch, name)
        torch.testing.assert_close(ours(z), theirs(z, -1))
        weight = torch.arange(6, dtype=dtype).reshape(2, 3)
        slope = slope_by_autograd(lambda v, f=ours, w=weight: f(v) * w, z)
        torch.testing.assert_close(slope, slope_by_autograd(lambda v, f=theirs, w=weight: f(v, -1) * w, z))


@pytest.mark.parametrize(
    ("jacobian", "function"), [(softmax_jacobian, torch.softmax), (log_softmax_jacobian, torch.log_softmax)]
)
def test_softmax_jacobians_are_autograds(jacobian, function):
    z = torch.randn(2, 4, dtype=torch.float64)
    for row, ours in zip(z, jacobian(z), strict=True):
        theirs = torch.autograd.functional.jacobian(lambda v: function(v, -1), row)
        torch.testing.assert_close(ours, theirs)


# --- what learns


@pytest.mark.parametrize(("count", "shape"), [(1, (5,)), (1, (4, 3)), (3, (4, 3)), (3, (2, 3, 4, 4))])
def test_prelu_is_torchs_with_its_weights(count, shape):
    ours, theirs = PReLU(count, init=0.1).double(), nn.PReLU(count).double()
    theirs.load_state_dict(ours.state_dict())
    z = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(ours(z), theirs(z))
    ours_grads = torch.autograd.grad(ours(z).square().sum(), [z, ours.weight])
    theirs_grads = torch.autograd.grad(theirs(z).square().sum(), [z, theirs.weight])
    torch.testing.assert_close(ours_grads, theirs_grads)
    slope = activations.prelu_derivative(z, ours.weight)
    torch.testing.assert_close(slope, slope_by_autograd(ours, z))


def test_prelu_starts_where_torchs_does():
    assert PReLU().state_dict() == nn.PReLU().state_dict()


def test_swish_learns_its_beta():
    module = Swish(beta=0.5).double()
    assert torch.autograd.gradcheck(
        lambda z, beta: activations.silu(z, beta),
        (Z[::60].clone().requires_grad_(), torch.tensor(0.5, dtype=torch.float64, requires_grad=True)),
    )
    target = activations.silu(Z, 2.0)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.1)
    for _ in range(400):
        optimizer.zero_grad()
        (module(Z) - target).square().mean().backward()
        optimizer.step()
    assert module.beta.item() == pytest.approx(2, abs=0.05)


@ALL
@pytest.mark.gpu
def test_gpu_equals_cpu(name):
    for z in (Z, torch.tensor(HUGE)):
        for part in (ACTIVATIONS[name].function, ACTIVATIONS[name].derivative):
            torch.testing.assert_close(part(z.cuda()).cpu(), part(z), rtol=1e-6, atol=1e-7)


# --- errors


@ALL
def test_whole_numbers_are_refused(name):
    for part in (ACTIVATIONS[name].function, ACTIVATIONS[name].derivative):
        with pytest.raises(TypeError, match=r"z must be a floating-point tensor, got torch\.int64"):
            part(torch.arange(3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: activations.sigmoid([1.0]), TypeError, "z must be a floating-point tensor, got list"),
        (lambda: activations.elu(Z, 0.0), ValueError, "alpha must be > 0 and finite, got 0.0"),
        (lambda: activations.elu_derivative(Z, math.nan), ValueError, "alpha must be > 0 and finite, got nan"),
        (lambda: activations.softplus(Z, -1.0), ValueError, "beta must be > 0 and finite, got -1.0"),
        (lambda: activations.softplus_derivative(Z, math.inf), ValueError, "beta must be > 0 and finite, got inf"),
        (lambda: activations.gelu(Z, "erf"), ValueError, "approximate must be 'none' or 'tanh', got 'erf'"),
        (lambda: activations.softmax(torch.empty(2, 0)), ValueError, r"at least one entry, got shape \(2, 0\)"),
        (lambda: prelu(torch.randn(2, 3), torch.ones(2)), ValueError, r"1 or 3 slopes for z of \(2, 3\), got \(2,\)"),
        (lambda: prelu(torch.randn(2, 3), torch.ones(())), ValueError, "weight must be a vector"),
        (lambda: PReLU(0), ValueError, "num_parameters must be >= 1, got 0"),
        (lambda: Swish(math.inf), ValueError, "beta must be finite, got inf"),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
