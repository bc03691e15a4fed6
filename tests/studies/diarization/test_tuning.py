import numpy as np
import pytest

from sercl.corpora.base import Segment
from sercl.diarization.postprocess import PostConfig
from sercl.errors import UsageError
from sercl.studies.diarization.evaluation import candidates, mean_eder, tune
from sercl.studies.diarization.recordings import SystemFrames
from sercl.tasks.diarizer import FrameScores

CLASSES = ("angry", "happy", "neutral", "sad")


def recordings_with(flicker):
    """One event in the middle; `flicker` of the frames, drawn at random, are certain of another emotion."""
    rng = np.random.default_rng(0)
    items = []
    for number in range(3):
        labels = np.full(200, 2)
        labels[60:140] = 3
        wrong = rng.random(200) < flicker
        labels[wrong] = 0
        frames = np.full((200, 4), 0.1, dtype=np.float32)
        frames[np.arange(200), labels] = 0.7
        reference = (Segment(1.2, 2.8, "sad"),)
        items.append(
            SystemFrames(str(number), None, reference, 4.0, {"diarizer": FrameScores(frames, 0.02, 4.0)})
        )
    return items


def test_smoothing_is_chosen_where_it_helps():
    items, plain = recordings_with(0.25), PostConfig("none", min_seconds=0.0)
    found = tune(items, "diarizer", CLASSES, plain)
    assert found.post.smoothing != "none"
    assert found.eder < 0.05 < found.before == pytest.approx(mean_eder(items, "diarizer", CLASSES, plain))
    assert found.eder == pytest.approx(mean_eder(items, "diarizer", CLASSES, found.post))
    assert found.tried == 1 + len(list(candidates()))


def test_what_is_as_good_stays():
    before = PostConfig("viterbi", switch_penalty=3.0, min_seconds=0.1)
    found = tune(recordings_with(0.0), "diarizer", CLASSES, before)
    assert found.post == before
    assert found.eder == pytest.approx(0.0, abs=1e-9)


def test_settings_are_different_and_the_plainest_comes_first():
    settings = list(candidates())
    assert settings[0] == PostConfig("none", min_seconds=0.0)
    assert len(set(settings)) == len(settings)


def test_nothing_to_tune_on_is_an_error():
    with pytest.raises(UsageError, match="no validation recordings"):
        tune([], "diarizer", CLASSES, PostConfig())
