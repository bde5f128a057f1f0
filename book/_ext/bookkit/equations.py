"""Labels of equations in the comments of code (`# eq-bp-chain`): the reader gets the number, as in the text."""

import re
from collections.abc import Callable

from docutils import nodes
from sphinx.application import Sphinx

LABEL = re.compile(r"\beq-[a-z0-9]+(?:-[a-z0-9]+)*")


def numbered(code: str, number: Callable[[str], str]) -> str:
    """Return the code with `(3.9)` for the label of equation 3.9, where `number` knows it as `3.9`."""
    return LABEL.sub(lambda label: f"({number(label[0])})", code)


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the numbers into the code cells of a page."""
    equations = app.env.domaindata["math"]["objects"]

    def number(label: str) -> str:
        page, _ = equations[label]
        parts = app.env.toc_fignumbers[page]["displaymath"][nodes.make_id(f"equation-{label}")]
        return ".".join(map(str, parts))

    for block in doctree.findall(nodes.literal_block):
        if LABEL.search(block.rawsource):
            block.rawsource = numbered(block.rawsource, number)
            block[:] = [nodes.Text(block.rawsource)]


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("doctree-resolved", fill)
