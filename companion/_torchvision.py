"""The one import of torchvision: it also works where torchvision's compiled operators do not load.

A CUDA build of torchvision beside a CPU build of torch is a common accident. The Python part then fails on
import, because it describes operators that the compiled part never declared. Declaring those, without an
implementation, lets models, transforms and data sets work; only the operators themselves (`nms`, `qnms`)
raise when called. Where torchvision is sound nothing is declared.

    >>> from companion._torchvision import torchvision
    >>> torchvision.models.resnet18().fc.out_features
    1000
"""

import importlib
import re
import sys
from types import ModuleType

import torch

__all__ = ["declared", "torchvision"]

declared: list[str] = []
"""The operators that were missing and are declared here; empty where torchvision is sound."""


def _import() -> ModuleType:
    """Import torchvision; each time that an undeclared operator stops it, declare that one and try again.

    Raises:
        ImportError: torchvision is not installed, or fails for another reason.
    """
    while True:
        try:
            return importlib.import_module("torchvision")
        except RuntimeError as error:
            missing = re.search(r"operator torchvision::(\w+) does not exist", str(error))
            if missing is None or missing[1] in declared:
                raise ImportError(f"torchvision does not load beside torch {torch.__version__}: {error}") from error
            declared.append(missing[1])
            torch.library.define(
                f"torchvision::{missing[1]}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
            for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
                del sys.modules[name]  # what the failed attempt left half-imported


torchvision = _import()
