"""The palette: one definition for matplotlib, plotly, widgets and pages, in light and dark.

Hues follow Okabe & Ito's colour-blind-safe set (Color Universal Design, 2008), darkened or lightened until
each has a contrast of at least 4.5:1 against page and panel (WCAG 2.2, 1.4.3), so that text may wear them too.
"""

from types import MappingProxyType
from typing import NamedTuple


class Shade(NamedTuple):
    """One colour of the palette as seen on a light and on a dark page."""

    light: str
    dark: str


PALETTE = MappingProxyType(
    {
        "blue": Shade("#0072b2", "#5ab4e8"),
        "orange": Shade("#b84c00", "#ff9a5c"),
        "green": Shade("#00795a", "#3ecf9f"),
        "purple": Shade("#a3478a", "#e394cb"),
        "amber": Shade("#8a6000", "#f0c24b"),
        "grey": Shade("#667080", "#98a2b0"),
    }
)
"""Categorical colours, in the order in which a plot uses them.

The same thing has the same colour everywhere: class 0 and held-out data are orange, class 1, training data and
"the model" blue, what is right green, gradients purple, references and bounds grey.
"""

SURFACE = MappingProxyType(
    {
        "page": Shade("#ffffff", "#14181e"),
        "panel": Shade("#f6f7f9", "#1b2129"),
        "ink": Shade("#1c232d", "#dfe5ec"),
        "muted": Shade("#57606d", "#a3adba"),
        "rule": Shade("#d5dae1", "#39424e"),
    }
)
"""Page, panel and text colours."""


def css() -> str:
    """Return the CSS custom properties `--bk-blue`, `--bk-ink`, ... with their dark values.

    Dark applies inside a built page whose theme is dark and inside a dark JupyterLab.
    """
    shades = {**PALETTE, **SURFACE}

    def block(mode: str) -> str:
        return "".join(f"--bk-{name}:{getattr(shade, mode)};" for name, shade in shades.items())

    dark = 'html[data-theme="dark"],body[data-jp-theme-light="false"],body.vscode-dark'
    return f":root{{{block('light')}}}\n{dark}{{{block('dark')}}}\n"
