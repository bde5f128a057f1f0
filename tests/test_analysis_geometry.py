"""Sizes and receptive fields: against torch's own layers, and against what the gradient really reaches."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from companion.analysis import (
    Box,
    Field,
    Window,
    conv_output_size,
    conv_transpose_output_size,
    effective_receptive_field,
    measured_receptive_field,
    receptive_field,
    receptive_field_of,
    windows_of,
)

# output sizes

sizes = {"size": st.integers(1, 24), "kernel_size": st.integers(1, 6), "stride": st.integers(1, 4)}
options = {"padding": st.integers(0, 4), "dilation": st.integers(1, 3)}


def length(layer: nn.Module, size: int) -> int:
    return layer(torch.zeros(1, 1, size, 40)).shape[2]


def fits(size, kernel_size, padding, dilation=1):
    return size + 2 * padding >= dilation * (kernel_size - 1) + 1


@settings(max_examples=200, deadline=None, derandomize=True)
@given(**sizes, **options)
def test_conv_output_size_equals_torchs_convolution(size, kernel_size, stride, padding, dilation):
    chosen = {"stride": stride, "padding": padding, "dilation": dilation}
    if fits(size, kernel_size, padding, dilation):
        layer = nn.Conv2d(1, 1, (kernel_size, 1), (stride, 1), (padding, 0), (dilation, 1))
        assert conv_output_size(size, kernel_size, **chosen) == length(layer, size)
    else:
        with pytest.raises(ValueError, match=f"does not fit into {size} with padding {padding}"):
            conv_output_size(size, kernel_size, **chosen)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(**sizes, **options, ceil_mode=st.booleans())
def test_conv_output_size_equals_torchs_pooling(size, kernel_size, stride, padding, dilation, ceil_mode):
    assume(2 * padding <= kernel_size)  # torch pools with no more
    assume(fits(size, kernel_size, padding, dilation))
    layer = nn.MaxPool2d((kernel_size, 1), (stride, 1), (padding, 0), (dilation, 1), ceil_mode=ceil_mode)
    got = conv_output_size(size, kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
    assert got == length(layer, size)


def test_ceil_mode_leaves_out_a_window_behind_the_last_pixel():
    assert conv_output_size(5, 2, stride=2, ceil_mode=True) == 3
    assert conv_output_size(2, 1, stride=3, ceil_mode=True) == 1  # the second window would start at pixel 3


@settings(max_examples=200, deadline=None, derandomize=True)
@given(**sizes, **options, output_padding=st.integers(0, 3))
def test_transposed_size_equals_torchs_and_leads_back(size, kernel_size, stride, padding, dilation, output_padding):
    assume(output_padding < max(stride, dilation))
    chosen = {"stride": stride, "padding": padding, "dilation": dilation}
    expected = (size - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1
    if expected < 1:
        with pytest.raises(ValueError, match=f"padding {padding} cuts the output down to {expected} cells"):
            conv_transpose_output_size(size, kernel_size, output_padding=output_padding, **chosen)
        return
    got = conv_transpose_output_size(size, kernel_size, output_padding=output_padding, **chosen)
    layer = nn.ConvTranspose2d(
        1, 1, (kernel_size, 1), (stride, 1), (padding, 0), (output_padding, 0), dilation=(dilation, 1)
    )
    assert got == length(layer, size)
    if output_padding < stride:
        assert conv_output_size(got, kernel_size, **chosen) == size


@pytest.mark.parametrize("name", ["size", "kernel_size", "stride", "dilation", "padding"])
@pytest.mark.parametrize("function", [conv_output_size, conv_transpose_output_size])
def test_numbers_out_of_range(function, name):
    good = {"size": 5, "kernel_size": 3}
    least = 0 if name == "padding" else 1
    with pytest.raises(ValueError, match=f"{name} must be >= {least}, got {least - 1}"):
        function(**{**good, name: least - 1})
    for bad in (2.0, True, "2"):
        with pytest.raises(TypeError, match=f"{name} must be a whole number, got {bad!r}"):
            function(**{**good, name: bad})


def test_output_padding_must_be_smaller_than_stride_or_dilation():
    with pytest.raises(ValueError, match="output_padding must be smaller than stride or dilation, got 2 with 2 and 1"):
        conv_transpose_output_size(5, 3, stride=2, output_padding=2)
    with pytest.raises(ValueError, match="output_padding must be >= 0, got -1"):
        conv_transpose_output_size(5, 3, output_padding=-1)


# receptive fields


def seen_by_recursion(windows: list[Window], position: int) -> tuple[int, int]:
    """First and last pixel under one cell, going back layer by layer."""
    first = last = position
    for w in reversed(windows):
        first = first * w.stride - w.padding
        last = last * w.stride - w.padding + w.dilation * (w.kernel_size - 1)
    return first, last


windows = st.builds(Window, st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 3))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(windows, min_size=1, max_size=5), st.integers(0, 5))
def test_field_equals_going_back_layer_by_layer(stack, position):
    fields = receptive_field(stack)
    for depth, field in enumerate(fields, 1):
        assert field.span(position) == seen_by_recursion(stack[:depth], position)
        assert field.span(position + 1)[0] - field.span(position)[0] == field.jump
    first, last = seen_by_recursion(stack, 0)
    assert fields[-1].start == (first + last) / 2


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(windows, min_size=1, max_size=4), st.integers(1, 4), st.integers(0, 100), st.integers(0, 100))
def test_field_equals_the_pixels_that_the_gradient_reaches(stack, extra, row, column):
    layers = [nn.Conv2d(1, 1, w.kernel_size, w.stride, w.padding, w.dilation) for w in stack]
    model = nn.Sequential(*layers).double()
    for parameter in model.parameters():
        nn.init.uniform_(parameter, 0.5, 1.0)  # positive, so that no two paths cancel
    field = receptive_field(stack)[-1]
    height, width = field.size + extra, field.size + 3 * extra
    out = model(torch.zeros(1, 1, height, width, dtype=torch.float64)).shape[2:]
    position = (row % out[0], column % out[1])
    spans = [field.span(p) for p in position]
    clipped = [(max(first, 0), min(last, n - 1)) for (first, last), n in zip(spans, (height, width), strict=True)]
    assume(all(first <= last for first, last in clipped))
    try:
        measured = measured_receptive_field(model, (1, height, width), position, samples=1)
    except ValueError:  # dilation's holes may fall on all pixels there are
        assert any(w.dilation > 1 or w.stride > w.kernel_size for w in stack)
        return
    if all(w.dilation == 1 and w.stride <= w.kernel_size for w in stack):  # no holes: the very same pixels
        assert measured == Box(*clipped)
    for (first, last), (seen_first, seen_last), whole in zip(clipped, measured, spans, strict=True):
        assert first <= seen_first
        assert seen_last <= last
        assert (seen_first, seen_last) == whole or (first, last) != whole  # ends are never holes


def test_pooling_by_two_adds_one_jump_and_does_not_double():
    assert receptive_field([Window(7), Window(2, stride=2)]) == [Field(7, 1, 3.0), Field(8, 2, 3.5)]
    measured = measured_receptive_field(nn.Sequential(nn.Conv2d(2, 8, 7), nn.MaxPool2d(2)), (2, 20, 20), (1, 2))
    assert measured == Box((2, 9), (4, 11))


def test_fields_of_the_first_alexnet():
    """163 pixels at the fifth convolution, 195 after the last pooling."""
    stack = [Window(11, 4), Window(3, 2), Window(5, 1, 2), Window(3, 2), *3 * [Window(3, 1, 1)], Window(3, 2)]
    fields = receptive_field(stack)
    assert [f.size for f in fields] == [11, 19, 51, 67, 99, 131, 163, 195]
    assert [f.jump for f in fields] == [4, 8, 8, 16, 16, 16, 16, 32]


@pytest.mark.parametrize("window", [Window(0), Window(3, 0), Window(3, 1, -1), Window(3, 1, 0, 0)])
def test_windows_out_of_range(window):
    with pytest.raises(ValueError, match="must be >= "):
        receptive_field([window])


# reading a model


def sequential() -> nn.Sequential:
    stem = nn.Sequential(nn.Conv2d(3, 4, (7, 5), stride=(2, 1), padding=(3, 0)), nn.BatchNorm2d(4), nn.ReLU())
    return nn.Sequential(stem, nn.MaxPool2d(3, 2, 1), nn.Dropout(), nn.Conv2d(4, 4, 3, padding="same", dilation=2))


def test_windows_of_a_sequential_model():
    assert windows_of(sequential()) == {"0.0": Window(7, 2, 3), "1": Window(3, 2, 1), "3": Window(3, 1, 2, 2)}
    assert windows_of(sequential(), axis=1) == {"0.0": Window(5), "1": Window(3, 2, 1), "3": Window(3, 1, 2, 2)}
    assert windows_of(nn.AvgPool2d(2)) == {"": Window(2, 2)}
    assert windows_of(nn.Conv2d(1, 1, 3, padding="valid")) == {"": Window(3)}
    no_stride = nn.AvgPool2d(3)
    no_stride.stride = None
    assert windows_of(no_stride) == {"": Window(3, 3)}


def test_receptive_field_of_a_model_is_what_its_gradient_reaches():
    model = sequential()
    rows, columns = (receptive_field_of(model, axis=axis)["3"] for axis in (0, 1))
    measured = measured_receptive_field(model, (3, 80, 60), (9, 12), samples=64)
    assert measured == Box(rows.span(9), columns.span(12))


@pytest.mark.parametrize(
    "layer",
    [nn.Linear(2, 2), nn.Flatten(), nn.ConvTranspose2d(1, 1, 2), nn.MultiheadAttention(2, 1), nn.GroupNorm(1, 2)],
)
def test_layers_whose_windows_cannot_be_read(layer):
    with pytest.raises(ValueError, match=f"cannot read the windows of {type(layer).__name__} '1'"):
        receptive_field_of(nn.Sequential(nn.ReLU(), layer))


def test_axis_is_rows_or_columns():
    with pytest.raises(ValueError, match=r"axis must be 0 \(rows\) or 1 \(columns\), got 2"):
        windows_of(nn.ReLU(), axis=2)


# the measured field


def test_effective_field_of_averages_is_the_share_of_each_pixel():
    """Two 3-means in a row weigh pixels like 1 2 3 2 1, along each axis."""
    model = nn.Sequential(nn.AvgPool2d(3, 1), nn.AvgPool2d(3, 1)).double()
    field = effective_receptive_field(model, (1, 5, 5), samples=400)
    weights = torch.tensor([1.0, 2, 3, 2, 1])
    expected = weights[:, None] * weights / 81
    torch.testing.assert_close(field / field.sum(), expected.to(field))


def test_measuring_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout()).train()
    model[2].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    measured_receptive_field(model, (1, 9, 9))
    assert torch.equal(torch.get_rng_state(), state)
    assert [m.training for m in model.modules()] == [True, True, True, False]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_generator_chooses_the_inputs():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    one, two, again = (
        effective_receptive_field(model, (1, 5, 5), generator=torch.Generator().manual_seed(seed)) for seed in (1, 2, 1)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, two)


def test_measured_field_errors():
    model = nn.Conv2d(1, 1, 3)
    for bad in ((9, 9), (1, 0, 9)):
        with pytest.raises(ValueError, match="input_size must be three positive numbers"):
            measured_receptive_field(model, bad)
    for position in ((7, 0), (0, -1)):
        with pytest.raises(ValueError, match=r"position must lie in the 7 x 5 output, got \("):
            measured_receptive_field(model, (1, 9, 7), position)
    with pytest.raises(ValueError, match="samples must be >= 1, got 0"):
        measured_receptive_field(model, (1, 9, 9), samples=0)
    with pytest.raises(ValueError, match=r"the output must be a map \(N, C, H, W\), got shape \(16, 9\)"):
        measured_receptive_field(nn.Flatten(), (1, 3, 3))
    nn.init.zeros_(model.weight)
    with pytest.raises(ValueError, match="no pixel of the input moves the output at its middle"):
        measured_receptive_field(model, (1, 9, 9))
