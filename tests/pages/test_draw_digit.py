"""Draw a digit in the built chapter: ten digits in three hands, drawn with a pointer, read by the page's network."""

import json
from pathlib import Path

import pytest

STROKES = json.loads((Path(__file__).parents[1] / "strokes.json").read_text(encoding="utf-8"))
PAGE = "book/cnn/lenet.html"


@pytest.fixture
def paper(visit):
    seen = visit(PAGE)
    yield seen.page
    assert seen.problems == []


def draw(page, lines):
    """Clear the paper and draw: the pen goes to every second point of a line, and to its last."""
    figure = page.locator(".bk-draw-digit")
    clear = figure.get_by_role("button", name="Clear", exact=True)
    if clear.is_enabled():
        clear.click()
    box = figure.locator(".bk-draw-digit-paper").bounding_box()
    for line in lines:
        spots = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in [*line[:-1:2], line[-1]]]
        page.mouse.move(*spots[0])
        page.mouse.down()
        for spot in spots[1:]:
            page.mouse.move(*spot)
        page.mouse.up()
    page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")


def answer(page):
    return page.locator(".bk-draw-digit-read").inner_text()


def looks(page):
    ink = page.locator(".bk-draw-digit-ink").get_attribute("d")
    return [ink, page.locator(".bk-draw-digit-answer").inner_text()]


def test_ten_digits_in_three_hands_are_read(paper):
    paper.locator(".bk-draw-digit-paper").evaluate("(el) => el.scrollIntoView({ block: 'center' })")
    wrong = []
    for drawing in STROKES:
        draw(paper, drawing["strokes"])
        if answer(paper) != str(drawing["digit"]):
            wrong.append(f"{drawing['hand']} {drawing['digit']} read as {answer(paper)}")
    assert len(STROKES) == 30
    assert len(wrong) <= 3, wrong


def test_a_drawing_comes_back_by_its_link(paper, visit):
    paper.locator(".bk-draw-digit-paper").evaluate("(el) => el.scrollIntoView({ block: 'center' })")
    draw(paper, STROKES[15]["strokes"])
    wanted = looks(paper)
    paper.wait_for_timeout(400)  # the address follows a moment later
    fragment = paper.evaluate("location.hash")
    assert ".drawing=" in fragment
    assert len(fragment) < 400
    again = visit(PAGE, fragment=fragment)
    assert looks(again.page) == wanted
    assert again.problems == []


@pytest.mark.parametrize("width", [1280, 390])
def test_examples_of_the_data_are_read_right(visit, width):
    page = visit(PAGE, width=width).page
    menu = page.locator(".bk-draw-digit").get_by_label("On the paper")
    texts = menu.locator("option").all_inner_texts()[1:]
    right = 0
    for i, text in enumerate(texts):
        menu.select_option(str(i))
        page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
        right += answer(page) == text[-1]
    assert right >= 0.8 * len(texts) > 0
