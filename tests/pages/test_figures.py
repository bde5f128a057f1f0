"""Every control of every figure, moved as a reader would: its figure must change, and a link must bring it back."""

import json
import re

import pytest

from tests.pages.conftest import HTML, PAGES

STORED = re.compile(r'<script type="application/vnd\.jupyter\.widget-state\+json">(.*?)</script>', re.DOTALL)
WITH_FIGURES = [p for p in PAGES if STORED.search((HTML / p).read_text(encoding="utf-8"))]

VALUES = "(el, which) => [...el.querySelectorAll(which)].map((c) => `${c.value} ${c.checked}`)"
LINKED = "input:is([type=range], [type=number]), select:not(.bk-toolbar select)"
SET = "input:is([type=range], [type=number], [type=checkbox]), select"

# What these tests ask of a figure, put into its page: answered there, so that no drawing travels.
PROBE = """() => {
  const figure = (key) => document.querySelector(`.bk-figure[data-key="${key}"]`);
  const controls = (key) => [...figure(key).querySelectorAll("input, select, button")];
  const pause = (ms) => new Promise((go) => setTimeout(go, ms));
  let own = null, before = "";
  const looks = (key) => {  // text, drawing, canvas pixels without the control under test; moving it may take it away
    const el = figure(key), copy = el.cloneNode(true);
    const all = [...el.querySelectorAll("*")], twins = [...copy.querySelectorAll("*")];
    const values = all.filter((n) => n.matches("input, select") && n !== own).map((n) => `${n.value} ${n.checked}`);
    twins[all.indexOf(own.closest(".bk-slider, .bk-select, .bk-check") ?? own)]?.remove();
    const pixels = [...el.querySelectorAll("canvas")].map((c) => c.toDataURL());
    return [copy.innerHTML, ...values, ...pixels].join("\\n");
  };
  const probe = window.probe = {
    controls: (key) => controls(key).map((el, index) => ({
      index, kind: el.tagName === "INPUT" ? el.type : el.tagName.toLowerCase(), text: el.textContent.slice(0, 40),
      name: el.labels?.[0]?.textContent || el.getAttribute("aria-label") || el.textContent,
      after: el.closest("[data-after]")?.dataset.after, off: el.disabled, chosen: el.checked === true,
      hidden: !el.checkVisibility() || el.type === "submit",
    })),
    settle: () => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(go, 20)))),
    async reset(key) {
      const button = controls(key).find((el) => el.textContent.trim() === "Reset");
      if (button) { button.click(); await probe.settle(); }
    },
    async isOn(key, index, tries) {  // off until something runs, it comes on with the first frame, which may be late
      for (; controls(key)[index].disabled && tries > 0; tries -= 1) await pause(100);
      return !controls(key)[index].disabled;
    },
    remember(key, index) { own = controls(key)[index]; before = looks(key); },
    renew(key) { before = looks(key); },
    async changes(key, tries) {  // what plays needs a moment
      for (; looks(key) === before; tries -= 1) {
        if (tries <= 0) return false;
        await pause(100);
      }
      return true;
    },
  };
}"""

# Controls that mean something only after the press of other buttons; elsewhere that is the main one. One whose effect
# shows with the next press of a button says so itself (data-after).
FIRST = {"Back": ["Step"], "Previous event": ["Next event"], "Zoom out": ["Zoom in"], "Previous stop": ["Next stop"]}
FIRST["Compare with"] = ["Next stop", "Next stop"]


pages = pytest.mark.parametrize("name", [pytest.param(name, id=name.removeprefix("book/")) for name in WITH_FIGURES])


@pytest.fixture
def open_figures(visit):
    """Return open_figures(name): a page of figures, without its equations, that answers `ask`."""

    def opened(name, **how):
        seen = visit(name, math=False, **how)
        seen.page.evaluate(PROBE)
        return seen

    return opened


def ask(page, question, *about):
    """Ask the probe in the page."""
    return page.evaluate("([question, about]) => probe[question](...about)", [question, about])


def move(page, key, control):
    """Operate one control by keyboard or pointer, as its kind asks for."""
    target = page.locator(f'.bk-figure[data-key="{key}"] :is(input, select, button)').nth(control["index"])
    if control["kind"] == "range":
        at_end = target.evaluate("(el) => { el.focus(); return +el.value >= +el.max; }")
        if control["after"]:  # as far as it goes: a single step must show it
            page.keyboard.press("Home" if at_end else "End")
        else:
            for _ in range(3):
                page.keyboard.press("ArrowLeft" if at_end else "ArrowRight")
    elif control["kind"] == "select":
        other = target.evaluate(
            "(el) => [...el.options].map((o) => o.value).findLast((v) => v !== el.value && v !== '')"
        )
        target.select_option(other)
    elif control["kind"] in {"number", "text"}:
        value = target.input_value() or "0"
        target.fill(f"{float(value) + 0.5:g}" if control["kind"] == "number" else "3")
        target.press("Enter")
    else:
        target.click()
    ask(page, "settle")


def press(frame, text):
    frame.get_by_role("button", name=text, exact=True).click()


def operate(page, key, control):
    """Move one control; say whether the rest of its figure changed. A disabled one cannot be moved."""
    if not ask(page, "isOn", key, control["index"], 0):
        return False
    ask(page, "remember", key, control["index"])
    move(page, key, control)
    if control["after"]:
        return moves_the_next_step(page, key, control)
    return ask(page, "changes", key, 15)


def moves_the_next_step(page, key, control):
    """Say whether a control that has just been moved leads to another figure after the step that it is for."""
    frame = page.locator(f'.bk-figure[data-key="{key}"]')
    press(frame, control["after"])
    ask(page, "settle")
    ask(page, "renew", key)
    press(frame, "Reset")
    press(frame, control["after"])
    ask(page, "settle")
    return ask(page, "changes", key, 0)


@pages
def test_every_control_changes_its_figure(open_figures, name):
    page = open_figures(name).page
    still = []
    for key in page.locator(".bk-figure").evaluate_all("(els) => els.map((el) => el.dataset.key)"):
        frame = page.locator(f'.bk-figure[data-key="{key}"]')
        frame.scroll_into_view_if_needed()
        for control in filter(worth_moving, ask(page, "controls", key)):
            ask(page, "reset", key)
            if operate(page, key, control):
                continue
            if control["name"] in FIRST:
                for text in FIRST[control["name"]]:
                    press(frame, text)
            elif frame.locator(".bk-primary").count():
                frame.locator(".bk-primary").first.click()
            ask(page, "isOn", key, control["index"], 50)
            if not operate(page, key, control):
                still.append(f"{key}: {control['kind']} {control['name']!r}")
    assert still == []


def worth_moving(control):
    """Reset and a quiz's Check have tests of their own, and so has a speed, which shows only while something plays.

    A radio button that is on stays on.
    """
    is_on = control["kind"] == "radio" and control["chosen"]
    return not (control["text"] == "Reset" or control["name"].lower() == "speed" or control["hidden"] or is_on)


@pages
def test_a_link_brings_an_experiment_back_and_reset_takes_it_away(open_figures, name):
    seen = open_figures(name)
    page = seen.page
    keys = page.locator(".bk-figure:has(.bk-toolbar)").evaluate_all("(els) => els.map((el) => el.dataset.key)")
    at_first = {key: values(page, key, SET) for key in keys}
    for key in keys:
        move(page, key, next(c for c in ask(page, "controls", key) if is_setting(c)))
    page.wait_for_function("(keys) => keys.every((key) => location.hash.includes(`${key}.`))", arg=keys)
    page.wait_for_timeout(400)  # the address follows the last change a quarter of a second later
    again = open_figures(name, fragment=page.evaluate("location.hash"))
    assert [values(again.page, key, LINKED) for key in keys] == [values(page, key, LINKED) for key in keys]
    again.page.context.close()

    for key in keys:
        index = 0
        while index < len(controls := ask(page, "controls", key)):  # moving one may bring or take others
            if is_setting(controls[index]):
                move(page, key, controls[index])
            index += 1
        assert values(page, key, SET) != at_first[key], key
        page.locator(f'.bk-figure[data-key="{key}"]').get_by_role("button", name="Reset", exact=True).click()
        ask(page, "settle")
        assert values(page, key, SET) == at_first[key], key
    assert seen.problems == again.problems == []


def values(page, key, which):
    """What these controls of a figure are set to."""
    return page.locator(f'.bk-figure[data-key="{key}"]').evaluate(VALUES, which)


def is_setting(control):
    return control["kind"] in {"range", "select"} and not (control["off"] or control["hidden"])


def test_a_link_to_an_untouched_figure_leads_there(visit):
    page = visit(WITH_FIGURES[-1]).page
    frame = page.locator(".bk-figure:has(.bk-toolbar)").last
    key = frame.get_attribute("data-key")
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")  # then the figure shows it
    press(frame, "Copy link")
    link = frame.locator(".bk-toolbar [role=status]").inner_text()
    assert link.endswith(f"#{key}.figure")  # a full stop at the end would be lost in a letter
    again = visit(WITH_FIGURES[-1], fragment=f"#{key}.figure")
    assert again.problems == []
    assert again.page.evaluate("scrollY") > 0
    assert again.page.locator(f'.bk-figure[data-key="{key}"]').evaluate(
        "(el) => { const { top } = el.getBoundingClientRect(); return top >= 0 && top < innerHeight; }"
    )


@pages
def test_nonsense_in_the_address_does_no_harm(open_figures, name):
    stored = STORED.search((HTML / name).read_text(encoding="utf-8"))[1]
    states = [record["state"] for record in json.loads(stored)["state"].values()]
    traits = [(f"{s['key']}.{name}", value) for s in states for name, value in s.get("defaults", {}).items()]

    def nonsense(value):
        if isinstance(value, bool):
            return "true"
        if isinstance(value, int | float):
            return "-1e99"
        if isinstance(value, list):
            return "[" + ",".join(["99999"] * 400) + "]"
        return "no-such-thing" if isinstance(value, str) else '{"x":1}'

    fragment = "#" + "&".join(f"{trait}={nonsense(value)}" for trait, value in traits)
    seen = open_figures(name, fragment=fragment)
    assert seen.problems == []
    assert seen.page.locator(".bk-figure[data-key]").count() == sum("key" in state for state in states)
