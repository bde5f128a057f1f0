"""BlockGallery: its costs against the companion's blocks, the figure as a reader drives it, its errors."""

import itertools

import pytest
import torch

from companion.analysis import count_parameters, multiply_accumulates
from companion.layers.gates import EfficientChannelAttention, eca_kernel_size
from companion.models.densenet import DenseBlock
from companion.models.preact import PreActBottleneck
from companion.models.resnest import ResNeStBottleneck
from companion.models.resnet import BasicBlock, Bottleneck
from companion.models.senet import squeeze_excitation
from companion.widgets.base import bundle
from companion.widgets.block_gallery import BLOCKS, CHOICES, BlockGallery
from tests.figures import accessibility_problems, set_trait, trait

BUILD = {
    "basic": lambda C, _: BasicBlock(C, C),
    "bottleneck": lambda C, _: Bottleneck(C, C // 4),
    "preact": lambda C, _: PreActBottleneck(C, C // 4),
    "wide": lambda C, v: Bottleneck(C, C // 4, width_per_group=64 * v),
    "resnext": lambda C, v: Bottleneck(C, C // 4, groups=v, width_per_group=128 // v),
    "se": lambda C, v: Bottleneck(C, C // 4, gate=squeeze_excitation(reduction=v)),
    "eca": lambda C, _: Bottleneck(C, C // 4, gate=EfficientChannelAttention),
    "split": lambda C, v: ResNeStBottleneck(C, C // 4, radix=v),
    "dense": lambda C, v: DenseBlock(1, C, v),
}
KNOB = {"wide": "widen", "resnext": "groups", "se": "reduction", "split": "radix", "dense": "growth"}


@pytest.mark.browser
def test_costs_are_those_of_the_companions_blocks(run_js):
    cases, expected = [], []
    for block, C in itertools.product(BLOCKS, (64, 256, 1024)):
        for value in CHOICES[KNOB[block]] if block in KNOB else (0,):
            if block == "resnext" and value > C // 2:
                continue
            cases.append({"block": block, "channels": C, "side": 7, KNOB.get(block, "side"): value or 7})
            with torch.device("meta"):
                model = BUILD[block](C, value)
            out = model.eval()(torch.empty(1, C, 7, 7, device="meta")).shape[1]
            expected.append([count_parameters(model), multiply_accumulates(model, (C, 7, 7)), out])
    code = "(m, cases) => cases.map((c) => { const d = m.designBlock(c); return [d.parameters, d.macs, d.out]; })"
    assert run_js(bundle("block_engine"), code, cases) == expected


@pytest.mark.browser
def test_eca_reads_as_many_neighbours_as_the_companions(run_js):
    widths = list(CHOICES["channels"])
    got = run_js(bundle("block_engine"), "(m, widths) => widths.map(m.ecaKernel)", widths)
    assert got == [eca_kernel_size(C) for C in widths]


@pytest.mark.browser
def test_groups_beyond_the_channels_are_as_many_as_the_channels(run_js):
    code = "(m, groups) => m.designBlock({ block: 'resnext', channels: 64, side: 7, groups }).parameters"
    assert run_js(bundle("block_engine"), code, 64) == run_js(bundle("block_engine"), code, 32)


@pytest.mark.browser
def test_what_is_gone_costs_nothing_and_keeps_its_place(run_js):
    code = "(m, b) => m.designBlock({ block: b, channels: 256, side: 7, growth: 32 }).steps"
    steps = run_js(bundle("block_engine"), code, "preact")
    assert [one["mark"] for one in steps if one["parameters"] == 0] == ["gone", "", "gone"]
    assert [one["text"] for one in steps if one["mark"] == "gone"] == ["norm", "ReLU"]


# --- the figure


def text(page, name):
    return page.locator(f".bk-blocks-{name}").first.inner_text()


@pytest.mark.browser
def test_the_numbers_of_resnext_50(open_widget):
    page = open_widget(BlockGallery(), width=740)
    assert text(page, "verdict").startswith("Bottleneck against basic")
    page.get_by_role("radio", name="ResNeXt").check()
    assert trait(page, "block") == "resnext"
    rows = page.locator(".bk-blocks-costs tbody tr").all_inner_texts()
    assert ["71,168" in rows[0], "70,400" in rows[1]] == [True, True]
    assert "1.01× the parameters" in text(page, "verdict")
    assert "32 groups of 4" in text(page, "changes")
    page.get_by_role("slider", name="Groups").fill("0")
    assert trait(page, "groups") == 1
    assert "only a wider block" in text(page, "changes")


@pytest.mark.browser
@pytest.mark.parametrize("channels", [64, 2048])
def test_every_block_is_drawn_and_described(open_widget, channels):
    page = open_widget(BlockGallery(channels=channels, growth=48, reduction=2, radix=4), width=740)
    seen = set()
    for name in page.locator(".bk-blocks-choice").all_inner_texts():
        page.get_by_role("radio", name=name, exact=True).check()
        drawing = page.locator(".bk-blocks-drawing")
        said = drawing.get_attribute("aria-label")
        assert said.startswith(f"{name} block, from {channels} to {channels + 48 * (name == 'Dense')} channels")
        seen.add(said)
        inside = page.evaluate(
            "() => [...document.querySelectorAll('.bk-blocks-drawing text:not(.bk-blocks-sign)')].every((t) => {"
            " const b = t.getBBox(); return b.x >= 15 && b.x + b.width <= 305 && b.y + b.height <= 452; })"
        )
        assert inside, name
    assert len(seen) == len(BLOCKS)


@pytest.mark.browser
@pytest.mark.parametrize(("block", "label"), [("wide", "Widening factor"), ("split", "Versions"), ("se", "Reduction")])
def test_only_the_knob_of_the_block_is_there_and_it_works(open_widget, block, label):
    page = open_widget(BlockGallery(block=block), width=740)
    assert page.locator(".bk-slider:visible label").all_inner_texts() == ["Channels in", "Rows of the map", label]
    before = page.locator(".bk-blocks-costs").inner_text()
    page.get_by_role("slider", name=label).fill("0")
    assert trait(page, KNOB[block]) == CHOICES[KNOB[block]][0]
    assert page.locator(".bk-blocks-costs").inner_text() != before


@pytest.mark.browser
def test_arithmetic_follows_the_map_and_parameters_do_not(open_widget):
    page = open_widget(BlockGallery(block="se"), width=740)
    cells = page.locator(".bk-blocks-costs tbody tr").first.locator("td")
    parameters, macs = cells.nth(0).inner_text(), cells.nth(1).inner_text()
    set_trait(page, "side", 14)
    assert cells.nth(0).inner_text() == parameters
    assert cells.nth(1).inner_text() != macs


@pytest.mark.browser
def test_presets_and_reset(open_widget):
    page = open_widget(BlockGallery(), width=740)
    picker = page.get_by_label("Try")
    for name in picker.locator("option").all_inner_texts()[1:]:
        picker.select_option(label=name)
        assert page.locator(".bk-toolbar .bk-status").inner_text() != "", name
    page.get_by_role("button", name="Reset").click()
    assert {n: trait(page, n) for n in BlockGallery.linked} == BlockGallery().defaults
    assert page.get_by_role("radio", name="Bottleneck").is_checked()


@pytest.mark.browser
def test_nonsense_in_a_link_is_mended_and_a_closed_figure_listens_to_nothing(open_widget):
    bad = dict.fromkeys(BlockGallery.linked, -1e99) | {"block": "<b>", "side": "7", "groups": 3}
    page = open_widget(BlockGallery(), **bad)
    assert {name: trait(page, name) for name in BlockGallery.linked} == BlockGallery().defaults
    page.evaluate("window.stop()")
    assert page.evaluate("window.model.count()") == 0


@pytest.mark.browser
@pytest.mark.parametrize(("block", "dark", "width"), [("dense", False, 740), ("split", True, 358)])
def test_the_gallery_is_accessible_and_fits(open_widget, block, dark, width):
    page = open_widget(BlockGallery(block=block), width=width, dark=dark)
    page.set_viewport_size({"width": width + 16, "height": 900})
    assert accessibility_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width + 16


# --- the Python class


def test_the_gallery_keeps_what_it_is_given():
    given = {"block": "dense", "channels": 64, "side": 7, "groups": 1, "widen": 4, "reduction": 2, "radix": 4}
    given |= {"growth": 12}
    made = BlockGallery(**given, key="k", label="l")
    assert made.defaults == given
    assert set(BlockGallery.linked) == set(given)
    assert all(BlockGallery(block=block).block == block for block in BLOCKS)


@pytest.mark.parametrize("name", CHOICES)
def test_numbers_outside_the_choices_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be one of {CHOICES[name][0]}, .*, got 3$"):
        BlockGallery(**{name: 3})


def test_an_unknown_block_is_refused():
    with pytest.raises(ValueError, match=r"block must be one of basic, .*, got 'inception'"):
        BlockGallery(block="inception")
