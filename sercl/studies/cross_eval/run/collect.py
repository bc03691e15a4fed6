"""From the results of single tests to the two files of a study."""

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from sercl.corpora.folds.lists import list_name
from sercl.errors import ResultsError
from sercl.files import open_text
from sercl.studies.cross_eval.cells import CellRecord, Study, StudyCorpus, StudyEncoder
from sercl.studies.cross_eval.plan.planner import Plan, PlannedCell
from sercl.studies.cross_eval.plan.shares import Share
from sercl.studies.cross_eval.predictions import NAME, cell_table, write_predictions
from sercl.studies.cross_eval.run.results import cell_folder, is_done, read_predictions, read_result
from sercl.studies.cross_eval.study_file import read_study, write_study
from sercl.studies.results.predictions import predicts_one_class


def collect(
    plan: Plan,
    folder: Path,
    failures: Mapping[str, str],
    corpora: Mapping[str, StudyCorpus],
    encoders: Mapping[str, StudyEncoder],
    label_map: Mapping[str, Sequence[str]],
    environment: Mapping[str, Any],
    seconds: float,
) -> Study:
    """Write `study.json`, `predictions.parquet` and the lists of what was trained and tested.

    Args:
        plan: All cells.
        folder: Folder of the study.
        failures: Address -> error of those that failed in this run.
        corpora: What is said of the corpora.
        encoders: What is said of the encoders.
        label_map: Class -> emotions that count as it.
        environment: Versions and command line.
        seconds: Wall-clock time of this run.

    Returns:
        The study.

    Raises:
        ResultsError: Where a result is broken.
        OutputError: Where a file cannot be written.
    """
    classes = tuple(label_map)
    records = [_record(item, folder, failures, classes) for item in plan.cells]
    done = [item for item, record in zip(plan.cells, records, strict=True) if record.status == "done"]
    write_predictions((_table(item, folder, classes) for item in done), classes, folder / NAME)
    study = Study(
        classes=classes,
        label_map={name: tuple(emotions) for name, emotions in label_map.items()},
        corpora=dict(corpora),
        encoders=dict(encoders),
        created=datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
        seconds=seconds + earlier_seconds(folder),
        environment=environment,
        warnings=plan.remarks,
        records=tuple(records),
    )
    _write_lists(plan, folder)
    write_study(study, folder)
    return study


def earlier_seconds(folder: Path) -> float:
    """Return the time of all earlier runs into a folder, 0 where none has come to its end."""
    try:
        return read_study(folder).seconds
    except ResultsError:
        return 0.0


def _record(
    item: PlannedCell, folder: Path, failures: Mapping[str, str], classes: Sequence[str]
) -> CellRecord:
    address = item.address
    if not is_done(folder, address):
        error = failures.get(address)
        return CellRecord(item.cell, address, status="missing" if error is None else "failed", error=error)
    result = read_result(folder, address)
    return CellRecord(
        cell=item.cell,
        address=address,
        layer=result.layer,
        epochs=result.epochs,
        early_stopped=result.early_stopped,
        seconds=round(result.seconds, 3),
        parts=item.parts,
        shared_speakers=item.shared_speakers,
        one_class=_one_class(read_predictions(folder, address, classes)),
        notes=(*item.notes, *result.notes),
    )


def _one_class(predictions: pa.Table) -> str | None:
    predicted = predictions["predicted"].to_pylist()
    return predicted[0] if predicts_one_class(predictions["truth"].to_pylist(), predicted) else None


def _table(item: PlannedCell, folder: Path, classes: Sequence[str]) -> pa.Table:
    own = read_predictions(folder, item.address, classes)
    return cell_table(item.cell, item.address, own, classes)


def _write_lists(plan: Plan, folder: Path) -> None:
    """Write the lists of the first cell of each condition, fold and draw: other seeds have the same."""
    seen = set()
    for item in plan.cells:
        key = (item.cell.condition, item.cell.fold, item.cell.draw)
        place = cell_folder(folder, item.address)
        if key not in seen and place.is_dir():
            seen.add(key)
            for name, shares in _lists(item).items():
                path = place / "folds" / f"{name}.csv"
                if not path.is_file():
                    _write_list(shares, path)


def _lists(item: PlannedCell) -> dict[str, Sequence[Share]]:
    lists: dict[str, Sequence[Share]] = {}
    for step in item.training.chain:
        prefix = "" if step is item.training else "source-"
        lists |= {f"{prefix}train": step.train, f"{prefix}validation": [step.validation]}
    if item.training.unlabelled is not None:
        lists["unlabelled"] = [item.training.unlabelled]
    return lists | {"test": [item.test]}


def _write_list(shares: Sequence[Share], path: Path) -> None:
    with open_text(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "answer", "corpus"])
        for share in shares:
            for utterance in share.split.utterances:
                writer.writerow([list_name(utterance), utterance.emotion, share.corpus])
