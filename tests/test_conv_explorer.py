"""ConvExplorer: its engine against torch and SciPy, the figure as a reader drives it, its errors."""

import itertools
import math
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.signal import convolve2d

from companion.widgets.base import bundle
from companion.widgets.conv_explorer import KERNELS, ConvExplorer
from tests.figures import accessibility_problems, set_trait, trait

RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (3, 14, 12), dtype=np.uint8)
GRID = np.repeat(np.array([[0] * 3 + [10] * 3], dtype=np.uint8), 6, axis=0)
GREY = np.einsum("c,chw->hw", [0.299, 0.587, 0.114], PHOTO).round()


def widget(**given):
    return ConvExplorer([("photo", PHOTO), ("grid", GRID)], **given)


# --- the engine

CONV = """(m, cases) => cases.map(({ name, x, w, bias, options }) => {
  const z = m[name]({ data: x.data, shape: x.shape }, w, bias, options);
  return { data: [...z.data], shape: z.shape };
})"""


def packed(tensor):
    return {"data": tensor.flatten().tolist(), "shape": list(tensor.shape)}


@pytest.mark.browser
def test_conv2d_equals_torch(run_js):
    cases, expected = [], []
    grid = itertools.product((1, 2, 3), (0, 2), (1, 2), (1, 2), (1, 3))
    for stride, padding, dilation, groups, K in grid:
        x, w = torch.randn(4, 7, 9, dtype=torch.float64), torch.randn(6, 4 // groups, K, K, dtype=torch.float64)
        bias = torch.randn(6, dtype=torch.float64) if stride != 2 else None
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        expected.append(F.conv2d(x[None], w, bias, **options)[0])
        cases.append({"name": "conv2d", "x": packed(x), "w": packed(w), "options": options})
        cases[-1]["bias"] = None if bias is None else bias.tolist()
    got = run_js(bundle("conv_engine"), CONV, cases)
    for want, z in zip(expected, got, strict=True):
        assert z["shape"] == list(want.shape)
        np.testing.assert_allclose(z["data"], want.flatten(), rtol=0, atol=1e-9)


@pytest.mark.browser
def test_a_window_that_does_not_fit_gives_no_output(run_js):
    case = {"name": "conv2d", "x": packed(torch.ones(1, 4, 9)), "w": packed(torch.ones(1, 1, 5, 5)), "options": {}}
    assert run_js(bundle("conv_engine"), CONV, [case]) == [{"data": [], "shape": [1, 0, 5]}]


CONVOLVE = (
    """(m, [x, setting]) => { const z = m.convolve(x, setting); return { data: [...z.data], shape: z.shape }; }"""
)


@pytest.mark.browser
@pytest.mark.parametrize("flip", [False, True])
def test_the_flipped_kernel_is_scipys_convolution(run_js, flip):
    x, w = RNG.normal(size=(6, 7)), RNG.normal(size=(3, 3))
    setting = {"kernel": w.ravel().tolist(), "channels": 1, "K": 3, "divisor": 4.0, "bias": 0.5, "flip": flip}
    setting |= {"stride": 1, "padding": 0, "dilation": 1}
    z = run_js(bundle("conv_explorer_scene"), CONVOLVE, [packed(torch.tensor(x)[None]), setting])
    want = convolve2d(x, w if flip else w[::-1, ::-1], mode="valid") / 4 + 0.5
    np.testing.assert_allclose(np.reshape(z["data"], z["shape"][1:]), want, atol=1e-9)


@pytest.mark.browser
def test_slices_add_up_and_turn_one_by_one(run_js):
    w = RNG.normal(size=(3, 5, 5))
    setting = {"kernel": w.ravel().tolist(), "channels": 3, "K": 5, "divisor": 1.0, "bias": 0.0, "flip": True}
    setting |= {"stride": 2, "padding": 4, "dilation": 2}
    x = torch.tensor(PHOTO, dtype=torch.float64)
    z = run_js(bundle("conv_explorer_scene"), CONVOLVE, [packed(x), setting])
    turned = torch.tensor(w[:, ::-1, ::-1].copy())
    want = F.conv2d(x[None], turned[None], stride=2, padding=4, dilation=2)[0]
    np.testing.assert_allclose(z["data"], want.flatten(), atol=1e-9)


@pytest.mark.browser
def test_a_kernel_in_the_other_size_keeps_its_middle(run_js):
    w = RNG.normal(size=(3, 3, 3))
    large = run_js(bundle("conv_explorer"), "(m, k) => m.resizeKernel(k, 3, 5)", w.ravel().tolist())
    assert np.array_equal(np.reshape(large, (3, 5, 5)), np.pad(w, ((0, 0), (1, 1), (1, 1))))
    assert run_js(bundle("conv_explorer"), "(m, k) => m.resizeKernel(k, 5, 3)", large) == w.ravel().tolist()


# --- the kernels


def test_kernels_do_what_they_are_called():
    rows, columns = np.mgrid[:9, :9].astype(float)
    for size, group in KERNELS.items():
        assert len(group) == 11
        for name, (w, divisor) in group.items():
            total = w.sum() / divisor
            edges = "edges" in name or "Sobel" in name or name == "Laplacian"
            assert math.isclose(total, 0 if edges else 1, abs_tol=1e-12), (size, name)

            def apply(x, w=w, divisor=divisor):
                return convolve2d(x, w[::-1, ::-1], mode="valid") / divisor

            if name in {"vertical edges", "Sobel, left to right"}:
                assert (apply(columns) > 0).all()
                assert np.allclose(apply(rows), 0)
            if name in {"horizontal edges", "Sobel, top to bottom"}:
                assert (apply(rows) > 0).all()
                assert np.allclose(apply(columns), 0)
            if name == "diagonal edges":
                assert (apply(rows + columns) > 0).all()
                assert np.allclose(apply(rows - columns), 0)
            if name == "Laplacian":
                assert np.allclose(apply(rows - 3 * columns), 0)
                assert (apply(rows**2 + columns**2) > 0).all()
            if name in {"identity", "box blur", "Gaussian blur", "sharpen"}:
                assert np.array_equal(w, w[::-1, ::-1])
                assert np.array_equal(w, w.T)


def test_five_wide_gaussian_and_sobel_are_the_binomial_ones():
    smooth = np.array([1, 4, 6, 4, 1])
    assert np.array_equal(KERNELS[5]["Gaussian blur"][0], np.outer(smooth, smooth))
    assert KERNELS[5]["Gaussian blur"][1] == 256
    assert np.array_equal(KERNELS[5]["Sobel, left to right"][0], np.outer(smooth, [-1, -2, 0, 2, 1]))
    assert np.array_equal(KERNELS[3]["Sobel, left to right"][0], [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


# --- the figure


def line(page):
    return page.locator(".bk-conv-line").inner_text()


def number(text):
    return float(text.replace("−", "-"))


def shown_z(page):
    return number(page.locator(".bk-conv-line strong").inner_text())


@pytest.mark.browser
def test_the_product_sum_is_written_out(open_widget):
    page = open_widget(widget(image="grid", row=1, column=2), width=740)
    products = "0·(−1) + 10·0 + 10·1"
    assert line(page) == f"z[1, 2] = {' + '.join([products] * 3)} = 30"
    assert page.locator(".bk-conv-total strong").inner_text() == "30"
    assert page.locator(".bk-conv-size").inner_text() == "rows and columns: ⌊(6 + 2 · 0 − 1 · (3 − 1) − 1) / 1⌋ + 1 = 4"
    set_trait(page, "divisor", 4)
    set_trait(page, "bias", -2.5)
    assert line(page).endswith(") / 4 − 2.5 = 5")


@pytest.mark.browser
def test_a_long_sum_is_not_written_twice(open_widget):
    page = open_widget(widget(image="grid", kernel=np.ones((5, 5))), width=740)
    assert line(page).endswith("] = sum of 25 products = 150")
    set_trait(page, "bias", 1)
    assert line(page).endswith("] = 150 + 1 = 151")


@pytest.mark.browser
@pytest.mark.parametrize("width", [326, 358, 640])
def test_no_number_in_a_cell_is_cut(open_widget, width):
    page = open_widget(widget(), width=width)
    for size, times, weight in itertools.product((3, 5), (1, 3), (-1.0, -36.0, -999.0)):
        set_trait(page, "kernel", [weight] * (size**2 * times))
        cells = page.locator(".bk-conv-cells > span:visible, .bk-conv-total strong")
        cut = cells.evaluate_all("(all) => all.filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.textContent)")
        assert cut == [], (size, times, weight)


@pytest.mark.browser
def test_z_follows_every_option(open_widget):
    page = open_widget(widget(row=3, column=2), width=740)
    slices = RNG.integers(-9, 9, (3, 5, 5)).astype(float)
    settings = [
        {},
        {"flip": True},
        {"stride": 2, "row": 4, "column": 4},
        {"padding": 2, "row": 0, "column": 0},
        {"dilation": 2, "padding": 1, "row": 11, "column": 9},
        {"kernel": slices.ravel().tolist(), "padding": 3, "divisor": 8.0, "bias": 2.0, "flip": True},
    ]
    for change in settings:
        made = widget(**{"row": 3, "column": 2, **{k: v for k, v in change.items() if k != "kernel"}, "padding": 0})
        state = {**made.defaults, **change}
        for name, value in state.items():
            set_trait(page, name, value)
        w = torch.tensor(state["kernel"], dtype=torch.float64)
        w = w.reshape(1, 3, 5, 5) if len(w) == 75 else w.reshape(1, 1, 3, 3)
        x = torch.tensor(PHOTO if w.shape[1] == 3 else GREY[None], dtype=torch.float64)
        options = {name: state[name] for name in ("stride", "padding", "dilation")}
        z = F.conv2d(x[None], w.flip(2, 3) if state["flip"] else w, **options)[0, 0] / state["divisor"] + state["bias"]
        assert math.isclose(shown_z(page), z[state["row"], state["column"]].item(), abs_tol=0.005), change
        label = page.locator("canvas.bk-conv-output").get_attribute("aria-label")
        assert label.startswith(f"Output map, {z.shape[0]} × {z.shape[1]}.")


@pytest.mark.browser
def test_pointing_at_either_map_moves_the_window(open_widget):
    page = open_widget(widget(image="grid"), width=740)
    for name, at, expected in (("input", (3.5, 1.5), (2, 0)), ("output", (2.5, 4.5), (1, 3))):
        canvas = page.locator(f"canvas.bk-conv-{name}")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        cell = box["width"] / 6
        page.mouse.move(box["x"] + at[1] * cell, box["y"] + at[0] * cell)
        assert line(page).startswith(f"z[{expected[0]}, {expected[1]}] = ")
        page.mouse.down()
        page.mouse.up()
        assert (trait(page, "row"), trait(page, "column")) == expected


@pytest.mark.browser
def test_arrow_keys_move_the_window_up_to_the_edge(open_widget):
    page = open_widget(widget(row=5, column=5), width=740)
    page.locator("canvas.bk-conv-output").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowRight")
    assert (trait(page, "row"), trait(page, "column")) == (4, 9)
    page.locator("canvas.bk-conv-input").focus()
    page.keyboard.press("Shift+ArrowDown")
    assert trait(page, "row") == 11


@pytest.mark.browser
def test_a_weight_can_be_edited_also_when_turned(open_widget):
    page = open_widget(widget(), width=740)
    field = page.get_by_label("weight in row 0, column 2")
    field.fill("2.5")
    assert trait(page, "kernel") == [-1, 0, 2.5, -1, 0, 1, -1, 0, 1]
    assert page.get_by_label("Kernel", exact=True).input_value() == ""
    page.get_by_label("turn the kernel").check()
    assert page.locator(".bk-conv-kernel input").evaluate_all("(all) => all.map((i) => +i.value)") == [
        *(1, 0, -1),
        *(1, 0, -1),
        *(2.5, 0, -1),
    ]
    field.fill("7")  # turned: the first weight of the last row
    field.fill("")
    assert trait(page, "kernel") == [-1, 0, 2.5, -1, 0, 1, 7, 0, 1]


@pytest.mark.browser
def test_menus_choose_kernel_size_and_channels(open_widget):
    page = open_widget(widget(), width=740)
    kernel, size = page.get_by_label("Kernel", exact=True), page.get_by_label("Size", exact=True)
    for name, (w, divisor) in KERNELS[3].items():
        kernel.select_option(name)
        assert trait(page, "kernel") == w.ravel().tolist()
        assert trait(page, "divisor") == divisor
        assert kernel.input_value() == name
    size.select_option("5")
    assert trait(page, "kernel") == KERNELS[5]["Laplacian"][0].ravel().tolist()
    page.get_by_label("Channels").select_option("3")
    assert trait(page, "kernel") == KERNELS[5]["Laplacian"][0].ravel().tolist() * 3
    assert kernel.input_value() == "Laplacian"
    assert page.locator(".bk-conv-slice").count() == 3
    page.get_by_label("blue", exact=False).first.fill("4")
    assert trait(page, "kernel")[50] == 4
    assert kernel.input_value() == ""
    size.select_option("3")
    assert len(trait(page, "kernel")) == 27
    page.get_by_label("Picture", exact=True).select_option("grid")
    assert page.locator(".bk-conv-slice").count() == 1
    assert not page.get_by_label("Channels").is_visible()


@pytest.mark.browser
def test_other_strides_and_paddings_look_at_the_same_pixels(open_widget):
    page = open_widget(widget(row=6, column=4), width=740)
    for label, value, expected in (("Stride S", 2, (3, 2)), ("Padding pad", 2, (4, 3)), ("Stride S", 1, (8, 6))):
        page.get_by_role("slider", name=label).fill(str(value))
        assert (trait(page, "row"), trait(page, "column")) == expected


@pytest.mark.browser
def test_a_window_without_a_place_is_said(open_widget):
    page = open_widget(widget(image="grid", dilation=3), width=740)
    assert "spans 7 × 7 pixels, but the input with its padding has only 6 × 6" in line(page)
    assert page.locator(".bk-conv-size").inner_text().endswith("= 0")
    for name in ("Play", "Step", "Back"):
        page.get_by_role("button", name=name, exact=True).click()
    page.locator("canvas.bk-conv-input").focus()
    page.keyboard.press("ArrowUp")
    page.locator("canvas.bk-conv-input").hover()
    page.get_by_role("slider", name="Padding pad").fill("1")
    assert line(page).startswith("z[")


@pytest.mark.browser
def test_step_back_and_play_walk_row_by_row(open_widget):
    page = open_widget(widget(image="grid", stride=2, padding=1, row=0, column=2), width=740)
    page.get_by_role("button", name="Step").click()
    assert (trait(page, "row"), trait(page, "column")) == (1, 0)
    page.get_by_role("button", name="Back").click()
    page.get_by_role("button", name="Back").click()
    assert (trait(page, "row"), trait(page, "column")) == (0, 1)
    pixels = "document.querySelector('canvas.bk-conv-output').toDataURL()"
    whole = page.evaluate(pixels)
    play = page.locator(".bk-conv-play")
    press = "document.querySelector('.bk-conv-play').click()"
    shown = "document.querySelector('.bk-conv-line').textContent"
    started = page.evaluate(f"() => {{ {press}; return {shown}; }}")  # in one go: the slide does not wait for the test
    assert started.startswith("z[0, 0]")
    assert play.inner_text() == "Pause"
    page.wait_for_function(f"() => {{ if ({shown}.startsWith('z[0, 0]')) return false; {press}; return true; }}")
    assert play.inner_text() == "Play"
    assert page.evaluate(pixels) != whole  # the rest is not computed yet
    play.click()
    page.wait_for_function("document.querySelector('.bk-conv-play').textContent === 'Play'", timeout=15_000)
    assert (trait(page, "row"), trait(page, "column")) == (2, 2)
    assert page.get_by_text("Done: 9 sums of 9 products each.").is_visible()


@pytest.mark.browser
def test_views_differ_and_the_legend_says_how(open_widget):
    page = open_widget(widget(), width=740)
    legend = page.locator(".bk-conv-legend")
    most = np.abs(convolve2d(GREY, KERNELS[3]["vertical edges"][0][::-1, ::-1], mode="valid")).max()
    assert [number(t) for t in legend.locator("span").all_inner_texts()] == [-most, 0, most]
    before = page.evaluate("document.querySelector('canvas.bk-conv-output').toDataURL()")
    page.get_by_label("Output", exact=True).select_option("clipped")
    assert legend.locator("span").last.inner_text() == f"{PHOTO.max()} and more"
    assert page.evaluate("document.querySelector('canvas.bk-conv-output').toDataURL()") != before


@pytest.mark.browser
def test_presets_and_reset(open_widget):
    page = open_widget(widget(), width=740)
    picker = page.get_by_label("Try")
    names = picker.locator("option").all_inner_texts()[1:]
    assert len(names) == 8
    for name in names:
        picker.select_option(label=name)
        assert page.locator(".bk-toolbar .bk-status").inner_text() != "", name
        assert line(page).startswith("z["), name
    page.get_by_role("button", name="Reset").click()
    kept = widget()
    assert {n: trait(page, n) for n in kept.linked} == kept.defaults


@pytest.mark.browser
def test_without_a_colour_picture_the_experiments_are_one_fewer(open_widget):
    page = open_widget(ConvExplorer([("grid", GRID)]))
    assert page.get_by_label("Try").locator("option").count() == 8
    assert not page.get_by_label("Picture", exact=True).is_visible()


@pytest.mark.browser
def test_nonsense_in_a_link_is_mended(open_widget):
    bad = {"image": "x", "kernel": [99999] * 400, "divisor": -1e99, "bias": 1e99, "stride": -1e99, "padding": 99}
    bad |= {"dilation": "2", "flip": 3, "view": "x", "row": 1e99, "column": -1e99}
    page = open_widget(widget(), **bad)
    got = {name: trait(page, name) for name in widget().linked}
    assert got == {
        "image": "photo",
        "kernel": [-1, 0, 1] * 3,
        "divisor": 0.01,
        "bias": 999,
        "stride": 1,
        "padding": 2,
        "dilation": 1,
        "flip": False,
        "view": "signed",
        "row": 15,
        "column": 0,
    }


@pytest.mark.browser
def test_a_closed_figure_listens_to_nothing(open_widget):
    page = open_widget(widget())
    assert page.evaluate("window.model.count()") > 0
    page.evaluate("window.stop()")
    assert page.evaluate("window.model.count()") == 0


@pytest.mark.browser
@pytest.mark.parametrize(("dark", "width"), [(False, 740), (True, 374)])
def test_explorer_is_accessible_and_fits(open_widget, dark, width):
    slices = [0.5] * 75
    page = open_widget(widget(), width=width, dark=dark, kernel=slices, padding=2)
    page.set_viewport_size({"width": width + 16, "height": 900})
    assert accessibility_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width + 16


# --- the Python class


def test_explorer_keeps_what_it_is_given():
    kernel = RNG.integers(-5, 5, (3, 5, 5))
    made = widget(kernel=kernel, divisor=2, bias=-1, stride=2, padding=4, dilation=3, flip=True, view="clipped")
    assert made.kernel == kernel.ravel().tolist()
    assert (made.divisor, made.bias, made.stride, made.padding, made.dilation) == (2, -1, 2, 4, 3)
    assert (made.flip, made.view, made.row, made.column) == (True, "clipped", 3, 3)
    assert made.shapes == [[3, 14, 12], [1, 6, 6]]
    assert made.pixels == PHOTO.tobytes() + GRID.tobytes()
    assert set(made.defaults) == set(made.linked)
    assert [len(k["values"]) for k in made.kernels] == [9] * 11 + [25] * 11
    assert widget(kernel="Gaussian blur").divisor == 16
    assert widget(kernel="Gaussian blur", divisor=1).divisor == 1
    assert widget(row=1, column=2).row == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": "x"}, "image must be one of photo, grid, got 'x'"),
        ({"kernel": "wavy"}, "kernel must be one of identity, .*, got 'wavy'"),
        ({"kernel": np.zeros((4, 4))}, re.escape("(K, K) or (3, K, K) with K 3 or 5, got (4, 4)")),
        ({"kernel": np.zeros((2, 3, 3))}, re.escape("got (2, 3, 3)")),
        ({"kernel": np.zeros((3, 3, 3)), "image": "grid"}, "kernel has 3 slices, but picture 'grid' has one"),
        ({"kernel": np.full((3, 3), np.nan)}, "a weight of the kernel must be from -999 to 999, got nan"),
        ({"kernel": np.full((3, 3), 1000)}, "got 1000"),
        ({"divisor": 0}, "divisor must be from 0.01 to 9999, got 0"),
        ({"bias": math.inf}, "bias must be from -999 to 999, got inf"),
        ({"stride": 0}, "stride must be from 1 to 4, got 0"),
        ({"padding": 3}, "padding must be from 0 to 2, got 3"),
        ({"padding": -1}, "padding must be from 0 to 2, got -1"),
        ({"dilation": 4}, "dilation must be from 1 to 3, got 4"),
        ({"view": "grey"}, "view must be one of signed, clipped, got 'grey'"),
        ({"row": -1}, "row must be from 0 to 263, got -1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        widget(**given)


def test_a_kernel_of_a_wrong_length_set_later_is_refused():
    made = widget()
    with pytest.raises(ValueError, match="1 or 3 times 3 × 3 or 5 × 5 weights, got 10"):
        made.kernel = [1.0] * 10
    assert made.kernel == [-1, 0, 1] * 3


def test_pictures_may_have_one_channel_or_three():
    with pytest.raises(ValueError, match=r"\(1 or 3, H, W\) .* got \(2, 6, 6\)"):
        ConvExplorer([("a", np.zeros((2, 6, 6), np.uint8))])
