"""ThresholdNeuron: its verdict against an enumeration, its figure as a reader drives it, its errors."""

import itertools
import json
import math
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from companion.models.perceptron import GATES, ThresholdUnit, gate
from companion.widgets.base import bundle
from companion.widgets.threshold_neuron import TARGETS, ThresholdNeuron
from tests.figures import accessibility_problems, set_trait, trait

INPUTS = list(itertools.product((0, 1), repeat=2))
# All sixteen Boolean functions of two inputs, as Python says them.
FUNCTIONS: dict[str, Callable[[int, int], int]] = {
    "always 0": lambda a, b: 0,
    "AND": lambda a, b: a and b,
    "x₁ AND NOT x₂": lambda a, b: a and not b,
    "x₁": lambda a, b: a,
    "x₂ AND NOT x₁": lambda a, b: b and not a,
    "x₂": lambda a, b: b,
    "XOR": lambda a, b: a != b,
    "OR": lambda a, b: a or b,
    "NOR": lambda a, b: not (a or b),
    "XNOR": lambda a, b: a == b,
    "NOT x₂": lambda a, b: not b,
    "x₁ OR NOT x₂": lambda a, b: a or not b,
    "NOT x₁": lambda a, b: not a,
    "x₂ OR NOT x₁": lambda a, b: b or not a,
    "NAND": lambda a, b: not (a and b),
    "always 1": lambda a, b: 1,
}
TABLES = {name: [int(f(a, b)) for a, b in INPUTS] for name, f in FUNCTIONS.items()}
NAMES = {tuple(table): name for name, table in TABLES.items()}
VERDICTS = """(m, text) => JSON.stringify(JSON.parse(text).map((s) => {
  const outputs = m.gateRows(...s).map((row) => row.output); return [outputs, m.gateName(outputs)]; }))"""


def decimals(low: str, high: str, step: str) -> list[Decimal]:
    count = int((Decimal(high) - Decimal(low)) / Decimal(step)) + 1
    return [Decimal(low) + i * Decimal(step) for i in range(count)]


def enumerate_outputs(settings: list[tuple[Decimal, ...]]) -> list[list[int]]:
    """The four outputs in decimal arithmetic, where 0.7 + 0.1 is 0.8."""
    return [[int(w1 * a + w2 * b >= threshold) for a, b in INPUTS] for w1, w2, threshold in settings]


def verdicts(run_js: Callable, settings: list) -> list:
    """As text, because Playwright is slow at sending thousands of small lists."""
    return json.loads(run_js(bundle("perceptron_engine"), VERDICTS, json.dumps(settings)))


@pytest.mark.browser
def test_verdict_equals_an_enumeration_over_a_grid(run_js):
    assert len(NAMES) == 16
    weights, thresholds = decimals("-2", "2", "0.4"), decimals("-3", "3", "0.1")
    settings = list(itertools.product(weights, weights, thresholds))
    expected = enumerate_outputs(settings)
    got = verdicts(run_js, [[float(v) for v in setting] for setting in settings])
    assert [outputs for outputs, _ in got] == expected
    assert [name for _, name in got] == [NAMES[tuple(outputs)] for outputs in expected]
    assert {name for _, name in got} == FUNCTIONS.keys() - {"XOR", "XNOR"}
    for target, table in TABLES.items():
        most = max(np.equal(outputs, table).sum() for outputs, _ in got)
        assert most == (3 if target in {"XOR", "XNOR"} else 4), target


@pytest.mark.browser
def test_outputs_equal_the_companions_threshold_unit(run_js):
    steps = [v / 4 for v in range(-8, 9)]  # exact in binary, so both sides decide ties alike
    settings = list(itertools.product(steps, steps, [v / 4 for v in range(-12, 13)]))[::3]
    got = verdicts(run_js, settings)
    x = torch.tensor(INPUTS)
    for (w1, w2, threshold), (outputs, _) in zip(settings, got, strict=True):
        assert ThresholdUnit([w1, w2], threshold)(x).tolist() == outputs
    for name in GATES.keys() - {"NOT"}:
        assert gate(name)(x).tolist() == TABLES[name]


@pytest.mark.browser
def test_a_sum_equal_to_the_threshold_fires_in_decimals_too(run_js):
    assert 0.7 + 0.1 < 0.8  # what floating point would decide
    rows = run_js(bundle("perceptron_engine"), "(m) => m.gateRows(0.7, 0.1, 0.8)")
    assert rows[3] == {"sum": 0.8, "output": 1, "onLine": True}


@pytest.mark.browser
def test_halfplane_cuts_the_square_into_the_two_sides(run_js):
    rng = np.random.default_rng(0)
    forms = [*rng.normal(size=(60, 3)).tolist(), [0, 0, 1], [0, 0, -1], [1, 0, 0], [1, 1, 0], [1, 1, -2]]
    parts = run_js(bundle("perceptron_engine"), "(m, f) => f.map((abc) => m.halfplane(...abc, -1, 1))", forms)
    grid = np.linspace(-0.995, 0.995, 200)
    x1, x2 = np.meshgrid(grid, grid)
    for (a, b, c), part in zip(forms, parts, strict=True):
        inside, outside = area(part["inside"]), area(part["outside"])
        assert math.isclose(inside + outside, 4)
        assert math.isclose(inside, 4 * (a * x1 + b * x2 + c >= 0).mean(), abs_tol=0.05)
        for p, q in part["line"]:
            assert math.isclose(a * p + b * q + c, 0, abs_tol=1e-12)
            assert math.isclose(max(abs(p), abs(q)), 1)


def area(polygon: list[list[float]]) -> float:
    corners = np.array(polygon).reshape(-1, 2)
    x, y = corners.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


@pytest.mark.browser
def test_nonsense_from_a_link_becomes_a_setting_that_can_be_drawn(run_js):
    read = "(m, given) => m.readNeuron((name) => given[name])"
    bad = {"w1": -1e99, "w2": "1", "threshold": 2.3456, "target": "NOPE", "shown": 7}
    clean = {"w1": -2, "w2": 1, "threshold": 2.35, "target": "none", "shown": 3}
    assert run_js(bundle("threshold_neuron"), read, bad) == clean
    assert run_js(bundle("threshold_neuron"), read, clean) == clean


# --- the figure


@pytest.fixture
def neuron(open_widget):
    return lambda **state: open_widget(ThresholdNeuron(), **state)


# Where the corners (0, 0) and (1, 1) of the input plane are drawn.
CORNERS = """() => { const all = document.querySelectorAll(".bk-neuron-corner");
  return [all[0], all[3]].flatMap((c) => c.getAttribute("transform").match(/[\\d.]+/g).map(Number)); }"""


@pytest.mark.browser
def test_moving_a_slider_changes_line_table_and_verdict(neuron):
    page = neuron()
    verdict, plane = page.locator(".bk-neuron-verdict"), page.locator(".bk-neuron-plane svg")
    assert verdict.inner_text() == "This neuron computes OR"
    expect(page.get_by_text("2 of 4 rows right, best so far 2 of 4.")).to_be_visible()
    before = plane.inner_html()
    threshold = page.get_by_role("slider", name="θ")
    threshold.focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    assert trait(page, "threshold") == 1.1
    assert verdict.inner_text() == "This neuron computes AND"
    assert page.get_by_text("4 of 4 rows right: target reached.").is_visible()
    assert plane.inner_html() != before
    assert "1 x₁ + 1 x₂ = 1.1. The neuron fires at (1, 1)." in plane.get_attribute("aria-label")
    left, bottom, right, top = page.evaluate(CORNERS)
    ends = page.locator(".bk-neuron-line").evaluate("(l) => ['x1', 'y1', 'x2', 'y2'].map((n) => +l.getAttribute(n))")
    for u, v in (ends[:2], ends[2:]):
        x1, x2 = (u - left) / (right - left), (v - bottom) / (top - bottom)
        assert math.isclose(x1 + x2, 1.1)
    cells = page.locator(".bk-neuron-table tbody tr").all_inner_texts()
    assert [row.split() for row in cells] == [
        ["0", "0", "0", "<", "1.1", "0", "0", "✓"],
        ["0", "1", "1", "<", "1.1", "0", "0", "✓"],
        ["1", "0", "1", "<", "1.1", "0", "0", "✓"],
        ["1", "1", "2", ">", "1.1", "1", "1", "✓"],
    ]


@pytest.mark.browser
def test_xor_is_seen_to_be_out_of_reach_and_then_explained(neuron):
    page = neuron(target="XOR")
    task, proof = page.locator(".bk-neuron-task"), page.locator("details")
    assert task.inner_text() == "3 of 4 rows right, best so far 3 of 4."  # OR misses only (1, 1)
    expect(proof).not_to_be_visible()
    for slider in page.get_by_role("slider").all():
        slider.focus()
        for _ in range(6):
            page.keyboard.press("ArrowLeft")
    assert "best so far 3 of 4. More is not possible." in task.inner_text()
    proof.locator("summary").click()
    assert "Add the second and the third: w₁ + w₂ ≥ 2θ." in proof.inner_text()
    assert "Add the first and the fourth: w₁ + w₂ < 2θ." in proof.inner_text()
    w1, w2, threshold = (trait(page, name) for name in ("w1", "w2", "threshold"))
    conditions = [threshold > 0, w2 >= threshold, w1 >= threshold, w1 + w2 < threshold]
    marks = proof.locator("tbody td:last-child").all_inner_texts()
    assert [mark == "✓" for mark in marks] == conditions
    needs = proof.locator("tbody td:nth-child(3)")
    assert needs.all_inner_texts() == ["0 < θ", "w₂ ≥ θ", "w₁ ≥ θ", "w₁ + w₂ < θ"]
    page.get_by_label("Target").select_option("XNOR")
    assert needs.all_text_contents() == ["0 ≥ θ", "w₂ < θ", "w₁ < θ", "w₁ + w₂ ≥ θ"]
    assert "best so far" in task.inner_text()
    assert "not possible" not in task.inner_text()  # a new target, a new try
    set_trait(page, "target", "AND")
    assert proof.get_attribute("hidden") is not None


@pytest.mark.browser
def test_the_drawing_follows_the_chosen_input(neuron):
    page = neuron()
    drawing = page.locator(".bk-neuron-cell svg")
    assert "x₁ = 1, x₂ = 1: the weighted sum is 2" in drawing.get_attribute("aria-label")
    page.get_by_label("Show the input x₁ = 0, x₂ = 1 in the drawing").check()
    assert trait(page, "shown") == 1
    assert "x₁ = 0, x₂ = 1: the weighted sum is 1, at least" in drawing.get_attribute("aria-label")
    page.locator(".bk-neuron-corner").first.click()
    assert trait(page, "shown") == 0
    assert "the weighted sum is 0, below" in drawing.get_attribute("aria-label")


@pytest.mark.browser
def test_presets_compute_what_they_are_called_and_reset_brings_back(neuron):
    page = neuron()
    picker, verdict = page.get_by_label("Try"), page.locator(".bk-neuron-verdict strong")
    expected = {"AND": "AND", "OR": "OR", "NOT x₁": "NOT x₁", "NAND": "NAND", "On the line": "OR"}
    for name, function in expected.items():
        picker.select_option(label=name)
        assert verdict.inner_text() == function, name
        assert page.locator(".bk-toolbar .bk-status").inner_text() != ""
    picker.select_option(label="XOR: can you?")
    assert trait(page, "target") == "XOR"
    page.get_by_role("button", name="Reset").click()
    linked = ThresholdNeuron.linked
    assert {name: trait(page, name) for name in linked} == {name: getattr(ThresholdNeuron(), name) for name in linked}
    assert verdict.inner_text() == "OR"


@pytest.mark.browser
def test_a_change_from_the_kernel_is_drawn_until_the_figure_is_closed(neuron):
    page = neuron()
    verdict = page.locator(".bk-neuron-verdict strong")
    for name, value in {"w1": -1, "w2": -1, "threshold": -1.5, "target": "none"}.items():
        set_trait(page, name, value)
    assert verdict.inner_text() == "NAND"
    assert page.get_by_role("slider", name="w₁").input_value() == "-1"
    assert page.locator(".bk-neuron-task").inner_text().startswith("Choose a target")
    set_trait(page, "w1", 0)
    set_trait(page, "w2", 0)
    assert verdict.inner_text() == "always 1"  # no line at all
    assert page.locator(".bk-neuron-line").evaluate("(el) => el.style.display") == "none"
    page.evaluate("window.stop()")
    set_trait(page, "threshold", 3)
    assert verdict.inner_text() == "always 1"


@pytest.mark.browser
def test_nonsense_in_a_link_is_mended_in_the_model(neuron):
    page = neuron(w1=99, threshold=[], target="<b>")
    assert [trait(page, name) for name in ("w1", "threshold", "target")] == [2, 0.5, "none"]


@pytest.mark.browser
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_neuron_is_accessible_and_fits(neuron, theme, width):
    page = neuron(target="XOR", w2=-0.5)
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
    for value in range(12):
        set_trait(page, "threshold", value / 10)
    page.locator("summary").click()
    assert accessibility_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


# --- the Python class


def test_neuron_keeps_what_it_is_given():
    widget = ThresholdNeuron(w1=np.float32(-1.25), w2=2, threshold=0.123, target="NAND", shown=1, key="k")
    assert (widget.w1, widget.w2, widget.threshold, widget.target, widget.shown) == (
        -1.25,
        2,
        0.12,
        "NAND",
        1,
    )
    assert widget.defaults == {"w1": -1.25, "w2": 2.0, "threshold": 0.12, "target": "NAND", "shown": 1}
    widget.threshold = -3
    assert widget.threshold == -3
    assert all(ThresholdNeuron(target=target).target == target for target in TARGETS)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"w1": 2.01}, ValueError, "w1 must be between -2 and 2, got 2.01"),
        ({"w2": math.nan}, ValueError, "w2 must be between -2 and 2, got nan"),
        ({"threshold": -3.5}, ValueError, "threshold must be between -3 and 3, got -3.5"),
        ({"threshold": math.inf}, ValueError, "got inf"),
        ({"w1": "1"}, TypeError, "w1 must be a number, got '1'"),
        ({"w2": True}, TypeError, "w2 must be a number, got True"),
        ({"target": "MAJORITY"}, ValueError, "target must be one of none, AND, .*, got 'MAJORITY'"),
        ({"shown": 4}, ValueError, "shown must be 0, 1, 2 or 3 .*, got 4"),
        ({"key": "1 2"}, ValueError, "key must start with a letter"),
    ],
)
def test_neuron_refuses_what_makes_no_sense(given, error, message):
    with pytest.raises(error, match=message):
        ThresholdNeuron(**given)


def test_a_bad_value_set_later_is_refused_and_the_old_one_stays():
    widget = ThresholdNeuron()
    with pytest.raises(ValueError, match="w1 must be between"):
        widget.w1 = 5
    assert widget.w1 == 1
