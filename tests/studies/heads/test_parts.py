from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.errors import FoldError
from sercl.studies.heads.parts import (
    Parts,
    check_parts,
    held_out_groups,
    parts_of,
    within_speaker_folds,
)
from tests.corpora.folds.samples import FOUR, corpus, even, ids, utterance


def test_folds_become_rows_without_what_has_no_row() -> None:
    a, b, c, d = (utterance(name, "sad") for name in "abcd")
    fold = {"train": [a, b], "validation": [c], "test": [d]}
    rows = {("Toy", "d"): 0, ("Toy", "a"): 1, ("Toy", "c"): 2, ("Other", "b"): 3}
    assert parts_of([fold], rows) == (Parts((1,), (2,), (0,)),)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from("abcdef"),
        st.fixed_dictionaries(dict.fromkeys(FOUR, st.integers(0, 7))).filter(lambda n: sum(n.values()) > 2),
        min_size=1,
    ),
    st.integers(1, 7),
)
def test_every_speaker_is_trained_on_in_every_fold_and_tested_once(
    counts: dict[str, dict[str, int]], count: int
) -> None:
    utterances = corpus(counts)
    folds = within_speaker_folds(utterances, count)
    assert len(folds) == max(count, 3)
    assert sorted(name for fold in folds for name in ids(fold["test"])) == sorted(ids(utterances))
    for fold in folds:
        assert sorted(name for part in fold.values() for name in ids(part)) == sorted(ids(utterances))
        assert {item.speaker for item in fold["train"]} == set(counts)


def test_emotions_are_spread_and_the_order_does_not_matter() -> None:
    utterances = even("abc", 10)
    folds = within_speaker_folds(utterances, 5)
    assert {Counter((u.speaker, u.emotion) for u in fold["test"]).total() for fold in folds} == {24}
    for fold in folds:
        assert set(Counter((u.speaker, u.emotion) for u in fold["test"]).values()) == {2}
    backwards = within_speaker_folds(utterances[::-1], 5)
    assert [sorted(ids(fold["test"])) for fold in folds] == [sorted(ids(fold["test"])) for fold in backwards]
    assert within_speaker_folds(utterances, 5, seed=1) != folds


def test_a_speaker_with_too_little_is_named() -> None:
    with pytest.raises(FoldError, match=r"speaker b has 2 utterances"):
        within_speaker_folds(corpus({"a": {"sad": 5}, "b": {"sad": 2}}), 5)


def test_sound_folds_pass() -> None:
    check_parts([Parts((0, 1), (2,), (3,)), Parts((2, 3), (2 - 2,), (1,))], [0, 1, 0, 1], ("a", "b"))


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        ([], "there is no fold"),
        ([Parts((0, 1), (), (2,))], "fold 0: no utterance in validation"),
        ([Parts((0, 1), (2,), (2,))], "1 utterances in both validation and test"),
        ([Parts((0, 1), (1,), (2,))], "in both train and validation"),
        ([Parts((0, 1), (2,), (3,)), Parts((0, 2), (1,), (3,))], r"fold 1: no training utterance of b \("),
    ],
)
def test_unusable_folds_are_refused(folds: list[Parts], message: str) -> None:
    with pytest.raises(FoldError, match=message):
        check_parts(folds, [0, 1, 0, 1], ("a", "b"))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("AB"), st.sampled_from(["x", "y", "z", None]), st.integers(0, 2)),
        min_size=4,
    ),
    st.integers(2, 6),
    st.integers(1, 3),
    st.randoms(use_true_random=False),
)
def test_groups_hold_out_whole_speakers_of_the_validated_corpora(rows, count, copies, random) -> None:
    people, labels = [(corpus, speaker) for corpus, speaker, _ in rows], [label for *_, label in rows]
    numbers = list(range(len(rows)))
    random.shuffle(numbers)
    validation, train = numbers[:2], numbers[2:] * copies
    groups = held_out_groups(train, validation, people, labels, count)
    corpora = {people[row][0] for row in validation}
    assert len(groups) <= count
    held = [row for group in groups for row in group]
    assert len(held) == len(set(held))
    assert set(held) <= {row for row in train if people[row][0] in corpora}
    for group in groups:
        rest = set(train) - set(group)
        assert {labels[row] for row in rest} == {labels[row] for row in train}
        known = {people[row] for row in group if people[row][1] is not None}
        assert not known & {people[row] for row in rest}


def test_every_speaker_is_held_out_once_and_neighbours_apart() -> None:
    people = [("A", f"s{row // 2}") for row in range(12)]
    labels = [row % 2 for row in range(12)]
    train, validation = range(10), (10, 11)
    assert held_out_groups(train, validation, people, labels, 2) == [(0, 1, 4, 5, 8, 9), (2, 3, 6, 7)]
    assert held_out_groups(train, validation, people, labels, 9) == [(n, n + 1) for n in range(0, 10, 2)]


def test_nothing_is_held_out_where_it_would_choose_for_another_training() -> None:
    people, labels = [("A", f"s{row // 2}") for row in range(8)] + [("B", "t")] * 2, [0, 1] * 5
    assert held_out_groups(range(8), (8, 9), people, labels, 3) == []  # selected on another corpus
    assert held_out_groups(range(2), (6, 7), people, labels, 3) == []  # one training speaker
    assert held_out_groups(range(8), range(8), people, labels, 3) == []  # validated on the training part
    speakers = [n for n in range(4) for _ in range(2)]
    assert held_out_groups(range(6), (6, 7), people, speakers, 3) == []  # each class is one speaker
