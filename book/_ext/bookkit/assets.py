"""Everything a page loads lies beside it; nothing is fetched from elsewhere.

MathJax and plotly.js come out of the installed Python packages. They are copied into a folder that is added when
Sphinx has read its configuration: Jupyter Book would put every script of an ordinary `_static` folder on every page.
"""

import json
import shutil
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

from bookkit import project
from companion import theme

STATIC = Path(__file__).parent / "static"
MATHJAX_PARTS = ("tex-chtml.js", "output/chtml/fonts/woff-v2", "input/tex/extensions")


def gather(target: Path) -> None:
    """Fill `target` with the files that pages load, replacing what is there."""
    shutil.rmtree(target, ignore_errors=True)
    vendor = target / "vendor"
    mathjax = Path(str(distribution("sphinx-mathjax-offline").locate_file("sphinx-mathjax-offline/static/mathjax")))
    for part in MATHJAX_PARTS:
        source, copy = mathjax / part, vendor / "mathjax" / part
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy)
        else:
            shutil.copy(source, copy)
    shutil.copy(str(files("plotly") / "package_data/plotly.min.js"), vendor)
    for script in STATIC.glob("*.js"):
        shutil.copy(script, vendor)
    for picture in STATIC.glob("*.svg"):
        shutil.copy(picture, target)
    (target / "book.css").write_text(theme.css() + (STATIC / "book.css").read_text(encoding="utf-8"), encoding="utf-8")
    (target / "scripts").mkdir()  # shadows the theme's 1.5 MB script; its icons come from the web font
    (target / "scripts" / "fontawesome.js").write_text("/* icons come from the style sheet */\n", encoding="utf-8")


def configure(app: Sphinx, config: Config) -> None:
    """Point Sphinx, MathJax and MyST-NB at the gathered files and at the cache of executed chapters."""
    target = Path(app.doctreedir).parent / "assets"
    gather(target)
    config.html_static_path.append(str(target))
    config.mathjax_path = "vendor/mathjax/tex-chtml.js"
    config.nb_ipywidgets_js = {"vendor/host.js": {"defer": "defer"}}
    config.nb_execution_cache_path = str(project.cache_folder())  # a new folder makes Sphinx read every page again


def drop_repeated_ids(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Unname the bodies of exercises and solutions: sphinx-exercise calls all of a page the same."""
    for body in doctree.findall(nodes.section):
        body["ids"] = [name for name in body["ids"] if name not in {"exercise-content", "solution-content"}]


def clean_scripts(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Drop the theme's scripts for live kernels, which point at another host and are written twice."""
    keep, bodies = [], set()
    for script in context["script_files"]:
        name, body = (
            str(getattr(script, "filename", script)),
            getattr(script, "attributes", {}).get("body") or "",
        )
        if "thebe" in name or "THEBE" in body or (body and body in bodies):
            continue
        bodies.add(body)
        keep.append(script)
    context["script_files"][:] = keep


def stamp(app: Sphinx) -> list[str]:
    """Return this package's sources as a configuration value: an edit here rebuilds the pages."""
    sources = sorted(p for p in Path(__file__).parent.rglob("*") if p.suffix in {".py", ".js", ".css"})
    return [json.dumps([p.name, p.stat().st_size, p.stat().st_mtime_ns]) for p in sources]


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.add_config_value("bookkit_sources", stamp(app), "env", types=(list,))
    app.connect("config-inited", configure, priority=400)
    app.connect("doctree-resolved", drop_repeated_ids)
    app.connect("html-page-context", clean_scripts, priority=900)
    app.add_css_file("book.css", priority=900)
    app.add_js_file("vendor/page.js", loading_method="defer")
