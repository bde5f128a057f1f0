"""RegNetDesigner: its engine against the companion's networks, its figure as a reader drives it, its errors."""

import random

import pytest
import torch

from companion.analysis import count_parameters, multiply_accumulates
from companion.models.regnet import RELEASED, RegNet, regnet_stages
from companion.widgets.base import bundle
from companion.widgets.regnet_designer import RegNetDesigner
from tests.figures import accessibility_problems, set_trait, trait

ENGINE = bundle("regnet_engine")
NUMBERS = ("w_0", "w_a", "w_m", "depth", "group_width")


@pytest.fixture
def designer():
    return RegNetDesigner(RELEASED, model="Y-4.0GF")


def message(page):
    return page.locator(".bk-regnet_designer > .bk-status").inner_text()


# --- the class


def test_starts_with_the_named_network(designer):
    assert [getattr(designer, name) for name in NUMBERS] == [96, 31.41, 2.24, 22, 64]
    assert designer.gate
    assert designer.rounding == "torchvision"
    first = RegNetDesigner(RELEASED, logarithmic=True, rounding="paper")
    assert (first.w_0, first.gate, first.logarithmic, first.rounding) == (24, False, True, "paper")
    assert len(first.released) == 24
    assert first.released[0] == ["X-200MF", 24, 36.44, 2.49, 13, 8]


@pytest.mark.parametrize(
    ("released", "options", "text"),
    [
        ({}, {}, "need one network or more"),
        ({"a": (1, 2)}, {}, r"a: need w_0, w_a, w_m, depth, group_width, got \(1, 2\)"),
        ({"a": (12, 2, 2, 4, 8)}, {}, "a: w_0 must be a multiple of 8, got 12"),
        ({"a": (8, -1, 2, 4, 8)}, {}, "a: w_a must be from 0 to 250, got -1"),
        ({"a": (8, 1, 1.0, 4, 8)}, {}, r"a: w_m must be from 1.1 to 3.5, got 1.0"),
        ({"a": (8, 1, float("nan"), 4, 8)}, {}, "got nan"),
        ({"a": (8, 1, 2, 41, 8)}, {}, "a: depth must be from 2 to 40, got 41"),
        ({"a": (8, 1, 2, 4, 8)}, {"model": "b"}, "model must be one of a, got 'b'"),
        ({"a": (8, 1, 2, 4, 8)}, {"rounding": "up"}, "rounding must be one of torchvision, paper, got 'up'"),
    ],
)
def test_errors(released, options, text):
    with pytest.raises(ValueError, match=text):
        RegNetDesigner(released, **options)


def test_a_wrong_number_set_later_is_refused(designer):
    with pytest.raises(ValueError, match="w_0 must be a multiple of 8, got 97"):
        designer.w_0 = 97
    assert designer.w_0 == 96


# --- the engine


@pytest.mark.browser
def test_the_line_and_its_steps_equal_the_companions(run_js):
    draw = random.Random(1)
    lines = [dict(zip(NUMBERS, line, strict=True)) for line in RELEASED.values()]
    lines += [
        {
            "w_0": 8 * draw.randint(1, 40), "w_a": round(draw.uniform(0, 200), 2),
            "w_m": round(draw.uniform(1.1, 3), 2), "depth": draw.randint(2, 40), "group_width": 4 * draw.randint(1, 60),
        }
        for _ in range(200)
    ]  # fmt: skip
    given = [{**line, "rounding": rounding} for line in lines for rounding in ("torchvision", "paper")]
    got = run_js(ENGINE, "(m, all) => all.map(m.designOf)", given)
    for numbers, design in zip(given, got, strict=True):
        expected = regnet_stages(**numbers)
        assert [tuple(design[k]) for k in ("widths", "depths", "groups")] == list(expected)
        assert design["line"] == pytest.approx([numbers["w_0"] + numbers["w_a"] * j for j in range(numbers["depth"])])
        assert design["fitted"] == [w for w, d in zip(expected.widths, expected.depths, strict=True) for _ in range(d)]
        steps = {round(p / numbers["w_0"], 9) for p in design["powers"]}
        assert all(min(abs(step - numbers["w_m"] ** k) for k in range(60)) < 1e-6 * step for step in steps)


@pytest.mark.browser
@pytest.mark.parametrize("name", ["X-200MF", "Y-200MF", "X-4.0GF", "Y-800MF"])
@pytest.mark.parametrize("rounding", ["torchvision", "paper"])
def test_costs_equal_the_companions(run_js, name, rounding):
    line = RELEASED[name]._asdict()
    with torch.device("meta"):
        model = RegNet(**line, rounding=rounding, squeeze_ratio=0.25 if name[0] == "Y" else 0.0)
    code = "(m, [line, gate]) => m.costsOf(m.designOf(line), { gate })"
    got = run_js(ENGINE, code, [{**line, "rounding": rounding}, name[0] == "Y"])
    expected = {"parameters": count_parameters(model), "macs": multiply_accumulates(model, (3, 224, 224))}
    assert got == expected


@pytest.mark.browser
def test_costs_at_odd_sizes_and_other_heads(run_js):
    with torch.device("meta"):
        model = RegNet(w_0=16, w_a=20, w_m=2, depth=7, group_width=8, squeeze_ratio=0.25, stem_width=8, num_classes=5)
    numbers = {"w_0": 16, "w_a": 20, "w_m": 2, "depth": 7, "group_width": 8, "rounding": "torchvision"}
    code = "(m, line) => m.costsOf(m.designOf(line), { gate: true, side: 75, stem: 8, classes: 5 })"
    expected = {"parameters": count_parameters(model), "macs": multiply_accumulates(model, (3, 75, 75))}
    assert run_js(ENGINE, code, numbers) == expected


@pytest.mark.browser
def test_halves_go_to_the_even_neighbour(run_js):
    values = [0.5, 1.5, 2.5, 2.4999, 2.5001, 7.0]
    assert run_js(ENGINE, "(m, all) => all.map(m.roundEven)", values) == [round(v) for v in values]


# --- the figure


@pytest.mark.browser
def test_sliders_move_the_network(open_widget, designer):
    page = open_widget(designer)
    assert "2 × 128, 6 × 256, 12 × 512, 2 × 1088; groups of 64" in message(page)
    assert page.get_by_label("Released").input_value() == "Y-4.0GF"
    assert page.locator(".bk-regnet-bar").count() == 22
    depth = page.get_by_role("slider", name="d, blocks")
    depth.focus()
    page.keyboard.press("ArrowRight")
    assert (trait(page, "depth"), page.locator(".bk-regnet-bar").count()) == (23, 23)
    assert page.get_by_label("Released").input_value() == ""
    page.get_by_label("Rounding to groups").select_option("paper")
    assert "× 192" in message(page)
    before = message(page)
    page.get_by_label("gate in each block").uncheck()
    assert message(page) != before
    labels = page.locator(".bk-axes").text_content()
    page.get_by_label("logarithmic axis").check()
    assert page.locator(".bk-axes").text_content() != labels
    page.get_by_role("button", name="Reset").click()
    assert [trait(page, name) for name in NUMBERS] == [96, 31.41, 2.24, 22, 64]
    assert page.get_by_label("Released").input_value() == "Y-4.0GF"


@pytest.mark.browser
def test_a_released_network_sets_all_numbers(open_widget, designer):
    page = open_widget(designer)
    page.get_by_label("Released").select_option("X-32GF")
    assert [trait(page, name) for name in NUMBERS] == [320, 69.86, 2.0, 23, 168]
    assert trait(page, "gate") is False
    assert "107,811,560" in page.locator(".bk-regnet-facts").inner_text()
    page.get_by_label("Released").select_option("")
    assert page.get_by_label("Released").input_value() == "X-32GF", "nothing was changed, so it is still that one"


@pytest.mark.browser
def test_python_moves_the_figure(open_widget, designer):
    page = open_widget(designer)
    set_trait(page, "w_a", 0)
    assert message(page).startswith("1 stage (blocks × width): 22 × 128")
    assert "All widths" not in message(page)
    set_trait(page, "group_width", 8)
    assert "All widths fit" in message(page)
    set_trait(page, "group_width", 264)
    assert "groups of 96" in message(page)


@pytest.mark.browser
def test_different_groups_are_told_one_by_one(open_widget, designer):
    page = open_widget(designer, group_width=264)
    assert "groups of 96, 216, 264, 264" in message(page)


@pytest.mark.browser
def test_nonsense_in_a_link_is_mended(open_widget, designer):
    page = open_widget(
        designer, w_0=99, w_a="x", w_m=1e9, depth=-3, group_width=0, gate=7, logarithmic="no", rounding=[]
    )
    assert [trait(page, name) for name in NUMBERS] == [96, 0, 3.5, 2, 4]
    assert [trait(page, name) for name in ("gate", "logarithmic", "rounding")] == [False, False, "torchvision"]


@pytest.mark.browser
def test_every_experiment_says_something_and_ends_cleanly(open_widget, designer):
    page, seen = open_widget(designer), set()
    options = page.get_by_label("Try").locator("option").evaluate_all("(all) => all.map((o) => o.value)")
    for value in options[1:]:
        page.get_by_label("Try").select_option(value)
        seen.add((page.locator(".bk-toolbar .bk-status").inner_text(), page.locator("svg.bk-plot").inner_html()))
    assert len(seen) == len(options) - 1
    page.evaluate("window.stop()")
    assert page.evaluate("window.model.count()") == 0


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
def test_accessible_and_no_wider_than_a_phone(open_widget, designer, dark):
    page = open_widget(designer, width=340, dark=dark)
    assert page.evaluate("document.querySelector('main div').scrollWidth <= 340")
    assert accessibility_problems(page) == []
