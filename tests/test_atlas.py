"""The atlas: what Python refuses, the sums of the page, and what a reader can do in a browser."""

import itertools
import math

import pytest

from companion.data.architectures import SERIES as LOADED
from companion.widgets import atlas
from companion.widgets.atlas import Atlas
from companion.widgets.base import bundle
from tests.figures import accessibility_problems, set_trait, trait


def result(series, top1, *, top5=None, usual=True):
    work = {"source": "he2016", "reference": "He et al. 2016, A title", "url": "https://arxiv.org/abs/1512.03385"}
    return {"series": series, "top1": top1, "top5": top5, "usual": usual, "conditions": "one view", **work}


def model(name, family, year, parameters, macs, activations, results, *, difference=2e-16, **more):
    stages = [
        {"name": "stem", "shape": [8, 4, 4], "parameters": 100, "macs": 1000},
        {"name": "stages.0", "shape": [16, 2, 2], "parameters": parameters - 300, "macs": macs - 1200},
        {"name": "head", "shape": [10], "parameters": 200, "macs": 200},
    ]
    check = {"reference": "torchvision", "reference_parameters": parameters, "logit_difference": difference}
    return {
        "name": name,
        "title": name.title(),
        "family": family,
        "chapter": f"architectures/{family.lower()}",
        "year": year,
        "people": f"Maker of {name}",
        "idea": "An idea.",
        "source": "he2016",
        "reference": "He et al. 2016, A title",
        "url": "https://arxiv.org/abs/1512.03385",
        "side": 224,
        "parameters": parameters,
        "training_only": 0,
        "macs": macs,
        "activations": activations,
        "stages": stages,
        "results": results,
        "check": check | {"precision": "float64", "timed_side": 64, "inference_ratio": 1.02, "training_ratio": 0.99},
        **more,
    }


MODELS = [
    model("old", "VGG", 2012, 60_000_000, 700_000_000, 650_000, [result("paper", 59.3, usual=False)]),
    model("wide", "VGG", 2014, 138_000_000, 15_000_000_000, 13_000_000, [result("torchvision_v1", 71.6, top5=90.4)]),
    model(
        "deep",
        "ResNet",
        2015,
        25_500_000,
        4_100_000_000,
        11_000_000,
        [result("paper", 75.3), result("torchvision_v1", 76.1), result("torchvision_v2", 80.9)],
    ),
    model(
        "helped",
        "ResNet",
        2016,
        13_000_000,
        1_500_000_000,
        3_200_000,
        [result("torchvision_v1", 69.8, usual=False)],
        difference=0,
        training_only=6_400_000,
    ),
    model("tiny", "ResNet", 2022, 270_000, 40_000_000, 190_000, [result("cifar10", 91.25)], check=None),
]
CHAPTERS = {"architectures/vgg": "VGG", "architectures/resnet": "Residual networks"}
FAMILIES = ["VGG", "ResNet"]


def made(models=MODELS, **options):
    return Atlas(models, **{"families": FAMILIES, "chapters": CHAPTERS, "a": "deep", "b": "wide", **options})


# What Python refuses


def test_the_atlas_starts_with_all_families_and_years():
    widget = Atlas(MODELS, families=FAMILIES, chapters=CHAPTERS)
    assert (widget.a, widget.b, widget.clicks, widget.find) == ("old", "tiny", "a", "")
    assert (widget.start, widget.end, widget.families) == (2012, 2022, FAMILIES)
    assert (widget.x, widget.y, widget.series) == ("macs", "accuracy", "torchvision_v1")
    assert set(widget.defaults) == set(Atlas.linked)
    assert "source" not in widget.models[0]  # the bibliography key is the book's, not the reader's


@pytest.mark.parametrize(
    ("models", "options", "message"),
    [
        ([], {}, r"need a model and 1 to 10 families, got 0 and 2"),
        (MODELS, {"families": list("abcdefghijk")}, r"1 to 10 families, got 5 and 11"),
        ([{"name": "x"}], {}, r"model 0 misses activations, chapter, check"),
        (MODELS, {"families": ["VGG"]}, r"deep: family must be one of VGG, got 'ResNet'"),
        (MODELS, {"chapters": {"architectures/vgg": "VGG"}}, r"deep: chapter must be one of architectures/vgg, got"),
        ([*MODELS, MODELS[0]], {}, r"names must be unique, got old more than once"),
        (MODELS, {"a": "vit"}, r"a must be one of old, .*, got 'vit'"),
        (MODELS, {"x": "loss"}, r"x must be one of year, .*, got 'loss'"),
        (MODELS, {"series": "best"}, r"series must be one of paper, .*, got 'best'"),
    ],
)
def test_bad_arguments_are_refused(models, options, message):
    with pytest.raises(ValueError, match=message):
        made(models, **options)


def test_traits_are_checked_when_set():
    widget = made()
    with pytest.raises(ValueError, match="clicks must be one of a, b, got 'c'"):
        widget.clicks = "c"
    widget.y = "activations"
    assert widget.y == "activations"


def test_the_series_are_the_loader_s():
    assert atlas.SERIES == LOADED


# The sums of the page


@pytest.mark.browser
def test_values_and_filters_are_python_s(run_js):
    state = {"x": "macs", "y": "accuracy", "series": "torchvision_v1", "families": FAMILIES}
    state |= {"start": 2012, "end": 2022, "find": ""}
    asked = [
        state,
        {**state, "series": "paper"},
        {**state, "families": ["VGG"]},
        {**state, "end": 2015},
        {**state, "y": "parameters", "find": "maker of TI"},
        {**state, "y": "year", "x": "parameters"},
    ]
    code = "(m, [models, states]) => states.map((s) => m.visible(models, s).map((p) => p.name))"
    found = run_js(bundle("atlas_engine"), code, [MODELS, asked])

    def names(state):
        def value(p, axis):
            if axis == "accuracy":
                return next((r["top1"] for r in p["results"] if r["series"] == state["series"]), None)
            return p[axis] - (p["training_only"] if axis == "parameters" else 0)

        kept = [p for p in MODELS if None not in (value(p, state["x"]), value(p, state["y"]))]
        kept = [p for p in kept if p["family"] in state["families"] and state["start"] <= p["year"] <= state["end"]]
        words = state["find"].lower().split()
        kept = [
            p for p in kept if all(w in f"{p['title']} {p['people']} {p['idea']} {p['family']}".lower() for w in words)
        ]
        return [p["name"] for p in sorted(kept, key=lambda p: value(p, state["x"]))]

    assert found == [names(s) for s in asked]
    assert found[0] == ["helped", "deep", "wide"]
    assert found[4] == ["tiny"]


@pytest.mark.browser
@pytest.mark.parametrize("about", [3, 6, 12])
@pytest.mark.parametrize(("low", "high"), [(5e7, 4e10), (2e5, 3e6), (60_000, 7e8)])
def test_log_ticks_are_round_in_range_and_enough(run_js, low, high, about):
    ticks = run_js(bundle("atlas_engine"), "(m, a) => m.logTicks(...a)", [low, high, about])
    assert all(low <= t <= high for t in ticks)
    assert all(int(f"{t:e}"[0]) in (1, 2, 3, 5) and f"{t:e}"[2:8] == "000000" for t in ticks)
    assert all(p < q for p, q in itertools.pairwise(ticks))
    assert 1 <= len(ticks) <= 3 * (math.log10(high / low) + 1)


@pytest.mark.browser
def test_numbers_are_written_for_readers(run_js):
    code = "(m) => [m.brief(25557032), m.brief(4089184256), m.brief(999), m.brief(9540), m.commas(138357544)]"
    assert run_js(bundle("atlas_engine"), code) == ["25.6 M", "4.09 G", "999", "9.54 k", "138,357,544"]
    code = "(m) => [m.factor(2, 5), m.factor(5, 2), m.factor(3, 3), m.stageName('stages.2'), m.stageName('stem')]"
    assert run_js(bundle("atlas_engine"), code) == ["× 2.5", "÷ 2.5", "the same", "stage 3", "stem"]


@pytest.mark.browser
def test_the_comparison_counts_what_answers_pictures(run_js):
    rows = run_js(bundle("atlas_engine"), "(m, [a, b]) => m.compare(a, b)", [MODELS[2], MODELS[3]])
    rows = {what: numbers for what, *numbers in rows}
    assert rows["Parameters"] == ["25.5 M", "6.6 M", "÷ 3.86"]  # 13 million less the heads that only learn
    assert rows["Year"] == ["2015", "2016", "+1"]
    assert rows["Top-1 %, torchvision, first weights"] == ["76.1", "69.8", "−6.3"]
    assert rows["Top-1 %, as in the papers"] == ["75.3", "–", "–"]
    assert not any("CIFAR" in what for what in rows)


# The figure in a browser


def text(page, selector):
    return page.locator(selector).first.inner_text()


def shown(page):
    return page.locator(".bk-atlas-stage .bk-atlas-mark").count() - page.locator(".bk-atlas-ring").count()


@pytest.mark.browser
def test_card_and_comparison_follow_the_choice(open_widget):
    page = open_widget(made(), width=800)
    assert shown(page) == 3
    assert "3 of 5 models, 2012 to 2022." in text(page, ".bk-status")
    card = text(page, ".bk-atlas-card")
    assert "Deep" in card
    assert "25,500,000" in card
    assert "top-1 76.1 % torchvision, first weights: one view" in card
    assert "largest difference of logits 2e−16" in card
    page.get_by_label("Model A").select_option("tiny")
    assert "Not on this map: Tiny." in text(page, ".bk-status")
    assert "Its reference is the count in its paper." in text(page, ".bk-atlas-card")
    page.get_by_label("Card and clicks").select_option("b")
    assert "Model B · VGG · 2014" in text(page, ".bk-atlas-card")
    page.get_by_role("button", name="Swap A and B").click()
    assert (trait(page, "a"), trait(page, "b")) == ("wide", "tiny")
    assert text(page, ".bk-atlas-stages caption") == "Wide"
    set_trait(page, "a", "helped")
    set_trait(page, "clicks", "a")
    assert "more in training" in text(page, ".bk-atlas-card")
    assert "6,600,000" in text(page, ".bk-atlas-card")
    assert "the same logits to the last bit; speed" in text(page, ".bk-atlas-card")


@pytest.mark.browser
def test_marks_are_hollow_where_conditions_are_unusual(open_widget):
    page = open_widget(made(), width=800)
    assert page.locator(".bk-atlas-stage .bk-hollow").count() == 1
    page.get_by_label("Up", exact=True).select_option("parameters")
    assert page.locator(".bk-atlas-stage .bk-hollow").count() == 0
    assert shown(page) == 5
    assert not page.get_by_label("Accuracy", exact=True).is_visible()


@pytest.mark.browser
def test_filters_by_family_year_and_word(open_widget):
    page = open_widget(made(), width=800)
    page.get_by_label("VGG", exact=True).uncheck()
    assert (trait(page, "families"), shown(page)) == (["ResNet"], 2)
    page.get_by_role("slider", name="From").fill("2016")
    assert shown(page) == 1
    page.get_by_role("slider", name="To").fill("2014")
    assert (trait(page, "start"), trait(page, "end")) == (2014, 2014)
    assert "No model passes the filters." in text(page, ".bk-atlas-stage")
    page.get_by_role("button", name="Reset").click()
    page.get_by_label("Find").fill("maker of WIDE")
    assert shown(page) == 1
    page.get_by_role("button", name="Reset").click()
    assert (page.get_by_label("Find").input_value(), shown(page)) == ("", 3)


@pytest.mark.browser
def test_keys_walk_from_left_to_right(open_widget):
    page = open_widget(made(), width=800)
    walker = page.get_by_role("slider", name="Walk")
    walker.focus()
    assert walker.get_attribute("aria-valuetext") == "Deep, 2 of 3"
    page.keyboard.press("ArrowRight")
    assert trait(page, "a") == "wide"
    page.keyboard.press("Home")
    assert trait(page, "a") == "helped"
    page.get_by_label("Card and clicks").select_option("b")
    walker.focus()
    page.keyboard.press("ArrowLeft")
    assert (trait(page, "a"), trait(page, "b")) == ("helped", "deep")


@pytest.mark.browser
def test_pointing_tells_and_a_click_keeps(open_widget):
    page = open_widget(made(), width=800)
    place = page.evaluate("""() => {
      const box = document.querySelector(".bk-atlas-stage .bk-hollow").getBoundingClientRect();
      return [box.x + box.width / 2, box.y + box.height / 2];
    }""")
    page.mouse.move(*place)
    assert "Helped" in text(page, ".bk-atlas-card")
    assert trait(page, "a") == "deep"
    page.mouse.click(*place)
    assert trait(page, "a") == "helped"
    page.mouse.move(5, 5)
    assert "Helped" in text(page, ".bk-atlas-card")
    page.mouse.click(place[0] + 250, place[1] - 160)  # nothing there
    assert trait(page, "a") == "helped"


@pytest.mark.browser
def test_links_lead_to_chapters_only_in_the_book(open_widget):
    page = open_widget(made(), width=800)
    assert page.get_by_role("link", name="Residual networks").get_attribute("href") == "../architectures/resnet.html"
    page = open_widget(made(root="javascript:alert(1)//"), width=800)
    assert page.get_by_role("link", name="Residual networks").count() == 0
    page = open_widget(made(), width=800, link=False)
    assert page.get_by_role("link", name="Residual networks").count() == 0
    assert "Chapter: Residual networks" in text(page, ".bk-atlas-card")


@pytest.mark.browser
def test_only_https_addresses_become_links(open_widget):
    page = open_widget(made([{**m, "url": "javascript:alert(1)"} for m in MODELS]), width=800)
    assert page.locator(".bk-atlas-card a[href^=javascript]").count() == 0


@pytest.mark.browser
def test_presets_start_from_the_defaults(open_widget):
    page = open_widget(made(), width=800, find="deep")
    page.get_by_label("Try").select_option("Does arithmetic buy accuracy?")
    assert trait(page, "find") == ""
    assert "less and less" in text(page, ".bk-toolbar [role=status]")


@pytest.mark.browser
@pytest.mark.parametrize(
    "state",
    [
        {"x": 7, "y": None, "series": "best", "families": "VGG", "a": "<img src=x>", "b": 3, "clicks": "z"},
        {"start": -1e99, "end": "x", "families": ["VGG", "nonsense"] * 500, "find": 9},
        {"start": 3000, "end": 1, "families": [99] * 400, "find": "x" * 5000},
        {"start": None, "end": [], "families": None, "find": None},
    ],
)
def test_whatever_a_link_holds_the_atlas_stands(open_widget, state):
    page = open_widget(made(), width=800, **state)
    assert page.locator(".bk-atlas-stage svg").count() == 1
    assert page.locator(".bk-atlas-title").count() == 1
    assert page.locator(".bk-atlas-stage svg").inner_html().count("NaN") == 0
    assert page.locator("img").count() == 0
    assert len(trait(page, "find")) <= 60
    assert 2012 <= trait(page, "start") <= trait(page, "end") <= 2022


@pytest.mark.browser
def test_the_atlas_fits_a_phone_and_follows_a_new_width(open_widget):
    page = open_widget(made(), width=330)
    assert page.evaluate("document.querySelector('.bk-atlas').scrollWidth") <= 330
    page.evaluate("document.querySelector('main').style.width = '900px'")
    page.wait_for_function("document.querySelector('.bk-atlas-stage svg').viewBox.baseVal.width > 600")


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
def test_no_accessibility_violations(open_widget, dark):
    assert accessibility_problems(open_widget(made(), width=700, dark=dark)) == []


@pytest.mark.browser
def test_a_stopped_atlas_lets_go_of_the_model(open_widget):
    page = open_widget(made())
    assert page.evaluate("model.count()") > 0
    page.evaluate("stop()")
    assert page.evaluate("model.count()") == 0
