"""ResidualPaths: path counts against an enumeration, errors as given, the figure as a reader drives it, its errors."""

import itertools
from collections import Counter

import numpy as np
import pytest

from companion.widgets.base import bundle
from companion.widgets.residual_paths import ResidualPaths
from tests.figures import accessibility_problems, set_trait, trait

STAGES = [("8 × 8", 2), ("4 × 4", 2), ("2 × 2", 1)]
N = 5


def errors(seeds=3):
    """Each entry tells where it belongs: network, seed and subset can be read off it."""
    net, seed, subset = np.meshgrid([0, 1], range(seeds), range(2**N), indexing="ij")
    return 0.4 * net + 0.1 * seed + 0.003 * subset


@pytest.fixture
def paths(open_widget):
    return lambda **state: open_widget(ResidualPaths(errors(), stages=STAGES), **state)


@pytest.mark.browser
def test_numbers_of_paths_equal_an_enumeration(run_js):
    call = "(m) => [0, 1, 2, 3, 9].map((n) => Array.from({ length: n + 1 }, (_, k) => m.choose(n, k)))"
    for n, counted in zip((0, 1, 2, 3, 9), run_js(bundle("residual_paths"), call), strict=True):
        lengths = Counter(sum(path) for path in itertools.product((0, 1), repeat=n))  # through or past each block
        assert counted == [lengths[k] for k in range(n + 1)]


@pytest.mark.browser
def test_errors_arrive_as_given_and_their_ranges_are_numpys(run_js):
    given = errors()
    call = """(m, [bytes, seeds, n]) => { const e = m.readErrors(new DataView(Uint8Array.from(bytes).buffer), seeds, n);
      return [e, e.map((one) => m.spread(one, n))]; }"""
    widget = ResidualPaths(given, stages=STAGES)
    got, ranges = run_js(bundle("residual_paths"), call, [list(widget.errors), 3, N])
    np.testing.assert_allclose(got, given, atol=5e-5)
    removed = np.array([bin(j).count("1") for j in range(2**N)])
    for net in (0, 1):
        for k in range(N + 1):
            values = given[net][:, removed == k]
            assert ranges[net][k]["low"] == pytest.approx(values.min(), abs=1e-4)
            assert ranges[net][k]["high"] == pytest.approx(values.max(), abs=1e-4)
            assert ranges[net][k]["middle"] == pytest.approx(np.sort(values, axis=None)[values.size // 2], abs=1e-4)


def live(page):
    return page.locator(".bk-residual_paths > .bk-status").inner_text()


@pytest.mark.browser
def test_a_checkbox_takes_a_block_away_in_drawing_paths_and_error(paths):
    page = paths()
    drawing = page.locator(".bk-residual_paths-residual")
    assert live(page) == "All blocks on: 32 of 32 paths. Mean error: residual 10 %, plain 50 %."
    assert page.get_by_role("checkbox").count() == N
    page.get_by_role("checkbox", name="Block 2").press("Space")
    assert trait(page, "off") == 2
    assert live(page).startswith("Without block 2: 16 of 32 paths. Mean error: residual 11 % (10 % with all)")
    assert "16 paths lead through it" in drawing.get_attribute("aria-label")
    assert drawing.locator(".bk-residual_paths-block.bk-off").count() == 1
    labels = [plot.get_attribute("aria-label") for plot in page.locator(".bk-plot").all()]
    assert "16 paths; by number of blocks on them: 1, 4, 6, 4, 1, 0." in labels[0]
    assert "with 1 block removed: residual 1 %, 11 %, 21 %; plain 41 %, 51 %, 61 %" in labels[1]
    page.locator(".bk-residual_paths-plain .bk-residual_paths-block").nth(4).click()
    assert trait(page, "off") == 2 + 16
    assert live(page).startswith("Without blocks 2 and 5: 8 of 32 paths.")
    assert not page.get_by_role("checkbox", name="Block 5").is_checked()


@pytest.mark.browser
def test_marks_stand_at_the_measured_errors(paths):
    page, subset = paths(off=0b10101), 0b10101
    tops = "(all) => all.slice(0, 3).map((c) => +c.getAttribute('cy'))"
    places = page.locator("circle.bk-residual_paths-dot").evaluate_all(tops)
    ticks = page.locator(".bk-plot").nth(1).locator(".bk-axes text[text-anchor=end]").all()
    at = {t.text_content(): float(t.get_attribute("y")) - 4 for t in ticks}
    zero, hundred = at["0"], at["100"]
    measured = [(zero - y) / (zero - hundred) for y in places]
    np.testing.assert_allclose(measured, errors()[0, :, subset], atol=2e-3)


@pytest.mark.browser
def test_presets_reset_and_the_kernel(paths):
    page = paths()
    picker, expected = page.get_by_label("Try"), {
        "Without the last block": 0b10000,
        "Without the first block": 0b00001,
        "One block in each stage": 0b11010,
        "Only the first of each stage": 0b01010,
        "No block at all": 0b11111,
    }  # fmt: skip
    for name, off in expected.items():
        picker.select_option(label=name)
        assert trait(page, "off") == off, name
        assert page.locator(".bk-toolbar .bk-status").inner_text() != ""
    assert "1 of 32 paths" in live(page)
    page.get_by_role("button", name="Reset").click()
    assert trait(page, "off") == 0
    set_trait(page, "off", 3)
    assert live(page).startswith("Without blocks 1 and 2")
    page.evaluate("window.stop()")
    set_trait(page, "off", 0)
    assert live(page).startswith("Without blocks 1 and 2")


@pytest.mark.browser
@pytest.mark.parametrize(("bad", "mended"), [(-3, 0), (99, 31), ("x", 0), (None, 0), (2.4, 2), ([], 0)])
def test_nonsense_in_a_link_is_mended(paths, bad, mended):
    page = paths(off=bad)
    assert trait(page, "off") == mended
    assert "paths" in live(page)


@pytest.mark.browser
@pytest.mark.parametrize(("dark", "width"), [(False, 1264), (True, 374)])
def test_it_is_accessible_and_fits(open_widget, dark, width):
    page = open_widget(ResidualPaths(errors(), stages=STAGES, off=[2, 5]), width=width, dark=dark)
    page.set_viewport_size({"width": width + 16, "height": 900})
    assert accessibility_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width + 16
    assert page.locator("svg.bk-residual_paths-residual").bounding_box()["width"] < width


def test_it_keeps_what_it_is_given():
    widget = ResidualPaths(errors(), stages=STAGES, off=[1, 4], key="k")
    assert (widget.off, widget.seeds, widget.stages) == (0b01001, 3, [["8 × 8", 2], ["4 × 4", 2], ["2 × 2", 1]])
    assert widget.defaults == {"off": 0b01001}
    widget.off = 31
    for wrong in (32, -1):
        with pytest.raises(ValueError, match=f"off must be 0 to 31, one binary digit a block, got {wrong}"):
            widget.off = wrong
    assert widget.off == 31


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stages": []}, "need stages of one or more blocks"),
        ({"stages": [("a", 5), ("b", 0)]}, "need stages of one or more blocks"),
        ({"stages": [("a", 11)]}, "10 in all at most"),
        ({"stages": [("a", 4)]}, r"errors must be \(2, seeds, 16\) for 4 blocks, got \(2, 3, 32\)"),
        ({"errors": errors()[:1]}, r"got \(1, 3, 32\)"),
        ({"errors": errors()[0]}, r"got \(3, 32\)"),
        ({"errors": errors() * 2}, r"errors must lie in \[0, 1\], got 0.0 to"),
        ({"errors": errors() * np.nan}, "errors must lie in"),
        ({"off": [0]}, "off must name blocks 1 to 5, got"),
        ({"off": [6, 2]}, r"got \[2, 6\]"),
    ],
)
def test_it_refuses_what_makes_no_sense(given, message):
    with pytest.raises(ValueError, match=message):
        ResidualPaths(**{"errors": errors(), "stages": STAGES, **given})
