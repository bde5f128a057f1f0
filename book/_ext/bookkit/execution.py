"""Run the chapters into the cache that the build reads: `python -m bookkit.execution [--jobs N]`.

A chapter runs when its code, or anything in the fingerprint (`project.fingerprint`), has changed. Each kernel
computes on one thread: two chapters side by side use two cores best that way.
"""

import argparse
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_client.kernelspec import KernelSpecManager
from myst_nb.core.read import read_myst_markdown_notebook
from myst_parser.config.main import MdParserConfig
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError

from bookkit.project import CACHE, ROOT, cache_folder, chapters

SECONDS_A_CELL = 600


def read(page: Path) -> nbformat.NotebookNode:
    """Return the page as MyST-NB reads it, so that the build finds what is stored here."""
    text = page.read_text(encoding="utf-8")
    return read_myst_markdown_notebook(text, config=MdParserConfig(), add_source_map=True, path=page)


def is_stored(cache: JupyterCacheAbstract, notebook: nbformat.NotebookNode) -> bool:
    """Say whether the cache holds an execution of exactly this code."""
    try:
        cache.match_cache_notebook(notebook)
    except KeyError:
        return False
    return True


def execute(page: Path, notebook: nbformat.NotebookNode) -> float:
    """Run the notebook in its page's folder, put the outputs into it and return the seconds it took.

    Raises:
        CellExecutionError, CellTimeoutError, DeadKernelError: with the cell and the kernel's traceback.
    """
    started = time.perf_counter()
    place = {"metadata": {"path": str(page.parent)}}
    quiet = ["--log-level=40"]
    NotebookClient(
        notebook, timeout=SECONDS_A_CELL, resources=place, record_timing=False, extra_arguments=quiet
    ).execute()
    return time.perf_counter() - started


def main(jobs: int) -> int:
    """Bring the cache up to date; return 0, or 1 if a chapter failed."""
    if "python3" not in KernelSpecManager().find_kernel_specs():
        print(
            "There is no Jupyter kernel named 'python3'; install ipykernel into this environment.",
            file=sys.stderr,
        )
        return 1
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    os.environ["TQDM_DISABLE"] = "1"  # a progress bar is for those who wait, not for the page
    folder = cache_folder()
    for old in CACHE.glob("*"):
        if old != folder:
            shutil.rmtree(old)
    folder.mkdir(parents=True, exist_ok=True)
    cache = get_cache(folder)
    notebooks = {page: read(page) for page in chapters()}
    waiting = [page for page, notebook in notebooks.items() if not is_stored(cache, notebook)]
    print(f"{len(notebooks) - len(waiting)} of {len(notebooks)} pages with code are up to date", flush=True)
    started, failures = time.perf_counter(), []
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(execute, page, notebooks[page]): page for page in waiting}
        for done in as_completed(running):
            page = running[done]
            name = page.relative_to(ROOT / "book").with_suffix("").as_posix()
            try:
                seconds = done.result()
            except (CellControlSignal, DeadKernelError) as error:
                failures.append(name)
                print(f"  failed   {name}\n{error}", file=sys.stderr, flush=True)
                continue
            entry = CacheBundleIn(notebooks[page], str(page), data={"execution_seconds": seconds})
            cache.cache_notebook_bundle(entry, check_validity=False, overwrite=True)
            print(f"  {seconds:6.1f} s {name}", flush=True)
    if waiting:
        print(f"ran {len(waiting) - len(failures)} in {time.perf_counter() - started:.1f} s", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="chapters that run side by side (2)")
    sys.exit(main(parser.parse_args().jobs))
