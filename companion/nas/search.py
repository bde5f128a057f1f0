"""Searches that try one candidate after the other: at random, by evolution, by a policy that learns.

All take the same two things, a space and a function that says what a cell is worth (larger is better), and spend the
same budget: one call of that function per candidate, repetitions counted too.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate

import torch
from torch import Tensor

from companion.nas.space import Cell, CellSpace

Evaluate = Callable[[Cell], float]
"""What a cell is worth, such as its held-out accuracy; larger is better."""


@dataclass
class SearchHistory:
    """What a search tried, in order.

    `parents` holds, for each cell, the entry of the cell that it is a mutation of, or None. `probabilities` holds,
    for a search with a policy, the policy before each cell was drawn, (edges, operations).
    """

    cells: list[Cell] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    parents: list[int | None] = field(default_factory=list)
    probabilities: list[Tensor] = field(default_factory=list)

    @property
    def best(self) -> int:
        """Entry with the highest score, the first of several."""
        return max(range(len(self.scores)), key=self.scores.__getitem__)

    @property
    def best_so_far(self) -> list[float]:
        """The highest score among the first entries, after each of them."""
        return list(accumulate(self.scores, max))


def random_search(space: CellSpace, evaluate: Evaluate, *, budget: int, generator: torch.Generator) -> SearchHistory:
    """Draw cells at random, all equally likely: what every other search has to beat.

    Args:
        space: where to search.
        evaluate: what a cell is worth.
        budget: number of cells to evaluate, >= 1.
        generator: source of all chance.

    Raises:
        ValueError: if the budget is < 1, or a score is not a finite number.

    Source: Li & Talwalkar 2019, arXiv:1902.07638, on random search as the measure of architecture search.

    Example:
        >>> space = CellSpace(3, ("skip", "conv_3x3"))
        >>> found = random_search(
        ...     space, lambda cell: cell.count("conv_3x3"), budget=20, generator=torch.Generator().manual_seed(0)
        ... )
        >>> found.cells[found.best]
        ('conv_3x3', 'conv_3x3', 'conv_3x3')
    """
    _check_budget(budget)
    history = SearchHistory()
    for _ in range(budget):
        _try(history, space.sample(generator), evaluate)
    return history


def regularized_evolution(
    space: CellSpace,
    evaluate: Evaluate,
    *,
    budget: int,
    generator: torch.Generator,
    population: int = 20,
    tournament: int = 5,
    aging: bool = True,
) -> SearchHistory:
    """Let cells have mutated children; with aging, the oldest one dies, however good it was.

    The first `population` cells are drawn at random. Then, again and again: draw `tournament` cells of the
    population, mutate the best of them on one edge, add the child, and remove a cell.

    Args:
        space: where to search.
        evaluate: what a cell is worth.
        budget: number of cells to evaluate, >= 1; the first population counts too.
        generator: source of all chance.
        population: number of cells alive, >= 1.
        tournament: number of cells that compete to be the parent, 1 to `population`; drawn with replacement.
        aging: whether the oldest cell dies ("regularized") or the worst.

    Raises:
        ValueError: if the budget or the population is < 1, the tournament is not in 1 ... population, or a score
            is not a finite number.

    Source: Real et al. 2019, "Regularized Evolution for Image Classifier Architecture Search", arXiv:1802.01548,
    algorithm 1. Differs: every mutation changes something (theirs also has one that does not).
    """
    _check_budget(budget)
    if population < 1 or not 1 <= tournament <= population:
        raise ValueError(f"need 1 <= tournament <= population, got {tournament} and {population}")
    history, alive = SearchHistory(), list[int]()
    for entry in range(budget):
        if entry < population:
            _try(history, space.sample(generator), evaluate)
        else:
            drawn = torch.randint(population, (tournament,), generator=generator).tolist()
            parent = max((alive[i] for i in drawn), key=history.scores.__getitem__)
            _try(history, space.mutate(history.cells[parent], generator), evaluate, parent)
        alive.append(entry)
        if len(alive) > population:
            alive.remove(alive[0] if aging else min(alive, key=history.scores.__getitem__))
    return history


def reinforce_search(
    space: CellSpace,
    evaluate: Evaluate,
    *,
    budget: int,
    generator: torch.Generator,
    lr: float = 1.0,
    decay: float = 0.9,
) -> SearchHistory:
    r"""Draw cells from a policy, and make what was better than expected more likely.

        theta <- theta + lr * (score - baseline) * d log p(cell) / d theta

    The policy is one softmax over the operations for each edge, so log p is a sum over edges and its derivative
    is, edge by edge, the choice (one-hot) less the probabilities. The baseline is a running mean of the scores.

    Args:
        space: where to search.
        evaluate: what a cell is worth.
        budget: number of cells to evaluate, >= 1.
        generator: source of all chance.
        lr: step size, > 0; in units of one over the score's.
        decay: how much of the baseline stays in each step, in [0, 1).

    Raises:
        ValueError: if the budget is < 1, lr or decay is out of range, or a score is not a finite number.

    Source: Zoph & Le 2017, arXiv:1611.01578, section 3.2; Williams 1992. Differs: no recurrent controller (each
    edge decides for itself), one cell a step.
    """
    _check_budget(budget)
    if not lr > 0 or not 0 <= decay < 1:
        raise ValueError(f"need lr > 0 and 0 <= decay < 1, got {lr} and {decay}")
    history, theta = SearchHistory(), torch.zeros(len(space.edges), len(space.operations), dtype=torch.float64)
    baseline, one_hot = 0.0, torch.eye(len(space.operations), dtype=torch.float64)
    for _ in range(budget):
        probabilities = theta.softmax(-1)  # (edges, operations)
        chosen = torch.multinomial(probabilities, 1, generator=generator)[:, 0]
        history.probabilities.append(probabilities)
        score = _try(history, tuple(space.operations[i] for i in chosen.tolist()), evaluate)
        baseline = score if len(history.scores) == 1 else decay * baseline + (1 - decay) * score
        theta = theta + lr * (score - baseline) * (one_hot[chosen] - probabilities)
    return history


def _check_budget(budget: int) -> None:
    if budget < 1:
        raise ValueError(f"budget must be >= 1, got {budget}")


def _try(history: SearchHistory, cell: Cell, evaluate: Evaluate, parent: int | None = None) -> float:
    score = evaluate(cell)
    if not math.isfinite(score):
        raise ValueError(f"evaluate must return a finite number, got {score} for {cell}")
    history.cells.append(cell)
    history.scores.append(score)
    history.parents.append(parent)
    return score
