"""Shared fixtures: a seed before every test, a headless browser, JavaScript modules run in a blank page."""

import os
import random
import runpy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page, sync_playwright

from companion.widgets.base import BookWidget
from tests import figures

OFFLINE = Path(__file__).parent / "offline"
runpy.run_path(str(OFFLINE / "sitecustomize.py"))  # this process, and by PYTHONPATH all that it starts
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(OFFLINE), os.environ.get("PYTHONPATH")]))

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
QUIET = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync"]
# Each new window would draw the menu of its address bar, which nobody sees, as two pages of its own.
QUIET += ["--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,MediaRouter,OptimizationHints,PaintHolding"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a CUDA device, tests marked `gpu` are counted as skipped.

    Tests marked `browser` are left out of coverage: they look at JavaScript, and counting lines slows them.
    """
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture(autouse=True)
def _seed() -> None:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - libraries under test may still draw from it
    torch.manual_seed(0)


def chromium_path() -> str | None:
    """Return the browser named by $CHROMIUM or found on the path; None leaves it to Playwright's own."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium. That there is none is a failure, with the way out, and never a skip."""
    args = [*QUIET, "--no-sandbox"] if os.geteuid() == 0 else QUIET
    with sync_playwright() as playwright:
        path = chromium_path()
        if path is None and not Path(playwright.chromium.executable_path).exists():
            pytest.fail("no Chromium: install one, set CHROMIUM=/path/to/it, or run `playwright install chromium`")
        opened = playwright.chromium.launch(executable_path=path, args=args)
        yield opened
        opened.close()


@pytest.fixture
def blank_page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.goto("about:blank")
    yield page
    page.close()


@pytest.fixture(scope="module")
def script_page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.goto("about:blank")
    yield page
    page.close()


@pytest.fixture
def run_js(script_page: Page) -> Callable[..., Any]:
    """Return run(source, function, arg): import `source` as a module m, then return `function(m, arg)`.

    `function` is JavaScript such as "(m, arg) => m.forward(arg)"; arguments and results travel as JSON.
    The tests of a file share one page (each worker its own): modules leave nothing behind in it.
    """
    load = """async ([source, code, arg]) => {
      const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      return await eval(code)(await import(url), arg);
    }"""

    def run(source: str, function: str, arg: Any = None) -> Any:
        return script_page.evaluate(load, [source, f"({function})", arg])

    return run


@pytest.fixture
def open_widget(blank_page: Page) -> Callable[..., Page]:
    """Return open_widget(widget, *, width, dark, link, **state): the page with that figure (tests/figures.py)."""

    def draw(widget: BookWidget, **how: Any) -> Page:
        figures.show(blank_page, widget, **how)
        return blank_page

    return draw
