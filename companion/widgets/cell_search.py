"""Searches for a cell, stored step by step: what each believed, what it tried, and what that was worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import traitlets
from numpy.typing import ArrayLike

from companion.widgets.base import BookWidget


@dataclass(frozen=True)
class StoredSearch:
    """One search, step by step; entry t of each list belongs to step t.

    Args:
        name: what the reader chooses it by.
        unit: what a step is: "epoch" or "evaluation".
        shares: (steps, edges, operations), rows sum to 1: the probabilities of a policy or of an architecture
            table, or which share of a population has this operation on this edge.
        cells: the cell of this step, one operation per edge: the one tried, or the one that the table stands for.
        scores: what that cell is worth, 0 to 1 (accuracy).
        says: what the shares are, such as "probability".
        parents: the step of the cell that this one is a mutation of, or None; empty where there are none.
        reference: scores to compare with, drawn as a grey line; empty for none.
        reference_name: what that line is.
    """

    name: str
    unit: str
    shares: ArrayLike
    cells: Sequence[Sequence[str]]
    scores: Sequence[float]
    says: str = "probability"
    parents: Sequence[int | None] = ()
    reference: Sequence[float] = ()
    reference_name: str = ""


class CellSearch(BookWidget):
    """A search replayed: its cell as a graph, its beliefs as a table, its scores as a curve; the reader picks the step.

    In the graph every edge has one strand per operation, as thick as its share; the operation of the present cell
    is named. In a running notebook `run` and `step` can be set and read.

    Args:
        searches: one or more, with different names.
        edges: pairs (from, to) of node numbers, as in `companion.nas.CellSpace`; four nodes at most.
        operations: names, in the order of the last axis of the shares; two to five.
        run: name of the search shown first; the first one where nothing is said.
        step: the step shown first; cut to the last one of the search.
        presets: mappings with `name`, `note`, `run` and `step`: experiments to choose from.
        key: name of the figure in links, unique on its page.
        label: what the figure is, read out by screen readers.

    Raises:
        ValueError: for no searches or two of one name, lists that do not fit each other, shares that are not
            shares, scores outside [0, 1], unknown operations, or a run or step that is not there.
    """

    module = "cell_search"
    linked = ("run", "step")

    edges: traitlets.List[list[int]] = traitlets.List().tag(sync=True)
    operations: traitlets.List[str] = traitlets.List().tag(sync=True)
    searches: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    presets: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    run = traitlets.Unicode().tag(sync=True)
    step = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        searches: Sequence[StoredSearch],
        *,
        edges: Sequence[tuple[int, int]],
        operations: Sequence[str],
        run: str | None = None,
        step: int = 0,
        presets: Sequence[Mapping[str, Any]] = (),
        key: str = "cells",
        label: str = "Searches for a cell, step by step: the cell, what the search believes, and the scores",
    ) -> None:
        if not searches or len({search.name for search in searches}) < len(searches):
            raise ValueError(f"need searches with different names, got {[search.name for search in searches]}")
        if not 2 <= len(operations) <= 5 or max(end for _, end in edges) > 3:
            raise ValueError(f"need 2 to 5 operations and at most 4 nodes, got {list(operations)} and {list(edges)}")
        super().__init__(
            key=key,
            label=label,
            edges=[list(edge) for edge in edges],
            operations=list(operations),
            searches=[_packed(search, len(edges), list(operations)) for search in searches],
            presets=[dict(preset) for preset in presets],
            run=searches[0].name if run is None else run,
            step=step,
        )

    @traitlets.validate("run")
    def _known_run(self, proposal: dict[str, Any]) -> str:
        names = [search["name"] for search in self.searches]
        if proposal["value"] not in names:
            raise ValueError(f"run must be one of {', '.join(names)}, got {proposal['value']!r}")
        return str(proposal["value"])

    @traitlets.validate("step")
    def _step_of_some_run(self, proposal: dict[str, Any]) -> int:
        last = max(len(search["scores"]) for search in self.searches) - 1
        if not 0 <= proposal["value"] <= last:
            raise ValueError(f"step must lie in 0 ... {last}, got {proposal['value']}")
        return int(proposal["value"])


def _packed(search: StoredSearch, edges: int, operations: list[str]) -> dict[str, Any]:
    """Return the search as plain lists: shares in thousandths, cells as numbers of operations.

    Raises:
        ValueError: if something does not fit.
    """
    shares, scores = np.asarray(search.shares, dtype=float), np.asarray(search.scores, dtype=float)
    steps = len(scores)
    if not steps or shares.shape != (steps, edges, len(operations)):
        raise ValueError(f"{search.name!r}: shares must be {(steps, edges, len(operations))}, got {shares.shape}")
    if (shares < 0).any() or not np.allclose(shares.sum(-1), 1, atol=0.01):
        raise ValueError(f"{search.name!r}: shares must be >= 0 and add up to 1 on every edge")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError(f"{search.name!r}: scores must lie in [0, 1], got {scores.min()} to {scores.max()}")
    wrong = [cell for cell in search.cells if len(cell) != edges or not set(cell) <= set(operations)]
    if len(search.cells) != steps or wrong or len(search.parents) not in (0, steps):
        raise ValueError(f"{search.name!r}: need a cell of the space (and a parent) for each of {steps} steps: {wrong}")
    return {
        "name": search.name,
        "unit": search.unit,
        "says": search.says,
        "shares": np.rint(shares * 1000).astype(int).ravel().tolist(),
        "cells": [[operations.index(name) for name in cell] for cell in search.cells],
        "scores": scores.round(4).tolist(),
        "parents": [-1 if parent is None else int(parent) for parent in search.parents],
        "reference": np.asarray(search.reference, dtype=float).round(4).tolist(),
        "reference_name": search.reference_name,
    }
