"""`loso`: leave one speaker, or one session, out."""

from collections.abc import Sequence

from sercl.corpora.base import Utterance
from sercl.corpora.folds.config import FoldConfig
from sercl.corpora.folds.draft import Draft
from sercl.corpora.folds.holdout import draft_without, unit_names
from sercl.corpora.labels import LabelScheme
from sercl.errors import FoldError


def loso_folds(utterances: Sequence[Utterance], labels: LabelScheme, config: FoldConfig) -> list[Draft]:
    """Cut one fold per speaker (or session), in the order of their names; validation is whole ones too.

    Raises:
        FoldError: For utterances without speaker (session), or fewer than two of them.
    """
    unit = config.leave_out
    names = unit_names(utterances, unit)
    if len(names) < 2:
        raise FoldError(
            f"there is one {unit} only ({names[0]}); leaving it out leaves nothing to train on. Bring your "
            "own lists with --data.folds.scheme csv --data.folds.lists FOLDER."
        )
    return [
        draft_without({name}, [*names[i + 1 :], *names[:i]], utterances, labels, config, unit)
        for i, name in enumerate(names)
    ]
