"""What to search for, when a network should be good and cheap."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from companion.nas.space import Cell, CellSpace


def mnasnet_objective(
    accuracy: float, cost: float, *, target: float, alpha: float = -0.07, beta: float = -0.07
) -> float:
    r"""Accuracy, times a power of how the cost compares with its target: one number to be made large.

        accuracy * (cost / target) ** w,    w = alpha where cost <= target, else beta

    With the defaults a cost twice as high has to bring about 5 % more accuracy (of itself) to be worth it. With
    alpha = 0 and beta = -1 the target is a wall: below it cost does not matter, above it, it matters very much.

    Args:
        accuracy: share of right answers, 0 to 1.
        cost: > 0, in milliseconds, or multiply-accumulates, or whatever counts.
        target: > 0, in the same unit.
        alpha: exponent where the cost is within its target, <= 0.
        beta: exponent where it is above, <= 0.

    Raises:
        ValueError: for a cost or target that is not positive, or a positive exponent.

    Source: Tan et al. 2019, "MnasNet", arXiv:1807.11626, equations 2 and 3.

    Example:
        >>> round(mnasnet_objective(0.75, 160.0, target=80.0), 4)
        0.7145
    """
    if not (cost > 0 and target > 0):
        raise ValueError(f"cost and target must be > 0, got {cost} and {target}")
    if alpha > 0 or beta > 0:
        raise ValueError(f"exponents must be <= 0, or a higher cost would be a merit; got {alpha} and {beta}")
    ratio = cost / target
    return float(accuracy * ratio ** (alpha if ratio <= 1 else beta))


def edge_costs(space: CellSpace, measure: Callable[[Cell], float]) -> Tensor:
    """Return what each operation costs on each edge, (edges, operations), in the unit of `measure`.

    Measured is a cell of skips with that one operation on that one edge, less what skips alone cost: a table of
    costs, looked up ever after.

    Args:
        space: its operations must have "skip" among them.
        measure: cost of a cell, such as the multiply-accumulates or the milliseconds of its network.

    Raises:
        ValueError: if the space has no "skip".

    Source: such tables are used by Cai et al. 2019, arXiv:1812.00332, and Wu et al. 2019, arXiv:1812.03443.
    """
    if "skip" not in space.operations:
        raise ValueError(f"edge_costs compares with skips, but the operations are {', '.join(space.operations)}")
    plain: Cell = ("skip",) * len(space.edges)
    free = measure(plain)
    return torch.tensor(
        [
            [measure((*plain[:edge], name, *plain[edge + 1 :])) - free for name in space.operations]
            for edge in range(len(space.edges))
        ],
        dtype=torch.float64,
    )


def expected_cost(probabilities: Tensor, costs: Tensor) -> Tensor:
    """Return the mean cost of a cell whose edges draw their operations with these probabilities.

    It has a gradient with respect to the probabilities, although no single cell has.

    Shape:
        probabilities, costs: (edges, operations); returns a 0-d tensor in the unit of the costs.

    Raises:
        ValueError: if the shapes differ.

    Source: Cai et al. 2019, arXiv:1812.00332, section 3.3.

    Example:
        >>> expected_cost(torch.tensor([[0.5, 0.5], [1.0, 0.0]]), torch.tensor([[0.0, 8.0], [2.0, 9.0]])).item()
        6.0
    """
    if probabilities.shape != costs.shape:
        raise ValueError(f"need one cost per probability, got {tuple(probabilities.shape)} and {tuple(costs.shape)}")
    return (probabilities * costs.to(probabilities)).sum()


def pareto_front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Return the entries that no other beats, cheapest first: none is both at most as costly and better.

    Of entries with equal cost and score, the first stays.

    Raises:
        ValueError: if the lengths differ.

    Example:
        >>> pareto_front([1.0, 2.0, 2.0, 3.0], [0.5, 0.9, 0.7, 0.8])
        [0, 1]
    """
    if len(costs) != len(scores):
        raise ValueError(f"need one score per cost, got {len(scores)} and {len(costs)}")
    front: list[int] = []
    for entry in sorted(range(len(costs)), key=lambda i: (costs[i], -scores[i])):
        if not front or scores[entry] > scores[front[-1]]:
            front.append(entry)
    return front
