from pathlib import Path

import pytest

from sercl.corpora.base import Problem
from sercl.data.report import enforce, kinds
from sercl.errors import CorpusError


def problems(*names):
    return [Problem(Path(f"{number}.wav"), "why", kind=name) for number, name in enumerate(names)]


def test_a_lost_transcript_stops_nothing():
    enforce(problems("transcript", "transcript"), "raise", "ESD")


def test_other_problems_stop_unless_skipped():
    found = problems("transcript", "missing", "silent", "missing")
    enforce(found, "skip", "ESD")
    with pytest.raises(ValueError, match=r"ESD: 3 problems \(2 missing, 1 silent\)\n  1.wav: why\n"):
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
