"""Plotly figures: the data stays in the page, one local script draws it, only pages that have one load that script."""

import json
from typing import Any

import myst_nb.core.render
from docutils import nodes
from sphinx.application import Sphinx

MIME = "application/vnd.plotly.v1+json"


class PlotlyRenderer:
    """MyST-NB renderer for plotly's own output type."""

    mime_priority_overrides = (("html", MIME, 5),)

    @staticmethod
    def handle_mime(renderer: Any, data: Any, inline: bool) -> list[nodes.Element] | None:
        """Return the figure as JSON in a box of its height; None for every other type."""
        if data.mime_type != MIME or inline:
            return None
        figure = {key: data.content[key] for key in ("data", "layout", "frames") if key in data.content}
        text = json.dumps(figure, separators=(",", ":")).replace("</", "<\\/")
        height = int(figure.get("layout", {}).get("height") or 450)
        renderer.add_js_file("plotly", "vendor/plotly.min.js", {"defer": "defer"})
        renderer.add_js_file("plotly-boot", "vendor/plotly-boot.js", {"defer": "defer"})
        data_tag = f'<script type="application/json">{text}</script>'
        box = f'<div class="bk-plotly" style="min-height:{height}px">{data_tag}</div>'
        return [nodes.raw("", box, format="html")]


def setup(app: Sphinx) -> None:
    """Add the renderer to MyST-NB's list (its own way in is an entry point of an installed package)."""
    known = myst_nb.core.render.load_mime_renders
    myst_nb.core.render.load_mime_renders = lambda: [*known(), PlotlyRenderer]
