from dataclasses import replace

import pytest

from sercl.corpora.folds import WHOLE, FoldConfig, make_fold, make_folds, make_scored_fold
from sercl.corpora.labels import label_scheme
from sercl.errors import FoldError, UsageError
from tests.corpora.folds.samples import FOUR, corpus, even, ids, utterance

LABELS = label_scheme("4")


def test_one_fold_is_that_of_all_folds() -> None:
    utterances = even("abcdef", 3)
    folds = make_folds(utterances, LABELS, FoldConfig(count=3))
    assert [make_fold(utterances, LABELS, FoldConfig(count=3, index=index)) for index in range(3)] == folds


def test_an_index_beyond_the_last_fold() -> None:
    with pytest.raises(UsageError, match=r"no fold 5; the scheme 'speaker' has 5 here, 0 to 4"):
        make_fold(even("abcde", 3), LABELS, FoldConfig(index=5))


def test_a_fold_can_be_used_where_another_cannot() -> None:
    utterances = corpus(
        {"a": dict.fromkeys(FOUR, 3), **{name: {"angry": 3, "happy": 3, "sad": 3} for name in "bcd"}}
    )
    with pytest.raises(FoldError, match="no training utterance of neutral"):
        make_fold(utterances, LABELS, FoldConfig(scheme="loso", index=0))
    fold = make_fold(utterances, LABELS, FoldConfig(scheme="loso", index=1))
    assert "absent from validation: neutral" in fold.notes
    assert "absent from test: neutral" in fold.notes


def test_utterances_without_a_class_are_left_out() -> None:
    utterances = [*even("abcde", 3), utterance("x", "bored", "a")]
    for fold in make_folds(utterances, LABELS, FoldConfig()):
        assert all(item.emotion in FOUR for part in fold.parts.values() for item in part)


def test_no_utterance_of_any_class() -> None:
    with pytest.raises(FoldError, match="there is bored 1"):
        make_folds([utterance("x", "bored", "a")], LABELS, FoldConfig())
    with pytest.raises(FoldError, match="no utterance at all"):
        make_folds([], LABELS, FoldConfig())


def test_ids_must_be_unique() -> None:
    with pytest.raises(FoldError, match=r"2 utterances have the id 'a_sad_000'"):
        make_folds([*even("abcde", 3), utterance("a_sad_000", "sad", "b")], LABELS, FoldConfig())


def test_balance_draws_training_only_down_to_the_rarest_class() -> None:
    uneven = corpus({name: {"angry": 9, "happy": 4, "neutral": 6, "sad": 5} for name in "abcde"})
    plain = make_fold(uneven, LABELS, FoldConfig())
    fold = make_fold(uneven, LABELS, FoldConfig(balance=True))
    assert fold.counts["train"] == dict.fromkeys(FOUR, 12)
    assert set(ids(fold.train)) < set(ids(plain.train))
    assert (fold.validation, fold.test) == (plain.validation, plain.test)


def test_per_emotion_draws_that_many_by_the_seed() -> None:
    first, again, other = (
        make_fold(even("abcde", 9), LABELS, FoldConfig(scheme="loso", per_emotion=7, seed=seed))
        for seed in (1, 1, 2)
    )
    assert first.counts["train"] == other.counts["train"] == dict.fromkeys(FOUR, 7)
    assert set(ids(first.train)) == set(ids(again.train))
    assert set(ids(first.train)) != set(ids(other.train))


def test_per_emotion_beyond_what_there_is() -> None:
    with pytest.raises(FoldError, match=r"99 training utterances per class.*angry 27, happy 27"):
        make_fold(even("abcde", 9), LABELS, FoldConfig(per_emotion=99))


def test_the_whole_corpus_may_lack_classes_and_speakers() -> None:
    utterances = [*even("ab", 2), utterance("x", "bored", "a"), utterance("y", "angry")]
    fold = make_scored_fold(utterances, LABELS, FoldConfig(), WHOLE)
    assert ids(fold.test) == ids(item for item in utterances if item.emotion != "bored")
    assert (fold.train, fold.validation, fold.scheme) == ((), (), WHOLE)
    assert not [note for note in fold.notes if "train" in note or "unknown" in note]
    happy = [item for item in utterances if item.emotion == "happy"]
    assert (
        "absent from test: angry, neutral, sad" in make_scored_fold(happy, LABELS, FoldConfig(), WHOLE).notes
    )


@pytest.mark.parametrize("part", ["test", "validation"])
def test_an_official_split_of_one_part_can_be_scored(part: str) -> None:
    utterances = [replace(item, split=part) for item in even("ab", 2)]
    official = FoldConfig(scheme="official")
    assert ids(make_scored_fold(utterances, LABELS, official, part).parts[part]) == ids(utterances)
    with pytest.raises(FoldError, match="the official split has no"):
        make_fold(utterances, LABELS, official)
    other = {"test": "validation", "validation": "test"}[part]
    with pytest.raises(FoldError, match="the official split has no"):
        make_scored_fold(utterances, LABELS, official, other)


def test_a_scored_fold_is_the_one_that_is_trained_on() -> None:
    utterances = even("abcdef", 3)
    config = FoldConfig(count=3, index=1)
    assert make_scored_fold(utterances, LABELS, config, "test") == make_fold(utterances, LABELS, config)
    without = [item for item in utterances if item.emotion != "sad"]
    with pytest.raises(FoldError, match="no training utterance of sad"):
        make_fold(without, LABELS, config)
    assert make_scored_fold(without, LABELS, config, "test").test


def test_without_folds_everything_with_a_class_is_for_training() -> None:
    utterances = [*even("abc", 3), utterance("x", "bored", "a"), replace(even("d", 1)[0], speaker=None)]
    fold = make_fold(utterances, LABELS, FoldConfig(scheme="none"))
    assert set(ids(fold.train)) == {item.id for item in utterances if item.id != "x"}
    assert fold.validation == fold.test == ()
    assert fold.name == "no folds, everything is for training"
    assert not any("speaker" in note for note in fold.notes)
    drawn = make_fold(utterances, LABELS, FoldConfig(scheme="none", per_emotion=2))
    assert len(drawn.train) == 2 * len(FOUR)
    with pytest.raises(FoldError, match="no utterance in test"):
        make_scored_fold(utterances, LABELS, FoldConfig(scheme="none"), "test")
    with pytest.raises(FoldError, match="no training utterance of sad"):
        make_fold([item for item in utterances if item.emotion != "sad"], LABELS, FoldConfig(scheme="none"))
