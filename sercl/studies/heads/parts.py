"""Training, validation and test utterances of a probe."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from sercl.corpora.base import Utterance
from sercl.corpora.folds.draw import grouped, shuffled_utterances
from sercl.counting import count as count_of
from sercl.errors import FoldError

NAMES = ("train", "validation", "test")
LEAST_GROUPS = 3
"""Training, validation and test need one group each."""


@dataclass(frozen=True)
class Parts:
    """One fold as indices of utterances, that is, rows of the features.

    Attributes:
        train: Training rows, whose statistics standardise the features.
        validation: Rows that determine when training ends, which epoch is kept and which layer is best.
        test: Rows that are used only for the final scores.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]

    def items(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Name and rows of each part."""
        return tuple((name, getattr(self, name)) for name in NAMES)


def parts_of(
    folds: Sequence[Mapping[str, Sequence[Utterance]]], rows: Mapping[tuple[str, str], int]
) -> tuple[Parts, ...]:
    """Turn folds of utterances into folds of rows.

    Args:
        folds: Per fold, "train", "validation" and "test" -> utterances (as `Fold.parts`).
        rows: `(corpus, id)` of an utterance -> its row; utterances without a row are left out.
    """
    return tuple(Parts(*(_rows_of(fold[name], rows) for name in NAMES)) for fold in folds)


def _rows_of(utterances: Sequence[Utterance], rows: Mapping[tuple[str, str], int]) -> tuple[int, ...]:
    keys = ((item.corpus, item.id) for item in utterances)
    return tuple(rows[key] for key in keys if key in rows)


def within_speaker_folds(
    utterances: Sequence[Utterance], count: int, seed: int = 42
) -> list[dict[str, list[Utterance]]]:
    """Make folds that share their speakers, which speaker probes need.

    Each speaker's utterances, emotion by emotion, are distributed over as many groups as there are folds.
    Fold k tests on group k, validates on the next one and trains on the others.

    Args:
        utterances: Of known speakers.
        count: Number of folds; at least `LEAST_GROUPS`.
        seed: Seed of the draw, which depends only on the ids and not on the order of the utterances.

    Raises:
        FoldError: For a speaker with fewer than `LEAST_GROUPS` utterances.
    """
    groups: list[list[Utterance]] = [[] for _ in range(max(count, LEAST_GROUPS))]
    for speaker, own in sorted(grouped(utterances, lambda item: str(item.speaker)).items()):
        if len(own) < LEAST_GROUPS:
            raise FoldError(
                f"speaker {speaker} has {count_of(len(own), 'utterance')}; folds within speakers need at "
                f"least {LEAST_GROUPS} of each. Leave this speaker out, or choose another target."
            )
        ordered = sorted(shuffled_utterances(own, seed, "within"), key=lambda item: item.emotion)
        start = min(range(len(groups)), key=lambda index: len(groups[index]))
        for position, utterance in enumerate(ordered, start):
            groups[position % len(groups)].append(utterance)
    return [_fold(groups, index) for index in range(len(groups))]


def _fold(groups: Sequence[list[Utterance]], index: int) -> dict[str, list[Utterance]]:
    held = (index + 1) % len(groups)
    rest = [group for number, group in enumerate(groups) if number not in (index, held)]
    return {
        "train": [utterance for group in rest for utterance in group],
        "validation": groups[held],
        "test": groups[index],
    }


def check_parts(folds: Sequence[Parts], labels: Sequence[int], classes: Sequence[str]) -> None:
    """Raise unless probes can be trained and tested on every fold.

    Args:
        folds: The folds.
        labels: Class index of each row.
        classes: Class names.

    Raises:
        FoldError: If there is no fold, a part is empty or shares rows with another, or a class is absent
            from training.
    """
    if not folds:
        raise FoldError("probe: there is no fold to train on; at least one is needed.")
    for number, fold in enumerate(folds):
        where = f"probe, fold {number}"
        check_filled(where, dict(fold.items()))
        check_apart(where, dict(fold.items()))
        check_classes(where, fold.train, labels, classes)


def check_filled(where: str, parts: Mapping[str, Sequence[int]]) -> None:
    """Raise `FoldError` for an empty part; `where` is the prefix of the message, here and below."""
    for name, rows in parts.items():
        if not rows:
            raise FoldError(f"{where}: no utterance in {name}. Choose other folds.")


def check_apart(where: str, parts: Mapping[str, Sequence[int]]) -> None:
    """Raise `FoldError` for parts that share rows."""
    for (first, ours), (second, theirs) in combinations(parts.items(), 2):
        shared = len(set(ours) & set(theirs))
        if shared:
            raise FoldError(f"{where}: {shared} utterances in both {first} and {second}.")


def check_classes(where: str, train: Sequence[int], labels: Sequence[int], classes: Sequence[str]) -> None:
    """Raise `FoldError` for a class that is absent from training."""
    counts = Counter(labels[row] for row in train)
    absent = [name for index, name in enumerate(classes) if not counts[index]]
    if absent:
        found = ", ".join(f"{name} {counts[index]}" for index, name in enumerate(classes))
        raise FoldError(
            f"{where}: no training utterance of {', '.join(absent)} (training has {found}). "
            "Choose classes that every fold has in training, or other folds."
        )
