from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sercl.studies.cross_eval.plan.trainings import balanced_with, few, joined
from tests.studies.cross_eval.samples import subset

NAMES = [f"a{number:02d}" for number in range(40)]


@given(st.integers(1, 10), st.integers(1, 10), st.integers(0, 5))
def test_fewer_shots_of_a_draw_are_among_the_more(one: int, other: int, draw: int) -> None:
    everything, (small, large) = subset("A", NAMES), sorted((one, other))
    less, more = few(everything, small, draw, 0), few(everything, large, draw, 0)
    assert less is not None
    assert more is not None
    assert set(less.keys) <= set(more.keys)
    assert Counter(less.split.labels) == dict.fromkeys(range(4), small)


def test_draws_and_folds_differ() -> None:
    everything = subset("A", NAMES)
    drawn = [few(everything, 2, draw, fold) for draw in range(3) for fold in range(3)]
    assert len({tuple(item.keys) for item in drawn if item is not None}) == 9


def test_more_than_a_class_has_is_none() -> None:
    assert few(subset("A", NAMES), 11, 0, 0) is None


def test_few_utterances_come_to_count_as_much() -> None:
    source, shots = subset("A", NAMES), subset("B", ["b1", "b2", "b3", "b4"])
    both = joined((source, balanced_with(shots, [source])))
    assert Counter(item.corpus for item in both.utterances) == {"A": 40, "B": 40}


def test_the_fingerprint_follows_audio_label_and_repetition() -> None:
    own = subset("A", NAMES)
    split = own.split
    others = [
        replace(own, repeat=2),
        replace(own, split=replace(split, audio_keys=("x", *split.audio_keys[1:]))),
        replace(own, split=replace(split, labels=(1, *split.labels[1:]))),
        subset("B", NAMES),
    ]
    assert subset("A", NAMES).fingerprint == own.fingerprint
    assert len({own.fingerprint, *(item.fingerprint for item in others)}) == 5
