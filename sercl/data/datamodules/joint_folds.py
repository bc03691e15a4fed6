"""Folds of several corpora that are used together: the first of each, the second of each, and so on."""

from collections.abc import Collection

from sercl.corpora.folds.draw import listed
from sercl.data.datamodules.corpus import CorpusDataModule
from sercl.errors import UsageError


def joint_fold_count(corpora: Collection[CorpusDataModule], whose: str, advice: str) -> int:
    """Return the number of folds; a corpus with a single one keeps it.

    Args:
        corpora: The corpora, set up.
        whose: What the message says of the folds ("folds of a pair").
        advice: Its last sentence.

    Raises:
        UsageError: If several corpora have several, and not equally many.
    """
    counts = {corpus.corpus: corpus.fold_count for corpus in corpora}
    if len({count for count in counts.values() if count > 1}) > 1:
        raise UsageError(f"{whose} go together, but there are {listed(counts)}. {advice}")
    return max(counts.values())


def set_joint_fold(corpora: Collection[CorpusDataModule], index: int, count: int) -> None:
    """Cut another fold of every corpus; one with a single fold keeps it.

    Args:
        corpora: The corpora, set up.
        index: From 0 to `count - 1`.
        count: What `joint_fold_count` gave.

    Raises:
        UsageError: If there is no such fold.
        FoldError: As `CorpusDataModule.setup`.
    """
    if not 0 <= index < count:
        raise UsageError(f"there is no fold {index}; valid: 0 to {count - 1}.")
    for corpus in corpora:
        corpus.set_fold(min(index, corpus.fold_count - 1))
