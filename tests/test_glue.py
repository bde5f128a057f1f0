import importlib

import numpy as np
import pytest
import torch

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


@pytest.mark.parametrize("value", [np.float64(0.5), np.float32(0.5), torch.tensor(0.5)])
def test_a_scalar_of_numpy_or_torch_is_stored_as_a_plain_number(monkeypatch, value):
    sent = []
    monkeypatch.setattr(module, "display", lambda bundle, **_: sent.append(bundle))
    glue("half", value)
    assert sent == [{"application/papermill.record/text/plain": "0.5"}]


def test_glue_needs_one_number():
    with pytest.raises(ValueError, match="size 1"):
        glue("many", np.zeros(2))
    with pytest.raises(RuntimeError, match="2 elements"):
        glue("many", torch.zeros(2))


def test_glue_needs_an_identifier():
    with pytest.raises(ValueError, match="'two words'"):
        glue("two words", 1)
