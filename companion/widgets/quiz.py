"""A self-check quiz with feedback at once. Answers are Python values, so the chapter's own cells compute them."""

import math
from collections.abc import Sequence
from typing import Any

import traitlets

from companion.widgets.base import BookWidget


class Quiz(BookWidget):
    """Questions with immediate feedback; made by `quiz`. `questions` holds what `choice` and `numeric` return."""

    module = "quiz"

    questions: traitlets.List[Any] = traitlets.List().tag(sync=True)


def choice(question: str, options: Sequence[str], *, answer: int, why: str) -> dict[str, Any]:
    """Return a question with one right option.

    Args:
        question: plain text, as everything here (Unicode, no markup).
        options: the answers to choose from.
        answer: index of the right option, from 0.
        why: explains the answer, shown whether the reader was right or wrong.

    Raises:
        ValueError: if there are fewer than two options, two are the same, or `answer` is not the index of one.
    """
    if len(options) < 2 or len(set(options)) < len(options):
        raise ValueError(f"a choice needs at least two different options, got {list(options)}")
    if not 0 <= answer < len(options):
        raise ValueError(f"answer must be an index into {len(options)} options, got {answer}")
    return {
        "kind": "choice",
        "question": question,
        "options": list(options),
        "answer": int(answer),
        "why": why,
    }


def numeric(question: str, *, answer: float, tolerance: float = 0.0, why: str) -> dict[str, Any]:
    """Return a question whose answer is a number; right is `|given - answer| <= tolerance`.

    Raises:
        ValueError: if the answer is not finite or the tolerance is negative or not finite.
    """
    if not math.isfinite(answer):
        raise ValueError(f"answer must be a finite number, got {answer}")
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise ValueError(f"tolerance must be a finite number >= 0, got {tolerance}")
    given = {"answer": float(answer), "tolerance": float(tolerance)}
    return {"kind": "numeric", "question": question, "why": why, **given}


def quiz(*questions: dict[str, Any], key: str, label: str = "Self-check quiz") -> Quiz:
    """Return the quiz of these questions; end a cell with it.

    Raises:
        ValueError: if there is no question.
    """
    if not questions:
        raise ValueError("a quiz needs at least one question")
    return Quiz(key=key, label=label, questions=list(questions))
