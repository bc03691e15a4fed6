"""The tables of a study's report as text, for the formats that are read as text."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sercl.metrics.functional.classification import AVERAGES
from sercl.reports.cross_eval.matrices import Matrix, MatrixGroup, matrix_groups
from sercl.reports.cross_eval.summary import Column, OverviewRow, overview
from sercl.reports.cross_eval.wording import (
    ENOUGH_TITLE,
    GUESS,
    GUESS_NOTE,
    ComparisonRow,
    adapter_name,
    comparison_row,
    enough_text,
    p_value,
    pair_name,
    points,
    points_interval,
    score_text,
    setting_name,
    uar_text,
)
from sercl.reports.results import average_text, percent
from sercl.studies.cross_eval.analysis.analysis import Analysis
from sercl.studies.cross_eval.analysis.scores import ConditionScores
from sercl.studies.cross_eval.cells import SETTINGS, Condition

NONE = "-"

TESTS_NOTE = (
    "The interval is of the same test as p, for each comparison alone; significant is what stays below 0.05 "
    "after Holm's correction. Means over directions count each alike; each by itself is in comparisons.csv."
)

OVERVIEW_NOTE = "Directions may differ much: the tables below have each by itself."
GUESSES_IN_MEANS = f"Means include conditions that predict one class only, marked {GUESS} below."


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        name: Short name for labels, letters and hyphens.
        caption: What it shows, a sentence without its full stop.
        columns: Headings; a line break is where a narrow format breaks them.
        rows: Cells, as many in a row as there are columns.
        texts: How many columns from the left hold text; the others hold numbers.
        note: A sentence that belongs below it, or "".
    """

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: int = 1
    note: str = ""


def overview_table(analysis: Analysis) -> Table:
    """Return the mean UAR of each setting."""
    own = overview(analysis)
    rows = [
        (
            _with_marks(setting_name(row.setting), row.marks),
            row.kind,
            *(_mean(row, column) for column in own.columns),
        )
        for row in own.rows
    ]
    names = [f"{encoder}\n{adapter_name(adapter)}".replace(" + ", "\n+ ") for encoder, adapter in own.columns]
    columns = ("Setting", "Mean of", *names)
    caption = "Mean UAR (%) over directions (training to test corpus), each counting alike"
    has_guess = any(own.is_guess for own in analysis.scores.values())
    note = f"{OVERVIEW_NOTE} {GUESSES_IN_MEANS}" if has_guess else OVERVIEW_NOTE
    return Table("overview", caption, columns, tuple(rows), texts=2, note=note)


def _mean(row: OverviewRow, column: Column) -> str:
    if column not in row.means:
        return NONE
    lacks = row.lacks(column)
    return f"{percent(row.means[column])} ({lacks})" if lacks else percent(row.means[column])


def matrix_tables(analysis: Analysis, plain: bool = False) -> list[Table]:
    """Return the train-by-test matrices.

    Args:
        analysis: The study.
        plain: Only those of settings without adaptation and selection on the target.
    """
    return [
        _matrix_table(group, matrix)
        for group in matrix_groups(analysis)
        for matrix in group.matrices
        if not (plain and matrix.marks)
    ]


def comparison_tables(analysis: Analysis) -> list[Table]:
    """Return the paired tests over all corpora, a table per family."""
    columns = ("Encoder", "Setting", "First", "Second", "UAR", "Difference", "95 % interval", "p", "p, Holm")
    return [
        Table(
            f"tests-{family.name}",
            f"{family.title}: difference of UAR (points), p and 95 % interval of a paired permutation test",
            columns,
            tuple(_test_row(comparison_row(item, family, analysis.scores)) for item in family.overall),
            texts=4,
            note=TESTS_NOTE,
        )
        for family in analysis.families
    ]


def few_shot_table(analysis: Analysis) -> Table | None:
    """Return the few-shot curves, or None where there are none."""
    shots = sorted({number for curve in analysis.curves for number in curve.points})
    rows = []
    for curve in analysis.curves:
        own = curve.condition
        names = (own.encoder, _with_marks(adapter_name(own.adapter), own.marks), pair_name(own))
        scores = (uar_text(curve.points[n]) if n in curve.points else NONE for n in shots)
        ceiling = percent(curve.ceiling.uar.value) if curve.ceiling else NONE
        rows.append((*names, *scores, ceiling, enough_text(curve) or NONE))
        if curve.alone:
            alone = (uar_text(curve.alone[n]) if n in curve.alone else NONE for n in shots)
            names = (own.encoder, _with_marks(adapter_name(own.adapter), ("target-only",)), pair_name(own))
            rows.append((*names, *alone, NONE, NONE))
    if not rows:
        return None
    columns = ("Encoder", "Adapter", "Corpora", *map(str, shots), "Monolingual", ENOUGH_TITLE)
    caption = "UAR (%) by labelled target utterances per emotion; target-only: the same utterances alone"
    return _with_guesses(Table("few-shot", caption, columns, tuple(rows), texts=3))


def layer_table(analysis: Analysis) -> Table | None:
    """Return how many trainings read each hidden state, or None where no encoder is frozen."""
    chosen: dict[Condition, Counter[int]] = {}
    for record in analysis.study.records:
        if record.layer is not None and record.cell.condition.adapter == "none":
            chosen.setdefault(record.cell.condition, Counter())[record.layer] += 1
    if not chosen:
        return None
    layers = sorted({layer for own in chosen.values() for layer in own})
    rows = [
        (
            own.encoder,
            _with_marks(setting_name(own.setting), own.marks),
            pair_name(own),
            *(str(counts[layer]) if counts[layer] else NONE for layer in layers),
            uar_text(analysis.scores[own]) if own in analysis.scores else NONE,
        )
        for own, counts in chosen.items()
    ]
    caption = "How many trainings (folds and repeats) read each hidden state of a frozen encoder"
    note = "Hidden states that no training reads are left out; 0 is the input of the first block."
    columns = ("Encoder", "Setting", "Corpora", *map(str, layers), "UAR")
    return _with_guesses(Table("layers", caption, columns, tuple(rows), texts=3, note=note))


def score_tables(analysis: Analysis) -> list[Table]:
    """Return the scores and recalls of every condition, a table per setting."""
    classes = analysis.study.classes
    columns = ("Encoder", "Adapter", "Corpora", *(own.title for own in AVERAGES.values()), *classes)
    tables = []
    for setting in SETTINGS:
        rows = tuple(_score_row(own) for own in _of(analysis, setting))
        if rows:
            first, *others = (own.title for own in AVERAGES.values())
            caption = (
                f"{setting_name(setting)}: {first} with its 95 % interval, {', '.join(others)}, recalls (%)"
            )
            tables.append(_with_guesses(Table(f"scores-{setting}", caption, columns, rows, texts=3)))
    return tables


def published_table(analysis: Analysis) -> Table | None:
    """Return the published figures beside the study's own, or None where none match."""
    if not analysis.published:
        return None
    columns = ("Setting", "Encoder", "Corpora", "Adapter", "What differs", "Published", "Here")
    rows = [
        (
            _with_marks(setting_name(match.figure.setting), match.marks),
            f"{match.own.condition.encoder} ({match.figure.encoder})",
            match.corpora.replace("->", "→"),
            _with_marks(adapter_name(match.figure.adapter), match.own.condition.marks),
            "; ".join(match.differences) or "nothing known",
            percent(match.figure.accuracy),
            f"{score_text(match.own.wa)} {GUESS}" if match.own.is_guess else score_text(match.own.wa),
        )
        for match in analysis.published
    ]
    caption = "Accuracy (%) of arXiv 2409.16920 and of this study"
    return _with_guesses(Table("published", caption, columns, tuple(rows), texts=5))


def _matrix_table(group: MatrixGroup, matrix: Matrix) -> Table:
    rows = tuple(
        (row, *(uar_text(own) if own else NONE for own in cells))
        for row, cells in zip(matrix.rows, matrix.cells, strict=True)
    )
    title = _with_marks(setting_name(matrix.title), matrix.marks)
    table = Table(
        f"matrix-{matrix.title}",
        f"{group.encoder}, {adapter_name(group.adapter)}, {title}: UAR (%) by training and test corpus",
        ("Trained on \\ tested on", *matrix.columns),
        rows,
        note=matrix.note,
    )
    return _with_guesses(table)


def _test_row(row: ComparisonRow) -> tuple[str, ...]:
    difference = row.paired.difference
    return (
        ", ".join(filter(None, (row.encoder, row.adapter))),
        _with_marks(row.setting and setting_name(row.setting), (*row.marks, row.corpora)),
        row.first,
        row.second,
        f"{percent(row.first_uar)} / {percent(row.second_uar)}",
        points(difference.value),
        points_interval(difference) or NONE,
        p_value(row.paired.test.p) if row.paired.test else NONE,
        p_value(row.paired.p_holm),
    )


def _score_row(own: ConditionScores) -> tuple[str, ...]:
    condition = own.condition
    return (
        condition.encoder,
        adapter_name(condition.adapter),
        _with_marks(pair_name(condition), condition.marks),
        uar_text(own),
        *(average_text(name, score.value) for name, score in own.averages.items() if name != "uar"),
        *(percent(recall.value) for recall in own.recalls),
    )


def _of(analysis: Analysis, setting: str) -> Iterator[ConditionScores]:
    return (own for condition, own in analysis.scores.items() if condition.setting == setting)


def _with_guesses(table: Table) -> Table:
    """Return the table with a note on the mark of a guess, where it has one."""
    has_guess = any(cell.endswith(GUESS) for row in table.rows for cell in row)
    return replace(table, note=f"{table.note} {GUESS_NOTE}".strip()) if has_guess else table


def _with_marks(name: str, marks: tuple[str, ...]) -> str:
    return ", ".join([name, *marks])
