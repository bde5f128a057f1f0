"""AlexNetTour: its sums against the companion's, its figure as a reader drives it, its errors."""

import itertools
import math

import numpy as np
import pytest
import torch

from companion.analysis import layer_costs
from companion.models.alexnet import alexnet_single_tower, alexnet_two_towers
from companion.widgets.alexnet_tour import AlexNetTour
from companion.widgets.base import bundle
from tests.figures import accessibility_problems, set_trait, trait

NOTHING = {"weight": (), "window": (), "parameters": 0, "macs": 0, "field": 0, "crosses": 0, "then": ""}
KINDS = {"Conv2d": "convolution", "MaxPool2d": "max pooling", "Linear": "fully connected"}


def network(model, name, towers):
    """The rows of a real model, with invented receptive fields."""
    layers = [{**NOTHING, "name": "picture", "kind": "the input", "shape": (3, 224, 224), "field": 1}]
    for i, cost in enumerate(cost for cost in layer_costs(model, (3, 224, 224)) if cost.kind in KINDS):
        layer, short = model.get_submodule(cost.name), cost.name.split(".")[-1]
        row = {**NOTHING, "name": short, "kind": KINDS[cost.kind], "shape": cost.output_shape}
        row |= {"parameters": cost.parameters, "macs": cost.multiply_accumulates}
        row["weight"] = tuple(layer.weight.shape) if hasattr(layer, "weight") else ()
        row["window"] = (11, 4, 0) if short == "conv1" else (3, 1, 1) if len(cost.output_shape) == 3 else ()
        row["field"] = 11 + 20 * i if len(cost.output_shape) == 3 else 0
        row["crosses"] = math.prod(layers[-1]["shape"]) // 2 if towers == 2 and short in {"conv3", "fc6"} else 0
        layers.append(row)
    return {"name": name, "note": f"This is {name}.", "towers": towers, "layers": layers}


def networks():
    with torch.device("meta"):
        return [network(alexnet_two_towers(), "two", 2), network(alexnet_single_tower(), "one", 1)]


@pytest.fixture(scope="module")
def given():
    return networks()


@pytest.fixture
def tour(given):
    return AlexNetTour(given, picture=np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8))


# --- the class


def test_starts_at_the_first_layer_unless_told(given, tour):
    assert (tour.network, tour.layer) == ("two", "conv1")
    assert tour.defaults == {"network": "two", "layer": "conv1"}
    other = AlexNetTour(given, network="one", layer="fc6")
    assert (other.network, other.layer, other.picture, other.picture_size) == ("one", "fc6", b"", [0, 0])


def test_the_picture_travels_pixel_by_pixel():
    small = [{**NOTHING, "name": name, "kind": "k", "shape": (1, 1, 1)} for name in "ab"]
    picture = torch.tensor([[[1, 2]], [[3, 4]], [[5, 6]]], dtype=torch.uint8)
    tour = AlexNetTour([{"name": "n", "note": "", "towers": 1, "layers": small}], picture=picture)
    assert (list(tour.picture), tour.picture_size) == ([1, 3, 5, 2, 4, 6], [1, 2])


def change(given, layer=None, **fields):
    """The first network with one of its fields, or one of its third layer's, changed."""
    first = {**given[0], "layers": [dict(row) for row in given[0]["layers"]]}
    (first["layers"][2] if layer else first).update(fields)
    return [first]


def test_errors(given):
    with pytest.raises(ValueError, match="one or more networks"):
        AlexNetTour([])
    with pytest.raises(ValueError, match="names of their own"):
        AlexNetTour([given[0], given[0]])
    with pytest.raises(ValueError, match="network must be one of two, one, got 'three'"):
        AlexNetTour(given, network="three")
    with pytest.raises(ValueError, match=r"layer must be one of picture, conv1, .*, got 'conv9'"):
        AlexNetTour(given, layer="conv9")
    with pytest.raises(ValueError, match="a network misses layers, note"):
        AlexNetTour([{"name": "n", "towers": 1}])
    with pytest.raises(ValueError, match="two: towers must be 1 or 2, got 3"):
        AlexNetTour(change(given, towers=3))
    with pytest.raises(ValueError, match=r"two: need 2 to 40 layers .* got \['picture'\]"):
        AlexNetTour(change(given, layers=given[0]["layers"][:1]))
    with pytest.raises(ValueError, match="names of their own, got"):
        AlexNetTour(change(given, layers=given[0]["layers"][:2] * 2))
    with pytest.raises(ValueError, match="a layer misses crosses, kind, name, shape, then"):
        AlexNetTour(change(given, layers=[{k: v for k, v in NOTHING.items() if k not in {"crosses", "then"}}]))
    with pytest.raises(ValueError, match=r"pool1: shape must be \(C, H, W\) or \(n,\), all >= 1, got \[2, 3\]"):
        AlexNetTour(change(given, layer=True, shape=(2, 3)))
    with pytest.raises(ValueError, match=r"pool1: counts must be >= 0, got .*'macs': -1"):
        AlexNetTour(change(given, layer=True, macs=-1))
    with pytest.raises(ValueError, match=r"\(3, h, w\) in uint8, got \(2, 2\) in uint8"):
        AlexNetTour(given, picture=np.zeros((2, 2), np.uint8))
    with pytest.raises(ValueError, match="in float64"):
        AlexNetTour(given, picture=np.zeros((3, 2, 2)))


# --- the sums in the page


@pytest.mark.browser
def test_sums_equal_the_companions(run_js, tour):
    code = """(m, networks) => networks.map(({ layers }) => ({
      ...Object.fromEntries(["parameters", "macs", "activations"].map((name) => [name, m.total(layers, name)])),
      most: m.largest(layers, "parameters"), formulas: layers.map(m.formulas) }))"""
    two, one = run_js(bundle("alexnet_tour"), code, tour.networks)
    assert (two["parameters"], two["macs"]) == (60_965_224, 724_406_816)
    assert (one["parameters"], one["macs"]) == (62_378_344, 1_135_256_096)
    shapes = [row["shape"] for row in tour.networks[0]["layers"][1:]]
    assert two["activations"] == sum(math.prod(shape) for shape in shapes)
    assert two["most"]["i"] == [row["name"] for row in tour.networks[0]["layers"]].index("fc6")
    assert math.isclose(two["most"]["share"], 37_752_832 / 60_965_224)
    assert two["formulas"][3]["parameters"] == "256 × 48 × 5 × 5 weights + 256 biases"
    assert two["formulas"][3]["macs"] == "256 × 48 × 5 × 5, at 27 × 27 places"
    assert two["formulas"][9]["macs"] == "4,096 × 9,216"
    assert two["formulas"][2] == {"parameters": "", "macs": ""}


@pytest.mark.browser
def test_a_formula_that_does_not_hold_is_not_shown(run_js):
    row = {"weight": [8, 4, 3, 3], "shape": [8, 5, 5], "parameters": 288, "macs": 1}  # no biases; another count
    formulas = run_js(bundle("alexnet_tour"), "(m, row) => m.formulas(row)", row)
    assert formulas == {"parameters": "", "macs": ""}


@pytest.mark.browser
def test_numbers_as_people_read_them(run_js):
    code = """(m) => [...[60965224, 96].map(m.count), ...[1135256096, 60965224, 34944, 4096].map(m.short),
      ...[2 ** 21, 512].map(m.bytes)]"""
    assert run_js(bundle("alexnet_tour"), code) == [
        "60,965,224", "96", "1.14 G", "61.0 M", "35 k", "4,096", "2 MiB", "0.5 KiB"
    ]  # fmt: skip


# --- the figure


def layer_told(page):
    return page.locator(".bk-tour-title b").inner_text()


@pytest.mark.browser
def test_stepping_by_slider_buttons_and_keys(open_widget, tour):
    page = open_widget(tour)
    assert layer_told(page) == "conv1"
    page.get_by_role("button", name="Next layer").click()
    assert (layer_told(page), trait(page, "layer")) == ("pool1", "pool1")
    page.get_by_role("slider", name="Layer").focus()
    page.keyboard.press("ArrowRight")
    assert layer_told(page) == "conv2"
    page.keyboard.press("End")
    assert (layer_told(page), page.get_by_role("button", name="Next layer").is_disabled()) == ("fc8", True)
    page.keyboard.press("Home")
    assert page.get_by_role("button", name="Previous layer").is_disabled()
    assert "3 × 224 × 224" in page.locator(".bk-tour-card").inner_text()


@pytest.mark.browser
@pytest.mark.parametrize(("button", "way_out"), [("Next layer", "ArrowLeft"), ("Previous layer", "ArrowRight")])
def test_the_keyboard_is_not_lost_at_an_end(open_widget, tour, button, way_out):
    page = open_widget(tour)
    page.get_by_role("button", name=button).focus()
    for _ in range(14):
        page.keyboard.press("Enter")
    end = layer_told(page)
    page.keyboard.press(way_out)
    assert layer_told(page) != end


@pytest.mark.browser
def test_pointing_shows_and_clicking_stays(open_widget, tour):
    page = open_widget(tour)
    fc6 = page.locator("rect.bk-tour-units").first
    fc6.hover(force=True)
    assert (layer_told(page), trait(page, "layer")) == ("fc6", "conv1")
    page.mouse.move(5, 5)
    assert layer_told(page) == "conv1"
    fc6.click(force=True)
    page.mouse.move(5, 5)
    assert (layer_told(page), trait(page, "layer")) == ("fc6", "fc6")
    page.locator(".bk-tour-table tbody tr").nth(4).click()
    assert trait(page, "layer") == "conv3"


@pytest.mark.browser
def test_the_card_tells_counts_shares_and_what_crosses(open_widget, tour):
    page = open_widget(tour, layer="conv3")
    card = page.locator(".bk-tour-card").inner_text()
    for text in (
        "384 × 13 × 13",
        "885,120 (1.5 %)",
        "149,520,384 (20.6 %)",
        "21,632 numbers each way",
        "91 × 91 pixels",
    ):
        assert text in card
    set_trait(page, "layer", "conv4")
    assert "nothing each reads its own half" in page.locator(".bk-tour-card").inner_text()
    page.get_by_label("Network", exact=True).select_option("one")
    card = page.locator(".bk-tour-card").inner_text()
    assert "1,327,488" in card
    assert "towers" not in card
    assert trait(page, "layer") == "conv4"


@pytest.mark.browser
def test_one_tower_is_drawn_once_and_wires_cross_where_devices_meet(open_widget, tour):
    page = open_widget(tour)
    layers = len(tour.networks[0]["layers"]) - 1
    assert page.locator(".bk-tour-maps").count() == 2 * layers
    assert page.locator(".bk-tour-wire.bk-cross").count() == 2 * 2
    set_trait(page, "network", "one")
    assert page.locator(".bk-tour-maps").count() == layers
    assert page.locator(".bk-tour-wire.bk-cross").count() == 0


@pytest.mark.browser
def test_the_field_grows_in_the_picture(open_widget, tour):
    page = open_widget(tour)
    widths = []
    for name in ("conv1", "conv3", "conv5", "fc6"):
        set_trait(page, "layer", name)
        widths.append(float(page.locator(".bk-tour-field").get_attribute("width")))
    assert widths == sorted(widths)
    assert widths[0] < widths[-1] / 8
    assert page.locator("image").count() == 2
    assert page.locator("image").first.get_attribute("href").startswith("data:image/png")


@pytest.mark.browser
def test_bars_are_in_proportion(open_widget, tour):
    page = open_widget(tour)
    shares = page.locator(".bk-tour-parameters").evaluate_all("(els) => els.map((el) => parseFloat(el.style.width))")
    counts = [row["parameters"] for row in tour.networks[0]["layers"][1:]]
    np.testing.assert_allclose(shares, 100 * np.array(counts) / max(counts), atol=1e-3)


@pytest.mark.browser
def test_every_experiment_tells_and_shows_something(open_widget, tour):
    page = open_widget(tour, network="one", layer="pool1")
    picker = page.get_by_label("Try")
    seen = []
    for i in range(6):
        picker.select_option(str(i))
        seen.append((trait(page, "network"), trait(page, "layer")))
        assert len(page.locator(".bk-toolbar .bk-status").inner_text()) > 40
    expected = ["fc6", "conv2", "conv1", "conv3", "pool5"]
    assert seen == [*(("two", name) for name in expected), ("one", "conv2")]
    page.get_by_role("button", name="Reset").click()
    assert (trait(page, "network"), trait(page, "layer")) == ("two", "conv1")


@pytest.mark.browser
@pytest.mark.parametrize(
    "state", [{"network": "<b>", "layer": 7}, {"network": None, "layer": "nope"}, {"picture_size": [9]}]
)
def test_nonsense_from_a_link_shows_the_start(open_widget, tour, state):
    page = open_widget(tour, **state)
    assert layer_told(page) == "conv1"
    assert page.get_by_label("Network", exact=True).input_value() == "two"


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(760, False), (650, True), (330, False)])
def test_accessible_and_within_its_width(open_widget, tour, width, dark):
    page = open_widget(tour, width=width, dark=dark)
    assert accessibility_problems(page) == []
    assert page.evaluate("document.querySelector('.bk-figure').scrollWidth") <= width
    names = page.locator(".bk-tour-name").evaluate_all("(els) => els.map((el) => el.getBoundingClientRect().toJSON())")
    assert all(a["right"] <= b["left"] + 1 for a, b in itertools.pairwise(names))


@pytest.mark.browser
def test_heights_stay_while_stepping(open_widget, tour):
    for width in (760, 650, 330):
        page = open_widget(tour, width=width)
        heights = set()
        for name in [row["name"] for row in tour.networks[0]["layers"][1:]]:
            set_trait(page, "layer", name)
            heights.add(page.locator(".bk-tour-card").evaluate("(el) => el.getBoundingClientRect().height"))
        assert len(heights) == 1, (width, heights)


@pytest.mark.browser
def test_leaves_no_listener_behind(open_widget, tour):
    page = open_widget(tour)
    assert page.evaluate("() => { window.stop(); return window.model.count(); }") == 0
