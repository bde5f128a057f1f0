"""PerceptronTrainer: its engine against the companion and an optimizer, its figure in use, its errors."""

import itertools
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Locator, Page, expect
from scipy.optimize import minimize

from companion.models.perceptron import Perceptron, is_linearly_separable, novikoff_bound
from companion.widgets.base import bundle
from companion.widgets.perceptron_trainer import (
    LIMIT,
    MOST_POINTS,
    ORDERS,
    PRESETS,
    SPEEDS,
    PerceptronTrainer,
)
from tests.figures import accessibility_problems, set_trait, trait

TRAIN = """(m, text) => JSON.stringify(JSON.parse(text).map(({ flat, lr, order, passes }) => {
  const run = m.startRun(m.readPoints(flat, 3, 60), order), weights = [m.weightsOf(run, lr)], seen = [];
  while (run.passes < passes && !run.converged) {
    const { index, error } = m.stepRun(run);
    seen.push(index);
    if (error) weights.push(m.weightsOf(run, lr));
  }
  const { mistakes, perPass, converged, cycle } = run;
  return { weights, mistakes, perPass, converged, cycle, seen };
}))"""
STEPS = """(m, [flat, n]) => {
  const run = m.startRun(m.readPoints(flat, 3, 60), "listed");
  for (let i = 1; i < n; i++) m.stepRun(run);
  return [m.stepRun(run), m.weightsOf(run, 0.5)];
}"""
BOUNDS = """(m, text) => JSON.stringify(JSON.parse(text).map((flat) => m.novikoff(m.readPoints(flat, 3, 60))))"""


def engine(run_js: Callable, function: str, given: list) -> list[dict[str, Any]]:
    return json.loads(run_js(bundle("perceptron_engine"), function, json.dumps(given)))


def arrays(flat: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    rows = torch.tensor(flat, dtype=torch.float64).reshape(-1, 3)
    return rows[:, :2], rows[:, 2].long()


def random_sets(count: int, *, gap: float) -> list[list[float]]:
    """Point sets of 2 to 20 points; with a gap, a line separates the classes and none is nearer than that."""
    rng, sets = np.random.default_rng(0), []
    while len(sets) < count:
        X = rng.uniform(-LIMIT, LIMIT, (rng.integers(2, 21), 2)).round(2)
        normal, offset = rng.normal(size=2), rng.normal()
        distance = (X @ normal + offset) / np.linalg.norm(normal)
        y = distance > 0 if gap else rng.random(len(X)) > 0.5
        X, y = (X[abs(distance) > gap], y[abs(distance) > gap]) if gap else (X, y)
        if len(X) > 1:
            sets.append(np.column_stack([X, y]).ravel().tolist())
    return sets


def margin_by_optimizer(flat: list[float]) -> float:
    """Largest margin of a plane through the origin of (x, 1): minimise |w| subject to all margins >= 1."""
    X, y = (t.numpy() for t in arrays(flat))
    rows = (2 * y - 1)[:, None] * np.column_stack([X, np.ones(len(X))])
    rules = {"type": "ineq", "fun": lambda w: rows @ w - 1, "jac": lambda w: rows}
    best = min(
        (
            minimize(
                lambda w: w @ w / 2,
                start,
                jac=lambda w: w,
                constraints=rules,
                method="SLSQP",
                options={"maxiter": 500, "ftol": 1e-14},
            )
            for start in 3 * np.eye(3)
        ),
        key=lambda result: (not result.success, result.fun),
    )
    assert best.success
    return float((rows @ best.x).min() / np.linalg.norm(best.x))


@pytest.mark.browser
def test_training_equals_the_companions_perceptron(run_js):
    sets = [*random_sets(15, gap=0.05), *random_sets(5, gap=0), *(list(p.points) for p in PRESETS.values())]
    runs = [{"flat": flat, "lr": lr, "order": "listed", "passes": 30} for flat in sets for lr in (1, 0.25)]
    for given, got in zip(runs, engine(run_js, TRAIN, runs), strict=True):
        history = Perceptron(2).double().fit(*arrays(given["flat"]), lr=given["lr"], max_epochs=30)
        assert got["perPass"] == history.mistakes_per_epoch
        np.testing.assert_allclose(got["weights"], history.weights, atol=1e-9)
        assert got["converged"] == history.converged
        assert got["mistakes"] == sum(history.mistakes_per_epoch)


@pytest.mark.browser
def test_one_step_equals_one_step(run_js):
    flat = [0.5, -1, 0, 1, 2, 1, -1.5, 0.25, 1]
    perceptron, (X, y) = Perceptron(2).double(), arrays(flat)
    for n in range(1, 7):
        i = (n - 1) % 3
        score = perceptron.decision_function(X[i]).item()
        mistake = perceptron.step(X[i], y[i], lr=0.5)
        last, (w1, w2, b) = run_js(bundle("perceptron_engine"), STEPS, [flat, n])
        assert last["index"] == i
        assert last["predicted"] == int(score >= 0)
        assert (last["error"] != 0) == mistake
        assert math.isclose(0.5 * last["score"] / 1e4, score, abs_tol=1e-12)
        np.testing.assert_allclose([w1, w2, b], [*perceptron.weight, perceptron.bias], atol=1e-12)


@pytest.mark.browser
def test_bound_equals_the_companion_and_an_optimizer(run_js):
    separable = [
        *random_sets(40, gap=0.05),
        *(list(PRESETS[n].points) for n in ("two clusters", "thin margin", "AND gate")),
    ]
    separable += [[1, 2, 1], [1, 2, 0], [0, 0, 1, 3, 3, 1, -3, 3, 1], [1, 1, 1, 1, 1, 1, 0, 0, 0]]
    for flat, got in zip(separable, engine(run_js, BOUNDS, separable), strict=True):
        X, y = arrays(flat)
        expected, margin = novikoff_bound(X, y), margin_by_optimizer(flat)
        assert got["separable"]
        assert math.isclose(got["radius"], expected.radius, rel_tol=1e-12)
        assert math.isclose(got["margin"], expected.margin, rel_tol=1e-6)
        assert math.isclose(got["margin"], margin, rel_tol=1e-6)
        assert math.isclose(got["bound"], expected.mistakes, rel_tol=1e-6)


@pytest.mark.browser
def test_separability_equals_the_linear_program(run_js):
    sets = [*random_sets(150, gap=0), [0, 0, 1, 0, 0, 0], [-1, 0, 0, 0, 0, 1, 1, 0, 0]]
    answers = [got["separable"] for got in engine(run_js, BOUNDS, sets)]
    assert answers == [is_linearly_separable(*arrays(flat)) for flat in sets]
    assert 10 < sum(answers) < 140  # both answers occur
    empty = engine(run_js, BOUNDS, [[]])[0]
    assert not empty["separable"]


@pytest.mark.browser
@pytest.mark.parametrize("order", ORDERS)
def test_mistakes_end_and_never_pass_the_bound(run_js, order):
    sets = random_sets(60, gap=0.1)
    runs = engine(run_js, TRAIN, [{"flat": s, "lr": 1, "order": order, "passes": 5000} for s in sets])
    for run, bound in zip(runs, engine(run_js, BOUNDS, sets), strict=True):
        assert run["converged"]
        assert run["mistakes"] <= bound["bound"]


@pytest.mark.browser
def test_a_cycle_is_named_only_where_the_weights_come_back(run_js):
    given = [{"flat": list(p.points), "lr": 1, "order": "listed", "passes": 200} for p in PRESETS.values()]
    runs = dict(zip(PRESETS, engine(run_js, TRAIN, given), strict=True))
    assert {name for name, run in runs.items() if run["cycle"]} == {"XOR", "noisy overlap"}
    assert {name for name, run in runs.items() if run["converged"]} == {
        "two clusters",
        "thin margin",
        "AND gate",
    }
    for name in ("XOR", "noisy overlap"):
        first, second = runs[name]["cycle"]["from"], runs[name]["cycle"]["to"]
        X, y = arrays(list(PRESETS[name].points))
        ends = []
        for passes in range(1, second + 1):
            perceptron = Perceptron(2).double()
            perceptron.fit(X, y, max_epochs=passes)
            ends.append(torch.cat([perceptron.weight, perceptron.bias[None]]).numpy())
        same = [(i + 1, k + 1) for i, k in itertools.combinations(range(second), 2) if np.allclose(ends[i], ends[k])]
        assert same == [(first, second)]


@pytest.mark.browser
def test_shuffling_shows_every_point_once_a_pass_and_is_repeatable(run_js):
    given = {"flat": list(PRESETS["noisy overlap"].points), "lr": 1, "order": "shuffled", "passes": 20}
    first, second, listed = engine(run_js, TRAIN, [given, given, {**given, "order": "listed"}])
    orders = np.reshape(first["seen"], (20, 22))
    assert (np.sort(orders, axis=1) == np.arange(22)).all()
    assert len({tuple(order) for order in orders}) == 20
    assert first == second
    xor = engine(run_js, TRAIN, [{**given, "flat": list(PRESETS["XOR"].points), "passes": 100}])[0]
    assert xor["cycle"] is None  # the same weights, but not the same order ahead
    assert listed["seen"] == list(range(22)) * 20


@pytest.mark.browser
def test_nonsense_from_a_link_becomes_points_that_can_be_trained(run_js):
    read = "(m, given) => m.readTrainer((name) => given[name])"
    bad = {"points": [99, -99, 1, "a", 0, 0, 1.234, None, 5, 7], "lr": 1e9, "order": "sideways", "speed": 3}
    clean = {"points": [[300, -300, 1], [123, 0, 0]], "lr": 2, "order": "listed", "speed": 10}
    assert run_js(bundle("perceptron_trainer"), read, bad) == clean
    many = run_js(bundle("perceptron_trainer"), read, {"points": [1, 1, 1] * 500, "lr": None})
    assert len(many["points"]) == MOST_POINTS
    assert run_js(bundle("perceptron_trainer"), read, {"points": "no list"})["points"] == []


# --- the figure


@pytest.fixture
def trainer(open_widget):
    return lambda *args, **state: open_widget(PerceptronTrainer(*args), **state)


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def counts(page: Page) -> list[str]:
    return page.locator(".bk-trainer-value").all_inner_texts()


def at(page: Page, x1: float, x2: float) -> tuple[float, float]:
    """Where (x1, x2) lies on the screen."""
    place = """(svg, [u, v]) => {
      const p = new DOMPoint(u, v).matrixTransform(svg.getScreenCTM()); return [p.x, p.y]; }"""
    u, v = 42 + (x1 + 3) * 330 / 6, 8 + (3 - x2) * 330 / 6
    x, y = page.locator(".bk-trainer-data svg").evaluate(place, [u, v])
    return x, y


@pytest.mark.browser
def test_steps_tell_what_happens_and_count(trainer):
    page = trainer("AND gate")
    state, story = page.locator(".bk-trainer-news .bk-status"), page.locator(".bk-trainer-story")
    assert "All weights are zero" in state.inner_text()
    assert counts(page) == ["0", "51", "1", "(0, 0)"]
    button(page, "Step").click()
    assert (
        story.inner_text() == "Point 1 at (0, 0), class 0: score 0, so ŷ\u00a0=\u00a01. Wrong: w −= 1 · (0, 0), b −= 1."
    )
    assert counts(page) == ["1", "51", "1", "(0, 0)"]
    button(page, "Step").click()
    assert story.inner_text() == "Point 2 at (0, 1), class 0: score −1, so ŷ\u00a0=\u00a00. Right: nothing changes."
    for _ in range(22):
        button(page, "Step").click()
    assert counts(page) == ["11", "51", "6", "(2, 1)"]
    assert "Pass 6 made no mistake" in state.inner_text()
    assert "Mistakes in all: 11; the bound allows 51." in state.inner_text()
    assert page.locator(".bk-trainer-chart svg").get_attribute("aria-label").endswith("2, 3, 3, 2, 1, 0.")
    assert page.locator(".bk-trainer-wrong").count() == 0
    button(page, "Restart").click()
    assert counts(page) == ["0", "51", "1", "(0, 0)"]


@pytest.mark.browser
def test_running_ends_by_itself_when_a_line_separates(trainer):
    page = trainer("thin margin", speed=1000)
    button(page, "Run").click()
    expect(page.locator(".bk-trainer-news .bk-status")).to_contain_text("Pass 20 made no mistake", timeout=10_000)
    expect(button(page, "Run")).to_be_visible()
    assert counts(page)[:3] == ["62", "913.1", "20"]
    meter = page.get_by_role("meter")
    assert meter.get_attribute("aria-valuetext") == "62 of at most 913"
    width = meter.locator("div").evaluate("(el) => el.offsetWidth / el.parentElement.clientWidth")
    assert width == pytest.approx(62 / 913, abs=0.01)


@pytest.mark.browser
def test_xor_is_seen_to_cycle_until_it_is_paused(trainer):
    page = trainer("XOR", speed=300)
    assert counts(page)[1] == "none"
    button(page, "Run").click()
    state = page.locator(".bk-trainer-news .bk-status")
    expect(state).to_have_text(
        "The weights after pass 3 are those after pass 2: the state repeats, it will cycle for ever."
    )
    button(page, "Pause").click()
    mistakes = int(counts(page)[0])
    assert mistakes >= 10
    assert page.get_by_role("meter").get_attribute("aria-valuetext") == "there is no bound"
    page.wait_for_timeout(100)
    assert int(counts(page)[0]) == mistakes


@pytest.mark.browser
def test_points_are_placed_dragged_and_deleted_by_pointer(trainer):
    page = trainer("AND gate")
    page.mouse.click(*at(page, -2, 2))
    assert trait(page, "points")[-3:] == pytest.approx([-2, 2, 1], abs=0.03)  # a pixel is about 0.02
    page.get_by_role("radio", name="class 0").check()
    page.mouse.click(*at(page, 2, -2))
    assert trait(page, "points")[-3:] == pytest.approx([2, -2, 0], abs=0.03)
    bound = counts(page)[1]
    page.mouse.move(*at(page, 1, 1))
    page.mouse.down()
    page.mouse.move(*at(page, 1.5, 1), steps=3)
    assert counts(page)[1] != bound  # already while it moves
    assert trait(page, "points")[9:12] == [1, 1, 1]
    page.mouse.move(*at(page, 2, 2), steps=3)
    page.mouse.up()
    assert trait(page, "points")[9:12] == pytest.approx([2, 2, 1], abs=0.03)
    assert len(trait(page, "points")) == 18  # the end of a drag adds nothing
    page.get_by_role("radio", name="move").check()
    page.mouse.click(*at(page, -2, -2))
    assert len(trait(page, "points")) == 18
    page.get_by_role("radio", name="delete").check()
    page.mouse.click(*at(page, 2, 2))
    assert len(trait(page, "points")) == 15
    assert page.locator(".bk-trainer-point").count() == 5


@pytest.mark.browser
def test_points_are_moved_turned_and_deleted_by_keyboard(trainer):
    page = trainer("AND gate")
    first = page.get_by_role("slider", name="Point 1 of 4, class 0")
    first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    assert trait(page, "points")[:3] == [0.1, 0.01, 0]
    assert first.get_attribute("aria-valuetext") == "x₁ 0.1, x₂ 0.01"
    page.keyboard.press("Enter")
    assert trait(page, "points")[:3] == [0.1, 0.01, 1]
    page.keyboard.press("PageUp")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Point 4 of 4, class 1"
    assert page.locator(".bk-trainer-point[tabindex='0']").count() == 1
    page.keyboard.press("Delete")
    assert len(trait(page, "points")) == 9
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Point 3 of 3, class 0"
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    assert trait(page, "points")[6:] == [3, 0, 0]  # the edge
    for _ in range(3):
        page.keyboard.press("Delete")
    assert trait(page, "points") == []
    assert page.locator(".bk-trainer-news .bk-status").inner_text().startswith("No points yet")
    page.keyboard.press("Enter")  # the focus is on the button that adds one
    page.keyboard.press("ArrowUp")
    assert trait(page, "points") == [0, 0.1, 1]
    button(page, "Clear points").click()
    button(page, "Run").click()
    button(page, "Step").click()
    assert counts(page) == ["0", "–", "1", "(0, 0)"]


@pytest.mark.browser
def test_no_more_than_sixty_points(trainer):
    page = trainer("AND gate", points=[1, 1, 1] * MOST_POINTS)
    button(page, "Add at the centre").click()
    assert len(trait(page, "points")) == 3 * MOST_POINTS
    assert "60 points are the most" in page.locator(".bk-trainer-news .bk-status").inner_text()


@pytest.mark.browser
def test_the_learning_rate_scales_the_weights_and_changes_no_mistake(trainer):
    page = trainer("two clusters")
    for _ in range(20):
        button(page, "Step").click()
    before, line = counts(page), page.locator(".bk-trainer-line").get_attribute("x1")
    page.get_by_role("slider", name="learning rate η").fill("2")
    after = counts(page)
    assert after[:3] == before[:3]
    pair = [json.loads(text.replace("−", "-").replace("(", "[").replace(")", "]")) for text in (before[3], after[3])]
    np.testing.assert_allclose(np.multiply(pair[0], 2), pair[1], atol=0.011)
    assert page.locator(".bk-trainer-line").get_attribute("x1") == line
    assert "η only scales w and b" in page.locator(".bk-trainer-story").inner_text()


@pytest.mark.browser
def test_trainer_presets_reset_and_changes_from_the_kernel(trainer):
    page = trainer("XOR")
    for name, preset in PRESETS.items():
        page.get_by_label("Try").select_option(label=name)
        assert page.locator(".bk-trainer-point").count() == len(preset.points) // 3
        assert page.locator(".bk-toolbar .bk-status").inner_text() == preset.note
        assert trait(page, "speed") == preset.speed
    page.get_by_label("order").select_option("shuffled")
    page.get_by_role("slider", name="speed").fill("0")
    assert trait(page, "speed") == SPEEDS[0]
    button(page, "Step").click()
    button(page, "Reset").click()
    defaults = PerceptronTrainer("XOR").defaults
    assert {name: trait(page, name) for name in defaults} == defaults
    assert page.get_by_role("slider", name="speed").get_attribute("aria-valuetext") == "10/s"
    assert counts(page)[0] == "0"
    set_trait(page, "points", [1, 1, 1, -1, -1, 0])
    assert page.locator(".bk-trainer-point").count() == 2
    assert counts(page)[1] == "1.5"
    set_trait(page, "lr", 0.5)
    button(page, "Step").click()
    button(page, "Step").click()
    assert counts(page)[3] == "(0.5, 0.5)"
    page.evaluate("window.stop()")
    set_trait(page, "points", [])
    assert page.locator(".bk-trainer-point").count() == 2


@pytest.mark.browser
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_trainer_is_accessible_and_fits(trainer, theme, width):
    page = trainer("noisy overlap")
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
    for _ in range(3):
        button(page, "Step").click()
    assert accessibility_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


# --- the Python class


def test_trainer_keeps_points_as_arrays():
    X, y = np.array([[0.123, -1], [2, 3]], dtype=np.float32), [0, 1]
    widget = PerceptronTrainer((X, y), lr=0.5, order="shuffled", speed=100, key="k")
    assert widget.points == [0.12, -1.0, 0, 2.0, 3.0, 1]
    assert widget.X.tolist() == [[0.12, -1], [2, 3]]
    assert widget.y.tolist() == [0, 1]
    assert widget.y.dtype == np.int64
    assert widget.defaults == {"points": widget.points, "lr": 0.5, "order": "shuffled", "speed": 100}
    widget.set_state({"points": [0, 0, 1, 1, 1, 0], "lr": 1.5})  # what the page sends
    assert widget.X.tolist() == [[0, 0], [1, 1]]
    assert widget.lr == 1.5
    widget.points = []
    assert widget.X.shape == (0, 2)
    assert widget.y.shape == (0,)
    assert PerceptronTrainer((torch.zeros(1, 2), torch.ones(1))).points == [0, 0, 1]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_what_its_name_says(name):
    widget = PerceptronTrainer(name)
    assert widget.points == PRESETS[name].points
    assert PRESETS[name].speed in SPEEDS
    separable = is_linearly_separable(torch.from_numpy(widget.X), torch.from_numpy(widget.y))
    assert separable == (name not in {"XOR", "noisy overlap"})


@pytest.mark.parametrize(
    ("points", "options", "error", "message"),
    [
        ("spirals", {}, ValueError, "points must be one of two clusters, .* or a pair .*, got 'spirals'"),
        (3, {}, TypeError, "points must be the name of a preset or a pair .*, got int"),
        (([[0, 1]], [0], [1]), {}, TypeError, "got tuple"),
        (([[0, 1, 2]], [0]), {}, ValueError, r"need X of shape \(N, 2\) and y of shape \(N,\), got \(1, 3\)"),
        (([[0, 1]], [0, 1]), {}, ValueError, r"got \(1, 2\) and \(2,\)"),
        ((np.zeros((0, 2)), []), {}, ValueError, "need 1 to 60 points, got 0"),
        ((np.zeros((61, 2)), np.zeros(61)), {}, ValueError, "need 1 to 60 points, got 61"),
        (([[0, math.nan]], [0]), {}, ValueError, "coordinates must be between -3 and 3 .*, got nan"),
        (([[0, 3.5]], [0]), {}, ValueError, "coordinates must be between -3 and 3 .*, got 3.5"),
        (([[0, 1]], [2]), {}, ValueError, r"classes must be 0 or 1, got \[2.0\]"),
        (([[0, 1]], [-1]), {}, ValueError, "classes must be 0 or 1"),
        ("XOR", {"lr": 0}, ValueError, "lr must be between 0.1 and 2, got 0"),
        ("XOR", {"lr": math.nan}, ValueError, "lr must be between 0.1 and 2, got nan"),
        ("XOR", {"lr": "fast"}, TypeError, "lr must be a number, got 'fast'"),
        ("XOR", {"order": "random"}, ValueError, "order must be one of listed, shuffled, got 'random'"),
        ("XOR", {"speed": 7}, ValueError, "speed must be one of 1, 2, 5, .*, got 7"),
    ],
)
def test_trainer_refuses_what_makes_no_sense(points, options, error, message):
    with pytest.raises(error, match=message):
        PerceptronTrainer(points, **options)


@pytest.mark.parametrize("flat", [[1, 2], [0, 0, 1] * 61, "XOR", [0, 0, 0.5]])
def test_bad_points_set_later_are_refused(flat):
    widget = PerceptronTrainer("XOR")
    with pytest.raises(ValueError, match="must be"):
        widget.points = flat
    assert widget.points == PRESETS["XOR"].points
