"""CellSearch: its lists against the search that made them, its figure as a reader drives it, its errors."""

import math

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from companion.nas import CellSpace, random_search, regularized_evolution
from companion.widgets.base import bundle
from companion.widgets.cell_search import CellSearch, StoredSearch
from tests.figures import accessibility_problems, set_trait, trait

SPACE = CellSpace(4, ("none", "skip", "conv_3x3", "avg_pool_3x3"))
STEPS = 12


def score(cell) -> float:
    return 0.4 + cell.count("conv_3x3") / 12 - cell.count("none") / 30


def one_hot(cells) -> np.ndarray:
    return np.array([[[name == o for o in SPACE.operations] for name in cell] for cell in cells], dtype=float)


def gradient(**changes) -> StoredSearch:
    generator = torch.Generator().manual_seed(0)
    shares = torch.randn(STEPS, 6, 4, generator=generator).cumsum(0).softmax(-1)
    cells = [tuple(SPACE.operations[i] for i in table.argmax(-1).tolist()) for table in shares]
    given = {"name": "DARTS", "unit": "epoch", "shares": shares, "cells": cells, "scores": [score(c) for c in cells]}
    return StoredSearch(**{**given, **changes})


def evolution() -> StoredSearch:
    history = regularized_evolution(
        SPACE, score, budget=30, generator=torch.Generator().manual_seed(0), population=8, tournament=4
    )
    hot = one_hot(history.cells)
    shares = np.stack([hot[max(0, t - 7) : t + 1].mean(0) for t in range(30)])
    chance = random_search(SPACE, score, budget=30, generator=torch.Generator().manual_seed(1)).best_so_far
    return StoredSearch(
        "Evolution", "evaluation", shares, history.cells, history.scores, "share of the population",
        history.parents, chance, "random search, best so far",
    )  # fmt: skip


def figure(**how) -> CellSearch:
    presets = [{"name": "End of evolution", "note": "The population agrees.", "run": "Evolution", "step": 29}]
    given = {"edges": SPACE.edges, "operations": SPACE.operations, "presets": presets, "step": 4}
    return CellSearch([gradient(), evolution()], **{**given, **how})


def test_the_lists_hold_the_search():
    widget, search = figure(), evolution()
    packed = widget.searches[1]
    assert widget.run == "DARTS"
    np.testing.assert_allclose(np.array(packed["shares"]).reshape(30, 6, 4), np.asarray(search.shares) * 1000, atol=0.5)
    assert [tuple(SPACE.operations[i] for i in cell) for cell in packed["cells"]] == list(search.cells)
    assert [None if p < 0 else p for p in packed["parents"]] == list(search.parents)
    np.testing.assert_allclose(packed["scores"], search.scores, atol=1e-4)
    assert widget.defaults == {"run": "DARTS", "step": 4}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shares": np.ones((STEPS, 6, 3)) / 3}, r"shares must be \(12, 6, 4\), got \(12, 6, 3\)"),
        ({"shares": np.ones((STEPS, 6, 4))}, "add up to 1"),
        ({"scores": [2.0] * STEPS}, r"\[0, 1\], got 2.0 to 2.0"),
        ({"scores": [math.nan] * STEPS}, r"\[0, 1\], got nan"),
        ({"scores": []}, "shares must be"),
        ({"cells": [("skip",) * 6] * 3}, "for each of 12 steps"),
        ({"cells": [("dance",) * 6] * STEPS}, "dance"),
        ({"parents": [None]}, "and a parent"),
    ],
)
def test_searches_that_do_not_fit_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        CellSearch([gradient(**changes)], edges=SPACE.edges, operations=SPACE.operations)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"run": "DART"}, "run must be one of DARTS, Evolution, got 'DART'"),
        ({"step": 30}, r"0 ... 29, got 30"),
        ({"step": -1}, r"got -1"),
        ({"operations": ["skip"]}, "2 to 5 operations"),
        ({"edges": [(0, 4)]}, "at most 4 nodes"),
    ],
)
def test_bad_settings(how, said):
    with pytest.raises(ValueError, match=said):
        figure(**how)


def test_searches_need_names_of_their_own():
    for searches in ([], [gradient(), gradient()]):
        with pytest.raises(ValueError, match="different names"):
            CellSearch(searches, edges=SPACE.edges, operations=SPACE.operations)


@pytest.mark.browser
def test_the_engine_says_what_python_says(run_js):
    cells = [SPACE.sample(torch.Generator().manual_seed(i)) for i in range(20)]
    numbers = [[SPACE.operations.index(name) for name in cell] for cell in cells]
    scores = [round(score(cell), 4) for cell in cells]
    found = run_js(
        bundle("cell_search"),
        """(m, [numbers, scores]) => [scores.map((_, t) => m.bestUntil(scores, t)),
            numbers.map((n) => m.changedEdges(n, numbers[0]))]""",
        [numbers, scores],
    )
    best = [max(scores[: t + 1]) for t in range(20)]
    assert found[0] == [{"score": b, "at": scores.index(b)} for b in best]
    assert found[1] == [[i for i in range(6) if n[i] != numbers[0][i]] for n in numbers]


@pytest.mark.browser
def test_a_reader_steps_through_a_search(open_widget):
    page = open_widget(figure())
    words, label = page.locator(".bk-cells-side .bk-status"), page.locator(".bk-cells-graph")
    search = gradient()
    expect(words).to_contain_text("After epoch 4 of 11 the table stands for")
    expect(words).to_contain_text(f"{100 * search.scores[4]:.1f}".rstrip("0").rstrip("."))
    page.get_by_role("button", name="Step", exact=True).click()
    assert trait(page, "step") == 5
    assert f"0 to 1 {page.locator('.bk-cells-name text').first.text_content()}" in label.get_attribute("aria-label")
    shares = np.asarray(search.shares)[5]
    texts = page.locator(".bk-cells-table td").all_inner_texts()
    assert all(abs(int(t.split()[0]) - 100 * p) < 1.01 for t, p in zip(texts, shares.ravel(), strict=True))
    page.get_by_label("Step", exact=True).first.press("End")
    assert trait(page, "step") == STEPS - 1
    expect(page.get_by_role("button", name="Step", exact=True)).to_be_disabled()
    page.get_by_role("button", name="Back").click()
    assert trait(page, "step") == STEPS - 2


@pytest.mark.browser
def test_evolution_names_the_parent_and_the_change(open_widget):
    page = open_widget(figure())
    page.get_by_label("Search", exact=True).select_option("Evolution")
    search = evolution()
    step = next(t for t, parent in enumerate(search.parents) if parent is not None)
    set_trait(page, "step", step)
    words = page.locator(".bk-cells-side .bk-status")
    expect(words).to_contain_text(f"a child of evaluation {search.parents[step]}")
    expect(words).to_contain_text("became")
    assert page.locator(".bk-cells-name.bk-changed").count() == 1
    assert page.locator(".bk-cells-dot.bk-parent").count() == 1
    assert page.locator(".bk-cells-reference").count() == 1
    set_trait(page, "step", 0)
    expect(words).to_contain_text("a cell drawn at random")


@pytest.mark.browser
def test_play_walks_to_the_end_and_begins_again(open_widget):
    page = open_widget(figure(step=STEPS - 2))
    play = page.locator(".bk-primary")
    play.click()
    page.wait_for_function("() => window.model.get('step') === 11")
    expect(play).to_have_text("Play")
    play.click()
    expect(play).to_have_text("Pause")
    page.wait_for_function("() => window.model.get('step') >= 1 && window.model.get('step') < 11")
    play.click()
    expect(play).to_have_text("Play")


@pytest.mark.browser
def test_presets_reset_and_links(open_widget):
    page = open_widget(figure())
    page.get_by_label("Try").select_option("0")
    assert (trait(page, "run"), trait(page, "step")) == ("Evolution", 29)
    expect(page.get_by_text("The population agrees.")).to_be_visible()
    page.get_by_role("button", name="Reset").click()
    assert (trait(page, "run"), trait(page, "step")) == ("DARTS", 4)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("state", "run", "step"),
    [
        ({"run": "<b>", "step": 1e9}, "DARTS", 11),
        ({"run": 7, "step": -3}, "DARTS", 0),
        ({"run": "Evolution", "step": "abc"}, "Evolution", 0),
        ({"run": "Evolution", "step": 12.4}, "Evolution", 12),
    ],
)
def test_nonsense_in_the_address_does_no_harm(open_widget, state, run, step):
    page = open_widget(figure(), **state)
    assert (trait(page, "run"), trait(page, "step")) == (run, step)


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(0, False), (330, True)])
def test_it_is_accessible_and_fits(open_widget, width, dark):
    page = open_widget(figure(run="Evolution", step=20), width=width, dark=dark)
    assert accessibility_problems(page) == []
    assert page.evaluate(
        "() => document.querySelector('main div').scrollWidth <= document.querySelector('main').clientWidth + 1"
    )


@pytest.mark.browser
def test_it_leaves_nothing_behind(open_widget):
    page = open_widget(figure(), link=False)
    assert page.evaluate("() => window.model.count()") > 0
    page.evaluate("() => window.stop()")
    assert page.evaluate("() => window.model.count()") == 0
