import importlib

import pytest

from companion import glue as module
from companion.glue import glue


def test_glue_emits_what_myst_nb_emits(monkeypatch):
    ours, theirs = [], []
    monkeypatch.setattr(module, "display", lambda *args, **kwargs: ours.append((args, kwargs)))
    glue("accuracy", 0.975)
    myst_glue = importlib.import_module("myst_nb.ext.glue")
    monkeypatch.setattr(myst_glue, "ipy_display", lambda *args, **kwargs: theirs.append((args, kwargs)))
    monkeypatch.setattr(
        myst_glue.IPython.core.formatters, "format_display_data", lambda v: ({"text/plain": repr(v)}, {})
    )
    myst_glue.glue("accuracy", 0.975, display=False)
    assert ours == theirs


def test_glue_needs_an_identifier():
    with pytest.raises(ValueError, match="'two words'"):
        glue("two words", 1)
