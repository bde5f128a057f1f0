"""A timeline to walk through: events as marks over the years, spans as shade, one event told at a time.

>>> from companion.data import milestones
>>> Timeline([event._asdict() for event in milestones()]).selected
'McCulloch–Pitts neuron'
"""

from collections.abc import Mapping, Sequence
from typing import Any

import traitlets

from companion.widgets.base import BookWidget

FIELDS = frozenset({"year", "end", "title", "people", "category", "why", "reference", "url"})
KINDS = ("idea", "architecture", "method", "resource", "winter")


class Timeline(BookWidget):
    """Events on a line of years that zooms; the reader filters them and walks from one to the next.

    Args:
        events: in order of time, each with `year`, `end` (last year of a span, else None), `title` (unique),
            `people`, `category` (one of `KINDS`; "winter" is drawn as a shaded span), `why`, `reference`,
            `url`. Other fields are left out.
        selected: title of the event told first; the first event unless given.
        key, label: see `BookWidget`.

    Attributes:
        selected: title of the event that is told.
        start, end: first and last year in view.
        shown: the kinds of events in view.

    Raises:
        ValueError: there is no event, one misses a field, has an unknown category or comes before its
            predecessor, a title is there twice, or `selected` is no title.
    """

    module = "timeline"
    linked = ("selected", "start", "end", "shown")

    events = traitlets.List(traitlets.Dict()).tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)
    start = traitlets.Int().tag(sync=True)
    end = traitlets.Int().tag(sync=True)
    shown = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(
        self,
        events: Sequence[Mapping[str, Any]],
        *,
        selected: str | None = None,
        key: str = "timeline",
        label: str = "Timeline of neural networks and deep learning.",
    ) -> None:
        if not events:
            raise ValueError("a timeline needs at least one event, got none")
        for i, event in enumerate(events):
            if missing := FIELDS - set(event):
                raise ValueError(f"event {i} misses {', '.join(sorted(missing))}: {dict(event)!r}")
            if event["category"] not in KINDS:
                raise ValueError(f"event {i}: category must be {' or '.join(KINDS)}, got {event['category']!r}")
            if i and event["year"] < events[i - 1]["year"]:
                raise ValueError(f"event {i}: {event['year']} comes after {events[i - 1]['year']}")
        titles = [event["title"] for event in events]
        if twice := sorted({title for title in titles if titles.count(title) > 1}):
            raise ValueError(f"titles must be unique, got {', '.join(twice)} more than once")
        selected = titles[0] if selected is None else selected
        if selected not in titles:
            raise ValueError(f"selected must be the title of an event, got {selected!r}")
        super().__init__(
            key=key,
            label=label,
            events=[{field: event[field] for field in sorted(FIELDS)} for event in events],
            selected=selected,
            start=min(event["year"] for event in events),
            end=max(event["end"] or event["year"] for event in events),
            shown=list(KINDS),
        )
