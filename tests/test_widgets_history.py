"""The timeline and the ILSVRC chart: what Python refuses, and what a reader can do in a browser."""

import math

import pytest
from axe_playwright_python.sync_playwright import Axe

from companion.data import history, ilsvrc, milestones
from companion.widgets import timeline
from companion.widgets.ilsvrc_chart import IlsvrcChart
from companion.widgets.timeline import Timeline
from tests.figures import trait

EVENTS = [event._asdict() for event in milestones()]
RESULTS = [result._asdict() for result in ilsvrc().results]
HUMAN = ilsvrc().human._asdict()


@pytest.fixture
def show(open_widget):
    return lambda widget, *, width=700, **how: open_widget(widget, width=width, link=False, **how)


def text(page, selector):
    return page.locator(selector).inner_text()


# What Python refuses


def test_timeline_starts_at_the_first_event_with_all_years_and_kinds():
    made = Timeline(EVENTS)
    assert (made.selected, made.start, made.end) == (EVENTS[0]["title"], 1943, 2025)
    assert made.shown == list(timeline.KINDS) == list(history.CATEGORIES)
    assert made.defaults == {name: getattr(made, name) for name in Timeline.linked}
    assert "source" not in made.events[0]  # the bibliography key is the book's, not the reader's
    assert Timeline(EVENTS, selected="AlexNet").selected == "AlexNet"


@pytest.mark.parametrize(
    ("events", "options", "message"),
    [
        ([], {}, r"at least one event, got none"),
        ([{"year": 1943}], {}, r"event 0 misses category, end, people, reference, title, url, why"),
        ([{**EVENTS[0], "category": "war"}], {}, r"category must be idea or .*, got 'war'"),
        ([EVENTS[1], EVENTS[0]], {}, r"event 1: 1943 comes after 1949"),
        ([EVENTS[0], EVENTS[0]], {}, r"titles must be unique, got McCulloch–Pitts neuron more than once"),
        (EVENTS, {"selected": "Skynet"}, r"selected must be the title of an event, got 'Skynet'"),
    ],
)
def test_timeline_refuses_bad_events(events, options, message):
    with pytest.raises(ValueError, match=message):
        Timeline(events, **options)


def test_chart_starts_at_the_turn_to_networks():
    made = IlsvrcChart(RESULTS, human=HUMAN)
    assert (made.year, made.outside, made.person, made.log) == (2012, False, False, False)
    assert IlsvrcChart(RESULTS, human=HUMAN, year=2017).year == 2017
    assert IlsvrcChart(RESULTS[:2], human=HUMAN).year == 2010


@pytest.mark.parametrize(
    ("results", "human", "options", "message"),
    [
        ([], HUMAN, {}, r"one result without outside data a year, in order, got the years \[\]"),
        ([RESULTS[1], RESULTS[0]], HUMAN, {}, r"got the years \[2011, 2010\]"),
        ([RESULTS[0], RESULTS[0]], HUMAN, {}, r"got the years \[2010, 2010\]"),
        ([RESULTS[0], RESULTS[3]], HUMAN, {}, r"one of their own years each, got \[2012\]"),
        (
            [{**RESULTS[0], "error": 28.191}],
            HUMAN,
            {},
            r"result 0: error must lie between 0 and 1, got 28.191",
        ),
        ([{"year": 2010}], HUMAN, {}, r"result 0 misses conditions, error"),
        (RESULTS, {"error": 0.051}, {}, r"human misses conditions, reference, url, who"),
        (RESULTS, {**HUMAN, "error": math.nan}, {}, r"human: error must lie between 0 and 1, got nan"),
        (RESULTS, HUMAN, {"year": 2009}, r"year must be one of 2010, .*, 2017, got 2009"),
    ],
)
def test_chart_refuses_bad_results(results, human, options, message):
    with pytest.raises(ValueError, match=message):
        IlsvrcChart(results, human=human, **options)


def cut_off(page, stage):
    """Return the labels in the drawing that reach out of it."""
    return page.evaluate(
        """(stage) => {
          const edge = document.querySelector(stage).getBoundingClientRect();
          return [...document.querySelectorAll(`${stage} text`)].filter((label) => {
            const box = label.getBoundingClientRect();
            return box.left < edge.left - 1 || box.right > edge.right + 1;
          }).map((label) => label.textContent);
        }""",
        stage,
    )


# Where marks and labels go


@pytest.mark.browser
@pytest.mark.parametrize("width", [300, 700, 1200])
@pytest.mark.parametrize("spread", [1, 5])
def test_nothing_overlaps_in_the_layout(run_js, width, spread):
    items = [{"x": 20 + (i * 37 * spread) % (width - 40), "width": 30 + (i * 53) % 120} for i in range(24)]
    items.sort(key=lambda item: item["x"])
    placed = run_js(Timeline._esm, "(m, [items, width]) => m.layout(items, width, 5.5, 11)", [items, width])
    taken = {}
    for item, place in zip(items, placed, strict=True):
        left = item["x"] - 5.5 - (item["width"] if place["side"] < 0 else 0)
        right = item["x"] + 5.5 + (item["width"] if place["side"] > 0 else 0)
        assert left >= 0
        assert right <= width
        for other_left, other_right in taken.setdefault(place["lane"], []):
            assert right < other_left or other_right < left
        taken[place["lane"]].append((left, right))
    assert {0, 1, -1} >= {place["side"] for place in placed} != {0}


@pytest.mark.browser
def test_layout_gives_every_label_when_there_is_room_and_none_when_there_are_too_many_marks(run_js):
    call = "(m, items) => m.layout(items, 1000, 5, 4).map((p) => p.side)"
    assert run_js(Timeline._esm, call, [{"x": 10 + 200 * i, "width": 90} for i in range(5)]) == [
        1,
        1,
        1,
        1,
        1,
    ]
    assert run_js(Timeline._esm, call, [{"x": 950, "width": 90}]) == [-1]
    assert run_js(Timeline._esm, call, [{"x": 500, "width": 90}] * 9) == [0] * 9


# The timeline in a browser


@pytest.mark.browser
def test_every_event_has_its_mark_and_winters_are_shaded(show):
    page = show(Timeline(EVENTS))
    stage = page.locator(".bk-timeline-stage")
    assert stage.locator(".bk-timeline-mark").count() == len(EVENTS) - 2
    assert stage.locator(".bk-timeline-span").count() == 2
    for kind in ("idea", "architecture", "method", "resource"):
        count = sum(event["category"] == kind for event in EVENTS)
        assert stage.locator(f".bk-timeline-kind-{kind}").count() == count
    assert page.locator(".bk-timeline-all li").count() == len(EVENTS)


@pytest.mark.browser
def test_arrow_keys_walk_through_the_events_in_order(show):
    page = show(Timeline(EVENTS))
    page.get_by_label("Event", exact=True).focus()
    for event in EVENTS[1:5]:
        page.keyboard.press("ArrowRight")
        assert trait(page, "selected") == event["title"]
        card = text(page, ".bk-timeline-card")
        assert all(event[field] in card for field in ("title", "people", "why", "reference"))
    page.keyboard.press("End")
    assert trait(page, "selected") == "DINOv3"
    assert "DINOv3, 56 of 56" in page.get_by_label("Event", exact=True).get_attribute("aria-valuetext")
    assert page.get_by_label("Next event").is_disabled()
    page.get_by_label("Previous event").click()
    assert trait(page, "selected") == EVENTS[-2]["title"]


@pytest.mark.browser
def test_a_trait_set_from_python_moves_the_figure(show):
    page = show(Timeline(EVENTS))
    page.evaluate("model.set('selected', 'ResNet')")
    assert "Xiangyu Zhang" in text(page, ".bk-timeline-card")
    assert page.locator(".bk-timeline-stage .bk-timeline-mark.bk-on").count() == 1
    page.evaluate("model.set('start', 2010), model.set('end', 2020)")
    years = page.locator(".bk-timeline-stage .bk-axes text").all_text_contents()
    assert years[0] == "2010"
    assert years[-1] == "2020"


@pytest.mark.browser
def test_hover_tells_and_click_selects(show):
    page = show(Timeline(EVENTS))
    mark = page.locator(".bk-timeline-stage text", has_text="Adaline").bounding_box()
    page.mouse.move(mark["x"] - 6, mark["y"] + mark["height"] / 2)
    assert "Widrow" in text(page, ".bk-timeline-card")
    assert trait(page, "selected") == EVENTS[0]["title"]
    page.mouse.move(5, 5)
    assert "Pitts" in text(page, ".bk-timeline-card")
    page.mouse.click(mark["x"] - 6, mark["y"] + mark["height"] / 2)
    page.mouse.move(5, 5)
    assert trait(page, "selected") == "Adaline"
    assert "Widrow" in text(page, ".bk-timeline-card")


@pytest.mark.browser
def test_a_winter_is_told_from_its_shade(show):
    page = show(Timeline(EVENTS))
    shade = page.locator(".bk-timeline-span").first.bounding_box()
    page.mouse.click(shade["x"] + shade["width"] / 2, shade["y"] + 12)
    assert trait(page, "selected") == "First AI winter"
    assert "1974–1980" in text(page, ".bk-timeline-card")


@pytest.mark.browser
def test_kinds_can_be_hidden_and_the_walk_skips_them(show):
    page = show(Timeline(EVENTS))
    page.get_by_label("Ideas").uncheck()
    assert page.locator(".bk-timeline-stage .bk-timeline-kind-idea").count() == 0
    assert trait(page, "shown") == ["architecture", "method", "resource", "winter"]
    assert "Perceptron" in text(page, ".bk-timeline-card")  # the first event still shown
    for label in ("Architectures", "Methods", "Tools and data", "Winters"):
        page.get_by_label(label).uncheck()
    assert "tick a kind of event" in text(page, ".bk-timeline-card")
    page.get_by_label("Methods").check()
    assert "Adaline" in text(page, ".bk-timeline-card")


@pytest.mark.browser
def test_zoom_keeps_the_selected_event_in_view_and_a_drag_moves_on(show):
    page = show(Timeline(EVENTS, selected="AlexNet"))
    labels = page.locator(".bk-timeline-stage .bk-timeline-label").count()
    assert page.get_by_role("button", name="Zoom out").is_disabled()
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Zoom in").click()
    start, end = trait(page, "start"), trait(page, "end")
    assert end - start == 21  # 82 years, halved twice
    assert start <= 2012 <= end
    assert page.locator(".bk-timeline-stage .bk-timeline-label").count() != labels
    box = page.locator(".bk-timeline-stage").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 450, box["y"] + 40, steps=5)
    page.mouse.up()
    assert trait(page, "start") == start - round(350 / box["width"] * 21)
    assert trait(page, "selected") == "AlexNet"  # a drag is no click
    page.get_by_role("button", name="Zoom out").click()
    page.get_by_role("button", name="Zoom out").click()
    assert (trait(page, "start"), trait(page, "end")) == (1943, 2025)


@pytest.mark.browser
def test_walking_out_of_the_window_moves_it(show):
    page = show(Timeline(EVENTS), selected="Perceptrons, the book", start=1943, end=1969)
    page.get_by_label("Next event").click()
    assert trait(page, "selected") == "Reverse-mode autodiff"
    assert trait(page, "start") <= 1970 <= trait(page, "end") == trait(page, "start") + 26


@pytest.mark.browser
def test_presets_and_reset(show):
    page = show(Timeline(EVENTS))
    page.get_by_label("Try").select_option("Only tools and data")
    assert trait(page, "shown") == ["resource"]
    assert "NVIDIA" in text(page, ".bk-timeline-card")
    page.get_by_role("button", name="Reset").click()
    assert trait(page, "shown") == list(timeline.KINDS)
    assert trait(page, "selected") == EVENTS[0]["title"]
    assert page.locator("select option").count() == 6
    few = show(Timeline(EVENTS[:3]))
    assert few.locator("select option").all_inner_texts() == ["choose an experiment…", "The first wave"]


@pytest.mark.browser
@pytest.mark.parametrize(
    "changes",
    [
        {"start": None, "end": "x", "selected": 7, "shown": "idea"},
        {"start": 1e9, "end": -1e9, "selected": "<img src=x>", "shown": ["idea", "nonsense"] * 5000},
        {"start": 2030, "end": 2031, "shown": {"length": 3}},
        {"start": "NaN", "end": [], "selected": None, "shown": None},
    ],
)
def test_whatever_a_link_holds_the_timeline_stands(show, changes):
    page = show(Timeline(EVENTS), **changes)
    assert page.locator(".bk-timeline-stage svg").count() == 1
    assert page.locator(".bk-timeline-title").count() == 1
    assert page.locator(".bk-timeline-stage svg").inner_html().count("NaN") == 0
    assert page.locator("img").count() == 0


@pytest.mark.browser
def test_only_https_addresses_become_links(show):
    sound = show(Timeline(EVENTS))
    assert sound.locator(".bk-timeline-card a").get_attribute("href") == "https://doi.org/10.1007/BF02478259"
    bad = show(Timeline([{**EVENTS[0], "url": "javascript:alert(1)"}, *EVENTS[1:]]))
    assert bad.locator(".bk-timeline-card a").count() == 0
    assert "Bulletin" in text(bad, ".bk-timeline-source")


@pytest.mark.browser
def test_the_timeline_fits_a_phone_and_follows_a_new_width(show):
    page = show(Timeline(EVENTS), width=330)
    assert page.evaluate("document.querySelector('.bk-timeline').scrollWidth") <= 330
    assert cut_off(page, ".bk-timeline-stage") == []
    page.evaluate("document.querySelector('main').style.width = '900px'")
    page.wait_for_function("document.querySelector('.bk-timeline-stage svg').viewBox.baseVal.width > 600")


# The chart in a browser


def chart(**options):
    return IlsvrcChart(RESULTS, human=HUMAN, **options)


@pytest.mark.browser
def test_numbers_are_written_as_published(run_js):
    digits = run_js(IlsvrcChart._esm, "(m, all) => all.map((e) => m.percent(e))", [r["error"] for r in RESULTS])
    assert digits[:3] == ["28.191 %", "25.770 %", "16.422 %"]
    words = run_js(IlsvrcChart._esm, "(m, e) => [m.percent(e, 1), m.oneIn(e)]", 0.02251)
    assert words == ["2.3 %", "wrong on about 1 image in 44"]


@pytest.mark.browser
def test_keys_walk_through_the_years(show):
    page = show(chart())
    page.get_by_role("slider", name="Year").focus()
    page.keyboard.press("ArrowRight")
    assert trait(page, "year") == 2013
    card = text(page, ".bk-ilsvrc_chart-card")
    assert "Clarifai" in card
    assert "11.743 %, 28 % below the year before, wrong on about 1 image in 9." in card
    assert "11.197" not in card
    page.keyboard.press("Home")
    assert "NEC-UIUC" in text(page, ".bk-ilsvrc_chart-card")
    assert "below the year before" not in text(page, ".bk-ilsvrc_chart-card")


@pytest.mark.browser
def test_toggles_add_outside_data_and_the_person(show):
    page = show(chart())
    stage = page.locator(".bk-ilsvrc_chart-stage")
    assert stage.locator(".bk-ilsvrc_chart-mark").count() == 8
    assert stage.locator(".bk-ilsvrc_chart-mark.bk-before").count() == 2
    page.get_by_label("With outside data").check()
    assert stage.locator(".bk-ilsvrc_chart-mark").count() == 10
    assert "15.315 %, with outside data" in text(page, ".bk-ilsvrc_chart-card")
    assert stage.locator(".bk-ilsvrc_chart-person").count() == 0
    page.get_by_label("Human reference").check()
    assert stage.locator(".bk-ilsvrc_chart-person").count() == 1
    assert "5.1 %, one trained annotator" in text(page, ".bk-ilsvrc_chart-card")
    assert "1,500 test images" in text(page, ".bk-ilsvrc_chart-card")


def heights(page):
    """Where the round and square marks lie, from the bottom line upwards, in order of years."""
    return page.evaluate("""() => {
      const grid = document.querySelectorAll(".bk-ilsvrc_chart-stage .bk-axes line");
      const lines = [...grid].map((line) => +line.getAttribute("y1"));
      const path = document.querySelector(".bk-ilsvrc_chart-path").getAttribute("points").split(" ");
      return path.map((p) => Math.max(...lines) - +p.split(",")[1]);
    }""")


@pytest.mark.browser
def test_heights_are_shares_or_their_logarithms(show):
    page = show(chart())
    shares = [r["error"] for r in RESULTS if not r["outside_data"]]
    linear = heights(page)
    for height, share in zip(linear, shares, strict=True):
        assert height / linear[0] == pytest.approx(share / shares[0], rel=1e-6)
    page.get_by_label("Logarithmic axis").check()
    logs = heights(page)
    for height, share in zip(logs, shares, strict=True):  # the bottom line is 1 %
        assert height / logs[0] == pytest.approx(math.log(share / 0.01) / math.log(shares[0] / 0.01), rel=1e-6)


@pytest.mark.browser
@pytest.mark.parametrize("width", [900, 330])
@pytest.mark.parametrize("log", [False, True])
def test_the_person_s_line_crosses_no_number(show, width, log):
    page = show(chart(), width=width, outside=True, person=True, log=log)
    crossed = page.evaluate("""() => {
      const line = document.querySelector(".bk-ilsvrc_chart-person").getBoundingClientRect().top;
      const all = [...document.querySelectorAll(".bk-ilsvrc_chart-value")];
      const crosses = (box) => box.top + 0.25 * box.height < line && line < box.bottom - 0.2 * box.height;   // digits
      return all.filter((v) => crosses(v.getBoundingClientRect())).map((v) => v.textContent);
    }""")
    assert crossed == []


@pytest.mark.browser
def test_hover_tells_a_year_and_click_keeps_it(show):
    page = show(chart())
    box = page.locator(".bk-ilsvrc_chart-stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 100)
    assert "WMW" in text(page, ".bk-ilsvrc_chart-card")
    assert trait(page, "year") == 2012
    page.mouse.move(box["x"], box["y"] + box["height"] + 200)
    assert "SuperVision" in text(page, ".bk-ilsvrc_chart-card")
    page.mouse.click(box["x"] + box["width"] - 20, box["y"] + 100)
    assert trait(page, "year") == 2017


@pytest.mark.browser
def test_chart_presets_and_reset(show):
    page = show(chart())
    page.get_by_label("Try").select_option("What did extra data buy?")
    assert page.get_by_label("With outside data").is_checked()
    page.get_by_label("Try").select_option("Below a person?")
    assert (trait(page, "year"), trait(page, "person"), trait(page, "outside")) == (2015, True, False)
    page.get_by_role("button", name="Reset").click()
    assert (trait(page, "year"), trait(page, "person")) == (2012, False)


@pytest.mark.browser
def test_the_table_has_every_number(show):
    page = show(chart())
    page.locator("summary").click()
    table = text(page, "table")
    assert all(f"{100 * result['error']:.3f} %" in table for result in RESULTS)
    assert "one trained annotator" in table
    assert page.locator("tbody tr").count() == len(RESULTS) + 1


@pytest.mark.browser
@pytest.mark.parametrize(
    "changes", [{"year": 1999, "log": "yes"}, {"year": None, "outside": 1, "person": "x"}, {"year": "2012"}]
)
def test_whatever_a_link_holds_the_chart_stands(show, changes):
    page = show(chart(), **changes)
    assert "NEC-UIUC" in text(page, ".bk-ilsvrc_chart-card")  # an unknown year: the first
    assert page.locator(".bk-ilsvrc_chart-stage .bk-ilsvrc_chart-mark").count() == 8
    assert heights(page)[0] > heights(page)[-1]


@pytest.mark.browser
def test_the_chart_fits_a_phone(show):
    page = show(chart(), width=330, outside=True, person=True, log=True)
    assert page.evaluate("document.querySelector('.bk-ilsvrc_chart').scrollWidth") <= 330
    assert cut_off(page, ".bk-ilsvrc_chart-stage") == []
    page.evaluate("document.querySelector('main').style.width = '900px'")
    page.wait_for_function("document.querySelector('.bk-ilsvrc_chart-stage svg').viewBox.baseVal.width > 600")


# Both


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("make", [lambda: Timeline(EVENTS), chart])
def test_no_accessibility_violations(show, make, dark):
    page = show(make(), dark=dark)
    page.locator("summary").click()
    report = Axe().run(page, context=".bk-figure")
    assert report.violations_count == 0, report.generate_report()


@pytest.mark.browser
@pytest.mark.parametrize("make", [lambda: Timeline(EVENTS), chart])
def test_a_stopped_widget_lets_go_of_the_model(show, make):
    page = show(make())
    assert page.evaluate("model.count()") > 0
    page.evaluate("stop()")
    assert page.evaluate("model.count()") == 0
