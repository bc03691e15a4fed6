import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sercl.corpora.base import Segment
from sercl.diarization.postprocess import PostConfig
from sercl.errors import SegmentError, UnknownNameError, UsageError
from sercl.metrics.eder import DiarizationMetrics
from sercl.metrics.functional.classification import AVERAGES
from sercl.metrics.functional.eder import ERRORS
from sercl.studies.diarization.evaluation import candidates, eder_difference, evaluate, mean_eder, tune
from sercl.studies.diarization.recordings import DiarizedRecording, SystemFrames
from sercl.tasks.diarizer import FrameScores

CLASSES = ("angry", "happy", "neutral", "sad")


def diarized(id, reference, hypothesis, duration=10.0, speaker=None):
    spell = lambda rows: tuple(Segment(*row) for row in rows)  # noqa: E731
    return DiarizedRecording(id, speaker, spell(reference), spell(hypothesis), duration)


ONE = diarized("a", [(2, 6, "sad")], [(3, 7, "sad")])
TWO = diarized("b", [(0, 5, "angry")], [(0, 2, "happy")], 5.0)


def test_parts_add_up_and_means_are_over_recordings():
    found = evaluate([ONE, TWO], CLASSES)
    assert found.eder.value == pytest.approx((0.2 + 1.0) / 2)
    assert found.named["missed"].value == pytest.approx((0.1 + 0.6) / 2)
    assert found.named["false_alarm"].value == pytest.approx(0.1 / 2)
    assert found.named["confusion"].value == pytest.approx(0.4 / 2)
    assert found.named["eder_time"].value == pytest.approx((2 + 5) / 15)


def test_boundaries_and_events():
    found = evaluate([ONE, TWO], CLASSES)
    assert (found.events, found.events_found, found.boundaries) == (2, 1, 2)
    assert found.named["boundary_error"].value == pytest.approx(1.0)


def test_emotions_have_rows():
    rows = {row.name: row for row in evaluate([ONE, TWO], CLASSES).by_emotion}
    assert rows["sad"].eder.value == pytest.approx(0.2)
    assert rows["sad"].recall == pytest.approx(0.75)
    assert (rows["sad"].recordings, rows["sad"].seconds) == (1, 4.0)
    assert (rows["neutral"].recordings, rows["neutral"].seconds) == (0, 6.0)
    assert math.isnan(rows["happy"].eder.value)


@given(
    st.lists(
        st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES), st.floats(0.5, 9), st.floats(0.5, 9)),
        min_size=1,
        max_size=6,
    )
)
def test_scores_are_those_of_the_metric(rows):
    items = [
        diarized(str(i), [(0, 0.9 * a, one)], [(0.1, b, other)], max(a, 1.0))
        for i, (one, other, a, b) in enumerate(rows)
    ]
    metrics = DiarizationMetrics(CLASSES)
    for item in items:
        metrics.update(item.reference, item.hypothesis, item.duration)
    expected, found = metrics.compute(), evaluate(items, CLASSES)
    assert {*found.named} == {*ERRORS, *AVERAGES}
    for name, score in found.named.items():
        value = torch.tensor(score.value, dtype=torch.float64)
        assert torch.allclose(value, expected[name].double(), atol=1e-4, equal_nan=True), name
    for row in found.by_emotion:
        own = torch.tensor(row.eder.value, dtype=torch.float64)
        assert torch.allclose(own, expected[f"eder/{row.name}"].double(), atol=1e-4, equal_nan=True)


def test_intervals_resample_speakers_where_there_are_enough():
    items = [
        diarized(str(i), [(2, 6, "sad")], [(2 + i % 3, 6, "sad")], speaker=f"ZED spk{i % 6}")
        for i in range(12)
    ]
    score = evaluate(items, CLASSES).eder
    assert (score.unit, score.count) == ("speakers", 6)
    assert score.low < score.value < score.high
    assert evaluate([ONE, TWO], CLASSES).eder.unit == "recordings"
    assert math.isnan(evaluate([ONE], CLASSES).eder.low)


def test_a_difference_is_paired():
    worse = [diarized("a", [(2, 6, "sad")], []), diarized("b", [(0, 5, "angry")], [], 5.0)]
    found = eder_difference([ONE, TWO], worse, CLASSES)
    assert found.value == pytest.approx((0.4 - 0.2 + 1.0 - 1.0) / 2)
    assert eder_difference(worse, worse, CLASSES).value == 0


def test_nothing_is_nan_in_plain_data():
    plain = evaluate([diarized("a", [], [])], CLASSES).to_dict()
    assert plain["eder"] == {"value": 0.0, "low": None, "high": None, "unit": "recordings", "count": 1}
    assert plain["boundary_error"]["value"] is None


def test_what_cannot_be_evaluated_is_refused():
    with pytest.raises(UsageError, match="no recordings"):
        evaluate([], CLASSES)
    with pytest.raises(SegmentError, match="recording 'a': sad from 0 s to 12 s overruns"):
        evaluate([diarized("a", [(0, 12, "sad")], [])], CLASSES)
    with pytest.raises(UnknownNameError, match="bored"):
        evaluate([diarized("a", [(0, 2, "bored")], [])], CLASSES)


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


def test_scores_that_fall_with_the_choice_are_kept():
    items = recordings_with(0.0)
    # A short event that is detected, and many short false ones, which smoothing removes together.
    frames = items[0].frames["diarizer"].probabilities
    frames[:] = 0.1
    frames[:, 2] = 0.7
    for first in (5, 25, 45, 85, 105, 125, 145):
        frames[first : first + 3, [0, 2]] = 0.7, 0.1
    frames[160:163, [0, 2]] = 0.7, 0.1
    items = [replace(items[0], reference=(Segment(3.2, 3.26, "angry"),))]
    found = tune(items, "diarizer", CLASSES, PostConfig("none", min_seconds=0.0))
    assert found.falls["recall of angry"] == (pytest.approx(1.0), pytest.approx(0.0))
    assert found.falls["events found"] == (1.0, 0.0)
    assert found.events == 1


def test_settings_are_different_and_the_plainest_comes_first():
    settings = list(candidates())
    assert settings[0] == PostConfig("none", min_seconds=0.0)
    assert len(set(settings)) == len(settings)


def test_nothing_to_tune_on_is_an_error():
    with pytest.raises(UsageError, match="no validation recordings"):
        tune([], "diarizer", CLASSES, PostConfig())
