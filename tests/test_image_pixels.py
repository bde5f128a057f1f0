"""ImagePixels: the values that it shows against the arrays, the figure as a reader drives it, its errors."""

import numpy as np
import pytest

from companion.widgets.base import bundle
from companion.widgets.image_pixels import CHANNELS, SCALES, ImagePixels
from tests.figures import accessibility_problems, set_trait, trait

RNG = np.random.default_rng(0)
TALL = RNG.integers(0, 256, (3, 40, 24), dtype=np.uint8)
SMALL = RNG.integers(0, 256, (3, 8, 8), dtype=np.uint8)


def widget(**given):
    return ImagePixels([("tall", TALL), ("small", SMALL)], **given)


# --- the figure


def values(page):
    return page.locator(".bk-pixels-value").all_inner_texts()


def window(page):
    return page.locator(".bk-pixels-window")


@pytest.mark.browser
def test_values_and_indices_are_those_of_the_array(open_widget):
    page = open_widget(widget(row=5, column=7), width=740)
    for image, array, i, j in (("tall", TALL, 5, 7), ("tall", TALL, 39, 0), ("small", SMALL, 7, 3)):
        for name, value in {"image": image, "row": i, "column": j}.items():
            set_trait(page, name, value)
        assert values(page) == [str(v) for v in array[:, i, j]]
        codes = page.locator(".bk-pixels-readout code").all_inner_texts()
        assert codes == [f"x[{c}, {i}, {j}]" for c in range(3)]
        bright = float(np.array([0.299, 0.587, 0.114]) @ array[:, i, j])
        assert page.locator(".bk-pixels-formula strong").inner_text() == f"= {bright:.1f}"
    assert "3 · 8 · 8 = 192 numbers" in page.locator(".bk-pixels-readout").inner_text()


@pytest.mark.browser
def test_every_pixel_is_drawn_in_its_place_and_its_channel(open_widget):
    page = open_widget(widget(image="small", across=8), width=740)
    read = """([i, j]) => { const c = document.querySelector(".bk-pixels-window"), cell = (c.width - 26) / 8;
      const [x, y] = [26 + (j + 0.14) * cell, 26 + (i + 0.14) * cell];
      return [...c.getContext("2d").getImageData(x, y, 1, 1).data].slice(0, 3); }"""
    shown = {
        "colour": SMALL,
        "red": SMALL * np.array([1, 0, 0], dtype=np.uint8)[:, None, None],
        "blue": SMALL * np.array([0, 0, 1], dtype=np.uint8)[:, None, None],
        "grey": np.repeat(np.einsum("c,chw->hw", [0.299, 0.587, 0.114], SMALL).round()[None], 3, axis=0),
    }
    for channel, expected in shown.items():
        page.get_by_role("radio", name=channel).check()
        for i, j in ((0, 0), (2, 5), (7, 7)):
            assert page.evaluate(read, [i, j]) == expected[:, i, j].tolist(), (channel, i, j)


@pytest.mark.browser
def test_pointer_shows_a_value_and_a_click_keeps_it(open_widget):
    page = open_widget(widget(image="small", row=0, column=0), width=740)
    box = window(page).bounding_box()
    cell = (box["width"] - 26) / 8
    page.mouse.move(box["x"] + 26 + 5.5 * cell, box["y"] + 26 + 2.5 * cell)
    assert values(page) == [str(v) for v in SMALL[:, 2, 5]]
    assert trait(page, "row") == 0
    page.mouse.down()
    page.mouse.up()
    assert [trait(page, "row"), trait(page, "column")] == [2, 5]
    page.mouse.move(0, 0)
    assert values(page) == [str(v) for v in SMALL[:, 2, 5]]


@pytest.mark.browser
def test_arrow_keys_walk_and_stop_at_the_edge(open_widget):
    page = open_widget(widget(row=20, column=12, across=8), width=740)
    window(page).focus()
    for key, (i, j) in {"ArrowDown": (21, 12), "Shift+ArrowLeft": (21, 2), "Shift+ArrowUp": (11, 2)}.items():
        page.keyboard.press(key)
        assert (trait(page, "row"), trait(page, "column")) == (i, j)
        assert f"Row {i}, column {j}: red {TALL[0, i, j]}" in window(page).get_attribute("aria-label")
    page.keyboard.press("Shift+ArrowLeft")
    assert trait(page, "column") == 0
    page.keyboard.press("-")
    assert trait(page, "across") == 12


@pytest.mark.browser
def test_dragging_moves_the_window_and_the_chosen_pixel_stays_inside(open_widget):
    page = open_widget(widget(row=20, column=12, across=8), width=740)
    news = page.locator(".bk-pixels-news")
    assert "Rows 17 to 24, columns 9 to 16" in news.inner_text()
    box = window(page).bounding_box()
    cell = (box["width"] - 26) / 8
    x, y = box["x"] + 26 + 4 * cell, box["y"] + 26 + 4 * cell
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 2 * cell, y + 6 * cell, steps=4)
    page.mouse.up()
    assert "Rows 11 to 18, columns 11 to 18" in news.inner_text()
    assert [trait(page, "row"), trait(page, "column")] == [18, 12]


@pytest.mark.browser
def test_the_window_always_lies_in_the_picture_and_holds_the_pixel(run_js):
    cases = [
        {"H": H, "W": W, "across": across, "i": i, "j": j, "top": top, "left": left}
        for H, W in ((40, 24), (8, 8), (5, 60))
        for across in (4, 7, 64)
        for i, j in ((0, 0), (H - 1, W - 1), (H // 2, W // 3))
        for top, left in ((-9, 99), (3, 3))
    ]
    got = run_js(bundle("image_pixels"), "(m, cases) => cases.map((c) => m.place(c, c))", cases)
    for case, view in zip(cases, got, strict=True):
        assert view["rows"] == min(case["H"], case["across"])
        assert view["columns"] == min(case["W"], case["across"])
        assert 0 <= view["top"] <= case["i"] < view["top"] + view["rows"] <= case["H"]
        assert 0 <= view["left"] <= case["j"] < view["left"] + view["columns"] <= case["W"]


@pytest.mark.browser
def test_zoom_scale_presets_and_reset(open_widget):
    page = open_widget(widget(row=3, column=4), width=740)
    news = page.locator(".bk-pixels-news")
    assert "Zoom in until the numbers appear." in news.inner_text()
    zoom = page.get_by_role("slider", name="Pixels across")
    zoom.focus()
    page.keyboard.press("End")
    assert trait(page, "across") == 6
    assert "In each cell: red, green, blue." in news.inner_text()
    page.get_by_label("Values", exact=True).select_option("unit")
    assert values(page) == [f"{v / 255:.3f}" for v in TALL[:, 3, 4]]
    picker = page.get_by_label("Try")
    picker.select_option(label="Read the numbers")
    assert [trait(page, name) for name in ("channel", "across", "scale")] == ["grey", 8, "byte"]
    assert "The number in a cell is its value." in news.inner_text()
    page.get_by_role("button", name="Reset").click()
    kept = widget(row=3, column=4)
    assert {n: trait(page, n) for n in kept.linked} == kept.defaults


@pytest.mark.browser
def test_nonsense_in_a_link_is_mended(open_widget):
    page = open_widget(widget(), image="x", channel="violet", scale=3, across=-1e99, row=1e99, column="a")
    got = [trait(page, name) for name in ("image", "channel", "scale", "across", "row", "column")]
    assert got == ["tall", "colour", "byte", 4, 39, 12]


@pytest.mark.browser
def test_a_closed_figure_listens_to_nothing(open_widget):
    page = open_widget(widget())
    assert page.evaluate("window.model.count()") > 0
    page.evaluate("window.stop()")
    assert page.evaluate("window.model.count()") == 0


@pytest.mark.browser
@pytest.mark.parametrize(("dark", "width"), [(False, 740), (True, 374)])
def test_pixels_are_accessible_and_fit(open_widget, dark, width):
    page = open_widget(widget(across=8), width=width, dark=dark)
    page.set_viewport_size({"width": width + 16, "height": 900})
    assert accessibility_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width + 16


@pytest.mark.browser
def test_a_change_of_theme_repaints(open_widget):
    page = open_widget(widget(across=8), width=740)
    pixels = "document.querySelector('.bk-pixels-window').toDataURL()"
    before = page.evaluate(pixels)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert page.evaluate(pixels) != before


# --- the Python class


def test_pictures_travel_one_after_the_other():
    made = widget(image="small", channel="grey", scale="unit", across=8, row=2, column=3, key="k", label="l")
    assert made.pixels == TALL.tobytes() + SMALL.tobytes()
    assert made.shapes == [[3, 40, 24], [3, 8, 8]]
    assert made.defaults == {
        "image": "small",
        "channel": "grey",
        "scale": "unit",
        "across": 8,
        "row": 2,
        "column": 3,
    }
    assert (widget().row, widget().column, widget().image) == (20, 12, "tall")
    assert all(widget(channel=name).channel == name for name in CHANNELS)
    assert all(widget(scale=name).scale == name for name in SCALES)


def test_a_slice_that_is_not_contiguous_is_sent_as_it_looks():
    assert ImagePixels([("turned", TALL.transpose(0, 2, 1))]).pixels == TALL.transpose(0, 2, 1).tobytes()


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        ([], ValueError, "1 to 6 pictures, got 0"),
        ([(f"p{k}", SMALL) for k in range(7)], ValueError, "got 7"),
        ([SMALL], TypeError, "pairs"),
        ([(1, SMALL)], TypeError, "pairs"),
        ([("", SMALL)], ValueError, "a name of its own, got ''"),
        ([("a", SMALL), ("a", SMALL)], ValueError, "a name of its own, got 'a'"),
        ([("a", SMALL / 255)], TypeError, "dtype uint8, got float64"),
        ([("a", SMALL[0])], ValueError, r"\(3, H, W\) .*, got \(1, 8, 8\)"),
        ([("a", SMALL[:, :3])], ValueError, r"sides of 4 to 256, got \(3, 3, 8\)"),
        ([("a", np.zeros((3, 8, 257), np.uint8))], ValueError, "257"),
        ([("a", SMALL[None])], ValueError, r"got \(1, 3, 8, 8\)"),
    ],
)
def test_pictures_of_a_wrong_kind_are_refused(images, error, message):
    with pytest.raises(error, match=message):
        ImagePixels(images)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": "x"}, "image must be one of tall, small, got 'x'"),
        ({"channel": "violet"}, "channel must be one of colour, .*, got 'violet'"),
        ({"scale": "percent"}, "scale must be one of byte, unit, got 'percent'"),
        ({"across": 3}, "across must be from 4 to 256, got 3"),
        ({"row": -1}, "row must be from 0 to 39, got -1"),
        ({"column": 24}, "column must be from 0 to 23, got 24"),
    ],
)
def test_settings_out_of_range_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        widget(**given)
