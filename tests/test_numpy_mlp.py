import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from companion.data import load
from companion.models.numpy_mlp import ACTIVATIONS, OUTPUTS, NumpyMlp, log_sum_exp, sigmoid, softmax
from tests.oracles import mlp_loss_by_loops

TORCH_ACTIVATIONS = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}
XOR_X, XOR_Y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])


def data_for(output: str, n: int, sizes: list[int], seed: int = 0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, sizes[0]))
    if output == "softmax":
        return X, rng.integers(0, sizes[-1], n)
    return X, rng.normal(size=(n, sizes[-1])) if output == "linear" else rng.integers(0, 2, (n, sizes[-1]))


def torch_loss(net: NumpyMlp, X, y) -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor]:
    """Return loss, [W1, b1, W2, b2, ...] and output of the same network in torch, float64."""
    pairs = zip(net.weights, net.biases, strict=True)
    parameters = [torch.tensor(p, requires_grad=True) for pair in pairs for p in pair]
    a = torch.tensor(X, dtype=torch.float64)
    for layer in range(0, len(parameters), 2):
        z = a @ parameters[layer] + parameters[layer + 1]
        a = TORCH_ACTIVATIONS[net.activation](z)
    if net.output == "softmax":
        return F.cross_entropy(z, torch.tensor(y)), parameters, z.softmax(dim=1)
    targets = torch.tensor(y, dtype=torch.float64).reshape(z.shape)
    if net.output == "sigmoid":
        losses = F.binary_cross_entropy_with_logits(z, targets, reduction="none")
        return losses.sum(dim=1).mean(), parameters, z.sigmoid()
    return F.mse_loss(z, targets, reduction="none").sum(dim=1).mean() / 2, parameters, z


@given(
    st.sampled_from(sorted(ACTIVATIONS)),
    st.sampled_from(sorted(OUTPUTS)),
    st.lists(st.integers(1, 6), min_size=2, max_size=5),
    st.integers(1, 7),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None)
def test_gradients_equal_torch(activation, output, sizes, n, seed):
    net = NumpyMlp(sizes, activation=activation, output=output, seed=seed)
    for b in net.biases:
        b += np.random.default_rng(seed).normal(size=b.shape)
    X, y = data_for(output, n, sizes, seed)
    loss, parameters, y_hat = torch_loss(net, X, y)
    loss.backward()
    assert net.loss(X, y) == pytest.approx(loss.item(), abs=1e-12)
    np.testing.assert_allclose(net.forward(X), y_hat.detach(), rtol=0, atol=1e-12)
    ours = [array for pair in net.backward(X, y) for array in pair]
    for mine, theirs in zip(ours, parameters, strict=True):
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine, theirs.grad, rtol=0, atol=1e-10)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("output", OUTPUTS)
def test_loss_equals_the_definition_one_number_at_a_time(activation, output):
    sizes = [3, 5, 4, 2]
    net = NumpyMlp(sizes, activation=activation, output=output, seed=1)
    X, y = data_for(output, 6, sizes)
    expected = mlp_loss_by_loops(net.weights, net.biases, X, y, activation, output)
    assert net.loss(X, y) == pytest.approx(expected, rel=1e-12)


def test_step_descends_in_place():
    net = NumpyMlp([2, 3, 2], seed=0)
    X, y = data_for("softmax", 8, [2, 3, 2])
    W, b = net.weights[0], net.biases[-1]
    before, grads = (W.copy(), b.copy()), net.backward(X, y)
    net.step(grads, lr=0.25)
    np.testing.assert_allclose(W, before[0] - 0.25 * grads[0][0])
    np.testing.assert_allclose(b, before[1] - 0.25 * grads[1][1])


@pytest.mark.parametrize("batch_size", [None, 4, 1])
def test_fit_is_mini_batch_gradient_descent(batch_size):
    sizes = [2, 4, 3]
    X, y = data_for("softmax", 10, sizes)
    net, by_hand = NumpyMlp(sizes, seed=3), NumpyMlp(sizes, seed=3)
    losses = net.fit(X, y, lr=0.5, epochs=3, batch_size=batch_size, seed=5)
    rng = np.random.default_rng(5)
    for loss in losses:
        order = rng.permutation(10)
        for batch in np.split(order, range(batch_size or 10, 10, batch_size or 10)):
            by_hand.step(by_hand.backward(X[batch], y[batch]), lr=0.5)
        assert loss == by_hand.loss(X, y)
    assert len(losses) == 3
    np.testing.assert_array_equal(net.weights[0], by_hand.weights[0])


def test_seeds_decide_the_start_and_the_order():
    X, y = data_for("softmax", 10, [2, 4, 3])
    assert not np.array_equal(NumpyMlp([2, 3], seed=0).weights[0], NumpyMlp([2, 3], seed=1).weights[0])
    first, second = (NumpyMlp([2, 4, 3]).fit(X, y, lr=1, epochs=2, batch_size=2, seed=s) for s in (0, 1))
    assert first != second


@pytest.mark.parametrize(("activation", "variance"), [("tanh", 2 / 500), ("sigmoid", 2 / 500), ("relu", 2 / 400)])
def test_weights_start_at_the_scale_that_suits_the_activation(activation, variance):
    net = NumpyMlp([400, 100], activation=activation)
    assert net.weights[0].mean() == pytest.approx(0, abs=1e-3)
    assert net.weights[0].var() == pytest.approx(variance, rel=0.03)
    assert not net.biases[0].any()


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_solves_xor(activation):
    net = NumpyMlp([2, 8, 1], activation=activation, output="sigmoid", seed=0)
    losses = net.fit(XOR_X, XOR_Y, lr=2.0, epochs=2000)
    assert net.predict(XOR_X).tolist() == XOR_Y.tolist()
    assert losses[-1] < 0.02


def test_a_single_layer_does_not_solve_xor():
    net = NumpyMlp([2, 1], output="sigmoid", seed=0)
    net.fit(XOR_X, XOR_Y, lr=1.0, epochs=2000)
    assert net.loss(XOR_X, XOR_Y) == pytest.approx(np.log(2), abs=1e-6)  # all it can do is say "one half"


def test_reads_handwritten_digits():
    train, test = load("digits", split="train"), load("digits", split="test")
    X, X_test = (part.images.flatten(1).numpy() / 255 for part in (train, test))
    mean, std = X.mean(), X.std()
    net = NumpyMlp([64, 256, 10], activation="relu", seed=0)
    net.fit((X - mean) / std, train.labels.numpy(), lr=0.3, epochs=30, batch_size=16, seed=0)
    assert (net.predict((X_test - mean) / std) == test.labels.numpy()).mean() >= 0.97


def test_predictions_have_the_targets_form():
    X = data_for("linear", 5, [3, 1])[0]
    softmax_net = NumpyMlp([3, 4], seed=0)
    np.testing.assert_array_equal(softmax_net.predict(X), softmax_net.forward(X).argmax(axis=1))
    assert NumpyMlp([3, 1], output="softmax").predict(X).tolist() == [0] * 5
    for out in (1, 2):
        shape = (5,) if out == 1 else (5, 2)
        sigmoid_net, linear_net = (NumpyMlp([3, out], output=o, seed=0) for o in ("sigmoid", "linear"))
        np.testing.assert_array_equal(sigmoid_net.predict(X), (sigmoid_net.forward(X) >= 0.5).reshape(shape))
        assert sigmoid_net.predict(X).dtype == np.int64
        np.testing.assert_array_equal(linear_net.predict(X), linear_net.forward(X).reshape(shape))


def test_a_column_of_targets_equals_a_list():
    X, y = data_for("sigmoid", 5, [3, 1])
    net = NumpyMlp([3, 1], output="sigmoid")
    assert net.loss(X, y) == net.loss(X, y[:, 0])
    assert net.loss(torch.tensor(X), torch.tensor(y)) == net.loss(X, y)


# Stable functions


def test_stable_functions_neither_overflow_nor_warn():
    z = np.array([-1e4, -700.0, -40.0, 0.0, 40.0, 700.0, 1e4])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(sigmoid(z), torch.sigmoid(torch.tensor(z)), rtol=1e-14, atol=0)
        np.testing.assert_allclose(softmax(z), torch.softmax(torch.tensor(z), 0), rtol=1e-14, atol=0)
        np.testing.assert_allclose(log_sum_exp(z), torch.logsumexp(torch.tensor(z), 0, keepdim=True))
        for output in OUTPUTS:
            net = NumpyMlp([1, 2], output=output)
            net.weights[0][:] = [[1e4, -1e4]]
            y = [0, 1] if output == "softmax" else [[0, 1], [1, 0]]
            assert np.isfinite(net.loss([[1.0], [-1.0]], y))
            assert np.isfinite(net.backward([[1.0], [-1.0]], y)[0][0]).all()


def test_stable_functions_keep_small_numbers():
    assert sigmoid(np.array(-700.0)) == pytest.approx(np.exp(-700.0), rel=1e-12)
    assert softmax(np.array([0.0, -700.0]))[1] == pytest.approx(np.exp(-700.0), rel=1e-12)


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=5), st.floats(-1e4, 1e4))
def test_softmax_and_log_sum_exp_under_a_shift(z, shift):
    z = np.array([z, z])
    np.testing.assert_allclose(softmax(z + shift), softmax(z), atol=1e-11)
    np.testing.assert_allclose(log_sum_exp(z + shift), log_sum_exp(z) + shift, atol=1e-11)
    np.testing.assert_allclose(softmax(z).sum(axis=1), 1)
    assert log_sum_exp(z).shape == (2, 1)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivatives_take_the_activation_and_not_z(name):
    z = torch.linspace(-3, 3, 7, dtype=torch.float64, requires_grad=True)
    TORCH_ACTIVATIONS[name](z).sum().backward()
    f, derivative = ACTIVATIONS[name]
    np.testing.assert_allclose(derivative(f(z.detach().numpy())), z.grad, atol=1e-15)


# Errors


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ([[3]], {}, r"two or more numbers >= 1, got \[3\]"),
        ([[3, 0, 1]], {}, r"two or more numbers >= 1, got \[3, 0, 1\]"),
        ([[3, 1]], {"activation": "gelu"}, "activation must be one of sigmoid, tanh, relu, got 'gelu'"),
        ([[3, 1]], {"output": "tanh"}, "output must be one of softmax, sigmoid, linear, got 'tanh'"),
    ],
)
def test_bad_sizes_and_names(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        NumpyMlp(*arguments, **options)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones(3), r"shape \(N, 3\) with N >= 1, got \(3,\)"),
        (np.ones((4, 2)), r"got \(4, 2\)"),
        (np.ones((0, 3)), r"got \(0, 3\)"),
        (np.array([[0, np.nan, 0]]), "X must be finite"),
        (np.array([[0, np.inf, 0]]), "X must be finite"),
    ],
)
def test_bad_inputs(X, message):
    net = NumpyMlp([3, 2])
    y = np.zeros(len(X), dtype=int)
    calls = [lambda: net.forward(X), lambda: net.predict(X), lambda: net.loss(X, y), lambda: net.backward(X, y)]
    for call in [*calls, lambda: net.fit(X, y, lr=1, epochs=1)]:
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize(
    ("output", "y", "message"),
    [
        ("softmax", [0, 2], r"need 2 class indices in \[0, 2\), got int64 \(2,\)"),
        ("softmax", [-1, 1], r"class indices in \[0, 2\)"),
        ("softmax", [0.0, 1.0], "got float64"),
        ("softmax", [0], r"need 2 class indices in \[0, 2\), got int64 \(1,\)"),
        ("softmax", [[0], [1]], r"got int64 \(2, 1\)"),
        ("sigmoid", [0, 1], r"targets of shape \(2, 2\), got \(2,\)"),
        ("sigmoid", [[0, 1], [2, 0]], r"in \[0, 1\] for a sigmoid output"),
        ("sigmoid", [[0, 1], [-1, 0]], r"in \[0, 1\] for a sigmoid output"),
        ("linear", [[0, 1], [np.nan, 0]], "targets must be finite"),
        ("linear", [[0, 1, 2]], r"got \(1, 3\)"),
    ],
)
def test_bad_targets(output, y, message):
    with pytest.raises(ValueError, match=message):
        NumpyMlp([3, 2], output=output).backward(np.ones((2, 3)), y)


@pytest.mark.parametrize(
    "options", [{"lr": 0}, {"lr": np.nan}, {"lr": np.inf}, {"epochs": 0}, {"batch_size": 0}], ids=str
)
def test_bad_training_options(options):
    with pytest.raises(ValueError, match="need a finite lr > 0, epochs >= 1, batch_size >= 1, got"):
        NumpyMlp([2, 2]).fit(XOR_X, XOR_Y, **{"lr": 1.0, "epochs": 1, **options})


def test_gradients_of_another_network_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        NumpyMlp([2, 2, 2]).step(NumpyMlp([2, 2]).backward(XOR_X, XOR_Y), lr=1.0)
