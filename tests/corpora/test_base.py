from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from sercl.corpora.base import Listing, Problem, Utterance


def test_an_utterance_needs_four_facts_and_knows_when_others_are_unknown() -> None:
    utterance = Utterance("a", Path("/a.wav"), "sad", "Toy")
    assert (utterance.language, utterance.segments, dict(utterance.extra)) == ("und", (), {})
    unknown = ("speaker", "gender", "start", "end", "text", "dialect", "session", "split")
    assert {getattr(utterance, name) for name in unknown} == {None}
    with pytest.raises(FrozenInstanceError):
        utterance.emotion = "happy"  # type: ignore[misc]


def test_utterances_do_not_share_their_extras() -> None:
    first, second = (Utterance(name, Path("/a.wav"), "sad", "Toy") for name in "ab")
    assert first.extra is not second.extra


@pytest.mark.parametrize(("line", "text"), [(None, "labels.txt: no label"), (7, "labels.txt:7: no label")])
def test_a_problem_says_where_and_what(line: int | None, text: str) -> None:
    assert str(Problem(Path("labels.txt"), "no label", line)) == text


@pytest.mark.parametrize(("kind", "sound"), [("transcript", True), ("label", False), ("missing", False)])
def test_only_a_lost_transcript_leaves_the_utterance_usable(kind: str, sound: bool) -> None:
    assert Problem(Path("a"), "why", kind=kind).costs_only_text is sound


def test_a_listing_may_be_without_problems() -> None:
    assert Listing(()).problems == ()
