"""Every built page, as a reader has it: from disk, with no network, on a desk and on a phone, light and dark."""

import re
from pathlib import Path

import axe_playwright_python
import pytest

from tests.pages.conftest import HTML, PAGES

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
ALL = [*PAGES, "search.html", "genindex.html"]
SIZES = {"desk": 1280, "phone": 390}
# axe asks of every element what lies behind it, so a page of code takes a minute: thousands of coloured words and parts
# of equations, all alike. One of each kind stays, of words one that axe does not find too short to judge. Words in a
# static drawing go: axe asks all the same and then says that it cannot judge them.
THIN = """() => {
  const seen = new Set(), again = (what) => seen.has(what) || !seen.add(what);
  for (const word of document.querySelectorAll(".highlight span"))
    if (word.textContent.trim().length < 2 || again(word.className)) word.replaceWith(...word.childNodes);
  for (const math of document.querySelectorAll("mjx-container"))
    if (again(`math ${math.getAttribute("display")} ${math.parentElement.tagName}`)) math.remove();
  for (const text of document.querySelectorAll(".bk-static text")) text.remove();
}"""
EVERY_RULE = {}
RULES_ON_COLOUR = {"runOnly": ["color-contrast", "link-in-text-block"]}
FOLDS = "document.querySelectorAll('details').forEach((d) => { d.open = true; })"

pages = pytest.mark.parametrize("name", ALL, scope="module")  # so all tests of one page follow each other


@pages
def test_a_page_needs_nothing_from_elsewhere_and_reports_no_error(look_at, name):
    seen = look_at(name)
    assert seen.outside == []
    assert seen.problems == []


@pages
def test_all_math_is_drawn(look_at, name):
    page = look_at(name).page
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    assert page.locator(".math.notranslate:not(:has(mjx-container))").all_inner_texts() == []


@pages
def test_every_widget_starts(look_at, name):
    page = look_at(name).page
    wanted = page.locator('script[type="application/vnd.jupyter.widget-view+json"]').count()
    assert page.locator(".bk-figure[data-key]").count() == wanted
    keys = page.locator(".bk-figure").evaluate_all("(els) => els.map((el) => el.dataset.key)")
    assert len(set(keys)) == len(keys), "two figures of one page share a key"


@pages
def test_no_two_elements_share_an_id(look_at, name):
    ids = look_at(name).page.locator("[id]").evaluate_all("(els) => els.map((el) => el.id)")
    assert sorted({i for i in ids if ids.count(i) > 1}) == []


@pytest.mark.parametrize("size", SIZES)
@pages
def test_a_page_is_accessible_and_fits_its_window(visit, name, size):
    """In both themes: the desk opens the page in light and turns it dark, the phone the other way round.

    So each theme has every rule at one of the two sizes, on the page as it was opened, and those on colour at both.
    """
    first, second = ("light", "dark") if size == "desk" else ("dark", "light")
    page = visit(name, width=SIZES[size], theme=first).page
    assert page.evaluate("document.documentElement.dataset.theme") == first
    page.add_style_tag(content="* { animation: none !important; transition: none !important; }")  # colours at rest
    page.evaluate(FOLDS)
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size], "the page scrolls sideways"
    page.evaluate(THIN)
    page.evaluate(AXE)
    assert violations(page, EVERY_RULE) == []
    page.emulate_media(color_scheme=second)
    page.wait_for_function("(theme) => document.documentElement.dataset.theme === theme", arg=second)
    page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size], "the page scrolls sideways"
    assert violations(page, RULES_ON_COLOUR) == []


def violations(page, rules):
    found = page.evaluate("(rules) => axe.run(document, { resultTypes: ['violations'], ...rules })", rules)
    return [f"{v['id']}: {n['target']} {n['html'][:160]}" for v in found["violations"] for n in v["nodes"]]


@pages
def test_a_page_is_light_before_its_plotly_figures(look_at, name):
    sent = look_at(name).bytes_sent()
    assert sent <= 1_500_000, f"{name} sends {sent / 1e6:.2f} MB"


@pages
def test_pictures_and_drawings_say_what_they_show(look_at, name):
    page = look_at(name).page
    nameless = """(els) => els.filter((el) => !(el.alt ?? el.getAttribute('aria-label') ?? '').trim())
      .map((el) => el.outerHTML.slice(0, 120))"""
    assert (
        page.locator("article img, article .bk-static, article svg[role=img], article [role=img]").evaluate_all(
            nameless
        )
        == []
    )


@pages
def test_a_quiz_answers_at_once(look_at, name):
    for item in look_at(name).page.locator(".bk-quiz-list > li").all():
        radios = item.locator("input[type=radio]")
        if radios.count():
            radios.first.check()
        else:
            item.locator("input").fill("123456789")
            item.locator("button").click()
        assert item.locator(".bk-quiz-feedback").inner_text().startswith(("✓", "✗"))


def test_the_root_leads_to_the_book(visit):
    page = visit("search.html").page
    page.goto((HTML / "index.html").as_uri())
    page.wait_for_url("**/book/index.html")
    assert page.locator("article h1").count() == 1


def test_the_search_works_from_disk(visit):
    seen = visit("search.html", fragment="?q=perceptron")
    page = seen.page
    page.wait_for_selector("#search-results li a")
    assert any(
        "perceptron" in link
        for link in page.locator("#search-results li a").evaluate_all("(a) => a.map((x) => x.href)")
    )
    assert seen.problems == []


def test_links_inside_the_book_lead_somewhere(visit):
    missing = []
    for name in PAGES:
        text = (HTML / name).read_text(encoding="utf-8")
        for href in re.findall(r'<a [^>]*href="([^"]+)"', text):
            target, _, anchor = href.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            path = ((HTML / name).parent / target.split("?")[0]).resolve() if target else HTML / name
            if not path.exists() or (
                anchor
                and path.suffix == ".html"
                and not re.search(rf'id="{re.escape(anchor)}"', path.read_text(encoding="utf-8"))
            ):
                missing.append(f"{name}: {href}")
    assert missing == []


def test_no_page_names_a_file_on_another_host():
    for name in ALL:
        text = (HTML / name).read_text(encoding="utf-8")
        assert (
            re.findall(
                r'<(?:script|link|img|iframe)[^>]*(?:src|href)="https?://[^"]+\.(?:js|css|woff2?|png|svg)',
                text,
            )
            == []
        )


def test_the_theme_switch_repaints_the_page(visit):
    page = visit("book/index.html", theme="light").page
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert page.evaluate(ground) != before


def test_a_term_shows_its_definition_on_hover_and_on_focus_until_escape(visit):
    page = visit("book/foundations/perceptron.html").page
    term = page.locator("a.bk-term").first
    definition = page.locator(f"#{term.get_attribute('aria-describedby')}")
    assert not definition.is_visible()
    term.scroll_into_view_if_needed()
    term.hover()
    assert definition.is_visible()
    assert len(definition.inner_text()) > 20
    page.keyboard.press("Escape")
    assert not definition.is_visible()
    term.focus()
    assert definition.is_visible()
