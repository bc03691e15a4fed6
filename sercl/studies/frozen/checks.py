"""Trainings that cannot be, refused before any of them has begun."""

from collections.abc import Sequence

from torch import Tensor

from sercl.errors import UsageError
from sercl.studies.frozen.trainings import NO_ADAPTATION, FrozenRows, FrozenTraining
from sercl.studies.probing.parts import check_apart, check_classes, check_filled
from sercl.studies.probing.rows import check_finite, check_layers, check_shape


def checked_layers(features: Tensor, rows: FrozenRows, layers: Sequence[int] | None) -> list[int]:
    """Return the hidden states that are trained on, in order; raise for features that cannot be read."""
    check_shape(features, rows.ids)
    wanted = sorted(range(features.shape[1]) if layers is None else layers)
    check_layers(wanted, features.shape[1])
    check_finite(features, rows.ids, wanted)
    return wanted


def check_trainings(rows: FrozenRows, trainings: Sequence[FrozenTraining]) -> None:
    """Raise unless every training can be run.

    Raises:
        FoldError: For an empty part, a test that shares rows with what is trained, selected or adapted on, or
            a class that is absent from training.
        UsageError: For a row, a label or a start that does not exist, or a start together with an adaptation.
    """
    for position, training in enumerate(trainings):
        where = f"frozen training {position}"
        _check_numbers(where, training, rows)
        check_filled(where, {"train": training.train, "validation": training.validation, **training.tests})
        heard = {"train": training.train}
        if set(training.validation) != set(training.train):  # what selects on itself says so by its rows
            heard |= {"validation": training.validation}
        check_apart(where, heard)
        check_apart(where, {"validation": training.validation, "unlabelled": training.unlabelled})
        for name, tested in training.tests.items():
            check_apart(where, {**heard, f"test {name}": tested})
            check_apart(where, {"unlabelled": training.unlabelled, f"test {name}": tested})
        check_classes(where, training.train, rows.labels, rows.classes)
        if training.start is not None:
            _check_start(position, trainings)


def _check_numbers(where: str, training: FrozenTraining, rows: FrozenRows) -> None:
    for name, own in _named_rows(training).items():
        if own and not 0 <= min(own) <= max(own) < len(rows.ids):
            raise UsageError(
                f"{where}: rows of {name} reach from {min(own)} to {max(own)}; there are rows 0 to "
                f"{len(rows.ids) - 1}."
            )
        labels = {rows.labels[row] for row in own} if name != "unlabelled" else set()
        if wrong := sorted(labels - set(range(len(rows.classes)))):
            raise UsageError(
                f"{where}: class index {wrong[0]} in {name}; classes are 0 to {len(rows.classes) - 1}."
            )
    if training.seed < 0:
        raise UsageError(f"{where}: seed {training.seed}; valid: whole numbers from 0 up.")


def _named_rows(training: FrozenTraining) -> dict[str, tuple[int, ...]]:
    tests = {f"test {name}": own for name, own in training.tests.items()}
    return {
        "train": training.train,
        "validation": training.validation,
        **tests,
        "unlabelled": training.unlabelled,
    }


def _check_start(position: int, trainings: Sequence[FrozenTraining]) -> None:
    start = trainings[position].start
    if start is None or not 0 <= start < position:
        raise UsageError(
            f"frozen training {position}: start {start}; valid: earlier trainings, 0 to {position - 1}."
        )
    for stage in (position, start):
        if trainings[stage].adaptation != NO_ADAPTATION:
            raise UsageError(
                f"frozen training {position} goes on from training {start}, and adaptation "
                f"{trainings[stage].adaptation!r} is asked for: adaptation is for trainings of one stage."
            )
