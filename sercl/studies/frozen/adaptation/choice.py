"""Adaptations by name: what each needs of a training, and what must be said of its results."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import chain
from types import MappingProxyType

from sercl.counting import count
from sercl.errors import UnknownNameError, UsageError
from sercl.studies.frozen.adaptation.coral import align_corpora
from sercl.studies.frozen.adaptation.corpus import normalize_corpora
from sercl.studies.frozen.adaptation.speaker import LEAST_UTTERANCES, normalize_speakers, thin_speakers
from sercl.studies.frozen.trainings import NO_ADAPTATION, FrozenRows, FrozenTraining
from sercl.studies.probing.rows import Adapt


def adaptation_of(where: str, training: FrozenTraining, rows: FrozenRows) -> Adapt | None:
    """Return what is done to the features of a training, None for nothing.

    Args:
        where: Stands before the message of an error.
        training: The training, already checked.
        rows: What is known of the utterances; labels are not looked at.

    Raises:
        UnknownNameError: For an adaptation that does not exist.
        UsageError: If the rows that it needs are lacking, or a speaker is unknown.
    """
    if training.adaptation not in ADAPTATIONS:
        raise UnknownNameError("adaptation", training.adaptation, ADAPTATIONS)
    build = _BUILDERS.get(training.adaptation)
    return None if build is None else build(f"{where}, adaptation {training.adaptation!r}", training, rows)


def adaptation_notes(training: FrozenTraining, rows: FrozenRows) -> tuple[str, ...]:
    """Return sentences that must stand beside a training's results."""
    note = ADAPTATIONS[training.adaptation]
    if training.adaptation != "speaker":
        return (note,) if note else ()
    thin = thin_speakers(rows.corpora, rows.speakers, _parts(training))
    if not thin:
        return (note,)
    return note, (
        f"fewer than {LEAST_UTTERANCES} utterances in a part, standardised by those of the corpus in it: "
        f"{', '.join(thin)}"
    )


def _corpus(where: str, training: FrozenTraining, rows: FrozenRows) -> Adapt:
    return partial(normalize_corpora, corpora=rows.corpora, reference=_reference(where, training, rows))


def _speaker(where: str, training: FrozenTraining, rows: FrozenRows) -> Adapt:
    parts = _parts(training)
    unknown = [row for row in chain.from_iterable(parts) if rows.speakers[row] is None]
    if unknown:
        raise UsageError(
            f"{where}: the speaker of {count(len(unknown), 'utterance')} is unknown, first "
            f"{rows.ids[unknown[0]]!r} of {rows.corpora[unknown[0]]}. Choose another adaptation, "
            "such as corpus, or give the speakers."
        )
    return partial(normalize_speakers, corpora=rows.corpora, speakers=rows.speakers, parts=parts)


def _coral(where: str, training: FrozenTraining, rows: FrozenRows) -> Adapt:
    reference = _reference(where, training, rows)
    targets = {rows.corpora[row] for row in training.unlabelled}
    sources = {rows.corpora[row] for row in training.train} - targets
    if len(targets) != 1 or not sources:
        raise UsageError(
            f"{where}: unlabelled rows are of {_listed(targets)}, training rows of other corpora of "
            f"{_listed(sources)}; one target and at least one source are needed."
        )
    _check_two(where, reference, rows)
    return partial(align_corpora, corpora=rows.corpora, reference=reference, target=targets.pop())


def _reference(where: str, training: FrozenTraining, rows: FrozenRows) -> tuple[int, ...]:
    """Return the training and the unlabelled rows; every corpus that is read must have some."""
    reference = sorted({*training.train, *training.unlabelled})
    known = {rows.corpora[row] for row in reference}
    read = chain(training.validation, *training.tests.values())
    lacking = {rows.corpora[row] for row in read} - known
    if lacking:
        raise UsageError(
            f"{where}: there is no row to take statistics of {_listed(lacking)} from. Give rows of its "
            "training part as unlabelled ones."
        )
    return tuple(reference)


def _check_two(where: str, reference: Iterable[int], rows: FrozenRows) -> None:
    counts: dict[str, int] = {}
    for row in reference:
        counts[rows.corpora[row]] = counts.get(rows.corpora[row], 0) + 1
    for name, number in counts.items():
        if number < 2:
            raise UsageError(f"{where}: {number} row of {name}; a covariance needs at least 2.")


def _parts(training: FrozenTraining) -> tuple[tuple[int, ...], ...]:
    """Return what is one part for a speaker: training with unlabelled rows, validation, and all tests."""
    tested = sorted(set(chain.from_iterable(training.tests.values())))
    return tuple(sorted({*training.train, *training.unlabelled})), training.validation, tuple(tested)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


_BUILDERS: Mapping[str, Callable[[str, FrozenTraining, FrozenRows], Adapt]] = MappingProxyType(
    {"corpus": _corpus, "speaker": _speaker, "coral": _coral}
)

ADAPTATIONS: Mapping[str, str] = MappingProxyType(
    {
        NO_ADAPTATION: "",
        "corpus": "each corpus is standardised by itself, the target by its training part without labels",
        "speaker": "each speaker is standardised by all of the own utterances in a part, without labels; "
        "those under test are seen together (transductive)",
        "coral": "the source is given the covariance of the target's training part, without labels (CORAL)",
    }
)
"""Name of an adaptation -> what must be said beside its results."""
