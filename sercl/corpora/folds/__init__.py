"""Folds: which utterances are for training, validation and test."""

from sercl.corpora.folds.config import ALL, NO_FOLDS, FoldConfig
from sercl.corpora.folds.fold import Fold, is_on_classes, merged_notes
from sercl.corpora.folds.lists import save_fold
from sercl.corpora.folds.make import WHOLE, CutFolds, check_fold, make_fold, make_folds, make_scored_fold

__all__ = [
    "ALL",
    "NO_FOLDS",
    "WHOLE",
    "CutFolds",
    "Fold",
    "FoldConfig",
    "check_fold",
    "is_on_classes",
    "make_fold",
    "make_folds",
    "make_scored_fold",
    "merged_notes",
    "save_fold",
]
