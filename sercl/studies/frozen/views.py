"""How each training sees the features."""

from collections.abc import Sequence

from sercl.studies.frozen.adaptation.choice import adaptation_of
from sercl.studies.frozen.trainings import FrozenRows, FrozenTraining
from sercl.studies.probing.rows import View


def views_of(rows: FrozenRows, trainings: Sequence[FrozenTraining], standardize: bool) -> list[View]:
    """Return the view of each training; trainings that see the same get the same one.

    A second stage sees what the first saw: it goes on with its weights.

    Args:
        rows: What is known of the utterances.
        trainings: The trainings, already checked.
        standardize: Whether features are standardised by the training part, after any adaptation.

    Raises:
        UnknownNameError: For an adaptation that does not exist.
        UsageError: For one that cannot be done.
    """
    views: list[View] = []
    known: dict[tuple[object, ...], View] = {}
    for position, training in enumerate(trainings):
        if training.start is not None:
            views.append(views[training.start])
            continue
        key = _key(training)
        if key not in known:
            adapt = adaptation_of(f"frozen training {position}", training, rows)
            known[key] = View(training.train if standardize else (), adapt)
        views.append(known[key])
    return views


def _key(training: FrozenTraining) -> tuple[object, ...]:
    tests = tuple(training.tests.values())
    return training.train, training.validation, tests, training.adaptation, training.unlabelled
