"""A cross-lingual study that was never run: predictions drawn from given confusion matrices."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sercl.files import write_text
from sercl.studies.cross_eval.cells import Cell, CellRecord, Condition, ForgettingRecord, Study
from sercl.studies.cross_eval.sources import corpora_of
from sercl.studies.cross_eval.study_file import (
    BEFORE,
    FORGETTING,
    PREDICTIONS,
    TIMES,
    forgetting_table,
    write_forgetting,
    write_predictions,
    write_study,
)
from sercl.studies.results.predictions import Predictions
from sercl.testing.studies.grid import CLASSES, CORPORA, ENCODERS, Grid
from sercl.testing.studies.voices import Confusion, Voices, typical_confusion

__all__ = ["CLASSES", "CORPORA", "ENCODERS", "Confusion", "Grid", "fake_study", "typical_confusion"]


def fake_study(
    folder: Path,
    grid: Grid | None = None,
    *,
    confusion: Confusion | None = None,
    speakers: int | Mapping[str, int] = 10,
    per_class: int = 4,
    speaker_effect: float = 0.6,
    failed: int = 0,
    missing: int = 0,
    known: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Study:
    """Write a study's folder: its `study.json` and predictions, some fold lists, logs of failed cells.

    Speakers are easy or hard for every condition alike, and most utterances that one condition gets wrong
    another gets wrong, too: as in reality, conditions are paired.

    Args:
        folder: Where to write.
        grid: What the study crosses; by default two encoders, two adapters and all settings on `CORPORA`.
        confusion: The mistakes of each condition; by default `typical_confusion`.
        speakers: Speakers of every corpus, or of each; 0 for unknown ones. Folds hold out speakers where
            there are enough, else utterances.
        per_class: Utterances of each speaker and class.
        speaker_effect: Standard deviation of the log-odds by which speakers differ.
        failed: Number of cells, from the middle of the grid, that failed.
        missing: Number of cells, from its end, that were not run.
        known: What is known of the utterances: column -> values, which speakers have in turn.

    Returns:
        What `read_study` reads.
    """
    grid = grid or Grid(CORPORA, ENCODERS)
    counts = speakers if isinstance(speakers, Mapping) else dict.fromkeys(grid.corpora, speakers)
    voices = {
        name: Voices(name, counts[name], per_class, grid.folds, speaker_effect) for name in grid.corpora
    }
    cells = [cell for condition in grid.conditions() for cell in grid.cells(condition)]
    records = [_record(cell, voices[cell.condition.target].size(cell.fold)) for cell in cells]
    records = _with_gaps(records, failed, missing)
    forgetting = [
        _forgetting(own, corpus, voices)
        for own in records
        if forgets(own.cell.condition)
        for corpus in corpora_of(own.cell.condition.source, grid.corpora)
    ]
    study = _study(grid, records, forgetting)
    draw = confusion or typical_confusion
    tables = (
        voices[record.cell.condition.target].answer(record.cell, record.address, draw, known)
        for record in records
        if record.status == "done"
    )
    write_predictions(tables, CLASSES, folder / PREDICTIONS, list(known))
    tests = (
        forgetting_table(own, when, _of_source(own, when, voices, draw).table(), CLASSES)
        for own in forgetting
        for when in TIMES
        if own.status == "done"
    )
    write_forgetting(tests, CLASSES, folder / FORGETTING)
    write_study(study, folder)
    _write_cell_files(records, folder)
    return study


def _record(cell: Cell, tested: int) -> CellRecord:
    is_trained = cell.condition.adapter != "none"
    return CellRecord(
        cell=cell,
        address=_address(cell.to_dict()),
        layer=6 if is_trained else 4 + cell.fold % 2,
        epochs=24,
        early_stopped=True,
        seconds=88.0 if is_trained else 0.7,
        parts={"train": 4 * tested, "validation": tested, "test": tested},
    )


def forgets(condition: Condition) -> bool:
    """Return whether the source of a condition is tested, too; of few-shot, one number of shots is enough."""
    few = condition.setting == "few-shot" and condition.shots == 4 and condition.adaptation == "none"
    return few or condition.setting == "two-stage"


def _forgetting(record: CellRecord, corpus: str, voices: Mapping[str, Voices]) -> ForgettingRecord:
    cell, source = record.cell, record.cell.condition.source
    setting = "monolingual" if source == corpus else "first of two stages"
    before = {**cell.to_dict(), "setting": setting, "target": corpus, "shots": None, "draw": 0}
    return ForgettingRecord(
        cell=cell,
        corpus=corpus,
        before=_address(before),
        after=hashlib.sha256(f"{record.address} {corpus}".encode()).hexdigest()[:16],
        status=record.status,
        error=record.error,
        utterances=voices[corpus].size(cell.fold),
    )


def _of_source(
    record: ForgettingRecord, when: str, voices: Mapping[str, Voices], confusion: Confusion
) -> Predictions:
    """Return predictions for the source; two stages forget more of it than few-shot training."""
    address = record.before if when == BEFORE else record.after
    known = confusion(_knowing_source(record, when))
    return voices[record.corpus].predictions(record.cell.fold, address, known)


def _knowing_source(record: ForgettingRecord, when: str) -> Condition:
    """Return a condition that is as good on its target as a model then is on the source."""
    own = replace(record.cell.condition, target=record.corpus)
    if when == BEFORE:
        return replace(own, setting="monolingual", shots=None)
    return replace(own, setting="few-shot", shots=12 if own.setting == "two-stage" else 48)


def _address(cell: Mapping[str, Any]) -> str:
    """Return a hash of what determines the result: transfer ignores the source, and 0 shots are zero-shot."""
    fields = dict(cell)
    if fields["setting"] in ("monolingual", "transfer"):
        fields |= {"setting": "one corpus", "source": fields["target"]}
    if fields["setting"] == "few-shot" and fields["shots"] == 0:
        fields |= {"setting": "zero-shot", "shots": None}
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()[:16]


def _with_gaps(records: list[CellRecord], failed: int, missing: int) -> list[CellRecord]:
    nothing: dict[str, Any] = {
        "layer": None,
        "epochs": None,
        "early_stopped": None,
        "seconds": None,
        "parts": {},
    }
    middle = len(records) // 2
    for index in range(middle, middle + failed):
        error = "out of GPU memory. Use smaller batches, a smaller encoder, or fewer of its blocks."
        records[index] = replace(records[index], status="failed", error=error, **nothing)
    for index in range(max(0, len(records) - missing), len(records)):
        records[index] = replace(records[index], status="missing", **nothing)
    return records


def _study(grid: Grid, records: Sequence[CellRecord], forgetting: Sequence[ForgettingRecord]) -> Study:
    return Study(
        classes=CLASSES,
        label_map={name: (name,) for name in CLASSES},
        corpora=grid.corpora,
        encoders=grid.encoders,
        created="2026-03-14T15:09:26+00:00",
        seconds=5025.0,
        environment={
            "sercl": "0.0",
            "python": "3.12.1",
            "platform": "Linux",
            "packages": {"torch": "2.11.0", "transformers": "5.17.0"},
            "command": "sercl cross-eval --config study.yaml --out study",
        },
        warnings=(),
        records=tuple(records),
        forgetting=tuple(forgetting),
    )


def _write_cell_files(records: Sequence[CellRecord], folder: Path) -> None:
    for record in records:
        cell_folder = folder / "cells" / record.address
        if record.status == "failed":
            write_text(cell_folder / "log.txt", f"{record.error}\n")
        elif record.cell.condition.setting == "monolingual" and record.cell.seed == 1:
            write_text(cell_folder / "folds" / "test.csv", "file,answer\n")
