"""The safe import, each time in a fresh interpreter; a stand-in package plays sound and broken installs."""

import subprocess
import sys
from pathlib import Path

import pytest

from companion import _torchvision

ROOT = Path(__file__).parents[1]


def python(code, *, path=()):
    """Run `code` in a new interpreter that finds packages in `path` first."""
    start = f"import sys; sys.path[:0] = {[str(ROOT), *map(str, path)][::-1]!r}\n"
    return subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True, check=False)


def stand_in(folder, source):
    package = folder / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(source)
    return folder


def test_models_and_transforms_of_the_installed_torchvision_work():
    done = python(
        "import torch\n"
        "from companion._torchvision import torchvision\n"
        "torch.set_num_threads(1)\n"
        "net = torchvision.models.resnet18().eval()\n"
        "assert sum(p.numel() for p in net.parameters()) == 11_689_512\n"
        "assert net(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)\n"
        "from torchvision.transforms import v2\n"
        "picture = torch.arange(3 * 4 * 4, dtype=torch.uint8).reshape(3, 4, 4)\n"
        "assert torch.equal(v2.functional.horizontal_flip(picture), picture.flip(-1))\n"
        "import torchvision as again\n"
        "assert again is torchvision\n"
    )
    assert done.returncode == 0, done.stderr


def test_where_torchvision_is_sound_nothing_is_declared(tmp_path):
    done = python(
        "from companion._torchvision import declared, torchvision\nprint(declared, torchvision.sound)",
        path=[stand_in(tmp_path, "sound = True")],
    )
    assert done.stdout == "[] True\n", done.stderr


def test_missing_operators_are_declared_one_by_one(tmp_path):
    source = (
        "import torch\n"
        "for name in ('nms', 'qnms'):\n"
        "    torch.library.register_fake(f'torchvision::{name}', lambda dets, scores, threshold: scores)\n"
    )
    done = python("from companion._torchvision import declared\nprint(declared)", path=[stand_in(tmp_path, source)])
    assert done.stdout == "['nms', 'qnms']\n", done.stderr


@pytest.mark.parametrize(
    "message", ["operator torchvision::{} does not exist", "operator other::{} does not exist", "no memory"]
)
def test_what_a_declaration_does_not_mend_is_reported(monkeypatch, message):
    message = message.format("never_mended")

    def fail(name):
        raise RuntimeError(message)

    monkeypatch.setattr(_torchvision.importlib, "import_module", fail)
    monkeypatch.setattr(_torchvision, "declared", [])
    known = dict(sys.modules)
    try:
        with pytest.raises(ImportError, match="does not load beside torch") as caught:
            _torchvision._import()
    finally:
        sys.modules.update(known)  # the retry forgets the torchvision modules of this process
    assert message in str(caught.value)
    assert _torchvision.declared == (["never_mended"] if "torchvision::" in message else [])
