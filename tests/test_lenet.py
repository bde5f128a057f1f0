import math

import pytest
import torch
from torch import nn

from companion.analysis import count_parameters
from companion.models import lenet
from companion.models.lenet import (
    C3_TABLE,
    EuclideanRbf,
    LeNet5,
    LeNet5Original,
    PartialConv2d,
    ScaledTanh,
    Subsample2d,
    digit_codes,
    lenet5_map_loss,
)

LAYERS = ("c1", "s2", "c3", "s4", "c5", "f6", "output")


def outputs(model, x, names):
    """Return the outputs of the named layers for x, by name."""
    seen = {}
    for name in names:
        model.get_submodule(name).register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
    model(x)
    return seen


def squash(z):
    return 1.7159 * math.tanh(2 / 3 * z)


def correlate(maps, kernels, bias):
    """Add up valid cross-correlations of maps with kernels, one pixel at a time."""
    K, size = len(kernels[0]), len(maps[0])
    return [
        [
            bias
            + sum(
                image[i + u][j + v] * kernel[u][v]
                for image, kernel in zip(maps, kernels, strict=True)
                for u in range(K)
                for v in range(K)
            )
            for j in range(size - K + 1)
        ]
        for i in range(size - K + 1)
    ]


# As published.


def test_parameters_and_connections_of_each_layer_are_the_papers():
    model = LeNet5Original()
    counts = {name: count_parameters(model.get_submodule(name)) for name in LAYERS}
    assert counts == {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48120, "f6": 10164, "output": 0}
    assert count_parameters(model) == 60_000
    maps = outputs(model, torch.randn(1, 1, 32, 32), LAYERS)
    shapes = {name: tuple(out.shape[1:]) for name, out in maps.items()}
    assert shapes == {
        "c1": (6, 28, 28),
        "s2": (6, 14, 14),
        "c3": (16, 10, 10),
        "s4": (16, 5, 5),
        "c5": (120, 1, 1),
        "f6": (84,),
        "output": (10,),
    }
    connections = {  # every unit's inputs and its bias; the output has no bias
        "c1": 6 * 28 * 28 * (25 + 1),
        "s2": 6 * 14 * 14 * (4 + 1),
        "c3": sum(10 * 10 * (25 * len(sources) + 1) for sources in C3_TABLE),
        "s4": 16 * 5 * 5 * (4 + 1),
        "c5": 120 * (16 * 25 + 1),
        "f6": 84 * (120 + 1),
        "output": 10 * 84,
    }
    assert (connections["c1"], connections["s2"], connections["c3"]) == (122_304, 5_880, 151_600)
    assert sum(connections.values()) == 340_908


def test_the_table_has_the_papers_pattern():
    assert [len(sources) for sources in C3_TABLE] == [3] * 6 + [4] * 9 + [6]
    assert len(set(C3_TABLE)) == 16
    for k in range(6):  # neighbours, in a ring
        assert set(C3_TABLE[k]) == {(k + step) % 6 for step in range(3)}
        assert set(C3_TABLE[6 + k]) == {(k + step) % 6 for step in range(4)}
    assert all(set(C3_TABLE[12 + k]) == {k, k + 1, (k + 3) % 6, (k + 4) % 6} for k in range(3))
    assert [sum(source in sources for sources in C3_TABLE) for source in range(6)] == [10] * 6  # used equally often


def test_the_published_net_equals_loops():
    model = LeNet5Original().double()
    for p in model.parameters():  # livelier than the first weights, so that nothing is near zero
        p.data += 0.1 * torch.randn_like(p)
    x = torch.randn(1, 1, 32, 32, dtype=torch.float64)
    seen = outputs(model, x, ["squash1", "squash2", "squash3", "squash4", "squash5", "squash6"])
    state = {name: value.tolist() for name, value in model.state_dict().items()}

    def squashed(maps):
        return [[[squash(z) for z in row] for row in image] for image in maps]

    def subsample(maps, layer):
        out = []
        for image, ((c,),), ((b,),) in zip(maps, state[f"{layer}.coefficient"], state[f"{layer}.bias"], strict=True):
            half = range(len(image) // 2)
            blocks = [[(2 * i + u, 2 * j + v) for u in (0, 1) for v in (0, 1)] for i in half for j in half]
            values = [c * sum(image[i][j] for i, j in block) + b for block in blocks]
            out.append([values[k * len(half) : (k + 1) * len(half)] for k in half])
        return out

    c1 = squashed(correlate(x[0].tolist(), w, b) for w, b in zip(state["c1.weight"], state["c1.bias"], strict=True))
    torch.testing.assert_close(seen["squash1"][0], torch.tensor(c1, dtype=torch.float64))
    s2 = squashed(subsample(c1, "s2"))
    torch.testing.assert_close(seen["squash2"][0], torch.tensor(s2, dtype=torch.float64))
    kernels = iter(state["c3.weight"])
    c3 = squashed(
        correlate([s2[k] for k in sources], [next(kernels) for _ in sources], b)
        for sources, b in zip(C3_TABLE, state["c3.bias"], strict=True)
    )
    torch.testing.assert_close(seen["squash3"][0], torch.tensor(c3, dtype=torch.float64))
    s4 = squashed(subsample(c3, "s4"))
    torch.testing.assert_close(seen["squash4"][0], torch.tensor(s4, dtype=torch.float64))
    c5 = [squash(correlate(s4, w, b)[0][0]) for w, b in zip(state["c5.weight"], state["c5.bias"], strict=True)]
    torch.testing.assert_close(seen["squash5"][0].flatten(), torch.tensor(c5, dtype=torch.float64))
    f6 = [
        squash(sum(p * q for p, q in zip(row, c5, strict=True)) + b)
        for row, b in zip(state["f6.weight"], state["f6.bias"], strict=True)
    ]
    torch.testing.assert_close(seen["squash6"][0], torch.tensor(f6, dtype=torch.float64))
    penalties = [sum((p - q) ** 2 for p, q in zip(f6, code, strict=True)) for code in state["output.codes"]]
    torch.testing.assert_close(model(x)[0], -torch.tensor(penalties, dtype=torch.float64))


def test_first_weights_are_uniform_by_fan_in():
    model = LeNet5Original()
    for name, fan_in in (("c1", 25), ("c5", 400), ("f6", 120)):
        layer = model.get_submodule(name)
        bound = 2.4 / fan_in
        assert 0.8 * bound < layer.weight.abs().max() <= bound
        assert not layer.bias.any()
    for k, sources in enumerate(C3_TABLE):
        kernels = model.c3.dense_weight()[k]
        assert 0.7 * 2.4 / 25 / len(sources) < kernels.abs().max() <= 2.4 / 25 / len(sources)
    torch.testing.assert_close(Subsample2d(2)(torch.ones(1, 2, 4, 4)), torch.ones(1, 2, 2, 2))  # the mean


def test_partial_convolution_is_a_convolution_with_zeros():
    table = ((0, 2), (1,), (0, 1, 2))
    layer = PartialConv2d(table, 3).double()
    full = nn.Conv2d(3, 3, 3).double()
    full.load_state_dict({"weight": layer.dense_weight(), "bias": layer.bias})
    x = torch.randn(2, 3, 7, 6, dtype=torch.float64)
    torch.testing.assert_close(layer(x), full(x))
    connected = layer.dense_weight().flatten(2).any(-1)
    assert [tuple(row.nonzero().flatten().tolist()) for row in connected] == [*table]
    assert count_parameters(layer) == 6 * 9 + 3


def test_the_squashing_function_keeps_minus_one_and_one():
    z = torch.tensor([-1.0, 0.0, 1.0, 100.0], dtype=torch.float64)
    torch.testing.assert_close(
        ScaledTanh()(z), torch.tensor([-1.0, 0.0, 1.0, 1.7159], dtype=torch.float64), rtol=0, atol=1e-4
    )


def test_codes_are_twelve_rows_of_seven_and_far_apart():
    codes = digit_codes()
    assert codes.shape == (10, 84)
    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    picture = codes[0].reshape(12, 7)
    assert torch.equal(picture, picture.flip(1))  # a zero is symmetric
    assert torch.equal(picture[:11], picture[:11].flip(0))
    different = (codes[:, None] != codes).sum(-1) + 84 * torch.eye(10, dtype=torch.int64)
    assert different.min() >= 6
    assert len(lenet._GLYPHS.split()) == 120
    assert {len(piece) for piece in lenet._GLYPHS.split()} == {7}


def test_output_is_minus_the_squared_distance():
    codes = digit_codes().double()
    scores = EuclideanRbf(codes)(codes)
    torch.testing.assert_close(scores.diagonal(), torch.zeros(10, dtype=torch.float64))
    torch.testing.assert_close(scores, -4.0 * (codes[:, None] != codes).sum(-1).double())  # 2 squared, per pixel


def test_map_loss_equals_the_papers_equation():
    penalties = torch.rand(4, 10, dtype=torch.float64) * 5
    targets = torch.tensor([3, 0, 9, 3])
    for j in (0.1, 1.0, 4.0):
        expected = 0.0
        for row, target in zip(penalties.tolist(), targets.tolist(), strict=True):
            expected += (row[target] + math.log(math.exp(-j) + sum(math.exp(-y) for y in row))) / 4
        assert lenet5_map_loss(-penalties, targets, j=j).item() == pytest.approx(expected, rel=1e-12)


def test_map_loss_pulls_the_right_class_and_hardly_pushes_far_ones():
    scores = torch.tensor([[-2.0, -3.0, -50.0]], dtype=torch.float64, requires_grad=True)
    lenet5_map_loss(scores, torch.tensor([0])).backward()
    pull, push, far = scores.grad[0].tolist()
    assert pull < -0.5 < 0.05 < push
    assert 0 < far < 1e-15
    alone = torch.tensor([[-2.0, -1e4, -1e4]], dtype=torch.float64, requires_grad=True)
    lenet5_map_loss(alone, torch.tensor([0])).backward()
    assert alone.grad[0, 0] < -0.5  # the cross-entropy would be content
    assert lenet5_map_loss(torch.full((1, 10), -1e4), torch.tensor([0])).isfinite()


# As taught today.


def test_parameters_of_the_modern_net():
    model = LeNet5()
    counts = {name: count_parameters(model.get_submodule(name)) for name in LAYERS}
    assert counts == {"c1": 156, "s2": 0, "c3": 2416, "s4": 0, "c5": 48120, "f6": 10164, "output": 850}
    assert count_parameters(model) == 61_706
    assert count_parameters(LeNet5(num_classes=7, in_channels=3)) == 61_706 + 2 * 6 * 25 - 3 * 85


@pytest.mark.parametrize(
    ("options", "activation", "pool"),
    [
        ({}, nn.Tanh, nn.AvgPool2d),
        ({"activation": nn.ReLU}, nn.ReLU, nn.AvgPool2d),
        ({"pool": nn.MaxPool2d}, nn.Tanh, nn.MaxPool2d),
        ({"activation": nn.ReLU, "pool": nn.MaxPool2d}, nn.ReLU, nn.MaxPool2d),
    ],
)
def test_the_modern_net_equals_torch_layers_with_the_same_weights(options, activation, pool):
    model = LeNet5(**options).double()
    reference = nn.Sequential(
        *(nn.Conv2d(1, 6, 5), activation(), pool(2), nn.Conv2d(6, 16, 5), activation(), pool(2)),
        *(nn.Flatten(), nn.Linear(400, 120), activation(), nn.Linear(120, 84), activation(), nn.Linear(84, 10)),
    ).double()
    reference.load_state_dict(dict(zip(reference.state_dict(), model.state_dict().values(), strict=True)))
    x = torch.randn(2, 1, 32, 32, dtype=torch.float64)
    torch.testing.assert_close(model(x), reference(x), rtol=0, atol=0)


def test_each_option_changes_the_output():
    x = torch.randn(2, 1, 32, 32)
    options = [{}, {"activation": nn.ReLU}, {"pool": nn.MaxPool2d}]
    results = []
    for option in options:
        torch.manual_seed(1)
        results.append(LeNet5(**option)(x))
    assert not torch.allclose(results[0], results[1])
    assert not torch.allclose(results[0], results[2])
    torch.manual_seed(1)
    torch.testing.assert_close(LeNet5()(x), results[0])


# Both.


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (lambda: LeNet5Original(), (1, 10)),
        (lambda: LeNet5Original(codes=torch.ones(3, 84), in_channels=2), (2, 3)),
        (lambda: LeNet5(), (1, 10)),
        (lambda: LeNet5(num_classes=4, in_channels=3, activation=nn.GELU), (3, 4)),
    ],
)
def test_shapes_and_gradients(model, shape):
    (channels, classes), model = shape, model().double()
    x = torch.randn(5, channels, 32, 32, dtype=torch.float64, requires_grad=True)
    scores = model(x)
    assert scores.shape == (5, classes)
    scores.square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())
    assert x.grad.flatten(1).abs().sum(1).gt(0).all()
    torch.testing.assert_close(model(x[:2]), scores[:2])  # examples do not see one another


@pytest.mark.parametrize("model", [LeNet5, LeNet5Original])
def test_a_slice_is_a_plain_sequential_with_the_same_layers(model):
    model, x = model(), torch.randn(2, 1, 32, 32)
    head, tail = model[:3], model[3:]
    assert type(head) is nn.Sequential
    assert [name for name, _ in head.named_children()][::2] == ["c1", "s2"]
    torch.testing.assert_close(tail(head(x)), model(x))
    assert head[0] is model[0] is model.c1
    assert head(torch.zeros(1, 1, 40, 36)).shape == (1, 6, 18, 16)  # any size, as convolutions go


@pytest.mark.parametrize("model", [LeNet5, LeNet5Original])
def test_wrong_input(model):
    for shape in [(1, 1, 28, 28), (1, 3, 32, 32), (1, 32, 32), (1, 1, 32, 31)]:
        with pytest.raises(ValueError, match=r"x must be of shape \(B, 1, 32, 32\), got \("):
            model()(torch.zeros(shape))
    with pytest.raises(ValueError, match="in_channels must be >= 1, got 0"):
        model(in_channels=0)


def test_other_errors():
    with pytest.raises(ValueError, match="num_classes must be >= 1, got -1"):
        LeNet5(num_classes=-1)
    for shape in [(10, 83), (84,), (0, 84)]:
        with pytest.raises(ValueError, match=r"codes must be of shape \(classes, 84\), got \("):
            LeNet5Original(codes=torch.ones(shape))
    with pytest.raises(ValueError, match="j must be > 0, got 0"):
        lenet5_map_loss(torch.zeros(1, 2), torch.tensor([0]), j=0)
    with pytest.raises(ValueError, match=r"got \(2, 3\), \(1,\)"):
        lenet5_map_loss(torch.zeros(2, 3), torch.tensor([0]))
    with pytest.raises(ValueError, match=r"got \(3,\), \(\)"):
        lenet5_map_loss(torch.zeros(3), torch.tensor(0))
