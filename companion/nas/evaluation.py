"""What a cell is worth: by a short training, or looked up in a table of such trainings."""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from companion.nas.space import Cell, CellSpace

Examples = tuple[Tensor, Tensor]
"""All inputs (N, C, H, W) and all class indices (N,)."""


def short_training(
    build: Callable[[], nn.Module],
    train: Examples,
    *held_out: Examples,
    epochs: int = 6,
    batch_size: int = 50,
    lr: float = 0.02,
    seed: int = 0,
) -> tuple[float, ...]:
    """Build a network, train it for a moment, and return its accuracy on each of the held-out sets.

    Adam, with a rate that falls to zero on a straight line.

    Args:
        build: makes the network; called under the seed, so its first weights depend on nothing else.
        train: what it learns from.
        *held_out: what it is judged by, one or more.
        epochs: passes through the training examples, >= 1.
        batch_size: examples per step, >= 1.
        lr: the first rate, > 0.
        seed: of the first weights and of the order of the examples; torch's own generator is left as it was.

    Raises:
        ValueError: for epochs or batch_size < 1, lr <= 0, or no training examples.

    Example:
        >>> x = torch.linspace(-1, 1, 40).reshape(-1, 1, 1, 1)
        >>> examples = x, (x[:, 0, 0, 0] > 0).long()
        >>> linear = lambda: nn.Sequential(nn.Flatten(), nn.Linear(1, 2))
        >>> short_training(linear, examples, examples, epochs=60, lr=0.5)
        (1.0,)
    """
    if epochs < 1 or batch_size < 1 or not lr > 0:
        raise ValueError(f"need epochs >= 1, batch_size >= 1 and lr > 0, got {epochs}, {batch_size} and {lr}")
    inputs, targets = train
    if not len(targets):
        raise ValueError("need training examples, got none")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build().to(inputs.device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    steps = epochs * -(-len(targets) // batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        order = torch.randperm(len(targets), generator=generator).to(inputs.device)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            optimizer.zero_grad()
            F.cross_entropy(model(inputs[rows]), targets[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    model.eval()
    with torch.no_grad():
        return tuple((model(x).argmax(1) == y).double().mean().item() for x, y in held_out)


class CellTable:
    """Scores of all cells of a space, looked up instead of trained for.

    Cells that compute the same (`CellSpace.signature`) share a row, so only one of each kind has to be given.

    Args:
        space: whose cells these are.
        scores: number of a cell (`CellSpace.index`) -> its scores, one per run, as many for every cell.

    Raises:
        ValueError: if there are no scores, or rows of different lengths; when asked, for a cell of another space
            or a run that is not in the table.
        KeyError: when asked, for a cell none of whose kind is in the table.

    Source: the idea of a tabular benchmark is that of Ying et al. 2019, arXiv:1902.09635.

    Example:
        >>> space = CellSpace(2, ("none", "skip"))
        >>> table = CellTable(space, {0: [0.1, 0.1], 1: [0.8, 0.6]})
        >>> table(("skip",)), table(("skip",), run=1), table.mean(("skip",))
        (0.8, 0.6, 0.7)
    """

    def __init__(self, space: CellSpace, scores: Mapping[int, Sequence[float]]) -> None:
        lengths = {len(row) for row in scores.values()}
        if len(lengths) != 1 or lengths == {0}:
            raise ValueError(f"need scores, as many for every cell, got {len(scores)} rows of lengths {lengths}")
        self.space, self.runs = space, lengths.pop()
        self.rows = {space.signature(space.cell(index)): tuple(row) for index, row in scores.items()}
        self._kinds: dict[Cell, str] = {}

    def row(self, cell: Cell) -> tuple[float, ...]:
        """Return the scores of all runs."""
        if cell not in self._kinds:
            self._kinds[cell] = self.space.signature(cell)
        return self.rows[self._kinds[cell]]

    def __call__(self, cell: Cell, *, run: int = 0) -> float:
        """Return the score of one run: what a search would have seen."""
        if not 0 <= run < self.runs:
            raise ValueError(f"run must lie in [0, {self.runs}), got {run}")
        return self.row(cell)[run]

    def mean(self, cell: Cell) -> float:
        """Return the mean over runs: closer to what the cell is worth."""
        return sum(self.row(cell)) / self.runs
