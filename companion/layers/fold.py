"""Batch normalization folded into the layer before it: in evaluation the two are one affine map."""

import copy
from collections import Counter
from typing import Any, TypeVar

import torch
from torch import Tensor, fx, nn

Model = TypeVar("Model", bound=nn.Module)
_NORM_OF: dict[type[nn.Module], type[nn.Module]] = {
    nn.Linear: nn.BatchNorm1d,
    nn.Conv1d: nn.BatchNorm1d,
    nn.Conv2d: nn.BatchNorm2d,
    nn.Conv3d: nn.BatchNorm3d,
}


def folded_parameters(
    weight: Tensor, bias: Tensor | None, norm: nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
) -> tuple[Tensor, Tensor]:
    """Return weight and bias of the layer that computes norm(layer(x)) of evaluation mode at once.

        weight' = weight * s,  bias' = (bias - mean) * s + shift   with   s = scale / sqrt(var + eps)

    Args:
        weight: of a convolution or linear layer, output channels first.
        bias: of the same layer; None counts as zeros.
        norm: batch normalization over the layer's output channels, with running statistics.

    Raises:
        ValueError: if the norm has another number of channels, or no running statistics (then its result
            depends on the batch, also in evaluation).

    Example:
        >>> norm = nn.BatchNorm2d(1, eps=0.0).eval()
        >>> norm.running_mean.fill_(2.0), norm.running_var.fill_(4.0)
        (tensor([2.]), tensor([4.]))
        >>> [t.flatten().tolist() for t in folded_parameters(torch.ones(1, 1, 1, 1), None, norm)]
        [[0.5], [-1.0]]
    """
    mean, var = norm.running_mean, norm.running_var
    if mean is None or var is None or norm.num_features != weight.shape[0]:
        raise ValueError(
            f"need running statistics of {weight.shape[0]} channels, got {norm} "
            f"with {'none' if mean is None else len(mean)}"
        )
    scale = (var + norm.eps).rsqrt()
    if norm.affine:
        scale = scale * norm.weight
    shift = -mean * scale if bias is None else (bias - mean) * scale
    if norm.affine:
        shift = shift + norm.bias
    return weight * scale.reshape(-1, *[1] * (weight.ndim - 1)), shift


@torch.no_grad()
def fold_batch_norm(model: Model) -> Model:
    """Return a copy in evaluation mode in which every batch norm that directly follows its layer is folded into it.

    The copy computes the same function with fewer operations; it is for use, not for training. A norm is folded
    where its only input is the output of one convolution or linear layer that nothing else reads; one that
    follows an addition, a concatenation or a pooling (as in pre-activation networks) stays where it is.
    After a linear layer the norm must see (B, C), as nearly always.
    Which layer follows which is read off the model's graph, not guessed from the order of its parts.

    Args:
        model: any module that `torch.fx` can trace; it is not changed.

    Returns:
        A model of the same class; folded norms have become `nn.Identity`, their layers have a bias.

    Raises:
        ValueError: if the model cannot be traced, because its `forward` branches on its input.

    Source: Jacob et al. 2018, arXiv:1712.05877, section 3.2.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        >>> [type(layer).__name__ for layer in fold_batch_norm(net)]
        ['Conv2d', 'Identity', 'ReLU']
    """
    model = copy.deepcopy(model).eval()
    for layer_name, norm_name in _pairs(model):
        layer: Any = model.get_submodule(layer_name)
        norm: Any = model.get_submodule(norm_name)
        weight, bias = folded_parameters(layer.weight, layer.bias, norm)
        layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
        parent, _, name = norm_name.rpartition(".")
        setattr(model.get_submodule(parent), name, nn.Identity())
    return model


def _pairs(model: nn.Module) -> list[tuple[str, str]]:
    """Return (layer, norm) names of all norms that can be folded, by the graph of the model."""
    try:
        graph = fx.Tracer().trace(model)
    except fx.proxy.TraceError as error:
        raise ValueError(f"cannot see the graph of {type(model).__name__}: its forward branches on data") from error
    calls = [node for node in graph.nodes if node.op == "call_module"]
    times = Counter(str(node.target) for node in calls)
    pairs = []
    for call in calls:
        layer, norm = call.all_input_nodes[0], str(call.target)
        alone = len(call.all_input_nodes) == 1 and layer.op == "call_module" and len(layer.users) == 1
        if alone and times[norm] == times[str(layer.target)] == 1:
            below, module = model.get_submodule(str(layer.target)), model.get_submodule(norm)
            if type(module) is _NORM_OF.get(type(below)) and module.track_running_stats:
                pairs.append((str(layer.target), norm))
    return pairs
