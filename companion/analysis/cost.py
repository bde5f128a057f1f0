"""What a model costs: parameters, multiply-accumulates (MACs), memory in training; layer by layer."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from companion.analysis.running import example_input, undisturbed

aten = torch.ops.aten


class LayerCost(NamedTuple):
    """One use of a layer.

    Args:
        name: where the layer lies in the model ("features.0"; "" is the model itself).
        kind: its class.
        output_shape: shape of one example's output, without the batch; () if it returns no tensor.
        parameters: how many numbers it learns, those that an earlier row counted left out.
        multiply_accumulates: products that it adds up, for one example.
        shared: whether an earlier row used the same parameters.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    multiply_accumulates: int
    shared: bool = False


class Memory(NamedTuple):
    """Bytes that one training step needs at the least."""

    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        """All four together."""
        return sum(self)


def count_parameters(model: nn.Module) -> int:
    """Return how many numbers the model's parameters hold; one used twice counts once, buffers do not count.

    Example:
        >>> count_parameters(nn.Linear(64, 10))                     # 64 * 10 weights and 10 biases
        650
    """
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_accumulates(model: nn.Module, input_size: tuple[int, ...]) -> int:
    """Return how many products the model adds up for one example, in convolutions and matrix products.

    Counted is every convolution, transposed convolution and matrix product that runs, inside a layer or not (so
    linear layers, attention and the steps of a recurrent layer too). Not counted are biases, activations, pooling,
    norms, and products number by number. A padded zero counts like any pixel. This is half of what
    `torch.utils.flop_counter.FlopCounterMode` counts, in which a multiply-accumulate is two operations. (Of fused
    kernels, an LSTM's or attention's on the CPU, that one sees nothing; here they are opened.)

    Args:
        model: runs once on a batch of one, in evaluation mode, and is left as it was.
        input_size: shape of one example, without the batch: (C, H, W) for an image.

    Raises:
        ValueError: if a size is not positive, or the model is lazy and has not run yet.

    Example:
        >>> multiply_accumulates(nn.Conv2d(3, 8, 5, padding=2), (3, 10, 10))     # 10 * 10 places, 8 * 3 * 25 products
        60000
    """
    return sum(row.multiply_accumulates for row in layer_costs(model, input_size))


def layer_costs(model: nn.Module, input_size: tuple[int, ...], *, depth: int | None = None) -> list[LayerCost]:
    """Return what each layer costs, one row per use, in the order in which they end.

    A layer is a module without modules inside, or one `depth` levels down, for everything inside it. What a module
    further out computes or holds itself gets a row of its own after what is inside it. A parameter whose module
    never runs is counted for the module around it that does. So rows add up to the whole model.

    Args:
        model: runs once on a batch of one, in evaluation mode, and is left as it was.
        input_size: shape of one example, without the batch.
        depth: how many levels down to look, >= 0; by default all. 0 is the whole model as one row.

    Raises:
        ValueError: as `multiply_accumulates`, or if depth is negative.

    Example:
        >>> for row in layer_costs(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), (4,)):
        ...     print(row.name, row.kind, row.output_shape, row.parameters, row.multiply_accumulates)
        0 Linear (3,) 15 12
        1 ReLU (3,) 0 0
    """
    if depth is not None and depth < 0:
        raise ValueError(f"depth must be >= 0, got {depth}")
    x = example_input(model, input_size)
    recorder = _Recorder(model, depth)
    with undisturbed(model), torch.no_grad(), _plain_kernels(), recorder.listening(), _CountProducts(recorder):
        model(x)
    return recorder.rows()


def activation_memory(
    model: nn.Module,
    input_size: tuple[int, ...],
    *,
    batch_size: int = 1,
    dtype: torch.dtype | None = None,
    optimizer_states: int = 2,
) -> Memory:
    """Return the bytes that a training step keeps: weights, gradients, optimizer state and activations.

    Activations are what autograd really saves in the forward pass for the backward pass (inputs of convolutions,
    outputs of ReLUs, places of maxima, ...), each tensor counted once. They grow with the batch; the others do not.
    Buffers that kernels use for a moment, and what an allocator rounds up, come on top.

    Args:
        model: runs twice on small batches, in training mode, and is left as it was.
        input_size: shape of one example, without the batch.
        batch_size: number of examples in a step, >= 1.
        dtype: floating type of everything that is one; by default the model's own.
        optimizer_states: numbers kept per parameter: 0 for SGD, 1 with momentum, 2 for Adam.

    Raises:
        TypeError: if dtype is no floating type.
        ValueError: if a size is not positive, or a number of states is negative.

    Example:
        >>> activation_memory(nn.Linear(100, 10), (100,), batch_size=32)     # 1010 parameters; the input is kept
        Memory(weights=4040, gradients=4040, optimizer=8080, activations=12800)
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be >= 1, got {batch_size}")
    if optimizer_states < 0:
        raise ValueError(f"optimizer_states must be >= 0, got {optimizer_states}")
    if dtype is not None and not dtype.is_floating_point:
        raise TypeError(f"dtype must be a floating type, got {dtype}")

    def size(tensor: Tensor) -> int:
        return dtype.itemsize if dtype is not None and tensor.is_floating_point() else tensor.element_size()

    two, three = (_saved_bytes(model, example_input(model, input_size, batch_size=n), size) for n in (2, 3))
    weights = sum(p.numel() * size(p) for p in model.parameters())
    learned = sum(p.numel() * size(p) for p in model.parameters() if p.requires_grad)
    activations = two + (batch_size - 2) * (three - two)  # some are kept per batch, the others per example
    return Memory(weights, learned, optimizer_states * learned, activations)


def _saved_bytes(model: nn.Module, x: Tensor, size: Callable[[Tensor], int]) -> int:
    own: set[int] = set()
    saved: dict[int, int] = {}
    graph = []  # keeps what was saved alive, so that no storage is used twice

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes() // tensor.element_size() * size(tensor)
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with undisturbed(model, training=True), torch.enable_grad(), hooks:
        own.update(t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers()))
        graph.append(model(x))
    return sum(saved.values())


class _Recorder:
    """Follows which layer is running, by hooks, and books what is counted to the innermost one."""

    def __init__(self, model: nn.Module, depth: int | None) -> None:
        def level(name: str) -> int:
            return name.count(".") + 1 if name else 0

        self.model = model
        self.modules = {name: m for name, m in model.named_modules() if depth is None or level(name) <= depth}
        self.calls: list[tuple[str, tuple[int, ...], int]] = []  # name, output shape, multiply-accumulates
        self.running: list[int] = []  # what each running layer has counted so far

    def add(self, count: int) -> None:
        self.running[-1] += count

    @contextmanager
    def listening(self) -> Iterator[None]:
        with ExitStack() as hooks:
            for name, module in self.modules.items():
                hooks.callback(module.register_forward_pre_hook(lambda *_: self.running.append(0)).remove)
                hooks.callback(module.register_forward_hook(partial(self._end, name)).remove)
            yield

    def _end(self, name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        tensors = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
        self.calls.append((name, tuple(tensors[0].shape[1:]) if tensors else (), self.running.pop()))

    def rows(self) -> list[LayerCost]:
        called = {name for name, _, _ in self.calls}
        holds: dict[str, dict[int, int]] = {name: {} for name in called}  # the parameters of each, with their sizes
        for name, module in self.model.named_modules(remove_duplicate=False):
            owner = next(listed for path in _outwards(name) if (listed := self._listed(path)) in called)
            holds[owner].update({id(p): p.numel() for p in module.parameters(recurse=False)})
        rows, seen = [], set[int]()
        for name, shape, macs in self.calls:
            new = holds[name].keys() - seen
            outer = any(other != name and other.startswith(f"{name}." if name else "") for other in called)
            if not outer or new or macs:
                parameters = sum(holds[name][i] for i in new)
                kind = type(self.modules[name]).__name__
                rows.append(LayerCost(name, kind, shape, parameters, macs, shared=len(new) < len(holds[name])))
            seen |= new
        return rows

    def _listed(self, path: str) -> str:
        """Return the name under which the module at `path` is listed, if it is (a shared one has several paths)."""
        module = self.model.get_submodule(path)
        return next((name for name, listed in self.modules.items() if listed is module), path)


def _outwards(name: str) -> Iterator[str]:
    """Yield "a.b.c", "a.b", "a", ""."""
    while name:
        yield name
        name = name.rpartition(".")[0]
    yield ""


class _CountProducts(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation that torch runs, and counts the products of convolutions and matrix products."""

    def __init__(self, recorder: _Recorder) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.recorder = recorder

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        count = _PRODUCTS.get(func.overloadpacket)
        if count:
            self.recorder.add(count(args, out))
        return out


def _convolution(args: Any, out: Tensor) -> int:
    x, weight, transposed = args[0], args[1], args[6]
    places = x.numel() if transposed else out.numel()  # each cell on the side of weight's first axis ...
    return int(places * prod(weight.shape[1:]))  # ... meets that many weights


def _inner(args: Any, out: Tensor, *, first: int) -> int:
    return out.numel() * int(args[first].shape[-1])


_PRODUCTS: dict[Any, Callable[[Any, Tensor], int]] = {
    aten.convolution: _convolution,
    aten.mm: partial(_inner, first=0),
    aten.bmm: partial(_inner, first=0),
    aten.addmm: partial(_inner, first=1),
    aten.baddbmm: partial(_inner, first=1),
}


@contextmanager
def _plain_kernels() -> Iterator[None]:
    """Switch off fused attention and recurrent kernels, so that their matrix products become visible."""
    attention, onednn = torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.enabled
    try:
        torch.backends.mha.set_fastpath_enabled(False)
        torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(attention)
        torch.backends.mkldnn.enabled = onednn
