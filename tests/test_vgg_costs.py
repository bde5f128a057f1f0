"""VggCosts: its counts against the companion's models, its figure as a reader drives it, its errors."""

import pytest
import torch

from companion.analysis import layer_costs, receptive_field_of
from companion.models.vgg import CONFIGURATIONS, VGG, WIDTHS, fully_convolutional
from companion.widgets.base import bundle
from companion.widgets.vgg_costs import VggCosts
from tests.figures import accessibility_problems, set_trait, trait

ENGINE = bundle("vgg_engine")
TINY = {"tiny": ((3,), (3,), (3, 1), (5,), (3,)), "other": ((3, 3),) * 5}


@pytest.fixture
def costs():
    return VggCosts(CONFIGURATIONS, widths=WIDTHS, configuration="D")


# --- the class


def test_starts_where_it_is_told(costs):
    assert (costs.configuration, costs.side, costs.head) == ("D", 224, "dense")
    assert costs.defaults == {"configuration": "D", "side": 224, "head": "dense"}
    assert costs.configurations[0] == ["A", [[3], [3], [3, 3], [3, 3], [3, 3]]]
    assert VggCosts(TINY, widths=[1, 2, 3, 4, 5]).configuration == "tiny"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"configurations": {}}, "need one configuration or more"),
        ({"widths": (1, 2)}, r"five widths >= 1 and classes >= 1, got \[1, 2\]"),
        ({"widths": (1, 2, 3, 4, 0)}, "five widths"),
        ({"classes": 0}, "and 0"),
        ({"configurations": {"x": ((3,),)}}, "x: need five stages"),
        ({"configurations": {"x": ((3,), (), (3,), (3,), (3,))}}, "none empty"),
        ({"configurations": {"x": ((2,), (3,), (3,), (3,), (3,))}}, "odd windows"),
        ({"configuration": "F"}, "configuration must be one of A, B, C, D, E, got 'F'"),
        ({"side": 100}, "a multiple of 32 from 32 to 512, got 100"),
        ({"side": 0}, "got 0"),
        ({"head": "none"}, "head must be one of dense, convolution, mean, got 'none'"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        VggCosts(**{"configurations": CONFIGURATIONS, "widths": WIDTHS, **options})


def test_a_wrong_value_set_later_is_refused(costs):
    with pytest.raises(ValueError, match="got 33"):
        costs.side = 33
    assert costs.side == 224


# --- the counts in the page


def counted(run_js, name, side, head):
    kernels = [list(stage) for stage in CONFIGURATIONS[name]]
    arg = {"kernels": kernels, "widths": list(WIDTHS), "side": side, "head": head, "classes": 1000}
    return run_js(ENGINE, "(m, arg) => m.layersOf(arg)", arg)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "side", "head"),
    [("D", 224, "dense"), ("C", 64, "dense"), ("A", 288, "convolution"), ("E", 224, "convolution"), ("B", 96, "dense")],
)
def test_counts_equal_the_companions_model(run_js, name, side, head):
    with torch.device("meta"):
        model = VGG(CONFIGURATIONS[name])
        model = fully_convolutional(model) if head == "convolution" else model
    kinds = {"Conv2d", "MaxPool2d", "Linear"}
    expected = [row for row in layer_costs(model, (3, side, side)) if row.kind in kinds]
    got = counted(run_js, name, side, head)
    assert [(r["parameters"], r["macs"], tuple(r["shape"])) for r in got] == [
        (row.parameters, row.multiply_accumulates, row.output_shape) for row in expected
    ]
    stages = model[0] if head == "convolution" else model.stages
    fields = [
        field.size
        for key, field in receptive_field_of(stages).items()
        if stages.get_submodule(key)._parameters or "Pool" in type(stages.get_submodule(key)).__name__
    ]
    assert [row["field"] for row in got if row["stage"]] == fields


@pytest.mark.browser
def test_the_mean_head_is_one_small_layer(run_js):
    got = counted(run_js, "D", 224, "mean")
    assert [(row["name"], row["parameters"], row["macs"]) for row in got[-2:]] == [
        ("mean", 0, 0),
        ("fc", 513_000, 512_000),
    ]
    assert sum(row["parameters"] for row in got) == 14_714_688 + 513_000


@pytest.mark.browser
def test_what_the_experiments_say_is_true(run_js):
    def head(name, side, kind, what):
        rows = counted(run_js, name, side, kind)
        total = sum(row[what] for row in rows)
        return sum(row[what] for row in rows if row["stage"] == 0) / total, total

    assert 0.85 < head("D", 224, "dense", "parameters")[0] < 0.92  # nine tenths
    assert 0.005 < head("D", 224, "dense", "macs")[0] < 0.015  # a hundredth
    assert 8.5 < head("D", 224, "dense", "parameters")[1] / head("D", 224, "mean", "parameters")[1] < 9.5
    assert 0.25 < head("D", 32, "dense", "macs")[0] < 0.3  # more than a quarter
    assert counted(run_js, "D", 448, "convolution")[-1]["shape"] == [1000, 8, 8]


@pytest.mark.browser
def test_a_window_that_does_not_fit_gives_no_answer(run_js):
    got = counted(run_js, "A", 192, "convolution")
    assert got[-1]["shape"] == [1000, 0, 0]
    assert got[-1]["macs"] == 0
    assert got[-1]["parameters"] == 4_097_000


@pytest.mark.browser
def test_shares_add_up(run_js):
    code = "(m, arg) => m.shares(m.layersOf(arg), 'parameters')"
    arg = {"kernels": [[3]] * 5, "widths": [8] * 5, "side": 64, "head": "mean", "classes": 10}
    parts = run_js(ENGINE, code, arg)
    assert [p["stage"] for p in parts] == [1, 2, 3, 4, 5, 0]
    assert sum(p["share"] for p in parts) == pytest.approx(1)
    assert sum(p["value"] for p in parts) == 224 + 4 * 584 + 90


@pytest.mark.browser
def test_numbers_as_people_read_them(run_js):
    code = "(m) => [m.commas(1234567), ...[15470264320, 138357544, 1234567, 25088, 4096].map(m.brief)]"
    assert run_js(bundle("vgg_costs"), code) == ["1,234,567", "15.47 G", "138.4 M", "1.23 M", "25 k", "4,096"]


# --- the figure


@pytest.mark.browser
def test_a_reader_changes_all_three(open_widget, costs):
    page = open_widget(costs)
    assert "138,357,544" in page.locator(".bk-vgg-bars").inner_text()
    assert "89.4 %" in page.locator(".bk-vgg_costs > .bk-status").inner_text()
    assert page.locator(".bk-vgg-table tbody tr").count() == 13 + 5 + 3
    page.get_by_label("Configuration", exact=True).select_option("A")
    assert trait(page, "configuration") == "A"
    assert page.locator(".bk-vgg-table tbody tr").count() == 8 + 5 + 3
    page.get_by_label("Head", exact=True).select_option("convolution")
    assert "1 × 1 place." in page.locator(".bk-vgg_costs > .bk-status").inner_text()
    page.get_by_role("slider", name="Picture, pixels").focus()
    page.keyboard.press("ArrowRight")
    assert trait(page, "side") == 256
    assert "2 × 2 places, 32 pixels apart" in page.locator(".bk-vgg_costs > .bk-status").inner_text()
    page.keyboard.press("Home")
    assert "does not fit" in page.locator(".bk-vgg_costs > .bk-status").inner_text()
    page.get_by_role("button", name="Reset").click()
    assert [trait(page, name) for name in ("configuration", "side", "head")] == ["D", 224, "dense"]


@pytest.mark.browser
def test_python_moves_the_figure(open_widget, costs):
    page = open_widget(costs)
    set_trait(page, "head", "mean")
    assert page.get_by_label("Head", exact=True).input_value() == "mean"
    assert "15,227,688" in page.locator(".bk-vgg-bars").inner_text()


@pytest.mark.browser
def test_nonsense_in_a_link_is_mended(open_widget, costs):
    page = open_widget(costs, configuration="<b>", side=1e9, head=7)
    assert [trait(page, name) for name in ("configuration", "side", "head")] == ["A", 512, "dense"]
    page = open_widget(costs, side=None)
    assert trait(page, "side") == 32
    page = open_widget(costs, side="x")
    assert trait(page, "side") == 224


@pytest.mark.browser
def test_every_experiment_says_something_and_ends_cleanly(open_widget, costs):
    page, seen = open_widget(costs), set()
    options = page.get_by_label("Try").locator("option").evaluate_all("(all) => all.map((o) => o.value)")
    for value in options[1:]:
        page.get_by_label("Try").select_option(value)
        seen.add(page.locator(".bk-toolbar .bk-status").inner_text())
    assert len(seen) == len(options) - 1
    page.evaluate("window.stop()")
    assert page.evaluate("window.model.count()") == 0


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
def test_accessible_and_no_wider_than_a_phone(open_widget, costs, dark):
    page = open_widget(costs, width=340, dark=dark)
    assert page.evaluate("document.querySelector('main div').scrollWidth <= 340")
    assert accessibility_problems(page) == []
