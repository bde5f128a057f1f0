import importlib

import nbformat
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
    assert ours[0][0][0].pop("text/plain") == "accuracy = 0.975"  # for those who read the notebook
    assert ours == theirs


@pytest.mark.parametrize(
    ("value", "shown"), [(0.123456, "share = 0.1235"), (596, "share = 596"), ("3 million", "share = 3 million")]
)
def test_a_live_notebook_shows_the_number_and_the_book_only_reads_it(value, shown):
    cell = nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("display_data", **sent("share", value))])
    assert cell.outputs[0].data["text/plain"] == shown
    [(name, output)] = importlib.import_module("myst_nb.ext.glue").extract_glue_data_cell(cell)
    assert (name, output["data"]["text/plain"]) == ("share", repr(value))
    assert cell.outputs == []


def sent(name, value):
    with pytest.MonkeyPatch.context() as patch:
        calls = []
        patch.setattr(module, "display", lambda bundle, **rest: calls.append((bundle, rest)))
        glue(name, value)
    [(bundle, rest)] = calls
    return {"data": bundle, "metadata": rest["metadata"]}


@pytest.mark.parametrize("value", [np.float64(0.5), np.float32(0.5), torch.tensor(0.5)])
def test_a_scalar_of_numpy_or_torch_is_stored_as_a_plain_number(value):
    assert sent("half", value)["data"]["application/papermill.record/text/plain"] == "0.5"


def test_glue_needs_one_number():
    with pytest.raises(ValueError, match="size 1"):
        glue("many", np.zeros(2))
    with pytest.raises(RuntimeError, match="2 elements"):
        glue("many", torch.zeros(2))


def test_glue_needs_an_identifier():
    with pytest.raises(ValueError, match="'two words'"):
        glue("two words", 1)
