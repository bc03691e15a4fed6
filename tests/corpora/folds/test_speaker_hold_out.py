from dataclasses import replace

import pytest

from sercl.corpora.folds import FoldConfig
from sercl.corpora.folds.speaker import hold_out
from sercl.corpora.labels import label_scheme
from tests.corpora.folds.samples import corpus, even

LABELS = label_scheme("4")


def _held(counts: dict[str, dict[str, int]], share: float) -> set[str | None]:
    _, validation, remarks = hold_out(
        corpus(counts), sorted(counts), LABELS, FoldConfig(validation=share), "speaker"
    )
    assert remarks == ()
    return {item.speaker for item in validation}


def test_the_second_speaker_brings_the_classes_that_the_first_has_not() -> None:
    hot, cold = {"angry": 2, "happy": 2}, {"neutral": 2, "sad": 2}
    assert _held({"a": hot, "b": hot, "c": hot, "d": cold, "e": cold, "f": cold}, 0.3) == {"a", "d"}


def test_the_second_speaker_brings_the_other_gender() -> None:
    genders = dict(zip("abcdef", ("f", "f", "f", "m", "m", "m"), strict=True))
    utterances = [replace(item, gender=genders[str(item.speaker)]) for item in even("abcdef", 1)]
    _, validation, _ = hold_out(utterances, "abcdef", LABELS, FoldConfig(validation=0.3), "speaker")
    assert {item.speaker for item in validation} == {"a", "d"}


@pytest.mark.parametrize(("share", "count"), [(0.01, 1), (0.25, 1), (0.26, 2), (0.99, 3)])
def test_the_share_is_rounded_up_but_leaves_a_speaker_to_train_on(share: float, count: int) -> None:
    four = {name: {"angry": 1} for name in "abcd"}
    assert len(_held(four, share)) == count
