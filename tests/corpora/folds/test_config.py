import pytest

from sercl.corpora.folds import FoldConfig
from sercl.errors import UnknownNameError, UsageError


def test_a_misspelt_scheme_is_answered_with_the_near_one() -> None:
    with pytest.raises(UnknownNameError, match=r"'speakr'.*Did you mean 'speaker'"):
        FoldConfig(scheme="speakr")


def test_loso_leaves_out_speakers_or_sessions_only() -> None:
    with pytest.raises(UnknownNameError, match="Valid: speaker, session"):
        FoldConfig(scheme="loso", leave_out="sentence")


@pytest.mark.parametrize(
    "options",
    [{"index": -1}, {"count": 1}, {"validation": 0.0}, {"validation": 1.0}, {"per_emotion": 0}],
    ids=str,
)
def test_numbers_out_of_range_are_refused_by_name_and_value(options: dict[str, float]) -> None:
    ((name, value),) = options.items()
    with pytest.raises(UsageError, match=f"{name} {value}"):
        FoldConfig(**options)  # type: ignore[arg-type]


def test_csv_needs_lists_and_lists_need_csv() -> None:
    with pytest.raises(UsageError, match=r"--data\.folds\.lists"):
        FoldConfig(scheme="csv")
    with pytest.raises(UsageError, match=r"--data\.folds\.scheme csv"):
        FoldConfig(scheme="speaker", lists="lists")


def test_without_folds_there_is_no_fold_to_choose_and_no_test_list() -> None:
    assert FoldConfig(scheme="none").trains_on_everything
    assert not FoldConfig().trains_on_everything
    for options in ({"index": 2}, {"index": "all"}, {"test_list": "test.csv"}):
        ((name, value),) = options.items()
        with pytest.raises(UsageError, match=f"{name} {value} has no effect with the scheme 'none'"):
            FoldConfig(scheme="none", **options)  # type: ignore[arg-type]
