"""Hand a computed number from a cell to the text of its chapter.

Emits what `myst_nb.glue(..., display=False)` emits, so the book reads it with `{glue:text}`; it is written out here
because a notebook in Colab should not need the book's whole tool chain for one function. A notebook's text names the
number instead, so there the cell shows it under its name; the book takes the whole output away.
"""

from IPython.display import display

PREFIX = "application/papermill.record/"


def glue(name: str, value: object) -> None:
    """Store `value` under `name` for the text; a live notebook shows it as `name = value`.

    A NumPy or torch scalar is stored as the plain number that it holds, so that the text can format it.

    Raises:
        ValueError: if `name` is not an identifier, or `value` is an array of more than one number.
        RuntimeError: if `value` is a tensor of more than one number.
    """
    if not name.isidentifier():
        raise ValueError(f"a glued value needs an identifier as its name, got {name!r}")
    if hasattr(value, "item"):
        value = value.item()
    shown = f"{value:.4g}" if isinstance(value, float) else str(value)
    bundle = {f"{PREFIX}text/plain": repr(value), "text/plain": f"{name} = {shown}"}
    display(bundle, raw=True, metadata={"scrapbook": {"name": name, "mime_prefix": PREFIX}})
