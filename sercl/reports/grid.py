"""The cells of a study before they are run, and the means of a study that has been run, as tables."""

from collections import Counter
from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sercl.counting import count
from sercl.reports.style import table
from sercl.studies.cross_eval.cells import Condition
from sercl.studies.cross_eval.plan.planner import Plan, PlannedCell
from sercl.studies.cross_eval.run.works import Estimate, Pending


def grid_report(plan: Plan, missing: Pending, time: Estimate) -> RenderableType:
    """Return the cells by condition, which of them are done, and how long the rest will take.

    Args:
        plan: All cells.
        missing: What is missing.
        time: Its estimated time.
    """
    lines = [Text(remark, "yellow") for remark in plan.remarks]
    return Group(_cells(plan, missing), *lines, Text(totals(plan, missing)), Text(in_words(time)))


def totals(plan: Plan, missing: Pending) -> str:
    """Return the number of cells, computations and trainings in a sentence."""
    computed = {item.address for item in plan.cells}
    left = computed & missing.cells
    return (
        f"{count(len(plan.cells), 'cell')} ({count(len(plan.conditions), 'condition')}): "
        f"{count(len(plan.trainings), 'training')}, {count(len(computed), 'test')}. Done: "
        f"{count(len(computed) - len(left), 'test')}. Remaining: {count(len(left), 'test')}, "
        f"{count(len(missing.trainings), 'training')}."
    )


def in_words(time: Estimate) -> str:
    """Return the estimated time in a sentence."""
    if not time.known and not time.unknown:
        return "No training remains."
    if not time.known:
        return "No time estimate: no comparable training has finished yet."
    rest = (
        f" No estimate for {count(time.unknown, 'other')}: no comparable training has finished."
        if time.unknown
        else ""
    )
    known = count(time.known, "training")
    return f"About {duration(time.seconds)} for {known}, estimated from finished trainings.{rest}"


def duration(seconds: float) -> str:
    """Return a time in a readable unit: "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _cells(plan: Plan, missing: Pending) -> Table:
    columns = ("Encoder", "Adapter", "Setting", "Corpora", "Tags", "Folds", "Repeats", "Cells", "Done")
    grid = table(*columns, title="Cells", numbers=("Folds", "Repeats", "Cells", "Done"))
    by_condition: dict[Condition, list[PlannedCell]] = {}
    for item in plan.cells:
        by_condition.setdefault(item.cell.condition, []).append(item)
    for condition, items in by_condition.items():
        grid.add_row(
            condition.encoder,
            condition.adapter,
            condition.setting,
            condition.pair,
            ", ".join(condition.marks),
            *_counts(items, missing),
        )
    return grid


def _counts(items: Iterable[PlannedCell], missing: Pending) -> list[str]:
    cells = list(items)
    folds = Counter(item.cell.fold for item in cells)
    runs = Counter(item.cell.run for item in cells)
    done = sum(item.address not in missing.cells for item in cells)
    return [str(len(folds)), str(len(runs)), str(len(cells)), str(done)]
