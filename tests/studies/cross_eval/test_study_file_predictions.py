from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.errors import ResultsError
from sercl.studies.cross_eval.cells import Cell, Condition
from sercl.studies.cross_eval.study_file import PREDICTIONS, cell_table, read_table, schema, write_predictions
from sercl.studies.results.predictions import Predictions
from tests.studies.samples import CLASSES

CELL = Cell(Condition("whisper", "none", "few-shot", "A", "B", shots=4), draw=1, fold=2, seed=42)


def table(count: int = 3, cell: Cell = CELL, address: str = "abc") -> pa.Table:
    rng = np.random.default_rng(count)
    predictions = Predictions.of_one_run(
        CLASSES,
        [f"u{index}" for index in range(count)],
        [None if index == 1 else f"s{index}" for index in range(count)],
        rng.integers(0, 4, count).tolist(),
        rng.dirichlet(np.ones(4), size=count),
    )
    return cell_table(cell, address, predictions.table(), CLASSES)


def test_rows_say_everything_about_a_prediction(tmp_path: Path) -> None:
    write_predictions([table()], CLASSES, tmp_path / PREDICTIONS)
    rows = read_table(tmp_path / PREDICTIONS, CLASSES).to_pylist()
    assert list(rows[0]) == schema(CLASSES).names
    assert [row["speaker"] for row in rows] == ["s0", None, "s2"]
    for row in rows:
        assert (row["cell"], row["shots"], row["draw"], row["fold"], row["seed"]) == ("abc", 4, 1, 2, 42)
        probabilities = [row[f"p_{name}"] for name in CLASSES]
        assert row["predicted"] == CLASSES[int(np.argmax(probabilities))]
        assert sum(probabilities) == pytest.approx(1, abs=1e-6)


def test_no_shots_stay_none(tmp_path: Path) -> None:
    plain = Cell(Condition("w", "none", "monolingual", "A", "A"), 0, 0, 1)
    write_predictions([table(2, plain)], CLASSES, tmp_path / PREDICTIONS)
    assert read_table(tmp_path / PREDICTIONS, CLASSES)["shots"].to_pylist() == [None, None]


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 40), max_size=6))
def test_any_number_of_cells_of_any_size_comes_back(
    sizes: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("p") / PREDICTIONS
    tables = [
        table(size, Cell(CELL.condition, 0, fold, 1), f"address{fold}") for fold, size in enumerate(sizes)
    ]
    write_predictions(tables, CLASSES, path)
    found = read_table(path, CLASSES)
    assert found.num_rows == sum(sizes)
    assert found.to_pylist() == [row for one in tables for row in one.to_pylist()]


def test_many_row_groups_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sercl.studies.cross_eval.study_file._GROUP", 5)
    tables = [table(4, Cell(CELL.condition, 0, fold, 1), f"address{fold}") for fold in range(7)]
    write_predictions(tables, CLASSES, tmp_path / PREDICTIONS)
    assert pq.ParquetFile(tmp_path / PREDICTIONS).num_row_groups == 4
    frame = read_table(tmp_path / PREDICTIONS, CLASSES).to_pandas()
    assert frame["cell"].tolist() == [f"address{fold}" for fold in range(7) for _ in range(4)]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / PREDICTIONS
    write_predictions([table()], CLASSES, path)
    before = path.read_bytes()

    def interrupted():
        yield table()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_predictions(interrupted(), CLASSES, path)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == [PREDICTIONS]


def test_broken_files_are_one_message(tmp_path: Path) -> None:
    path = tmp_path / PREDICTIONS
    with pytest.raises(ResultsError, match="no such file"):
        read_table(path, CLASSES)
    write_predictions([table()], CLASSES, path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ResultsError, match="is not a valid Parquet file"):
        read_table(path, CLASSES)
    path.write_text("no parquet")
    with pytest.raises(ResultsError, match="is not a valid Parquet file"):
        read_table(path, CLASSES)


def test_other_columns_and_classes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / PREDICTIONS
    pq.write_table(table().drop_columns(["fold", "p_sad"]), path)
    with pytest.raises(ResultsError, match="lacks the columns fold, p_sad"):
        read_table(path, CLASSES)
    write_predictions([table()], CLASSES, path)
    with pytest.raises(ResultsError, match="lacks the columns p_bored"):
        read_table(path, [*CLASSES[:3], "bored"])
    foreign = table().set_column(15, "predicted", pa.array(["angry", "bored", "sad"]))
    pq.write_table(foreign, path)
    with pytest.raises(ResultsError, match="has predicted 'bored'; classes are angry, happy, neutral, sad"):
        read_table(path, CLASSES)
    holes = table().set_column(15, "predicted", pa.array(["angry", None, "sad"]))
    pq.write_table(holes, path)
    with pytest.raises(ResultsError, match="has rows without predicted"):
        read_table(path, CLASSES)
    texts = table().set_column(10, "fold", pa.array(["one", "two", "three"]))
    pq.write_table(texts, path)
    with pytest.raises(ResultsError, match="has columns of another type"):
        read_table(path, CLASSES)
