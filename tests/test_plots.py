import re

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from companion.plots import plotly_layout, show, style, themed_svg, with_prefix
from companion.theme import PALETTE


@pytest.fixture(autouse=True)
def _restore():
    with mpl.rc_context():
        plt.switch_backend("agg")
        yield
    plt.close("all")


def draw():
    style()
    fig, ax = plt.subplots()
    ax.plot([1, 2, 3], label="loss")
    ax.plot([3, 1, 2], "o-", label="other")
    ax.imshow(np.eye(2), extent=(0, 1, 1, 2))
    ax.set(title="An equation $x^2$", xlabel="epoch")
    ax.legend()
    return fig


def test_a_figure_takes_its_colours_from_the_page():
    svg = themed_svg(draw())
    assert f"var(--bk-blue, {PALETTE['blue'].light})" in svg
    assert f"var(--bk-orange, {PALETTE['orange'].light})" in svg
    assert "currentColor" in svg
    bare = re.sub(r"var\([^)]*\)|#[\w-]+\"", "", svg)
    assert not re.findall(r"(?:fill|stroke): #[0-9a-f]{6}", bare)


def test_the_same_figure_gives_the_same_text():
    assert show(draw(), alt="a")._repr_html_() == show(draw(), alt="a")._repr_html_()


def test_a_figure_does_not_leak_style_rules_or_sizes():
    svg = themed_svg(draw())
    assert svg.startswith("<svg ")
    assert "<style" not in svg
    assert not re.search(r'<svg[^>]* width="', svg)
    assert "DejaVu" not in svg


def test_ids_of_two_figures_on_one_page_differ_and_references_follow():
    first, second = (with_prefix(themed_svg(draw()), prefix) for prefix in ("a-", "b-"))
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    for svg, own in zip((first, second), ids, strict=True):
        assert {ref for pair in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg) for ref in pair if ref} == own


def test_show_closes_the_figure_and_quotes_the_alternative():
    fig = draw()
    shown = show(fig, alt='a "line" & more')
    assert not plt.fignum_exists(fig.number)
    assert 'aria-label="a &quot;line&quot; &amp; more"' in shown._repr_html_()
    assert repr(shown) == '[figure: a "line" & more]'


def test_a_figure_without_alternative_is_refused():
    with pytest.raises(ValueError, match="text alternative"):
        show(draw(), alt=" ")


def test_plotly_layout_can_be_changed():
    assert plotly_layout(height=300)["height"] == 300
    assert plotly_layout()["height"] != 300
    assert plotly_layout()["colorway"][0] == PALETTE["blue"].light
