"""An interactive figure on a page of its own, with a stand-in for the model that a notebook or the book gives it."""

import base64
import json
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from companion.widgets.base import BookWidget, bundle, styles

# As anywidget's model: a listener hears a change, equal values are none, and bytes arrive as a DataView.
RENDER = """async ([source, text, withLink]) => {
  const state = JSON.parse(text), heard = {};
  for (const [name, value] of Object.entries(state)) if (value?.bytes !== undefined)
    state[name] = new DataView(Uint8Array.from(atob(value.bytes), (c) => c.charCodeAt(0)).buffer);
  const model = {
    get: (name) => state[name],
    set(name, value) {
      const same = Object.is(state[name], value) || JSON.stringify(state[name]) === JSON.stringify(value);
      state[name] = value;
      if (!same) for (const f of [...(heard[`change:${name}`] ?? [])]) f();
    },
    on: (event, f) => { (heard[event] ??= []).push(f); },
    off: (event, f) => { heard[event] = (heard[event] ?? []).filter((g) => g !== f); },
    save_changes() {},
    count: () => Object.values(heard).flat().length,
  };
  if (withLink) model.link = () => "https://book.example/page#experiment";
  const m = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const el = document.querySelector("main div");
  Object.assign(window, { model, stop: m.default.render({ model, el }) });
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""


def saved_state(widget: BookWidget, **changes: Any) -> str:
    """The traits as a saved notebook holds them: JSON with sorted keys, bytes as base64."""
    names = [name for name in widget.traits(sync=True) if not name.startswith("_")]
    names = [name for name in names if name not in {"layout", "tabbable", "tooltip"}]
    state = {**widget.get_state(names), **changes}
    return json.dumps(state, sort_keys=True, default=lambda raw: {"bytes": base64.b64encode(raw).decode()})


def show(
    page: Page, widget: BookWidget, *, width: int = 0, dark: bool = False, link: bool = True, **state: Any
) -> None:
    """Draw a widget in an empty page, `width` pixels wide if that is given; `state` overrides traits as a link would.

    `window.model` can be asked and told, `window.model.count()` says how many listeners there are, and
    `window.stop()` is what the figure leaves for its end. `link=False` is a page without addresses (a notebook).
    """
    look = f"{styles(widget.module)} body {{ margin: 8px; background: var(--bk-page); color: var(--bk-ink); }}"
    look += f"main {{ width: {width}px; }}" if width else ""
    head = f'<!doctype html><html lang="en" data-theme="{"dark" if dark else "light"}"><title>t</title>'
    page.set_content(f"{head}<style>{look}</style><main><h1>Figure</h1><div></div></main>")
    page.evaluate(RENDER, [bundle(widget.module), saved_state(widget, **state), link])


def trait(page: Page, name: str) -> Any:
    return page.evaluate("(name) => window.model.get(name)", name)


def set_trait(page: Page, name: str, value: object) -> None:
    """Set a trait as Python would."""
    page.evaluate("([name, value]) => window.model.set(name, value)", [name, value])


def accessibility_problems(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {node['html']} {node['failureSummary']}" for v in found for node in v["nodes"]]
