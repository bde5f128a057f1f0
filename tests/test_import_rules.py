"""The architecture of the companion, as a test: who may import whom, and that importing does nothing else."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "companion"
FILES = sorted(ROOT.rglob("*.py"))
ALLOWED = {
    "__init__": set(),
    "_torchvision": set(),
    "analysis": {"analysis", "layers"},
    "augment": set(),
    "autograd": set(),
    "data": {"data", "_torchvision"},
    "glue": set(),
    "layers": {"layers"},
    "losses": set(),
    "models": {"layers", "models"},
    "nas": {"layers", "models", "nas"},
    "plots": {"theme"},
    "seed": set(),
    "theme": set(),
    "trainer": set(),
    "weights": {"models", "_torchvision"},
    "widgets": {"widgets", "theme", "plots"},
}
"""For each part of the companion, the parts that it may import."""


def part(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: use absolute imports"
            assert all(alias.name != "*" for alias in node.names), f"{path}:{node.lineno}: name what you import"
            found.append((node.lineno, node.module or ""))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_part_imports_only_what_it_may(path):
    for line, module in imports(path):
        head, *rest = module.split(".")
        assert head not in {"book", "bookkit", "tests", "notebooks"}, f"{path}:{line}: {module}"
        if head == "companion" and rest:
            assert rest[0] in ALLOWED[part(path)], f"{path}:{line}: {part(path)} may not import {module}"


def test_every_part_has_a_rule():
    assert {part(path) for path in FILES} == set(ALLOWED)


def test_importing_the_companion_changes_no_global_state():
    modules = [".".join(p.relative_to(ROOT.parent).with_suffix("").parts) for p in FILES if p.stem != "__init__"]
    code = f"""
import importlib, random, numpy as np, torch, matplotlib
def state():
    return (random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes(),
            torch.get_default_dtype(), torch.is_grad_enabled(), dict(matplotlib.rcParams))
before, threads = state(), torch.get_num_threads()
for name in {modules!r}:
    importlib.import_module(name)
assert state() == before and torch.get_num_threads() == threads
"""
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""
