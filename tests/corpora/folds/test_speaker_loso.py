import pytest

from sercl.corpora.folds import FoldConfig, make_folds
from sercl.corpora.labels import label_scheme
from sercl.errors import FoldError
from tests.corpora.folds.samples import even, iemocap

LABELS = label_scheme("4")


def test_each_speaker_is_left_out_once_in_the_order_of_names() -> None:
    folds = make_folds(even("cab", 4), LABELS, FoldConfig(scheme="loso"))
    assert [{item.speaker for item in fold.test} for fold in folds] == [{"a"}, {"b"}, {"c"}]
    assert [{item.speaker for item in fold.validation} for fold in folds] == [{"b"}, {"c"}, {"a"}]


def test_sessions_are_left_out_and_validated_on_as_a_whole() -> None:
    folds = make_folds(iemocap(4), LABELS, FoldConfig(scheme="loso", leave_out="session"))
    assert len(folds) == 5
    for fold in folds:
        sessions = [{item.session for item in part} for part in fold.parts.values()]
        assert list(map(len, sessions)) == [3, 1, 1]
        assert len(set().union(*sessions)) == 5
        assert not fold.shared_speakers


def test_a_corpus_without_sessions() -> None:
    with pytest.raises(FoldError, match="have no session"):
        make_folds(even("abc", 4), LABELS, FoldConfig(scheme="loso", leave_out="session"))


def test_one_speaker_cannot_be_left_out() -> None:
    with pytest.raises(FoldError, match=r"one speaker only \(spike\)"):
        make_folds(even(["spike"], 4), LABELS, FoldConfig(scheme="loso"))
