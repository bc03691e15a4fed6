"""`official`: the split that comes with the corpus."""

from collections.abc import Sequence

from sercl.corpora.base import Utterance
from sercl.corpora.folds.config import FoldConfig
from sercl.corpora.folds.draft import Draft
from sercl.corpora.folds.draw import grouped
from sercl.corpora.folds.fold import PARTS, speakers
from sercl.corpora.folds.holdout import hold_out
from sercl.corpora.labels import LabelScheme
from sercl.errors import FoldError


def official_folds(utterances: Sequence[Utterance], labels: LabelScheme, config: FoldConfig) -> list[Draft]:
    """Return the one fold of the corpus; without validation part, one is held out from training.

    Raises:
        FoldError: If an utterance has no split or an unknown one, or training or test is empty.
    """
    parts = grouped(utterances, lambda utterance: utterance.split)
    strange = [utterance for split in parts if split not in PARTS for utterance in parts[split]]
    if strange:
        raise FoldError(
            f"{len(strange)} of {len(utterances)} utterances have no official split (the first is "
            f"{strange[0].id!r}: {strange[0].split!r}; valid: {', '.join(PARTS)}). Fill the column 'split' "
            "of the manifest, or choose --data.folds.scheme speaker."
        )
    for part in ("train", "test"):
        if part not in parts:
            raise FoldError(f"the official split has no {part} part. Choose --data.folds.scheme speaker.")
    if "validation" in parts:
        return [Draft(parts["train"], parts["validation"], parts["test"])]
    return [_without_validation(parts["train"], parts["test"], labels, config)]


def _without_validation(
    pool: Sequence[Utterance], test: Sequence[Utterance], labels: LabelScheme, config: FoldConfig
) -> Draft:
    known = all(utterance.speaker is not None for utterance in pool)
    names = sorted(speakers(pool)) if known else []
    train, validation, remarks = hold_out(pool, names, labels, config, "speaker")
    remark = "the official split has no validation part: it is held out from training"
    return Draft(train, validation, test, (remark, *remarks))
