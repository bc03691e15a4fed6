from pathlib import Path

from sercl.reports.cross_eval.html import cell_rows, failures
from sercl.studies.cross_eval.analysis.analysis import Analysis


def test_a_row_per_condition(wide: Analysis, wide_folder: Path) -> None:
    rows = cell_rows(wide.study, wide_folder)
    assert tuple(row.condition for row in rows) == wide.study.conditions
    first = rows[0]
    assert (first.status, first.layers, first.epochs, first.seconds) == ("15 done", "4–5", "24", "10 s")
    assert [fold for fold, _ in first.folds] == [0, 1, 2, 3, 4]
    assert all(list(lists) == ["test"] for _, lists in first.folds)
    assert all((wide_folder / lists["test"]).is_file() for _, lists in first.folds)
    assert sum("1 failed" in row.status for row in rows) == 1


def test_lists_that_are_not_there_are_not_linked(wide: Analysis, tmp_path: Path) -> None:
    assert all(row.folds == () for row in cell_rows(wide.study, tmp_path))
    assert [failure.log for failure in failures(wide.study, tmp_path)] == [""]


def test_failures_lead_to_their_log(wide: Analysis, wide_folder: Path) -> None:
    (failure,) = failures(wide.study, wide_folder)
    assert failure.record.status == "failed"
    assert "out of GPU memory" in (wide_folder / failure.log).read_text()


def test_cells_that_never_ran_show_nothing(unfinished: Analysis, tmp_path: Path) -> None:
    row = cell_rows(unfinished.study, tmp_path)[0]
    assert (row.status, row.layers, row.epochs, row.seconds) == ("15 missing", "", "", "")
