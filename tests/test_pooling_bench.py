"""PoolingBench: its engine against the companion's layers and torch's gradients, the figure as a reader drives it."""

import math

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from companion.layers.pool import avg_pool2d, blur_pool2d, max_pool2d, stochastic_pool2d
from companion.widgets.base import bundle
from companion.widgets.pooling_bench import DRAWING, KINDS, ROUND, PoolingBench
from tests.figures import accessibility_problems, set_trait, trait

ENGINE = bundle("pooling_engine")
SETTINGS = [(window, stride) for window in (1, 2, 3, 4) for stride in (1, 2, 3, 4)]


def reference(kind, x, window, stride):
    """The companion's layer for one (n, n) map."""
    x = x[None, None]
    pooled = {
        "max": lambda: max_pool2d(x, window, stride),
        "average": lambda: avg_pool2d(x, window, stride),
        "expected": lambda: stochastic_pool2d(x, window, stride, training=False),
        "blurred": lambda: blur_pool2d(max_pool2d(x, window, 1), 3, stride),
        "subsampled": lambda: x[..., ::stride, ::stride],
    }[kind]()
    return pooled[0, 0]


def maps():
    x = torch.relu(torch.randn(16, 16, dtype=torch.float64))
    x[:5, :6] = 0  # windows of zeros
    ties = (torch.rand(16, 16, dtype=torch.float64) * 4).round()
    return [x, ties]


@pytest.mark.browser
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "stochastic"])
def test_values_and_gradients_equal_the_companions(run_js, kind):
    for x in maps():
        x.requires_grad_()
        call = """(m, [kind, x, settings]) => settings.map(([window, stride]) => {
          const { size, values } = m.poolMap(kind, x, 16, { window, stride, seed: 0 });
          return [size, [...values], [...m.gradientMap(kind, x, 16, { window, stride, seed: 0 })]]; })"""
        got = run_js(ENGINE, call, [kind, x.flatten().tolist(), SETTINGS])
        for (window, stride), (size, values, gradient) in zip(SETTINGS, got, strict=True):
            expected = reference(kind, x, window, stride)
            (slope,) = torch.autograd.grad(expected.sum(), x)
            assert size == len(expected)
            torch.testing.assert_close(torch.tensor(values).double().view(size, size), expected, check_dtype=False)
            torch.testing.assert_close(torch.tensor(gradient).double(), slope.flatten(), check_dtype=False)


@pytest.mark.browser
def test_draws_come_from_the_window_with_the_chances_of_its_values(run_js):
    x = torch.zeros(16, 16)
    x[0, 0], x[0, 1], x[1, 1] = 5, 1, 4
    call = """(m, x) => Array.from({ length: 4000 }, (_, seed) =>
      m.poolMap("stochastic", x, 16, { window: 2, stride: 2, seed }).values[0])"""
    drawn = np.array(run_js(ENGINE, call, x.flatten().tolist()))
    assert set(drawn) == {5, 1, 4}
    for value, chance in ((5, 0.5), (1, 0.1), (4, 0.4)):
        assert (drawn == value).mean() == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / 4000))


@pytest.mark.browser
def test_draws_differ_from_place_to_place_and_repeat_for_a_seed(run_js):
    x = torch.rand(16, 16).flatten().tolist()
    call = """(m, [x, seeds]) => seeds.map((seed) =>
      [...m.poolMap("stochastic", x, 16, { window: 4, stride: 4, seed }).values])"""
    first, again, other = run_js(ENGINE, call, [x, [3, 3, 4]])
    assert first == again
    assert first != other
    chances = run_js(ENGINE, "(m) => Array.from({ length: 5000 }, (_, k) => m.chanceAt(7, k))")
    counts, _ = np.histogram(chances, bins=10, range=(0, 1))
    assert counts.sum() == 5000
    assert abs(counts - 500).max() < 100  # 4.7 standard deviations


@pytest.mark.browser
def test_the_last_positive_entry_is_drawn_when_rounding_leaves_nothing(run_js):
    draws = run_js(ENGINE, "(m) => [m.drawFrom([0, 0.3, 0.7, 0], 1), m.drawFrom([0, 1], 0), m.chancesOf([0, 0])]")
    assert draws == [2, 1, [0.5, 0.5]]


@pytest.mark.browser
def test_a_shift_brings_in_what_lies_beside_the_view(run_js):
    pixels = np.arange(24 * 24).reshape(24, 24)
    for down, right in ((0, 0), (1, -3), (-4, 4)):
        view = run_js(
            ENGINE, "(m, [p, d, r]) => [...m.viewOf(p, 16, 4, d, r)]", [pixels.flatten().tolist(), down, right]
        )
        assert view == pixels[4 - down : 20 - down, 4 - right : 20 - right].flatten().tolist()


@pytest.mark.browser
@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, -2), (1, 0), (-3, 1)])
def test_errors_are_relative_distances(run_js, down, right):
    before, after = np.random.default_rng(0).random((2, 7, 7))
    call = """(m, [before, after, d, r]) => m.shiftErrors({ size: 7, values: before }, { size: 7, values: after },
      { stride: 2 }, d, r)"""
    got = run_js(ENGINE, call, [before.flatten().tolist(), after.flatten().tolist(), down, right])
    distances = []
    for i in {math.floor(down / 2), math.ceil(down / 2)}:
        for j in {math.floor(right / 2), math.ceil(right / 2)}:
            rows, columns = range(max(0, i), min(7, 7 + i)), range(max(0, j), min(7, 7 + j))
            old = before[np.ix_([r - i for r in rows], [c - j for c in columns])]
            distances.append(np.linalg.norm(after[np.ix_(rows, columns)] - old) / np.linalg.norm(old))
    assert got["equivariance"] == pytest.approx(min(distances))
    assert got["invariance"] == pytest.approx(np.linalg.norm(after - before) / np.linalg.norm(before))
    assert got["changed"] == 49


@pytest.mark.browser
def test_distance_from_nothing(run_js):
    zeros, ones = [0] * 4, [1] * 4
    call = "(m, [a, b]) => [m.relativeDistance(a, a, 2), m.relativeDistance(a, b, 2), m.relativeDistance(b, a, 2)]"
    assert run_js(ENGINE, call, [zeros, ones]) == [0, 1, 1]


@pytest.mark.browser
def test_nonsense_from_a_link_becomes_a_setting_that_can_be_drawn(run_js):
    bad = {"names": ["a"], "picture": "<b>", "overlay": 3, "drawing": "xyz", "window": 1e9, "stride": "2", "down": "?"}
    bad |= {"right": -7.4, "seed": -1, "row": None, "column": 99}
    got = run_js(bundle("pooling_bench"), "(m, given) => m.readBench((name) => given[name])", bad)
    assert got == {
        "picture": "a",
        "overlay": "none",
        "drawing": "0" * 64,
        "window": 4,
        "stride": 2,
        "down": 0,
        "right": -4,
        "seed": 0,
        "row": 0,
        "column": 15,
    }


# --- the figure


def ramp():
    rows, columns = np.mgrid[:24, :24]
    return (5 * rows + 3 * columns).astype(np.uint8)


def bench(**options):
    dot = np.zeros((24, 24), dtype=np.uint8)
    dot[10, 12] = 9
    return PoolingBench([("dot", dot), ("ramp", ramp())], **{"signals": ["dot"], **options})


def errors(page):
    rows = page.locator(".bk-pool-errors tbody tr").all_inner_texts()
    return {row.split("\t")[0]: [cell.strip() for cell in row.split("\t")[1:]] for row in rows}


@pytest.mark.browser
def test_numbers_follow_the_shift(open_widget):
    page = open_widget(bench(right=0))
    assert all(row[:2] == ["0 of 64", "0 %"] for row in list(errors(page).values())[:6])
    right = page.get_by_role("slider", name="shift right")
    right.focus()
    page.keyboard.press("ArrowRight")  # from column 8 to 9: still in the same window
    assert trait(page, "right") == 1
    assert errors(page)["max"] == ["0 of 64", "0 %", "0 %"]
    assert errors(page)["every 2nd pixel"] == ["1 of 64", "100 %", "100 %"]  # the dot is lost
    page.keyboard.press("ArrowRight")
    assert errors(page)["max"] == ["2 of 64", "141 %", "0 %"]
    assert errors(page)["average"] == ["2 of 64", "141 %", "0 %"]
    assert errors(page)["global max"] == ["0 of 1", "0 %", "–"]
    expect(page.get_by_text("Of 64 outputs, max pooling changed 2. The shift is a whole number")).to_be_visible()


@pytest.mark.browser
def test_the_window_under_the_pointer_is_worked_out(open_widget):
    page = open_widget(bench(picture="ramp", right=0, row=2, column=4), width=900)
    values = ramp()[4:20, 4:20][2:4, 4:6].astype(int)
    place, blocks = page.locator(".bk-pool-place"), page.locator(".bk-pool-blocks > div")
    top = f"Window at rows 2 to 3, columns 4 to 5: max {values.max()}, average {values.mean():g}, stochastic drew "
    assert place.inner_text().startswith(top)
    assert blocks.nth(0).locator("span").all_inner_texts() == [str(v) for v in values.flatten()]
    assert blocks.nth(1).locator("span").all_inner_texts() == ["0", "0", "0", "1"]
    assert "gradient: all of it to row 3, column 5" in blocks.nth(1).inner_text()
    assert blocks.nth(2).locator("span").all_inner_texts() == ["1/4"] * 4
    chances = [round(100 * v / values.sum()) for v in values.flatten()]
    assert blocks.nth(3).locator("span").all_inner_texts() == [str(c) for c in chances]
    assert f"{(values**2).sum() / values.sum():.2f}".rstrip("0") in blocks.nth(3).inner_text()
    canvas = page.locator(".bk-pool-input canvas")
    canvas.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert [trait(page, "row"), trait(page, "column")] == [3, 6]
    assert "rows 2 to 3, columns 6 to 7" in place.inner_text()
    box = page.locator(".bk-pool-maps canvas").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.99, box["y"] + box["height"] * 0.01)
    assert "rows 0 to 1, columns 14 to 15" in place.inner_text()
    box = canvas.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 5.5 / 16, box["y"] + box["height"] * 9.5 / 16)
    assert [trait(page, "row"), trait(page, "column")] == [9, 5]


def lit(page):
    bits = bin(int("1" + trait(page, "drawing"), 16))[3:]
    return {divmod(k, 16) for k, bit in enumerate(bits) if bit == "1"}


@pytest.mark.browser
def test_a_reader_draws_with_pointer_and_keys(open_widget):
    page = open_widget(bench(picture=DRAWING, drawing="0" * 64, right=1), width=900)
    canvas = page.locator(".bk-pool-input canvas")
    box = canvas.bounding_box()
    x, y = (lambda j: box["x"] + box["width"] * (j + 0.5) / 16), (lambda i: box["y"] + box["height"] * (i + 0.5) / 16)
    page.mouse.move(x(4), y(3))
    page.mouse.down()
    page.mouse.move(x(6), y(3), steps=6)
    page.mouse.up()
    assert lit(page) == {(3, 3), (3, 4), (3, 5)}  # the picture is shifted by one, the drawing is not
    page.mouse.click(x(5), y(3))
    assert lit(page) == {(3, 3), (3, 5)}
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert lit(page) == {(3, 3), (3, 5), (4, 4)}
    page.mouse.click(x(0), y(0))  # nothing of the drawing lies there
    assert len(lit(page)) == 3
    page.get_by_role("button", name="Clear the drawing").click()
    assert lit(page) == set()
    set_trait(page, "picture", "dot")
    expect(page.get_by_role("button", name="Clear the drawing")).to_be_hidden()
    before = trait(page, "drawing")
    canvas.focus()
    page.keyboard.press("Space")
    assert trait(page, "drawing") == before


@pytest.mark.browser
def test_draw_again_presets_and_reset(open_widget):
    page = open_widget(bench(picture="ramp"))
    stochastic = page.locator(".bk-pool-maps canvas").nth(2)
    before = stochastic.evaluate("(c) => c.toDataURL()")
    page.get_by_role("button", name="Draw again").click()
    assert trait(page, "seed") == 1
    assert stochastic.evaluate("(c) => c.toDataURL()") != before
    picker = page.get_by_label("Try")
    for name in picker.locator("option").all_inner_texts()[1:]:
        picker.select_option(label=name)
        assert page.locator(".bk-toolbar .bk-status").inner_text() != ""
    picker.select_option(label="Stripes one pixel wide")
    set_trait(page, "right", 1)
    shown = errors(page)
    assert shown["max"][1] == shown["average"][1] == "0 %"
    assert shown["every 2nd pixel"][1] == "100 %"
    picker.select_option(label="Stride 1: no cell is left out")
    assert errors(page)["max"][2] == errors(page)["average"][2] == "0 %"
    page.get_by_role("button", name="Reset").click()
    assert {name: trait(page, name) for name in PoolingBench.linked} == bench(picture="ramp").defaults


@pytest.mark.browser
def test_the_gradient_is_shown_in_the_picture(open_widget):
    page = open_widget(bench())
    canvas = page.locator(".bk-pool-input canvas")
    pictures = set()
    for kind in ("none", *KINDS):
        set_trait(page, "overlay", kind)
        pictures.add(canvas.evaluate("(c) => c.toDataURL()"))
    assert len(pictures) == len(KINDS) + 1


@pytest.mark.browser
def test_a_change_from_the_kernel_is_drawn_until_the_figure_is_closed(open_widget):
    page = open_widget(bench())
    set_trait(page, "window", 4)
    set_trait(page, "stride", 4)
    assert errors(page)["max"][0].endswith("of 16")
    assert page.get_by_role("slider", name="window").input_value() == "4"
    page.evaluate("window.stop()")
    assert page.evaluate("window.model.count()") == 0


@pytest.mark.browser
def test_nonsense_in_a_link_is_mended_in_the_model(open_widget):
    page = open_widget(bench(), window=99, picture="<b>", drawing=7)
    assert [trait(page, name) for name in ("window", "picture", "drawing")] == [4, "dot", "0" * 64]


@pytest.mark.browser
@pytest.mark.parametrize(("dark", "width"), [(False, 960), (True, 330)])
def test_bench_is_accessible_and_fits(open_widget, dark, width):
    page = open_widget(bench(picture=DRAWING, window=4, stride=3), width=width, dark=dark)
    assert accessibility_problems(page) == []
    assert page.evaluate("document.querySelector('main').scrollWidth") <= width


# --- the Python class


def test_bench_keeps_what_it_is_given():
    widget = bench(window=3, stride=1, down=-4, right=4, seed=7, overlay="max", row=0, column=15)
    assert widget.names == ["dot", "ramp"]
    assert len(widget.pixels) == 2 * 24 * 24
    assert widget.picture == "dot"
    assert widget.defaults["drawing"] == ROUND
    assert all(bench(overlay=kind).overlay == kind for kind in KINDS)
    widget.picture = DRAWING
    assert widget.picture == DRAWING


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"picture": "cat"}, ValueError, "picture must be one of dot, ramp, own drawing, got 'cat'"),
        ({"overlay": "min"}, ValueError, "overlay must be one of none, max, .*, got 'min'"),
        ({"window": 5}, ValueError, "window must be from 1 to 4, got 5"),
        ({"stride": 0}, ValueError, "stride must be from 1 to 4, got 0"),
        ({"down": 5}, ValueError, "down must be from -4 to 4, got 5"),
        ({"right": -5}, ValueError, "right must be from -4 to 4, got -5"),
        ({"seed": 1000}, ValueError, "seed must be from 0 to 999, got 1000"),
        ({"row": 16}, ValueError, "row must be from 0 to 15, got 16"),
        ({"column": -1}, ValueError, "column must be from 0 to 15, got -1"),
        ({"drawing": "F" * 64}, ValueError, "drawing must be 64 hexadecimal digits, got 'FFF"),
        ({"signals": ["cat"]}, ValueError, "signals must be one of dot, ramp, got 'cat'"),
    ],
)
def test_bench_refuses_what_makes_no_sense(options, error, message):
    with pytest.raises(error, match=message):
        bench(**options)


def test_bench_refuses_bad_pictures():
    square = np.zeros((24, 24), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"picture 'a' must have shape \(24, 24\), got \(16, 16\)"):
        PoolingBench([("a", square[:16, :16])])
    with pytest.raises(TypeError, match="must have dtype uint8"):
        PoolingBench([("a", square / 1)])
    with pytest.raises(ValueError, match="the name 'own drawing' is taken"):
        PoolingBench([(DRAWING, square)])
