"""A fold: three lists of utterances with notes for its results; and the draft that a scheme returns."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sercl.corpora.base import PARTS, Utterance, synthetic_notes
from sercl.corpora.folds.config import NO_FOLDS
from sercl.corpora.folds.draw import by_class, listed
from sercl.corpora.labels import LabelScheme

TINY = 10
"""With fewer utterances of a class, one error changes its recall by more than ten points."""

SKEW = 3.0
"""Training counts as unbalanced if the largest class is at least this many times the smallest."""


@dataclass(frozen=True)
class Fold:
    """One cut of a corpus into training, validation and test.

    Attributes:
        scheme: Name of the fold scheme.
        index: Number of this fold, from 0.
        count: Number of folds of the scheme.
        labels: The label scheme; every utterance of the fold has a class in it.
        train: Training utterances.
        validation: Utterances on which checkpoints, layers and settings are selected.
        test: Utterances that are used only for the final scores.
        remarks: Notes of the scheme on how it was cut.
    """

    scheme: str
    index: int
    count: int
    labels: LabelScheme
    train: tuple[Utterance, ...]
    validation: tuple[Utterance, ...]
    test: tuple[Utterance, ...]
    remarks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The fold in words: "speaker fold 1 of 5" (counted from 0)."""
        if self.scheme == NO_FOLDS:
            return "no folds, everything is for training"
        return f"{self.scheme} fold {self.index} of {self.count}"

    @property
    def parts(self) -> dict[str, tuple[Utterance, ...]]:
        """The three lists by name, in the order train, validation, test."""
        return {name: getattr(self, name) for name in PARTS}

    @property
    def shared_speakers(self) -> tuple[str, ...]:
        """Speakers in both training and test, sorted."""
        return tuple(sorted(speakers(self.train) & speakers(self.test)))

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Part -> class -> number of utterances, every class in the order of the scheme."""
        return {
            part: {name: len(group) for name, group in by_class(utterances, self.labels).items()}
            for part, utterances in self.parts.items()
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences to print with every result of this fold; empty for a clean one."""
        every = [utterance for part in self.parts.values() for utterance in part]
        return (
            *synthetic_notes(every),
            *_speaker_notes(self),
            *self.remarks,
            *_class_notes(self.counts),
        )

    def to_dict(self) -> dict[str, object]:
        """Return the fold without its lists, as plain data for a results file."""
        return {
            "scheme": self.scheme,
            "index": self.index,
            "count": self.count,
            "utterances": self.counts,
            "speakers": {part: sorted(speakers(utterances)) for part, utterances in self.parts.items()},
            "shared_speakers": list(self.shared_speakers),
            "notes": list(self.notes),
        }


_ABSENT, _FEW, _UNBALANCED = "absent from {}: ", "few utterances in {}: ", "training is unbalanced: "
"""How notes on the classes of a part begin."""


def is_on_classes(note: str, part: str) -> bool:
    """Return whether a note of a fold is on the classes of a part; if that is unused, it says nothing."""
    starts = [_ABSENT.format(part), _FEW.format(part), *([_UNBALANCED] if part == "train" else [])]
    return note.startswith(tuple(starts))


def merged_notes(notes: Iterable[tuple[str, Iterable[str]]]) -> list[tuple[list[str], str]]:
    """Return each note once: those common to all folds, without their names, then those of some, with them.

    Args:
        notes: Name and notes of each fold.
    """
    places: dict[str, list[str]] = {}
    total = 0
    for name, own in notes:
        total += 1
        for note in dict.fromkeys(own):
            places.setdefault(note, []).append(name)
    in_order = sorted(places.items(), key=lambda found: len(found[1]) < total)
    return [([] if len(names) == total else names, note) for note, names in in_order]


def speakers(utterances: Iterable[Utterance]) -> set[str]:
    """Return the known speakers of some utterances."""
    return {utterance.speaker for utterance in utterances if utterance.speaker is not None}


def named(names: Iterable[str], most: int = 5) -> str:
    """Return sorted names as text, cut after `most`: "a, b and 3 more"."""
    names = sorted(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _speaker_notes(fold: Fold) -> list[str]:
    notes = []
    if fold.shared_speakers:
        notes.append(f"speaker-dependent: {named(fold.shared_speakers)} in both training and test")
    unknown = Counter(utterance.speaker for part in fold.parts.values() for utterance in part)[None]
    if unknown and fold.train and fold.scheme != NO_FOLDS:
        notes.append(
            f"speakers unknown for {unknown} utterances: training and test may share them, so treat the "
            f"figures as speaker-dependent"
        )
    return notes if fold.shared_speakers else notes + _validation_notes(fold)


def _validation_notes(fold: Fold) -> list[str]:
    held = speakers(fold.validation)
    shared = {"test": held & speakers(fold.test), "training": held & speakers(fold.train)}
    return [
        f"validation and {part} share speakers: {named(names)}" for part, names in shared.items() if names
    ]


def _class_notes(counts: dict[str, dict[str, int]]) -> list[str]:
    notes = []
    for part, sizes in counts.items():
        if not any(sizes.values()):  # a part that nothing needs
            continue
        absent = [name for name, size in sizes.items() if size == 0]
        tiny = {name: size for name, size in sizes.items() if 0 < size < TINY}
        if absent:
            notes.append(f"{_ABSENT.format(part)}{', '.join(absent)}")
        if tiny:
            notes.append(f"{_FEW.format(part)}{listed(tiny)}")
    smallest, largest = min(counts["train"].values()), max(counts["train"].values())
    if smallest and largest / smallest >= SKEW:
        notes.append(f"{_UNBALANCED}{listed(counts['train'])}")
    return notes


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
