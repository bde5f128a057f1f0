"""A network rebuilt in steps: the block at each stop, what has changed, what it costs, what the paper says of it.

>>> conv = {"kind": "conv", "text": "3 x 3", "channels": 8}
>>> stop = {"name": "start", "note": "Where it begins.", "stem": "7 x 7", "depths": [1, 1], "block": [conv]}
>>> stop |= {"parameters": 10, "macs": 100, "accuracy": None}
>>> Modernization([stop, {**stop, "name": "end", "depths": [1, 2]}]).stop
0
"""

from collections.abc import Mapping, Sequence
from typing import Any

import traitlets

from companion.widgets.base import BookWidget

STOP = ("name", "note", "stem", "depths", "block", "parameters", "macs", "accuracy")
ITEM = ("kind", "text", "channels")
KINDS = ("conv", "norm", "act", "scale")
AGAINST = ("before", "start")
BARS = ("macs", "parameters")
MOST_STOPS = 30


class Modernization(BookWidget):
    """Step through the stops of a path: the drawing of a block marks what is new.

    Args:
        stops: two or more, in order; each with `name`, `note` (a sentence or two on the change), `stem` (in words),
            `depths` (blocks of each stage), `block` (what its branch does, in order: each item with `kind`, one of
            `KINDS`, `text` and `channels`), `parameters`, `macs` (multiply-accumulates for one picture) and
            `accuracy` (per cent as published, or None where nothing is stated).
        stop: which one is shown first, an index.
        against: what the marks compare with: the stop "before", or the "start".
        bars: what the bars show, "macs" or "parameters".
        key, label: see `BookWidget`.

    Raises:
        ValueError: for fewer than two or too many stops, missing fields, names that occur twice, unknown kinds,
            counts < 1, or an unknown stop, comparison or bar.
    """

    module = "modernization"
    linked = ("stop", "against", "bars")

    stops = traitlets.List(traitlets.Dict()).tag(sync=True)
    stop = traitlets.Int(0).tag(sync=True)
    against = traitlets.Unicode("before").tag(sync=True)
    bars = traitlets.Unicode("macs").tag(sync=True)

    def __init__(
        self,
        stops: Sequence[Mapping[str, Any]],
        *,
        stop: int = 0,
        against: str = "before",
        bars: str = "macs",
        key: str = "path",
        label: str = "A network rebuilt step by step",
    ) -> None:
        checked = [_stop(given) for given in stops]
        names = [given["name"] for given in checked]
        if not 2 <= len(names) <= MOST_STOPS or len(set(names)) < len(names):
            raise ValueError(f"need 2 to {MOST_STOPS} stops with names of their own, got {names}")
        super().__init__(key=key, label=label, stops=checked, stop=stop, against=against, bars=bars)

    @traitlets.validate("stop")
    def _check_stop(self, proposal: dict[str, Any]) -> int:
        index = int(proposal["value"])
        if not 0 <= index < len(self.stops):
            raise ValueError(f"stop must be 0 to {len(self.stops) - 1}, got {index}")
        return index

    @traitlets.validate("against", "bars")
    def _check_choice(self, proposal: dict[str, Any]) -> str:
        name, value = proposal["trait"].name, str(proposal["value"])
        known = AGAINST if name == "against" else BARS
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
        return value


def _stop(given: Mapping[str, Any]) -> dict[str, Any]:
    if missing := set(STOP) - set(given):
        raise ValueError(f"a stop misses {', '.join(sorted(missing))}: {dict(given)!r}")
    made = {field: given[field] for field in STOP}
    made["depths"], made["block"] = [int(depth) for depth in given["depths"]], [_item(item) for item in given["block"]]
    if not made["depths"] or min(*made["depths"], made["parameters"], made["macs"]) < 1:
        raise ValueError(f"{given['name']}: depths, parameters and macs must be >= 1, got {made}")
    return made


def _item(given: Mapping[str, Any]) -> dict[str, Any]:
    if set(ITEM) - set(given) or given["kind"] not in KINDS:
        raise ValueError(f"an item of a block needs {', '.join(ITEM)}, its kind one of {KINDS}, got {dict(given)!r}")
    return {field: given[field] for field in ITEM}
