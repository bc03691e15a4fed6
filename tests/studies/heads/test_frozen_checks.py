from dataclasses import replace
from typing import Any

import pytest

from sercl.errors import FoldError, UsageError
from sercl.studies.heads.frozen import check_trainings
from tests.studies.heads.frozen_samples import part, two_corpora, zero_shot

ROWS = two_corpora()


def test_sound_trainings_pass() -> None:
    few_shot = replace(zero_shot("corpus"), train=(*part("A", 0, 1, 2, 3), *part("B", 0)[:3] * 5))
    second = replace(
        zero_shot(), train=part("B", 0), validation=part("B", 3), tests={"B": part("B", 4)}, start=0
    )
    check_trainings(ROWS, [zero_shot(), few_shot, second])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": ()}, "frozen training 0: no utterance in train"),
        ({"validation": ()}, "no utterance in validation"),
        ({"tests": {"B": ()}}, "no utterance in B"),
        ({"validation": part("A", 3, 4)}, "12 utterances in both train and validation"),
        ({"tests": {"own": part("A", 0)}}, "12 utterances in both train and test own"),
        ({"tests": {"own": part("A", 4)}}, "12 utterances in both validation and test own"),
        ({"unlabelled": part("B", 4)}, "12 utterances in both unlabelled and test B"),
        ({"unlabelled": part("A", 4)}, "12 utterances in both validation and unlabelled"),
        ({"train": (0, 3, 6)}, "no training utterance of happy, sad"),
    ],
)
def test_parts_that_cannot_be_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(FoldError, match=message):
        check_trainings(ROWS, [replace(zero_shot(), **change)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": (0, 1, 144)}, r"rows of train range from 0 to 144; there are rows 0 to 143"),
        ({"tests": {"B": (-1,)}}, r"rows of test B range from -1 to -1"),
        ({"seed": -1}, "seed -1; valid: whole numbers from 0 up"),
        ({"start": 0}, "start 0; valid: earlier trainings"),
    ],
)
def test_numbers_out_of_range_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_trainings(ROWS, [replace(zero_shot(), **change)])


def test_a_class_index_out_of_range_matters_only_where_it_is_read() -> None:
    labels = (-1, *ROWS.labels[1:])
    with pytest.raises(UsageError, match="class index -1 in train; classes are 0 to 2"):
        check_trainings(replace(ROWS, labels=labels), [zero_shot()])
    check_trainings(replace(ROWS, labels=labels), [replace(zero_shot(), train=part("A", 1, 2, 3))])


def test_a_start_and_an_adaptation_exclude_each_other() -> None:
    second = replace(zero_shot(), start=0)
    with pytest.raises(UsageError, match="training 1 continues from training 0, but has adaptation 'corpus'"):
        check_trainings(ROWS, [zero_shot("corpus"), second])
    with pytest.raises(UsageError, match="adaptation is for one-stage trainings only"):
        check_trainings(ROWS, [zero_shot(), replace(zero_shot("coral"), start=0)])


def test_what_is_trained_on_may_select_itself_as_a_whole_and_not_in_part() -> None:
    plain = zero_shot()
    check_trainings(ROWS, [replace(plain, train=plain.train * 2, validation=plain.train)])
    with pytest.raises(FoldError, match="in both train and validation"):
        check_trainings(ROWS, [replace(plain, validation=plain.train[:1])])
    with pytest.raises(FoldError, match="in both train and test own"):
        check_trainings(ROWS, [replace(plain, validation=plain.train, tests={"own": plain.train})])
