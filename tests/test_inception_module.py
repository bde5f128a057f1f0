"""InceptionModule: its engine against the companion's modules and torch, the figure as a reader drives it."""

import itertools

import pytest
import torch
from playwright.sync_api import expect
from torch import nn

from companion.analysis import multiply_accumulates
from companion.models.googlenet import WIDTHS, Branches, InceptionWidths, NaiveInceptionModule
from companion.models.googlenet import InceptionModule as Module
from companion.widgets.base import bundle
from companion.widgets.inception_module import DESIGNS, SIDES, WINDOWS, InceptionModule
from tests.figures import accessibility_problems, set_trait, trait

COSTS = "(m, cases) => cases.map((c) => m.branchCosts(m.branchesOf(c), c.side))"


def setting(**given):
    plain = {"design": "reduced", "in_channels": 192, "side": 28, "window": 5, "branch": 2}
    return {**plain, **WIDTHS["3a"]._asdict(), **given}


def large_window(case):
    """The layers of the third branch behind its reduction, as torch's."""
    n, c, out = case["window"], case["reduce5"], case["conv5"]
    if case["design"] == "stacked":
        steps = (n - 1) // 2
        return [nn.Conv2d(c, out if i == steps - 1 else c, 3, padding=1) for i in range(steps)]
    if case["design"] == "asymmetric":
        row, column = nn.Conv2d(c, c, (1, n), padding=(0, n // 2)), nn.Conv2d(c, out, (n, 1), padding=(n // 2, 0))
        return [row, column]
    return [nn.Conv2d(c, out, n, padding=n // 2)]


def reference(case):
    """The module that a setting describes, made of the companion's or torch's layers."""
    widths = InceptionWidths(**{name: case[name] for name in InceptionWidths._fields})
    if case["design"] == "naive":
        if case["window"] == 5:
            return NaiveInceptionModule(case["in_channels"], conv1=widths.conv1, conv3=widths.conv3, conv5=widths.conv5)
        convs = [
            nn.Conv2d(case["in_channels"], out, k, padding=k // 2)
            for out, k in ((widths.conv1, 1), (widths.conv3, 3), (widths.conv5, case["window"]))
        ]
        return Branches(*convs, nn.MaxPool2d(3, 1, 1))
    if case["design"] == "reduced":
        return Module(case["in_channels"], widths, kernel_size=case["window"])
    first, second, _, last = Module(case["in_channels"], widths)
    third = nn.Sequential(nn.Conv2d(case["in_channels"], widths.reduce5, 1), *large_window(case))
    return Branches(first, second, third, last)


@pytest.mark.browser
def test_weights_outputs_and_macs_are_those_of_real_modules(run_js):
    cases = [setting(design=design, window=n, side=7) for design, n in itertools.product(DESIGNS, WINDOWS)]
    cases += [setting(in_channels=832, side=7, **WIDTHS["5b"]._asdict()), setting(in_channels=8, side=8, pool=8)]
    for case, costs in zip(cases, run_js(bundle("inception_engine"), COSTS, cases), strict=True):
        shape = (case["in_channels"], case["side"], case["side"])
        with torch.device("meta"):
            module = reference(case)
            outputs = [branch(torch.zeros(2, *shape)).shape[1] for branch in module]
        for branch, cost in zip(module, costs, strict=True):
            assert cost["weights"] == sum(p.numel() for p in branch.parameters() if p.ndim > 1), case
            if cost["weights"]:
                assert cost["macs"] == multiply_accumulates(branch, shape)
        assert [cost["outputs"] for cost in costs] == outputs
        assert [cost["sees"] for cost in costs] == [1, 3, case["window"], 3]


@pytest.mark.browser
def test_the_two_sums_of_the_texts(run_js):
    cases = [setting(), setting(reduce5=96, conv5=128)]
    reduced = run_js(bundle("inception_engine"), COSTS, cases)
    naive = run_js(bundle("inception_engine"), COSTS, [{**case, "design": "naive"} for case in cases])
    assert [(n[2]["weights"], r[2]["weights"]) for n, r in zip(naive, reduced, strict=True)] == [
        (153_600, 15_872),
        (614_400, 325_632),
    ]
    assert naive[0][2]["macs"] == 784 * 153_600


# --- the figure


def told(page):
    return page.locator(".bk-inception-told").inner_text()


@pytest.mark.browser
def test_the_chosen_branch_is_written_out(open_widget):
    page = open_widget(InceptionModule(), width=740)
    assert told(page) == (
        "Branch 5 × 5: 1·1·192·16 + 5·5·16·32 = 3,072 + 12,800 = 15,872 weights; at 28 × 28 places 12.4 million MACs. "
        "Naive: 5·5·192·32 = 153,600, 9.7 times as many."
    )
    page.get_by_role("radio", name="pooling").check()
    assert trait(page, "branch") == 3
    assert "hands on 192 channels instead of 32" in told(page)
    page.get_by_role("radio", name="1 × 1", exact=True).check()
    assert told(page).endswith("1·1·192·64 = 12,288 weights; at 28 × 28 places 9.63 million MACs.")
    page.get_by_role("radio", name="3 × 3", exact=True).check()
    assert "Naive: 3·3·192·128 = 221,184, 1.7 times as many." in told(page)


@pytest.mark.browser
def test_the_designs(open_widget):
    page = open_widget(InceptionModule(window=7), width=740)
    page.get_by_role("radio", name="Windows of 3 in a row").check()
    assert "1·1·192·16 + 2 × 3·3·16·16 + 3·3·16·32 = 3,072 + 2 × 2,304 + 4,608 = 12,288" in told(page)
    assert page.locator(".bk-inception-column").nth(2).locator(".bk-inception-layer").count() == 4
    page.get_by_role("radio", name="1 × n, then n × 1").check()
    assert "1·7·16·16 + 7·1·16·32" in told(page)
    page.get_by_role("radio", name="Naive").check()
    assert told(page).startswith("Branch 7 × 7: 7·7·192·32 = 301,056 weights")
    assert "times" not in told(page)
    for name in ("3 × 3: reduce to", "Largest: reduce to", "Pooling: project to"):
        expect(page.get_by_role("slider", name=name)).to_be_disabled()
    page.get_by_role("radio", name="pooling").check()
    assert "hands all 192 channels on" in told(page)
    assert page.locator(".bk-inception-drawing").inner_text().endswith("64 + 128 + 32 + 192 = 416 channels, stacked")


@pytest.mark.browser
def test_a_reduction_can_cost_more_than_it_saves(open_widget):
    page = open_widget(InceptionModule(), width=740)
    page.get_by_label("Try").select_option(label="A reduction that costs")
    assert trait(page, "reduce5") == 160
    assert "which is fewer" in told(page)
    page.get_by_role("button", name="Reset").click()
    assert trait(page, "reduce5") == 16


@pytest.mark.browser
def test_every_control_changes_the_drawing(open_widget):
    page = open_widget(InceptionModule(), width=740)
    drawing = page.locator(".bk-inception-drawing")
    for slider in page.get_by_role("slider").all():
        before = drawing.inner_text()
        slider.press("ArrowRight")
        assert drawing.inner_text() != before, slider.get_attribute("id")


@pytest.mark.browser
def test_python_moves_the_figure(open_widget):
    page = open_widget(InceptionModule(), width=740)
    set_trait(page, "in_channels", 832)
    set_trait(page, "side", 7)
    expect(page.locator(".bk-inception-input")).to_have_text("input: 832 channels, 7 × 7")
    assert page.get_by_role("slider", name="Input channels").input_value() == "832"
    row = page.locator(".bk-inception-table tbody tr").nth(2)
    assert row.locator("td").last.inner_text() == "665,600"
    set_trait(page, "conv5", 512)
    assert row.locator("td").last.inner_text() == "10.6 M"


@pytest.mark.browser
def test_nonsense_from_an_address_does_no_harm(open_widget):
    state = {"design": "<b>", "in_channels": -5, "side": 9, "window": "x", "conv1": 1e9, "reduce3": None, "branch": 7}
    page = open_widget(InceptionModule(), **state)
    got = {name: trait(page, name) for name in InceptionModule.linked}
    assert got == setting(in_channels=8, conv1=512, branch=3)
    set_trait(page, "conv3", 51)
    expect(page.get_by_role("slider", name="3 × 3: outputs")).to_have_value("48")


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [332, 740])
def test_it_is_accessible_and_fits(open_widget, dark, width):
    page = open_widget(
        InceptionModule(), width=width, dark=dark, in_channels=1024, conv5=512, design="stacked", window=11
    )
    assert not accessibility_problems(page)
    figure = page.locator(".bk-figure")
    assert figure.evaluate("(el) => el.scrollWidth <= el.clientWidth")
    clipped = """(el) => [...el.querySelectorAll(".bk-inception-layer, table")]
      .filter((n) => n.scrollWidth > n.clientWidth).length"""
    assert figure.evaluate(clipped) == 0
    page.evaluate("() => window.stop()")
    assert page.evaluate("() => window.model.count()") == 0


def test_python_refuses_what_the_figure_cannot_show():
    for wrong, message in (
        ({"design": "wide"}, "design must be one of naive, reduced, stacked, asymmetric, got 'wide'"),
        ({"side": 9}, "side must be one of 7, 8"),
        ({"window": 4}, "window must be one of 3, 5, 7, 9, 11, got 4"),
        ({"branch": 4}, "branch must be one of 0, 1, 2, 3, got 4"),
        ({"in_channels": 1032}, "in_channels must be a multiple of 8 from 8 to 1024, got 1032"),
        ({"reduce5": 12}, "reduce5 must be a multiple of 8 from 8 to 512, got 12"),
    ):
        with pytest.raises(ValueError, match=message):
            InceptionModule(**wrong)
    assert InceptionModule().defaults == setting()
    assert all(InceptionModule(side=side).side == side for side in SIDES)


def test_the_widths_of_googlenet_can_be_shown():
    for widths in WIDTHS.values():
        assert InceptionModule(**widths._asdict()).conv3 == widths.conv3
