from dataclasses import replace

import pytest

from sercl.corpora.base import Utterance
from sercl.corpora.folds import FoldConfig, make_fold, make_folds
from sercl.corpora.labels import label_scheme
from sercl.errors import FoldError, SpeakerOverlapError
from tests.corpora.folds.samples import even, ids

LABELS = label_scheme("4")
CONFIG = FoldConfig(scheme="official")


def _split(splits: dict[str, str | None], each: int = 4) -> list[Utterance]:
    return [replace(item, split=splits[str(item.speaker)]) for item in even(splits, each)]


def test_the_split_of_the_corpus_is_kept() -> None:
    utterances = _split({"a": "train", "b": "validation", "c": "test"})
    fold = make_fold(utterances, LABELS, CONFIG)
    assert fold.count == 1
    assert {part: {item.split for item in items} for part, items in fold.parts.items()} == {
        "train": {"train"},
        "validation": {"validation"},
        "test": {"test"},
    }


def test_a_speaker_dependent_split_must_be_allowed_by_name() -> None:
    utterances = [
        replace(item, split=("train", "validation", "test")[number % 3])
        for number, item in enumerate(even("ab", 30))
    ]
    with pytest.raises(SpeakerOverlapError, match=r"2 speakers .*--data\.folds\.allow_speaker_overlap true"):
        make_folds(utterances, LABELS, CONFIG)
    allowed = FoldConfig(scheme="official", allow_speaker_overlap=True)
    fold = make_fold(utterances, LABELS, allowed)
    assert fold.notes[0] == "speaker-dependent: a, b in both training and test"


def test_without_validation_part_training_speakers_are_held_out() -> None:
    utterances = _split({"a": "train", "b": "train", "c": "train", "d": "test"})
    fold = make_fold(utterances, LABELS, CONFIG)
    held = {item.speaker for item in fold.validation}
    assert len(held) == 1
    assert held.isdisjoint(item.speaker for item in fold.train)
    assert any("no validation part" in note for note in fold.notes)


def test_utterances_without_split_are_counted() -> None:
    with pytest.raises(FoldError, match=r"16 of 32 utterances have no official split"):
        make_fold(_split({"a": "train", "b": None}), LABELS, CONFIG)


def test_a_split_without_test_part() -> None:
    with pytest.raises(FoldError, match="no test part"):
        make_fold(_split({"a": "train", "b": "validation"}), LABELS, CONFIG)


def test_speakers_unknown_count_as_overlap() -> None:
    utterances = [replace(item, speaker=None) for item in _split({"a": "train", "c": "test"}, each=20)]
    with pytest.raises(SpeakerOverlapError, match="148 utterances in training and test have no speaker"):
        make_fold(utterances, LABELS, CONFIG)
    fold = make_fold(utterances, LABELS, FoldConfig(scheme="official", allow_speaker_overlap=True))
    assert len(fold.validation) == 12
    assert sorted(ids([*fold.train, *fold.validation, *fold.test])) == sorted(ids(utterances))
    assert "speakers unknown for 160 utterances" in fold.notes[0]
