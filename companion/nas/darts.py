"""DARTS: one network that holds all candidates at once, and a gradient that says which of them to keep.

Letters: B pictures, C channels, H rows, W columns.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from companion.nas.network import OPERATIONS, check_operations, skeleton
from companion.nas.space import Cell, CellSpace

Examples = tuple[Tensor, Tensor]
"""All inputs (N, C, H, W) and all class indices (N,)."""


class MixedOperation(nn.Module):
    """All operations at once, weighted: sum over o of p_o * o(x); (B, C, H, W) -> (B, C, H, W).

    Source: Liu, Simonyan & Yang 2019, "DARTS", arXiv:1806.09055, equation 2. The norms have no weights of their
    own, as there: they could undo what p does.
    """

    def __init__(self, operations: tuple[str, ...], channels: int) -> None:
        super().__init__()
        self.operations = nn.ModuleList(OPERATIONS[name](channels, False) for name in operations)

    def forward(self, x: Tensor, probabilities: Tensor) -> Tensor:
        """Return the weighted sum; probabilities are (operations,)."""
        outputs = [p * operation(x) for p, operation in zip(probabilities, self.operations, strict=True)]
        return torch.stack(outputs).sum(0)


class MixedCell(nn.Module):
    """A cell with a mixed operation on every edge; (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, space: CellSpace, channels: int) -> None:
        super().__init__()
        self.ends = space.edges
        self.edges = nn.ModuleList(MixedOperation(space.operations, channels) for _ in space.edges)

    def forward(self, x: Tensor, probabilities: Tensor) -> Tensor:
        """Return the output node; probabilities are (edges, operations)."""
        sums = {0: x}
        for (i, j), edge, p in zip(self.ends, self.edges, probabilities, strict=True):
            arrived = edge(sums[i], p)
            sums[j] = sums[j] + arrived if j in sums else arrived
        return sums[len(sums) - 1]


class Supernet(nn.Module):
    """The network of `CellNetwork` with all operations on all edges, and one table of alphas for all its cells.

    Args:
        space: the cells that it holds at once.
        channels, stages, cells_per_stage, num_classes, in_channels: as in `CellNetwork`.

    Attributes:
        alphas: (edges, operations); their softmax over operations weighs them. All zero at first.

    Shape:
        (B, in_channels, H, W) -> (B, num_classes), logits.

    Raises:
        ValueError: as `CellNetwork`.

    Source: Liu, Simonyan & Yang 2019, arXiv:1806.09055, section 2. Differs: the cells are those of `CellSpace`.
    """

    def __init__(
        self,
        space: CellSpace,
        *,
        channels: int = 8,
        stages: int = 2,
        cells_per_stage: int = 1,
        num_classes: int = 10,
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        check_operations(space)
        self.stem, self.stages, self.head = skeleton(
            lambda width: MixedCell(space, width), channels, stages, cells_per_stage, num_classes, in_channels
        )
        self.alphas = nn.Parameter(torch.zeros(len(space.edges), len(space.operations)))

    def weights(self) -> Iterator[nn.Parameter]:
        """All parameters but the alphas."""
        return (parameter for parameter in self.parameters() if parameter is not self.alphas)

    def probabilities(self) -> Tensor:
        """Return the softmax of the alphas, (edges, operations); rows sum to 1."""
        return self.alphas.softmax(-1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, in_channels, H, W) -> (B, num_classes)."""
        probabilities = self.probabilities()
        x = self.stem(x)
        for layer in self.stages:
            x = layer(x, probabilities) if isinstance(layer, MixedCell) else layer(x)
        logits: Tensor = self.head(x)
        return logits


@dataclass
class DartsHistory:
    """What a search left behind; entry i of the losses belongs to epoch i.

    `probabilities` starts with those before the first epoch, so it has one entry more; each is (edges, operations).
    """

    probabilities: list[Tensor] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)


def search_darts(
    supernet: Supernet,
    weight_optimizer: torch.optim.Optimizer,
    alpha_optimizer: torch.optim.Optimizer,
    train: Examples,
    validation: Examples,
    *,
    epochs: int,
    batch_size: int = 64,
    penalty: Callable[[Tensor], Tensor] | None = None,
    seed: int = 0,
) -> DartsHistory:
    """Train weights and alphas in turn, each on data of its own: first-order DARTS.

    Before each step of the weights on a batch of training examples, the alphas take one on a batch of validation
    examples, with the weights held as they are.

    Args:
        supernet: trained in place.
        weight_optimizer: of `supernet.weights()`.
        alpha_optimizer: of `[supernet.alphas]`.
        train: examples that the weights learn from.
        validation: other examples, that the alphas learn from.
        epochs: passes through the training examples, >= 1.
        batch_size: examples per step, >= 1.
        penalty: added to the loss of the alphas, from the probabilities to a 0-d tensor; such as an expected cost.
        seed: of the order of the examples.

    Raises:
        ValueError: for epochs or batch_size < 1, or no examples.
        FloatingPointError: if a loss is not finite.

    Source: Liu, Simonyan & Yang 2019, arXiv:1806.09055, algorithm 1 with xi = 0.
    """
    if epochs < 1 or batch_size < 1:
        raise ValueError(f"epochs and batch_size must be >= 1, got {epochs} and {batch_size}")
    if not len(train[1]) or not len(validation[1]):
        raise ValueError(f"need examples of both kinds, got {len(train[1])} and {len(validation[1])}")
    generator = torch.Generator().manual_seed(seed)
    history = DartsHistory(probabilities=[supernet.probabilities().detach()])
    supernet.train()
    stream = _endless(validation, batch_size, generator)
    for _ in range(epochs):
        sums = [0.0, 0.0]
        batches = list(_batches(train, batch_size, generator))
        for batch in batches:
            sums[1] += _step(supernet, alpha_optimizer, next(stream), penalty)
            sums[0] += _step(supernet, weight_optimizer, batch)
        history.loss.append(sums[0] / len(batches))
        history.validation_loss.append(sums[1] / len(batches))
        history.probabilities.append(supernet.probabilities().detach())
    return history


def derive(probabilities: Tensor, space: CellSpace, *, keep: int | None = None) -> Cell:
    """Return the cell that a search has settled on: the likeliest operation of each edge.

    Args:
        probabilities: (edges, operations).
        space: whose edges and operations these are.
        keep: None to take the likeliest on every edge, "none" included. A number to do as DARTS: never "none",
            and of the edges that end in a node only so many stay, those whose operation is the likeliest.

    Raises:
        ValueError: if the shape is not that of the space, keep is < 1, or the space has no "none" to cut edges by.

    Source: arXiv:1806.09055, section 2.4 (keep = 2); arXiv:2001.00326 for None.

    Example:
        >>> space = CellSpace(3, ("none", "skip", "conv_3x3"))
        >>> table = torch.tensor([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5], [0.0, 0.6, 0.4]])
        >>> derive(table, space), derive(table, space, keep=1)
        (('none', 'conv_3x3', 'skip'), ('skip', 'none', 'skip'))
    """
    shape = (len(space.edges), len(space.operations))
    if probabilities.shape != shape:
        raise ValueError(f"probabilities must be {shape}, got {tuple(probabilities.shape)}")
    if keep is None:
        return tuple(space.operations[i] for i in probabilities.argmax(-1).tolist())
    if keep < 1 or "none" not in space.operations:
        raise ValueError(f"keep must be >= 1 and the space must have 'none', got {keep} and {space.operations}")
    allowed = probabilities.clone()
    allowed[:, space.operations.index("none")] = -math.inf
    strength, choice = allowed.max(-1)
    cell = ["none"] * len(space.edges)
    for node in range(1, space.nodes):
        arriving = [edge for edge, (_, end) in enumerate(space.edges) if end == node]
        for edge in sorted(arriving, key=lambda e: -strength[e].item())[:keep]:
            cell[edge] = space.operations[int(choice[edge])]
    return tuple(cell)


def _step(
    supernet: Supernet,
    optimizer: torch.optim.Optimizer,
    batch: Examples,
    penalty: Callable[[Tensor], Tensor] | None = None,
) -> float:
    """Take one step of this optimizer's parameters alone; return the loss without the penalty."""
    loss = F.cross_entropy(supernet(batch[0]), batch[1])
    value = loss.item()
    if not math.isfinite(value):
        raise FloatingPointError(f"the loss became {value}: lower the learning rate, check the inputs")
    if penalty is not None:
        loss = loss + penalty(supernet.probabilities())
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    optimizer.step()
    return value


def _batches(examples: Examples, batch_size: int, generator: torch.Generator) -> Iterator[Examples]:
    order = torch.randperm(len(examples[1]), generator=generator).to(examples[1].device)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        yield examples[0][rows], examples[1][rows]


def _endless(examples: Examples, batch_size: int, generator: torch.Generator) -> Iterator[Examples]:
    while True:
        yield from _batches(examples, batch_size, generator)
