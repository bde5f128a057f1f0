"""The page technology of the book: a Sphinx extension, and two commands that work without Sphinx.

assets       everything a page loads lies beside it: MathJax, plotly.js, the widget host, the palette, theme repairs
plotly       plotly figures as data in the page, drawn by one shared local script
chapter      the computed line under a chapter's title and the table of timings
citations    author and year in round brackets
equations    numbers for the labels of equations in the comments of code
hover        definitions of glossary terms on hover and focus
launch       buttons that open a chapter's notebook in Colab or Binder
project      what the project's own files say: its address, the fingerprint that outputs depend on
execution    `python -m bookkit.execution`: run the chapters, two at a time, into the cache that the build reads
notebooks    `python -m bookkit.notebooks`: write notebooks/ from book/, byte for byte the same every time
"""

from typing import Any

from sphinx.application import Sphinx

from bookkit import assets, chapter, citations, equations, hover, launch, plotly


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the parts; called by Sphinx."""
    for part in (assets, plotly, chapter, citations, equations, hover, launch):
        part.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
