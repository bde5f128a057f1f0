"""ActivationExplorer: its engine against the companion and torch, its figure as a reader drives it, its errors."""

import json
import math
import re

import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import Page, expect

from companion.layers.activations import ACTIVATIONS
from companion.widgets.activation_explorer import LEARNING_RATES, LIMITS, PARAMETERS, WIDTHS, ActivationExplorer
from companion.widgets.base import bundle
from tests.figures import accessibility_problems, set_trait, trait

OPTIONS = {name: row.parameter for name, row in ACTIVATIONS.items()}


def companion_function(name: str, parameter: float):
    """Value and derivative of the companion's activation with one value of its parameter, if it has one."""
    row, given = ACTIVATIONS[name], {}
    if row.parameter:
        given = {row.parameter: parameter}
    return lambda z: row.function(z, **given), lambda z: row.derivative(z, **given)


def f64(numbers: list[float]) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def settings(name: str) -> list[float]:
    """The usual value of the parameter and both ends of its range; 0 where there is none."""
    known = PARAMETERS[name]
    return [known[2], known[0], known[1]] if known else [0.0]


# --- the engine


def test_the_widget_offers_the_companions_table():
    assert PARAMETERS.keys() == ACTIVATIONS.keys()
    for name, row in ACTIVATIONS.items():
        known = PARAMETERS[name]
        assert (known is None) == (row.parameter is None)
        if known:
            assert known[2] == row.default
            assert known[0] <= known[2] <= known[1]


@pytest.mark.browser
def test_the_pages_table_says_the_same(run_js):
    rows = run_js(
        bundle("activation_engine"),
        """(m) => m.ACTIVATION_ROWS.map(({ name, title, parameter: p }) =>
          [name, title, p && [p.min, p.max, p.start]])""",
    )
    assert {name: tuple(known) if known else None for name, _, known in rows} == dict(PARAMETERS)
    assert {name: title.replace("’", "'") for name, title, _ in rows} == {n: r.title for n, r in ACTIVATIONS.items()}


@pytest.mark.browser
def test_values_and_slopes_equal_the_companions(run_js):
    z = torch.cat(
        [torch.linspace(-12, 12, 241, dtype=torch.float64), torch.tensor([-1e4, -700.0, 700.0, 1e4]).double()]
    )
    cases = [[name, p] for name in PARAMETERS for p in settings(name)]
    got = run_js(
        bundle("activation_engine"),
        """(m, [cases, z]) => cases.map(([name, p]) => {
          const r = m.rowOf(name); return [z.map((v) => r.value(v, p)), z.map((v) => r.slope(v, p))]; })""",
        [cases, z.tolist()],
    )
    for (name, p), (value, slope) in zip(cases, got, strict=True):
        function, derivative = companion_function(name, p)
        if name == "softplus" or p or not PARAMETERS[name]:  # beta = 0 is a line: 0 · 1e4 is checked below
            torch.testing.assert_close(f64(value), function(z), rtol=1e-12, atol=1e-13)
            torch.testing.assert_close(f64(slope), derivative(z), rtol=1e-11, atol=1e-13)
        assert all(map(math.isfinite, value + slope)), (name, p)


@pytest.mark.browser
def test_erfc_keeps_its_digits_in_both_tails(run_js):
    x = torch.linspace(-6, 9, 301, dtype=torch.float64)
    got = run_js(bundle("activation_engine"), "(m, x) => x.map(m.erfc)", x.tolist())
    torch.testing.assert_close(f64(got), torch.erfc(x), rtol=1e-11, atol=0)


STACK = """(m, [name, p, width, depth, gain, seed]) => {
  const draws = m.drawStack(width, seed), run = m.runStack({ row: m.rowOf(name), parameter: p, depth, gain }, draws);
  const list = (values) => Array.from(values);
  return JSON.stringify({ x: list(draws.x), top: list(draws.top),
    weights: list(draws.weights.slice(0, depth * width * width)),
    signal: list(run.signal), error: list(run.error), last: list(run.z.at(-1)) }); }"""


@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "parameter", "gain"),
    [
        ("relu", 0, 1.41),
        ("sigmoid", 0, 1),
        ("tanh", 0, 3),
        ("leaky_relu", 0.2, 0.58),
        ("gelu", 0, 1.53),
        ("silu", 2, 1),
    ],
)
def test_the_deep_stack_equals_torch_on_the_same_weights(run_js, name, parameter, gain):
    width, depth = 8, 12
    got = json.loads(run_js(bundle("activation_engine"), STACK, [name, parameter, width, depth, gain, 3]))
    weights = f64(got["weights"]).reshape(depth, width, width) * gain / math.sqrt(width)
    a = f64(got["x"]).reshape(-1, width)
    top = f64(got["top"]).reshape(-1, width)
    function, _ = companion_function(name, parameter)
    z = []
    for weight in weights:
        z.append((F.linear(a, weight)).requires_grad_())
        a = function(z[-1])
    deltas = torch.autograd.grad((a * top).sum(), z)

    def rms(values):
        return values.square().mean().sqrt()

    expected = {"signal": torch.stack([rms(v) for v in z]), "error": torch.stack([rms(d) for d in deltas])}
    for part, values in expected.items():
        torch.testing.assert_close(f64(got[part]), values.detach(), rtol=1e-9, atol=0)
    torch.testing.assert_close(f64(got["last"]), z[-1].detach().flatten(), rtol=1e-8, atol=1e-12)


@pytest.mark.browser
def test_the_stacks_random_numbers_are_standard_normal_and_shallow_stacks_share_them(run_js):
    spread = run_js(
        bundle("activation_engine"),
        """(m) => { const w = m.drawStack(32, 5).weights, n = w.length, mean = w.reduce((a, b) => a + b, 0) / n;
          const same = m.drawStack(32, 5).weights, other = m.drawStack(32, 6).weights;
          return [mean, w.reduce((a, b) => a + b * b, 0) / n, w[0] === same[0], w[0] === other[0]]; }""",
    )
    assert spread == [pytest.approx(0, abs=0.02), pytest.approx(1, abs=0.03), True, False]


@pytest.mark.browser
def test_the_prediction_is_the_mean_over_a_normal_distribution(run_js):
    """Against a much finer trapezoidal rule for one layer, and in closed form for ReLU over twenty."""
    xi = torch.linspace(-9, 9, 18_001, dtype=torch.float64)
    density = torch.exp(-xi.square() / 2) / math.sqrt(2 * math.pi)

    def rms(values):
        return torch.trapezoid(values.square() * density, xi).sqrt().item()

    cases = [[name, settings(name)[0], 2, 1.2] for name in PARAMETERS]
    got = run_js(
        bundle("activation_engine"),
        """(m, cases) => cases.map(([name, parameter, depth, gain]) => {
          const row = m.rowOf(name), t = m.predictStack({ row, parameter, depth, gain });
          return [Array.from(t.signal), Array.from(t.error), m.matchedGain(row, parameter)]; })""",
        [*cases, ["relu", 0, 20, 1]],
    )
    signal, error, _ = got.pop()
    assert signal[-1] == pytest.approx(2**-9.5, rel=1e-6)
    assert error[0] == pytest.approx(2**-10, rel=1e-6)
    for (name, p, _, _), (signal, error, matched) in zip(cases, got, strict=True):
        function, derivative = companion_function(name, p)
        second = 1.2 * rms(function(1.2 * xi))
        assert signal == [pytest.approx(1.2), pytest.approx(second, rel=1e-4)], name
        assert error[1] == pytest.approx(rms(derivative(second * xi)), rel=5e-3), name
        assert matched * rms(function(xi)) == pytest.approx(1, rel=1e-4), name


TRAIN = """(m, [name, p, lr, bias, seed]) => {
  const frames = m.trainUnits({ row: m.rowOf(name), parameter: p, lr }, m.drawUnits(bias, seed));
  const list = (f) => ({ params: Array.from(f.params), loss: f.loss, dead: m.deadUnits(f),
    steepest: Array.from(f.steepest) });
  return { frames: [0, 1, 2, 30].map((t) => list(frames[t])), count: frames.length,
    last: list(frames.at(-1)), wave: m.WAVE }; }"""


@pytest.mark.browser
@pytest.mark.parametrize(("name", "parameter"), [("relu", 0), ("leaky_relu", 0.1), ("gelu", 0), ("tanh", 0)])
def test_the_small_networks_training_equals_torchs(run_js, name, parameter):
    got = run_js(bundle("activation_engine"), TRAIN, [name, parameter, 0.2, -0.5, 4])
    assert got["count"] == 201
    x, y = (torch.tensor([point[axis] for point in got["wave"]], dtype=torch.float64)[:, None] for axis in "xy")
    torch.testing.assert_close(y, torch.sin(2 * x))
    start = f64(got["frames"][0]["params"])
    w1, b1, w2, b2 = (part.clone().requires_grad_() for part in start.split([24, 24, 24, 1]))
    optimizer = torch.optim.SGD([w1, b1, w2, b2], lr=0.2, momentum=0.9)
    function, derivative = companion_function(name, parameter)
    for t in range(31):
        z = x * w1 + b1
        loss = F.huber_loss((function(z) * w2).sum(1, keepdim=True) + b2, y)
        if t in (0, 1, 2, 30):
            frame = got["frames"][(0, 1, 2, 30).index(t)]
            params = torch.cat([w1, b1, w2, b2]).detach()
            torch.testing.assert_close(f64(frame["params"]), params, rtol=1e-6, atol=1e-8)
            assert frame["loss"] == pytest.approx(loss.item(), rel=1e-6)
            steepest = derivative(z.detach()).abs().amax(0)
            torch.testing.assert_close(f64(frame["steepest"]), steepest, rtol=1e-6, atol=1e-9)
            assert frame["dead"] == (steepest < 1e-3).sum().item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.mark.browser
def test_large_steps_kill_relus_for_good_and_a_leak_keeps_all_alive(run_js):
    source = bundle("activation_engine")
    relu = [run_js(source, TRAIN, ["relu", 0, lr, 0, seed])["last"]["dead"] for lr in (0.1, 0.5) for seed in (1, 2, 7)]
    assert max(relu[:3]) < min(relu[3:])
    assert run_js(source, TRAIN, ["leaky_relu", 0.05, 0.5, 0, 7])["last"]["dead"] == 0
    counts = run_js(
        source,
        "(m) => m.trainUnits({ row: m.rowOf('relu'), parameter: 0, lr: 0.5 }, m.drawUnits(0, 7)).map(m.deadUnits)",
    )
    assert counts[-1] > counts[0]
    late = counts[50:]
    assert late == sorted(late)  # nobody comes back


# --- the figure


def state_of(page: Page) -> dict:
    return {name: trait(page, name) for name in ActivationExplorer.linked}


@pytest.mark.browser
def test_choosing_an_activation_sets_its_parameter_and_redraws_all_three_views(open_widget):
    page = open_widget(ActivationExplorer())
    parameter = page.locator(".bk-activation-slot input")
    expect(parameter).to_be_hidden()  # ReLU has none
    drawings = page.locator("svg.bk-plot:visible")
    before = drawings.evaluate_all("(all) => all.map((svg) => svg.innerHTML)")
    page.get_by_label("Activation", exact=True).select_option("elu")
    expect(parameter).to_be_visible()
    assert (trait(page, "activation"), trait(page, "parameter")) == ("elu", 1)
    assert page.get_by_role("slider", name="α").input_value() == "1"
    after = drawings.evaluate_all("(all) => all.map((svg) => svg.innerHTML)")
    assert all(old != new for old, new in zip(before, after, strict=True))
    assert page.get_by_text("At z = 1: φ = 1, slope φ′ = 1.").is_visible()
    page.get_by_role("slider", name="z", exact=True).fill("-1")
    expect(page.get_by_text("At z = −1: φ = −0.632, slope φ′ = 0.368.")).to_be_visible()


@pytest.mark.browser
def test_the_point_follows_the_pointer(open_widget):
    page = open_widget(ActivationExplorer())
    plot = page.locator("svg.bk-plot").first
    box = plot.bounding_box()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 50)
    page.mouse.down()
    left = trait(page, "point")
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 50)
    page.mouse.up()
    assert -6 <= left < -2
    assert 4 < trait(page, "point") <= 6
    depth = page.locator(".bk-activation-pointable").nth(1).locator("svg")
    box = depth.bounding_box()
    page.mouse.click(box["x"] + 0.97 * box["width"] - 8, box["y"] + 60)
    assert trait(page, "layer") >= 19


@pytest.mark.browser
def test_the_gain_buttons_set_the_size_of_the_weights(open_widget):
    page = open_widget(ActivationExplorer("sigmoid"))
    for name, gain in (("Xavier", 1), ("He", 1.41), ("matched", 1.85), ("PyTorch", 0.58)):
        page.get_by_role("button", name=name, exact=True).click()
        assert trait(page, "gain") == gain
        expect(page.get_by_role("button", name=name, exact=True, pressed=True)).to_be_visible()
    expect(page.get_by_text("it vanishes")).to_be_visible()
    set_trait(page, "activation", "relu")
    page.get_by_role("button", name="He", exact=True).click()
    expect(page.get_by_text(re.compile("it keeps its size"))).to_be_visible()
    set_trait(page, "gain", 3)
    expect(page.get_by_text(re.compile("it explodes"))).to_be_visible()


@pytest.mark.browser
def test_the_status_counts_dead_units_and_play_runs_through_the_steps(open_widget, run_js):
    page = open_widget(ActivationExplorer(learning_rate=0.5))
    line = page.get_by_text(re.compile(r"^Step \d+: loss"))
    assert re.search(r"20 of 24 units are dead", line.inner_text())
    assert page.locator("svg .bk-activation-dead").count() == 20
    page.get_by_role("slider", name="step").fill("0")
    expect(line).to_contain_text("4 of 24")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("window.model.get('step') > 6")
    page.get_by_role("button", name="Pause").click()
    stopped = trait(page, "step")
    assert 6 < stopped <= 200
    page.get_by_role("slider", name="step").fill("200")
    page.get_by_role("button", name="Play").click()  # from the start again
    page.wait_for_function("window.model.get('step') < 100")
    page.wait_for_function("window.model.get('step') === 200", timeout=20_000)
    expect(page.get_by_role("button", name="Play")).to_be_visible()


@pytest.mark.browser
def test_every_preset_says_something_and_reset_brings_back(open_widget):
    page = open_widget(ActivationExplorer())
    start, picker = state_of(page), page.get_by_label("Try")
    names = [text for text in picker.locator("option").all_inner_texts() if not text.startswith("choose")]
    assert len(names) == 8
    for name in names:
        picker.select_option(label=name)
        assert page.locator(".bk-toolbar .bk-status").inner_text() != "", name
        assert state_of(page) != start, name
    page.get_by_role("button", name="Reset").click()
    assert state_of(page) == start


@pytest.mark.browser
def test_what_python_sets_is_drawn_until_the_figure_is_closed(open_widget):
    page = open_widget(ActivationExplorer())
    listeners = page.evaluate("window.model.count()")
    assert listeners > 11
    for name, value in {"depth": 5, "layer": 40, "learning_rate": 1.0, "step": 3, "width": 64, "seed": 12}.items():
        set_trait(page, name, value)
    expect(page.get_by_text(re.compile(r"^Layer 5: "))).to_be_visible()  # there is no layer 40
    assert page.get_by_role("slider", name="look at layer").get_attribute("max") == "5"
    assert page.get_by_role("slider", name="learning rate").get_attribute("aria-valuetext") == "1"
    expect(page.get_by_text(re.compile(r"^Step 3: "))).to_be_visible()
    page.get_by_role("button", name="Other weights").click()
    assert trait(page, "seed") == 13
    page.evaluate("window.stop()")
    set_trait(page, "step", 100)
    assert page.get_by_text(re.compile(r"^Step 3: ")).is_visible()
    assert page.evaluate("window.model.count()") == 0


@pytest.mark.browser
def test_nonsense_in_a_link_becomes_a_setting_that_can_be_drawn(open_widget):
    bad = {"activation": "<b>", "parameter": -7, "point": 1e9, "depth": 7000, "width": 1000, "gain": -1, "layer": 0}
    page = open_widget(ActivationExplorer(), **bad, learning_rate=77, bias=-99, step=1e9, seed=-1)
    assert state_of(page) == {
        "activation": "relu",
        "parameter": 0,
        "point": 6,
        "depth": 50,
        "width": 32,
        "gain": 0.1,
        "layer": 1,
        "learning_rate": 0.1,
        "bias": -4,
        "step": 200,
        "seed": 1,
    }
    set_trait(page, "gain", "much")
    set_trait(page, "activation", "softplus")
    assert page.get_by_role("slider", name="β").input_value() == "0.2"  # 0 is below its range


@pytest.mark.browser
@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 390)])
def test_the_figure_is_accessible_and_fits(open_widget, dark, width):
    page = open_widget(ActivationExplorer("tanh", gain=3.0), dark=dark)
    page.set_viewport_size({"width": width, "height": 800})
    assert accessibility_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    inside = """(all) => all.map((el) => [el, el.closest(".bk-figure")].map((e) => e.getBoundingClientRect().right))"""
    for right, edge in page.locator("output, select, button, svg.bk-plot:visible").evaluate_all(inside):
        assert right <= edge


# --- the Python class


def test_the_widget_keeps_what_it_is_given():
    widget = ActivationExplorer("silu", parameter=2.345, point=-1, depth=3.0, width=64, learning_rate=1, key="k")
    assert (widget.activation, widget.parameter, widget.point, widget.width) == ("silu", 2.35, -1, 64)
    assert (widget.depth, type(widget.depth), widget.learning_rate) == (3, int, 1.0)
    assert widget.defaults == {name: getattr(widget, name) for name in ActivationExplorer.linked}
    assert list(widget.defaults) == list(ActivationExplorer.linked)
    for name, known in PARAMETERS.items():
        assert ActivationExplorer(name).parameter == (known[2] if known else 0)
    widget.activation = "elu"
    assert widget.parameter == 1
    assert all(ActivationExplorer(width=w).width == w for w in WIDTHS)
    assert all(ActivationExplorer(learning_rate=lr).learning_rate == lr for lr in LEARNING_RATES)
    assert all(getattr(ActivationExplorer(**{n: v}), n) == v for n, ends in LIMITS.items() for v in ends)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"activation": "step"}, ValueError, "activation must be one of relu, .*, got 'step'"),
        ({"activation": "elu", "parameter": 0.05}, ValueError, "parameter must be between 0.1 and 2 for elu, got 0.05"),
        ({"parameter": 1.0}, ValueError, "parameter must be between 0 and 0 for relu, got 1.0"),
        ({"activation": "silu", "parameter": math.nan}, ValueError, "for silu, got nan"),
        ({"point": 6.5}, ValueError, "point must be between -6 and 6, got 6.5"),
        ({"point": "0"}, TypeError, "point must be a number, got '0'"),
        ({"depth": 1}, ValueError, "depth must be between 2 and 50, got 1"),
        ({"depth": 2.5}, TypeError, "depth must be a whole number, got 2.5"),
        ({"step": math.nan}, ValueError, "step must be between 0 and 200, got nan"),
        ({"seed": True}, TypeError, "seed must be a number, got True"),
        ({"width": 10}, ValueError, "width must be one of 8, 16, 32, 64, got 10"),
        ({"learning_rate": True}, ValueError, "learning_rate must be one of 0.01, .*, got True"),
        ({"gains": 1.0}, TypeError, r"unknown arguments \['gains'\]; there are activation, .*, seed"),
        ({"key": "1 2"}, ValueError, "key must start with a letter"),
    ],
)
def test_the_widget_refuses_what_makes_no_sense(given, error, message):
    with pytest.raises(error, match=message):
        ActivationExplorer(**given)
