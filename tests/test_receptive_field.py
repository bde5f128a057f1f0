"""ReceptiveField: its engine against the companion and torch, its figure as a reader drives it, its errors."""

import pytest
import torch
from playwright.sync_api import Page, expect
from torch import nn

from companion.analysis import Box, Window, conv_output_size, measured_receptive_field, receptive_field
from companion.widgets.base import bundle
from companion.widgets.receptive_field import ReceptiveField
from tests.figures import accessibility_problems, set_trait, trait

ENGINE = bundle("receptive_engine")
STACKS = [
    [Window(3), Window(3)],
    [Window(7), Window(2, 2)],
    [Window(3, 1, 1), Window(3, 1, 1), Window(2, 2), Window(3, 1, 1), Window(2, 2)],
    [Window(3, 1, 0, 1), Window(3, 1, 0, 2), Window(3, 1, 0, 4)],
    [Window(3, 1, 2, 2), Window(3, 2, 2, 2)],
    [Window(7, 2, 3), Window(3, 2, 1), Window(1), Window(4, 3, 2)],
    [Window(2, 3), Window(2, 4, 1)],
]
SIZE = 24
ALEXNET = [("conv", 11, 4), ("pool", 3, 2), ("conv", 5, 1, 2), ("pool", 3, 2), *3 * [("conv", 3, 1, 1)], ("pool", 3, 2)]


def for_engine(stack: list[Window]) -> list[dict[str, int]]:
    names = ("kernel", "stride", "padding", "dilation")
    return [dict(zip(names, window, strict=True)) for window in stack]


def of_ones(stack: list[Window]) -> nn.Sequential:
    """The stack as convolutions whose weights are all 1, so that its gradient counts paths."""
    layers = [nn.Conv2d(1, 1, w.kernel_size, w.stride, w.padding, w.dilation, bias=False).double() for w in stack]
    for layer in layers:
        nn.init.ones_(layer.weight)
    return nn.Sequential(*layers)


# engine


@pytest.mark.browser
def test_sizes_and_fields_equal_the_companions(run_js):
    code = """(m, stacks) => stacks.map((s) => { const fields = m.receptiveFields(s);
      return [m.mapSizes(24, s), fields, fields.map((f) => m.span(f, 2))]; })"""
    got = run_js(ENGINE, code, [for_engine(stack) for stack in STACKS])
    for stack, (sizes, fields, spans) in zip(STACKS, got, strict=True):
        expected = [SIZE]
        for window in stack:
            options = {"stride": window.stride, "padding": window.padding, "dilation": window.dilation}
            expected.append(conv_output_size(expected[-1], window.kernel_size, **options))
        assert sizes == expected
        ours = receptive_field(stack)
        assert [(f["size"], f["jump"], f["start"]) for f in fields[1:]] == [tuple(field) for field in ours]
        assert [tuple(s) for s in spans[1:]] == [field.span(2) for field in ours]
        assert fields[0] == {"size": 1, "jump": 1, "start": 0}


@pytest.mark.browser
def test_paths_equal_the_gradient_of_a_stack_of_ones(run_js):
    code = "(m, [s, i, j]) => [i, j].map((p) => m.pathCounts(24, s, p).map((c) => [...c]))"
    boxes = "(m, [s, i, j]) => [i, j].map((p) => m.reached(m.pathCounts(24, s, p)[0]))"
    for stack in STACKS:
        model = of_ones(stack)
        maps = [torch.randn(1, 1, SIZE, SIZE, dtype=torch.float64, requires_grad=True)]
        for layer in model:
            maps.append(layer(maps[-1]))
        n = maps[-1].shape[-1]
        for i, j in {(0, n - 1), (n // 2, n // 3)}:
            gradients = torch.autograd.grad(maps[-1][0, 0, i, j], maps, retain_graph=True)
            rows, columns = run_js(ENGINE, code, [for_engine(stack), i, j])
            for gradient, r, c in zip(gradients, rows, columns, strict=True):
                expected = torch.tensor(r, dtype=torch.float64)[:, None] * torch.tensor(c, dtype=torch.float64)
                assert torch.equal(gradient[0, 0], expected)
            reached = run_js(ENGINE, boxes, [for_engine(stack), i, j])
            box = Box(*((axis["first"], axis["last"]) for axis in reached))
            assert box == measured_receptive_field(model, (1, SIZE, SIZE), (i, j), samples=1)
            assert [axis["cells"] for axis in reached] == [sum(x > 0 for x in counts[0]) for counts in (rows, columns)]


@pytest.mark.browser
def test_a_window_that_does_not_fit_leaves_no_map(run_js):
    stack = for_engine([Window(3), Window(9), Window(1)])
    assert run_js(ENGINE, "(m, s) => m.mapSizes(9, s)", stack) == [9, 7, 0, 0]
    nothing = run_js(
        ENGINE, "(m) => m.reached(m.pathCounts(5, [{kernel: 1, stride: 1, padding: 3, dilation: 1}], 0)[0])"
    )
    assert nothing == {"first": -1, "last": -1, "cells": 0}


@pytest.mark.browser
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 1.0])
def test_middle_is_the_smallest_square_that_holds_the_share(run_js, share):
    """By trying all squares in the map of path counts."""
    for stack, position in ((STACKS[0], 5), (STACKS[2], 2), (STACKS[3], 4)):
        counts = run_js(ENGINE, "(m, [s, p]) => [...m.pathCounts(24, s, p)[0]]", [for_engine(stack), position])
        paths = torch.tensor(counts, dtype=torch.float64)[:, None] * torch.tensor(counts, dtype=torch.float64)
        field = receptive_field(stack)[-1]
        centre = field.start + position * field.jump
        distance = (torch.arange(SIZE) - centre).abs()
        reach = torch.maximum(distance[:, None], distance)
        fitting = (r for r in reach.unique().tolist() if paths[reach <= r].sum() >= share * paths.sum() - 1e-9)
        code = "(m, [counts, centre, share]) => m.middle(counts, counts, centre, centre, share)"
        assert run_js(ENGINE, code, [counts, centre, share]) == 2 * next(fitting) + 1


@pytest.mark.browser
def test_nonsense_from_a_link_becomes_a_stack_that_can_be_drawn(run_js):
    read = "(m, given) => m.readStack((name) => given[name])"
    plain = {"kind": "conv", "kernel": 3, "stride": 1, "padding": 0, "dilation": 1}
    for bad in ({}, {"layers": "x", "size": None, "layer": "2", "row": [], "column": {}}, {"layers": [1, "conv"]}):
        assert run_js(bundle("receptive_field"), read, bad) == {
            "layers": [plain], "size": 15, "layer": 1, "row": -1, "column": -1,
        }  # fmt: skip
    wild = {"layers": 20 * [["<b>", 99, -3, 2.6, "7"]], "size": 1e9, "layer": 99, "row": -7, "column": 1e6}
    one = {"kind": "conv", "kernel": 11, "stride": 1, "padding": 3, "dilation": 1}
    assert run_js(bundle("receptive_field"), read, wild) == {
        "layers": 8 * [one], "size": 227, "layer": 8, "row": -1, "column": 227,
    }  # fmt: skip


# figure


def says(page: Page) -> str:
    return page.locator(".bk-receptive > .bk-status").inner_text()


def table(page: Page) -> list[list[str]]:
    return [row.split("\t") for row in page.locator("tbody").inner_text().splitlines()]


@pytest.mark.browser
def test_table_and_sentence(open_widget):
    page = open_widget(ReceptiveField([("conv", 7), ("pool", 2)], size=20))
    rows = [[cell.strip() for cell in row if cell.strip()] for row in table(page)]
    assert [row[-4:] for row in rows if row] == [
        ["20²", "1", "0", "1"],
        ["14²", "1", "3", "7"],
        ["7²", "2", "3.5", "8"],
    ]
    assert says(page).startswith(
        "Cell (3, 3) of map 2 has a field of 8 × 8 pixels: rows 6 to 13, columns 6 to 13. Paths: 196, from 64 pixels"
    )


@pytest.mark.browser
def test_pointing_peeks_and_pressing_keeps(open_widget):
    page = open_widget(ReceptiveField([("conv", 3), ("conv", 3)], size=15), width=760)
    first = page.locator(".bk-receptive-map canvas").first
    box = first.bounding_box()
    cell = box["width"] / 13
    before = says(page)
    page.mouse.move(box["x"] + 2.5 * cell, box["y"] + 4.5 * cell)
    assert says(page).startswith("Cell (4, 2) of map 1 has a field of 3 × 3 pixels: rows 4 to 6, columns 2 to 4.")
    page.mouse.move(5, 5)
    assert says(page) == before
    page.mouse.move(box["x"] + 2.5 * cell, box["y"] + 4.5 * cell)
    page.mouse.down()
    page.mouse.move(box["x"] + 3.5 * cell, box["y"] + 4.5 * cell)
    page.mouse.up()
    page.mouse.move(5, 5)
    expect(page.locator(".bk-receptive > .bk-status")).to_contain_text("Cell (4, 3) of map 1")
    assert [trait(page, name) for name in ("layer", "row", "column")] == [1, 4, 3]


@pytest.mark.browser
def test_keys_move_the_cell_and_change_the_map(open_widget):
    page = open_widget(ReceptiveField(size=9))
    maps = page.get_by_role("application")
    maps.focus()
    for key in ("ArrowUp", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    expect(page.locator(".bk-receptive > .bk-status")).to_contain_text("Cell (1, 0) of map 2")
    for _ in range(9):
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")
    expect(page.locator(".bk-receptive > .bk-status")).to_contain_text("Cell (4, 4) of map 2")
    page.keyboard.press("PageDown")
    expect(page.locator(".bk-receptive > .bk-status")).to_contain_text("Cell (3, 3) of map 1")
    page.keyboard.press("PageDown")  # the input is no map to point at
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    expect(page.locator(".bk-receptive > .bk-status")).to_contain_text("Cell (2, 2) of map 2")
    page.keyboard.press("x")
    assert trait(page, "layer") == 2


@pytest.mark.browser
def test_building_a_stack(open_widget):
    page = open_widget(ReceptiveField([("conv", 3)], size=15))
    add, remove = (page.get_by_role("button", name=name) for name in ("Add a layer", "Remove it"))
    expect(remove).to_be_disabled()
    add.click()
    expect(page.get_by_role("radio")).to_have_count(2)
    assert trait(page, "layers") == [["conv", 3, 1, 0, 1], ["conv", 3, 1, 1, 1]]
    assert trait(page, "layer") == 2
    page.get_by_label("Kind").select_option("pool")
    page.get_by_label("S, stride").fill("2")
    page.get_by_label("D, dilation").fill("3")
    assert trait(page, "layers")[1] == ["pool", 3, 2, 1, 3]
    expect(page.get_by_role("radio").nth(1)).to_have_attribute("aria-label", "Layer 2: pool 3 s2 p1 d3")
    page.get_by_role("radio").first.check()
    expect(page.get_by_text("Layer 1 of 2")).to_be_visible()
    remove.click()
    expect(page.get_by_role("radio")).to_have_count(1)
    assert trait(page, "layers") == [["pool", 3, 2, 1, 3]]
    for _ in range(7):
        add.click()
    expect(page.get_by_role("radio")).to_have_count(8)
    expect(add).to_be_disabled()


@pytest.mark.browser
def test_what_python_sets_is_shown(open_widget):
    page = open_widget(ReceptiveField())
    set_trait(page, "layers", [["conv", 5, 1, 0, 1], ["conv", 5, 1, 0, 1], ["conv", 5, 1, 0, 1]])
    set_trait(page, "layer", 3)
    expect(page.locator(".bk-receptive > .bk-status")).to_contain_text("Cell (1, 1) of map 3 has a field of 13 × 13")
    set_trait(page, "row", 0)
    expect(page.locator(".bk-receptive > .bk-status")).to_contain_text("Cell (0, 1) of map 3")


@pytest.mark.browser
def test_a_stack_without_room_says_so(open_widget):
    page = open_widget(ReceptiveField([("conv", 5), ("conv", 3, 1, 0, 4)], size=9))
    assert says(page) == "Layer 2 does not fit: its window spans 9 cells and finds 5. Enlarge the input or add padding."
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowUp")
    expect(page.locator(".bk-receptive > .bk-status")).to_contain_text("Layer 2 does not fit")
    page.get_by_label("Input, pixels").fill("13")
    expect(page.locator(".bk-receptive > .bk-status")).to_contain_text("Cell (0, 0) of map 2")


@pytest.mark.browser
def test_a_layer_before_the_one_without_room_can_be_pointed_at(open_widget):
    page = open_widget(ReceptiveField([("conv", 5), ("conv", 11)], size=9, layer=1))
    assert says(page).startswith("Cell (2, 2) of map 1 has a field of 5 × 5 pixels")
    assert page.locator(".bk-receptive-map").nth(1).inner_text() == "2 conv 11: no room"


@pytest.mark.browser
def test_fields_over_the_edge_and_in_the_padding(open_widget):
    page = open_widget(ReceptiveField([("conv", 3, 1, 1)], size=7, row=0, column=3))
    assert "It hangs over the edge into the padding. Paths: 6, from 6 pixels" in says(page)
    set_trait(page, "layers", [["conv", 1, 1, 2, 1]])
    expect(page.locator(".bk-receptive > .bk-status")).to_contain_text("All of it lies in the padding.")


@pytest.mark.browser
def test_every_preset_is_what_its_note_says(open_widget):
    page = open_widget(ReceptiveField())
    picker = page.get_by_label("Try")
    fields, sentences = [], []
    for value in picker.locator("option").evaluate_all("(os) => os.map((o) => o.value)")[1:]:
        picker.select_option(value)
        expect(page.locator(".bk-receptive-current")).to_have_count(1)
        fields.append(int(page.locator(".bk-receptive-current td").last.inner_text()))
        sentences.append(says(page))
    assert fields == [5, 8, 16, 31, 27, 13, 17, 11, 195]
    assert "Paths: 729, from 729 pixels" in sentences[4]
    assert "from 49 pixels" in sentences[5]  # every second one of 13 by 13
    page.get_by_role("button", name="Reset").click()
    assert trait(page, "layers") == [["conv", 3, 1, 0, 1], ["conv", 3, 1, 0, 1]]


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(760, False), (374, True)])
def test_figure_is_accessible_and_fits(open_widget, width, dark):
    page = open_widget(ReceptiveField(ALEXNET, size=227), width=width, dark=dark)
    assert accessibility_problems(page) == []
    count = """(all) => { const end = document.querySelector(".bk-toolbar").parentElement.getBoundingClientRect().right;
      return all.filter((e) => e.getBoundingClientRect().right > end - 11).length; }"""
    wide = page.locator(".bk-figure *").evaluate_all(count)
    assert wide == 0


@pytest.mark.browser
def test_the_largest_stack_answers_at_once(open_widget):
    page = open_widget(ReceptiveField(ALEXNET, size=227), width=760)
    took = page.evaluate("""async () => {
      const start = performance.now();
      for (let i = 0; i < 5; i++) { window.model.set("row", i); await null; await null; }
      return (performance.now() - start) / 5; }""")
    assert "Cell (4, 3) of map 8" in says(page)
    assert took < 500  # a gross error only: a cell at a time over all maps takes some ms


@pytest.mark.browser
def test_nothing_listens_after_the_end(open_widget):
    page = open_widget(ReceptiveField())
    assert page.evaluate("window.model.count()") > 0
    page.evaluate("window.stop()")
    assert page.evaluate("window.model.count()") == 0


@pytest.mark.browser
def test_colours_follow_the_theme(open_widget):
    page = open_widget(ReceptiveField())
    look = "() => document.querySelector('.bk-receptive-section').toDataURL()"
    light = page.evaluate(look)
    page.evaluate("() => { document.documentElement.dataset.theme = 'dark'; }")
    page.wait_for_timeout(50)
    assert page.evaluate(look) != light


# Python


def test_layers_are_completed():
    made = ReceptiveField([("conv", 3), ["pool", 3], ("pool", 9), ("conv", 3, 2, 1, 4)])
    expected = [["conv", 3, 1, 0, 1], ["pool", 3, 3, 0, 1], ["pool", 9, 4, 0, 1], ["conv", 3, 2, 1, 4]]
    assert made.layers == expected
    assert (made.layer, made.row, made.column) == (4, -1, -1)
    assert made.defaults == {"layers": expected, "size": 15, "layer": 4, "row": -1, "column": -1}


@pytest.mark.parametrize("layer", ["conv 3", 3, ("conv",), ("conv", 3, 1, 0, 1, 1)])
def test_what_is_no_layer(layer):
    with pytest.raises(TypeError, match="a layer is "):
        ReceptiveField([layer])


def test_errors():
    with pytest.raises(ValueError, match="kind must be one of conv, pool, got 'linear'"):
        ReceptiveField([("linear", 3)])
    for number in (3.0, True, "3"):
        with pytest.raises(TypeError, match=f"kernel_size must be a whole number, got {number!r}"):
            ReceptiveField([("conv", number)])
    with pytest.raises(ValueError, match="stride must be from 1 to 4, got 5"):
        ReceptiveField([("conv", 3, 5)])
    for count in (0, 9):
        with pytest.raises(ValueError, match=f"there must be 1 to 8 layers, got {count}"):
            ReceptiveField(count * [("conv", 1)])
    for name, value, rule in (("size", 4, "5 to 227"), ("layer", 0, "1 to 8"), ("row", -2, "-1 to 227")):
        with pytest.raises(ValueError, match=f"{name} must be from {rule}, got {value}"):
            ReceptiveField(**{name: value})
    with pytest.raises(ValueError, match="column must be from -1 to 227, got 228"):
        ReceptiveField().column = 228
