"""What every interactive figure shares: bundled JavaScript, shared CSS, and state that fits into a link."""

import re
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

from companion import theme

_FOLDER = Path(__file__).parent
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)


def bundle(name: str) -> str:
    """Return `<name>.js` with the files that it imports from this folder written in front of it, each once.

    A widget's module is one string (it runs from a `blob:` address, which has no neighbours), yet its source is
    ordinary ES modules. Only `import { a, b } from "./file.js";` on lines of their own are followed; the names of
    all bundled files share one scope.

    Raises:
        FileNotFoundError: if a file is missing.
    """
    parts: dict[str, str] = {}

    def add(module: str) -> None:
        if module in parts:
            return
        source = (_FOLDER / f"{module}.js").read_text(encoding="utf-8")
        for needed in _IMPORT.findall(source):
            add(needed)
        body = _IMPORT.sub("", source)
        parts[module] = body if module == name else re.sub(r"^export (?!default)", "", body, flags=re.MULTILINE)

    add(name)
    return "\n".join(parts.values())


def styles(name: str) -> str:
    """Return the palette, the shared style sheet and, if there is one, `<name>.css`."""
    own = _FOLDER / f"{name}.css"
    sheets = [theme.css(), (_FOLDER / "base.css").read_text(encoding="utf-8")]
    return "\n".join([*sheets, own.read_text(encoding="utf-8") if own.exists() else ""])


class BookWidget(anywidget.AnyWidget):
    """Base of the interactive figures.

    A subclass names its JavaScript module in `module` and, in `linked`, the traits that make up an experiment.
    In the built book those traits are mirrored into the address (`#<key>.<trait>=value`), so that a link brings
    a reader back to the same setting; `defaults` keeps their first values for the reset button.

    Args:
        key: name of this figure in the address, unique on its page; letters, digits and `-`.
        label: what the figure is, read out by screen readers.
    """

    module: ClassVar[str]
    linked: ClassVar[tuple[str, ...]] = ()

    key = traitlets.Unicode().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    defaults = traitlets.Dict().tag(sync=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "module" in cls.__dict__:  # anywidget reads the two strings when the subclass is made
            cls._esm = bundle(cls.module)
            cls._css = styles(cls.module)
        super().__init_subclass__(**kwargs)

    def __init__(self, *, key: str, label: str, **traits: Any) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", key):
            raise ValueError(f"key must start with a letter and hold only letters, digits and '-', got {key!r}")
        super().__init__(key=key, label=label, **traits)
        self.defaults = {name: getattr(self, name) for name in self.linked}
