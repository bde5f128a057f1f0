"""The zoo beside its references, layer by layer and in float64, and its table `companion/data/zoo.json`."""

import itertools
import json

import pytest
import torch
from torch import nn

from companion.models import MODELS
from tests.benchmarks import speed
from tests.benchmarks.__main__ import TABLE
from tests.benchmarks.costs import costs
from tests.references import REFERENCES, side
from tests.twins import assert_same_logits, reference_twin

ROWS = json.loads(TABLE.read_text(encoding="utf-8"))["models"]
ONE_OF_A_FAMILY = [
    "alexnet_two_towers",
    "vgg11",
    "resnet18",
    "resnest50",
    "densenet121",
    "googlenet_2014",
    "inception_v3",
]
ONE_OF_A_FAMILY += ["xception", "mobilenet_v2", "efficientnet_b0", "regnet_y_400mf", "convnext_tiny", "nasnet_a_mobile"]

SIDES = {"alexnet": 127, "alexnet_two_towers": 224, "alexnet_single_tower": 225, "nasnet_a_mobile": 65}
SIDES |= {"inception_v3": 75, "inception_v4": 75, "inception_resnet_v2": 75, "xception": 65, "googlenet": 65}
SIDES |= {"googlenet_2014": 65, "densenet121": 65, "convnext_tiny": 65, "resnest50": 65}
"""Sides in pixels, odd where the model allows it, at which borders and roundings still show; elsewhere 33."""

TOO_DEEP = {"cifar_plain110", "cifar_resnet1202", "cifar_preact_resnet1001"}

LAYERS = (nn.Conv2d, nn.Linear, nn.LayerNorm, nn.modules.batchnorm._BatchNorm)
NUMBERS = ("kernel_size", "stride", "padding", "dilation", "groups", "eps", "momentum")


def count(model):
    return sum(p.numel() for p in model.parameters())


def layers(model):
    """All that a layer with weights is, without its weights."""
    found = [layer for layer in model.modules() if isinstance(layer, LAYERS)]
    return [([p.shape for p in layer.parameters()], *(getattr(layer, n, None) for n in NUMBERS)) for layer in found]


def rates(model):
    """Probabilities of dropping, of numbers and of whole branches."""
    return [m.p for m in model.modules() if type(m).__name__ in {"Dropout", "StochasticDepth"} and m.p > 0]


def test_every_model_has_a_row_in_the_order_of_the_table_of_builders():
    assert list(ROWS) == list(MODELS)


@pytest.mark.no_cover  # each family has tests of its own, which count
@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_its_reference_and_has_the_stated_count(name):
    """Layer by layer; and in the logits, in float64, where it is neither a giant nor too deep for random weights."""
    row, source = ROWS[name], REFERENCES[name].source
    with torch.device("meta"):
        ours, theirs = MODELS[name](), REFERENCES[name].build()
    assert count(ours) == count(theirs) == row["parameters"] == row["reference_parameters"]
    assert f"{count(ours):,} parameters" in MODELS[name].__doc__
    assert source == row["reference"]
    shapes = [[v.shape for v in model.state_dict().values()] for model in (ours, theirs)]
    assert shapes[0] == shapes[1]
    if not name.startswith("nasnet"):  # timm's cells have modules of their own that pad and step
        assert layers(ours) == layers(theirs)
    if source == f"torchvision {name}":
        assert rates(ours) == pytest.approx(rates(theirs))
    if count(ours) < 65e6 and name not in TOO_DEEP:
        assert_same_logits(reference_twin(lambda: ours, lambda: theirs), size=SIDES.get(name, 33))


@pytest.mark.parametrize("name", ONE_OF_A_FAMILY)
def test_work_and_stages_are_those_of_today(name):
    fresh = costs(MODELS[name], side(name))
    assert {key: ROWS[name][key] for key in fresh} == fresh
    assert sum(row[3] for row in fresh["stages"]) <= fresh["parameters"]
    assert sum(row[4] for row in fresh["stages"]) == fresh["macs"]


@pytest.mark.parametrize("name", MODELS)
def test_no_logits_differ_and_no_model_is_slower(name):
    row = ROWS[name]
    assert row["logit_difference"] <= {"float64": 1e-11, "float32": 1e-5}[row["precision"]]
    assert min(row["inference_ratio"], row["training_ratio"]) >= 0.97


def test_a_convolution_counts_once_for_each_number_it_puts_out():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(4, 5))
    found = costs(lambda: model.to("meta"), 4)
    assert (found["activations"], found["macs"], found["parameters"]) == (4, 4 * 27 + 20, 4 * 28 + 25)


def test_the_ratio_is_the_references_time_over_ours(monkeypatch):
    ours, theirs = nn.Linear(1, 1), nn.Linear(1, 1)
    clock, cost = itertools.count(), {id(ours): 2.0, id(theirs): 3.0}
    now = [0.0]

    def step(model):
        now[0] += cost[id(model)] * (1 + 0.1 * (next(clock) % 3))

    monkeypatch.setattr(speed.time, "process_time", lambda: now[0])
    assert speed.ratio(step, ours, theirs, rounds=9) == pytest.approx(1.5, rel=0.2)
