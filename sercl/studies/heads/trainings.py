"""Trainings of heads on a frozen encoder: what they read, and what comes of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

NO_ADAPTATION = "none"


@dataclass(frozen=True)
class FrozenRows:
    """What is known of the utterances; features have a row for each, in this order.

    Attributes:
        ids: Id of each utterance, for messages.
        labels: Class index of each; of rows that are never trained, validated or tested on, any number.
        corpora: Name of the corpus of each.
        speakers: Speaker of each, None where unknown; a name may occur in several corpora.
        classes: Class names; their position is the class index.
    """

    ids: tuple[str, ...]
    labels: tuple[int, ...]
    corpora: tuple[str, ...]
    speakers: tuple[str | None, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class FrozenTraining:
    """One training, on whichever hidden state validation prefers, and the tests that it is put to.

    Attributes:
        train: Rows that are trained on. One that is repeated is met as often in each epoch, and counts as
            often in the statistics that features are standardised by.
        validation: Rows that decide when training ends, which epoch is kept and which hidden state is read;
            none of `train`, or exactly those where nothing else has labels.
        tests: Name of a test -> rows that are used for nothing else.
        seed: Seed of the initial weights, and of the order of the training rows in each epoch.
        start: Position, in the same list, of an earlier training that this one goes on from: the second
            stage of two. None for a training that begins with fresh weights.
        adaptation: A name of `sercl.studies.heads.adaptation.ADAPTATIONS`.
        unlabelled: Rows of the target's training part, the labelled ones of `train` may be among them; their
            features are used by an adaptation, their labels are not.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    tests: Mapping[str, tuple[int, ...]]
    seed: int
    start: int | None = None
    adaptation: str = NO_ADAPTATION
    unlabelled: tuple[int, ...] = ()


@dataclass(frozen=True)
class FrozenResult:
    """What a training came to.

    Attributes:
        layer: Hidden state that validation prefers, 0 to N.
        epoch: Epoch whose weights were kept, from 0.
        epochs: Epochs run on that hidden state.
        early_stopped: Whether patience ran out; if not, the epoch limit ended training.
        seconds: Its share of the wall-clock time of the call, all hidden states together.
        validation: Validation score of the epoch kept, by which it was: the loss, the accuracy or the UAR, as
            `ProbeConfig.select` says.
        probabilities: Name of a test -> `[rows, classes]` float64, in the order of its rows.
        notes: What must be said beside it: an adaptation, and where it could not be done in full.
    """

    layer: int
    epoch: int
    epochs: int
    early_stopped: bool
    seconds: float
    validation: float
    probabilities: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
