import json
from dataclasses import replace
from pathlib import Path

import pytest

from sercl.corpora.base import Problem, Utterance
from sercl.data.config import LoaderConfig
from sercl.data.report import SAVED, DataReport, enforce, kinds, report_split
from sercl.data.split import Split
from sercl.errors import CorpusError

CLASSES = ("angry", "happy", "sad")


def utterance(name, speaker, language="de"):
    return Utterance(name, Path(f"/{name}.wav"), "sad", "Toy", language=language, speaker=speaker)


def problems(*names):
    return [Problem(Path(f"/{number}.wav"), "why", kind=name) for number, name in enumerate(names)]


def split():
    clips = (utterance("a", "s2"), utterance("b", "s1", "zh"), utterance("c", None), utterance("d", "s2"))
    return Split(clips, (2, 0, 2, 2), (1.0, 0.5, 0.25, 0.1251), tuple("abcd"), LoaderConfig())


def test_a_part_is_counted_by_class_speaker_and_language():
    found = report_split(split(), "Toy", CLASSES, problems("silent", "nan", "silent"))
    assert found.classes == {"angry": 1, "happy": 0, "sad": 3}
    assert list(found.speakers.items()) == [("s1", 1), ("s2", 2), ("unknown", 1)]
    assert found.languages == ("de", "zh")
    assert found.utterances == 4
    assert found.skipped == {"silent": 2, "nan": 1}
    assert found.to_dict()["seconds"] == 1.875


def test_a_report_is_plain_data_that_counts_all_and_spells_out_the_first():
    part = report_split(split(), "Toy", CLASSES)
    many = tuple(problems(*["missing"] * (SAVED + 5)))
    report = DataReport("Toy", CLASSES, {"test": part}, {"Toy": {"bored": 2}}, {"Toy": many}, ("a note",))
    data = json.loads(json.dumps(report.to_dict()))
    assert data["problems"]["Toy"]["kinds"] == {"missing": SAVED + 5}
    assert data["problems"]["Toy"]["first"] == [f"/{number}.wav: why" for number in range(SAVED)]
    assert data["splits"]["test"]["classes"] == {"angry": 1, "happy": 0, "sad": 3}
    assert (data["dropped"], data["notes"], data["setting"]) == ({"Toy": {"bored": 2}}, ["a note"], None)
    assert json.dumps(replace(report, setting="transfer").to_dict()).count('"setting": "transfer"') == 1


def test_a_lost_transcript_stops_nothing():
    enforce(problems("transcript", "transcript"), "raise", "ESD")


def test_other_problems_stop_unless_skipped():
    found = problems("transcript", "missing", "silent", "missing")
    enforce(found, "skip", "ESD")
    with pytest.raises(ValueError, match=r"ESD: 3 problems \(2 missing, 1 silent\)\n  /1.wav: why\n"):
        enforce(found, "raise", "ESD")


def test_kinds_are_counted_most_frequent_first():
    assert list(kinds(problems("short", "nan", "nan")).items()) == [("nan", 2), ("short", 1)]


def test_skipping_is_no_advice_where_nothing_would_be_left():
    with pytest.raises(CorpusError) as caught:
        enforce(problems("row", "row"), "raise", "Toy", left=0)
    assert "skip" not in str(caught.value)
    assert "Every utterance has a problem" in str(caught.value)
    with pytest.raises(CorpusError, match=r"--data\.on_error skip"):
        enforce(problems("row", "row"), "raise", "Toy", left=1)
