"""What became of the cells of each condition, and where their fold lists and logs are."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sercl.reports.corpus import clock
from sercl.studies.cross_eval.cells import STATUSES, CellRecord, Condition, Study

Lists = Mapping[str, str]
"""Name of a list ("train", "validation", "test") -> its file, relative to the study's folder."""

_ORDER = ("source-train", "source-validation", "train", "validation", "unlabelled", "test")


@dataclass(frozen=True)
class CellRow:
    """The cells of one condition.

    Attributes:
        condition: What they belong to.
        status: "15 done, 1 failed".
        layers: Hidden states that were read: "4–6", or "".
        epochs: Epochs run: "18–30", or "".
        seconds: Their wall-clock time in words, or "".
        folds: (index of the fold, its lists), as far as they are there; of few shots, of the first draw.
    """

    condition: Condition
    status: str
    layers: str
    epochs: str
    seconds: str
    folds: tuple[tuple[int, Lists], ...]


@dataclass(frozen=True)
class Failure:
    """A failed cell: its record, and its log relative to the study's folder, or "" where it has none."""

    record: CellRecord
    log: str


def cell_rows(study: Study, folder: Path) -> list[CellRow]:
    """Return a row per condition, in the order of the grid.

    Args:
        study: The study.
        folder: Where its cells lie.
    """
    groups: dict[Condition, list[CellRecord]] = {}
    for record in study.records:
        groups.setdefault(record.cell.condition, []).append(record)
    return [_row(condition, records, folder) for condition, records in groups.items()]


def failures(study: Study, folder: Path) -> list[Failure]:
    """Return the failed cells."""
    failed = (record for record in study.records if record.status == "failed")
    return [Failure(record, _existing(folder, f"cells/{record.address}/log.txt")) for record in failed]


def _row(condition: Condition, records: Sequence[CellRecord], folder: Path) -> CellRow:
    states = Counter(record.status for record in records)
    seconds = sum(record.seconds or 0 for record in records)
    return CellRow(
        condition=condition,
        status=", ".join(f"{states[name]} {name}" for name in STATUSES if states[name]),
        layers=_span(record.layer for record in records),
        epochs=_span(record.epochs for record in records),
        seconds=clock(seconds) if seconds else "",
        folds=_folds(records, folder),
    )


def _span(values: Iterable[int | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    return str(min(known)) if min(known) == max(known) else f"{min(known)}–{max(known)}"


def _folds(records: Sequence[CellRecord], folder: Path) -> tuple[tuple[int, Lists], ...]:
    """Return the first lists found of each fold: repeats have the same, but for what few-shot draws."""
    found: dict[int, Lists] = {}
    for record in records:
        if record.cell.fold not in found and (lists := _lists(folder, f"cells/{record.address}/folds")):
            found[record.cell.fold] = lists
    return tuple(sorted(found.items()))


def _lists(folder: Path, place: str) -> Lists:
    names = [path.stem for path in (folder / place).glob("*.csv")]
    known = [name for name in _ORDER if name in names]
    return {name.replace("-", " "): f"{place}/{name}.csv" for name in known}


def _existing(folder: Path, relative: str) -> str:
    return relative if (folder / relative).exists() else ""
