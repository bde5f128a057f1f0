"""Write notebooks/ from book/: `python -m bookkit.notebooks [--check]`.

The same pages give the same bytes every time: cell ids come from the cells' content. What only Sphinx understands is
rewritten to plain Markdown, so that the notebooks read well in Jupyter and Colab: citations become names and years
with links, and a list of references at the end; references become links between notebooks; equations keep the book's
numbers; what the page folds away (solutions, the code of figures and quizzes) is folded away.
"""

import argparse
import hashlib
import re
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import jupytext
import nbformat
from pybtex.backends.markdown import Backend
from pybtex.database import BibliographyData, Entry, parse_file
from pybtex.richtext import Text
from pybtex.style.formatting.plain import Style

from bookkit.chapter import data_used, minutes
from bookkit.equations import numbered
from bookkit.project import ROOT, chapters, declared_address

BOOK, NOTEBOOKS = ROOT / "book", ROOT / "notebooks"
FENCE = re.compile(r"^(?P<marks>`{3,}|:{3,})\{(?P<name>[\w:.-]+)\} *(?P<title>.*)$")
ROLE = re.compile(r"\{(?P<name>[a-z]+(?::[a-z]+)?)\}`(?P<text>[^`]+)`")
NOTES = {
    "note",
    "tip",
    "warning",
    "important",
    "seealso",
    "caution",
    "hint",
    "admonition",
    "margin",
    "dropdown",
}
SOLUTION = "#### Solution to exercise "
FOLDED = {"jupyter": {"source_hidden": True}, "cellView": "form"}  # the code: in JupyterLab, in Colab
FOLDED_BELOW = {"jp-MarkdownHeadingCollapsed": True}  # all that follows a heading: in JupyterLab
DROPPED = {"timings", "solution-end", "bibliography", "tableofcontents"}


@dataclass
class Page:
    """What other pages may refer to: title, chapter number, and the numbers of its labelled things."""

    path: Path
    number: int
    title: str = ""
    numbers: dict[str, str] = field(default_factory=dict)
    headings: dict[str, str] = field(default_factory=dict)


def survey(path: Path, number: int) -> Page:
    """Read a page's title and labels, numbered as Sphinx numbers them: per kind, within the chapter."""
    page, counts = Page(path, number), Counter[str]()
    text = path.read_text(encoding="utf-8")
    page.title = re.search(r"^# (.+)$", text, re.MULTILINE)[1]  # type: ignore[index] - every page has a title
    for label, heading in re.findall(r"^\(([\w-]+)\)=\n+#+ (.+)$", text, re.MULTILINE):
        page.headings[label] = heading
    directive = r"[`:]{3,}\{(math|exercise|figure)\}[^\n]*\n(?::\w+:[^\n]*\n)*?:(?:label|name): *"
    for kind, label in re.findall(rf"^(?:{directive}|    name: *)([\w-]+)", text, re.MULTILINE):
        counts[kind or "figure"] += 1
        page.numbers[label] = f"{number}.{counts[kind or 'figure']}"
    return page


class Rewriter:
    """Turns one page's MyST into plain Markdown, knowing all pages and the bibliography."""

    def __init__(self, page: Page, pages: list[Page], bibliography: BibliographyData) -> None:
        self.page, self.pages, self.bibliography = page, pages, bibliography
        self.cited: set[str] = set()

    def markdown(self, text: str) -> str:
        """Return the text with directives and roles rewritten.

        Raises:
            ValueError: at a directive, role, label or citation that is not known.
        """
        lines, out = text.split("\n"), list[str]()
        while lines:
            line = lines.pop(0)
            fence = FENCE.match(line)
            if fence:
                out += self._directive(fence, _until(lines, fence["marks"])).split("\n")
            elif re.match(r"^`{3,}", line):
                marks = re.match(r"^`+", line)[0]  # type: ignore[index] - just matched
                out += [line, *_until(lines, marks), marks]
            elif not re.fullmatch(r"\([\w-]+\)=", line):
                out.append(self._line(line))
        return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip()

    def code(self, source: str) -> str:
        """Return the code of a cell with the numbers of equations for their labels."""
        return numbered(source, self._number)

    def references(self) -> str:
        """Return a list of all works that have been cited so far."""
        style, backend = Style(), Backend()
        entries = style.format_entries(style.sort([self.bibliography.entries[key] for key in self.cited]))
        texts = [entry.text.render(backend).replace("\n", " ") for entry in entries]
        plain = [re.sub(r"\\([^*_`\[\]])", r"\1", text) for text in texts]  # the backend escapes every full stop
        return "## References\n\n" + "\n".join(f"- {text}" for text in plain)

    def _line(self, line: str) -> str:
        return ROLE.sub(self._role, line)

    def _directive(self, fence: re.Match[str], body: list[str]) -> str:
        name, title = fence["name"], self._line(fence["title"])
        options = dict[str, str]()
        while body and (option := re.match(r"^:([\w-]+): *(.*)$", body[0])):
            options[option[1]] = option[2]
            body.pop(0)
        if name in DROPPED:
            return ""
        if name == "chapter":
            return self._chapter(options.get("papers", "").split())
        if name == "math":
            tag = f" \\tag{{{self._number(options['label'])}}}" if "label" in options else ""
            return "\n".join(["$$", *(line for line in body if line), *([tag.strip()] if tag else []), "$$"])
        if name == "exercise":
            number = self._number(options["label"])
            return f"### Exercise {number}{f' ({title})' if title else ''}\n\n{self.markdown(chr(10).join(body))}"
        if name == "solution-start":
            return f"{SOLUTION}{self._number(title)}\n"
        if name in NOTES:
            head = title or name.capitalize()
            stop = "" if head[-1] in ".?!…" else "."
            content = f"**{head}{stop}** {self.markdown(chr(10).join(body))}"
            return "\n".join(f"> {line}".rstrip() for line in content.split("\n"))
        raise ValueError(f"{self.page.path.name}: no rule for the directive {{{name}}} in notebooks")

    def _chapter(self, papers: list[str]) -> str:
        source = self.page.path.read_text(encoding="utf-8")
        facts = [f"**Reads in** about {minutes(source)} minutes."]
        if used := data_used(source):
            facts.append(f"**Data** {'; '.join(used)}.")
        if papers:
            facts.append(f"**Papers** {', '.join(self._cite(key, '{} ({})') for key in papers)}.")
        text = " ".join(facts)
        if name := re.search(r"\{glue:text\}`(\w+)", source):
            text += (
                f"\n\nWhere the text has a name in bold code, such as **`{name[1]}`**, read a number: "
                "a code cell near it computes the number and prints it under that name."
            )
        return text

    def _role(self, match: re.Match[str]) -> str:
        name, text = match["name"], match["text"]
        explicit = re.fullmatch(r"(.*?) *<([^>]+)>", text, re.DOTALL)
        shown, target = (explicit[1], explicit[2]) if explicit else (None, text)
        rules: dict[str, Callable[[], str]] = {
            "cite:t": lambda: ", ".join(self._cite(key.strip(), "{} ({})") for key in target.split(",")),
            "cite:p": lambda: "(" + "; ".join(self._cite(key.strip(), "{}, {}") for key in target.split(",")) + ")",
            "eq": lambda: self._numbered("({})", target),
            "numref": lambda: self._numbered("Figure {}", target),
            "ref": lambda: self._link(target, shown),
            "doc": lambda: self._link(Path(target).name, shown),
            "term": lambda: shown or target,
            "glue:text": lambda: f"**`{target.split(':')[0]}`**",
            "math": lambda: f"${target}$",
        }
        if name not in rules:
            raise ValueError(f"{self.page.path.name}: no rule for the role {{{name}}} in notebooks")
        return rules[name]()

    def _number(self, label: str) -> str:
        return self._page_of(label).numbers[label]

    def _numbered(self, form: str, label: str) -> str:
        page = self._page_of(label)
        return self._at(page, form.format(page.numbers[label]))

    def _link(self, label: str, shown: str | None) -> str:
        page = self._page_of(label)
        if label in page.numbers:
            return self._at(page, shown or f"Exercise {page.numbers[label]}")
        elsewhere = page is not self.page and page.number  # a link within a notebook would lead nowhere in Colab
        return self._at(page, shown or (page.headings[label] if elsewhere else f"*{page.headings[label]}*"))

    def _page_of(self, label: str) -> Page:
        for page in [self.page, *self.pages]:
            if label in page.numbers or label in page.headings:
                return page
        raise ValueError(f"{self.page.path.name}: nothing is labelled {label!r}")

    def _at(self, page: Page, text: str) -> str:
        """Return the text as a link to a chapter's notebook, if it is another chapter's."""
        if page is self.page or page.number == 0:
            return text
        up = "../" * (len(self.page.path.relative_to(BOOK).parts) - 1)
        return f"[{text}]({up}{page.path.relative_to(BOOK).with_suffix('.ipynb').as_posix()})"

    def _cite(self, key: str, form: str) -> str:
        if key not in self.bibliography.entries:
            raise ValueError(f"{self.page.path.name}: {key!r} is not in references.bib")
        self.cited.add(key)
        entry = self.bibliography.entries[key]
        name = form.format(_authors(entry), entry.fields.get("year", "n.d."))
        doi, url, eprint = (entry.fields.get(field) for field in ("doi", "url", "eprint"))
        address = f"https://doi.org/{doi}" if doi else url or (eprint and f"https://arxiv.org/abs/{eprint}")
        return f"[{name}]({address})" if address else name


def _authors(entry: Entry) -> str:
    people = entry.persons.get("author") or entry.persons.get("editor") or []
    names = [str(Text.from_latex(" ".join([*p.prelast_names, *p.last_names]))) for p in people]
    if not names:
        return str(Text.from_latex(entry.fields.get("organization", entry.fields.get("title", ""))))
    return names[0] if len(names) == 1 else " and ".join(names) if len(names) == 2 else f"{names[0]} et al."


def _until(lines: list[str], marks: str) -> list[str]:
    """Take lines up to the fence that closes `marks`."""
    body = list[str]()
    while lines:
        line = lines.pop(0)
        if line.strip() and set(line.strip()) == {marks[0]} and len(line.strip()) >= len(marks):
            return body
        body.append(line)
    raise ValueError(f"the fence {marks} is never closed")


def setup_cell() -> str:
    """Return the code that installs the companion where it is missing, as on a fresh Colab machine."""
    address = declared_address()
    if address:
        purpose = "On a fresh machine (Colab): install the book's package."
        action = f'%pip install --quiet "companion @ git+{address}"'
    else:
        purpose = "The notebooks need the book's package."
        action = 'raise ModuleNotFoundError("companion is missing: run `pip install -e .` in the project\'s folder")'
    return (
        f"# {purpose} Where it is there already, nothing happens.\n"
        f'import importlib.util\n\nif importlib.util.find_spec("companion") is None:\n    {action}'
    )


def notebook(page: Page, pages: list[Page], bibliography: BibliographyData) -> str:
    """Return the page as the text of a notebook without outputs."""
    rewriter = Rewriter(page, pages, bibliography)
    source = jupytext.read(page.path)
    cells = [nbformat.v4.new_code_cell(setup_cell())]
    for cell in source.cells:
        if cell.cell_type == "markdown":
            cells += _prose(rewriter.markdown(cell.source))
            continue
        tags = cell.metadata.get("tags", [])
        metadata = {"tags": tags, **(FOLDED if "hide-input" in tags else {})} if tags else {}
        cells.append(nbformat.v4.new_code_cell(rewriter.code(cell.source), metadata=metadata))
        if figure := cell.metadata.get("mystnb", {}).get("figure"):
            caption = rewriter.markdown(figure["caption"])
            cells.append(nbformat.v4.new_markdown_cell(f"*Figure {page.numbers[figure['name']]}. {caption}*"))
    cells[1].source = cells[1].source.replace("# ", f"# {page.number}. ", 1)  # as equations are numbered
    if rewriter.cited:
        cells.append(nbformat.v4.new_markdown_cell(rewriter.references()))
    if cells[1].cell_type == "markdown":  # the title first
        cells[0], cells[1] = cells[1], cells[0]
    seen = Counter[str]()
    for cell in cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] += 1
        cell["id"] = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    metadata = {
        "execution": {"timeout": 120},
        "kernelspec": source.metadata["kernelspec"],
        "language_info": {"name": "python"},
    }
    made = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    nbformat.validate(made)
    return nbformat.writes(made) + "\n"


def _prose(text: str) -> list[nbformat.NotebookNode]:
    """Return the cells of a text: headings begin a cell, and that of a solution is one by itself and folds the rest."""
    cells = []
    for piece in re.split(rf"^(?=## |### Exercise )|^({SOLUTION}.*)$", text, flags=re.MULTILINE):
        if piece and piece.strip():
            metadata = FOLDED_BELOW if piece.startswith(SOLUTION) else {}
            cells.append(nbformat.v4.new_markdown_cell(piece.strip(), metadata=metadata))
    return cells


def generate() -> dict[Path, str]:
    """Return the path and text of every notebook that belongs to the present book."""
    paths = [path for path in chapters() if path.parent != BOOK]
    pages = [survey(path, number) for number, path in enumerate(paths, start=1)]
    others = [survey(path, 0) for path in sorted(BOOK.glob("*.md"))]
    bibliography = parse_file(str(BOOK / "references.bib"))
    return {
        NOTEBOOKS / page.path.relative_to(BOOK).with_suffix(".ipynb"): notebook(page, [*pages, *others], bibliography)
        for page in pages
    }


def main(check: bool) -> int:
    """Write what differs and remove what no page makes; with `check` only say so, and return 1 if there is any."""
    wanted = generate()
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    orphans = [
        path for path in NOTEBOOKS.rglob("*.ipynb") if path not in wanted and ".ipynb_checkpoints" not in path.parts
    ]
    for path in [*stale, *orphans]:
        print(f"{'out of date' if check else 'written' if path in wanted else 'removed'}: {path.relative_to(ROOT)}")
    if check:
        return 1 if stale or orphans else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8", newline="\n")
    for path in orphans:
        path.unlink()
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a notebook is out of date")
    sys.exit(main(parser.parse_args().check))
