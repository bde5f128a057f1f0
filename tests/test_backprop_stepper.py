"""BackpropStepper: its engine against torch.autograd, its figure as a reader drives it, its Python errors."""

import json
import math

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from torch import Tensor
from torch.nn import functional as F

from companion.widgets.backprop_stepper import GRAPHS, BackpropStepper, count_steps, leaves
from companion.widgets.base import bundle
from tests.figures import trait

TOLERANCE = 1e-12


# The graphs once more, written with torch; every named intermediate is returned.
def neuron(v: dict[str, Tensor]) -> dict[str, Tensor]:
    u1, u2 = v["w1"] * v["x1"], v["w2"] * v["x2"]
    z = u1 + u2 + v["b"]
    a = torch.sigmoid(z)
    e = a - v["y"]
    return {"u1": u1, "u2": u2, "z": z, "a": a, "e": e, "loss": 0.5 * e**2}


def two_layer(v: dict[str, Tensor]) -> dict[str, Tensor]:
    u1 = v["w1"] * v["x"]
    z1 = u1 + v["b1"]
    a1 = torch.tanh(z1)
    u2 = v["w2"] * a1
    z2 = u2 + v["b2"]
    loss = F.binary_cross_entropy_with_logits(z2, v["y"])
    return {"u1": u1, "z1": z1, "a1": a1, "u2": u2, "z2": z2, "loss": loss}


def shared(v: dict[str, Tensor]) -> dict[str, Tensor]:
    z = v["w"] * v["x"]
    a = F.relu(z)
    u = v["v"] * a
    yhat = a + u
    e = yhat - v["y"]
    return {"z": z, "a": a, "u": u, "yhat": yhat, "e": e, "loss": 0.5 * e**2}


ORACLES = {"neuron": neuron, "two-layer": two_layer, "shared": shared}


def oracle(graph: str, given: dict[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    kinds = {name: GRAPHS[graph]["nodes"][name]["kind"] for name in given}
    tensors = {
        name: torch.tensor(value, dtype=torch.float64, requires_grad=kinds[name] == "weight")
        for name, value in given.items()
    }
    nodes = ORACLES[graph](tensors)
    for node in nodes.values():
        node.retain_grad()
    nodes["loss"].backward()
    everything = {**tensors, **nodes}
    grads = {name: t.grad.item() for name, t in everything.items() if t.grad is not None}
    return {name: t.item() for name, t in everything.items()}, grads


def random_leaves(graph: str, count: int) -> list[dict[str, float]]:
    ranges = {name: GRAPHS[graph]["nodes"][name]["range"] for name in leaves(graph)}
    scale = torch.linspace(0.1, 1, count).tolist()  # mild settings and saturated ones
    return [
        {name: s * low + s * (high - low) * torch.rand(()).item() for name, (low, high) in ranges.items()}
        for s in scale
    ]


def definition(graph: str) -> dict:
    state = saved(BackpropStepper(graph, key="k").get_state("graphs"))
    nodes = next(drawn["nodes"] for drawn in state["graphs"] if drawn["name"] == graph)
    return {"nodes": {node["name"]: node for node in nodes}}


def saved(state: dict) -> dict:
    """Return the state as a saved notebook holds it, whose dictionaries are sorted by their keys."""
    return json.loads(json.dumps(state, sort_keys=True))


def assert_same(ours: dict[str, float], theirs: dict[str, float]) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert math.isclose(ours[name], value, rel_tol=TOLERANCE, abs_tol=TOLERANCE), (
            name,
            ours[name],
            value,
        )


@pytest.mark.browser
@pytest.mark.parametrize("graph", GRAPHS)
def test_values_and_gradients_equal_autograd(graph, run_js):
    given = random_leaves(graph, 60)
    call = "(m, [g, all]) => all.map((v) => { const f = m.forward(g, v); return [f, m.gradients(g, f)]; })"
    results = run_js(bundle("graph_engine"), call, [definition(graph), given])
    for (values, grads), start in zip(results, given, strict=True):
        expected_values, expected_grads = oracle(graph, start)
        assert_same(values, expected_values)
        assert_same(grads, expected_grads)


@pytest.mark.browser
@pytest.mark.parametrize("graph", GRAPHS)
def test_a_gradient_step_equals_sgd(graph, run_js):
    start = leaves(graph)
    weights = {n: torch.tensor(v, dtype=torch.float64) for n, v in start.items()}
    learned = [t.requires_grad_() for n, t in weights.items() if GRAPHS[graph]["nodes"][n]["kind"] == "weight"]
    ORACLES[graph](weights)["loss"].backward()
    torch.optim.SGD(learned, lr=0.3).step()
    moved = run_js(bundle("graph_engine"), "(m, [g, v]) => m.descend(g, v, 0.3)", [definition(graph), start])
    assert_same(moved, {n: t.item() for n, t in weights.items()})


@pytest.mark.browser
@pytest.mark.parametrize("graph", GRAPHS)
def test_steps_go_down_once_and_up_every_edge_to_something_learned(graph, run_js):
    call = "(m, [g, v]) => m.schedule(g, m.forward(g, v))"
    steps = run_js(bundle("graph_engine"), call, [definition(graph), leaves(graph)])
    assert len(steps) == count_steps(graph)
    nodes = GRAPHS[graph]["nodes"]
    assert [s["name"] for s in steps if s["kind"] == "value"] == [n for n, d in nodes.items() if d["kind"] == "op"]
    _, grads = oracle(graph, leaves(graph))
    edges = {(n, source) for n, d in nodes.items() for source in d.get("of", ()) if source in grads}
    assert {(s["from"], s["to"]) for s in steps if s["kind"] == "edge"} == edges
    for step in (s for s in steps if s["kind"] == "edge"):
        assert math.isclose(step["upstream"], grads[step["from"]], abs_tol=TOLERANCE)  # complete before it is used
        assert math.isclose(step["passed"], step["upstream"] * step["slope"], abs_tol=TOLERANCE)


@pytest.mark.browser
def test_gradients_of_a_value_used_twice_add_up(run_js):
    call = "(m, [g, v]) => m.schedule(g, m.forward(g, v)).filter((s) => s.to === 'a')"
    first, second = run_js(bundle("graph_engine"), call, [definition("shared"), leaves("shared")])
    assert first.get("before") is None
    assert second["before"] == first["grad"]
    assert second["grad"] == first["passed"] + second["passed"]


# --- the figure


@pytest.fixture
def figure(open_widget):
    return lambda widget, **state: open_widget(widget, link=False, **state)


def spelt(value):
    return str(round(value, 4)).replace("-", "−")


@pytest.mark.browser
def test_stepping_with_the_keyboard_shows_values_then_gradients(figure):
    page = figure(BackpropStepper("neuron", key="k"))
    drawing, status = page.get_by_role("img"), page.locator(".bk-backprop-card [role=status]")
    assert "Gradients: none yet" in drawing.get_attribute("aria-label")
    page.get_by_role("button", name="Step", exact=True).focus()
    page.keyboard.press("Enter")
    assert trait(page, "step") == 1
    assert "Forward, 1 of 6: u₁" in status.inner_text()
    page.get_by_role("slider", name="Step").press("End")
    assert trait(page, "step") == count_steps("neuron")
    assert "Every weight has its gradient" in status.inner_text()
    values, grads = oracle("neuron", leaves("neuron"))
    label = drawing.get_attribute("aria-label")
    assert f"ℒ {spelt(values['loss'])}" in label
    assert f"w₁ {spelt(grads['w1'])}" in label
    assert page.get_by_role("button", name="Step", exact=True).is_disabled()
    page.get_by_role("button", name="Back").click()
    assert trait(page, "step") == count_steps("neuron") - 1


@pytest.mark.browser
def test_every_step_has_words_and_numbers(figure):
    for graph in GRAPHS:
        page = figure(BackpropStepper(graph, key="k"))
        said = set()
        for step in range(count_steps(graph) + 1):
            page.evaluate("(step) => window.model.set('step', step)", step)
            said.add(page.locator(".bk-backprop-card [role=status]").inner_text())
            text = page.locator(".bk-figure").inner_text()
            assert "undefined" not in text
            assert "NaN" not in text
        assert len(said) == count_steps(graph) + 1


@pytest.mark.browser
def test_editing_a_weight_recomputes_and_refuses_what_is_out_of_range(figure):
    page = figure(BackpropStepper("neuron", step=15, key="k"))
    field = page.get_by_label("w₁", exact=True)
    field.fill("-1.25")
    assert trait(page, "values")["w1"] == -1.25
    values, _ = oracle("neuron", {**leaves("neuron"), "w1": -1.25})
    assert f"ℒ {spelt(values['loss'])}" in page.get_by_role("img").get_attribute("aria-label")
    field.fill("11")
    assert field.get_attribute("aria-invalid") == "true"
    assert trait(page, "values")["w1"] == -1.25
    field.blur()
    assert field.input_value() == "-1.25"


@pytest.mark.browser
@pytest.mark.parametrize("graph", GRAPHS)
def test_gradient_steps_lower_the_loss_and_say_so(graph, figure):
    page = figure(BackpropStepper(graph, key="k"))
    for _ in range(3):
        page.get_by_role("button", name="Take a gradient step").click()
    assert trait(page, "step") == count_steps(graph)
    before, after = (oracle(graph, v)[0]["loss"] for v in (leaves(graph), trait(page, "values")))
    assert after < before
    assert f"The loss fell: ℒ {spelt(before)} → " in page.locator(".bk-backprop-side > [role=status]").inner_text()


@pytest.mark.browser
def test_choosing_a_graph_brings_its_own_values(figure):
    page = figure(BackpropStepper("neuron", step=15, key="k"))
    page.get_by_label("Graph", exact=True).select_option("shared")
    state = {name: trait(page, name) for name in BackpropStepper.linked}
    assert state == {"graph": "shared", "values": leaves("shared"), "step": 0, "lr": 0.1}


@pytest.mark.browser
def test_presets_are_settings_that_python_accepts_and_do_what_their_note_says(figure):
    page = figure(BackpropStepper(key="k"))
    picker = page.get_by_label("Try")
    results = {}
    for name in picker.locator("option").all_inner_texts()[1:]:
        picker.select_option(label=name)
        state = {t: trait(page, t) for t in BackpropStepper.linked}
        BackpropStepper(**state, key="k")
        results[name] = (state["values"], *oracle(state["graph"], state["values"]), state["lr"])
    _, values, grads, _ = results["Saturated sigmoid"]
    assert values["e"] < -0.99
    assert 0 < max(abs(grads[n]) for n in ("w1", "w2", "b")) < 1e-3
    _, values, grads, _ = results["Cross-entropy brings it back"]
    assert values["loss"] > 5
    assert abs(grads["w2"]) > 0.9
    assert abs(grads["w1"]) < 0.05
    _, _, grads, _ = results["Dead ReLU"]
    assert grads["w"] == grads["v"] == 0
    start, before, grads, lr = results["A step too large"]
    for rate, dead in ((lr, True), (0.02, False)):
        after, later = oracle(
            "shared", {**start, "w": start["w"] - rate * grads["w"], "v": start["v"] - rate * grads["v"]}
        )
        assert after["loss"] < before["loss"]
        assert (later["w"] == later["v"] == 0) is dead


@pytest.mark.browser
def test_play_runs_to_the_end_and_stops(figure):
    page = figure(BackpropStepper("shared", step=13, key="k"))
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => window.model.get('step') === 15")
    page.get_by_role("button", name="Play").wait_for()


@pytest.mark.browser
def test_nonsense_from_the_address_is_made_safe(figure):
    nonsense = {"graph": "constructor", "values": {"w1": 1e9, "toString": 2, "b": "3"}, "step": 1e9, "lr": -1}
    page = figure(BackpropStepper(key="k"), **nonsense)
    label = page.get_by_role("img").get_attribute("aria-label")
    assert "one neuron" in label
    assert "w₁ 10," in label
    assert "b 0.1," in label
    assert page.get_by_role("slider", name="Step").input_value() == str(count_steps("neuron"))


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_accessible_and_within_the_page(figure, theme, width):
    for graph in GRAPHS:
        page = figure(BackpropStepper(graph, step=count_steps(graph) - 3, key="k"))
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
        page.add_style_tag(content="body { background: var(--bk-page); }")
        rules = {"rules": {"page-has-heading-one": {"enabled": False}}}
        found = Axe().run(page, options=rules).response["violations"]
        assert not found, [(v["id"], [n["target"] for n in v["nodes"]]) for v in found]
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.browser
def test_taking_the_figure_away_stops_listening(figure):
    page = figure(BackpropStepper(key="k"))
    before = page.get_by_role("img").get_attribute("aria-label")
    page.evaluate("() => { window.stop(); window.model.set('step', 4); }")
    assert page.get_by_role("img").get_attribute("aria-label") == before


# --- Python


def test_values_left_out_keep_their_start_in_the_graphs_order():
    widget = BackpropStepper("shared", {"v": 2}, key="k")
    assert list(widget.values.items()) == [("w", 0.7), ("x", 2.0), ("v", 2.0), ("y", 1.0)]
    assert widget.defaults == {"graph": "shared", "values": widget.values, "step": 0, "lr": 0.1}


def test_choosing_a_graph_in_python_resets_values_and_step():
    widget = BackpropStepper("neuron", step=15, key="k")
    widget.graph = "shared"
    assert (widget.values, widget.step, widget.lr) == (leaves("shared"), 0, 0.1)


def test_the_page_may_change_graph_values_and_step_at_once():
    widget = BackpropStepper("neuron", key="k")
    widget.set_state({"step": 15, "values": {**leaves("shared"), "w": 3.0}, "graph": "shared"})
    assert (widget.graph, widget.values["w"], widget.step) == ("shared", 3.0, 15)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"graph": "lstm"}, ValueError, "'lstm'"),
        ({"values": {"w9": 1.0}}, ValueError, "no 'w9'"),
        ({"values": {"w1": math.nan}}, ValueError, "w1 must be from -10 to 10, got nan"),
        ({"values": {"w1": 10.5}}, ValueError, r"got 10\.5"),
        ({"graph": "two-layer", "values": {"y": 2}}, ValueError, "y must be from 0 to 1, got 2"),
        ({"values": {"w1": "1"}}, TypeError, "got '1'"),
        ({"values": {"w1": True}}, TypeError, "got True"),
        ({"step": 16}, ValueError, "from 0 to 15 for graph 'neuron', got 16"),
        ({"step": -1}, ValueError, "got -1"),
        ({"lr": 0.0}, ValueError, r"got 0\.0"),
        ({"lr": math.inf}, ValueError, "got inf"),
        ({"lr": math.nan}, ValueError, "got nan"),
        ({"key": "1"}, ValueError, "key must start with a letter"),
    ],
)
def test_bad_arguments_say_what_was_given_and_what_is_allowed(arguments, error, match):
    with pytest.raises(error, match=match):
        BackpropStepper(**{"key": "k", **arguments})


def test_bad_assignments_are_refused_and_change_nothing():
    widget = BackpropStepper(key="k")
    with pytest.raises(ValueError, match="lstm"):
        widget.graph = "lstm"
    with pytest.raises(ValueError, match="no 'q'"):
        widget.values = {"q": 1}
    assert (widget.graph, widget.values) == ("neuron", leaves("neuron"))


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_graph_lists_sources_before_their_use_and_ends_in_the_loss(graph):
    nodes = GRAPHS[graph]["nodes"]
    seen = set()
    for name, node in nodes.items():
        assert set(node.get("of", ())) <= seen
        seen.add(name)
    assert list(nodes)[-1] == "loss"
    with pytest.raises(TypeError):
        GRAPHS["new"] = {}
