import math

import pytest
import torch
from torch import nn

from companion.layers import init
from companion.layers.init import SCHEMES, calculate_gain, fans, init_linear_
from companion.layers.mlp import Mlp

SHAPES = [(7, 5), (6, 4, 3, 3)]


def both(name: str, shape: tuple[int, ...], dtype: torch.dtype, **options):
    """Return what our function and torch's of the same name put into a tensor, from equal generators."""
    return tuple(
        getattr(library, name)(torch.empty(shape, dtype=dtype), **options, generator=torch.Generator().manual_seed(3))
        for library in (init, nn.init)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["xavier_uniform_", "xavier_normal_"])
@pytest.mark.parametrize("gain", [1.0, 5 / 3])
def test_xavier_draws_torchs_numbers(name, shape, dtype, gain):
    ours, theirs = both(name, shape, dtype, gain=gain)
    torch.testing.assert_close(ours, theirs, rtol=1e-6 if dtype == torch.float32 else 1e-14, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["kaiming_uniform_", "kaiming_normal_"])
@pytest.mark.parametrize("options", [{}, {"a": math.sqrt(5)}, {"mode": "fan_out"}, {"nonlinearity": "tanh"}], ids=str)
def test_kaiming_draws_torchs_numbers(name, shape, dtype, options):
    ours, theirs = both(name, shape, dtype, **options)
    torch.testing.assert_close(ours, theirs, rtol=1e-6 if dtype == torch.float32 else 1e-14, atol=0)


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("xavier_uniform_", 2 / 500),
        ("xavier_normal_", 2 / 500),
        ("kaiming_uniform_", 2 / 200),
        ("kaiming_normal_", 2 / 200),
    ],
)
def test_variance_is_the_papers(name, variance):
    weight = torch.empty(300, 200)
    assert getattr(init, name)(weight) is weight
    assert weight.var().item() == pytest.approx(variance, rel=0.03)
    assert weight.mean().item() == pytest.approx(0, abs=2e-3)


def test_kaiming_keeps_relu_signals_their_size_and_xavier_halves_them():
    def ratio(fill) -> float:
        """Mean square after ten ReLU layers over that before."""
        x = first = torch.randn(2000, 256)
        for _ in range(10):
            x = torch.relu(x) @ fill(torch.empty(256, 256)).T
        return (x.square().mean() / first.square().mean()).item()

    assert ratio(init.kaiming_normal_) == pytest.approx(1, rel=0.5)
    assert ratio(init.xavier_normal_) == pytest.approx(2**-10, rel=0.5)


@pytest.mark.parametrize("nonlinearity", ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gains_are_torchs(nonlinearity):
    assert calculate_gain(nonlinearity) == pytest.approx(nn.init.calculate_gain(nonlinearity), rel=1e-15)


@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
def test_relu_gains_undo_what_the_activation_takes(slope):
    z = torch.randn(1_000_000, dtype=torch.float64)
    mean_square = nn.functional.leaky_relu(z, slope).square().mean().item()
    assert calculate_gain("leaky_relu", slope) ** 2 * mean_square == pytest.approx(1, rel=1e-2)


def test_generator_and_no_graph():
    weight = nn.Linear(3, 3).weight
    first = init.xavier_normal_(weight, generator=torch.Generator().manual_seed(1)).clone()
    assert weight.grad_fn is None
    assert weight.requires_grad
    torch.manual_seed(1)  # the global generator is the default
    assert torch.equal(init.xavier_normal_(weight), first)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_init_linear_by_name(scheme):
    mlp = init_linear_(Mlp(5, [7], 3), scheme, generator=torch.Generator().manual_seed(2))
    generator = torch.Generator().manual_seed(2)
    for layer in mlp.layers:
        expected = getattr(nn.init, f"{scheme}_")(torch.empty_like(layer.weight), generator=generator)
        torch.testing.assert_close(layer.weight.detach(), expected)
        assert not layer.bias.any()


def test_init_linear_leaves_other_layers_alone_and_takes_functions():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(4, 4, bias=False))
    kernel, bias = module[0].weight.clone(), module[0].bias.clone()
    assert init_linear_(module, nn.init.eye_) is module
    assert torch.equal(module[0].weight, kernel)
    assert torch.equal(module[0].bias, bias)
    assert torch.equal(module[1].weight.detach(), torch.eye(4))
    init_linear_(module, lambda weight: weight.fill_(2.0))
    assert (module[1].weight == 2).all()


def test_errors():
    for shape in [(3,), (0, 2), ()]:
        with pytest.raises(ValueError, match=rf"two or more dimensions, got \({', '.join(map(str, shape))}"):
            fans(torch.empty(shape))
    with pytest.raises(ValueError, match="leaky_relu, selu, got 'swish'"):
        calculate_gain("swish")
    with pytest.raises(ValueError, match="mode must be 'fan_in' or 'fan_out', got 'fan_avg'"):
        init.kaiming_normal_(torch.empty(2, 2), mode="fan_avg")
    with pytest.raises(ValueError, match=r"one of xavier_uniform, .*, got 'he'"):
        init_linear_(nn.Linear(2, 2), "he")
    with pytest.raises(ValueError, match="a generator reaches named schemes only"):
        init_linear_(nn.Linear(2, 2), nn.init.eye_, generator=torch.Generator())
