"""Step through a small computation graph: values going forward, then gradients coming back, edge by edge."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import traitlets

from companion.widgets.base import BookWidget

LIMIT = 10.0
"""Weights and data lie in [-LIMIT, LIMIT], the target of a cross-entropy in [0, 1]."""


def _weight(label: str, start: float, at: tuple[float, float]) -> dict[str, Any]:
    return {"label": label, "kind": "weight", "start": start, "range": [-LIMIT, LIMIT], "at": at}


def _data(
    label: str, start: float, at: tuple[float, float], *, low: float = -LIMIT, high: float = LIMIT
) -> dict[str, Any]:
    return {"label": label, "kind": "data", "start": start, "range": [low, high], "at": at}


def _op(label: str, op: str, *of: str, at: tuple[float, float]) -> dict[str, Any]:
    return {"label": label, "kind": "op", "op": op, "of": list(of), "at": at}


# Nodes in an order in which they can be computed, the loss last; `at` is (rank from the top, lane from left).
# The operations (add, sub, mul, sigmoid, tanh, relu, half_square, cross_entropy) live in graph_engine.js.
GRAPHS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "neuron": {
            "title": "one neuron",
            "lr": 0.5,
            "nodes": {
                "w1": _weight("w₁", 0.8, (0, 0)),
                "x1": _data("x₁", 1.5, (0, 1)),
                "w2": _weight("w₂", -0.5, (0, 2)),
                "x2": _data("x₂", 2.0, (0, 3)),
                "b": _weight("b", 0.1, (1, 1.5)),
                "y": _data("y", 1.0, (3, 2.5)),
                "u1": _op("u₁", "mul", "w1", "x1", at=(1, 0.5)),
                "u2": _op("u₂", "mul", "w2", "x2", at=(1, 2.5)),
                "z": _op("z", "add", "u1", "u2", "b", at=(2, 1.5)),
                "a": _op("a", "sigmoid", "z", at=(3, 1.5)),
                "e": _op("e", "sub", "a", "y", at=(4, 1.5)),
                "loss": _op("ℒ", "half_square", "e", at=(5, 1.5)),
            },
        },
        "two-layer": {
            "title": "two layers",
            "lr": 0.5,
            "nodes": {
                "w1": _weight("w₁", 1.2, (0, 0.7)),
                "x": _data("x", 0.5, (0, 1.7)),
                "b1": _weight("b₁", 0.3, (1, 2.2)),
                "w2": _weight("w₂", -1.5, (3, 2.2)),
                "b2": _weight("b₂", 0.2, (4, 2.7)),
                "y": _data("y", 1.0, (5, 2.8), low=0.0, high=1.0),
                "u1": _op("u₁", "mul", "w1", "x", at=(1, 1.2)),
                "z1": _op("z₁", "add", "u1", "b1", at=(2, 1.2)),
                "a1": _op("a₁", "tanh", "z1", at=(3, 1.2)),
                "u2": _op("u₂", "mul", "w2", "a1", at=(4, 1.7)),
                "z2": _op("z₂", "add", "u2", "b2", at=(5, 1.7)),
                "loss": _op("ℒ", "cross_entropy", "z2", "y", at=(6, 1.7)),
            },
        },
        "shared": {
            "title": "one value used twice",
            "lr": 0.1,
            "nodes": {
                "w": _weight("w", 0.7, (0, 0.7)),
                "x": _data("x", 2.0, (0, 1.7)),
                "v": _weight("v", 0.4, (2, 2.3)),
                "y": _data("y", 1.0, (4, 2.3)),
                "z": _op("z", "mul", "w", "x", at=(1, 1.2)),
                "a": _op("a", "relu", "z", at=(2, 1.2)),
                "u": _op("u", "mul", "v", "a", at=(3, 2.3)),
                "yhat": _op("ŷ", "add", "a", "u", at=(4, 1.2)),
                "e": _op("e", "sub", "yhat", "y", at=(5, 1.7)),
                "loss": _op("ℒ", "half_square", "e", at=(6, 1.7)),
            },
        },
    }
)


def leaves(graph: str) -> dict[str, float]:
    """Return the weights and data of a graph with their starting values.

    Raises:
        ValueError: if there is no such graph.
    """
    if graph not in GRAPHS:
        raise ValueError(f"graph must be one of {', '.join(GRAPHS)}, got {graph!r}")
    return {name: node["start"] for name, node in GRAPHS[graph]["nodes"].items() if node["kind"] != "op"}


def count_steps(graph: str) -> int:
    """Return how many steps show a whole graph: one per operation, one for dℒ/dℒ = 1, one per gradient edge.

    A gradient travels along an edge when its upper end is a weight or depends on one, as in autograd.

    Raises:
        ValueError: if there is no such graph.
    """
    learned = {name for name in leaves(graph) if GRAPHS[graph]["nodes"][name]["kind"] == "weight"}
    steps = 1
    for name, node in GRAPHS[graph]["nodes"].items():
        if node["kind"] == "op":
            sources = [source for source in node["of"] if source in learned]
            learned |= {name} if sources else set()
            steps += 1 + len(sources)
    return steps


class BackpropStepper(BookWidget):
    """A computation graph whose values and gradients appear one at a time, each with its formula and numbers.

    Args:
        graph: "neuron" (sigmoid neuron, half squared error), "two-layer" (tanh unit, then the
            cross-entropy of a logit) or "shared" (a ReLU unit whose value is used twice).
        values: weights and data by name (`leaves(graph)` names them); the others keep their starting values.
        step: how far the reader has come, 0 (nothing computed) to `count_steps(graph)`.
        lr: learning rate η of the button "Take a gradient step", in (0, 100]; one that suits the graph unless given.
        key, label: see BookWidget.

    Raises:
        ValueError: for an unknown graph or name, a number that is not finite or out of range.
        TypeError: for values that are no numbers.
    Source: reverse-mode differentiation, Linnainmaa 1970; Rumelhart, Hinton & Williams 1986.
    """

    module = "backprop_stepper"
    linked = ("graph", "values", "step", "lr")

    graph = traitlets.Unicode("neuron").tag(sync=True)
    values = traitlets.Dict().tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    lr = traitlets.Float(0.5).tag(sync=True)
    graphs: traitlets.List[Any] = traitlets.List().tag(sync=True)  # lists: a saved notebook sorts the keys of dicts

    def __init__(
        self,
        graph: str = "neuron",
        values: Mapping[str, float] | None = None,
        *,
        step: int = 0,
        lr: float | None = None,
        key: str,
        label: str = "Backpropagation, step by step",
    ) -> None:
        with_defaults = _checked_values(graph, values or {})
        graphs = [
            {
                "name": name,
                "title": drawn["title"],
                "lr": drawn["lr"],
                "nodes": [{"name": n, **node} for n, node in drawn["nodes"].items()],
            }
            for name, drawn in GRAPHS.items()
        ]
        lr = GRAPHS[graph]["lr"] if lr is None else lr
        super().__init__(key=key, label=label, graph=graph, values=with_defaults, step=step, lr=lr, graphs=graphs)

    @traitlets.validate("graph")
    def _check_graph(self, proposal: dict[str, Any]) -> str:
        leaves(proposal["value"])
        return str(proposal["value"])

    @traitlets.observe("graph")
    def _fit_values(self, change: dict[str, Any]) -> None:
        if set(self.values) != set(leaves(change["new"])):  # the page sends both at once; then nothing is left to do
            with self.hold_trait_notifications():
                self.values, self.step, self.lr = leaves(change["new"]), 0, GRAPHS[change["new"]]["lr"]

    @traitlets.validate("values")
    def _check_values(self, proposal: dict[str, Any]) -> dict[str, float]:
        return _checked_values(self.graph, proposal["value"])

    @traitlets.validate("step")
    def _check_step(self, proposal: dict[str, Any]) -> int:
        last = count_steps(self.graph)
        if not 0 <= proposal["value"] <= last:
            raise ValueError(f"step must be from 0 to {last} for graph {self.graph!r}, got {proposal['value']}")
        return int(proposal["value"])

    @traitlets.validate("lr")
    def _check_lr(self, proposal: dict[str, Any]) -> float:
        if not 0 < proposal["value"] <= 100:
            raise ValueError(f"lr must be above 0 and at most 100, got {proposal['value']}")
        return float(proposal["value"])


def _checked_values(graph: str, values: Mapping[str, float]) -> dict[str, float]:
    known = leaves(graph)
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"graph {graph!r} has no {name!r}; its weights and data are {', '.join(known)}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{name} must be a number, got {value!r}")
        low, high = GRAPHS[graph]["nodes"][name]["range"]
        if not (math.isfinite(value) and low <= value <= high):
            raise ValueError(f"{name} must be from {low:g} to {high:g}, got {value}")
    return {name: float(values.get(name, start)) for name, start in known.items()}
