"""What a network costs by counting: nothing is computed, all tensors are shapes on the meta device."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from companion.analysis import LayerCost, count_parameters, layer_costs


def costs(build: Callable[[], nn.Module], side: int) -> dict[str, Any]:
    """Return parameters, multiply-accumulates, activations and the stages of a network for one RGB picture.

    Activations are the outputs of all convolutions, as in Radosavovic et al. 2020, arXiv:2003.13678; a linear layer
    on the channels of a map is a convolution of 1 x 1. A stage is a
    row (name, kind, output shape, parameters, MACs), with what lies deeper than two levels folded into it. Heads
    that only run in training count in the parameters.
    """
    with torch.device("meta"):
        model = build().eval()
    size = (3, side, side)
    outputs = 0

    def count(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        nonlocal outputs
        outputs += output.numel() if output.ndim == 4 else 0

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        model(torch.empty(1, *size, device="meta"))
    for hook in hooks:
        hook.remove()
    rows = layer_costs(model, size, depth=2)
    return {
        "side": side,
        "parameters": count_parameters(model),
        "macs": sum(row.multiply_accumulates for row in rows),
        "activations": outputs,
        "stages": [list(_fields(row)) for row in rows],
    }


def _fields(row: LayerCost) -> tuple[str, str, list[int], int, int]:
    return row.name, row.kind, list(row.output_shape), row.parameters, row.multiply_accumulates
