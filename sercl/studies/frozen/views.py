"""How each training sees the features."""

from collections.abc import Sequence

from sercl.errors import UnknownNameError
from sercl.studies.frozen.trainings import NO_ADAPTATION, FrozenRows, FrozenTraining
from sercl.studies.probing.rows import View


def views_of(rows: FrozenRows, trainings: Sequence[FrozenTraining], standardize: bool) -> list[View]:
    """Return the view of each training; a second stage sees what the first saw.

    Args:
        rows: What is known of the utterances.
        trainings: The trainings, already checked.
        standardize: Whether features are standardised by the training part, after any adaptation.
    """
    views: list[View] = []
    for training in trainings:
        if training.adaptation != NO_ADAPTATION:
            raise UnknownNameError("adaptation", training.adaptation, [NO_ADAPTATION])
        reference = training.train if standardize else ()
        views.append(View(reference) if training.start is None else views[training.start])
    return views
