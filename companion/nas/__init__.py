"""Searching for architectures: a space of cells, ways to search it, and what to search for.

`space` has the cells as data, `network` builds them, `search` has the searches that train one candidate after the
other, `evaluation` says what a candidate is worth, `darts` is the search that trains all at once and follows a
gradient, `objective` weighs accuracy against cost.
Nothing here knows a data set: what a candidate is worth is a function that the caller gives.
"""

from companion.nas.darts import DartsHistory, Supernet, derive, search_darts
from companion.nas.evaluation import CellTable, short_training
from companion.nas.network import OPERATIONS, CellNetwork
from companion.nas.objective import edge_costs, expected_cost, mnasnet_objective, pareto_front
from companion.nas.search import SearchHistory, random_search, regularized_evolution, reinforce_search
from companion.nas.space import Cell, CellSpace

__all__ = [
    "OPERATIONS",
    "Cell",
    "CellNetwork",
    "CellSpace",
    "CellTable",
    "DartsHistory",
    "SearchHistory",
    "Supernet",
    "derive",
    "edge_costs",
    "expected_cost",
    "mnasnet_objective",
    "pareto_front",
    "random_search",
    "regularized_evolution",
    "reinforce_search",
    "search_darts",
    "short_training",
]
