"""The layers of a probe study as tables for a paper, in Markdown and LaTeX."""

from collections.abc import Sequence
from pathlib import Path

from sercl.files import write_text
from sercl.reports.cross_eval.tables import NONE, Table, latex_table, markdown_table
from sercl.reports.cross_eval.wording import p_value, points, points_interval, score_text
from sercl.reports.probing import notes, summary_lines
from sercl.reports.results import percent
from sercl.studies.layer_probe.summary import LayerDifference, LayerResult, ProbeResults


def layer_table(results: ProbeResults) -> Table:
    """Return a row per hidden state: test UAR, validation, recalls, and its difference from the best one."""
    others = {item.layer: item for item in results.differences}
    columns = ("Layer", "UAR", "Validation", *results.classes, "Below the best", "p", "p, Holm")
    rows = tuple(_row(entry, results, others.get(entry.layer)) for entry in results.layers)
    caption = f"{results.target}, {results.setting}: UAR and recalls (%) of each hidden state in test"
    note = (
        f"Best on validation: {results.best_layer}. Differences in points, with the 95 % interval of the "
        "paired permutation test."
    )
    return Table(f"layers-{results.target}-{results.setting}", caption, columns, rows, note=note)


def write_layer_tables(results: Sequence[ProbeResults], folder: Path, title: str) -> None:
    """Write `layers.md` and `layers.tex` into a folder.

    Raises:
        OutputError: If a file cannot be written.
    """
    tables = [layer_table(item) for item in results]
    parts = [
        f"{markdown_table(table)}\n"
        + "\n".join(f"* {line}" for line in [*summary_lines(item), *notes(item)])
        + "\n"
        for table, item in zip(tables, results, strict=True)
    ]
    write_text(folder / "layers.md", "\n".join([f"# {title}\n", *parts]))
    write_text(folder / "layers.tex", "\n".join(latex_table(table, table.name) for table in tables))


def _row(entry: LayerResult, results: ProbeResults, other: LayerDifference | None) -> tuple[str, ...]:
    mark = " (best)" if entry.layer == results.best_layer else ""
    scores = (score_text(entry.uar), percent(entry.validation_uar), *map(percent, entry.recalls))
    if other is None:
        return (f"{entry.layer}{mark}", *scores, NONE, NONE, NONE)
    ends = points_interval(other.difference)
    below = f"{points(other.difference.value)} ({ends})" if ends else points(other.difference.value)
    return (f"{entry.layer}", *scores, below, p_value(other.p), p_value(other.p_holm))
