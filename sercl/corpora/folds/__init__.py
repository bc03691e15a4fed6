"""Folds: who trains, who validates, who tests."""

from sercl.corpora.folds.config import FoldConfig
from sercl.corpora.folds.fold import Fold
from sercl.corpora.folds.lists import save_fold
from sercl.corpora.folds.make import check_fold, make_fold, make_folds

__all__ = ["Fold", "FoldConfig", "check_fold", "make_fold", "make_folds", "save_fold"]
