"""ConvKinds: its engine against torch, its words against the numbers, the figure as a reader drives it, its errors."""

import itertools
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from companion.widgets.base import bundle
from companion.widgets.conv_kinds import CHANNELS, KINDS, MAP_SIZES, METHODS, ConvKinds
from tests.figures import accessibility_problems, set_trait, trait

CONV = """(m, cases) => cases.map(({ x, w, bias, options }) => {
  const z = m.convTranspose2d(x, w, bias, options);
  return { data: [...z.data], shape: z.shape };
})"""


def packed(tensor):
    return {"data": tensor.flatten().tolist(), "shape": list(tensor.shape)}


# --- the engine


@pytest.mark.browser
def test_transposed_convolution_equals_torch(run_js):
    cases, expected = [], []
    for stride, padding, extra, dilation, groups, K in itertools.product(
        (1, 2, 3), (0, 1), (0, 1), (1, 2), (1, 2), (2, 3)
    ):
        if extra >= max(stride, dilation):
            continue
        x, w = torch.randn(4, 3, 4, dtype=torch.float64), torch.randn(4, 6 // groups, K, K, dtype=torch.float64)
        bias = torch.randn(6, dtype=torch.float64) if stride != 2 else None
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        expected.append(F.conv_transpose2d(x[None], w, bias, output_padding=extra, **options)[0])
        cases.append({"x": packed(x), "w": packed(w), "options": {**options, "outputPadding": extra}})
        cases[-1]["bias"] = None if bias is None else bias.tolist()
    for want, z in zip(expected, run_js(bundle("conv_engine"), CONV, cases), strict=True):
        assert z["shape"] == list(want.shape)
        np.testing.assert_allclose(z["data"], want.flatten(), rtol=0, atol=1e-9)


def counts_of(layer, size):
    """Products summed by each output and entered by each input, measured with ones and their gradient."""
    x = torch.ones(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    z = layer(x)
    z.sum().backward()
    return z[0, 0], x.grad[0, 0]


CONNECT = "(m, cases) => cases.map((c) => m.connect(c).taps)"
PAIRS = """(m, pairs) => pairs.map(([taps, c]) => {
  const pair = m.pairUp(taps, c.size, c);
  return { ...pair.counts, rows: pair.rows, columns: pair.columns, products: pair.products };
})"""


def setting(kind, **given):
    plain = {"size": 7, "kernel_size": 3, "stride": 1, "padding": 0, "dilation": 1, "output_padding": 0}
    return {**plain, "kind": kind, "method": "transposed", "side": "output", "row": 1, "column": 2, **given}


@pytest.mark.browser
def test_counts_and_partners_equal_a_convolution_of_ones(run_js):
    cases, layers = [], []
    for size, K in itertools.product((4, 7), (1, 2, 3)):
        ones = torch.ones(1, 1, K, K, dtype=torch.float64)
        for padding in range(K):
            for step in (1, 2, 3):
                cases.append(setting("strided", size=size, kernel_size=K, stride=step, padding=padding))
                layers.append(lambda x, w=ones, s=step, p=padding: F.conv2d(x, w, stride=s, padding=p))
                if step * (K - 1) + 1 <= size + 2 * padding:
                    cases.append(setting("dilated", size=size, kernel_size=K, dilation=step, padding=padding))
                    layers.append(lambda x, w=ones, d=step, p=padding: F.conv2d(x, w, dilation=d, padding=p))
                enlarge = setting("transposed", size=size, kernel_size=K, stride=step, padding=padding)
                cases.append({**enlarge, "output_padding": 1})
                layers.append(
                    lambda x, w=ones, s=step, p=padding: F.conv_transpose2d(
                        x, w, stride=s, padding=p, output_padding=min(1, s - 1)
                    )
                )
                cases.append({**enlarge, "method": "resize", "side": "input"})
                layers.append(
                    lambda x, w=ones, s=step, p=padding: F.conv2d(F.interpolate(x, scale_factor=s), w, padding=p)
                )
    taps = run_js(bundle("conv_kinds"), CONNECT, cases)
    got = run_js(bundle("conv_kinds_drawings"), PAIRS, list(zip(taps, cases, strict=True)))
    for case, layer, pair in zip(cases, layers, got, strict=True):
        summed, entered = counts_of(layer, case["size"])
        assert np.array_equal(np.outer(pair["output"], pair["output"]), summed.detach()), case
        assert np.array_equal(np.outer(pair["input"], pair["input"]), entered), case
        x = torch.zeros(1, 1, case["size"], case["size"], dtype=torch.float64, requires_grad=True)
        z = layer(x)[0, 0]
        i, j = min(case["row"], len(z) - 1), min(case["column"], len(z) - 1)
        if (i, j) != (case["row"], case["column"]):
            continue
        if case["side"] == "output":
            z[i, j].backward()
            partners = x.grad[0, 0]
        else:
            probe = torch.zeros_like(x)
            probe[0, 0, i, j] = 1
            partners = layer(probe)[0, 0].detach()
        assert partners.nonzero().tolist() == [list(p) for p in itertools.product(pair["rows"], pair["columns"])], case
        assert partners.sum() == pair["products"], case


@pytest.mark.browser
def test_inner_counts_are_even_exactly_if_the_stride_divides_the_kernel(run_js):
    code = """(m, cases) => cases.map((c) => m.innerCounts(c, m.connect(c).taps.map((t) =>
      t.filter(({ at }) => at >= 0 && at < c.size).length)))"""
    cases = [
        setting("transposed", size=9, kernel_size=K, stride=S, padding=p, method=method)
        for method, K, S in itertools.product(METHODS, (1, 2, 3, 4, 5), (1, 2, 3, 4))
        for p in range(min(K, 2))
    ]
    for case, inner in zip(cases, run_js(bundle("conv_kinds"), code, cases), strict=True):
        even = case["method"] == "resize" or case["kernel_size"] % case["stride"] == 0
        assert inner
        assert (len(set(inner)) == 1) == even, case
        if case["method"] == "resize":
            assert set(inner) == {case["kernel_size"]}


@pytest.mark.browser
def test_costs_equal_torchs_parameters(run_js):
    def weights(*layers):
        return sum(p.numel() for layer in layers for p in layer.parameters())

    for M, N, G, K in ((64, 128, 4, 3), (8, 8, 8, 5), (2, 16, 2, 1)):
        arg = {"inChannels": M, "outChannels": N, "groups": G, "kernelSize": K, "area": 28 * 28}
        price = run_js(bundle("conv_engine"), "(m, arg) => m.costs(arg)", arg)
        depthwise, pointwise = nn.Conv2d(M, M, K, groups=M, bias=False), nn.Conv2d(M, N, 1, bias=False)
        expected = {
            "dense": weights(nn.Conv2d(M, N, K, bias=False)),
            "grouped": weights(nn.Conv2d(M, N, K, groups=G, bias=False)),
            "depthwise": weights(depthwise),
            "pointwise": weights(pointwise),
            "separable": weights(depthwise, pointwise),
        }
        assert {name: cost["parameters"] for name, cost in price.items()} == expected
        assert all(cost["macs"] == 784 * cost["parameters"] for cost in price.values())


@pytest.mark.browser
def test_wires_join_the_channels_of_a_group(run_js):
    small = run_js(bundle("conv_kinds_drawings"), "(m) => [m.wires(4, 8, 2), m.wires(8, 8, 8), m.wires(2, 4, 1)]")
    assert small[0]["list"] == [[p, q] for p in range(4) for q in range(8) if p // 2 == q // 4]
    assert small[1]["list"] == [[p, p] for p in range(8)]
    assert len(small[2]["list"]) == 8
    many = run_js(bundle("conv_kinds_drawings"), "(m) => [m.wires(64, 128, 4), m.wires(64, 128, 32)]")
    assert (many[0]["from"], many[0]["to"]) == (8, 8)
    assert many[0]["list"] == [[p, q] for p in range(8) for q in range(8) if p // 2 == q // 2]
    assert many[1]["list"] == [[p, p] for p in range(8)]


@pytest.mark.browser
def test_the_mixture_is_a_one_by_one_convolution(run_js):
    code = "(m) => { const { x, W, z } = m.mixture(4, 2); return { x: [...x.data], W, z: [...z.data] }; }"
    got = run_js(bundle("conv_kinds_drawings"), code)
    x, W = np.reshape(got["x"], (4, 5, 5)), np.array(got["W"])
    np.testing.assert_allclose(np.reshape(got["z"], (2, 5, 5)), np.einsum("oc,chw->ohw", W, x))


# --- the figure


def text(page, name):
    return page.locator(f".bk-kinds-{name}").inner_text()


@pytest.mark.browser
def test_the_kinds_say_sizes_and_partners(open_widget):
    page = open_widget(ConvKinds(row=2, column=1), width=740)
    assert text(page, "told").startswith(
        "Output [2, 1] sums 9 products of 9 inputs: rows 2, 4 and 6, columns 1, 3 and 5."
    )
    assert "span 5 × 5 pixels" in text(page, "told")
    assert "⌊(7 + 2 · 0 − 2 · (3 − 1) − 1) / 1⌋ + 1 = 3" in text(page, "rule")
    page.get_by_role("radio", name="Strided").check()
    assert "rows 4, 5 and 6, columns 2, 3 and 4" in text(page, "told")
    page.get_by_role("radio", name="Transposed").check()
    assert "uneven, since the kernel's 3 is not divisible by the stride 2" in text(page, "told")
    assert text(page, "rule").startswith("Rows and columns of the output: (7 − 1) · 2 − 2 · 0 + (3 − 1) + 0 + 1 = 15.")
    page.get_by_role("slider", name="Kernel K").fill("4")
    assert "every output sums 4 products: even" in text(page, "told")
    page.get_by_label("Enlarge by").select_option("resize")
    assert "every output sums 16 products: even" in text(page, "told")
    assert "7 · 2 + 2 · 0 − 4 + 1 = 11" in text(page, "rule")


@pytest.mark.browser
@pytest.mark.parametrize(
    ("K", "padding", "extra", "rows"), [(2, 0, 0, 14), (4, 1, 0, 14), (3, 1, 0, 13), (3, 1, 1, 14), (3, 0, 0, 15)]
)
def test_from_seven_to_fourteen(open_widget, K, padding, extra, rows):
    page = open_widget(ConvKinds(kind="transposed", kernel_size=K, padding=padding, output_padding=extra), width=740)
    layer = nn.ConvTranspose2d(1, 1, K, stride=2, padding=padding, output_padding=extra)
    assert layer(torch.zeros(1, 1, 7, 7)).shape[-1] == rows
    assert f"= {rows}. Weights: {K * K}." in text(page, "rule")
    assert page.locator(".bk-kinds-output").get_attribute("aria-label").startswith(f"Output grid, {rows} × {rows}.")


@pytest.mark.browser
def test_pointing_at_a_cell_of_either_grid(open_widget):
    page = open_widget(ConvKinds(kind="transposed", stride=2), width=740)
    for side, (i, j), size in (("output", (4, 7), 15), ("input", (2, 5), 7)):
        box = page.locator(f".bk-kinds-{side}").bounding_box()
        cell = box["width"] / 15
        x, y = (box["x"] + box["width"] / 2 + (j + 0.5 - size / 2) * cell, box["y"] + box["width"] / 2)
        page.mouse.move(x, y + (i + 0.5 - size / 2) * cell)
        assert text(page, "told").startswith(f"{side.capitalize()} [{i}, {j}]")
        assert trait(page, "side") != side or trait(page, "row") != i
        page.mouse.down()
        page.mouse.up()
        assert [trait(page, name) for name in ("side", "row", "column")] == [side, i, j]


@pytest.mark.browser
def test_arrow_keys_walk_in_the_focused_grid(open_widget):
    page = open_widget(ConvKinds(kind="strided"), width=740)
    page.locator(".bk-kinds-output").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert [trait(page, name) for name in ("side", "row", "column")] == ["output", 1, 2]
    page.locator(".bk-kinds-input").focus()
    page.keyboard.press("ArrowDown")
    assert [trait(page, name) for name in ("side", "row", "column")] == ["input", 1, 0]
    page.keyboard.press("a")
    assert trait(page, "row") == 1


@pytest.mark.browser
def test_a_window_without_a_place_is_said(open_widget):
    page = open_widget(ConvKinds(dilation=4, size=3), width=740)
    assert text(page, "told").startswith("There is no place for the window")
    assert "a window of 9 pixels does not fit into 3" in text(page, "rule")
    page.locator(".bk-kinds-output").focus()
    page.keyboard.press("ArrowDown")
    assert trait(page, "row") == 1


@pytest.mark.browser
def test_the_separable_layer_is_priced_beside_the_dense_one(open_widget):
    page = open_widget(ConvKinds(kind="separable"), width=740)
    rows = page.locator(".bk-kinds-costs tbody tr").all_inner_texts()
    cells = [re.findall(r"\d[\d,]*", row.split("\t", 1)[1]) for row in rows]
    assert cells == [["73,728", "57,802,752"], ["576", "451,584"], ["8,192", "6,422,528"], ["8,768", "6,874,112"]]
    assert text(page, "wiring .bk-kinds-ratio").endswith("1/128 + 1/9 = 0.1189")
    page.get_by_role("slider", name="Output channels").fill("0")
    assert trait(page, "out_channels") == 1
    assert text(page, "wiring .bk-kinds-ratio").endswith("1/1 + 1/9 = 1.1111")  # dearer than the dense layer
    assert not page.get_by_role("slider", name="Chosen output").is_visible()


@pytest.mark.browser
def test_a_channel_can_be_chosen_by_click_and_by_slider(open_widget):
    page = open_widget(ConvKinds(kind="grouped"), width=740)
    assert "The chosen output reads 2 of 8 squares" in page.locator(".bk-kinds-wiring").inner_text()
    strong = page.locator(".bk-kinds-wiring svg").last.locator(".bk-kinds-wire-strong")
    before = strong.first.get_attribute("y1")
    page.locator(".bk-kinds-wiring svg").last.locator(".bk-kinds-out").nth(5).click()
    assert trait(page, "channel") == 5
    assert strong.first.get_attribute("y1") != before
    page.get_by_role("slider", name="Chosen output").fill("7")
    assert trait(page, "channel") == 7
    groups = page.get_by_role("slider", name="Groups G")
    groups.fill("6")
    assert trait(page, "groups") == 64
    assert "1/G = 0.0156" in page.locator(".bk-kinds-wiring").inner_text()


@pytest.mark.browser
def test_one_pixel_times_the_matrix(open_widget):
    page = open_widget(ConvKinds(kind="pointwise", row=2, column=2, channel=1), width=740)
    assert text(page, "ratio >> visible=true") == "z[1, 2, 2] = 9·1 + 8·(−1) + 7·0 + 4·0 = 1"
    assert text(page, "rule") == "Weights: 4 · 4 = 16; a 3 × 3 kernel between the same channels has 144."
    box = page.locator(".bk-kinds-output-maps").bounding_box()
    page.mouse.click(box["x"] + 8, box["y"] + box["height"] - 8)  # last row, first column, third map
    assert [trait(page, name) for name in ("channel", "row", "column")] == [2, 4, 0]
    page.locator(".bk-kinds-input-maps").focus()
    page.keyboard.press("ArrowUp")
    assert trait(page, "row") == 3
    page.get_by_role("slider", name="Input channels").fill("1")
    assert trait(page, "in_channels") == 2
    assert text(page, "ratio >> visible=true").count("·") == 2


@pytest.mark.browser
def test_controls_that_a_kind_does_not_use_are_hidden(open_widget):
    page = open_widget(ConvKinds(), width=740)

    def visible():
        return set(page.locator(".bk-kinds-controls label:visible").all_inner_texts())

    assert visible() == {"Input rows", "Kernel K", "Dilation D", "Padding pad"}
    set_trait(page, "kernel_size", 1)
    assert visible() == {"Input rows", "Kernel K", "Dilation D"}
    set_trait(page, "kind", "transposed")
    set_trait(page, "stride", 1)
    assert visible() == {"Enlarge by", "Input rows", "Kernel K", "Stride S"}
    set_trait(page, "kind", "pointwise")
    assert visible() == {"Input channels", "Output channels", "Chosen output"}


@pytest.mark.browser
def test_presets_and_reset(open_widget):
    page = open_widget(ConvKinds(), width=740)
    picker = page.get_by_label("Try")
    seen = set()
    for name in picker.locator("option").all_inner_texts()[1:]:
        picker.select_option(label=name)
        assert page.locator(".bk-toolbar .bk-status").inner_text() != "", name
        seen.add(trait(page, "kind"))
    assert seen == set(KINDS)
    page.get_by_role("button", name="Reset").click()
    assert {n: trait(page, n) for n in ConvKinds.linked} == ConvKinds().defaults
    assert page.get_by_role("radio", name="Dilated").is_checked()


@pytest.mark.browser
def test_nonsense_in_a_link_is_mended(open_widget):
    bad = dict.fromkeys(ConvKinds.linked, -1e99) | {"kind": "x", "method": 3, "side": "<b>", "in_channels": 3}
    page = open_widget(ConvKinds(), **bad)
    got = {name: trait(page, name) for name in ConvKinds.linked}
    low = {"size": 3, "kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1, "output_padding": 0}
    assert got == {**ConvKinds().defaults, **low, "row": 0, "column": 0, "channel": 0}


@pytest.mark.browser
def test_a_closed_figure_listens_to_nothing(open_widget):
    page = open_widget(ConvKinds())
    assert page.evaluate("window.model.count()") > 0
    page.evaluate("window.stop()")
    assert page.evaluate("window.model.count()") == 0


@pytest.mark.browser
@pytest.mark.parametrize(
    ("kind", "dark", "width"), [("strided", False, 740), ("separable", True, 374), ("pointwise", True, 740)]
)
def test_kinds_are_accessible_and_fit(open_widget, kind, dark, width):
    page = open_widget(ConvKinds(kind=kind), width=width, dark=dark)
    page.set_viewport_size({"width": width + 16, "height": 900})
    assert accessibility_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width + 16


@pytest.mark.browser
def test_a_change_of_theme_repaints(open_widget):
    page = open_widget(ConvKinds(), width=740)
    pixels = "document.querySelector('.bk-kinds-output').toDataURL()"
    before = page.evaluate(pixels)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert page.evaluate(pixels) != before


# --- the Python class


def test_kinds_keep_what_they_are_given():
    given = {"kind": "grouped", "size": 9, "kernel_size": 5, "stride": 3, "padding": 4, "dilation": 1, "row": 3}
    given |= {"output_padding": 2, "method": "resize", "in_channels": 1, "out_channels": 512, "groups": 1}
    given |= {"map_size": 112, "side": "input", "column": 4, "channel": 7}
    made = ConvKinds(**given, key="k", label="l")
    assert made.defaults == given
    assert set(ConvKinds.linked) == set(given)
    assert all(ConvKinds(kind=kind).kind == kind for kind in KINDS)
    assert all(ConvKinds(in_channels=n).in_channels == n for n in CHANNELS)
    assert all(ConvKinds(map_size=n).map_size == n for n in MAP_SIZES)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "causal"}, "kind must be one of dilated, .*, got 'causal'"),
        ({"method": "unpool"}, "method must be one of transposed, resize, got 'unpool'"),
        ({"side": "left"}, "side must be one of input, output, got 'left'"),
        ({"size": 10}, "size must be from 3 to 9, got 10"),
        ({"kernel_size": 0}, "kernel_size must be from 1 to 5, got 0"),
        ({"stride": 0}, "stride must be from 1 to 4, got 0"),
        ({"padding": -1}, "padding must be from 0 to 4, got -1"),
        ({"dilation": 5}, "dilation must be from 1 to 4, got 5"),
        ({"output_padding": 4}, "output_padding must be from 0 to 3, got 4"),
        ({"row": -1}, "row must be from 0 to 63, got -1"),
        ({"column": 64}, "column must be from 0 to 63, got 64"),
        ({"channel": 8}, "channel must be from 0 to 7, got 8"),
        ({"in_channels": 3}, "in_channels must be one of 1, 2, 4, .*, got 3"),
        ({"out_channels": 0}, "out_channels must be one of 1, .*, got 0"),
        ({"groups": 1024}, "groups must be one of 1, .*, got 1024"),
        ({"map_size": 8}, "map_size must be one of 7, 14, 28, 56, 112, got 8"),
    ],
)
def test_kinds_refuse_what_makes_no_sense(given, message):
    with pytest.raises(ValueError, match=message):
        ConvKinds(**given)
