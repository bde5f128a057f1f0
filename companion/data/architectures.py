"""Every architecture of the book: what it is, what it costs, what was reported of it, and how ours compares.

Two files are merged. `architectures.json` holds facts, a model a line: who, when, the idea, accuracies with their
conditions and sources. `zoo.json` holds what was counted and measured (`python -m tests.benchmarks` writes it).
A year is that of the first public version; of a variant that a library added, that of the idea which it adds.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple

FAMILIES = (
    "LeNet and AlexNet",
    "VGG",
    "Inception and Xception",
    "ResNet",
    "Descendants of ResNet",
    "MobileNet",
    "EfficientNet",
    "RegNet",
    "ConvNeXt",
    "NASNet",
)
"""The families, in the order in which the book tells them, but for NASNet."""

SERIES = ("paper", "torchvision_v1", "torchvision_v2", "extra_data", "cifar10")
"""Kinds of accuracy, which must not be mixed.

On ImageNet-1k's validation pictures: the authors' own number; torchvision's first weights; its weights by a newer
recipe; weights trained on other pictures first. On CIFAR-10's test pictures: the authors' own number.
"""

LEARNS_ONLY = "training only"
"""Name of the stage that collects heads which only run in training."""


class Result(NamedTuple):
    """A reported accuracy in per cent.

    `usual` says that it came about like most of its series: by one network in one view, the central 224 pixels (32 of
    CIFAR-10's pictures), for torchvision's first weights also by its simple recipe.
    """

    series: str
    top1: float | None
    top5: float | None
    usual: bool
    conditions: str
    source: str
    reference: str
    url: str


class Stage(NamedTuple):
    """A part of a network: shape of its output for one picture, parameters, multiply-accumulates."""

    name: str
    shape: tuple[int, ...]
    parameters: int
    macs: int


class Check(NamedTuple):
    """Ours beside a reference: equal weights, the same pictures.

    `logit_difference` is the largest difference over the largest logit, computed in `precision`; the ratios are the
    reference's time over ours on the CPU, for pictures of `timed_side` pixels.
    """

    reference: str
    reference_parameters: int
    logit_difference: float
    precision: str
    timed_side: int
    inference_ratio: float
    training_ratio: float


class Architecture(NamedTuple):
    """One model of the zoo.

    `parameters` counts all, `training_only` those among them that only run in training; `macs` and `activations`
    (outputs of all convolutions) are for one picture of `side` pixels. `check` is None for LeNet-5, whose
    reference is its paper.
    """

    name: str
    title: str
    family: str
    chapter: str
    year: int
    people: str
    idea: str
    source: str
    reference: str
    url: str
    side: int
    parameters: int
    training_only: int
    macs: int
    activations: int
    stages: tuple[Stage, ...]
    results: tuple[Result, ...]
    check: Check | None

    def result(self, series: str) -> Result | None:
        """Return the accuracy of that kind, None if there is none.

        Raises:
            ValueError: for an unknown kind.
        """
        if series not in SERIES:
            raise ValueError(f"series must be {' or '.join(SERIES)}, got {series!r}")
        return next((result for result in self.results if result.series == series), None)

    def plain(self) -> dict[str, Any]:
        """Return everything as dicts, lists, text and numbers, as the widgets take it."""
        return {
            **self._asdict(),
            "stages": [stage._asdict() | {"shape": list(stage.shape)} for stage in self.stages],
            "results": [result._asdict() for result in self.results],
            "check": self.check and self.check._asdict(),
        }


FACTS = {
    "name": str,
    "title": str,
    "family": str,
    "chapter": str,
    "year": int,
    "people": str,
    "source": str,
    "idea": str,
    "results": list,
    "counted": dict | None,
}
REPORTED = {
    "series": str,
    "top1": float | int | None,
    "top5": float | int | None,
    "usual": bool,
    "conditions": str,
    "source": str,
}
WORK = {"reference": str, "url": str}
COUNTED = {"side": int, "parameters": int, "macs": int, "activations": int, "stages": list}
CHECKED = {
    "reference": str,
    "reference_parameters": int,
    "logit_difference": float | int,
    "precision": str,
    "timed_side": int,
    "inference_ratio": float | int,
    "training_ratio": float | int,
}


def architectures(path: Path | None = None, *, zoo: Path | None = None) -> tuple[Architecture, ...]:
    """Return all models of the book in order of their years.

    Args:
        path: another file of facts.
        zoo: another file of counts and measurements.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a record misses a field or holds one of the wrong kind, an unknown family, series, source or
            chapter, an accuracy that cannot be, a name twice, or a name that only one of the files knows. The
            message names the file and the record.

    Example:
        >>> resnet50 = next(a for a in architectures() if a.name == "resnet50")
        >>> resnet50.parameters, resnet50.result("torchvision_v1").top1
        (25557032, 76.13)
    """
    path = path or Path(__file__).with_name("architectures.json")
    zoo = zoo or Path(__file__).with_name("zoo.json")
    facts, measured = _json(path, {"works", "models"}), _json(zoo, {"versions", "models"})["models"]
    for key, work in facts["works"].items():
        _fields(work, WORK, f"{path}, work {key!r}")
        if not re.fullmatch(r"[a-z]+\d{4}[a-z]*", key) or not work["url"].startswith("https://"):
            raise ValueError(f"{path}, work {key!r}: need a key such as 'he2016b' and an https address, got {work!r}")
    rows = facts["models"]
    for i, row in enumerate(rows):
        _fields(row, FACTS, f"{path}, model {i}")
    names = [row["name"] for row in rows]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{path}: there twice: {', '.join(twice)}")
    need = {row["name"] for row in rows if row["counted"] is None}
    if lonely := need ^ set(measured):
        raise ValueError(f"only one of {path.name} and {zoo.name} knows {', '.join(sorted(lonely))}")
    for i, (earlier, later) in enumerate(pairwise(row["year"] for row in rows), start=1):
        if later < earlier:
            raise ValueError(f"{path}, model {i}: {later} comes after {earlier}; order the models by year")
    return tuple(_architecture(row, facts["works"], measured.get(row["name"]), path, zoo) for row in rows)


def versions(zoo: Path | None = None) -> dict[str, str]:
    """Return the versions of Python and of the libraries with which the zoo was measured.

    Raises:
        FileNotFoundError, ValueError: as for `architectures`.
    """
    zoo = zoo or Path(__file__).with_name("zoo.json")
    return {str(name): str(version) for name, version in _json(zoo, {"versions", "models"})["versions"].items()}


def fold(rows: Iterable[tuple[str, tuple[int, ...], int, int]]) -> tuple[Stage, ...]:
    """Return the stages of a network from rows (name, output shape, parameters, multiply-accumulates) of its layers.

    The layers of a stem, a head and the like become one stage, what lies in `features`, `stages` or `stem_cells`
    one each. A row without any cost joins the one before it, which then ends with its shape (but flattening is no
    new shape).

    Example:
        >>> for stage in fold([("stem.0", (8, 4, 4), 80, 1280), ("stem.1", (8, 2, 2), 0, 0), ("head", (10,), 90, 80)]):
        ...     print(*stage)
        stem (8, 2, 2) 80 1280
        head (10,) 90 80
    """

    def stage(name: str) -> str:
        part = name.split(".")[0] or LEARNS_ONLY
        return name if part in {"features", "stages", "stem_cells"} else part

    made: list[Stage] = []
    for name, group in groupby(rows, key=lambda row: stage(row[0])):
        parts = list(group)
        here = Stage(name, parts[-1][1], sum(row[2] for row in parts), sum(row[3] for row in parts))
        if here.parameters or here.macs:
            made.append(here)
        elif made and len(made[-1].shape) == len(here.shape):
            made[-1] = made[-1]._replace(shape=here.shape)
    return tuple(made)


def _architecture(
    row: Mapping[str, Any], works: Mapping[str, Any], measured: Any, path: Path, zoo: Path
) -> Architecture:
    where = f"{path}, {row['name']}"
    for name, known in (("family", FAMILIES), ("source", works)):
        if row[name] not in known:
            raise ValueError(f"{where}: {name} must be {' or '.join(known)}, got {row[name]!r}")
    if not re.fullmatch(r"[a-z]+/[a-z_]+", row["chapter"]):
        raise ValueError(f"{where}: chapter must be like 'architectures/resnet', got {row['chapter']!r}")
    results = tuple(_result(result, works, where) for result in row["results"])
    if len({result.series for result in results}) < len(results):
        raise ValueError(f"{where}: one result a series, got {[result.series for result in results]}")
    counted = row["counted"] if measured is None else measured
    where = where if measured is None else f"{zoo}, {row['name']}"
    _fields(counted, COUNTED | ({} if measured is None else CHECKED), where, more=measured is not None)
    stages = fold([(name, tuple(shape), parameters, macs) for name, _, shape, parameters, macs in counted["stages"]])
    for total, parts in (("parameters", [s.parameters for s in stages]), ("macs", [s.macs for s in stages])):
        if counted[total] != sum(parts) or counted[total] < 1:
            raise ValueError(f"{where}: the stages have {sum(parts)} {total}, the model {counted[total]}")
    return Architecture(
        **{name: row[name] for name in ("name", "title", "family", "chapter", "year", "people", "idea", "source")},
        **works[row["source"]],
        **{name: counted[name] for name in ("side", "parameters", "macs", "activations")},
        training_only=sum(stage.parameters for stage in stages if stage.name == LEARNS_ONLY),
        stages=stages,
        results=results,
        check=None if measured is None else _check(measured, where),
    )


def _result(row: Any, works: Mapping[str, Any], where: str) -> Result:
    _fields(row, REPORTED, f"{where}, result")
    for name, known in (("series", SERIES), ("source", works)):
        if row[name] not in known:
            raise ValueError(f"{where}: {name} must be {' or '.join(known)}, got {row[name]!r}")
    given = [rate for rate in (row["top1"], row["top5"]) if rate is not None]
    if not given or given != sorted(given) or not all(1 < rate < 100 for rate in given):
        raise ValueError(f"{where}: need top-1 <= top-5 in per cent, at least one, got {row['top1']} and {row['top5']}")
    return Result(**row, **works[row["source"]])


def _check(row: Mapping[str, Any], where: str) -> Check:
    difference, ratios = row["logit_difference"], (row["inference_ratio"], row["training_ratio"])
    if not (math.isfinite(difference) and difference >= 0 and min(ratios) > 0):
        raise ValueError(f"{where}: need a difference >= 0 and ratios > 0, got {difference} and {ratios}")
    return Check(**{name: row[name] for name in CHECKED})


def _fields(row: Any, kinds: Mapping[str, Any], where: str, *, more: bool = False) -> None:
    if not isinstance(row, Mapping) or not (set(kinds) <= set(row) if more else set(kinds) == set(row)):
        raise ValueError(f"{where}: expected the fields {', '.join(kinds)}, got {row!r}")
    for name, kind in kinds.items():
        if not isinstance(row[name], kind) or (isinstance(row[name], bool) and kind is not bool) or row[name] == "":
            raise ValueError(f"{where}: {name} must be {kind} and not empty, got {row[name]!r}")


def _json(path: Path, keys: set[str]) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict) or set(content) != keys:
        raise ValueError(f"{path}: expected {' and '.join(sorted(keys))}, got {str(content)[:80]}")
    return content
