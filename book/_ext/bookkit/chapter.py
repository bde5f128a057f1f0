"""The computed line under a chapter's title, and the table of what every chapter took to run."""

import ast
import math
import re
from pathlib import Path

from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from bookkit.project import ROOT, chapters

WORDS_A_MINUTE = 180
DATA = {
    "digits": "8×8 handwritten digits (scikit-learn)",
    "mnist": "MNIST",
    "fashion-mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10",
    "photo": "photographs (scikit-learn, matplotlib)",
    **dict.fromkeys(("circles", "xor", "two_spirals", "gaussians", "two_moons"), "seeded points in the plane"),
    **dict.fromkeys(("milestones", "ilsvrc"), "checked tables of history"),
}
CELL = re.compile(r"^(`{3,})\{code-cell\}[^\n]*\n(.*?)^\1$", re.MULTILINE | re.DOTALL)


class Runtime(nodes.Element):
    """Stands for the seconds that a page took to run, known once all pages are read."""


class Timings(nodes.Element):
    """Stands for the table of all pages' seconds."""


def code(source: str) -> str:
    """Return the code of all cells of a MyST page, without options and IPython magics."""
    bodies = [re.sub(r"\A(?:---\n.*?\n---\n|(?::[^\n]*\n)+)", "", m[2], flags=re.DOTALL) for m in CELL.finditer(source)]
    return "\n".join(re.sub(r"^\s*[%!].*$", "", body, flags=re.MULTILINE) for body in bodies)


def data_used(source: str) -> list[str]:
    """Return what data the page's code asks the companion for, in reading order."""
    found: dict[str, None] = {}
    for node in ast.walk(ast.parse(code(source))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name == "load" and node.args and isinstance(node.args[0], ast.Constant):
                name = str(node.args[0].value)
            if name in DATA:
                found[DATA[name]] = None
    return list(found)


def minutes(source: str) -> int:
    """Return the reading time of the page's prose, rounded up to five minutes."""
    prose = CELL.sub("", source.partition("\n---\n")[2])
    return 5 * math.ceil(len(re.findall(r"[A-Za-z]{2,}", prose)) / WORDS_A_MINUTE / 5)


class ChapterDirective(SphinxDirective):
    """`{chapter}` with `:papers: key key`: the line that tells time, data and the papers behind the chapter."""

    option_spec = {"papers": str}  # noqa: RUF012 - docutils' interface

    def run(self) -> list[nodes.Node]:
        """Return one line block; every figure in it is computed."""
        source = Path(self.env.doc2path(self.env.docname)).read_text(encoding="utf-8")
        rows = [("Reads in", nodes.Text(f"about {minutes(source)} minutes")), ("Runs in", Runtime())]
        if used := data_used(source):
            rows.append(("Data", nodes.Text("; ".join(used))))
        line = nodes.container(classes=["bk-chapter"])
        for label, value in rows:
            line += nodes.paragraph("", "", nodes.strong(text=label), nodes.Text(" "), value)
        if keys := self.options.get("papers", "").split():
            cited = self.parse_text_to_nodes(", ".join(f"{{cite:t}}`{key}`" for key in keys))
            line += nodes.paragraph("", "", nodes.strong(text="Papers"), nodes.Text(" "), *cited[0].children)
        return [line]


class TimingsDirective(SphinxDirective):
    """`{timings}`: a table with the seconds of every page that runs code."""

    def run(self) -> list[nodes.Node]:
        """Return the placeholder; `fill` replaces it."""
        self.env.note_reread()
        return [Timings()]


def seconds(env: BuildEnvironment, docname: str) -> float | None:
    """Return what the page took to run, kernel start included; None for a page without code."""
    record = NbMetadataCollector.get_exec_data(env, docname)
    return record["runtime"] if record else None


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the measured seconds where the placeholders stand."""
    for place in list(doctree.findall(Runtime)):
        spent = seconds(app.env, docname)
        text = "not measured" if spent is None else f"{spent:.0f} s, by the clock on one core"
        place.replace_self(nodes.Text(text))
    for place in list(doctree.findall(Timings)):
        place.replace_self(_table(app))


def _table(app: Sphinx) -> nodes.table:
    pages = [page.relative_to(ROOT).with_suffix("").as_posix() for page in chapters()]
    rows = [(name, spent) for name in pages if (spent := seconds(app.env, name)) is not None]
    table = nodes.table(classes=["bk-timings"])
    group = nodes.tgroup(cols=2)
    table += group
    group += [nodes.colspec(colwidth=70), nodes.colspec(colwidth=30)]
    head, body = nodes.thead(), nodes.tbody()
    group += [head, body]
    head += _row("Page", "Seconds")
    for name, spent in rows:
        body += _row(app.env.titles[name].astext(), f"{spent:.1f}")
    body += _row("All pages", f"{sum(spent for _, spent in rows):.1f}")
    return table


def _row(*cells: str) -> nodes.row:
    row = nodes.row()
    for text in cells:
        row += nodes.entry("", nodes.paragraph(text=text))
    return row


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.add_directive("chapter", ChapterDirective)
    app.add_directive("timings", TimingsDirective)
    app.connect("doctree-resolved", fill)
