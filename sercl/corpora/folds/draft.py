"""What a fold scheme returns, before balancing and checks."""

from collections.abc import Sequence
from dataclasses import dataclass

from sercl.corpora.base import Utterance


@dataclass(frozen=True)
class Draft:
    """The three lists of a fold as its scheme cut them, with the scheme's remarks.

    Attributes:
        train: Training utterances.
        validation: Validation utterances.
        test: Test utterances.
        remarks: What must be printed with every result of this fold.
    """

    train: Sequence[Utterance]
    validation: Sequence[Utterance]
    test: Sequence[Utterance]
    remarks: tuple[str, ...] = ()
