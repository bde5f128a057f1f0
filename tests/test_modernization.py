"""Modernization: what it marks as new, the figure as a reader drives it, its errors."""

import pytest

from companion.widgets.base import bundle
from companion.widgets.modernization import Modernization
from tests.figures import accessibility_problems, set_trait, trait


def conv(text, channels):
    return {"kind": "conv", "text": text, "channels": channels}


NORM, RELU, GELU = (
    {"kind": k, "text": t, "channels": 8} for k, t in (("norm", "BN"), ("act", "ReLU"), ("act", "GELU"))
)
STOPS = [
    {"name": "first", "depths": (3, 4), "block": [conv("1 × 1", 8), NORM, RELU, conv("3 × 3", 8), NORM, RELU]},
    {"name": "deeper", "depths": (3, 9), "block": [conv("1 × 1", 8), NORM, RELU, conv("3 × 3", 8), NORM, RELU]},
    {"name": "wide", "depths": (3, 9), "block": [conv("1 × 1", 32), NORM, RELU, conv("3 × 3", 8), NORM, RELU]},
    {"name": "last", "depths": (3, 9), "block": [conv("1 × 1", 32), GELU, conv("7 × 7", 8), NORM]},
]
NUMBERS = [(1_000_000, 4.1e9, 78.8), (2_000_000, 2.35e9, None), (3_000_000, 5.3e9, 80.5), (2_500_000, 4.5e9, 82.0)]
for row, (parameters, macs, accuracy) in zip(STOPS, NUMBERS, strict=True):
    row |= {"note": f"This is {row['name']}.", "stem": "7 × 7" if row["name"] == "first" else "patches"}
    row |= {"parameters": parameters, "macs": int(macs), "accuracy": accuracy}


@pytest.fixture
def figure(open_widget):
    return lambda **state: open_widget(Modernization(STOPS), **state)


# --- the sums in the page


@pytest.mark.browser
def test_new_is_what_lies_outside_the_longest_common_sequence(run_js):
    code = "(m, [a, b]) => m.fresh(a, b)"
    blocks = [stop["block"] for stop in STOPS]
    assert run_js(bundle("modernization"), code, [blocks[0], blocks[1]]) == [False] * 6
    assert run_js(bundle("modernization"), code, [blocks[1], blocks[2]]) == [True] + [False] * 5
    assert run_js(bundle("modernization"), code, [blocks[2], blocks[3]]) == [False, True, True, False]
    assert run_js(bundle("modernization"), code, [[], blocks[0]]) == [True] * 6
    assert run_js(bundle("modernization"), code, [blocks[0], []]) == []


@pytest.mark.browser
def test_nonsense_from_a_link_becomes_a_setting_that_can_be_drawn(run_js):
    read = "(m, given) => m.readPath((name) => given[name], 4)"
    assert run_js(bundle("modernization"), read, {"stop": 99, "against": "<b>", "bars": 3}) == {
        "stop": 3,
        "against": "before",
        "bars": "macs",
    }
    assert run_js(bundle("modernization"), read, {"stop": "1", "against": "start", "bars": "parameters"}) == {
        "stop": 0,
        "against": "start",
        "bars": "parameters",
    }
    assert run_js(bundle("modernization"), "(m, v) => v.map(m.big)", [4.146e9, 28589128, 12345]) == [
        "4.15 G",
        "28.6 M",
        "12,345",
    ]


# --- the figure


def marked(page):
    return page.locator(":is(.bk-path-conv, .bk-path-small).bk-on").count()


@pytest.mark.browser
def test_stepping_by_slider_buttons_keys_and_pointer(figure):
    page = figure()
    title = page.locator(".bk-path-card b")
    assert title.inner_text() == "0. first"
    assert page.get_by_role("button", name="Previous stop").is_disabled()
    page.get_by_role("button", name="Next stop").click()
    assert (title.inner_text(), trait(page, "stop")) == ("1. deeper", 1)
    page.keyboard.press("ArrowRight")
    assert title.inner_text() == "2. wide"
    page.get_by_role("slider", name="Stop").focus()
    page.keyboard.press("End")
    assert title.inner_text() == "3. last"
    assert page.get_by_role("button", name="Next stop").is_disabled()
    page.locator(".bk-path-bar").nth(1).click(force=True)
    assert trait(page, "stop") == 1


@pytest.mark.browser
def test_what_is_new_is_marked_against_the_stop_before_or_the_start(figure):
    page = figure(stop=3)
    card = page.locator(".bk-path-card")
    assert marked(page) == 2
    assert "←" not in card.inner_text()
    page.get_by_label("Compare with").select_option("start")
    assert marked(page) == 3
    assert "patches ←" in card.inner_text()
    assert "3, 9 ←" in card.inner_text()
    assert "7 × 7 to 8 channels (new)" in page.locator(".bk-path-block svg").get_attribute("aria-label")
    for stop, same in ((0, True), (1, True), (2, False)):
        set_trait(page, "stop", stop)
        assert page.get_by_label("Compare with").is_disabled() is same


@pytest.mark.browser
def test_bars_dots_and_card_tell_the_numbers(figure):
    page = figure(stop=1)
    text = page.locator(".bk-path-card").inner_text()
    assert "2.35 G" in text
    assert "not stated" in text
    assert page.locator(".bk-path-dot").count() == 3
    heights = "(all) => all.map((one) => +one.getAttribute('height'))"
    bars = page.locator(".bk-path-bar")
    macs = bars.evaluate_all(heights)
    assert [h / macs[2] for h in macs] == pytest.approx([n[1] / 5.3e9 for n in NUMBERS])
    page.get_by_label("Bars show").select_option("parameters")
    parameters = bars.evaluate_all(heights)
    assert [h / parameters[2] for h in parameters] == pytest.approx([n[0] / 3e6 for n in NUMBERS])
    set_trait(page, "stop", 3)
    assert "82.0 %" in page.locator(".bk-path-card").inner_text()


@pytest.mark.browser
def test_presets_go_where_they_say_and_reset_brings_back(figure):
    page = figure()
    picker = page.get_by_label("Try")
    seen = []
    for name in picker.locator("option").all_inner_texts()[1:]:
        picker.select_option(label=name)
        seen.append((name, trait(page, "stop")))
        assert len(page.locator(".bk-toolbar .bk-status").inner_text()) > 30
    assert seen == [
        ("The cheapest stop", 1),
        ("The dearest stop", 2),
        ("The largest single gain", 3),
        ("First and last", 3),
    ]
    assert trait(page, "against") == "start"
    page.get_by_role("button", name="Reset").click()
    assert [trait(page, name) for name in Modernization.linked] == [0, "before", "macs"]


@pytest.mark.browser
def test_without_published_numbers_there_are_only_bars(open_widget):
    page = open_widget(Modernization([{**stop, "accuracy": None} for stop in STOPS]))
    assert page.locator(".bk-path-dot").count() == 0
    assert page.locator(".bk-path-bar").count() == 4


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(760, False), (560, True), (330, False)])
def test_accessible_within_its_width_and_still(figure, width, dark):
    page = figure(width=width, dark=dark, stop=3)
    assert accessibility_problems(page) == []
    assert page.evaluate("document.querySelector('.bk-figure').scrollWidth") <= width
    heights = set()
    for stop in range(4):
        set_trait(page, "stop", stop)
        heights.add(page.locator(".bk-figure").evaluate("(el) => el.getBoundingClientRect().height"))
    assert len(heights) == 1


@pytest.mark.browser
def test_leaves_no_listener_behind(figure):
    page = figure()
    assert page.evaluate("() => { window.stop(); return window.model.count(); }") == 0


# --- the Python class


def test_keeps_what_it_is_given():
    widget = Modernization(STOPS, stop=2, against="start", bars="parameters", key="k")
    assert widget.defaults == {"stop": 2, "against": "start", "bars": "parameters"}
    assert [stop["name"] for stop in widget.stops] == ["first", "deeper", "wide", "last"]
    assert widget.stops[0]["depths"] == [3, 4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stops": STOPS[:1]}, "need 2 to 30 stops"),
        ({"stops": [STOPS[0]] * 2}, "names of their own"),
        ({"stops": [{"name": "x"}]}, "a stop misses accuracy"),
        ({"stops": [{**STOPS[0], "macs": 0}]}, "first: depths, parameters and macs must be >= 1"),
        ({"stops": [{**STOPS[0], "depths": []}]}, "depths, parameters"),
        ({"stops": [{**STOPS[0], "block": [{"kind": "pool", "text": "", "channels": 1}]}]}, "an item of a block needs"),
        ({"stops": [{**STOPS[0], "block": [{"kind": "conv"}]}]}, "an item of a block needs"),
        ({"stop": 4}, "stop must be 0 to 3, got 4"),
        ({"against": "me"}, "against must be one of before, start, got 'me'"),
        ({"bars": "seconds"}, "bars must be one of macs, parameters, got 'seconds'"),
    ],
)
def test_refuses_what_makes_no_sense(change, message):
    with pytest.raises(ValueError, match=message):
        Modernization(**{"stops": STOPS, **change})
