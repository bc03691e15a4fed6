"""A study's folder as data: the grid, and the predictions of each of its conditions."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sercl.errors import ResultsError
from sercl.studies.answers import Answers
from sercl.studies.cross_eval.cells import CELL_FIELDS, CONDITION_FIELDS, Condition, Study
from sercl.studies.cross_eval.predictions import NAME, read_table
from sercl.studies.cross_eval.study_file import ADVICE


def read_answers(folder: Path, study: Study) -> dict[Condition, Answers]:
    """Read the predictions of a study, condition by condition, in the order of its grid.

    Conditions of which no cell is done are left out.

    Raises:
        ResultsError: Where the file is missing or broken, or holds other cells than `study.json` says.
    """
    path = folder / NAME
    frame = read_table(path, study.classes).to_pandas()
    _check_cells(frame, study, path)
    answers = dict(split(frame, study.classes))
    return {condition: answers[condition] for condition in study.conditions if condition in answers}


def split(frame: pd.DataFrame, classes: Sequence[str]) -> Iterator[tuple[Condition, Answers]]:
    """Yield the answers of each condition in a table with the columns of `predictions.parquet`."""
    shares = [f"p_{name}" for name in classes]
    for key, rows in frame.groupby(list(CONDITION_FIELDS), observed=True, dropna=False, sort=False):
        pairs = list(zip(rows["draw"].tolist(), rows["seed"].tolist(), strict=True))
        runs = sorted(set(pairs))
        places = {run: index for index, run in enumerate(runs)}
        speaker = rows["speaker"].astype(object)
        yield (
            _condition(key),
            Answers(
                runs=tuple(runs),
                run=np.array([places[pair] for pair in pairs]),
                fold=rows["fold"].to_numpy(np.int64),
                utterance=rows["utterance"].astype(object).to_numpy(),
                speaker=speaker.where(speaker.notna(), None).to_numpy(),
                truth=_indices(rows["truth"], classes),
                predicted=_indices(rows["predicted"], classes),
                probabilities=rows[shares].to_numpy(np.float64),
            ),
        )


def _indices(names: "pd.Series[str]", classes: Sequence[str]) -> NDArray[np.int64]:
    return np.asarray(pd.Categorical(names, categories=list(classes)).codes, dtype=np.int64)


def _condition(key: tuple[Any, ...]) -> Condition:
    values = dict(zip(CONDITION_FIELDS, key, strict=True))
    values["shots"] = None if pd.isna(values["shots"]) else int(values["shots"])
    return Condition(**values)


def _check_cells(frame: pd.DataFrame, study: Study, path: Path) -> None:
    """Compare with `study.json`: a report on other cells than it names would be wrong unnoticed."""
    fields = list(CELL_FIELDS)
    rows = frame[fields].astype(object)
    sizes = Counter(rows.where(rows.notna(), None).itertuples(index=False, name=None))
    done = {
        tuple(record.cell.to_dict().values()): record for record in study.records if record.status == "done"
    }
    if sizes.keys() != done.keys():
        absent, foreign = len(done.keys() - sizes.keys()), len(sizes.keys() - done.keys())
        raise ResultsError(
            path,
            f"does not fit study.json: {absent} of the cells that it calls done are not there, and {foreign} "
            f"are that it does not. {ADVICE}",
        )
    for key, record in done.items():
        if record.parts.get("test", sizes[key]) != sizes[key]:
            expected = f"{sizes[key]} predictions for {record.parts['test']} test utterances"
            raise ResultsError(path, f"has {expected} of cell {record.address}. {ADVICE}")
    twice = frame.duplicated([*fields, "utterance"])
    if twice.any():
        name = frame.loc[twice, "utterance"].iloc[0]
        raise ResultsError(path, f"has utterance {name!r} twice in a cell. {ADVICE}")
