import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays, mutually_broadcastable_shapes

from companion.autograd import Tensor

NUMBERS = st.floats(-2, 2).map(lambda x: round(x, 3))


def values(shape) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float64, shape, elements=NUMBERS)


def assert_equals_torch(f, *inputs, tolerance=1e-10):
    """Run the same expression on our tensors and on torch's; compare its value and all gradients.

    The result is weighted by cosines before it is summed, so that each of its elements has a gradient of its own.
    """
    ours, theirs = [Tensor(x) for x in inputs], [torch.tensor(x, requires_grad=True) for x in inputs]
    y, expected = f(*ours), f(*theirs)
    np.testing.assert_allclose(y.data, expected.detach(), rtol=tolerance, atol=tolerance)
    assert y.shape == tuple(expected.shape)
    weights = np.cos(np.arange(y.data.size)).reshape(y.shape)
    (y * weights).sum().backward()
    (expected * torch.tensor(weights)).sum().backward()
    for x, reference in zip(ours, theirs, strict=True):
        gradient = np.zeros(x.shape) if x.grad is None else x.grad
        desired = torch.zeros_like(reference) if reference.grad is None else reference.grad
        assert gradient.shape == x.shape
        np.testing.assert_allclose(gradient, desired, rtol=tolerance, atol=tolerance)


# Each operation


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a * b,
        lambda a, b: a / (b * b + 0.5),
        lambda a, b: (a * a + b * b + 0.1) ** -0.5,
    ],
    ids=["+", "-", "*", "/", "**"],
)
@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_arithmetic_broadcasts(f, data):
    shapes = data.draw(mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)).input_shapes
    assert_equals_torch(f, *(data.draw(values(shape)) for shape in shapes))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: 2 + x,
        lambda x: 2 - x,
        lambda x: 2 * x,
        lambda x: 2 / (x * x + 1),
        lambda x: x - 2,
        lambda x: x / 2,
        lambda x: -x,
        lambda x: x**0,
        lambda x: x**1,
        lambda x: x**2,
        lambda x: x**3.0,
        lambda x: (x * x + 0.1) ** 0.5,
        lambda x: (x * x + 0.1).log(),
        lambda x: x.exp(),
        lambda x: x.tanh(),
        lambda x: (10 * x).sigmoid(),
        lambda x: x.relu(),
        lambda x: sum([x, x * x, x]),
    ],
)
@given(data=st.data())
@settings(deadline=None, max_examples=20)
def test_functions_of_one_tensor(f, data):
    shape = data.draw(st.sampled_from([(), (1,), (3,), (2, 3)]))
    assert_equals_torch(f, data.draw(values(shape)))


@pytest.mark.parametrize(
    "shapes",
    [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3, 4)),
        ((2, 3), (5, 3, 4)),
        ((5, 2, 3), (5, 3, 4)),
        ((5, 2, 3), (1, 3, 4)),
        ((6, 1, 2, 3), (5, 3, 4)),
        ((5, 2, 3), (3,)),
        ((3,), (5, 3, 4)),
        ((1, 1), (1, 1)),
        ((1, 3), (3, 1)),
    ],
    ids=str,
)
def test_matrix_products(shapes):
    rng = np.random.default_rng(0)
    assert_equals_torch(lambda a, b: a @ b, *(rng.normal(size=shape) for shape in shapes))


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2), (-1, 0), (0, 1, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["sum", "mean"])
def test_reductions(name, axis, keepdims):
    for shape in [(2, 3, 4), (2, 1, 4), (1, 1, 1)]:
        x = np.random.default_rng(0).normal(size=shape)
        assert_equals_torch(lambda x: getattr(x, name)(axis, keepdims), x)


def test_shapes():
    x = np.random.default_rng(0).normal(size=(2, 3))
    assert_equals_torch(lambda x: x.T, x)
    assert_equals_torch(lambda x: x.reshape(3, 2), x)
    assert_equals_torch(lambda x: x.reshape(-1), x)
    assert_equals_torch(lambda x: x.reshape(1, 2, 3) * 2, x)


@pytest.mark.parametrize("x", [-1e4, 0.0, 1e4])
def test_sigmoid_neither_overflows_nor_warns(x):
    with np.errstate(all="raise", under="ignore"):
        assert_equals_torch(lambda t: t.sigmoid(), np.array(x))


def test_relu_of_nan_and_infinity_as_in_torch():
    np.testing.assert_array_equal(Tensor([np.nan, -np.inf, np.inf]).relu().data, [np.nan, 0, np.inf])


# Whole expressions

UNARY = [
    lambda t: t.tanh(),
    lambda t: t.sigmoid(),
    lambda t: t.relu(),
    lambda t: -t,
    lambda t: (t.tanh()).exp(),
    lambda t: (t * t + 1.0).log(),
    lambda t: t.tanh() ** 3,
    lambda t: t.T,
    lambda t: t - t.mean(),
    lambda t: t / (1.0 + (t * t).sum(1, True)),
    lambda t: t + t.sum(0),
    lambda t: t.reshape(-1).reshape(2, 2),
]
BINARY = [
    lambda s, t: s + t,
    lambda s, t: s - t,
    lambda s, t: s * t.tanh(),
    lambda s, t: s.tanh() @ t.tanh(),
    lambda s, t: s / (t * t + 1.0),
    lambda s, t: s * 0.5 + t,
]
PROGRAMS = st.lists(
    st.tuples(st.integers(0, len(UNARY) + len(BINARY) - 1), st.integers(0, 99), st.integers(0, 99)),
    min_size=1,
    max_size=12,
)


@given(PROGRAMS, values((2, 2)), values((2, 1)), values((2,)))
@settings(deadline=None, max_examples=200)
def test_random_programs(program, a, b, c):
    """Each line of the program applies an operation to any earlier results, which may so be used often or never."""

    def run(a, b, c):
        results = [a, b + c, a * c]
        for operation, first, second in program:
            s, t = results[first % len(results)], results[second % len(results)]
            results.append(UNARY[operation](s) if operation < len(UNARY) else BINARY[operation - len(UNARY)](s, t))
        return results[-1] + 0.1 * results[len(results) // 2]

    assert_equals_torch(run, a, b, c)


@given(values(()), values(()))
@settings(deadline=None)
def test_control_flow_that_depends_on_the_data(a, b):
    def run(a, b):
        y, steps = a, 0
        while abs(y.item()) < 3 and steps < 20:  # how often depends on the numbers
            y = y * 1.5 + b if y.item() > 0 else y * y - b * 0.5
            steps += 1
        for _ in range(steps):
            y = y.tanh() if b.item() < 0 else y.sigmoid()
        return y

    assert_equals_torch(run, a, b)


def test_recursion():
    def power(x, n):
        if n == 0:
            return 1.0
        half = power(x, n // 2)
        return half * half * x if n % 2 else half * half

    assert_equals_torch(lambda x: power(x, 13), np.array([0.5, -1.1]))


def test_an_mlp_with_cross_entropy():
    rng = np.random.default_rng(0)
    one_hot = np.eye(3)[rng.integers(0, 3, 8)]

    def loss(X, W1, b1, W2, b2):
        z = (X @ W1 + b1).tanh() @ W2 + b2
        log_p = z - z.exp().sum(1, True).log()
        return -(log_p * (one_hot if isinstance(X, Tensor) else torch.tensor(one_hot))).sum() / 8

    assert_equals_torch(loss, *(rng.normal(size=shape) for shape in [(8, 4), (4, 5), (5,), (5, 3), (3,)]))


# The tape


def test_a_tensor_used_twice_collects_both_gradients():
    x = Tensor(3.0)
    (x * x + x).backward()
    assert x.grad == 7.0


def test_every_tensor_on_the_way_gets_its_gradient():
    x = Tensor([1.0, 2.0])
    square = x * x
    total = square.sum()
    total.backward()
    np.testing.assert_array_equal(square.grad, [1.0, 1.0])
    assert total.grad == 1.0


def test_gradients_add_up_until_zero_grad():
    x = Tensor(3.0)
    square = x * x
    y = 2.0 * square
    y.backward()
    y.backward()
    assert (x.grad, square.grad, y.grad) == (24.0, 4.0, 2.0)  # twice 12, 2 and 1
    x.zero_grad()
    assert x.grad is None
    y.backward()
    assert x.grad == 12.0


def test_gradients_are_not_shared():
    x, y = Tensor([1.0]), Tensor([1.0])
    (x + y).sum().backward()
    x.grad *= 5
    assert y.grad == [1.0]
    start = np.array([1.0])
    z = x + 0.0
    z.backward(start)
    z.grad *= 5
    assert start == [1.0]


def test_data_are_copied():
    array = np.array([1.0, 2.0])
    x, y = Tensor(array), Tensor([3.0, 4.0]) * array
    array[:] = 0
    np.testing.assert_array_equal(x.data, [1.0, 2.0])
    y.sum().backward()
    np.testing.assert_array_equal(y.data, [3.0, 8.0])


def test_gradient_descent_in_place():
    w = Tensor([5.0, -3.0])
    for _ in range(100):
        w.zero_grad()
        ((w - np.array([1.0, 2.0])) ** 2).sum().backward()
        w.data -= 0.1 * w.grad
    np.testing.assert_allclose(w.data, [1.0, 2.0], atol=1e-6)


def test_long_chains_need_no_recursion():
    x = Tensor(1.0)
    y = x
    for _ in range(20_000):
        y = y + x
    y.backward()
    assert x.grad == 20_001.0


def test_a_diamond_of_many_paths_is_walked_once():
    x = Tensor(1.0)
    y = x
    for _ in range(60):  # 2^60 paths
        y = y * 0.5 + y * 0.5
    y.backward()
    assert x.grad == 1.0


def test_backward_from_a_larger_tensor():
    x = Tensor([1.0, 2.0])
    y = x * x
    y.backward([1.0, 10.0])
    np.testing.assert_array_equal(x.grad, [2.0, 40.0])
    Tensor([[2.0]]).backward()  # a single element needs no gradient


@pytest.mark.parametrize("array", [np.array([1.0, 2.0]), [1.0, 2.0], np.float64(2.0), 2, True])
def test_arrays_and_numbers_on_either_side(array):
    for result in (Tensor([1.0, 1.0]) * array, array * Tensor([1.0, 1.0])):
        assert isinstance(result, Tensor)
        np.testing.assert_array_equal(result.data, np.array(array, float) * np.ones(2))
    x = Tensor(np.eye(2))
    (np.ones((2, 2)) @ x).sum().backward()
    np.testing.assert_array_equal(x.grad, 2 * np.ones((2, 2)))


def test_what_a_tensor_says_of_itself():
    assert repr(Tensor([1.0, 2.0])) == "Tensor([1. 2.])"
    assert Tensor([[1, 2]]).shape == (1, 2)
    assert Tensor([1, 2]).data.dtype == np.float64
    assert Tensor([[3.5]]).item() == 3.5


@pytest.mark.parametrize("data", ["1", None, 1j, [object()], np.array(["a"])])
def test_only_real_numbers(data):
    with pytest.raises(TypeError, match="a Tensor holds real numbers, got"):
        Tensor(data)
    with pytest.raises(TypeError, match="a Tensor holds real numbers, got"):
        Tensor(1.0) + data


def test_errors():
    with pytest.raises(ValueError, match=r"starts at a single number, this tensor has shape \(2,\): pass grad"):
        Tensor([1.0, 2.0]).backward()
    with pytest.raises(ValueError, match=r"the tensor's shape \(2,\), got \(1,\)"):
        Tensor([1.0, 2.0]).backward([1.0])
    with pytest.raises(ValueError, match=r"T is for matrices, got shape \(2,\)"):
        _ = Tensor([1.0, 2.0]).T
    with pytest.raises(TypeError, match=r"the exponent must be a number, got Tensor\(2.0\)"):
        Tensor([1.0]) ** Tensor(2.0)
    for a, b in [(1.0, [1.0]), ([1.0], 1.0)]:
        with pytest.raises(ValueError, match="@ multiplies vectors and matrices, got shapes"):
            Tensor(a) @ Tensor(b)
    with pytest.raises(ValueError, match="mismatch"):
        Tensor([[1.0, 2.0]]) @ Tensor([[1.0, 2.0]])
    with pytest.raises(ValueError, match="could not be broadcast"):
        Tensor([1.0, 2.0]) + Tensor([1.0, 2.0, 3.0])
