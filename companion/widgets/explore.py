"""Scrub through the stored results of an experiment: the one authoring call for figures that need no engine.

    @explore(key="descent", alt="The path of gradient descent on a parabola.", learning_rate=[0.1, 0.5, 1.1])
    def descent(learning_rate):
        ...
        return fig

    descent

The function runs once for every setting when the cell runs; the reader then moves through the results, live in a
notebook and in the built page alike.
"""

import itertools
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import traitlets
from matplotlib.figure import Figure

from companion.plots import themed_svg, with_prefix
from companion.widgets.base import BookWidget

MOST_STATES = 300


class Explore(BookWidget):
    """Stored results with one control per parameter; made by `explore`, not by hand.

    Attributes:
        knobs: per parameter its `name`, `label`, `values` (as text) and whether it is a `scale` (a slider).
        at: index of the present value of each parameter.
        states: zlib-compressed JSON list of results, the last parameter running fastest.
    """

    module = "explore"
    linked = ("at",)

    knobs: traitlets.List[Any] = traitlets.List().tag(sync=True)
    at = traitlets.List(traitlets.Int()).tag(sync=True)
    states = traitlets.Bytes().tag(sync=True)


def explore(
    *, key: str, alt: str, start: Mapping[str, Any] | None = None, **grids: Sequence[Any]
) -> Callable[[Callable[..., Any]], Explore]:
    """Make a figure of a function's results over a grid of settings.

    The decorated function returns a matplotlib figure, an object with an HTML form (a table) or text; or a pair of
    one of these and a sentence that is shown below it and read out when it changes.

    Args:
        key: name of the figure in links, unique on its page.
        alt: what the drawing shows, for readers who cannot see it; the present setting is added to it.
        start: the setting shown first, `{parameter: value}`; the first of each grid where nothing is said.
        grids: for every parameter of the function its values; numbers get a slider, everything else a menu.

    Raises:
        ValueError: if a grid is empty, there are more than 300 settings, or `start` names an unknown parameter or
            a value that is not in its grid.
    """
    names, values = list(grids), [list(grid) for grid in grids.values()]
    for name, grid in zip(names, values, strict=True):
        if not grid:
            raise ValueError(f"explore needs at least one value per parameter, {name} has none")
    count = len(list(itertools.product(*values)))
    if not names or count > MOST_STATES:
        raise ValueError(f"explore runs its function once per setting: got {count}, allowed are 1 to {MOST_STATES}")
    at = [0] * len(names)
    for name, value in (start or {}).items():
        if name not in grids:
            raise ValueError(f"start names {name!r}, but the parameters are {', '.join(names)}")
        if value not in grids[name]:
            raise ValueError(f"start has {name} = {value!r}, which is not in {list(grids[name])}")
        at[names.index(name)] = list(grids[name]).index(value)

    def run(function: Callable[..., Any]) -> Explore:
        settings = itertools.product(*values)
        states = [_state(function(**dict(zip(names, setting, strict=True))), f"{key}-") for setting in settings]
        return Explore(
            key=key,
            label=alt,
            at=at,
            knobs=[_knob(name, grid) for name, grid in zip(names, values, strict=True)],
            states=zlib.compress(json.dumps(states, separators=(",", ":")).encode(), 9),
        )

    return run


def _knob(name: str, grid: list[Any]) -> dict[str, Any]:
    scale = all(isinstance(value, int | float) and not isinstance(value, bool) for value in grid)
    texts = [f"{value:g}".replace("-", "−") if isinstance(value, float) else str(value) for value in grid]
    return {"name": name, "label": name.replace("_", " "), "values": texts, "scale": scale}


def _state(result: Any, prefix: str) -> dict[str, str]:
    note = ""
    if isinstance(result, tuple):
        result, note = result
    if isinstance(result, Figure):
        return {"html": with_prefix(themed_svg(result), prefix), "note": note}
    if hasattr(result, "_repr_html_"):
        return {"html": result._repr_html_(), "note": note}
    return {"text": str(result), "note": note}
