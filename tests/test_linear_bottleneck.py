"""LinearBottleneck: its engine against torch and counting, the figure as a reader drives it, its errors."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from companion.analysis import multiply_accumulates
from companion.models.mobilenet import InvertedResidual, SeparableBlock
from companion.widgets.base import bundle
from companion.widgets.linear_bottleneck import LinearBottleneck
from tests.figures import accessibility_problems, set_trait, trait

ACTIVATIONS = {"relu": nn.ReLU(), "leaky": nn.LeakyReLU(0.1), "linear": nn.Identity()}
PASS = """(m, states) => states.map((s) => { const p = m.passSpiral(s);
  const all = (name) => p.points.map((q) => q[name]);
  return { ...p, points: null, x: all("x"), back: all("returned"), telling: all("telling") }; })"""


def state(**changes):
    return {"channels": 3, "activation": "relu", "back": "channels", "draw": 0, "point": 70, **changes}


def double(values):
    return torch.tensor(values, dtype=torch.float64)


# --- the engine


@pytest.mark.browser
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_way_there_and_back_equals_torchs(run_js, activation):
    states = [
        state(channels=n, activation=activation, back=back, draw=n % 4)
        for n in (2, 3, 5, 30)
        for back in ("channels", "inverse")
    ]
    slope = {"relu": 0, "leaky": 0.1, "linear": 1}[activation]
    for given, now in zip(states, run_js(bundle("linear_bottleneck"), PASS, states), strict=True):
        T, x, back = double(now["rows"]), double(now["x"]), double(now["back"])
        y = ACTIVATIONS[activation](x @ T.T)
        if given["back"] == "inverse":
            expected = 2 / (1 + slope) * y @ torch.linalg.pinv(T).T
        elif slope:
            expected = x
        else:
            expected = torch.stack(
                [torch.linalg.pinv(T * (row > 0)[:, None]) @ row for row in y]  # rows of silent channels are 0
            )
        torch.testing.assert_close(back, expected, rtol=1e-9, atol=1e-9)
        assert now["telling"] == ((y > 0).sum(1).tolist() if not slope else [len(T)] * len(x))
        marked = round(0.7 * (len(x) - 1))
        assert now["marked"] == marked
        torch.testing.assert_close(double(now["z"]), T @ x[marked])
        torch.testing.assert_close(double(now["y"]), y[marked])
        assert now["kept"] + now["one"] + now["none"] == len(x)
        assert math.isclose(now["distance"], (back - x).norm(dim=1).mean(), abs_tol=1e-9)


@pytest.mark.browser
def test_more_channels_keep_the_rows_of_fewer_and_lose_no_point(run_js):
    states = [state(channels=n) for n in range(2, 31)]
    passes = run_js(bundle("linear_bottleneck"), PASS, states)
    for fewer, more in pairwise(passes):
        assert more["rows"][: len(fewer["rows"])] == fewer["rows"]
        assert more["kept"] >= fewer["kept"]
    assert passes[0]["kept"] < passes[-1]["kept"] == 121


@pytest.mark.browser
def test_the_mean_share_lost_equals_a_count_over_many_matrices(run_js):
    lost = "(m, ns) => ns.map((n) => [m.meanShareLost(n, 0), m.meanShareLost(n, 0.1)])"
    x = torch.randn(4000, 1, 2)
    for n, (share, leaky) in zip((2, 3, 5, 9), run_js(bundle("spiral_engine"), lost, [2, 3, 5, 9]), strict=True):
        counted = ((x * torch.randn(4000, n, 2)).sum(-1) > 0).sum(-1)  # a matrix of its own for each point
        assert math.isclose(share, (counted < 2).double().mean(), abs_tol=0.03)
        assert leaky == 0


@pytest.mark.browser
def test_products_per_place_equal_the_companions_blocks(run_js):
    cases = [(8, 3, 6), (16, 5, 2), (8, 7, 1)]
    count = "(m, cases) => cases.map((c) => [m.productsPerPlace(...c), m.saving(c[0], c[1])])"
    for (N, K, t), (products, saving) in zip(cases, run_js(bundle("spiral_engine"), count, cases), strict=True):
        place = (N, 1, 1)  # a map of one cell
        dense = multiply_accumulates(nn.Conv2d(N, N, K, padding=K // 2), place)
        assert products["dense"] == dense
        separable = products["look"] + products["mix"]
        if K == 3:
            assert separable == multiply_accumulates(SeparableBlock(N, N), place)
        assert math.isclose(saving, dense / separable)
        inverted = products["expand"] + products["lookWide"] + products["project"]
        assert inverted == multiply_accumulates(InvertedResidual(N, t * N, N, kernel_size=K), place)


@pytest.mark.browser
def test_nonsense_from_a_link_becomes_a_setting_that_can_be_drawn(run_js):
    read = "(m, given) => m.readBottleneck((name) => given[name])"
    bad = {"channels": 1e9, "activation": "toString", "back": 7, "draw": -4, "point": "x", "width": None}
    bad |= {"kernel_size": 4, "expansion": 2.6}
    clean = {"channels": 30, "activation": "relu", "back": "channels", "draw": 0, "point": 70, "width": 9}
    clean |= {"kernel_size": 3, "expansion": 3}
    assert run_js(bundle("linear_bottleneck"), read, bad) == clean
    assert run_js(bundle("linear_bottleneck"), read, clean) == clean


# --- the figure


@pytest.fixture
def figure(open_widget):
    def show(view="spiral", *, width=0, dark=False, **given):
        return open_widget(LinearBottleneck(view=view), width=width, dark=dark, **given)

    return show


VERDICT = ".bk-linear_bottleneck-verdict"


@pytest.mark.browser
def test_more_channels_bring_more_of_the_spiral_back(figure):
    page = figure()
    lost = page.locator(".bk-linear_bottleneck-pane:last-child circle.bk-linear_bottleneck-lost")
    before = lost.count()
    assert before > 0
    slider = page.get_by_role("slider", name="channels m")
    slider.focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    assert trait(page, "channels") == 15
    assert lost.count() == 0
    assert "100 % of the points keep two channels" in page.locator(VERDICT).inner_text()
    page.get_by_label("Way back", exact=True).select_option("inverse")
    assert "started: 0." in page.locator(VERDICT).inner_text()
    page.get_by_label("Activation", exact=True).select_option("linear")
    assert "started: 0. Every channel tells" in page.locator(VERDICT).inner_text()


@pytest.mark.browser
def test_a_point_is_marked_by_the_pointer_and_by_the_slider(figure):
    page = figure()
    pane = page.locator(".bk-linear_bottleneck-pane svg").first
    box = pane.bounding_box()
    page.mouse.click(box["x"] + box["width"] * (160 + 116) / 320, box["y"] + box["height"] / 2)  # the spiral's end
    assert trait(page, "point") == 100
    bars = page.locator(".bk-linear_bottleneck-channels svg")
    first = bars.get_attribute("aria-label")
    page.get_by_role("slider", name="marked point").fill("10")
    assert bars.get_attribute("aria-label") != first
    assert trait(page, "point") == 10


@pytest.mark.browser
@pytest.mark.parametrize("view", ["spiral", "cost"])
def test_presets_change_the_figure_and_reset_brings_back(figure, view):
    page = figure(view)
    start = page.locator(VERDICT).inner_text()
    picker = page.get_by_label("Try")
    for option in page.locator(".bk-toolbar option").all_inner_texts()[1:]:
        picker.select_option(label=option)
        assert page.locator(".bk-toolbar .bk-status").inner_text() != ""
    assert page.locator(VERDICT).inner_text() != start
    page.get_by_role("button", name="Reset").click()
    assert page.locator(VERDICT).inner_text() == start
    linked = LinearBottleneck.linked
    assert {n: trait(page, n) for n in linked} == {n: getattr(LinearBottleneck(), n) for n in linked}


@pytest.mark.browser
def test_the_cost_view_says_what_is_saved(figure):
    page = figure("cost")
    assert "= 8.84 times fewer" in page.locator(VERDICT).inner_text()
    page.get_by_role("slider", name="channels C").fill("6")
    assert "C = 64, K = 3: 1 / (1/C + 1/K²) = 7.89 times fewer" in page.locator(VERDICT).inner_text()
    assert page.get_by_text("36 864").is_visible()
    page.get_by_label("Window K").select_option("7")
    assert trait(page, "kernel_size") == 7
    assert "never 49" in page.locator(VERDICT).inner_text()
    row = page.locator(".bk-linear_bottleneck-row").last
    before = row.inner_text()
    page.get_by_role("slider", name="expansion t").fill("1")
    assert row.inner_text() != before


@pytest.mark.browser
def test_a_change_from_the_kernel_is_drawn_until_the_figure_is_closed(figure):
    page = figure()
    set_trait(page, "channels", 7)
    assert page.locator(VERDICT).inner_text().startswith("m = 7, ReLU")
    set_trait(page, "view", "cost")
    set_trait(page, "kernel_size", 5)
    assert page.get_by_label("Window K").input_value() == "5"
    assert page.locator(VERDICT).inner_text().startswith("C = 512, K = 5")
    page.evaluate("window.stop()")
    assert page.evaluate("window.model.count()") == 0


@pytest.mark.browser
@pytest.mark.parametrize(("dark", "width"), [(False, 760), (True, 330)])
@pytest.mark.parametrize("view", ["spiral", "cost"])
def test_figure_is_accessible_and_fits(figure, view, dark, width):
    page = figure(view, width=width, dark=dark)
    assert accessibility_problems(page) == []
    assert page.evaluate("document.querySelector('main div').scrollWidth") <= width


# --- the Python class


def test_figure_keeps_what_it_is_given():
    widget = LinearBottleneck(channels=5, activation="leaky", back="inverse", draw=np.int64(3), kernel_size=7, key="k")
    assert (widget.channels, widget.activation, widget.back, widget.draw, widget.kernel_size) == (
        5, "leaky", "inverse", 3, 7
    )  # fmt: skip
    assert widget.defaults == {name: getattr(widget, name) for name in LinearBottleneck.linked}
    widget.view = "cost"
    assert widget.view == "cost"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"view": "map"}, "view must be one of spiral, cost, got 'map'"),
        ({"activation": "gelu"}, "activation must be one of relu, leaky, linear, got 'gelu'"),
        ({"back": ""}, "back must be one of channels, inverse"),
        ({"channels": 1}, "channels must be from 2 to 30, got 1"),
        ({"draw": 10}, "draw must be from 0 to 9, got 10"),
        ({"point": -1}, "point must be from 0 to 100, got -1"),
        ({"width": 11}, "width must be from 3 to 10, got 11"),
        ({"expansion": 0}, "expansion must be from 1 to 8, got 0"),
        ({"kernel_size": 4}, "kernel_size must be one of 3, 5, 7, got 4"),
        ({"key": "1 2"}, "key must start with a letter"),
    ],
)
def test_figure_refuses_what_makes_no_sense(given, message):
    with pytest.raises(ValueError, match=message):
        LinearBottleneck(**given)
