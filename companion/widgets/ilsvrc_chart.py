"""The winners of a yearly challenge: error by year, told one year at a time, with a person's error beside it.

>>> from companion.data import ilsvrc
>>> challenge = ilsvrc()
>>> chart = IlsvrcChart([r._asdict() for r in challenge.results], human=challenge.human._asdict())
>>> chart.year
2012
"""

from collections.abc import Mapping, Sequence
from typing import Any

import traitlets

from companion.widgets.base import BookWidget

RESULT = frozenset({"year", "team", "method", "family", "error", "outside_data", "conditions", "reference", "url"})
HUMAN = frozenset({"error", "who", "conditions", "reference", "url"})


class IlsvrcChart(BookWidget):
    """Top-5 error of the winners, one mark a year; outside data, a person and a log axis on request.

    Args:
        results: in order of years, each with `year`, `team`, `method`, `family` (the kind of method), `error`
            (a share between 0 and 1), `outside_data`, `conditions`, `reference`, `url`. One result a year
            without outside data, at most one more with. Other fields are left out.
        human: `error`, `who`, `conditions`, `reference` and `url` of the human reference.
        year: the year told first; the first year of the second family in `results` (the turn) unless given.
        key, label: see `BookWidget`.

    Attributes:
        year: the year that is told.
        outside: show results that used other training images than those supplied.
        person: show the human reference.
        log: logarithmic error axis.

    Raises:
        ValueError: a field is missing, an error does not lie between 0 and 1, years are out of order or not
            told exactly once without outside data, or `year` has no result.
    """

    module = "ilsvrc_chart"
    linked = ("year", "outside", "person", "log")

    results = traitlets.List(traitlets.Dict()).tag(sync=True)
    human = traitlets.Dict().tag(sync=True)
    year = traitlets.Int().tag(sync=True)
    outside = traitlets.Bool(False).tag(sync=True)
    person = traitlets.Bool(False).tag(sync=True)
    log = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        results: Sequence[Mapping[str, Any]],
        *,
        human: Mapping[str, Any],
        year: int | None = None,
        key: str = "ilsvrc",
        label: str = "Top-5 error of the winners of the ImageNet challenge by year.",
    ) -> None:
        for name, fields, record in [
            *((f"result {i}", RESULT, result) for i, result in enumerate(results)),
            ("human", HUMAN, human),
        ]:
            if missing := fields - set(record):
                raise ValueError(f"{name} misses {', '.join(sorted(missing))}: {dict(record)!r}")
            if not 0 < record["error"] < 1:
                raise ValueError(f"{name}: error must lie between 0 and 1, got {record['error']}")
        years = [result["year"] for result in results if not result["outside_data"]]
        if not years or years != sorted(set(years)):
            raise ValueError(f"need one result without outside data a year, in order, got the years {years}")
        further = [result["year"] for result in results if result["outside_data"]]
        if len(set(further)) < len(further) or not set(further) <= set(years):
            raise ValueError(f"results with outside data need one of their own years each, got {further}")
        turn = next((r["year"] for r in results if r["family"] != results[0]["family"]), years[0])
        year = turn if year is None else year
        if year not in years:
            raise ValueError(f"year must be one of {', '.join(map(str, years))}, got {year}")
        super().__init__(
            key=key,
            label=label,
            results=[{field: result[field] for field in sorted(RESULT)} for result in results],
            human={field: human[field] for field in sorted(HUMAN)},
            year=year,
        )
