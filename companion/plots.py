"""Figures that belong to the page: vector graphics in the book's palette which follow light and dark.

A matplotlib figure becomes inline SVG whose inks are CSS variables, so one drawing serves both themes; every
figure carries a text alternative. Call `style()` once, in a notebook's first cell, before drawing.
"""

import hashlib
import io
import re
from html import escape
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.figure import Figure

from companion.theme import PALETTE, SURFACE

# Inks that no drawing uses by chance; they stand for the page's own text and rule colours.
_INK, _RULE, _PAGE = "#010203", "#040506", "#fdfeff"
_VARIABLES = {
    _INK: "currentColor",
    _RULE: f"var(--bk-grey, {PALETTE['grey'].light})",
    _PAGE: f"var(--bk-page, {SURFACE['page'].light})",
    **{shade.light: f"var(--bk-{name}, {shade.light})" for name, shade in PALETTE.items()},
}
_STYLE: Any = {
    "axes.edgecolor": _RULE,
    "axes.facecolor": "none",
    "axes.grid": False,
    "axes.labelcolor": _INK,
    "axes.prop_cycle": cycler(color=[shade.light for shade in PALETTE.values()]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": "medium",
    "figure.constrained_layout.use": True,
    "figure.facecolor": "none",
    "figure.figsize": (6.4, 3.4),
    "font.size": 11,
    "grid.color": _RULE,
    "image.cmap": "gray_r",
    "legend.frameon": False,
    "lines.linewidth": 2,
    "patch.edgecolor": _INK,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "companion",
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def style() -> None:
    """Give matplotlib the book's look for the rest of the session: palette, inks, sizes, no frames.

    Changes `matplotlib.rcParams`, hence an explicit call and nothing that an import does.
    """
    plt.switch_backend(mpl.rcParams["backend"])  # settle IPython's inline backend first, or later figures stay mute
    mpl.rcParams.update(_STYLE)


def themed_svg(fig: Figure) -> str:
    """Return the figure as one `<svg>` element that takes its colours from the page; close it.

    The same figure gives the same text. Ids that nothing refers to are dropped.
    """
    buffer = io.StringIO()
    with mpl.rc_context({key: _STYLE[key] for key in ("svg.fonttype", "svg.hashsalt", "savefig.facecolor")}):
        fig.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(fig)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", svg, flags=re.DOTALL)  # its `*` rule would leak
    svg = svg.replace("<svg ", '<svg stroke-linejoin="round" stroke-linecap="butt" ', 1)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    used = set(re.findall(r"#([\w.-]+)", svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: m[0] if m[1] in used else "", svg)
    svg = re.sub(r"font(?:-family)?: ?([^;\"]*?)(?:'DejaVu Sans'|DejaVu Sans)[^;\"]*", _font, svg)
    return re.sub(r"#[0-9a-f]{6}", lambda m: _VARIABLES.get(m[0], m[0]), svg)


def _font(match: re.Match[str]) -> str:
    size = match[1].strip()
    return f"font: {size} system-ui, sans-serif" if size else "font-family: system-ui, sans-serif"


class StaticFigure:
    """A drawn figure with its text alternative; displays itself as HTML in notebooks and in the book."""

    def __init__(self, svg: str, alt: str) -> None:
        self.svg, self.alt = svg, alt

    def _repr_html_(self) -> str:
        return f'<div class="bk-static" role="img" aria-label="{escape(self.alt, quote=True)}">{self.svg}</div>'

    def __repr__(self) -> str:
        return f"[figure: {self.alt}]"


def show(fig: Figure, *, alt: str) -> StaticFigure:
    """Turn a matplotlib figure into the book's form; end a cell with it.

    Args:
        fig: the figure; it is closed.
        alt: what a reader who cannot see it should know, one or two sentences.

    Raises:
        ValueError: if `alt` is empty.
    """
    if not alt.strip():
        raise ValueError("a figure needs a text alternative: alt is empty")
    svg = themed_svg(fig)
    return StaticFigure(with_prefix(svg, "f" + hashlib.sha256(svg.encode()).hexdigest()[:8] + "-"), alt)


def with_prefix(svg: str, prefix: str) -> str:
    """Put `prefix` in front of all ids of an SVG, so that several drawings can share one page."""
    svg = re.sub(r' id="', f' id="{prefix}', svg)
    return re.sub(r'(href="|url\()#', rf"\g<1>#{prefix}", svg)


def plotly_layout(**changes: Any) -> dict[str, Any]:
    """Return a plotly layout in the book's look; `figure.update_layout(plotly_layout(height=420))`.

    Paper and axes are transparent: the page's script colours them for light and dark.
    """
    layout: dict[str, Any] = {
        "colorway": [shade.light for shade in PALETTE.values()],
        "font": {"family": "system-ui, sans-serif", "size": 14},
        "margin": {"l": 48, "r": 12, "t": 24, "b": 44},
        "height": 400,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
    }
    return {**layout, **changes}
