"""Convolution against torch and SciPy in float64, values and gradients, over random sizes and options."""

import numpy as np
import pytest
import scipy.signal
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from companion.layers.conv import (
    Conv2d,
    ConvTranspose2d,
    DepthwiseSeparableConv2d,
    conv2d,
    conv2d_loops,
    conv_transpose2d,
    convolve1d,
    convolve2d,
    cross_correlate2d,
    fold,
    unfold,
)

GRID = settings(max_examples=60, deadline=None, derandomize=True)
MODES = ["full", "same", "valid"]


def random(*shape, seed=0, requires_grad=False):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_(requires_grad)


def pairs(low, high):
    return st.tuples(st.integers(low, high), st.integers(low, high))


@st.composite
def problems(draw, largest=8, channels=3):
    """Shapes and options of a convolution whose window fits into its padded image."""
    groups = draw(st.integers(1, channels))
    c_in, c_out = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    size, kernel = draw(pairs(1, largest)), draw(pairs(1, 3))
    stride, dilation, padding = draw(pairs(1, 3)), draw(pairs(1, 3)), draw(pairs(0, 2))
    for n, k, p, d in zip(size, kernel, padding, dilation, strict=True):
        assume(n + 2 * p > d * (k - 1))
    x = (draw(st.integers(1, 2)), c_in, *size)
    weight = (c_out, c_in // groups, *kernel)
    return x, weight, {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


def tensors(x_shape, weight_shape, biases):
    return [random(*s, seed=i, requires_grad=True) for i, s in enumerate([x_shape, weight_shape, (biases,)])]


def assert_equal_with_gradients(ours, reference, inputs):
    """Both functions of the inputs: same values, and the same gradients of a random weighted sum of them."""
    a, b = ours(*inputs), reference(*inputs)
    torch.testing.assert_close(a, b)
    by = random(*b.shape, seed=9)
    grads = [torch.autograd.grad((out * by).sum(), inputs, materialize_grads=True) for out in (a, b)]
    for mine, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(mine, theirs)


# --- true convolution and cross-correlation ---------------------------------------------------------------------


@GRID
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(MODES))
def test_convolve1d_is_scipys(n, k, mode):
    assume(mode != "valid" or k <= n)
    x, w = random(n), random(k, seed=1)
    np.testing.assert_allclose(convolve1d(x, w, mode), scipy.signal.convolve(x, w, mode, method="direct"), atol=1e-12)


@GRID
@given(pairs(1, 6), pairs(1, 6), st.sampled_from(MODES))
def test_convolve2d_is_scipys(size, kernel, mode):
    assume(mode != "valid" or (kernel[0] <= size[0] and kernel[1] <= size[1]))
    x, w = random(*size), random(*kernel, seed=1)
    np.testing.assert_allclose(convolve2d(x, w, mode), scipy.signal.convolve2d(x, w, mode), atol=1e-12)


@GRID
@given(pairs(3, 7), pairs(1, 3))
def test_cross_correlation_is_torchs_convolution_and_convolution_by_the_flipped_kernel(size, kernel):
    x, w = random(*size, requires_grad=True), random(*kernel, seed=1, requires_grad=True)
    assert_equal_with_gradients(cross_correlate2d, lambda x, w: F.conv2d(x[None, None], w[None, None])[0, 0], [x, w])
    torch.testing.assert_close(cross_correlate2d(x, w), convolve2d(x, w.flip(0, 1), "valid"))


def test_gradients_flow_through_true_convolution():
    x, w = random(4, 5, requires_grad=True), random(2, 3, seed=1, requires_grad=True)
    assert torch.autograd.gradcheck(convolve2d, (x, w))


def test_convolution_commutes_and_correlation_does_not():
    x, w = random(4, 4), random(4, 4, seed=1)
    torch.testing.assert_close(convolve2d(x, w), convolve2d(w, x))
    x, w = x[:, :3], w[:, :3]
    full = [convolve2d(a, b.flip(0, 1)) for a, b in ((x, w), (w, x))]
    assert not torch.allclose(*full)
    torch.testing.assert_close(full[0], full[1].flip(0, 1))


def test_whole_numbers_stay_whole():
    assert convolve2d(torch.tensor([[1, 2]]), torch.tensor([[3], [4]])).tolist() == [[3, 6], [4, 8]]
    assert cross_correlate2d(torch.ones(2, 2).int(), torch.ones(2, 1).int()).dtype == torch.int64


# --- the worked examples ------------------------------------------------------------------------------------------

VERTICAL = torch.tensor([[-1, 0, 1]] * 3)


def test_the_patch_product_is_60():
    patch = torch.arange(10, 100, 10).reshape(3, 3)
    assert cross_correlate2d(patch, VERTICAL).tolist() == [[60]]


def test_the_corner_and_the_edge():
    corner = torch.full((5, 5), 10)
    corner[2:, 2:] = 100
    assert cross_correlate2d(corner, VERTICAL).tolist() == [[90, 90, 0], [180, 180, 0], [270, 270, 0]]
    assert cross_correlate2d(corner, VERTICAL.T).tolist() == [[90, 180, 270], [90, 180, 270], [0, 0, 0]]
    edge = torch.full((5, 5), 10)
    edge[:, 2:] = 100
    assert cross_correlate2d(edge, VERTICAL).tolist() == [[270, 270, 0]] * 3
    edge[:, 2:4] = 10
    assert cross_correlate2d(edge, VERTICAL).tolist() == [[0, 0, 270]] * 3  # an edge at the last column


# --- many channels ------------------------------------------------------------------------------------------------


@GRID
@given(problems())
def test_conv2d_is_torchs(problem):
    x, weight, options = problem
    inputs = tensors(x, weight, weight[0])
    assert_equal_with_gradients(lambda *a: conv2d(*a, **options), lambda *a: F.conv2d(*a, **options), inputs)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(problems(largest=4, channels=2))
def test_the_loops_are_torchs_too(problem):
    x, weight, options = problem
    inputs = tensors(x, weight, weight[0])
    assert_equal_with_gradients(lambda *a: conv2d_loops(*a, **options), lambda *a: F.conv2d(*a, **options), inputs)


@pytest.mark.parametrize("function", [conv2d, conv2d_loops])
@pytest.mark.parametrize("kernel", [(3, 3), (2, 4), (1, 2)])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_padding_by_word(function, kernel, padding):
    x, w = random(1, 2, 6, 5), random(1, 2, *kernel, seed=1)
    torch.testing.assert_close(function(x, w, padding=padding), F.conv2d(x, w, padding=padding))
    dilated = {"padding": padding, "dilation": (2, 1)}
    torch.testing.assert_close(function(x, w, **dilated), F.conv2d(x, w, **dilated))


@GRID
@given(problems())
def test_unfold_and_fold_are_torchs_and_adjoint(problem):
    shape, weight, options = problem
    del options["groups"]
    x = random(*shape, requires_grad=True)
    columns = unfold(x, weight[2:], **options)
    assert_equal_with_gradients(
        lambda x: unfold(x, weight[2:], **options), lambda x: F.unfold(x, weight[2:], **options), [x]
    )
    y = random(*columns.shape, seed=1, requires_grad=True)
    assert_equal_with_gradients(
        lambda y: fold(y, shape[2:], weight[2:], **options), lambda y: F.fold(y, shape[2:], weight[2:], **options), [y]
    )
    torch.testing.assert_close((columns * y).sum(), (x * fold(y, shape[2:], weight[2:], **options)).sum())


@GRID
@given(problems(largest=5), pairs(0, 2))
def test_conv_transpose2d_is_torchs(problem, extra):
    (n, c_out, *size), weight, options = problem  # a transposed convolution reads its weight the other way round
    for i in range(2):
        assume(extra[i] < max(options["stride"][i], options["dilation"][i]))
        span = options["dilation"][i] * (weight[2 + i] - 1) + 1
        assume((size[i] - 1) * options["stride"][i] + span + extra[i] > 2 * options["padding"][i])
    inputs = tensors((n, weight[0], *size), weight, c_out)
    options["output_padding"] = extra
    assert_equal_with_gradients(
        lambda *a: conv_transpose2d(*a, **options), lambda *a: F.conv_transpose2d(*a, **options), inputs
    )


@GRID
@given(problems())
def test_transposed_is_the_adjoint(problem):
    shape, weight, options = problem
    x, w = random(*shape), random(*weight, seed=1)
    z = conv2d(x, w, **options)
    y = random(*z.shape, seed=2)
    reached = [
        (z.shape[2 + i] - 1) * options["stride"][i]
        - 2 * options["padding"][i]
        + options["dilation"][i] * (weight[2 + i] - 1)
        + 1
        for i in range(2)
    ]
    extra = tuple(shape[2 + i] - reached[i] for i in range(2))  # rows and columns that the stride skipped
    assume(min(reached) >= 1)
    back = conv_transpose2d(y, w, **options, output_padding=extra)
    assert back.shape == x.shape
    torch.testing.assert_close((z * y).sum(), (x * back).sum())


def test_a_shifted_image_gives_a_shifted_map_but_not_the_same():
    x, w = random(1, 2, 9, 12), random(3, 2, 3, 3, seed=1)
    z, moved = conv2d(x, w), conv2d(x.roll((2, 3), (2, 3)), w)
    torch.testing.assert_close(moved[..., 2:, 3:], z[..., :-2, :-3])
    assert not torch.allclose(moved, z)


def test_with_a_stride_only_shifts_by_whole_strides_pass():
    x, w = random(1, 1, 8, 12), random(1, 1, 2, 2, seed=1)
    z = conv2d(x, w, stride=2)
    torch.testing.assert_close(conv2d(x.roll(4, 3), w, stride=2)[..., 2:], z[..., :-2])
    assert not torch.isclose(conv2d(x.roll(1, 3), w, stride=2)[..., 1:], z[..., :-1]).any()


@pytest.mark.parametrize(
    "option",
    [{"stride": 2}, {"padding": 1}, {"padding": "same"}, {"dilation": 2}, {"stride": (1, 2)}, {"dilation": (2, 1)}],
)
@pytest.mark.parametrize("function", [conv2d, conv2d_loops, conv_transpose2d])
def test_each_option_changes_the_output(function, option):
    if function is conv_transpose2d and option == {"padding": "same"}:
        option = {"stride": 2, "output_padding": 1}
    x, w = random(1, 1, 6, 6), random(1, 1, 3, 3, seed=1)
    assert function(x, w).shape != function(x, w, **option).shape


@pytest.mark.parametrize("function", [conv2d, conv2d_loops, conv_transpose2d])
def test_bias_and_groups_change_the_output(function):
    x, w = random(1, 2, 4, 4), random(2, 2, 3, 3, seed=1)
    torch.testing.assert_close(
        function(x, w, torch.tensor([1.0, 2.0]).double()) - function(x, w),
        torch.tensor([1.0, 2.0]).double()[:, None, None].expand_as(function(x, w)),
    )
    grouped = function(x, w[:, :1], groups=2)
    x[:, 1] += 1
    again = function(x, w[:, :1], groups=2)
    assert torch.equal(grouped[:, 0], again[:, 0])
    assert not torch.allclose(grouped[:, 1], again[:, 1])


def test_cost_is_that_of_the_formula_and_dilation_is_free():
    x, w = torch.zeros(2, 4, 10, 12), torch.zeros(6, 2, 3, 5)
    for dilation in (1, 2):
        with FlopCounterMode(display=False) as counter:
            z = conv2d(x, w, padding="same", dilation=dilation, groups=2)
        assert counter.get_total_flops() == 2 * z.numel() * (4 // 2) * 3 * 5


def test_channels_last_and_other_dtypes():
    x, w = random(2, 4, 6, 6), random(3, 4, 3, 3, seed=1)
    torch.testing.assert_close(conv2d(x.to(memory_format=torch.channels_last), w), conv2d(x, w))
    half = conv2d(x.bfloat16(), w.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.double(), conv2d(x, w), rtol=0.1, atol=0.2)


# --- modules ------------------------------------------------------------------------------------------------------

CONV_OPTIONS = [
    {},
    {"stride": 2, "padding": 1, "bias": False},
    {"padding": "same", "dilation": 2, "groups": 2},
    {"kernel_size": (1, 3), "padding": (0, 1)},
]
TRANSPOSED_OPTIONS = [
    {},
    {"stride": 2, "padding": 1, "output_padding": 1, "bias": False},
    {"dilation": 2, "groups": 2},
    {"kernel_size": (1, 3), "stride": (1, 2)},
]


@pytest.mark.parametrize(
    ("ours", "torchs", "options"),
    [(Conv2d, nn.Conv2d, options) for options in CONV_OPTIONS]
    + [(ConvTranspose2d, nn.ConvTranspose2d, options) for options in TRANSPOSED_OPTIONS],
)
def test_modules_start_like_torchs_and_take_each_others_state(ours, torchs, options):
    options = {"in_channels": 4, "out_channels": 6, "kernel_size": 3} | options
    torch.manual_seed(3)
    module = ours(**options)
    torch.manual_seed(3)
    reference = torchs(**options)
    assert list(module.state_dict()) == list(reference.state_dict())
    for name, value in reference.state_dict().items():
        torch.testing.assert_close(module.state_dict()[name], value, rtol=0, atol=0)
    module.load_state_dict(reference.state_dict())
    x = torch.randn(2, 4, 7, 7)
    torch.testing.assert_close(module(x), reference(x))


def test_positional_arguments_are_in_torchs_order():
    torch.manual_seed(0)
    x = torch.randn(1, 4, 7, 7)
    for ours, torchs, arguments in (
        (Conv2d, nn.Conv2d, (4, 6, 3, 2, 1, 2, 2, False)),
        (ConvTranspose2d, nn.ConvTranspose2d, (4, 6, 3, 2, 1, 1, 2, False, 2)),
    ):
        module, reference = ours(*arguments), torchs(*arguments)
        module.load_state_dict(reference.state_dict())
        torch.testing.assert_close(module(x), reference(x))


@pytest.mark.parametrize("bias", [True, False])
def test_depthwise_separable_is_torchs_two_layers(bias):
    options = {"stride": 2, "padding": 1, "dilation": 2, "bias": bias}
    module = DepthwiseSeparableConv2d(4, 6, 3, **options).double()
    reference = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4, **options), nn.Conv2d(4, 6, 1, bias=bias)).double()
    reference.load_state_dict(dict(zip(reference.state_dict(), module.state_dict().values(), strict=True)))
    x = random(2, 4, 7, 7)
    torch.testing.assert_close(module(x), reference(x))
    assert sum(p.numel() for p in module.parameters()) == 4 * 9 + 4 * 6 + bias * (4 + 6)


@pytest.mark.parametrize(
    "module",
    [
        Conv2d(2, 4, 3, groups=2),
        ConvTranspose2d(2, 4, 3, stride=2, groups=2),
        DepthwiseSeparableConv2d(2, 4, 3, padding="same", dilation=2),
    ],
)
def test_every_parameter_gets_a_gradient(module):
    module(torch.randn(2, 2, 6, 6)).square().sum().backward()
    assert all((p.grad != 0).all() for p in module.parameters())


def test_published_parameter_counts():
    assert sum(p.numel() for p in Conv2d(3, 64, 3).parameters()) == 1792
    assert sum(p.numel() for p in Conv2d(256, 64, 1, bias=False).parameters()) == 16384


@pytest.mark.gpu
def test_gpu_equals_cpu():
    for function in (conv2d, conv_transpose2d):
        x, w, b = random(2, 4, 9, 9), random(4, 4, 3, 3, seed=1), random(4, seed=2)
        on_gpu = function(x.cuda(), w.cuda(), b.cuda(), stride=2, padding=1, dilation=2)
        torch.testing.assert_close(on_gpu.cpu(), function(x, w, b, stride=2, padding=1, dilation=2))


# --- errors -------------------------------------------------------------------------------------------------------

X, W = torch.zeros(1, 4, 5, 5), torch.zeros(6, 4, 3, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: convolve1d(torch.ones(2, 2), torch.ones(1)), r"signal must have 1 axes, .* got shape \(2, 2\)"),
        (lambda: convolve1d(torch.ones(2), torch.ones(0)), r"kernel must have 1 axes, none empty, got shape \(0,\)"),
        (lambda: convolve1d(torch.ones(2), torch.ones(3), "valid"), "a kernel of 3 does not fit within 2 pixels"),
        (lambda: convolve2d(torch.ones(2), torch.ones(1, 1)), r"image must have 2 axes, .* got shape \(2,\)"),
        (lambda: convolve2d(torch.ones(2, 2), torch.ones(1, 1), "Same"), "mode must be one of full, .* got 'Same'"),
        (lambda: cross_correlate2d(torch.ones(2, 2), torch.ones(3, 1)), "a kernel of 3 does not fit within 2 pixels"),
        (lambda: conv2d(X[0], W), r"x must have 4 axes, none empty, got shape \(4, 5, 5\)"),
        (lambda: conv2d(X, W[0]), r"weight must have 4 axes, none empty, got shape \(4, 3, 3\)"),
        (lambda: conv2d(X[:, :3], W), r"needs 4 input channels, got x \(1, 3, 5, 5\)"),
        (lambda: conv2d(X, W, groups=2), r"with 2 groups needs 8 input channels"),
        (lambda: conv2d(X, W[:, :1], groups=4), "divisible by groups, got 4 in, 6 out, 4 groups"),
        (lambda: conv2d(X, W, groups=0), "got 0 in, 6 out, 0 groups"),
        (lambda: conv2d(X, W, torch.zeros(5)), r"bias must have shape \(6,\), got \(5,\)"),
        (lambda: conv2d(X, W, stride=0), "stride must be >= 1, got 0"),
        (lambda: conv2d(X, W, dilation=(1, 0)), r"dilation must be >= 1, got \(1, 0\)"),
        (lambda: conv2d(X, W, padding=-1), "padding must be >= 0, got -1"),
        (lambda: conv2d(X, W, padding="full"), "'same' or 'valid', got 'full'"),
        (lambda: conv2d(X, W, padding="same", stride=2), "padding 'same' needs stride 1, got 2"),
        (lambda: conv2d(X, W, dilation=3), "a kernel of 3 with dilation 3 spans 7 pixels, .* has 5"),
        (lambda: conv2d_loops(X, W, dilation=3), "spans 7 pixels"),
        (lambda: unfold(X, 0), "kernel_size must be >= 1, got 0"),
        (lambda: fold(torch.zeros(1, 9, 4), (5, 5), 3), r"5x5 has 9 windows of 9 values .* shape \(1, 9, 4\)"),
        (lambda: fold(torch.zeros(1, 8, 9), (5, 5), 3), r"got columns of shape \(1, 8, 9\)"),
        (lambda: conv_transpose2d(X, W), r"needs 6 input channels, got x \(1, 4, 5, 5\)"),
        (lambda: conv_transpose2d(X, W[:4], output_padding=1), "must be less than stride 1 or dilation 1, got 1"),
        (lambda: conv_transpose2d(X, W[:4], padding=4), "padding 4 leaves an output of -1x-1"),
        (lambda: Conv2d(0, 1, 3), "channels must be >= 1 and .* got 0 in, 1 out, 1 groups"),
        (lambda: Conv2d(3, 4, 3, groups=2), "got 3 in, 4 out, 2 groups"),
        (lambda: Conv2d(3, 4, 0), "kernel_size must be >= 1, got 0"),
        (lambda: ConvTranspose2d(4, 3, 3, groups=2), "got 4 in, 3 out, 2 groups"),
        (lambda: DepthwiseSeparableConv2d(3, 0, 3), "got 3 in, 0 out"),
    ],
)
def test_bad_values(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conv2d(X, W, stride=1.5), "stride must be a whole number or a pair of them, got 1.5"),
        (lambda: conv2d(X, W, padding=(1, 1, 1)), r"padding must be a whole number .* got \(1, 1, 1\)"),
        (lambda: conv_transpose2d(X, W[:4], padding="same"), "must be a number, got 'same'"),
    ],
)
def test_bad_types(call, message):
    with pytest.raises(TypeError, match=message):
        call()
