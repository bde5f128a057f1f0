"""The checked history behind the timelines: milestones 1943–2025, and the winners of ILSVRC 2010–2017.

Facts live in `milestones.json` and `ilsvrc.json`, one record a line, each with the key of its source in the
bibliography. A year is that of the first public version, a report or a preprint where there was one; the
source may be the later, formal publication. `record._asdict()` gives the plain data that the widgets take.
"""

import json
import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_type_hints

CATEGORIES = ("idea", "architecture", "method", "resource", "winter")
"""The kinds of milestones; a resource is hardware, data or software."""


class Milestone(NamedTuple):
    """One event of the timeline; `end` is the last year of a span, None for a single year."""

    year: int
    end: int | None
    title: str
    people: str
    category: str
    why: str
    source: str
    reference: str
    url: str


class IlsvrcResult(NamedTuple):
    """One winning entry: `error` is the share of test images whose class is not among five guesses.

    `family` names the kind of method, `outside_data` says whether other training images than those supplied
    were used, `source` is the official table.
    """

    year: int
    team: str
    method: str
    family: str
    error: float
    outside_data: bool
    conditions: str
    source: str
    reference: str
    url: str


class HumanReference(NamedTuple):
    """What a person reached on the same task, and under which conditions."""

    error: float
    who: str
    conditions: str
    source: str
    reference: str
    url: str


class Ilsvrc(NamedTuple):
    """All winners in order, and the human reference."""

    results: tuple[IlsvrcResult, ...]
    human: HumanReference


def milestones(path: Path | None = None) -> tuple[Milestone, ...]:
    """Return the milestones in order of time.

    Args:
        path: another file of the same form.

    Raises:
        ValueError: a record misses a field, has one too many or of the wrong kind, is out of order, repeats a
            title, or names an unknown category. The message names the file and the record.
    """
    path = path or Path(__file__).with_name("milestones.json")
    records = [_record(Milestone, row, f"{path}, record {i}") for i, row in enumerate(_json(path, list))]
    _check_order(path, [record.year for record in records])
    for i, record in enumerate(records):
        if record.category not in CATEGORIES:
            raise ValueError(f"{path}, record {i}: category must be {' or '.join(CATEGORIES)}, got {record.category!r}")
        if record.end is not None and record.end <= record.year:
            raise ValueError(f"{path}, record {i}: end must be after {record.year}, got {record.end}")
        if record.title in {earlier.title for earlier in records[:i]}:
            raise ValueError(f"{path}, record {i}: title {record.title!r} is there twice")
    return tuple(records)


def ilsvrc(path: Path | None = None) -> Ilsvrc:
    """Return the winners of ILSVRC 2010–2017 and the human reference.

    Args:
        path: another file of the same form.

    Raises:
        ValueError: as for `milestones`; or an error rate does not lie between 0 and 1.
    Source: the official tables at image-net.org; Russakovsky et al. 2015, section 6.4.
    """
    path = path or Path(__file__).with_name("ilsvrc.json")
    content = _json(path, dict)
    if set(content) != {"results", "human"}:
        raise ValueError(f"{path}: expected 'results' and 'human', got {sorted(content)}")
    results = [_record(IlsvrcResult, row, f"{path}, result {i}") for i, row in enumerate(content["results"])]
    human = _record(HumanReference, content["human"], f"{path}, human")
    _check_order(path, [result.year for result in results])
    for rate in [*(result.error for result in results), human.error]:
        if not 0 < rate < 1:
            raise ValueError(f"{path}: an error must lie between 0 and 1, got {rate}")
    return Ilsvrc(tuple(results), human)


Record = TypeVar("Record", Milestone, IlsvrcResult, HumanReference)


def _record(kind: type[Record], row: Any, where: str) -> Record:
    if not isinstance(row, Mapping) or set(row) != set(kind._fields):
        raise ValueError(f"{where}: expected the fields {', '.join(kind._fields)}, got {row!r}")
    for name, hint in get_type_hints(kind).items():
        value = row[name]
        if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
            raise ValueError(f"{where}: {name} must be {hint}, got {value!r}")
        if value == "" and name != "url":
            raise ValueError(f"{where}: {name} is empty")
    if not re.fullmatch(r"[a-z]+\d{4}", row["source"]):
        raise ValueError(f"{where}: source must be a bibliography key such as 'hebb1949', got {row['source']!r}")
    if row["url"] and not row["url"].startswith("https://"):
        raise ValueError(f"{where}: url must start with https://, got {row['url']!r}")
    return kind(**row)


def _json(path: Path, kind: type) -> Any:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, kind):
        raise ValueError(f"{path}: expected a {kind.__name__}, got a {type(content).__name__}")
    return content


def _check_order(path: Path, years: list[int]) -> None:
    for i, (earlier, later) in enumerate(pairwise(years), start=1):
        if later < earlier:
            raise ValueError(f"{path}, record {i}: {later} comes after {earlier}; order the records by year")
