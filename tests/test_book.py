"""The sources of the book: chapters that are whole, notebooks that match them, tools that fail loudly."""

import itertools
import json
import re
import sys
from pathlib import Path

import nbformat
import pytest
from pybtex.database import parse_file
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from bookkit import chapter, execution, launch, notebooks, project  # noqa: E402 - found by the line above

PAGES = [page for page in project.chapters() if page.parent != ROOT / "book"]
TEXTS = {page.stem: page.read_text(encoding="utf-8") for page in PAGES}
every_chapter = pytest.mark.parametrize("name", TEXTS)


# --- chapters -------------------------------------------------------------------------------------


@every_chapter
def test_a_chapter_has_the_parts_that_readers_look_for(name):
    text = TEXTS[name]
    assert f"\n({name})=\n# " in text
    assert re.search(r"^```\{chapter\}\n:papers: \w+", text, re.MULTILINE)
    assert (
        len(re.findall(r"^# ", re.sub(r"^(`{3,}).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)) == 1
    )
    assert re.search(r"^## .*[Ss]ummary", text, re.MULTILINE)
    assert "\n**Further reading.** " in text
    assert "quiz(" in chapter.code(text)


@every_chapter
def test_a_chapter_has_three_to_six_exercises_each_with_a_solution_that_runs(name):
    text = TEXTS[name]
    exercises = re.findall(r"^`{3,}\{exercise\}[^\n]*\n:label: ([\w-]+)", text, re.MULTILINE)
    assert 3 <= len(exercises) <= 6
    for label in exercises:
        solution = re.search(
            rf"^`{{3,}}\{{solution-start\}} {label}$(.*?)^`{{3,}}\{{solution-end\}}", text, re.M | re.S
        )
        assert solution, f"{label} has no solution"
        assert "{code-cell}" in solution[1], f"the solution of {label} runs nothing"


@every_chapter
def test_every_equation_has_a_label(name):
    unlabelled = re.findall(r"^```\{math\}\n(?!:label:)", TEXTS[name], re.MULTILINE)
    assert not unlabelled
    assert "$$" not in re.sub(r"^(`{3,}).*?^\1", "", TEXTS[name], flags=re.MULTILINE | re.DOTALL)


@every_chapter
def test_a_chapter_asserts_what_it_claims(name):
    code = chapter.code(TEXTS[name])
    assert (
        len(re.findall(r"^\s*assert |assert_close\(|assert_allclose\(|assert_array_equal\(", code, re.MULTILINE)) >= 5
    )


@every_chapter
def test_drawings_have_text_alternatives_and_no_cell_needs_a_file_or_the_network(name):
    code = chapter.code(TEXTS[name])
    assert "plt.show(" not in code
    assert len(re.findall(r"\bshow\(", code)) == len(
        re.findall(r"\bshow\([^)]*?\balt=|\bshow\((?:[^()]|\([^()]*\))*?\balt=", code)
    )
    code = re.sub(r"#.*", "", code)  # what a reader may switch on
    for word in ("open(", "requests", "urllib", "download=True", "np.load(", "torch.load("):
        assert word not in code, word


def test_all_citations_are_in_the_bibliography_and_all_its_entries_are_cited():
    cited = set()
    for page in [*PAGES, *(ROOT / "book").glob("*.md")]:
        text = page.read_text(encoding="utf-8")
        for keys in re.findall(r"\{cite:[a-z]+\}`([^`]+)`", text) + re.findall(r"^:papers: (.+)$", text, re.MULTILINE):
            cited.update(re.split(r"[,\s]+", keys.strip()))
    facts = [ROOT / "companion" / "data" / f"{name}.json" for name in ("milestones", "ilsvrc", "architectures")]
    records = [json.loads(path.read_text(encoding="utf-8")) for path in facts]
    sources = set(re.findall(r'"source": "(\w+)"', json.dumps(records)))
    known = set(parse_file(str(ROOT / "book" / "references.bib")).entries)
    assert cited | sources <= known
    assert known <= cited | sources


def test_terms_used_are_defined_once():
    defined = re.findall(
        r"^([A-Za-zÀ-ÿ0-9 ,'’()–-]+)\n {2,}\S", (ROOT / "book" / "glossary.md").read_text(), re.MULTILINE
    )
    assert len(set(defined)) == len(defined)
    used = {
        re.sub(r".*<(.*)>", r"\1", term) for text in TEXTS.values() for term in re.findall(r"\{term\}`([^`]+)`", text)
    }
    assert {term.lower() for term in used} <= {term.lower() for term in defined}


# --- notebooks ------------------------------------------------------------------------------------


def test_notebooks_are_byte_for_byte_what_the_book_generates():
    wanted = notebooks.generate()
    assert {p: p.read_bytes() for p in notebooks.NOTEBOOKS.rglob("*.ipynb")} == {
        path: text.encode() for path, text in wanted.items()
    }
    assert notebooks.generate() == wanted


@every_chapter
def test_a_notebook_has_the_chapter_s_code_and_no_markup_of_sphinx(name):
    [path] = notebooks.NOTEBOOKS.rglob(f"{name}.ipynb")
    book = nbformat.read(path, as_version=4)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    prose = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    assert len(code) == 1 + len(re.findall(r"^```\{code-cell\}", TEXTS[name], re.MULTILINE))
    assert not any(cell.outputs for cell in code)
    assert re.match(rf"# {list(TEXTS).index(name) + 1}\. \w", book.cells[0].source)
    assert "find_spec" in book.cells[1].source
    assert not re.findall(r"\{[a-z:]+\}`|^[`:]{3,}\{|^\([\w-]+\)=$", prose, re.MULTILINE)


@pytest.fixture
def rewriter(tmp_path):
    page = notebooks.Page(
        notebooks.BOOK / "part" / "here.md", 2, "Here", {"eq-a": "2.1", "ex-a": "2.1"}, {"here": "Here"}
    )
    other = notebooks.Page(notebooks.BOOK / "part" / "there.md", 3, "There", {"eq-b": "3.4"}, {"there": "There"})
    bib = tmp_path / "references.bib"
    bib.write_text(
        "@article{one, author={Rosenblatt, Frank}, title={T}, journal={J}, year={1958}, doi={10.1/x}}"
        "@article{two, author={McCulloch, Warren S. and Pitts, Walter}, title={T}, journal={J}, year={1943}}"
        "@article{many, author={A, A and B, B and C, C}, title={T}, year={1986}}"
    )
    return notebooks.Rewriter(page, [page, other], parse_file(str(bib)))


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("{cite:t}`one`", "[Rosenblatt (1958)](https://doi.org/10.1/x)"),
        ("{cite:p}`two,many`", "(McCulloch and Pitts, 1943; A et al., 1986)"),
        ("{eq}`eq-a` and {eq}`eq-b`", "(2.1) and [(3.4)](../part/there.ipynb)"),
        (
            "{ref}`there` {ref}`text <there>` {ref}`here` {ref}`text <here>`",
            "[There](../part/there.ipynb) [text](../part/there.ipynb) *Here* text",
        ),
        ("{ref}`ex-a`", "Exercise 2.1"),
        ("{term}`margins <margin>`", "margins"),
        ("{glue:text}`accuracy:.3f`", "**`accuracy`**"),
        ("(label)=\n# Title", "# Title"),
        ("```{math}\n:label: eq-a\n\ny = x\n```", "$$\ny = x\n\\tag{2.1}\n$$"),
        ("```{note}\nA {eq}`eq-a`.\n\nB.\n```", "> **Note.** A (2.1).\n>\n> B."),
        ("```{admonition} In fact…\nA.\n```", "> **In fact…** A."),
        ("````{exercise} Try\n:label: ex-a\n1. Do.\n````", "### Exercise 2.1 (Try)\n\n1. Do."),
        ("````{solution-start} ex-a\n:class: dropdown\n````", "#### Solution to exercise 2.1"),
        ("```python\n{eq}`eq-a`\n```", "```python\n{eq}`eq-a`\n```"),
    ],
)
def test_markup_becomes_plain_markdown(rewriter, source, plain):
    assert rewriter.markdown(source) == plain


def test_the_line_under_a_title_tells_what_can_be_known_without_a_run(rewriter, tmp_path):
    rewriter.page.path = tmp_path / "here.md"
    rewriter.page.path.write_text("---\n---\n" + "word " * 1000 + "{glue:text}`share:.1f`")
    line, note = rewriter.markdown("```{chapter}\n:papers: one two\n```").split("\n\n")
    papers = "[Rosenblatt (1958)](https://doi.org/10.1/x), McCulloch and Pitts (1943)"
    assert line == f"**Reads in** about 10 minutes. **Papers** {papers}."
    assert "**`share`**" in note  # what stands in the text for a number is explained


def test_works_without_an_address_can_be_found_in_the_references(rewriter):
    rewriter.markdown("{cite:p}`two` and {cite:t}`one`")
    assert rewriter.references().split("\n") == [
        "## References",
        "",
        "- Warren S. McCulloch and Walter Pitts. T. *J*, 1943.",
        "- Frank Rosenblatt. T. *J*, 1958. [doi:10.1/x](https://doi.org/10.1/x).",
    ]


def test_comments_in_code_name_equations_by_number(rewriter):
    assert rewriter.code("z = x  # eq-a, eq-b") == "z = x  # (2.1), (3.4)"
    with pytest.raises(ValueError, match="'eq-none'"):
        rewriter.code("z = x  # eq-none")


def test_a_page_too_names_equations_by_number_in_code(tmp_path):
    (tmp_path / "index.md").write_text("# Index\n\n```{toctree}\n:numbered:\none\ntwo\n```\n")
    (tmp_path / "one.md").write_text("# One\n\n```{math}\n:label: eq-a-b\nx\n```\n")
    block = "```{code-block} python\nz = x  # eq-c, eq-a-b\n```"
    (tmp_path / "two.md").write_text(f"# Two\n\n```{{math}}\n:label: eq-c\nx\n```\n\n{block}\n")
    settings = {"extensions": ["myst_parser", "bookkit.equations"], "numfig": True, "html_theme": "basic"}
    out = tmp_path / "out"
    Sphinx(tmp_path, None, out, tmp_path / "trees", "html", confoverrides=settings, status=None).build()
    page = (out / "two.html").read_text()
    assert "# (2.1), (1.1)</span>" in page
    assert "eq-" not in re.sub(r"<[^>]*>", "", page)


@every_chapter
def test_a_notebook_folds_what_the_page_folds(name):
    [path] = notebooks.NOTEBOOKS.rglob(f"{name}.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    for cell in cells:
        hidden = "hide-input" in cell.metadata.get("tags", [])
        assert cell.metadata.get("jupyter", {}).get("source_hidden", False) is hidden
        assert not re.search(r"\beq-[a-z]", cell.source)
    heads = [cell for cell in cells if re.match(r"#{2,4} ", cell.source)]
    for head, following in itertools.pairwise(heads):
        if head.metadata.get("jp-MarkdownHeadingCollapsed"):
            assert re.fullmatch(r"#### Solution to exercise \d+\.\d+", head.source)
            assert re.match(r"## |### Exercise ", following.source)  # ends the fold
    folded = [head for head in heads if head.metadata.get("jp-MarkdownHeadingCollapsed")]
    assert len(folded) == TEXTS[name].count("{solution-start}") > 0


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("```{mystery}\n```", "{mystery}"),
        ("{mystery}`x`", "{mystery}"),
        ("{eq}`eq-none`", "'eq-none'"),
        ("{ref}`none`", "'none'"),
        ("{cite:t}`none`", "'none'"),
        ("```{note}\nnever closed", "never closed"),
    ],
)
def test_markup_without_a_rule_is_an_error(rewriter, source, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        rewriter.markdown(source)


def test_the_setup_cell_installs_from_the_declared_address_only(monkeypatch):
    monkeypatch.setattr(notebooks, "declared_address", lambda: "https://github.com/owner/name")
    assert '%pip install --quiet "companion @ git+https://github.com/owner/name"' in notebooks.setup_cell()
    monkeypatch.setattr(notebooks, "declared_address", lambda: None)
    assert "pip install -e ." in notebooks.setup_cell()


# --- execution ------------------------------------------------------------------------------------

CHAPTER = """---
jupytext:
  text_representation: {{extension: .md, format_name: myst}}
kernelspec: {{display_name: Python 3, language: python, name: python3}}
---

# A page

```{{code-cell}} ipython3
{code}
```
"""


@pytest.fixture
def small_book(tmp_path, monkeypatch):
    (tmp_path / "book").mkdir()
    (tmp_path / "companion").mkdir()
    (tmp_path / "companion" / "a.py").write_text("x = 1")
    (tmp_path / "_toc.yml").write_text("root: book/one\nparts:\n  - chapters:\n      - file: book/two\n")
    for name in ("one", "two"):
        (tmp_path / "book" / f"{name}.md").write_text(CHAPTER.format(code=f"print('{name}')"))
    for module in (project, execution):
        monkeypatch.setattr(module, "ROOT", tmp_path)
        monkeypatch.setattr(module, "CACHE", tmp_path / "_build" / "executed")
    return tmp_path


def test_only_what_changed_runs_again(small_book, capsys):
    assert execution.main(2) == 0
    assert capsys.readouterr().out.count(" s ") >= 2
    assert execution.main(2) == 0
    assert "2 of 2 pages with code are up to date" in capsys.readouterr().out
    (small_book / "book" / "two.md").write_text(CHAPTER.format(code="print('changed')"))
    assert execution.main(2) == 0
    out = capsys.readouterr().out
    assert "1 of 2 pages" in out
    assert " two" in out
    (small_book / "companion" / "a.py").write_text("x = 2")  # a cache keyed on the chapters alone would miss this
    assert execution.main(2) == 0
    assert "0 of 2 pages" in capsys.readouterr().out


def test_a_failing_cell_fails_the_run_with_its_traceback(small_book, capsys):
    (small_book / "book" / "two.md").write_text(CHAPTER.format(code="1 / 0"))
    assert execution.main(2) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert execution.main(2) == 1  # a failure is not stored


def test_a_missing_kernel_is_named(small_book, capsys, monkeypatch):
    monkeypatch.setattr(execution.KernelSpecManager, "find_kernel_specs", lambda self: {})
    assert execution.main(2) == 1
    assert "install ipykernel" in capsys.readouterr().err


def test_the_fingerprint_follows_files_and_installed_versions(small_book, monkeypatch):
    before = project.fingerprint()
    assert project.fingerprint() == before
    (small_book / "companion" / "new.js").write_text("")
    changed = project.fingerprint()
    assert changed != before
    monkeypatch.setattr(project, "distributions", lambda: [])
    assert project.fingerprint() != changed


# --- the address of the project -------------------------------------------------------------------


def declare(folder, text):
    (folder / "pyproject.toml").write_text(f"[project.urls]\n{text}\n")


def test_the_address_comes_from_the_environment_then_the_metadata(small_book, monkeypatch):
    monkeypatch.delenv("BOOK_REPOSITORY", raising=False)
    monkeypatch.setattr(project, "_remote", lambda: None)
    declare(small_book, "")
    assert project.address() is None
    declare(small_book, 'Repository = "https://github.com/owner/name.git"')
    assert project.address() == "https://github.com/owner/name"
    monkeypatch.setenv("BOOK_REPOSITORY", "https://github.com/other/name")
    assert project.address() == "https://github.com/other/name"


def test_an_address_that_colab_cannot_open_is_refused_or_left_out(small_book, monkeypatch):
    monkeypatch.delenv("BOOK_REPOSITORY", raising=False)
    declare(small_book, 'Repository = "https://example.org/x"')
    with pytest.raises(ValueError, match=r"got 'https://example.org/x'"):
        project.declared_address()
    declare(small_book, "")
    monkeypatch.setattr(project, "_remote", lambda: "/srv/copies/name")
    assert project.address() is None


def test_launch_buttons_open_notebooks():
    button = {"url": "https://colab.research.google.com/github/o/n/blob/main/book/foundations/perceptron.md"}
    context = {"header_buttons": [{"label": "launch-buttons", "buttons": [button]}, {"label": "other"}]}
    launch.retarget(None, "book/foundations/perceptron", "", context, None)
    assert button["url"].endswith("/blob/main/notebooks/foundations/perceptron.ipynb")
    assert (ROOT / "notebooks/foundations/perceptron.ipynb").exists()


# --- the computed line under a title --------------------------------------------------------------


def test_the_data_of_a_chapter_are_found_in_its_code():
    text = CHAPTER.format(code='images, labels = data.load("digits", split="train")\nX, y = xor(10)\n%pip list')
    assert chapter.data_used(text) == ["8×8 handwritten digits (scikit-learn)", "seeded points in the plane"]


def test_options_of_a_cell_are_not_code():
    cell = "```{code-cell} ipython3\n---\ntags: [hide-input]\n---\na = 1\n```\n\n"
    cell += "```{code-cell} ipython3\n:tags: [x]\nb = 2\n```\n"
    assert chapter.code(cell).split() == ["a", "=", "1", "b", "=", "2"]


def test_reading_time_grows_with_the_prose_and_not_with_the_code():
    short, long = CHAPTER.format(code="a = 1"), CHAPTER.format(code="a = 1") + "word " * 3000
    assert chapter.minutes(long) > chapter.minutes(short) == chapter.minutes(CHAPTER.format(code="a = 1\n" * 3000))
