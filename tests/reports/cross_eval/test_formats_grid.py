import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from sercl.reports.cross_eval.formats import duration, grid_report, in_words, totals
from sercl.studies.cross_eval.run.results import CellResult, CellResults, predictions_of, write_result
from sercl.studies.cross_eval.run.works import Estimate, pending
from tests.studies.cross_eval.samples import EMOTIONS, by_condition, cut, plan_of

PLAN = plan_of(
    [cut("A"), cut("B")], settings=["monolingual", "zero-shot"], adaptation=["none", "coral"],
    adapters=["none", "lora"], seeds=[1, 2, 3],
)  # fmt: skip


def shown(folder: Path) -> str:
    buffer = io.StringIO()
    Console(file=buffer, width=120).print(
        grid_report(PLAN, pending(PLAN, CellResults(folder)), Estimate(unknown=12))
    )
    return buffer.getvalue()


def finish(folder: Path) -> None:
    for item in by_condition(PLAN, setting="monolingual", target="A", adapter="none"):
        record = CellResult(item.training.address, 0, 1, True, 1.0, 1)
        write_result(
            folder, item.address, predictions_of(item.test, [[0.25] * 4] * len(item.test), EMOTIONS), record
        )


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.split()[:2] == ["an", "encoder"]]


def test_every_condition_has_a_row_with_what_of_it_is_there(tmp_path: Path) -> None:
    finish(tmp_path)
    found = rows(shown(tmp_path))
    assert len(found) == len(PLAN.conditions) == 4 + 4 + 2
    there = {tuple(row[2:-4]): row[-4:] for row in found}
    assert there["none", "monolingual", "A"] == ["2", "3", "6", "6"]
    assert there["lora", "monolingual", "A"] == ["2", "3", "6", "0"]
    assert there["none", "zero-shot", "A", "->", "B", "coral"] == ["2", "3", "6", "0"]


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    assert "left out of the grid: adaptation 'coral' changes hidden states" in shown(tmp_path)


def test_totals_count_cells_tests_and_trainings(tmp_path: Path) -> None:
    whole = totals(PLAN, pending(PLAN, CellResults(tmp_path)))
    assert whole.startswith("60 cells (10 conditions): 36 trainings, 60 tests. Done: 0 tests. ")
    finish(tmp_path)
    assert totals(PLAN, pending(PLAN, CellResults(tmp_path))).endswith(
        "Done: 6 tests. Remaining: 54 tests, 36 trainings."
    )


@pytest.mark.parametrize(
    ("time", "said"),
    [
        (Estimate(), "No training remains."),
        (Estimate(unknown=3), "No time estimate: no comparable training has finished yet"),
        (Estimate(40.2, known=2), "About 40 s for 2 trainings, estimated from finished trainings"),
        (Estimate(600, known=2, unknown=3), "About 10 min for 2 trainings, .* No estimate for 3 others"),
    ],
)
def test_the_estimate_in_words(time: Estimate, said: str) -> None:
    assert re.search(said, in_words(time))


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (12_600, "3.5 h")]
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said
