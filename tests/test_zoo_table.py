"""The table of the zoo, `companion/data/zoo.json`: counts as they are today, every model equal, none slower."""

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


def count(build):
    with torch.device("meta"):
        return sum(p.numel() for p in build().parameters())


def test_every_model_has_a_row_in_the_order_of_the_table_of_builders():
    assert list(ROWS) == list(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_parameters_are_those_of_today_and_of_the_reference(name):
    ours, theirs = count(MODELS[name]), count(REFERENCES[name].build)
    assert ours == theirs == ROWS[name]["parameters"] == ROWS[name]["reference_parameters"]
    assert ROWS[name]["reference"] == REFERENCES[name].source


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
