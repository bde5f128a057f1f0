"""The records are complete, the numbers are the official ones, and bad files are refused by name."""

import json
import re
import unicodedata
from pathlib import Path

import pytest

from companion.data import history, ilsvrc, milestones

BIBLIOGRAPHY = Path(__file__).parents[1] / "book" / "references.bib"


def test_milestones_span_the_course_in_order():
    years = [event.year for event in milestones()]
    assert (years[0], years[-1]) == (1943, 2025)
    assert years == sorted(years)
    assert {event.category for event in milestones()} == set(history.CATEGORIES)


@pytest.mark.parametrize(
    ("title", "year"),
    [  # from the works themselves; the years that are often told otherwise come first
        ("Perceptron", 1957),
        ("Reverse-mode autodiff", 1970),
        ("Werbos’s thesis", 1974),
        ("Neocognitron", 1980),
        ("Backpropagation", 1986),
        ("Vanishing gradients", 1991),
        ("VGG", 2014),
        ("Adam", 2014),
        ("Vision Transformer", 2020),
        ("DINOv3", 2025),
    ],
)
def test_years_are_those_of_the_first_public_version(title, year):
    assert {event.title: event.year for event in milestones()}[title] == year


def test_winters_are_the_spans_and_dated_as_usual():
    spans = {(event.year, event.end) for event in milestones() if event.category == "winter"}
    assert spans == {(1974, 1980), (1987, 1993)}
    assert all(event.end is None for event in milestones() if event.category != "winter")


def test_every_reason_is_one_plain_sentence():
    for event in milestones():
        assert re.fullmatch(r"([^.]|\.\d)+\.", event.why), event.title
        assert len(event.why) <= 180, event.title


def test_source_key_and_reference_name_the_same_work():
    for record in (*milestones(), *ilsvrc().results, ilsvrc().human):
        year = record.source[-4:]
        assert year in record.reference, record
        name = unicodedata.normalize("NFD", record.reference).split()[0].encode("ascii", "ignore").decode().lower()
        assert record.source[:-4] in ("ilsvrc", name), record


def test_every_source_stands_in_the_bibliography():
    entries = re.findall(r"@\w+\{([a-z]+\d{4}),(.*?)\n\}", BIBLIOGRAPHY.read_text(encoding="utf-8"), re.DOTALL)
    years = {key: re.search(r"year\s*=\s*[{\"]?(\d{4})", entry) for key, entry in entries}
    for record in (*milestones(), *ilsvrc().results, ilsvrc().human):
        assert record.source in years, record
        assert years[record.source][1] == record.source[-4:], record


def test_winning_errors_are_the_official_ones():
    official = {
        2010: [0.28191],
        2011: [0.25770],
        2012: [0.16422, 0.15315],
        2013: [0.11743, 0.11197],
        2014: [0.06656],
        2015: [0.03567],
        2016: [0.02991],
        2017: [0.02251],
    }
    found = {}
    for result in ilsvrc().results:
        found.setdefault(result.year, []).append(result.error)
    assert found == official
    assert [r.year for r in ilsvrc().results if r.outside_data] == [2012, 2013]
    assert ilsvrc().human.error == 0.051


def test_convolutional_networks_win_from_2012_on():
    for result in ilsvrc().results:
        assert (result.family == "convolutional network") == (result.year >= 2012)


# Bad files


def write(folder, content):
    path = folder / "records.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def event(**changes):
    return {**milestones()[0]._asdict(), **changes}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("[{", r"records.json is not JSON"),
        ({}, r"expected a list, got a dict"),
        (["text"], r"record 0: expected the fields year, end, title.*got 'text'"),
        ([{k: v for k, v in event().items() if k != "why"}], r"record 0: expected the fields"),
        ([event(extra=1)], r"record 0: expected the fields"),
        ([event(year="1943")], r"record 0: year must be .*int.*, got '1943'"),
        ([event(year=True)], r"record 0: year must be .*int.*, got True"),
        ([event(people="")], r"record 0: people is empty"),
        (
            [event(source="Hebb 1949")],
            r"source must be a bibliography key such as 'hebb1949', got 'Hebb 1949'",
        ),
        ([event(url="javascript:alert(1)")], r"url must start with https://, got 'javascript:alert\(1\)'"),
        ([event(category="war")], r"record 0: category must be idea or .* winter, got 'war'"),
        ([event(end=1943)], r"record 0: end must be after 1943, got 1943"),
        ([event(), event()], r"record 1: title 'McCulloch–Pitts neuron' is there twice"),
        ([event(), event(year=1900, title="earlier")], r"record 1: 1900 comes after 1943"),
    ],
)
def test_bad_milestones_are_refused(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        milestones(write(tmp_path, rows))


def challenge(*, human=None, **changes):
    sound = ilsvrc()
    return {
        "results": [{**sound.results[0]._asdict(), **changes}, sound.results[1]._asdict()],
        "human": {**sound.human._asdict(), **(human or {})},
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], r"expected a dict, got a list"),
        ({"results": []}, r"expected 'results' and 'human', got \['results'\]"),
        (challenge(error=28.191), r"an error must lie between 0 and 1, got 28.191"),
        (challenge(error=1), r"result 0: error must be <class 'float'>, got 1"),
        (challenge(outside_data=0), r"result 0: outside_data must be <class 'bool'>, got 0"),
        (challenge(year=2012), r"record 1: 2011 comes after 2012"),
        (challenge(human={"error": 0.0}), r"got 0.0"),
        (challenge(human={"conditions": ""}), r"human: conditions is empty"),
    ],
)
def test_bad_results_are_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        ilsvrc(write(tmp_path, content))


def test_sound_files_elsewhere_are_read(tmp_path):
    assert milestones(write(tmp_path, [event()]))[0] == milestones()[0]
    assert ilsvrc(write(tmp_path, challenge())).results[0] == ilsvrc().results[0]
