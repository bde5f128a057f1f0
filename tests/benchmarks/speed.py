"""Two networks timed side by side: the same pictures, the same settings, turn by turn in one run.

On a CPU the clock is that of the processor's work on one thread, which other programs disturb less than the clock on
the wall; on a GPU it is the wall's, read when the GPU has finished.
"""

import contextlib
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Step = Callable[[nn.Module], object]


def logits(output: Tensor | tuple[Tensor, ...]) -> list[Tensor]:
    """Return the logits of a network, those of auxiliary heads too."""
    return [output] if isinstance(output, Tensor) else [z for z in output if z is not None]


def half_where_on_gpu(x: Tensor) -> contextlib.AbstractContextManager[object]:
    """Compute in bfloat16 on a GPU, in the network's own precision on a CPU."""
    return torch.autocast("cuda", torch.bfloat16) if x.is_cuda else contextlib.nullcontext()


def inference(x: Tensor) -> Step:
    """Return a step that answers to the pictures x, (B, C, H, W)."""

    def step(model: nn.Module) -> None:
        with torch.inference_mode(), half_where_on_gpu(x):
            model(x)

    return step


def training(x: Tensor, y: Tensor) -> Step:
    """Return a step that learns from pictures x, (B, C, H, W), and classes y, (B,): forward, backward, SGD."""

    def step(model: nn.Module) -> None:
        with half_where_on_gpu(x):
            loss = sum(F.cross_entropy(z.float(), y) for z in logits(model(x)))
        loss.backward()
        with torch.no_grad():
            learners = [p for p in model.parameters() if p.grad is not None]
            torch._foreach_add_(learners, [p.grad for p in learners], alpha=-1e-6)
        model.zero_grad(set_to_none=True)

    return step


def ratio(step: Step, ours: nn.Module, theirs: nn.Module, *, rounds: int) -> float:
    """Return the reference's time over ours: the median over rounds in which each goes once, in turns first."""
    for _ in range(2):
        for model in (ours, theirs):
            step(model)
    return statistics.median(_round(step, ours, theirs, ours_first=i % 2 == 0) for i in range(rounds))


def _round(step: Step, ours: nn.Module, theirs: nn.Module, *, ours_first: bool) -> float:
    order = (ours, theirs) if ours_first else (theirs, ours)
    seconds = [_seconds(step, model) for model in order]
    mine, reference = seconds if ours_first else seconds[::-1]
    return reference / mine


def _seconds(step: Step, model: nn.Module) -> float:
    if next(model.parameters()).is_cuda:
        torch.cuda.synchronize()
        start = time.perf_counter()
        step(model)
        torch.cuda.synchronize()
        return time.perf_counter() - start
    start = time.process_time()
    step(model)
    return time.process_time() - start
