"""Buttons that open a chapter's notebook in Colab or Binder; drawn only where the project's address is known."""

from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from bookkit import project


def configure(app: Sphinx, config: Config) -> None:
    """Hand the address to the theme, which draws the buttons."""
    if address := project.address():
        config.html_theme_options = {
            **config.html_theme_options,
            "repository_url": address,
            "repository_branch": "main",
            "use_repository_button": True,
            "use_issues_button": True,
            "use_source_button": True,
            "launch_buttons": {
                "colab_url": "https://colab.research.google.com",
                "binderhub_url": "https://mybinder.org",
                "notebook_interface": "jupyterlab",
            },
        }


def retarget(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Point the buttons of book/PART/NAME.md at notebooks/PART/NAME.ipynb: Colab opens no Markdown."""
    notebook = pagename.replace("book/", "notebooks/", 1) + ".ipynb"
    for group in context.get("header_buttons", []):
        if group.get("label") == "launch-buttons":
            for button in group["buttons"]:
                button["url"] = button["url"].replace(f"{pagename}.md", notebook)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx; the theme adds its buttons at priority 500."""
    app.connect("config-inited", configure, priority=400)
    app.connect("html-page-context", retarget, priority=900)
