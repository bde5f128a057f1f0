"""A built page in headless Chromium: opened from disk, every request that leaves the disk refused and written down."""

import gzip
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request

HTML = Path(__file__).parents[2] / "_build" / "html"
PAGES = sorted(p.relative_to(HTML).as_posix() for p in HTML.glob("book/**/*.html"))
READY = """async () => {
  if (document.querySelector('script[type="application/vnd.jupyter.widget-state+json"]'))
    while (document.documentElement.dataset.widgets !== "ready") await new Promise((go) => setTimeout(go, 20));
  await window.MathJax?.startup?.promise;
  await document.fonts.ready;
}"""


@dataclass
class Visit:
    """An open page and what happened while it loaded."""

    page: Page
    outside: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    def bytes_sent(self) -> int:
        """What a server that compresses text would have sent for all files but plotly's."""
        files = [p for p in dict.fromkeys(self.files) if "plotly" not in p.name]
        packed = {".woff2", ".png"}
        return sum(p.stat().st_size if p.suffix in packed else len(gzip.compress(p.read_bytes())) for p in files)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session", autouse=True)
def _built() -> None:
    if not PAGES:
        pytest.fail("there is no built book: run `make book` first")


def open_page(
    browser: Browser, name: str, *, width: int = 1280, theme: str = "light", fragment: str = "", math: bool = True
) -> Visit:
    """Open a built page and wait until its figures run and its equations are drawn; `math=False` leaves these out."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)  # type: ignore[arg-type]
    context.set_default_timeout(20_000)
    seen = Visit(context.new_page())

    def note(call: Request) -> None:
        if call.url.startswith("file:"):
            seen.files.append(Path(unquote(urlsplit(call.url).path)))
        elif not call.url.startswith(("data:", "blob:")):
            seen.outside.append(call.url)

    seen.page.route(re.compile("^(?!file:|data:|blob:)"), lambda call: call.abort())
    if not math:
        seen.page.route("**/tex-chtml.js*", lambda call: call.fulfill(body="", content_type="text/javascript"))
    seen.page.on("request", note)
    seen.page.on("console", lambda m: seen.problems.append(m.text) if m.type == "error" else None)
    seen.page.on("pageerror", lambda e: seen.problems.append(str(e)))
    seen.page.on("requestfailed", lambda r: seen.problems.append(f"failed: {r.url}"))
    seen.page.goto(f"{(HTML / name).as_uri()}{fragment}")
    seen.page.evaluate(READY)
    return seen


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Return visit(name, **how): a page of the test's own, as `open_page` opens it."""
    opened: list[Visit] = []

    def fresh(name: str, **how: Any) -> Visit:
        opened.append(open_page(browser, name, **how))
        return opened[-1]

    yield fresh
    for seen in opened:
        seen.page.context.close()


@pytest.fixture(scope="session")
def look_at(browser: Browser) -> Iterator[Callable[[str], Visit]]:
    """Return look_at(name): a page shared by the tests that only look at it, open until another is asked for."""
    latest: dict[str, Visit] = {}

    def shared(name: str) -> Visit:
        if name not in latest:
            close()
            latest[name] = open_page(browser, name)
        return latest[name]

    def close() -> None:
        while latest:
            latest.popitem()[1].page.context.close()

    yield shared
    close()
