import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.corpora.folds import FoldConfig, make_fold, make_folds
from sercl.corpora.folds.speaker import speaker_groups
from sercl.corpora.labels import label_scheme
from sercl.errors import FoldError
from tests.corpora.folds.samples import FOUR, corpus, even, ids, utterance

LABELS = label_scheme("4")
counts = st.dictionaries(
    st.sampled_from([f"s{i:02}" for i in range(12)]),
    st.fixed_dictionaries({emotion: st.integers(1, 6) for emotion in FOUR}),
    min_size=4,
)


@settings(max_examples=40, deadline=None)
@given(counts, st.integers(2, 4), st.integers(0, 3), st.floats(0.01, 0.6))
def test_every_speaker_is_tested_once_and_stands_in_one_part_of_a_fold(
    counts: dict[str, dict[str, int]], count: int, seed: int, validation: float
) -> None:
    utterances = corpus(counts)
    folds = make_folds(utterances, LABELS, FoldConfig(count=count, seed=seed, validation=validation))
    tested = Counter(identifier for fold in folds for identifier in ids(fold.test))
    assert tested == Counter(ids(utterances))
    for fold in folds:
        if any("no second speaker" in note for note in fold.notes):
            continue  # one speaker has most utterances, which leaves one to train on
        parts = [{item.speaker for item in part} for part in fold.parts.values()]
        assert all(parts)
        assert sum(map(len, parts)) == len(set().union(*parts)) == len(counts)
        assert sum(map(len, fold.parts.values())) == len(utterances)


@settings(max_examples=40, deadline=None)
@given(counts, st.randoms(use_true_random=False))
def test_folds_do_not_depend_on_the_order_of_the_files(
    counts: dict[str, dict[str, int]], shuffle: random.Random
) -> None:
    utterances = corpus(counts)
    mixed = list(utterances)
    shuffle.shuffle(mixed)
    config = FoldConfig(count=3, balance=True)
    assert make_folds(mixed, LABELS, config) == make_folds(utterances, LABELS, config)


def test_the_seed_deals_equal_speakers_differently() -> None:
    utterances = even([f"s{i:02}" for i in range(10)], 2)
    deals = {str(speaker_groups(utterances, LABELS, 5, seed)) for seed in range(5)}
    assert len(deals) == 5


def test_groups_hold_about_the_same_of_every_class() -> None:
    utterances = corpus(
        {f"s{i:02}": {"angry": 10 if i % 2 else 2, "happy": 2 if i % 2 else 10} for i in range(10)}
    )
    emotions = {item.id: item.emotion for item in utterances}
    groups = speaker_groups(utterances, label_scheme({"angry": "angry", "happy": "happy"}), 5, 42)
    for group in groups:
        held = Counter(emotions[item.id] for item in utterances if item.speaker in group)
        assert held == {"angry": 12, "happy": 12}


def test_validation_speakers_rotate_and_hold_every_class() -> None:
    lopsided = corpus(
        {f"s{i}": {"angry": 3, "sad": 3} if i % 2 else {"happy": 3, "neutral": 3} for i in range(8)}
    )
    folds = make_folds(lopsided, LABELS, FoldConfig(count=4, validation=0.3))
    for fold in folds:
        assert all(fold.counts["validation"].values())
        assert all(fold.counts["train"].values())
    assert len({str(sorted(fold.to_dict()["speakers"]["validation"])) for fold in folds}) > 1  # type: ignore[index]


def test_validation_leaves_the_only_speaker_of_a_class_in_training() -> None:
    utterances = [*even(["a", "b", "c", "d"], 12), *(utterance(f"r{i}", "excited", "d") for i in range(5))]
    labels = label_scheme({"sad": "sad", "excited": "excited", "rest": ["angry", "happy"]})
    folds = [
        make_fold(utterances, labels, FoldConfig(count=4, index=index))
        for index, group in enumerate(speaker_groups(labels.split(utterances)[0], labels, 4, 42))
        if group != ["d"]
    ]
    assert len(folds) == 3
    assert all(fold.counts["train"]["excited"] == 5 for fold in folds)


def test_a_class_with_one_utterance_stays_in_training() -> None:
    rare = corpus({name: {"angry": 8, "happy": 8, "neutral": 8, "sad": 1} for name in "ab"})
    fold = make_fold(rare, LABELS, FoldConfig(count=2, validation=0.5))
    assert (fold.counts["train"]["sad"], fold.counts["validation"]["sad"]) == (1, 0)


def test_with_two_speakers_validation_is_cut_from_training_and_says_so() -> None:
    fold = make_fold(even(["a", "b"], 20), LABELS, FoldConfig(count=2))
    assert fold.counts["validation"] == dict.fromkeys(FOUR, 3)
    assert any("no second speaker" in note for note in fold.notes)
    assert any(note.startswith("validation and training share speakers") for note in fold.notes)
    assert not fold.shared_speakers


def test_folds_validate_on_different_speakers() -> None:
    folds = make_folds(even([f"s{i}" for i in range(10)], 2), LABELS, FoldConfig())
    held = [item.speaker for fold in folds for item in fold.validation]
    assert len(set(held)) == 10


def test_too_few_speakers_for_the_folds() -> None:
    with pytest.raises(
        FoldError, match=r"3 speakers \(a, b, c\).*a count of 2 to 3 \(--data\.folds\.count\)"
    ) as caught:
        make_folds(even("abc", 4), LABELS, FoldConfig(count=5))
    assert caught.value.exit_code == 2


def test_one_speaker_only_names_the_ways_out() -> None:
    with pytest.raises(FoldError, match=r"one speaker only \(spike\).*paper.*allow_speaker_overlap true"):
        make_folds(even(["spike"], 4), LABELS, FoldConfig())


def test_utterances_without_speaker_are_counted() -> None:
    utterances = [*even("abcde", 4), utterance("lost", "sad")]
    with pytest.raises(
        FoldError, match=r"1 of 81 utterances have no speaker.*'lost'.*allow_speaker_overlap true"
    ):
        make_folds(utterances, LABELS, FoldConfig())


@pytest.mark.parametrize(("speakers", "valid"), [(2, "2"), (3, "2 to 3"), (4, "2 to 4")])
def test_the_number_of_folds_that_is_advised_is_one_that_works(speakers: int, valid: str) -> None:
    utterances = corpus({f"s{number}": dict.fromkeys(FOUR, 2) for number in range(speakers)})
    with pytest.raises(
        FoldError, match=rf"cannot fill 5 folds\. Give a count of {valid} \(--data\.folds\.count\)\.$"
    ):
        make_folds(utterances, LABELS, FoldConfig())
    for count in range(2, speakers + 1):
        assert len(make_folds(utterances, LABELS, FoldConfig(count=count))) == count
