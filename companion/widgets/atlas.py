"""The atlas of architectures: a map of all models by any two of their numbers, and two of them side by side.

>>> from companion.data.architectures import FAMILIES, architectures
>>> models = [architecture.plain() for architecture in architectures()]
>>> Atlas(models, families=FAMILIES, chapters={model["chapter"]: "a chapter" for model in models}).b
'convnext_large'
"""

from collections.abc import Mapping, Sequence
from typing import Any

import traitlets

from companion.widgets.base import BookWidget
from companion.widgets.image_pixels import one_of

AXES = ("year", "parameters", "macs", "activations", "accuracy")
"""What an axis may show; parameters, MACs and activations have a logarithmic one."""

SERIES = ("paper", "torchvision_v1", "torchvision_v2", "extra_data", "cifar10")
"""Kinds of accuracy, one at a time."""

FIELDS = frozenset(
    {
        "name",
        "title",
        "family",
        "chapter",
        "year",
        "people",
        "idea",
        "reference",
        "url",
        "side",
        "parameters",
        "training_only",
        "macs",
        "activations",
        "stages",
        "results",
        "check",
    }
)


class Atlas(BookWidget):
    """A scatter of models with filters, a card for one model, and a comparison of two down to their stages.

    Args:
        models: each with the fields of `companion.data.architectures.Architecture.plain`; names are unique.
        families: all families in order; it gives them their marks, ten at most.
        chapters: titles of the chapters by "part/slug", one for every chapter that a model names.
        root: what leads from the page to the folder of all parts, for the links in the built book.
        x, y: what the axes show, one of `AXES`.
        series: the kind of accuracy, one of `SERIES`.
        a, b: names of the two models that are compared; the first and the last unless given.
        key, label: see `BookWidget`.

    Attributes:
        families: the families on the map.
        start, end: first and last year on the map.
        find: words that must stand in a model's title, name, people, idea or family.
        clicks: which of the two the card tells and a click changes, "a" or "b".

    Raises:
        ValueError: there is no model, one misses a field, a name is there twice, a family or a chapter is unknown,
            there are more than ten families, or `x`, `y`, `series`, `a` or `b` is none of the known ones.
    """

    module = "atlas"
    linked = ("x", "y", "series", "families", "start", "end", "find", "a", "b", "clicks")

    models = traitlets.List(traitlets.Dict()).tag(sync=True)
    all_families = traitlets.List(traitlets.Unicode()).tag(sync=True)
    chapters = traitlets.Dict().tag(sync=True)
    root = traitlets.Unicode().tag(sync=True)
    x = traitlets.Unicode().tag(sync=True)
    y = traitlets.Unicode().tag(sync=True)
    series = traitlets.Unicode().tag(sync=True)
    families = traitlets.List(traitlets.Unicode()).tag(sync=True)
    start = traitlets.Int().tag(sync=True)
    end = traitlets.Int().tag(sync=True)
    find = traitlets.Unicode("").tag(sync=True)
    a = traitlets.Unicode().tag(sync=True)
    b = traitlets.Unicode().tag(sync=True)
    clicks = traitlets.Unicode("a").tag(sync=True)

    def __init__(
        self,
        models: Sequence[Mapping[str, Any]],
        *,
        families: Sequence[str],
        chapters: Mapping[str, str],
        root: str = "../",
        x: str = "macs",
        y: str = "accuracy",
        series: str = "torchvision_v1",
        a: str | None = None,
        b: str | None = None,
        key: str = "atlas",
        label: str = "Map of the architectures of this book.",
    ) -> None:
        if not models or not 1 <= len(families) <= 10:
            raise ValueError(f"need a model and 1 to 10 families, got {len(models)} and {len(families)}")
        for i, model in enumerate(models):
            if missing := FIELDS - set(model):
                raise ValueError(f"model {i} misses {', '.join(sorted(missing))}")
            one_of(f"{model['name']}: family", model["family"], families)
            one_of(f"{model['name']}: chapter", model["chapter"], list(chapters))
        names = [model["name"] for model in models]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"names must be unique, got {', '.join(twice)} more than once")
        super().__init__(
            key=key,
            label=label,
            models=[{field: model[field] for field in sorted(FIELDS)} for model in models],
            all_families=list(families),
            chapters=dict(chapters),
            root=root,
            x=x,
            y=y,
            series=series,
            families=list(families),
            start=min(model["year"] for model in models),
            end=max(model["year"] for model in models),
            a=names[0] if a is None else a,
            b=names[-1] if b is None else b,
        )

    @traitlets.validate("x", "y", "series", "a", "b", "clicks")
    def _check(self, proposal: dict[str, Any]) -> str:
        name = proposal["trait"].name
        known = {"series": SERIES, "x": AXES, "y": AXES, "clicks": ("a", "b")}
        return one_of(name, proposal["value"], known.get(name) or [model["name"] for model in self.models])
