import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from sercl.corpora.registry import CORPORA
from sercl.reports.corpus import corpora_table, inspection_report
from sercl.reports.cross_eval.formats import grid_report, terminal_report
from sercl.reports.data import data_table
from sercl.reports.probing import probe_table
from sercl.reports.results import confusion_text, stages_table
from sercl.reports.style import TextTable, drawn, table
from sercl.studies.cross_eval.analysis.analysis import analyse
from sercl.studies.cross_eval.run.results import CellResults
from sercl.studies.cross_eval.run.works import Estimate, pending
from sercl.testing.studies import fake_study
from tests.reports.test_corpus import TOY
from tests.reports.test_data import report
from tests.reports.test_results_training import STAGE
from tests.studies.cross_eval.samples import cut, plan_of
from tests.studies.heads.samples import results

WIDTHS = (40, 60, 80, 200)


def shown(content: RenderableType, width: int) -> list[str]:
    buffer = io.StringIO()
    Console(file=buffer, width=width).print(content)
    return buffer.getvalue().splitlines()


def tables_of(content: RenderableType) -> Iterator[Table]:
    if isinstance(content, Table):
        yield content
    if isinstance(content, Group):
        for item in content.renderables:
            yield from tables_of(item)


def texts_of(grid: Table) -> list[str]:
    cells = [cell for column in grid.columns for cell in (column.header, *column.cells)]
    return [cell.plain if isinstance(cell, Text) else cell for cell in cells if isinstance(cell, str | Text)]


def reports(folder: Path) -> dict[str, RenderableType]:
    fake_study(folder / "study")
    plan = plan_of([cut("A"), cut("B")], settings=["monolingual", "few-shot"], shots=[1])
    return {
        "data": data_table(report()),
        "stages": stages_table([STAGE]),
        "inspection": inspection_report(TOY),
        "corpora": corpora_table([corpus.info for corpus in CORPORA.values()]),
        "grid": grid_report(plan, pending(plan, CellResults(folder)), Estimate()),
        "study": terminal_report(analyse(folder / "study")),
        "probe": probe_table(results()),
        "confusion": confusion_text([[3, 1], [0, 4]], ["angry", "sad"]),
    }


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RenderableType]:
    return reports(tmp_path_factory.mktemp("reports"))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "name", ["data", "stages", "inspection", "corpora", "grid", "study", "probe", "confusion"]
)
def test_no_report_loses_or_breaks_a_word_on_a_narrow_terminal(every, name: str, width: int) -> None:
    found = list(tables_of(every[name]))
    assert found
    for grid in found:
        check(grid, width)


def check(grid: Table, width: int) -> None:
    lines = shown(grid, width)
    assert max(map(cell_len, lines)) <= width
    text = "\n".join(lines)
    assert "…" not in text
    words = {word for cell in texts_of(grid) for word in cell.split() if cell_len(word) <= 20}
    listed = any(line.startswith(f"{grid.columns[0].header}: ") for line in lines)
    missing = [word for word in words if word not in text]
    assert not missing or (listed and not set(missing) - headings_of_empty(grid)), missing


def headings_of_empty(grid: Table) -> set[str]:
    """Words of the headings of columns without text, which a list of rows has nothing to say of."""
    empty = [
        column for column in grid.columns if not any(isinstance(cell, str | Text) for cell in column.cells)
    ]
    return {word for column in empty for word in str(column.header).split()}


CELL = st.lists(st.text("abcdefghij0123456789", min_size=1, max_size=12), max_size=4).map(" ".join)


@settings(deadline=None, max_examples=100)
@given(st.data(), st.integers(1, 9), st.integers(1, 4), st.integers(40, 200))
def test_every_cell_can_be_read_at_every_width(
    data: st.DataObject, columns: int, rows: int, width: int
) -> None:
    names = [f"column {index}" for index in range(columns)]
    grid = table(*names, numbers=data.draw(st.sets(st.sampled_from(names))))
    cells = [[data.draw(CELL) for _ in names] for _ in range(rows)]
    for row in cells:
        grid.add_row(*row)
    lines = shown(grid, width)
    assert max(map(cell_len, lines), default=0) <= width
    text = "\n".join(lines)
    assert all(word in text for row in cells for cell in row for word in cell.split())
    assert shown(grid, width) == lines, "drawing changes nothing"


def test_what_fits_is_drawn_as_it_always_was() -> None:
    grid = table("Name", "Count", numbers=("Count",))
    grid.add_row("a", "1")
    lines = [line.rstrip() for line in shown(grid, 80)]
    assert lines == ["", " Name   Count", " ────────────", " a          1", ""]


@pytest.mark.parametrize("width", [40, 80])
def test_a_long_name_is_broken_and_not_cut_in_a_table_of_text(width: int) -> None:
    columns = ("Group", "Model", "Worth\nlisteners", "Cross-\nentropy")
    row = ("all listeners", "EmoDB-speaker0-whisper-base-frozen-seed42", *["0.91 (0.80 to 1.02)"] * 2)
    text = "\n".join(shown(drawn(TextTable("worth", "Worth", columns, (row,), texts=2)), width))
    assert "…" not in text
    assert "d42" in text
    assert ("Cross-entropy: 0.91" in text) == (width == 40)


def test_title_and_caption_are_not_as_narrow_as_the_table() -> None:
    grid = table("A", title="Mean UAR over directions, equally weighted")
    grid.caption = "Directions may differ a lot: the tables below list each one."
    grid.add_row("1")
    lines = [line.rstrip() for line in shown(grid, 80)]
    assert lines[0] == "Mean UAR over directions, equally weighted"
    assert lines[-1] == "Directions may differ a lot: the tables below list each one."


def test_a_row_that_does_not_fit_becomes_a_list_headed_by_its_first_cell() -> None:
    numbers = [f"column{index}" for index in range(8)]
    grid = table("Name", *numbers, title="Of many", numbers=numbers)
    grid.add_row("first", *("12.5 to 13.5" for _ in range(8)))
    lines = [line.rstrip() for line in shown(grid, 60)]
    assert lines[:3] == [
        "Of many",
        "Name: first",
        "  column0: 12.5 to 13.5  column1: 12.5 to 13.5",
    ]
    assert sum(line.count("12.5 to 13.5") for line in lines) == 8
