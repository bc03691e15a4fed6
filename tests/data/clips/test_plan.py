from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sercl.data.clips.config import ClipConfig
from sercl.data.clips.plan import Piece, Planner, class_seconds, clip_seconds, length
from sercl.errors import UsageError
from tests.data.clips.samples import pieces, utterance

CLASSES = ("angry", "happy", "neutral", "sad")
TWO_EVENTS = ClipConfig(patterns={"NENEN": 1.0})


def names(clip):
    return tuple(piece.utterance.id for piece in clip.pieces)


def plans(planner, count):
    return [planner.plan(index) for index in range(count)]


@given(st.integers(0, 10_000), st.integers(0, 2**31))
def test_a_clip_depends_on_seed_and_index_alone(index, seed):
    given_order, reversed_order = pieces(), pieces()[::-1]
    first, second = (Planner(order, ClipConfig(), seed) for order in (given_order, reversed_order))
    second.plan(3)
    assert first.plan(index) == second.plan(index)


def test_seeds_and_indices_differ():
    first, second = (Planner(pieces(), ClipConfig(), seed) for seed in (1, 2))
    drawn = plans(first, 50)
    assert len({(names(clip), clip.crop) for clip in drawn}) == 50
    assert [clip.pieces for clip in drawn] != [clip.pieces for clip in plans(second, 50)]


@given(st.integers(0, 500), st.sampled_from([ClipConfig(), TWO_EVENTS]))
def test_a_clip_is_what_its_pattern_says_and_of_one_speaker(index, config):
    clip = Planner(pieces(), config, 0).plan(index)
    letters = "".join("N" if piece.label == "neutral" else "E" for piece in clip.pieces)
    assert letters == clip.pattern
    assert clip.pattern in config.patterns
    assert len({piece.speaker for piece in clip.pieces}) == 1
    assert len(set(names(clip))) == len(clip.pieces)
    assert 0 <= clip.crop < 1


def test_patterns_come_as_often_as_their_probability():
    counts = Counter(clip.pattern for clip in plans(Planner(pieces(), ClipConfig(), 0), 4000))
    assert {pattern: count / 4000 for pattern, count in counts.items()} == pytest.approx(
        dict.fromkeys(("NE", "EN", "NEN", "E"), 0.25), abs=0.03
    )
    uneven = ClipConfig(patterns={"NE": 3.0, "E": 1.0, "EN": 0.0})
    counts = Counter(clip.pattern for clip in plans(Planner(pieces(), uneven, 0), 4000))
    assert counts["EN"] == 0
    assert counts["NE"] / 4000 == pytest.approx(0.75, abs=0.03)


def test_each_round_uses_every_emotional_piece():
    planner = Planner(pieces(), ClipConfig(), 0)
    assert planner.round == 18
    rounds = [[planner.plan(index) for index in range(start, start + 18)] for start in (0, 18)]
    for clips in rounds:
        used = Counter(name for clip in clips for name in names(clip) if "neutral" not in name)
        assert len(used) == 18
        assert set(used.values()) == {1}
    assert [clip.pieces for clip in rounds[0]] != [clip.pieces for clip in rounds[1]]


def test_two_corpora_may_call_two_people_the_same():
    here = pieces(speakers=("s1",), emotions=("angry",))
    there = [
        Piece(utterance("n", "neutral", "s1", corpus="other"), 0.0, 1.0, "neutral"),
    ]
    with pytest.raises(UsageError, match="3 pieces of an emotion and 1 neutral"):
        Planner(here + there, ClipConfig(patterns={"NE": 1.0}), 0, "train")


def test_a_speaker_without_neutral_speech_gets_clips_without_it_or_none():
    mixed = pieces(speakers=("s1",)) + pieces(speakers=("s2",), emotions=("angry", "sad"))
    planner = Planner(mixed, ClipConfig(), 0)
    assert planner.unused == 0
    patterns = {clip.pattern for clip in plans(planner, 200) if clip.pieces[0].speaker == ("fake", "s2")}
    assert patterns == {"E"}
    strict = Planner(mixed, ClipConfig(patterns={"NE": 1.0}), 0)
    assert strict.unused == 6
    assert strict.round == 9


def test_pieces_repeat_only_where_there_are_too_few():
    few = pieces(speakers=("s1",), emotions=("angry", "neutral"), each=1)
    clip = Planner(few, TWO_EVENTS, 0).plan(0)
    assert [piece.label for piece in clip.pieces] == ["neutral", "angry"] * 2 + ["neutral"]


def test_without_any_emotion_there_is_no_clip():
    with pytest.raises(UsageError, match=r"train: no clip can be built from 0 pieces.*--data\.clips"):
        Planner(pieces(emotions=("neutral",)), ClipConfig(), 0, "train")


def test_durations_know_of_fades_and_crops():
    three = pieces()[:3]
    assert length(three, 0.0) == pytest.approx(3.3)
    assert length(three, 0.02) == pytest.approx(3.26)
    short = [Piece(utterance("a"), 0, 0.02, "neutral"), *three[:1]]
    assert length(short, 0.5) == pytest.approx(1.01)
    clip = Planner(pieces(), TWO_EVENTS, 0).plan(0)
    assert clip_seconds(clip, ClipConfig(max_seconds=2.0)) == 2.0
    assert clip_seconds(clip, ClipConfig(max_seconds=0.0)) == length(clip.pieces, 0.02)
    assert class_seconds([clip], CLASSES)["neutral"] == pytest.approx(
        sum(piece.seconds for piece in clip.pieces if piece.label == "neutral")
    )
    assert list(class_seconds([], CLASSES)) == list(CLASSES)


@given(st.integers(1, 4), st.integers(0, 1000))
def test_neutral_pieces_of_a_speaker_come_one_after_the_other(rounds, seed):
    config = ClipConfig(neutral_rounds=rounds)
    own = pieces(each=4)
    planner = Planner(own, config, seed)
    taken = {}
    for clip in plans(planner, planner.round):
        for piece in clip.pieces:
            if piece.label == "neutral":
                taken.setdefault(piece.speaker, []).append(piece.utterance.id)
    for order in taken.values():
        # None comes again before all have come, and the order stays the same for so many rounds.
        for first in range(0, len(order), 4):
            assert len(set(order[first : first + 4])) == len(order[first : first + 4])
        kept = order[: 4 * rounds]
        assert kept == [kept[place % 4] for place in range(len(kept))]
    assert Planner(own[::-1], config, seed).plan(9) == planner.plan(9)


def test_sharing_out_neutral_pieces_changes_nothing_else():
    for plain, shared in zip(
        plans(Planner(pieces(), ClipConfig(), 3), 40),
        plans(Planner(pieces(), ClipConfig(neutral_rounds=10), 3), 40),
        strict=True,
    ):
        assert (plain.pattern, plain.crop) == (shared.pattern, shared.crop)
        assert [piece for piece in plain.pieces if piece.label != "neutral"] == [
            piece for piece in shared.pieces if piece.label != "neutral"
        ]
