"""What the project's own files say about it: where it lives, and what the outputs of its chapters depend on."""

import hashlib
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CACHE = ROOT / "_build" / "executed"
ADDRESS = re.compile(r"^https://github\.com/[\w.-]+/[\w.-]+$")


def declared_address() -> str | None:
    """Return `Repository` of `[project.urls]` in pyproject.toml, or None where none is declared.

    Raises:
        ValueError: if it is not of the form https://github.com/OWNER/NAME.
    """
    found = re.search(r'^Repository = "(.*)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        return None
    address = found[1].removesuffix(".git").rstrip("/")
    if not ADDRESS.match(address):
        raise ValueError(f"Repository in pyproject.toml must be https://github.com/OWNER/NAME, got {address!r}")
    return address


def address() -> str | None:
    """Return the project's address for links: $BOOK_REPOSITORY, else the declared one, else the git remote's."""
    given = os.environ.get("BOOK_REPOSITORY") or declared_address() or _remote()
    return given if given and ADDRESS.match(given) else None


def _remote() -> str | None:
    command = ["git", "-C", str(ROOT), "remote", "get-url", "origin"]
    try:
        url = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):  # no git, no repository or no remote: then no address
        return None
    return re.sub(r"^git@github\.com:", "https://github.com/", url).removesuffix(".git")


def fingerprint() -> str:
    """Return a digest of all that a chapter's output depends on beside its own code.

    That is every file of the companion, the installed versions of all packages, the interpreter and the machine's
    kind. A cache keyed on a chapter's code alone would serve stale results after an edit of the companion.
    """
    digest = hashlib.sha256(f"{sys.version}\n{platform.machine()}\n".encode())
    for path in sorted((ROOT / "companion").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    for name in sorted({f"{d.metadata['Name']}=={d.version}" for d in distributions()}):
        digest.update(name.encode() + b"\n")
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Return the folder of executed chapters that belongs to the present fingerprint."""
    return CACHE / fingerprint()


def chapters() -> list[Path]:
    """Return the pages with code, in the order of the table of contents."""
    names = re.findall(r"^(?:root|\s*- file): *(\S+)$", (ROOT / "_toc.yml").read_text(encoding="utf-8"), re.MULTILINE)
    pages = [ROOT / f"{name}.md" for name in names]
    return [page for page in pages if page.read_text(encoding="utf-8").startswith("---\njupytext:")]
