"""Measure the zoo beside its references and write `companion/data/zoo.json`, the atlas chapter's table.

    python -m tests.benchmarks                         every model: counts, logits, speed (half an hour)
    python -m tests.benchmarks resnet50 vgg16          these rows anew
    python -m tests.benchmarks --device cuda           on a GPU, in bfloat16, compiled: prints a table, writes nothing

Speed is a ratio, the reference's time over ours, for the same pictures in one run, on one thread of a CPU.
"""

import argparse
import copy
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from companion.models import MODELS
from tests.benchmarks.costs import costs
from tests.benchmarks.speed import inference, ratio, training
from tests.references import REFERENCES, side
from tests.twins import Twins, logits_of, reference_twin

TABLE = Path(__file__).parents[2] / "companion" / "data" / "zoo.json"
WORK = {"inference": 1.5e9, "training": 1.0e9}
"""Multiply-accumulates of a step's forward pass, about; so many pictures a batch has."""


def small_side(name: str) -> int:
    """Return a side in pixels that is quick and that the network accepts."""
    if name.startswith("alexnet") or name == "googlenet_2014":
        return 224
    return {"inception_v3": 299, "inception_v4": 96, "inception_resnet_v2": 96}.get(name, min(64, side(name)))


def logit_difference(name: str) -> tuple[float, str]:
    """Return the largest difference of two logits with equal weights, over the largest logit, and the precision.

    Double precision, but for networks of depthwise convolutions: torch has no quick ones in it.
    """
    with torch.device("meta"):
        depthwise = any(isinstance(m, nn.Conv2d) and m.groups > 32 for m in MODELS[name]().modules())
    heavy = depthwise or name in {"regnet_y_128gf", "regnet_y_32gf"}
    dtype = torch.float32 if heavy else torch.float64
    ours, theirs = logits_of(reference_twin(MODELS[name], REFERENCES[name].build, dtype=dtype), size=small_side(name))
    return ((ours - theirs).abs().max() / theirs.abs().max()).item(), str(dtype).removeprefix("torch.")


def measure(name: str) -> dict[str, Any]:
    """Return one row of the table."""
    row: dict[str, Any] = costs(MODELS[name], side(name))
    with torch.device("meta"):
        reference = REFERENCES[name].build()
    row["reference"] = REFERENCES[name].source
    row["reference_parameters"] = sum(p.numel() for p in reference.parameters())
    row["logit_difference"], row["precision"] = logit_difference(name)
    return row | speed(name, row["macs"])


def speed(name: str, macs: int, *, device: str = "cpu", rounds: int = 9) -> dict[str, Any]:
    """Return both ratios on random pictures, and how many of which side there were."""
    twins = reference_twin(MODELS[name], REFERENCES[name].build, dtype=torch.float32)
    ours, theirs = (model.to(device, memory_format=torch.channels_last) for model in twins)
    if device != "cpu":
        ours, theirs = (torch.compile(copy.deepcopy(model)) for model in (ours, theirs))
    pixels = small_side(name) if device == "cpu" else side(name)
    one = macs * (pixels / side(name)) ** 2
    found: dict[str, Any] = {"timed_side": pixels}
    for kind, work in WORK.items():
        batch = max(2, min(64, round(work / one))) if device == "cpu" else 64
        x = torch.randn(batch, 3, pixels, pixels, device=device).to(memory_format=torch.channels_last)
        learn = kind == "training"
        step = training(x, torch.randint(0, 10, (batch,), device=device)) if learn else inference(x)
        for model in Twins(ours, theirs):
            model.train(learn)
        found[f"{kind}_batch"] = batch
        found[f"{kind}_ratio"] = round(ratio(step, ours, theirs, rounds=rounds), 3)
    return found


def write(rows: dict[str, dict[str, Any]]) -> None:
    """Write the table, a model a line, in one move."""
    versions = {"python": platform.python_version()} | {n: version(n) for n in ("torch", "torchvision", "timm")}
    lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(rows[name])}" for name in MODELS if name in rows)
    text = f'{{\n  "versions": {json.dumps(versions)},\n  "models": {{\n{lines}\n  }}\n}}\n'
    partial = TABLE.with_suffix(".part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(TABLE)


def images_per_second(device: str) -> str:
    """Return how many CIFAR-10-sized pictures ResNet-18 learns from in a second, ours and torchvision's."""
    twins = reference_twin(MODELS["resnet18"], REFERENCES["resnet18"].build, dtype=torch.float32)
    x = torch.randn(512, 3, 32, 32, device=device).to(memory_format=torch.channels_last)
    step, said = training(x, torch.randint(0, 10, (512,), device=device)), []
    for model in twins:
        learner = torch.compile(copy.deepcopy(model).to(device, memory_format=torch.channels_last).train())
        for _ in range(5):
            step(learner)
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(50):
            step(learner)
        torch.cuda.synchronize()
        said.append(f"{50 * len(x) / (time.perf_counter() - start):,.0f}")
    return f"ResNet-18, 32 x 32 pixels, batches of 512: {said[0]} pictures a second, torchvision's {said[1]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="models; all by default")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(MODELS):
        parser.error(f"unknown models {sorted(unknown)}; there are {list(MODELS)}")
    names = asked.names or list(MODELS)
    if asked.device == "cuda":
        print(torch.cuda.get_device_name(), "bfloat16, channels_last, compiled", images_per_second("cuda"), sep="\n")
        for name in names:
            print(name, speed(name, 0, device="cuda"), flush=True)
        return
    torch.set_num_threads(1)
    rows = json.loads(TABLE.read_text(encoding="utf-8"))["models"] if TABLE.exists() else {}
    for name in names:
        start = time.perf_counter()
        torch.manual_seed(0)
        rows[name] = measure(name)
        write(rows)
        shown = {k: v for k, v in rows[name].items() if k != "stages"}
        print(f"{name} {shown} {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
