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
    once and nobody draws first weights that are thrown away. Drawing millions of numbers takes long too: a tensor
    gets its part of a million drawn once (999,983 is a prime), from a place of its own on, so that no two are alike.
    """
    with torch.device("meta"):
        mine, reference = ours(), theirs()
    drawn = torch.randn(999_983, dtype=dtype)
    state = {name: _numbers(name, value, drawn) for name, value in reference.state_dict().items()}
    return Twins(_take(mine, match_state(mine, state)), _take(reference, state))


def _numbers(name: str, like: Tensor, drawn: Tensor) -> Tensor:
    if not like.is_floating_point():
        return torch.zeros(like.shape, dtype=like.dtype)
    if name.endswith("running_var"):
        return torch.rand(like.shape, dtype=drawn.dtype) + 0.5
    count, start = like.numel(), int(torch.randint(len(drawn), ()))
    enough = drawn if start + count <= len(drawn) else drawn.repeat(-(-(start + count) // len(drawn)))
    values = enough[start : start + count].view(like.shape)
    if like.ndim < 2:
        return values * 0.1 + (1.0 if name.endswith("weight") else 0.0)
    return values * (1.5 / like[0].numel()) ** 0.5


def _take(model: nn.Module, state: dict[str, Tensor]) -> nn.Module:
    counters = {n: torch.zeros((), dtype=torch.int64) for n in model.state_dict() if n.endswith("num_batches_tracked")}
    model.load_state_dict({**state, **counters}, assign=True)
    assert not any(t.is_meta for t in [*model.parameters(), *model.buffers()]), "a tensor outside the state dict"
    return model.eval()


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
