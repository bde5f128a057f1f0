"""Two libraries, one network: the reference filled with random numbers, ours with the same ones."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from companion.weights import match_state


class Twins(NamedTuple):
    """Our model and the reference with equal weights, in evaluation mode."""

    ours: nn.Module
    theirs: nn.Module


def reference_twin(
    ours: Callable[[], nn.Module], theirs: Callable[[], nn.Module], *, dtype: torch.dtype = torch.float64
) -> Twins:
    """Build both, draw the reference's state afresh, batch-norm statistics too, and lay it into ours in order.

    Both are built on the meta device and share the memory of the numbers, so that even a giant costs its weights
    once and nobody draws first weights that are thrown away.
    """
    with torch.device("meta"):
        mine, reference = ours(), theirs()
    state = {name: _numbers(name, value, dtype) for name, value in reference.state_dict().items()}
    reference.load_state_dict(state, assign=True)
    matched = match_state(mine, state)
    counters = {n: torch.zeros((), dtype=torch.int64) for n in mine.state_dict() if n.endswith("num_batches_tracked")}
    mine.load_state_dict({**matched, **counters}, assign=True)
    for model in (mine, reference):
        assert not any(t.is_meta for t in [*model.parameters(), *model.buffers()]), "a tensor outside the state dict"
    return Twins(mine.eval(), reference.eval())


def _numbers(name: str, like: Tensor, dtype: torch.dtype) -> Tensor:
    if not like.is_floating_point():
        return torch.zeros(like.shape, dtype=like.dtype)
    if name.endswith("running_var"):
        return torch.rand(like.shape, dtype=dtype) + 0.5
    if like.ndim < 2:
        return torch.randn(like.shape, dtype=dtype) * 0.1 + (1.0 if name.endswith("weight") else 0.0)
    fan_in = like[0].numel()
    return torch.randn(like.shape, dtype=dtype) * (1.5 / fan_in) ** 0.5


def logits_of(twins: Twins, *, size: int = 64, batch: int = 2, in_channels: int = 3) -> tuple[Tensor, Tensor]:
    """Return the logits of both on the same random pictures."""
    like = next(twins.ours.parameters())
    x = torch.randn(batch, in_channels, size, size, dtype=like.dtype)
    with torch.inference_mode():
        return twins.ours(x), twins.theirs(x)


def assert_same_logits(twins: Twins, *, size: int = 64, batch: int = 2, tolerance: float = 1e-9) -> None:
    """Fail unless both networks say the same of random pictures, and do not say the same of every picture."""
    mine, reference = logits_of(twins, size=size, batch=batch)
    torch.testing.assert_close(mine, reference, rtol=tolerance, atol=tolerance * reference.abs().max().item())
    assert not torch.allclose(reference[0], reference[1]), "the logits do not depend on the picture"
    assert reference.isfinite().all()
