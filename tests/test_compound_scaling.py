"""CompoundScaling: its counts against the real networks, the figure as a reader drives it, its errors."""

import math

import numpy as np
import pytest
import torch

from companion.analysis import count_parameters, multiply_accumulates
from companion.models.efficientnet import B0_STAGES, SCALES, EfficientNet, scale_stages
from companion.models.mobilenet import make_divisible
from companion.widgets.base import bundle
from companion.widgets.compound_scaling import WAYS, CompoundScaling
from tests.figures import accessibility_problems, set_trait, trait

STAGES = [
    dict(zip(("expansion", "kernel_size", "stride", "channels", "depth", "gated"), (*s[1:], True), strict=True))
    for s in B0_STAGES
]
TABLE = {"stages": STAGES, "stem_channels": 32, "classes": 1000, "resolution": 224}
B7 = {"name": "B7", "depth": 3.1, "width": 2.0, "resolution": 600, "parameters": 66_347_960, "macs": 37_745_884_192}
PLAIN = {"phi": 1, "alpha": 1.2, "beta": 1.1, "gamma": 1.15}


def real(depth, width, side, stages=B0_STAGES):
    """(parameters, multiply-accumulates, blocks) of the network itself."""
    with torch.device("meta"):
        model = EfficientNet(scale_stages(stages, depth=depth, width=width), stem_channels=make_divisible(32 * width))
    blocks = sum(len(stage) for stage in model.stages)
    return [count_parameters(model), multiply_accumulates(model, (3, side, side)), blocks]


# --- the sums in the page


@pytest.mark.browser
def test_counts_are_those_of_the_real_networks(run_js):
    cases = [(1.0, 1.0, 224), (1.2, 1.1, 258), (1.44, 1.21, 296), (3.1, 2.0, 600), (2.3, 1.0, 224), (1.0, 1.7, 97)]
    code = """(m, [table, cases]) => cases.map(([depth, width, side]) => {
      const n = m.networkCost(table, { depth, width, side }); return [n.parameters, n.macs, n.blocks]; })"""
    wanted = [real(*case) for case in cases]
    assert run_js(bundle("scaling_engine"), code, [TABLE, cases]) == wanted
    b7 = SCALES["efficientnet_b7"]
    assert wanted[cases.index((b7.depth, b7.width, b7.resolution))][:2] == [B7["parameters"], B7["macs"]]


@pytest.mark.browser
def test_counts_without_gates_or_expansion(run_js):
    """Blocks without a gate differ by the gate's own numbers: two layers with biases, once for each picture."""
    code = "(m, [table, f]) => { const n = m.networkCost(table, f); return [n.parameters, n.macs]; }"
    factors = {"depth": 1, "width": 1, "side": 64}
    stage = {"expansion": 6, "kernel_size": 5, "stride": 1, "channels": 32, "depth": 1}
    with_gate, without = (
        run_js(bundle("scaling_engine"), code, [{**TABLE, "stages": [{**stage, "gated": gated}]}, factors])
        for gated in (True, False)
    )
    assert with_gate[0] - without[0] == 2 * 192 * 8 + 8 + 192
    assert with_gate[1] - without[1] == 2 * 192 * 8


@pytest.mark.browser
def test_rounding_is_the_companions(run_js):
    asked = [v / 7 for v in range(1, 900)]
    rounded = run_js(bundle("scaling_engine"), "(m, v) => v.map(m.roundChannels)", asked)
    assert rounded == [make_divisible(v) for v in asked]


@pytest.mark.browser
def test_alone_a_factor_grows_as_fast_in_cost_as_all_three(run_js):
    code = "(m, s) => m.WAYS.map((way) => { const f = m.factors(way, s); return [f.depth, f.width, f.resolution]; })"
    for phi in (0, 1, 2.5):
        rows = run_js(bundle("scaling_engine"), code, {**PLAIN, "phi": phi})
        costs = [d * w**2 * r**2 for d, w, r in rows]
        assert costs == pytest.approx([(1.2 * 1.1**2 * 1.15**2) ** phi] * 4)
        assert rows[0] == pytest.approx([1.2**phi, 1.1**phi, 1.15**phi])
        assert [[f == 1 for f in row] for row in rows[1:]] == [[phi == 0 or i != j for j in range(3)] for i in range(3)]


@pytest.mark.browser
def test_nonsense_from_a_link_becomes_a_setting_that_can_be_drawn(run_js):
    read = "(m, given) => m.readScaling((name) => given[name])"
    clean = run_js(
        bundle("compound_scaling"), read, {"phi": 1e9, "alpha": "2", "beta": None, "gamma": -1, "way": "<b>"}
    )
    assert clean == {"phi": 7, "alpha": 1.2, "beta": 1.1, "gamma": 1, "way": "together"}
    amounts = run_js(bundle("compound_scaling"), "(m, v) => v.map(m.amount)", [385814752, 1e9, 37.75e9, 5288548, 4200])
    assert amounts == ["386 M", "1 G", "37.8 G", "5.29 M", "4.2 k"]


# --- the figure


@pytest.fixture
def scaling(open_widget):
    return lambda **state: open_widget(CompoundScaling(STAGES, members=[B7]), **state)


def row(page, name):
    return page.locator(".bk-scaling-table tbody tr", has_text=name).locator("td").all_inner_texts()


@pytest.mark.browser
def test_the_table_says_what_the_networks_cost(scaling):
    page = scaling(phi=0)
    assert row(page, "all three") == row(page, "depth") == ["16", "320", "224", "5.29 M", "386 M"]
    slider = page.get_by_role("slider", name="φ, the step")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert trait(page, "phi") == 1
    parameters, macs, blocks = real(1.2, 1.1, 258)
    assert row(page, "all three") == [str(blocks), "352", "258", f"{parameters / 1e6:.2f} M", f"{macs / 1e6:.0f} M"]
    told = page.locator(".bk-status").first.inner_text()
    assert f"{macs / 385_814_752:.2f} times the arithmetic" in told
    assert "1.92^1 = 1.92" in told


@pytest.mark.browser
def test_the_drawing_has_a_bar_for_every_block_and_marks_the_chosen_network(scaling):
    page = scaling(phi=2)
    blocks = [int(row(page, name)[0]) for name in ("all three", "depth", "width", "pixels")]
    assert page.locator(".bk-scaling-block").count() == sum(blocks)
    for way, many in zip(WAYS, blocks, strict=True):
        page.get_by_label("Look at").select_option(way)
        assert trait(page, "way") == way
        assert page.locator(".bk-scaling-block.bk-on").count() == many
        assert page.locator(".bk-scaling-table tr.bk-on").count() == 1
    sides = page.locator(".bk-scaling-picture").evaluate_all("(all) => all.map((one) => +one.getAttribute('width'))")
    assert sides[1] == sides[2] < sides[0] < sides[3]


@pytest.mark.browser
def test_more_pixels_cost_no_parameters(scaling):
    page = scaling(phi=4)
    assert row(page, "pixels")[3] == "5.29 M"
    dots = page.locator(".bk-scaling-now").evaluate_all("(all) => all.map((one) => +one.getAttribute('cy'))")
    set_trait(page, "phi", 0)
    start = page.locator(".bk-scaling-now").evaluate_all("(all) => all.map((one) => +one.getAttribute('cy'))")
    assert len(set(start)) == 1
    assert dots[3] == max(dots)


@pytest.mark.browser
def test_presets_notes_and_reset(scaling):
    page = scaling()
    picker = page.get_by_label("Try")
    for name in picker.locator("option").all_inner_texts()[1:]:
        before = page.locator(".bk-scaling-layout").inner_html()
        picker.select_option(label=name)
        assert len(page.locator(".bk-toolbar .bk-status").inner_text()) > 40
        assert name == "One step" or page.locator(".bk-scaling-layout").inner_html() != before
    page.get_by_role("button", name="Reset").click()
    assert {name: trait(page, name) for name in CompoundScaling.linked} == {**PLAIN, "way": "together"}


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(760, False), (560, True), (330, False)])
def test_accessible_and_within_its_width(scaling, width, dark):
    page = scaling(width=width, dark=dark, phi=3)
    assert accessibility_problems(page) == []
    assert page.evaluate("document.querySelector('.bk-figure').scrollWidth") <= width
    right = page.evaluate("document.querySelector('.bk-scaling-table').getBoundingClientRect().right")
    assert right <= page.evaluate("document.querySelector('.bk-figure').getBoundingClientRect().right")


@pytest.mark.browser
def test_leaves_no_listener_behind(scaling):
    page = scaling()
    assert page.evaluate("() => { window.stop(); return window.model.count(); }") == 0


# --- the Python class


def test_keeps_what_it_is_given():
    widget = CompoundScaling(STAGES[:2], phi=np.float32(2.5), alpha=1.263, way="depth", members=[B7], key="k")
    assert (widget.phi, widget.alpha, widget.way, len(widget.stages)) == (2.5, 1.26, "depth", 2)
    assert widget.defaults == {"phi": 2.5, "alpha": 1.26, "beta": 1.1, "gamma": 1.15, "way": "depth"}
    assert widget.members == [B7]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"phi": 8}, ValueError, "phi must be between 0 and 7, got 8"),
        ({"alpha": 0.9}, ValueError, "alpha must be between 1 and 1.5, got 0.9"),
        ({"beta": math.nan}, ValueError, "got nan"),
        ({"gamma": "1.1"}, TypeError, "gamma must be a number, got '1.1'"),
        ({"phi": True}, TypeError, "got True"),
        ({"way": "both"}, ValueError, "way must be one of together, .*, got 'both'"),
        ({"stages": []}, ValueError, "need 1 to 12 stages, got 0"),
        ({"stages": [{"depth": 1}]}, ValueError, "a stage misses channels, expansion"),
        ({"stages": [{**STAGES[0], "channels": 0}]}, ValueError, "all sizes must be >= 1, got 0"),
        ({"members": [{"name": "B9"}]}, ValueError, "a member misses depth, macs"),
    ],
)
def test_refuses_what_makes_no_sense(given, error, message):
    with pytest.raises(error, match=message):
        CompoundScaling(**{"stages": STAGES, **given})
