"""The options of a fold, shared by every command that trains or tests."""

from dataclasses import dataclass
from typing import Literal

from sercl.errors import UnknownNameError, UsageError

NO_FOLDS = "none"
"""The scheme that puts everything into training."""

SCHEMES = ("speaker", "loso", "official", "paper", "csv", NO_FOLDS)
LEAVE_OUT = ("speaker", "session")
ALL: Literal["all"] = "all"
"""Instead of an index: every fold, one after the other."""


@dataclass(frozen=True)
class FoldConfig:
    """How a corpus is split into training, validation and test.

    Args:
        scheme: How folds are cut: speaker, loso, official, paper, csv or none. `speaker`: k folds with
            disjoint speakers. `loso`: leave one speaker or session out. `official`: the corpus's own split.
            `paper`: the scheme of arXiv 2409.16920, for ESD, IEMOCAP and PAVOQUE. `csv`: lists of
            `file,answer`. `none`: everything is for training, for a final model without validation and test;
            only for `sercl fit` and `sercl diarize fit`.
        index: Which fold to use, from 0; or all, which are then scored together. Only `sercl fit` and
            `sercl diarize fit` take all.
        count: Number of folds of the scheme `speaker`; each speaker is tested in exactly one of them.
        lists: Folder with the lists of the scheme `csv`: `train.csv`, `validation.csv` and `test.csv` as
            saved with each run, or `train/`, `eval/` and `test/`, each with `metadata_fold<index>.csv`.
        test_list: List of `file,answer` that replaces the scheme's test part in every fold: the items of a
            listening test, for instance. They are removed from training and validation.
        leave_out: What `loso` leaves out per fold: `speaker` or `session`.
        validation: Fraction of the remaining speakers (or sessions) that is held out for validation, above 0
            and below 1, rounded up to whole speakers. For `speaker`, `loso`, and an `official` split without
            validation part.
        allow_speaker_overlap: Accept speakers in both training and test, or unknown speakers. The overlap is
            then printed with every result.
        balance: Draw the same number of training utterances for each class: as many as the rarest has.
        per_emotion: Draw exactly this many training utterances for each class; implies `balance`.
        seed: Seed of every draw; the same seed gives the same folds whatever the order of the files.

    Raises:
        UnknownNameError: For a scheme or a `leave_out` that does not exist.
        UsageError: For a number out of its range, `lists` without the scheme `csv` and the reverse, or a fold
            or test list with the scheme `none`.
    """

    scheme: str = "speaker"
    index: int | Literal["all"] = 0
    count: int = 5
    lists: str | None = None
    test_list: str | None = None
    leave_out: str = "speaker"
    validation: float = 0.15
    allow_speaker_overlap: bool = False
    balance: bool = False
    per_emotion: int | None = None
    seed: int = 42

    def __post_init__(self) -> None:
        self._check_names()
        self._check_numbers()
        if self.scheme == "csv" and self.lists is None:
            raise UsageError(
                "folds: the scheme 'csv' needs its lists. Give their folder (--data.folds.lists FOLDER)."
            )
        if self.scheme != "csv" and self.lists is not None:
            raise UsageError(
                f"folds: lists {self.lists!r} are read by the scheme 'csv' only, not by {self.scheme!r}. "
                "Give the scheme csv (--data.folds.scheme csv)."
            )
        if self.trains_on_everything and (self.index != 0 or self.test_list is not None):
            name, value = ("index", self.index) if self.index != 0 else ("test_list", self.test_list)
            raise UsageError(
                f"folds: {name} {value} has no effect with the scheme {NO_FOLDS!r}, which trains on "
                "everything. Leave one of them out."
            )

    def _check_names(self) -> None:
        if self.scheme not in SCHEMES:
            raise UnknownNameError("fold scheme", self.scheme, SCHEMES)
        if self.leave_out not in LEAVE_OUT:
            raise UnknownNameError("leave_out", self.leave_out, LEAVE_OUT)

    def _check_numbers(self) -> None:
        if self.index != ALL and self.index < 0:
            raise UsageError(f"folds: index {self.index} is below 0, the first fold.")
        if self.count < 2:
            raise UsageError(f"folds: count {self.count} is too small; at least 2 folds are needed.")
        if not 0 < self.validation < 1:
            raise UsageError(f"folds: validation {self.validation} is not a share above 0 and below 1.")
        if self.per_emotion is not None and self.per_emotion < 1:
            raise UsageError(f"folds: per_emotion {self.per_emotion} is below 1.")

    @property
    def trains_on_everything(self) -> bool:
        """Whether everything is for training, and nothing for validation and test."""
        return self.scheme == NO_FOLDS

    @property
    def one(self) -> int:
        """The index of the fold.

        Raises:
            UsageError: If it is all of them.
        """
        if self.index == ALL:
            raise UsageError(
                "folds: index all is for `sercl fit` and `sercl diarize fit`, which train every fold. Give "
                "one fold here, such as --data.folds.index 0."
            )
        return self.index
