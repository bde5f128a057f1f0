"""The figures in a real JupyterLab: a server, a kernel, a browser; what a reader moves arrives in Python and back."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

NOTEBOOKS = {
    "foundations": [
        """
        from companion.widgets.threshold_neuron import ThresholdNeuron
        neuron = ThresholdNeuron(w1=1.0, w2=1.0, threshold=0.5)
        neuron
        """,
        """
        import matplotlib.pyplot as plt
        from companion.plots import style
        from companion.widgets.explore import explore
        style()

        @explore(key="powers", alt="A power of x.", power=[1, 2, 3])
        def powers(power):
            fig, ax = plt.subplots()
            ax.plot([x**power for x in range(10)])
            return fig, f"nine to the power {power} is {9**power}"

        powers
        """,
        "print('at', round(neuron.threshold, 2), 'power', powers.at)",
        "neuron.threshold, powers.at = 0.5, [2]",
    ],
    "cnn": [
        """
        from companion.data import load, photo
        from companion.widgets.conv_explorer import ConvExplorer
        explorer = ConvExplorer([("pagoda", photo("china", size=(24, 32)).numpy())])
        explorer
        """,
        """
        from companion.models.lenet import LeNet5
        from companion.widgets.draw_digit import DrawDigit
        weights = [(name, p.detach().numpy()) for name, p in LeNet5().named_parameters()]
        images, labels = load("digits", split="test")
        counts = (images[:2, 0] / 255 * 16).round().numpy()
        reader = DrawDigit(weights, list(zip(counts, labels[:2].tolist())), key="digit")
        reader
        """,
        "print('stride', explorer.stride, 'drawn', bool(reader.drawing))",
        "explorer.stride, reader.drawing, reader.example = 1, '', 1",
    ],
}
TOKEN = "only-for-this-test"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def lab(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a fresh JupyterLab that shows one of NOTEBOOKS."""
    cells = [nbformat.v4.new_code_cell(dedent(cell).strip()) for cell in NOTEBOOKS[request.param]]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), tmp_path / "figures.ipynb")
    port = free_port()
    folders = {f"JUPYTER_{name}_DIR": str(tmp_path / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--port-retries=0"]
    command += [f"--IdentityProvider.token={TOKEN}", "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={tmp_path}"]
    command += ["--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    log = tmp_path / "server.log"
    with log.open("wb") as out:
        server = subprocess.Popen(command, env={**os.environ, **folders}, stdout=out, stderr=subprocess.STDOUT)
    try:
        wait_for(f"http://127.0.0.1:{port}/api?token={TOKEN}", server, log)
        yield f"http://127.0.0.1:{port}/lab/tree/figures.ipynb?token={TOKEN}"
    finally:
        server.terminate()
        server.wait(20)


def wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(600):
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()}")


@pytest.fixture
def notebook(browser: Browser, lab: str) -> Iterator[Page]:
    """The open notebook; nothing but the server may be asked for anything."""
    outside: list[str] = []

    def route(call: Route) -> None:
        if call.request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            call.continue_()
        else:
            outside.append(call.request.url)
            call.abort()

    page = browser.new_page(viewport={"width": 1280, "height": 2400})
    page.set_default_timeout(90_000)
    page.route("**/*", route)
    page.goto(lab)
    page.locator(".jp-Notebook .jp-CodeCell").nth(3).wait_for()
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
    yield page
    page.close()
    assert outside == []


def run(page: Page, number: int) -> Locator:
    """Run one cell (counted from 1, each once and in order) and return it when the kernel has answered."""
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(number - 1)
    prompt = cell.locator(".jp-InputArea-prompt")
    for _ in range(20):  # a kernel that is still connecting swallows the key
        cell.locator(".jp-InputArea-editor").click()
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(2000)
        if prompt.inner_text().strip() != "[ ]:":
            break
    expect(prompt).to_have_text(f"[{number}]:", timeout=90_000)
    return cell


@pytest.mark.browser
@pytest.mark.parametrize("lab", ["foundations"], indirect=True)
def test_what_a_reader_moves_arrives_in_python_and_back(notebook):
    neuron, powers = run(notebook, 1), run(notebook, 2)
    threshold = neuron.get_by_role("slider", name="θ")
    expect(neuron.locator(".bk-neuron-verdict")).to_have_text("This neuron computes OR", timeout=90_000)
    for _ in range(10):
        threshold.press("ArrowRight")
    powers.get_by_role("slider", name="power").press("ArrowRight")
    expect(neuron.locator(".bk-neuron-verdict")).to_have_text("This neuron computes AND")
    expect(powers.locator(".bk-figure")).to_contain_text("nine to the power 2 is 81")

    expect(run(notebook, 3)).to_contain_text("at 1.5 power [1]")

    run(notebook, 4)
    expect(threshold).to_have_value("0.5")
    expect(neuron.locator(".bk-neuron-verdict")).to_have_text("This neuron computes OR")
    expect(powers.locator(".bk-figure")).to_contain_text("nine to the power 3 is 729")


@pytest.mark.browser
@pytest.mark.parametrize("lab", ["cnn"], indirect=True)
def test_figures_that_carry_pictures_and_weights_are_live(notebook):
    explorer, reader = run(notebook, 1), run(notebook, 2)
    stride = explorer.get_by_role("slider", name="Stride S")
    paper = reader.locator(".bk-draw-digit-paper")
    expect(explorer.locator(".bk-figure")).to_contain_text("/ 1⌋ + 1 = 22", timeout=90_000)
    expect(reader.locator(".bk-figure")).to_contain_text("the label says")
    stride.press("ArrowRight")
    expect(explorer.locator(".bk-figure")).to_contain_text("/ 2⌋ + 1 = 11")
    reader.get_by_role("button", name="Clear").click()
    paper.hover()
    box = paper.bounding_box()
    notebook.mouse.down()
    notebook.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.9, steps=8)
    notebook.mouse.up()
    expect(reader.locator(".bk-draw-digit-ink")).not_to_have_attribute("d", "")

    expect(run(notebook, 3)).to_contain_text("stride 2 drawn True")

    run(notebook, 4)
    expect(stride).to_have_value("1")
    expect(reader.locator(".bk-figure")).to_contain_text("the label says")
