import json
import zlib

import matplotlib.pyplot as plt
import pytest
import traitlets

from companion.plots import style
from companion.widgets.base import BookWidget, bundle, styles
from companion.widgets.explore import explore
from companion.widgets.quiz import choice, numeric, quiz


def test_a_bundle_holds_each_file_once_and_imports_nothing():
    source = bundle("explore")
    assert source.count("function slider(") == 1
    assert "import {" not in source
    assert source.rstrip().endswith("export default { render };")


def test_a_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match=r"nothing\.js"):
        bundle("nothing")


def test_styles_hold_palette_shared_sheet_and_own_sheet():
    sheet = styles("quiz")
    assert "--bk-blue:" in sheet
    assert ".bk-figure {" in sheet
    assert ".bk-quiz-list" in sheet
    assert ".bk-quiz-list" not in styles("no-sheet-of-its-own")


class Lamp(BookWidget):
    module = "quiz"
    linked = ("on",)
    on = traitlets.Bool(False).tag(sync=True)


def test_a_widget_remembers_its_first_linked_values():
    lamp = Lamp(key="lamp", label="A lamp", on=True)
    lamp.on = False
    assert lamp.defaults == {"on": True}


@pytest.mark.parametrize("key", ["", "1st", "a b", "a.b", "ä"])
def test_a_key_must_fit_into_an_address(key):
    with pytest.raises(ValueError, match="key must start with a letter"):
        Lamp(key=key, label="A lamp")


def states(widget):
    return json.loads(zlib.decompress(widget.states))


def test_explore_runs_once_per_setting_in_order():
    seen = []

    @explore(key="table", alt="A table.", a=[1, 2], b=["x", "y", "z"], start={"a": 2, "b": "y"})
    def table(a, b):
        seen.append((a, b))
        return f"{a}{b}", f"note {a}"

    assert seen == [(1, "x"), (1, "y"), (1, "z"), (2, "x"), (2, "y"), (2, "z")]
    assert [s["text"] for s in states(table)] == ["1x", "1y", "1z", "2x", "2y", "2z"]
    assert states(table)[3]["note"] == "note 2"
    assert table.at == [1, 1]
    assert [knob["scale"] for knob in table.knobs] == [True, False]


def test_explore_stores_figures_as_drawings_and_objects_as_html():
    class Html:
        def _repr_html_(self):
            return "<b>bold</b>"

    @explore(key="both", alt="Both.", kind=["figure", "html"])
    def both(kind):
        if kind == "html":
            return Html()
        with plt.rc_context():
            style()
            fig, ax = plt.subplots()
        ax.plot([0, 1])
        return fig

    figure, html = states(both)
    assert figure["html"].startswith("<svg ")
    assert html["html"] == "<b>bold</b>"
    assert not plt.get_fignums()


def test_explore_writes_numbers_as_readers_expect():
    widget = explore(key="n", alt="Numbers.", rate=[-0.5, 1e-3, 2.0], flag=[True, False])(lambda rate, flag: "")
    assert widget.knobs[0]["values"] == ["−0.5", "0.001", "2"]
    assert widget.knobs[1] == {"name": "flag", "label": "flag", "values": ["True", "False"], "scale": False}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "got 1, allowed"),
        ({"a": []}, "a has none"),
        ({"a": range(301)}, "got 301"),
        ({"a": [1], "start": {"b": 1}}, "'b'"),
        ({"a": [1], "start": {"a": 3}}, "a = 3"),
    ],
)
def test_explore_refuses_what_it_cannot_show(arguments, message):
    with pytest.raises(ValueError, match=message):
        explore(key="x", alt="x", **arguments)


def test_questions_carry_computed_answers():
    made = quiz(
        choice("Which?", ["a", "b"], answer=1, why="b."),
        numeric("How many?", answer=3, tolerance=0.5, why="3."),
        key="quiz",
    )
    assert [q["answer"] for q in made.questions] == [1, 3.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: choice("?", ["a"], answer=0, why=""), "at least two"),
        (lambda: choice("?", ["a", "a"], answer=0, why=""), "different"),
        (lambda: choice("?", ["a", "b"], answer=2, why=""), "got 2"),
        (lambda: choice("?", ["a", "b"], answer=-1, why=""), "got -1"),
        (lambda: numeric("?", answer=float("nan"), why=""), "got nan"),
        (lambda: numeric("?", answer=1.0, tolerance=-1, why=""), "got -1"),
        (lambda: quiz(key="quiz"), "at least one"),
    ],
)
def test_questions_without_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


NUMBERS = {
    "3,5": 3.5,
    " −2 ": -2,
    "1e-3": 0.001,
    "60 000": 60000,
    "5/8": 0.625,
    "": None,
    "1/2/3": None,
    "x": None,
    "1/": None,
}


@pytest.mark.browser
def test_the_quiz_reads_numbers_as_people_write_them(run_js):
    source = bundle("quiz")
    assert run_js(
        source, "(m, texts) => texts.map(m.parseNumber).map((v) => isNaN(v) ? null : v)", list(NUMBERS)
    ) == list(NUMBERS.values())


@pytest.mark.browser
def test_the_quiz_judges_within_the_tolerance(run_js):
    question = numeric("?", answer=0.3, tolerance=0.01, why="")
    given = [0.29, 0.31, 0.2899, 0.3101]
    assert run_js(bundle("quiz"), "(m, [q, g]) => g.map((v) => m.isRight(q, v))", [question, given]) == [
        True,
        True,
        False,
        False,
    ]
    which = choice("?", ["a", "b"], answer=1, why="")
    assert run_js(bundle("quiz"), "(m, q) => [0, 1].map((v) => m.isRight(q, v))", which) == [False, True]
