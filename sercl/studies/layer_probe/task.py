"""The task of a probe study: target, utterances and folds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from operator import index
from pathlib import Path
from typing import Self

import numpy as np

from sercl.corpora.base import PARTS, PROPERTIES, Utterance
from sercl.corpora.folds import FoldConfig, make_folds
from sercl.corpora.labels import LabelScheme, label_scheme
from sercl.data.settings import MONOLINGUAL
from sercl.errors import FoldError, UnknownNameError, UsageError
from sercl.studies.heads.parts import Parts, Person, parts_of, rows_of, within_speaker_folds
from sercl.studies.results.predictions import known_of


@dataclass(frozen=True)
class Target:
    """A property of utterances as class indices.

    Attributes:
        name: Name of the property.
        classes: Its values; their index is the class index.
        labels: Class index of each utterance, None where it has no value (or an emotion without a class).
    """

    name: str
    classes: tuple[str, ...]
    labels: tuple[int | None, ...]

    @property
    def missing(self) -> int:
        """How many utterances have no class."""
        return self.labels.count(None)


def target_of(
    utterances: Sequence[Utterance], name: str = "emotion", labels: LabelScheme | None = None
) -> Target:
    """Read a property of utterances.

    Args:
        utterances: The utterances.
        name: One of `PROPERTIES`, or a column of the manifest (a key of `Utterance.extra`).
        labels: Classes of the target "emotion"; None for the four of `label_scheme("4")`.

    Raises:
        UnknownNameError: For a property that no utterance has.
        UsageError: If no utterance has a value, or all have the same.
    """
    emotion = name == "emotion"
    target = _emotion(utterances, labels or label_scheme("4")) if emotion else _read(utterances, name)
    _check(target, utterances)
    return target


def columns_of(utterances: Sequence[Utterance]) -> list[str]:
    """Return the names of the targets that these utterances offer: every property with two values or more."""
    names = [*PROPERTIES, *sorted({key for item in utterances for key in item.extra} - set(PROPERTIES))]
    return [name for name in names if len({item.value(name) for item in utterances} - {None}) > 1]


def _emotion(utterances: Sequence[Utterance], scheme: LabelScheme) -> Target:
    return Target("emotion", scheme.classes, tuple(scheme.index(item.emotion) for item in utterances))


def _read(utterances: Sequence[Utterance], name: str) -> Target:
    extra = {key for item in utterances for key in item.extra}
    if name not in PROPERTIES and name not in extra:
        raise UnknownNameError("target", name, [*PROPERTIES, *sorted(extra - set(PROPERTIES))])
    values = [item.value(name) for item in utterances]
    classes = tuple(sorted({value for value in values if value is not None}))
    index = {value: position for position, value in enumerate(classes)}
    return Target(name, classes, tuple(None if value is None else index[value] for value in values))


def _check(target: Target, utterances: Sequence[Utterance]) -> None:
    counts = Counter(target.classes[label] for label in target.labels if label is not None)
    if len(counts) > 1:
        return
    found = " and ".join(f"{count} utterances are {value!r}" for value, count in counts.items())
    raise UsageError(
        f"target {target.name!r}: a probe needs at least two classes, but "
        f"{found or 'no utterance has a value'} ({target.missing} of {len(utterances)} have none). "
        f"Values that differ between these utterances: {', '.join(columns_of(utterances)) or 'nothing'}."
    )


SPEAKER_DISJOINT = "speaker-disjoint"
SPEAKER_DEPENDENT = "speaker-dependent"
WITHIN_SPEAKER = "within-speaker"

Utterances = Sequence[Utterance]
FoldParts = Mapping[str, Utterances]
"""The parts "train", "validation" and "test" of a fold, as `Fold.parts`; may have the part `UNLABELLED`."""

UNLABELLED = "unlabelled"
"""The target's training part, whose labels are not used."""


@dataclass(frozen=True)
class ProbeTask:
    """A probe target and its folds.

    Attributes:
        target: Name of the property that probes predict.
        classes: Its values; their index is the class index.
        ids: Id of each utterance; features have a row for each, in this order.
        labels: Class index of each utterance.
        speakers: Speaker of each utterance, None where unknown.
        folds: Training, validation and test rows. Their corpora determine the setting.
        setting: "monolingual", "zero-shot" or "transfer", or a description.
        splits: How the folds treat speakers: "speaker-disjoint", "speaker-dependent" (training and test share
            some, or they are unknown) or "within-speaker" (they share all of them, by design).
        missing: Utterances of the folds that have no value, and are left out.
        corpora: Name of the corpus of each utterance; empty if all are of one.
        unlabelled: Per fold, rows of the target's training part, for statistics of each corpus; empty for no
            target.
        known: Column -> what is known of each utterance, None where unknown; groups are scored by it.
    """

    target: str
    classes: tuple[str, ...]
    ids: tuple[str, ...]
    labels: tuple[int, ...]
    speakers: tuple[str | None, ...]
    folds: tuple[Parts, ...]
    setting: str = MONOLINGUAL
    splits: str = SPEAKER_DISJOINT
    missing: int = 0
    corpora: tuple[str, ...] = ()
    unlabelled: tuple[tuple[int, ...], ...] = ()
    known: Mapping[str, Sequence[str | None]] = field(default_factory=dict)

    @property
    def people(self) -> tuple[Person, ...]:
        """Corpus and speaker of each utterance."""
        corpora = self.corpora or ("",) * len(self.ids)
        return tuple(zip(corpora, self.speakers, strict=True))

    @classmethod
    def from_labels(
        cls,
        labels: Sequence[str],
        speakers: Sequence[str | None] | None = None,
        folds: FoldConfig | Sequence[Mapping[str, Sequence[int]]] = FoldConfig(),
        target: str = "emotion",
        setting: str = MONOLINGUAL,
    ) -> Self:
        """Build the task of probing features of any origin.

        Args:
            labels: `n` class names, one for each row of the features.
            speakers: `n` speaker names, None where unknown; None if all are.
            folds: How the rows are split into speaker-disjoint folds (within speakers where each class
                belongs to one speaker); or the folds: "train", "validation" and "test" -> row numbers.
            target: Name of what the labels are.
            setting: See `ProbeTask`.

        Raises:
            UsageError: For lists of different lengths, or no speakers and no folds.
            FoldError: If the folds cannot be cut, or for given ones with other parts or rows.
        """
        names = [None] * len(labels) if speakers is None else list(speakers)
        if len(names) != len(labels):
            raise UsageError(f"probe: {len(labels)} labels and {len(names)} speakers; one of each is needed.")
        items = [_row(number, str(label), names[number]) for number, label in enumerate(labels)]
        classes = tuple(sorted({item.emotion for item in items}))
        within = isinstance(folds, FoldConfig) and _one_speaker_each(items, labels)
        parts = _rows_in(folds, items, classes, within)
        return cls(
            target=target,
            classes=classes,
            ids=tuple(item.id for item in items),
            labels=tuple(classes.index(item.emotion) for item in items),
            speakers=tuple(names),
            folds=parts,
            setting=setting,
            splits=WITHIN_SPEAKER if within else _kind(parts, names),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences to print with every result."""
        return tuple(note for note in (_SPLIT_NOTES[self.splits], self._missing_note()) if note)

    def _missing_note(self) -> str:
        return f"{self.missing} utterances have no {self.target} and are left out" if self.missing else ""

    def shuffled(self, seed: int) -> "ProbeTask":
        """Return the control task: class labels shuffled over utterances.

        A probe's score here is due to chance and its capacity, not to the hidden states (Hewitt and
        Liang 2019, "Designing and Interpreting Probes with Control Tasks").
        """
        labels = np.random.default_rng(seed).permutation(self.labels)
        return replace(self, labels=tuple(labels.tolist()))


_SPLIT_NOTES = {
    SPEAKER_DISJOINT: "",
    SPEAKER_DEPENDENT: "speaker-dependent: training and test share speakers, or their speakers are unknown",
    WITHIN_SPEAKER: (
        "within-speaker folds: training and test share all speakers by design, since a speaker can only be "
        "recognised among those in the training data"
    ),
}


def probe_task(
    folds: Sequence[FoldParts],
    target: str = "emotion",
    labels: LabelScheme | None = None,
    setting: str = MONOLINGUAL,
    seed: int = 42,
    names: Mapping[str, str] | None = None,
) -> ProbeTask:
    """Build the task of probing a target on some folds.

    If each value belongs to one speaker (above all for the target `speaker`), no probe could predict it for
    unseen speakers: the same utterances are then divided into within-speaker folds.

    Args:
        folds: The folds, as `Fold.parts`; utterances that occur in several are used once.
        target: Property of an utterance, see `targets.target_of`.
        labels: Classes of the target "emotion".
        setting: See `ProbeTask`.
        seed: Seed of within-speaker folds.
        names: Id of an utterance -> name of its corpus in the data; None for that of the utterance.

    Raises:
        UnknownNameError: For a property that no utterance has.
        UsageError: If no utterance has a value, or all have the same.
        FoldError: If there is no fold, or a speaker has too few utterances for within-speaker folds.
    """
    if not folds:
        raise FoldError("probe: there is no fold to train on; at least one is needed.")
    listed = _listed(folds)
    answer = target_of(listed, target, labels)
    known = [item for item, label in zip(listed, answer.labels, strict=True) if label is not None]
    within = _one_speaker_each(listed, answer.labels)
    cut = within_speaker_folds(known, len(folds), seed) if within else folds
    numbers = {(item.corpus, item.id): row for row, item in enumerate(known)}
    parts = parts_of(cut, numbers)
    speakers = tuple(_speaker(item) for item in known)
    return ProbeTask(
        target=target,
        classes=answer.classes,
        ids=tuple(item.id for item in known),
        labels=tuple(label for label in answer.labels if label is not None),
        speakers=speakers,
        folds=parts,
        setting=setting,
        splits=WITHIN_SPEAKER if within else _kind(parts, speakers),
        missing=answer.missing,
        corpora=tuple(names[item.id] if names else item.corpus for item in known),
        unlabelled=tuple(rows_of(fold.get(UNLABELLED, ()), numbers) for fold in folds),
        known=known_of(known),
    )


def _listed(folds: Sequence[FoldParts]) -> list[Utterance]:
    every = chain.from_iterable(chain.from_iterable(fold.values()) for fold in folds)
    unique = {(item.corpus, item.id): item for item in every}
    return [unique[key] for key in sorted(unique)]


def _speaker(utterance: Utterance) -> str | None:
    # Two corpora may both have a speaker "01".
    return utterance.person


def _row(number: int, label: str, speaker: str | None) -> Utterance:
    """Return a row of features as an utterance without audio."""
    return Utterance(id=str(number), path=Path(), emotion=label, corpus="", speaker=speaker)


def _rows_in(
    folds: FoldConfig | Sequence[Mapping[str, Sequence[int]]],
    items: Utterances,
    classes: tuple[str, ...],
    within: bool,
) -> tuple[Parts, ...]:
    if not isinstance(folds, FoldConfig):
        return tuple(_given_fold(fold, number, len(items)) for number, fold in enumerate(folds))
    if all(item.speaker is None for item in items):
        raise UsageError("probe: folds are cut by speaker, and no speaker is given. Give speakers, or folds.")
    scheme = LabelScheme("custom", classes, {name: (name,) for name in classes})
    cut: Sequence[FoldParts] = (
        within_speaker_folds(items, folds.count, folds.seed)
        if within
        else [fold.parts for fold in make_folds(items, scheme, folds)]
    )
    return parts_of(cut, {(item.corpus, item.id): row for row, item in enumerate(items)})


def _given_fold(fold: Mapping[str, Sequence[int]], number: int, rows: int) -> Parts:
    where = f"probe, fold {number}"
    if not isinstance(fold, Mapping) or set(fold) != set(PARTS):
        raise FoldError(
            f"{where}: must be a mapping of {', '.join(PARTS)} to row numbers, but is {fold!r:.80}."
        )
    try:
        parts = Parts(*(tuple(map(index, fold[name])) for name in PARTS))
    except TypeError as error:
        raise FoldError(f"{where}: row numbers must be whole numbers ({error}).") from error
    for name, own in parts.items():
        if wrong := [row for row in own if not 0 <= row < rows]:
            raise FoldError(f"{where}: {name} has row {wrong[0]}; valid: 0 to {rows - 1}.")
    return parts


def _one_speaker_each(utterances: Utterances, labels: Sequence[object]) -> bool:
    speakers: dict[object, set[str | None]] = {}
    for utterance, label in zip(utterances, labels, strict=True):
        if label is not None:
            speakers.setdefault(label, set()).add(_speaker(utterance))
    return all(len(names) == 1 and None not in names for names in speakers.values())


def _kind(folds: Sequence[Parts], speakers: Sequence[str | None]) -> str:
    for fold in folds:
        trained = {speakers[row] for row in fold.train}
        tested = {speakers[row] for row in fold.test}
        if None in trained | tested or trained & tested:
            return SPEAKER_DEPENDENT
    return SPEAKER_DISJOINT
