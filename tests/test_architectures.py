"""Facts and measurements of the zoo: complete, merged, true to their sources, and bad files are refused by name."""

import copy
import json
import re
from functools import cache
from pathlib import Path

import pytest
import torch

from companion._torchvision import torchvision
from companion.analysis import count_parameters, layer_costs
from companion.data.architectures import FAMILIES, LEARNS_ONLY, SERIES, architectures, fold, versions
from companion.models import MODELS
from companion.models.lenet import LeNet5Original
from tests.benchmarks.costs import costs

ROOT = Path(__file__).parents[1]
FACTS = ROOT / "companion" / "data" / "architectures.json"
VERSION = {
    "torchvision_v1": "IMAGENET1K_V1",
    "torchvision_v2": "IMAGENET1K_V2",
    "extra_data": "IMAGENET1K_SWAG_LINEAR_V1",
}


@cache
def zoo():
    return {a.name: a for a in architectures()}


def known(name):
    return torchvision.models.get_model_weights(name) if name in torchvision.models.list_models() else None


# What the files say


def test_every_model_of_the_zoo_is_there_and_lenet():
    assert set(zoo()) == {*MODELS, "lenet5"}
    years = [a.year for a in zoo().values()]
    assert years == sorted(years)
    assert (years[0], years[-1]) == (1998, 2022)
    assert {a.family for a in zoo().values()} == set(FAMILIES)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [  # published counts, to the last digit
        ("lenet5", 60_000),
        ("vgg16", 138_357_544),
        ("googlenet_2014", 13_378_280),
        ("resnet50", 25_557_032),
        ("seresnet50", 28_088_024),
        ("mobilenet_v1", 4_231_976),
        ("efficientnet_b0", 5_288_548),
        ("convnext_tiny", 28_589_128),
    ],
)
def test_counts_are_the_published_ones(name, parameters):
    assert zoo()[name].parameters == parameters


def test_heads_that_only_learn_are_told_apart():
    with_heads = {name: a.training_only for name, a in zoo().items() if a.training_only}
    assert set(with_heads) == {"googlenet", "googlenet_2014", "inception_v3"}
    assert zoo()["googlenet_2014"].parameters - with_heads["googlenet_2014"] == 6_998_552
    assert zoo()["inception_v3"].parameters - with_heads["inception_v3"] == 23_834_568
    assert [s.macs for s in zoo()["googlenet"].stages if s.name == LEARNS_ONLY] == [0]


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "googlenet", "densenet121"])
def test_counts_are_those_of_our_models_today(name):
    now, stored = costs(MODELS[name], zoo()[name].side), zoo()[name]
    assert (now["parameters"], now["macs"], now["activations"]) == (stored.parameters, stored.macs, stored.activations)


def test_lenet_is_counted_like_the_others():
    lenet, model = zoo()["lenet5"], LeNet5Original()
    rows = layer_costs(model, (1, 32, 32), depth=2)
    assert lenet.parameters == count_parameters(model)
    assert lenet.macs == sum(row.multiply_accumulates for row in rows)
    assert lenet.activations == 6 * 28 * 28 + 16 * 10 * 10 + 120  # C1, C3 and C5
    assert lenet.stages == fold([(r.name, r.output_shape, r.parameters, r.multiply_accumulates) for r in rows])
    assert lenet.check is None


@pytest.mark.parametrize(
    ("name", "millions"),
    [("regnet_x_800mf", 5.1), ("regnet_y_1_6gf", 8.0), ("regnet_y_32gf", 30.3), ("regnet_x_32gf", 36.3)],
)
def test_activations_are_those_of_the_authors_table(name, millions):
    assert round(zoo()[name].activations / 1e6, 1) == millions


def test_ours_equal_their_references():
    for a in zoo().values():
        if a.check:
            assert a.check.reference_parameters == a.parameters, a.name
            assert a.check.logit_difference < (1e-10 if a.check.precision == "float64" else 1e-4), a.name


@pytest.mark.parametrize("series", sorted(VERSION))
def test_torchvision_s_accuracies_are_those_of_its_metadata(series):
    found = 0
    for name, a in zoo().items():
        weights, result = known(name), a.result(series)
        published = weights is not None and VERSION[series] in weights.__members__
        assert (result is not None) == published, name
        if published:
            entry = weights[VERSION[series]]
            given = entry.meta["_metrics"]["ImageNet-1K"]
            assert (result.top1, result.top5) == (given["acc@1"], given["acc@5"]), name
            sizes = entry.transforms()
            assert f"the central {sizes.crop_size[0]} of {sizes.resize_size[0]} pixels" in result.conditions, name
            assert ("SWAG" in result.conditions) == (series == "extra_data")
            ported = "ported" in entry.meta["_docs"]
            assert ("ported" in result.conditions) == ported, name
            plain = series != "torchvision_v1" or "simple recipe" in result.conditions
            assert result.usual == (plain and sizes.crop_size[0] == 224), name
            assert ("new recipe" in result.conditions) == ("new training recipe" in entry.meta["_docs"]), name
            found += 1
    assert found >= 3


def test_cifar_networks_have_no_imagenet_number_and_the_other_way_round():
    for a in zoo().values():
        kinds = {result.series for result in a.results}
        assert kinds <= ({"cifar10"} if a.name.startswith("cifar") else set(SERIES) - {"cifar10"}), a.name


@pytest.mark.parametrize(
    ("name", "top1", "top5"),
    [  # where popular tables say otherwise
        ("resnet50", 75.3, 92.2),
        ("seresnet50", 76.71, 93.38),
        ("ecaresnet50", 77.48, 93.68),
        ("googlenet_2014", None, 89.93),
        ("efficientnet_b0", 77.1, None),
    ],
)
def test_accuracies_of_the_papers(name, top1, top5):
    result = zoo()[name].result("paper")
    assert result.top1 == top1
    if top5 is not None:
        assert result.top5 == top5


def test_ideas_are_one_plain_sentence():
    for a in zoo().values():
        assert re.fullmatch(r"[A-Z0-9].{10,120}\.", a.idea), a.name
        assert "  " not in a.idea


def test_every_source_stands_in_the_bibliography():
    keys = set(re.findall(r"@\w+\{(\w+),", (ROOT / "book" / "references.bib").read_text(encoding="utf-8")))
    used = {a.source for a in zoo().values()} | {r.source for a in zoo().values() for r in a.results}
    assert used <= keys


def test_every_chapter_is_a_file_with_its_label():
    for chapter in {a.chapter for a in zoo().values()}:
        text = (ROOT / "book" / f"{chapter}.md").read_text(encoding="utf-8")
        assert f"({chapter.split('/')[1]})=" in text


def test_versions_name_what_measured():
    assert {"torch", "torchvision", "timm"} <= set(versions())


def test_plain_is_json_and_complete():
    plain = [a.plain() for a in zoo().values()]
    assert json.loads(json.dumps(plain)) == plain
    assert plain[0]["check"] is None
    assert plain[0]["stages"][0] == {"name": "c1", "shape": [6, 28, 28], "parameters": 156, "macs": 117600}


def test_an_unknown_series_is_refused():
    with pytest.raises(ValueError, match=r"series must be paper or .*, got 'best'"):
        zoo()["resnet50"].result("best")


# Folding


def test_fold_keeps_stages_apart_and_all_costs():
    rows = [
        ("edge", (3, 9, 9), 0, 0),
        ("stem.0", (8, 4, 4), 80, 1280),
        ("stem.1", (8, 2, 2), 0, 0),
        ("stages.0", (8, 2, 2), 10, 40),
        ("stages.1", (16, 2, 2), 20, 80),
        ("pool", (16, 1, 1), 0, 0),
        ("flatten", (16,), 0, 0),
        ("head.0", (10,), 170, 160),
        ("", (10,), 5, 0),
    ]
    made = fold(rows)
    assert [s.name for s in made] == ["stem", "stages.0", "stages.1", "head", LEARNS_ONLY]
    assert [s.shape for s in made] == [(8, 2, 2), (8, 2, 2), (16, 1, 1), (10,), (10,)]
    assert sum(s.parameters for s in made) == 285
    assert sum(s.macs for s in made) == 1560


def test_folded_stages_are_our_models_layers():
    with torch.device("meta"):
        rows = layer_costs(MODELS["resnet18"](), (3, 224, 224), depth=2)
    made = fold([(r.name, r.output_shape, r.parameters, r.multiply_accumulates) for r in rows])
    assert [s.name for s in made] == ["stem", "stages.0", "stages.1", "stages.2", "stages.3", "head"]
    assert [s.shape[0] for s in made] == [64, 64, 128, 256, 512, 1000]


# Bad files


MODEL = {
    "name": "tiny",
    "title": "Tiny",
    "family": "VGG",
    "chapter": "architectures/vgg",
    "year": 2014,
    "people": "Somebody",
    "source": "simonyan2015",
    "idea": "A small one.",
    "results": [
        {
            "series": "paper",
            "top1": 50,
            "top5": 75.5,
            "usual": True,
            "conditions": "one view",
            "source": "simonyan2015",
        }
    ],
    "counted": None,
}
MEASURED = {
    "side": 32,
    "parameters": 90,
    "macs": 80,
    "activations": 7,
    "stages": [["head", "Linear", [10], 90, 80]],
    "reference": "an oracle",
    "reference_parameters": 90,
    "logit_difference": 0.0,
    "precision": "float64",
    "timed_side": 32,
    "inference_ratio": 1,
    "training_ratio": 1.25,
    "anything": "more",
}
WORKS = {"simonyan2015": {"reference": "Simonyan and Zisserman 2015", "url": "https://arxiv.org/abs/1409.1556"}}


def load(folder, models=(MODEL,), *, works=WORKS, measured=None, **counted):
    facts, zoo = folder / "facts.json", folder / "zoo.json"
    facts.write_text(json.dumps({"works": works, "models": list(models)}))
    measured = {"tiny": {**MEASURED, **counted}} if measured is None else measured
    zoo.write_text(json.dumps({"versions": {"torch": "9"}, "models": measured}))
    return architectures(facts, zoo=zoo)


def test_sound_files_elsewhere_are_read(tmp_path):
    (made,) = load(tmp_path)
    assert (made.parameters, made.training_only, made.check.training_ratio) == (90, 0, 1.25)
    assert made.result("paper").url == made.url == WORKS["simonyan2015"]["url"]
    assert made.result("cifar10") is None
    assert versions(tmp_path / "zoo.json") == {"torch": "9"}


def with_result(**changes):
    return [{**MODEL, "results": [{**MODEL["results"][0], **changes}]}]


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([{**MODEL, "extra": 1}], r"model 0: expected the fields name, title"),
        (["text"], r"model 0: expected the fields .*got 'text'"),
        ([{**MODEL, "year": "2014"}], r"model 0: year must be .*int.*, got '2014'"),
        ([{**MODEL, "year": True}], r"year must be .*got True"),
        ([{**MODEL, "idea": ""}], r"idea must be .*not empty, got ''"),
        ([{**MODEL, "family": "ViT"}], r"tiny: family must be LeNet and AlexNet or .*, got 'ViT'"),
        ([{**MODEL, "source": "me2014"}], r"tiny: source must be simonyan2015, got 'me2014'"),
        ([{**MODEL, "chapter": "vgg"}], r"chapter must be like 'architectures/resnet', got 'vgg'"),
        ([MODEL, MODEL], r"there twice: tiny"),
        ([MODEL, {**MODEL, "name": "other"}], r"only one of facts.json and zoo.json knows other"),
        ([], r"only one of facts.json and zoo.json knows tiny"),
        ([MODEL, {**MODEL, "name": "b", "year": 2000, "counted": {}}], r"model 1: 2000 comes after 2014"),
        ([{**MODEL, "results": MODEL["results"] * 2}], r"one result a series, got \['paper', 'paper'\]"),
        (with_result(series="best"), r"series must be paper or .*, got 'best'"),
        (with_result(usual=1), r"usual must be .*bool.*, got 1"),
        (with_result(source="me2014"), r"tiny: source must be simonyan2015, got 'me2014'"),
        (with_result(top1="50"), r"result: top1 must be .*, got '50'"),
        (with_result(top1=80), r"top-1 <= top-5 in per cent, at least one, got 80 and 75.5"),
        (with_result(top1=0.76), r"per cent, at least one, got 0.76"),
        (with_result(top1=None, top5=None), r"at least one, got None and None"),
        (with_result(more=1), r"result: expected the fields series"),
    ],
)
def test_bad_facts_are_refused(tmp_path, models, message):
    with pytest.raises(ValueError, match=message):
        load(tmp_path, models)


@pytest.mark.parametrize(
    ("counted", "message"),
    [
        ({"parameters": 91}, r"zoo.json, tiny: the stages have 90 parameters, the model 91"),
        ({"macs": 0, "stages": [["head", "Linear", [10], 90, 0]]}, r"the stages have 0 macs, the model 0"),
        ({"side": 2.5}, r"side must be .*int.*, got 2.5"),
        ({"logit_difference": float("nan")}, r"need a difference >= 0 and ratios > 0, got nan"),
        ({"inference_ratio": 0}, r"ratios > 0, got 0.0 and \(0, 1.25\)"),
        ({"reference": None}, r"reference must be .*str.*, got None"),
    ],
)
def test_bad_measurements_are_refused(tmp_path, counted, message):
    with pytest.raises(ValueError, match=message):
        load(tmp_path, **counted)


def test_a_measurement_without_a_field_is_refused(tmp_path):
    short = {name: value for name, value in MEASURED.items() if name != "macs"}
    with pytest.raises(ValueError, match=r"tiny: expected the fields side, parameters, macs"):
        load(tmp_path, measured={"tiny": short})


@pytest.mark.parametrize(
    "works",
    [
        {"Simonyan 2015": WORKS["simonyan2015"]},
        {"simonyan2015": {**WORKS["simonyan2015"], "url": "javascript:alert(1)"}},
        {"simonyan2015": {"reference": "no address"}},
    ],
)
def test_bad_works_are_refused(tmp_path, works):
    with pytest.raises(ValueError, match=r"work '"):
        load(tmp_path, works=works)


@pytest.mark.parametrize(("text", "message"), [("[{", "is not JSON"), ("[]", "expected models and works, got")])
def test_files_of_another_form_are_refused(tmp_path, text, message):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        architectures(tmp_path / "bad.json")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"zoo\.json"):
        architectures(FACTS, zoo=tmp_path / "zoo.json")


def test_own_counts_need_no_measurement(tmp_path):
    own = copy.deepcopy(MODEL)
    own["counted"] = {name: MEASURED[name] for name in ("side", "parameters", "macs", "activations", "stages")}
    (made,) = load(tmp_path, [own], measured={})
    assert (made.check, made.plain()["check"]) == (None, None)
