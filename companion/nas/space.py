"""A space of cells: small graphs in which every edge carries one operation out of a list."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch

Cell = tuple[str, ...]
"""One operation for each edge of its space, in the order of `CellSpace.edges`."""


@dataclass(frozen=True)
class CellSpace:
    """All cells with some nodes and a list of operations; small enough to count, large enough to get lost in.

    Node 0 is the input of the cell, the last node its output. Every node is the sum, over all nodes before it, of
    what the operation on the edge between them makes of that node. Two operations have a meaning here: "none"
    gives zeros, so the edge is not there, and "skip" hands on what it gets. A cell is a tuple of names; the space
    itself is an iterable of all of them.

    Args:
        nodes: number of nodes, input and output included, >= 2.
        operations: the names to choose from; at least two, all different.

    Raises:
        ValueError: for fewer nodes, or operations that are too few or not all different.

    Source: Dong & Yang 2020, "NAS-Bench-201", arXiv:2001.00326, section 2.1; the default is its space.

    Example:
        >>> space = CellSpace()
        >>> len(space), len(space.edges)
        (15625, 6)
        >>> CellSpace(3, ("skip", "conv_3x3")).cell(5)
        ('conv_3x3', 'skip', 'conv_3x3')
    """

    nodes: int = 4
    operations: tuple[str, ...] = ("none", "skip", "conv_1x1", "conv_3x3", "avg_pool_3x3")

    def __post_init__(self) -> None:
        if self.nodes < 2:
            raise ValueError(f"a cell needs at least 2 nodes, its input and its output, got {self.nodes}")
        if len(self.operations) < 2 or len(set(self.operations)) < len(self.operations):
            raise ValueError(f"need at least two different operations, each once, got {self.operations}")

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """All pairs (from, to), ordered by where they end: (0, 1), (0, 2), (1, 2), (0, 3), ..."""
        return tuple((i, j) for j in range(1, self.nodes) for i in range(j))

    def __len__(self) -> int:
        return int(len(self.operations) ** len(self.edges))

    def __iter__(self) -> Iterator[Cell]:
        return (self.cell(index) for index in range(len(self)))

    def cell(self, index: int) -> Cell:
        """Return the cell with this number; the last edge counts fastest.

        Raises:
            ValueError: if there is none with that number.
        """
        if not 0 <= index < len(self):
            raise ValueError(f"index must lie in [0, {len(self)}), got {index}")
        digits = []
        for _ in self.edges:
            index, digit = divmod(index, len(self.operations))
            digits.append(self.operations[digit])
        return tuple(reversed(digits))

    def index(self, cell: Cell) -> int:
        """Return the number of a cell; `space.cell(space.index(cell)) == cell`.

        Raises:
            ValueError: if the cell is not of this space.
        """
        self.check(cell)
        number = 0
        for name in cell:
            number = number * len(self.operations) + self.operations.index(name)
        return number

    def check(self, cell: Cell) -> None:
        """Raise ValueError unless the cell has one known operation for each edge."""
        if len(cell) != len(self.edges):
            raise ValueError(f"a cell of this space has {len(self.edges)} edges, got {len(cell)}: {cell}")
        for name in cell:
            if name not in self.operations:
                raise ValueError(f"operation must be one of {', '.join(self.operations)}, got {name!r}")

    def sample(self, generator: torch.Generator) -> Cell:
        """Return a cell drawn at random, all equally likely."""
        chosen = torch.randint(len(self.operations), (len(self.edges),), generator=generator)
        return tuple(self.operations[i] for i in chosen.tolist())

    def mutate(self, cell: Cell, generator: torch.Generator) -> Cell:
        """Return the cell with another operation on one edge; edge and operation are drawn at random."""
        self.check(cell)
        edge = int(torch.randint(len(self.edges), (), generator=generator))
        others = [name for name in self.operations if name != cell[edge]]
        return (*cell[:edge], others[int(torch.randint(len(others), (), generator=generator))], *cell[edge + 1 :])

    def neighbours(self, cell: Cell) -> list[Cell]:
        """Return all cells that `mutate` can make of this one."""
        self.check(cell)
        return [
            (*cell[:edge], name, *cell[edge + 1 :])
            for edge, present in enumerate(cell)
            for name in self.operations
            if name != present
        ]

    def live_edges(self, cell: Cell) -> tuple[bool, ...]:
        """Say of every edge whether it lies on a way from the input to the output that "none" does not cut."""
        self.check(cell)
        carries = [(edge, i, j) for edge, (i, j) in enumerate(self.edges) if cell[edge] != "none"]
        reached, needed = {0}, {self.nodes - 1}
        for _, i, j in carries:  # edges are ordered by their end, so one pass finds all that the input reaches
            if i in reached:
                reached.add(j)
        for _, i, j in sorted(carries, key=lambda item: -item[2]):
            if j in needed:
                needed.add(i)
        live = {edge for edge, i, j in carries if i in reached and j in needed}
        return tuple(edge in live for edge in range(len(self.edges)))

    def signature(self, cell: Cell) -> str:
        """Return what the cell computes, as text; cells with the same text are the same family of functions.

        A skip is the thing that it hands on, a "none" disappears, a sum of sums is one sum, and the order of a sum
        is fixed. `x` is the input; an operation that is used in several places has a number, since there it is
        the same one, with the same weights. The empty text is a cell whose output is zero.

        Example:
            >>> space = CellSpace(3, ("none", "skip", "conv_3x3"))
            >>> space.signature(("skip", "conv_3x3", "conv_3x3"))
            'conv_3x3(x) + conv_3x3(x)'
            >>> space.signature(("conv_3x3", "none", "skip")) == space.signature(("none", "conv_3x3", "skip"))
            True
        """
        self.check(cell)
        sums: list[list[_Term]] = [[_Term("x", -1, ())]]  # of every node, what is added up there
        for j in range(1, self.nodes):
            here: list[_Term] = []
            for edge, ((i, end), name) in enumerate(zip(self.edges, cell, strict=True)):
                if end == j and name != "none" and sums[i]:
                    here += sums[i] if name == "skip" else [_Term(name, edge, tuple(sums[i]))]
            sums.append(sorted(here, key=lambda term: (_text(term.name, term.inside), term.edge)))
        uses = Counter(edge for term in sums[-1] for edge in _edges(term))
        numbers: dict[int, int] = {}

        def write(term: _Term) -> str:
            shared = uses[term.edge] > 1 and term.inside
            name = f"{term.name}#{numbers.setdefault(term.edge, len(numbers) + 1)}" if shared else term.name
            return f"{name}({' + '.join(map(write, term.inside))})" if term.inside else name

        return " + ".join(map(write, sums[-1]))


class _Term(NamedTuple):
    """What one edge adds: its operation on a sum of terms; the input itself has nothing inside."""

    name: str
    edge: int
    inside: tuple["_Term", ...]


def _text(name: str, inside: tuple[_Term, ...]) -> str:
    return f"{name}({' + '.join(_text(term.name, term.inside) for term in inside)})" if inside else name


def _edges(term: _Term) -> Iterator[int]:
    yield term.edge
    for inner in term.inside:
        yield from _edges(inner)
