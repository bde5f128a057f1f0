"""What runs through a model: its signals and its gradients."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def gradient_norms(model: nn.Module, loss: Tensor) -> dict[str, float]:
    """Return the L2 norm of the loss's gradient with respect to the weight of each linear layer.

    Touches no `.grad` and keeps the graph, so that `loss.backward()` still works afterwards.

    Args:
        model: holds at least one `torch.nn.Linear` that learns.
        loss: a 0-d tensor computed with the model.

    Returns:
        Norms by parameter name ("layers.0.weight", ...), in the order in which the model registers its
        layers. A layer that the loss does not depend on has the norm 0.

    Raises:
        ValueError: if the loss is not 0-d or carries no graph, or if there is no linear layer.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> gradient_norms(layer, layer(torch.tensor([3., 4.])).sum())
        {'weight': 5.0}
    """
    if loss.ndim != 0 or not loss.requires_grad:
        raise ValueError(f"loss must be a 0-d tensor with a graph, got shape {tuple(loss.shape)}, {loss.grad_fn=}")
    weights = {
        f"{name}.weight".removeprefix("."): layer.weight
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and layer.weight.requires_grad
    }
    if not weights:
        raise ValueError(f"{type(model).__name__} holds no linear layer that learns")
    gradients = torch.autograd.grad(loss, list(weights.values()), retain_graph=True, materialize_grads=True)
    return {name: gradient.norm().item() for name, gradient in zip(weights, gradients, strict=True)}


@torch.no_grad()
def activation_std(model: nn.Module, x: Tensor) -> list[float]:
    """Return the standard deviation of each linear layer's output (the pre-activations), in the order of use.

    Taken over all examples and units at once, as the root mean square distance from their mean. The model
    stays in the mode (training or evaluation) in which it is.

    Raises:
        ValueError: if the model uses no linear layer.

    Example:
        >>> double = nn.Linear(1, 1)
        >>> double.weight.data, double.bias.data = torch.tensor([[2.]]), torch.tensor([5.])
        >>> activation_std(nn.Sequential(double, nn.Identity(), double), torch.tensor([[-1.], [1.]]))
        [2.0, 4.0]
    """
    stds: list[float] = []

    def record(_layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        stds.append(output.std(correction=0).item())

    hooks = [layer.register_forward_hook(record) for layer in model.modules() if isinstance(layer, nn.Linear)]
    try:
        model(x)
    finally:
        for hook in hooks:
            hook.remove()
    if not stds:
        raise ValueError(f"{type(model).__name__} uses no linear layer")
    return stds


def finite_difference_check(
    f: Callable[[Tensor], Tensor | float], x: Tensor, gradient: Tensor | None = None, *, eps: float = 1e-5
) -> float:
    r"""Compare a gradient with central differences, (f(x + eps e_i) - f(x - eps e_i)) / (2 eps), in float64.

    Args:
        f: a function of a float64 tensor of x's shape, with one number as its value.
        x: where to compare; not changed. Stay away from kinks such as ReLU's.
        gradient: what to check, of x's shape; by default what torch's autograd says of f.
        eps: half the distance between the two points.

    Returns:
        The largest difference of two entries, relative to the largest entry of both gradients. About 1e-9 for
        a smooth f of ordinary size; a wrong formula gives 1e-3 and more.

    Raises:
        ValueError: if the gradient has another shape, x is empty or not finite, or eps <= 0.

    Example:
        >>> x = torch.tensor([1.0, 2.0])
        >>> finite_difference_check(lambda x: (x**3).sum(), x) < 1e-8
        True
        >>> finite_difference_check(lambda x: (x**3).sum(), x, gradient=3 * x) > 0.1       # no square
        True
    """
    if not eps > 0:
        raise ValueError(f"eps must be > 0, got {eps}")
    if not x.numel() or not x.isfinite().all():
        raise ValueError(f"x must be finite and not empty, got {x}")
    x = x.detach().double().clone()
    if gradient is None:
        at = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(torch.as_tensor(f(at)), at)
    if gradient.shape != x.shape:
        raise ValueError(f"the gradient must have x's shape {tuple(x.shape)}, got {tuple(gradient.shape)}")
    numeric = torch.empty_like(x)
    with torch.no_grad():
        for i in range(x.numel()):
            nudge = torch.zeros_like(x)
            nudge.view(-1)[i] = eps
            numeric.view(-1)[i] = (float(f(x + nudge)) - float(f(x - nudge))) / (2 * eps)
    largest = max(gradient.abs().max().item(), numeric.abs().max().item())
    return (gradient - numeric).abs().max().item() / largest if largest else 0.0
