"""Parameters, multiply-accumulates, memory and the summary: against torch's flop counter and counts by hand."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from companion.analysis import (
    LayerCost,
    Memory,
    activation_memory,
    count_parameters,
    layer_costs,
    measured_receptive_field,
    multiply_accumulates,
    summary,
)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 around a shortcut, with one of its products written without a layer."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.reduce = nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.conv = nn.Conv2d(width, width, 3, padding=1, groups=2)
        self.expand = nn.Parameter(torch.randn(channels, width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + nn.functional.conv2d(self.conv(self.reduce(x)), self.expand)


class Products(nn.Module):
    """Matrix products in every form, and a layer in use twice under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.again = self.first
        self.weight = nn.Parameter(torch.randn(6, 6))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.again(self.first(x))  # (B, T, 6)
        scores = torch.baddbmm(x.new_zeros(1), x, x.mT)
        return torch.einsum("btd,de->bte", scores @ x, self.weight), scores


class Unused(nn.Module):
    """Holds a module that never runs, and one whose parameters it uses itself."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 3)
        self.aside = nn.Sequential(nn.Linear(3, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


MODELS = {
    "convolution": (nn.Conv2d(3, 8, (5, 3), stride=2, padding=1, dilation=2), (3, 21, 17)),
    "grouped": (nn.Conv2d(6, 9, 3, groups=3, bias=False), (6, 8, 8)),
    "depthwise": (nn.Conv2d(8, 16, 3, groups=8), (8, 9, 9)),
    "transposed": (nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1, groups=2), (4, 7, 5)),
    "one and three axes": (nn.Sequential(nn.Conv1d(2, 3, 3), nn.Unflatten(2, (2, 2, 2)), nn.Conv3d(3, 2, 2)), (2, 10)),
    "linear": (nn.Sequential(nn.Linear(7, 5), nn.Tanh(), nn.Linear(5, 3, bias=False)), (7,)),
    "linear on a sequence": (nn.Linear(7, 5), (4, 3, 7)),
    "convolutional network": (
        nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2), Bottleneck(8, 4),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10),
        ),
        (3, 12, 12),
    ),
    "products": (Products(), (5, 6)),
    "attention": (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (5, 8)),
    "recurrent": (nn.GRU(4, 6, batch_first=True), (3, 4)),
    "nothing to multiply": (nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), (1, 4, 4)),
    "double": (nn.Conv2d(2, 2, 3).double(), (2, 5, 5)),
}  # fmt: skip

models = pytest.mark.parametrize(("model", "input_size"), MODELS.values(), ids=MODELS)


@models
def test_multiply_accumulates_are_half_of_torchs_operations(model, input_size):
    dtype = next((p.dtype for p in model.parameters()), torch.float32)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model.eval()(torch.zeros(1, *input_size, dtype=dtype))
    assert 2 * multiply_accumulates(model, input_size) == counter.get_total_flops()


@models
def test_rows_add_up_to_the_model(model, input_size):
    for depth in (None, 0, 1, 2):
        rows = layer_costs(model, input_size, depth=depth)
        assert sum(row.parameters for row in rows) == count_parameters(model)
        assert sum(row.multiply_accumulates for row in rows) == multiply_accumulates(model, input_size)


def test_counts_by_hand():
    assert multiply_accumulates(nn.Conv2d(16, 32, 3, padding=1, groups=4), (16, 10, 10)) == 100 * 32 * 4 * 9
    assert multiply_accumulates(nn.ConvTranspose2d(16, 8, 4, stride=2), (16, 5, 5)) == 25 * 16 * 8 * 16
    assert multiply_accumulates(nn.Linear(20, 30), (20,)) == 600


def test_fused_kernels_are_opened():
    """torch's counter sees neither an LSTM's nor an attention's fused kernel on the CPU."""
    assert multiply_accumulates(nn.LSTM(5, 7, batch_first=True), (3, 5)) == 3 * 4 * (5 * 7 + 7 * 7)

    class Attention(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.scaled_dot_product_attention(x, x, x)

    assert multiply_accumulates(Attention(), (2, 5, 8)) == 2 * 2 * 5 * 5 * 8
    assert torch.backends.mkldnn.enabled
    assert torch.backends.mha.get_fastpath_enabled()


# rows


def test_a_row_for_every_layer_and_for_what_is_written_without_one():
    rows = layer_costs(nn.Sequential(nn.Conv2d(3, 8, 1), Bottleneck(8, 4)), (3, 6, 6))
    assert rows == [
        LayerCost("0", "Conv2d", (8, 6, 6), 32, 36 * 24),
        LayerCost("1.reduce.0", "Conv2d", (4, 6, 6), 32, 36 * 32),
        LayerCost("1.reduce.1", "BatchNorm2d", (4, 6, 6), 8, 0),
        LayerCost("1.reduce.2", "ReLU", (4, 6, 6), 0, 0),
        LayerCost("1.conv", "Conv2d", (4, 6, 6), 2 * 2 * 2 * 9 + 4, 36 * 2 * 2 * 2 * 9),
        LayerCost("1", "Bottleneck", (8, 6, 6), 32, 36 * 32),
    ]


def test_depth_folds_what_lies_deeper():
    model = nn.Sequential(nn.Conv2d(3, 8, 1), Bottleneck(8, 4))
    all_rows = layer_costs(model, (3, 6, 6))
    folded = layer_costs(model, (3, 6, 6), depth=1)
    assert [(row.name, row.kind) for row in folded] == [("0", "Conv2d"), ("1", "Bottleneck")]
    assert folded[1].parameters == sum(row.parameters for row in all_rows[1:])
    assert folded[1].multiply_accumulates == sum(row.multiply_accumulates for row in all_rows[1:])
    assert layer_costs(model, (3, 6, 6), depth=0)[0].name == ""
    assert layer_costs(model, (3, 6, 6), depth=2)[1].name == "1.reduce"


def test_a_shared_layer_has_two_rows_and_counts_once():
    first, again, rest = layer_costs(Products(), (5, 6))
    assert first == LayerCost("first", "Linear", (5, 6), 42, 5 * 36)
    assert again == LayerCost("first", "Linear", (5, 6), 0, 5 * 36, shared=True)
    assert rest == LayerCost("", "Products", (5, 6), 36, 5 * 36 + 2 * 5 * 5 * 6)


def test_two_layers_that_share_one_weight():
    one, two = nn.Linear(4, 4), nn.Linear(4, 4)
    two.weight = one.weight
    rows = layer_costs(nn.Sequential(one, two), (4,))
    assert [(row.parameters, row.shared) for row in rows] == [(20, False), (4, True)]


def test_parameters_of_modules_that_never_run_count_for_the_one_around():
    body, rest = layer_costs(Unused(), (4,))
    assert (body.name, body.parameters) == ("body", 15)
    assert (rest.name, rest.parameters, rest.multiply_accumulates) == ("", 8, 0)


def test_a_module_without_a_tensor_as_output():
    class Size(nn.Module):
        def forward(self, x: Tensor) -> int:
            return len(x)

    assert layer_costs(Size(), (3,)) == [LayerCost("", "Size", (), 0, 0)]


def test_counting_leaves_the_model_as_it_was():
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("runs", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.runs += 1
            return x + torch.rand(1)

    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(), Counting()).train()
    model[2].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    summary(model, (3,))
    activation_memory(model, (3,))
    assert torch.equal(torch.get_rng_state(), state)
    assert [m.training for m in model] == [True, True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in model.modules())
    with pytest.raises(RuntimeError):
        summary(model, (5,))
    assert [m.training for m in model] == [True, True, False, True]
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in model.modules())


# memory


def test_memory_of_a_linear_network_by_hand():
    model = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5))
    learned = 10 * 20 + 20 + 20 * 5 + 5
    got = activation_memory(model, (10,), batch_size=7)
    assert got == Memory(4 * learned, 4 * learned, 8 * learned, 4 * 7 * (10 + 20))  # the inputs of both layers
    assert got.total == sum(got)


def test_memory_of_a_convolutional_network_by_hand():
    """Kept: the picture, ReLU's output (also the pool's input), places of the maxima (8 bytes), the dropout's mask."""
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(), nn.Conv2d(8, 4, 1))
    picture, maps, pooled = 3 * 8 * 8, 8 * 8 * 8, 8 * 4 * 4
    one, four = (activation_memory(model, (3, 8, 8), batch_size=n).activations for n in (1, 4))
    assert four == 4 * one
    floats = picture + maps + pooled + pooled  # and the second convolution's input
    assert 4 * floats + 8 * pooled - 4 * pooled <= one <= 4 * floats + 8 * pooled  # the mask may be one byte
    half = activation_memory(model, (3, 8, 8), batch_size=1, dtype=torch.float16)
    assert half.weights == activation_memory(model, (3, 8, 8)).weights // 2
    assert one / 2 < half.activations < one  # the places stay whole numbers


def test_memory_that_does_not_grow_with_the_batch():
    """Batch norm keeps its input for each example, mean and deviation once for the batch."""
    model = nn.BatchNorm1d(6)
    one, five = (activation_memory(model, (6,), batch_size=n).activations for n in (1, 5))
    assert five - one == 4 * 4 * 6
    assert one == 4 * 6 + 4 * 2 * 6


def test_frozen_parameters_have_no_gradient_and_no_state():
    model = nn.Sequential(nn.Linear(4, 4).requires_grad_(False), nn.Linear(4, 2, bias=False))
    assert activation_memory(model, (4,), optimizer_states=1) == Memory(4 * 28, 4 * 8, 4 * 8, 4 * 4)
    assert activation_memory(model, (4,), optimizer_states=0).optimizer == 0


@pytest.mark.gpu
def test_gpu_equals_cpu():
    model = MODELS["convolutional network"][0]
    on_gpu = copy.deepcopy(model).cuda()
    state = torch.cuda.get_rng_state()
    assert layer_costs(on_gpu, (3, 12, 12)) == layer_costs(model, (3, 12, 12))
    ours, theirs = (activation_memory(m, (3, 12, 12), batch_size=4) for m in (model, on_gpu))
    assert theirs[:3] == ours[:3]
    assert torch.equal(torch.cuda.get_rng_state(), state)
    assert measured_receptive_field(on_gpu[0], (3, 9, 9)) == measured_receptive_field(model[0], (3, 9, 9))


# summary


def test_summary_reads_like_this():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 10))
    text = """
Sequential for one input of 1 × 5 × 5
layer  kind     output     parameters   share  MACs   share
───────────────────────────────────────────────────────────
0      Conv2d   4 × 3 × 3          40   9.8 %   324  47.4 %
1      ReLU     4 × 3 × 3
2      Flatten  36
3      Linear   10                370  90.2 %   360  52.6 %
───────────────────────────────────────────────────────────
total                             410           684
"""
    made = summary(model, (1, 5, 5))
    assert str(made) == repr(made) == text.strip()
    assert (made.parameters, made.trainable, made.multiply_accumulates) == (410, 410, 684)
    assert made.share(made.rows[3]) == (370 / 410, 360 / 684)


def test_summary_of_shared_frozen_and_empty_models():
    text = str(summary(Products().requires_grad_(False), (5, 6)))
    assert "as above" in text
    assert "(itself)" in text
    assert text.endswith("78 of the parameters are frozen.")
    assert str(summary(nn.ReLU(), (3,))).count("%") == 0


def test_summary_as_html_says_the_same():
    class Tricky(nn.Linear):
        pass

    Tricky.__name__ = "<Tricky>"
    made = summary(nn.Sequential(Tricky(3, 1), nn.Linear(1, 4).requires_grad_(False)), (3,))
    html = made._repr_html_()
    assert "&lt;Tricky&gt;" in html
    assert "<Tricky>" not in html
    assert html.count("<tr>") == 4
    assert "8 of the parameters are frozen." in html
    for cell in ("33.3 %", "66.7 %", "42.9 %", "57.1 %", ">12<", ">7<"):
        assert cell in html, cell
    assert "transparent 33.3%" in html
    assert 'tabindex="0"' in html


# errors


@pytest.mark.parametrize("function", [multiply_accumulates, summary, activation_memory, layer_costs])
def test_input_sizes_that_are_none(function):
    for bad in ((), (3, 0), (-1,)):
        with pytest.raises(ValueError, match="input_size must be positive numbers, the shape of one example, got"):
            function(nn.ReLU(), bad)
    with pytest.raises(ValueError, match="run the model once before: 'weight' has no shape yet"):
        function(nn.LazyLinear(3), (4,))


def test_other_errors():
    with pytest.raises(ValueError, match="depth must be >= 0, got -1"):
        summary(nn.ReLU(), (3,), depth=-1)
    with pytest.raises(ValueError, match="batch_size must be >= 1, got 0"):
        activation_memory(nn.ReLU(), (3,), batch_size=0)
    with pytest.raises(ValueError, match="optimizer_states must be >= 0, got -1"):
        activation_memory(nn.ReLU(), (3,), optimizer_states=-1)
    with pytest.raises(TypeError, match=r"dtype must be a floating type, got torch\.int64"):
        activation_memory(nn.ReLU(), (3,), dtype=torch.int64)
