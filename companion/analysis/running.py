"""Run a model for the sake of measuring it, and leave no trace."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy


@contextmanager
def undisturbed(model: nn.Module, *, training: bool = False) -> Iterator[None]:
    """Put the model into evaluation (or training) mode; afterwards restore modes, buffers and random states.

    Raises:
        ValueError: if the model holds a lazy parameter, whose first run would give it a shape.
    """
    if lazy := [name for name, parameter in model.named_parameters() if is_lazy(parameter)]:
        raise ValueError(f"run the model once before: {lazy[0]!r} has no shape yet")
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    devices = {p.device for p in model.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(devices, key=str)):
        try:
            model.train(training)
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            with torch.no_grad():
                for buffer, value in buffers:
                    buffer.copy_(value)


def example_input(model: nn.Module, input_size: tuple[int, ...], *, batch_size: int = 1) -> Tensor:
    """Return zeros of shape (batch_size, *input_size) with the model's dtype, on its device.

    Raises:
        ValueError: if a size is not positive, or there is none.
    """
    if not input_size or min(input_size) < 1:
        raise ValueError(f"input_size must be positive numbers, the shape of one example, got {input_size}")
    like = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(()))
    return torch.zeros(batch_size, *input_size, dtype=like.dtype, device=like.device)
