from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sercl.errors import ResultsError
from sercl.studies.cross_eval.run import results
from sercl.studies.cross_eval.run.results import (
    PREDICTIONS,
    RECORD,
    CellResult,
    CellResults,
    cell_folder,
    predictions_of,
    read_predictions,
    read_result,
    write_result,
)
from tests.studies.cross_eval.samples import EMOTIONS, names, subset

RESULT = CellResult("abc", 3, 7, True, 1.25, 40, ("mind this",))
TEST = subset("A", names("t"))
PROBABILITIES = np.random.default_rng(0).dirichlet(np.ones(4), size=8)


def write(folder: Path, result: CellResult = RESULT) -> Path:
    write_result(folder, "addr", predictions_of(TEST, PROBABILITIES, EMOTIONS), result)
    return cell_folder(folder, "addr")


@pytest.mark.parametrize("result", [RESULT, replace(RESULT, layer=None, early_stopped=False, notes=())])
def test_a_result_comes_back_as_it_was(tmp_path: Path, result: CellResult) -> None:
    write(tmp_path, result)
    assert read_result(tmp_path, "addr") == result
    table = read_predictions(tmp_path, "addr", EMOTIONS)
    assert table["utterance"].to_pylist() == names("t")
    assert table["truth"].to_pylist() == [EMOTIONS[label] for label in TEST.split.labels]
    probabilities = np.column_stack([table[f"p_{name}"].to_numpy() for name in EMOTIONS])
    np.testing.assert_array_equal(probabilities, PROBABILITIES.astype(np.float32))


def test_predictions_of_the_format_before_are_read(tmp_path: Path) -> None:
    own_folder = write(tmp_path)
    now = read_predictions(tmp_path, "addr", EMOTIONS)
    columns = {"utterance": names("t"), "speaker": ["t"] * 8, "truth": list(TEST.split.labels)}
    probabilities = {f"p{index}": column for index, column in enumerate(PROBABILITIES.astype(np.float32).T)}
    pq.write_table(pa.table({**columns, **probabilities}), own_folder / PREDICTIONS)
    (own_folder / RECORD).write_text(
        (own_folder / RECORD).read_text().replace(f'"format": {results.FORMAT}', '"format": 2')
    )
    assert read_result(tmp_path, "addr") == RESULT
    assert read_predictions(tmp_path, "addr", EMOTIONS).to_pylist() == now.to_pylist()


def test_predictions_without_their_record_do_not_count(tmp_path: Path) -> None:
    own_folder = write(tmp_path)
    (own_folder / RECORD).unlink()
    assert read_result(tmp_path, "addr") is None
    write(tmp_path)
    (own_folder / PREDICTIONS).unlink()
    assert read_result(tmp_path, "addr") is None
    assert read_result(tmp_path, "another") is None


def test_the_record_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(results, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path)
    assert (cell_folder(tmp_path, "addr") / PREDICTIONS).is_file()
    assert read_result(tmp_path, "addr") is None


def test_results_of_another_version_are_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    monkeypatch.setattr(results, "_READ", (results.FORMAT + 1,))
    assert read_result(tmp_path, "addr") is None


@pytest.mark.parametrize("cut", [0, 1, 40])
def test_a_truncated_record_is_named_with_what_to_do(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path) / RECORD
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ResultsError, match=r"cell.json.*is not valid JSON.*Remove this folder") as caught:
        read_result(tmp_path, "addr")
    assert str(path) in str(caught.value)


def test_a_result_is_looked_for_until_it_is_there_and_read_once(tmp_path: Path) -> None:
    found = CellResults(tmp_path)
    assert found.get("addr") is None
    place = write(tmp_path)
    assert found.get("addr") == RESULT
    (place / RECORD).write_text("")
    assert found.get("addr") == RESULT


def test_truncated_predictions_are_named_with_what_to_do(tmp_path: Path) -> None:
    path = write(tmp_path) / PREDICTIONS
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ResultsError, match=r"predictions.parquet.*not a valid Parquet.*Remove this folder"):
        read_predictions(tmp_path, "addr", EMOTIONS)


def test_a_record_without_a_number_is_named(tmp_path: Path) -> None:
    path = write(tmp_path) / RECORD
    path.write_text(path.read_text().replace('"epochs": 7', '"epochs": "many"'))
    with pytest.raises(ResultsError, match="epochs: expected a whole number, got a text"):
        read_result(tmp_path, "addr")
