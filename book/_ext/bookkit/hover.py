"""Definitions of glossary terms where they are used: shown on hover and on focus by page.js."""

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def definitions(app: Sphinx, doctree: nodes.document) -> None:
    """Remember the first paragraph of every definition under its term's id."""
    found = {}
    for item in doctree.findall(nodes.definition_list_item):
        body = next(item.findall(nodes.paragraph), None)
        for term in item.findall(nodes.term):
            for name in term["ids"]:
                if name.startswith("term-") and body is not None:
                    found[name] = body.astext().replace("\n", " ")
    if found:
        app.env.bookkit_definitions = found


def attach(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Give every link to a term its definition."""
    known = getattr(app.env, "bookkit_definitions", {})
    for link in doctree.findall(nodes.reference):
        text = known.get(link.get("refid") or link.get("refuri", "").partition("#")[2])
        if text and not isinstance(link.parent, addnodes.toctree):
            link["classes"].append("bk-term")
            shown = nodes.inline("", text, classes=["bk-definition"])
            link.parent.insert(link.parent.index(link) + 1, shown)


def rewrite(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Have every page written again when a definition has changed."""
    known = getattr(env, "bookkit_definitions", {})
    if known == getattr(env, "bookkit_definitions_written", {}):
        return []
    env.bookkit_definitions_written = known
    return sorted(env.found_docs)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("doctree-read", definitions)
    app.connect("env-updated", rewrite)
    app.connect("doctree-resolved", attach)
