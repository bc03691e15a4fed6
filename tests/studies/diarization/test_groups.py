"""Groups of recordings, against each group evaluated alone."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from sercl.corpora.base import Segment, Utterance
from sercl.errors import UnknownNameError, UsageError
from sercl.studies.diarization.evaluation import evaluate
from sercl.studies.diarization.groups import MIXED, SCORES, check_recordings, grouped_recordings
from sercl.studies.diarization.recordings import DiarizedRecording

CLASSES = ("angry", "happy", "neutral", "sad")


def utterance(speaker, gender, session=None):
    own = {"speaker": speaker, "gender": gender, "session": session}
    return Utterance(f"{speaker}-{session}", Path("a.wav"), "angry", "c", "de", **own)


def made(women=6, men=6, each=3, missed=(1.0, 2.0)):
    """Recordings of 10 s with an event of 4 s, of which women and men miss some seconds."""
    rng = np.random.default_rng(0)
    found, sources = [], []
    for gender, people, lost in zip(("f", "m"), (women, men), missed, strict=True):
        for person in range(people):
            shift = rng.uniform(-0.8, 0.8)
            for number in range(each):
                name = f"{gender}{person}"
                end = 6 - lost - shift
                parts = (Segment(2, 6, "sad"),), (Segment(2, end, "sad"),)
                found.append(DiarizedRecording(f"{name}-{number}", f"c {name}", *parts, 10.0))
                sources.append((utterance(name, gender),))
    return found, sources


def test_each_group_is_scored_as_if_it_were_alone():
    found, sources = made(women=5)
    (grouping,) = grouped_recordings(found, sources, ["gender"], CLASSES)
    assert [(own.value, own.utterances, own.speakers) for own in grouping.groups] == [
        ("m", 18, 6),
        ("f", 15, 5),
    ]
    for group in grouping.groups:
        alone = evaluate([item for item in found if item.id[0] == group.value], CLASSES)
        assert group.scores == {name: alone.named[name] for name in SCORES}


def test_the_difference_of_means_has_welchs_test_over_speakers():
    found, sources = made(women=6, men=9)
    (grouping,) = grouped_recordings(found, sources, ["gender"], CLASSES)
    (own,) = grouping.differences
    rates = {
        side: [1 - item.hypothesis[0].end / 10 for item in found[::3] if item.id[0] == side] for side in "fm"
    }  # equal recordings of a speaker, so that each speaker is one value
    test = stats.ttest_ind(rates["m"], rates["f"], equal_var=False)
    assert (own.first, own.second, own.difference.count) == ("m", "f", 15)
    assert own.difference.value == pytest.approx(np.mean(rates["m"]) - np.mean(rates["f"]))
    assert own.p == pytest.approx(test.pvalue)
    assert own.difference.low == pytest.approx(test.confidence_interval().low)
    assert grouping.to_frame().iloc[-1]["score"] == "eder"


def test_few_speakers_and_few_recordings_are_marked_and_not_tested():
    found, sources = made(women=3)
    (grouping,) = grouped_recordings(found, sources, ["gender"], CLASSES)
    (own,) = grouping.differences
    assert "f has 3 speakers, fewer than 5" in own.reason
    assert np.isnan(own.p)
    assert len(grouping.groups[1].remarks) == 2


def test_clips_of_several_values_are_a_group_that_is_not_compared():
    found, sources = made()
    sources = [
        (utterance("f0", "f", "1"), utterance("f0", "f", "2")) if not number else (utterance("f0", "f", own),)
        for number, own in enumerate(["1", "1", *"12" * 17])
    ]
    (grouping,) = grouped_recordings(found, sources, ["session"], CLASSES)
    assert {own.value for own in grouping.groups} == {"1", "2", MIXED}
    assert [{own.first, own.second} for own in grouping.differences] == [{"1", "2"}]


def test_unknown_columns_and_single_groups_are_refused():
    _, sources = made()
    with pytest.raises(UnknownNameError, match="dialct"):
        check_recordings(sources, ["dialct"])
    with pytest.raises(UsageError, match="'de'"):
        check_recordings(sources, ["language"])
