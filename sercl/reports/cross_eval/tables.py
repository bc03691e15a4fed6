"""The tables of a study's report, for the text formats."""

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace

from sercl.counting import count
from sercl.metrics.functional.classification import AVERAGES
from sercl.metrics.functional.intervals import SIGNIFICANT
from sercl.reports.cross_eval.summary import (
    Column,
    Matrix,
    MatrixGroup,
    OverviewRow,
    bibtex,
    facts,
    matrix_groups,
    overview,
    summary,
    title,
    versions,
)
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
from sercl.reports.groups import group_tables
from sercl.reports.results import average_text, percent, recalls_of_a_guess
from sercl.reports.style import TextTable
from sercl.studies.cross_eval.analysis.analysis import Analysis
from sercl.studies.cross_eval.analysis.comparisons import UNIONS
from sercl.studies.cross_eval.analysis.forgetting import Forgotten
from sercl.studies.cross_eval.analysis.scores import ConditionScores
from sercl.studies.cross_eval.analysis.source_curves import SourcePoint
from sercl.studies.cross_eval.cells import SETTINGS, TARGET_ONLY, Condition
from sercl.studies.results.scores import Score

NONE = "-"

TESTS_NOTE = (
    "The interval comes from the same test as p and is not corrected; a difference is significant if "
    f"its p-value is below {SIGNIFICANT:g} after Holm's correction. Means weight all directions equally; "
    "comparisons.csv lists each direction."
)

SOURCES_NOTE = (
    "Where there are several sources of a size, their mean UAR with its interval, then their number with the "
    "lowest and highest UAR of one."
)

OVERVIEW_NOTE = "Directions may differ a lot: scores.csv lists each one."
GUESSES_IN_MEANS = f"Means include conditions that predict one class only, marked {GUESS} below."


def overview_table(analysis: Analysis) -> TextTable:
    """Return the mean UAR of each setting."""
    own = overview(analysis)
    rows = [
        (
            _with_tags(setting_name(row.setting), row.tags),
            row.kind,
            *(_mean(row, column) for column in own.columns),
        )
        for row in own.rows
    ]
    names = [f"{encoder}\n{adapter_name(adapter)}".replace(" + ", "\n+ ") for encoder, adapter in own.columns]
    columns = ("Setting", "Mean of", *names)
    caption = "Mean UAR (%) over directions (training to test corpus), equally weighted"
    has_guess = any(own.is_guess for own in analysis.scores.values())
    note = f"{OVERVIEW_NOTE} {GUESSES_IN_MEANS}" if has_guess else OVERVIEW_NOTE
    return TextTable("overview", caption, columns, tuple(rows), texts=2, note=note)


def _mean(row: OverviewRow, column: Column) -> str:
    if column not in row.means:
        return NONE
    lacks = row.lacks(column)
    return f"{percent(row.means[column])} ({lacks})" if lacks else percent(row.means[column])


def matrix_tables(analysis: Analysis, plain: bool = False) -> list[TextTable]:
    """Return the train-by-test matrices.

    Args:
        analysis: The study.
        plain: Only those of settings without adaptation and selection on the target.
    """
    return [
        _matrix_table(group, matrix)
        for group in matrix_groups(analysis)
        for matrix in group.matrices
        if not (plain and matrix.tags)
    ]


def comparison_tables(analysis: Analysis, families: Container[str] | None = None) -> list[TextTable]:
    """Return the paired tests over all corpora, a table per family.

    Args:
        analysis: The study.
        families: Names of those to return; None for all.
    """
    columns = ("Encoder", "Setting", "First", "Second", "UAR", "Difference", "95 % interval", "p", "p, Holm")
    return [
        TextTable(
            f"tests-{family.name}",
            f"{family.title}: difference of UAR (points), p and 95 % interval of a paired permutation test",
            columns,
            tuple(_test_row(comparison_row(item, family, analysis.scores)) for item in family.overall),
            texts=4,
            note=TESTS_NOTE,
        )
        for family in analysis.families
        if families is None or family.name in families
    ]


def union_tables(analysis: Analysis) -> list[TextTable]:
    """Return the paired tests of unions of corpora, and plain scores over the number of sources."""
    sources = source_table(analysis, plain=True)
    return [*comparison_tables(analysis, UNIONS), *([sources] if sources else [])]


FORGETTING_CAPTION = "Forgetting: UAR (%) on the source's test part before and after training on the target"
FORGETTING_NOTE = (
    "Before: of two stages the first, with the weights from which the second continued; of few-shot, "
    "zero-shot training. The interval comes from the same paired test as p and is not corrected; Holm's "
    "correction covers all rows. forgetting.csv has every score and recall."
)


def forgetting_table(analysis: Analysis, shots: bool = True) -> TextTable | None:
    """Return the scores of sources before and after a training on the target, or None if none were tested.

    Args:
        analysis: The study.
        shots: Whether few-shot conditions are included.
    """
    shown = [own for own in analysis.forgetting if shots or own.condition.shots is None]
    if not shown:
        return None
    # Of a union each corpus is tested; else it is clear what is.
    tested = ("Tested",) if any(own.scores.corpus != own.condition.source for own in shown) else ()
    numbers = ("Before", "After", "Difference", "95 % interval", "p", "p, Holm")
    columns = ("Encoder", "Setting", "Corpora", *tested, *numbers)
    rows = tuple(_forgetting_row(own, bool(tested)) for own in shown)
    texts = len(columns) - len(numbers)
    return _with_guesses(
        TextTable("forgetting", FORGETTING_CAPTION, columns, rows, texts=texts, note=FORGETTING_NOTE)
    )


def _forgetting_row(own: Forgotten, names_tested: bool) -> tuple[str, ...]:
    condition, scores = own.condition, own.scores
    difference, test = scores.paired.difference, scores.paired.test
    return (
        f"{condition.encoder}, {adapter_name(condition.adapter)}",
        _with_tags(setting_name(condition.setting), condition.tags),
        pair_name(condition),
        *([scores.corpus] if names_tested else []),
        _source_uar(scores.before),
        _source_uar(scores.after),
        points(difference.value),
        points_interval(difference) or NONE,
        p_value(test.p) if test else NONE,
        p_value(scores.paired.p_holm),
    )


def _source_uar(scores: Mapping[str, Score]) -> str:
    recalls = [score.value for name, score in scores.items() if name.startswith("recall/")]
    text = score_text(scores["uar"])
    return f"{text} {GUESS}" if recalls_of_a_guess(recalls) else text


def few_shot_table(analysis: Analysis) -> TextTable | None:
    """Return the few-shot curves, or None if there are none."""
    shots = sorted({number for curve in analysis.curves for number in curve.points})
    rows = []
    for curve in analysis.curves:
        own = curve.condition
        names = (own.encoder, _with_tags(adapter_name(own.adapter), own.tags), pair_name(own))
        scores = (uar_text(curve.points[n]) if n in curve.points else NONE for n in shots)
        ceiling = percent(curve.ceiling.uar.value) if curve.ceiling else NONE
        rows.append((*names, *scores, ceiling, enough_text(curve) or NONE))
        if curve.alone:
            alone = (uar_text(curve.alone[n]) if n in curve.alone else NONE for n in shots)
            names = (own.encoder, _with_tags(adapter_name(own.adapter), (TARGET_ONLY,)), pair_name(own))
            rows.append((*names, *alone, NONE, NONE))
    if not rows:
        return None
    named = (count(number, "shot") for number in shots)
    columns = ("Encoder", "Adapter", "Corpora", *named, "Monolingual", ENOUGH_TITLE)
    caption = (
        "UAR (%) by labelled target utterances per emotion; target-only: trained on the same utterances alone"
    )
    return _with_guesses(TextTable("few-shot", caption, columns, tuple(rows), texts=3))


def source_table(analysis: Analysis, plain: bool = False) -> TextTable | None:
    """Return the curves over the number of sources, or None if there are none.

    Args:
        analysis: The study.
        plain: Only those of settings without adaptation, shots and selection on the target.
    """
    curves = [curve for curve in analysis.source_curves if not (plain and curve.condition.tags)]
    sizes = sorted({size for curve in curves for size in curve.points})
    rows = [
        (
            own.encoder,
            _with_tags(adapter_name(own.adapter), (own.setting, *own.tags)),
            own.target,
            *(_source_point(curve.points.get(size)) for size in sizes),
            percent(curve.ceiling.uar.value) if curve.ceiling else NONE,
        )
        for curve in curves
        for own in [curve.condition]
    ]
    if not rows:
        return None
    named = (count(size, "corpus", "corpora") for size in sizes)
    columns = ("Encoder", "Adapter", "Tested on", *named, "Monolingual")
    caption = "UAR (%) by the number of corpora that were trained on, of those that are not tested"
    return TextTable("sources", caption, columns, tuple(rows), texts=3, note=SOURCES_NOTE)


def _source_point(point: SourcePoint | None) -> str:
    if point is None:
        return NONE
    spread = f"{point.sources}: {percent(point.lowest)} to {percent(point.highest)}"
    return f"{score_text(point.uar)}\n{spread}" if point.sources > 1 else score_text(point.uar)


def layer_table(analysis: Analysis) -> TextTable | None:
    """Return how many trainings use each hidden state, or None if no encoder is frozen."""
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
            _with_tags(setting_name(own.setting), own.tags),
            pair_name(own),
            *(str(counts[layer]) if counts[layer] else NONE for layer in layers),
            uar_text(analysis.scores[own]) if own in analysis.scores else NONE,
        )
        for own, counts in chosen.items()
    ]
    caption = "How many trainings (folds and repeats) use each hidden state of a frozen encoder"
    note = "Hidden states that no training uses are omitted; 0 is the input of the first block."
    columns = ("Encoder", "Setting", "Corpora", *(f"Layer\n{layer}" for layer in layers), "UAR")
    return _with_guesses(TextTable("layers", caption, columns, tuple(rows), texts=3, note=note))


def score_tables(analysis: Analysis) -> list[TextTable]:
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
            tables.append(_with_guesses(TextTable(f"scores-{setting}", caption, columns, rows, texts=3)))
    return tables


def grouped_tables(analysis: Analysis) -> list[TextTable]:
    """Return the scores of groups of utterances and their differences, for each column that was asked for."""
    rows = [
        (
            (
                own.encoder,
                adapter_name(own.adapter),
                _with_tags(setting_name(own.setting), (pair_name(own), *own.tags)),
            ),
            found,
        )
        for own, groupings in analysis.groups.items()
        for found in groupings
    ]
    return group_tables(rows, ("Encoder", "Adapter", "Setting"))


def published_table(analysis: Analysis) -> TextTable | None:
    """Return the published figures beside the study's own, or None if none match."""
    if not analysis.published:
        return None
    columns = ("Setting", "Encoder", "Corpora", "Adapter", "What differs", "Published", "Here")
    rows = [
        (
            _with_tags(setting_name(match.figure.setting), match.tags),
            f"{match.own.condition.encoder} ({match.figure.encoder})",
            match.corpora.replace("->", "→"),
            _with_tags(adapter_name(match.figure.adapter), match.own.condition.tags),
            "; ".join(match.differences) or "nothing known",
            percent(match.figure.accuracy),
            f"{score_text(match.own.wa)} {GUESS}" if match.own.is_guess else score_text(match.own.wa),
        )
        for match in analysis.published
    ]
    caption = "Accuracy (%) of arXiv 2409.16920 and of this study"
    return _with_guesses(TextTable("published", caption, columns, tuple(rows), texts=5))


def _matrix_table(group: MatrixGroup, matrix: Matrix) -> TextTable:
    rows = tuple(
        (name, *(_matrix_cell(matrix, row, column) for column in range(len(matrix.columns))))
        for row, name in enumerate(matrix.rows)
    )
    title = _with_tags(setting_name(matrix.title), matrix.tags)
    table = TextTable(
        f"matrix-{matrix.title}",
        f"{group.encoder}, {adapter_name(group.adapter)}, {title}: UAR (%) by training and test corpus",
        ("Trained on \\ tested on", *matrix.columns),
        rows,
        note=matrix.note,
    )
    return _with_guesses(table)


def _matrix_cell(matrix: Matrix, row: int, column: int) -> str:
    own, source = matrix.cells[row][column], matrix.source_in(row, column)
    return ": ".join(filter(None, (source, uar_text(own)))) if own else NONE


def _test_row(row: ComparisonRow) -> tuple[str, ...]:
    difference = row.paired.difference
    return (
        ", ".join(filter(None, (row.encoder, row.adapter))),
        _with_tags(row.setting and setting_name(row.setting), (*row.tags, row.corpora)),
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
        _with_tags(pair_name(condition), condition.tags),
        uar_text(own),
        *(average_text(name, score.value) for name, score in own.averages.items() if name != "uar"),
        *(percent(recall.value) for recall in own.recalls),
    )


def _of(analysis: Analysis, setting: str) -> Iterator[ConditionScores]:
    return (own for condition, own in analysis.scores.items() if condition.setting == setting)


def _with_guesses(table: TextTable) -> TextTable:
    """Return the table, with a note on the symbol for guessing if it occurs."""
    has_guess = any(cell.endswith(GUESS) for row in table.rows for cell in row)
    return replace(table, note=f"{table.note} {GUESS_NOTE}".strip()) if has_guess else table


def _with_tags(name: str, tags: tuple[str, ...]) -> str:
    return ", ".join([name, *tags])


def markdown_report(analysis: Analysis) -> str:
    """Return the report, with tables in GitHub's Markdown."""
    return "\n".join(_lines(analysis))


def markdown_table(table: TextTable) -> str:
    """Return one table, its caption above it in bold, its note below it."""
    rules = ["---"] * table.texts + ["---:"] * (len(table.columns) - table.texts)
    rows = [list(table.columns), rules, *map(list, table.rows)]
    body = "\n".join(f"| {' | '.join(map(_escaped, row))} |" for row in rows)
    note = f"\n{_escaped(table.note)}\n" if table.note else ""
    return f"**{_escaped(table.caption)}**\n\n{body}\n{note}"


def _lines(analysis: Analysis) -> Iterator[str]:
    yield f"# {title(analysis.study)}\n"
    yield from (f"* {name}: {value}" for name, value in facts(analysis))
    yield ""
    yield from (f"* {sentence}" for sentence in summary(analysis))
    yield ""
    if analysis.warnings:
        yield "## Read this first\n"
        yield from (f"* {warning.text}" for warning in analysis.warnings)
        yield ""
    for heading, tables in _sections(analysis).items():
        if tables:
            yield f"## {heading}\n"
            yield from map(markdown_table, tables)
    yield "## Reproduce\n"
    yield f"```\n{analysis.study.environment.get('command', '')}\n```\n"
    yield from (
        f"* Encoder {name}: {own.source} ({own.family}, weights {own.fingerprint[:12]})"
        for name, own in analysis.study.encoders.items()
    )
    yield from (f"* {name} {version}" for name, version in versions(analysis.study))
    yield "\n## Cite\n"
    yield f"```bibtex\n{bibtex(str(analysis.study.environment.get('sercl', '')))}```\n"


def _sections(analysis: Analysis) -> dict[str, list[TextTable]]:
    few_shot, published = few_shot_table(analysis), published_table(analysis)
    layers, sources = layer_table(analysis), source_table(analysis)
    forgetting = forgetting_table(analysis)
    return {
        "Overview": [overview_table(analysis)],
        "Training by test corpus": matrix_tables(analysis),
        "Paired tests": comparison_tables(analysis),
        "Number of sources": [sources] if sources else [],
        "Few-shot": [few_shot] if few_shot else [],
        "Forgetting": [forgetting] if forgetting else [],
        "Scores and emotions": score_tables(analysis),
        "Groups": grouped_tables(analysis),
        "Hidden states": [layers] if layers else [],
        "Published figures": [published] if published else [],
    }


def _escaped(text: str) -> str:
    plain = _TAG.sub("&lt;", text.replace("\\", "\\\\").replace("|", "\\|").replace("](", "]\\("))
    return plain.replace("\n", "<br>")


_TAG = re.compile(r"<(?=[A-Za-z/!?])")


_HEAD = r"""% {title}
% Written by sercl. Needs \usepackage{{booktabs}} and \usepackage{{graphicx}}: wide tables are scaled.
"""

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "−": "$-$",
    "→": r"$\rightarrow$",
    "–": "--",
    "†": r"$\dagger$",
}
WIDE = 60
"""Tables with more characters per row than this are scaled to the line width."""


def latex_report(analysis: Analysis) -> str:
    """Return every table of the report as a float with caption and label."""
    made = (source_table, few_shot_table, forgetting_table, layer_table, published_table)
    tables = [
        overview_table(analysis),
        *matrix_tables(analysis),
        *comparison_tables(analysis),
        *(table for make in made if (table := make(analysis))),
        *score_tables(analysis),
        *grouped_tables(analysis),
    ]
    parts = [latex_table(table, label) for table, label in zip(tables, _labels(tables), strict=True)]
    return "\n".join([_HEAD.format(title=" ".join(title(analysis.study).split())), *parts])


def latex_table(table: TextTable, label: str) -> str:
    """Return one table with the rules of booktabs.

    Args:
        table: The table.
        label: Its label, without "tab:".
    """
    columns = "l" * table.texts + "r" * (len(table.columns) - table.texts)
    body = "\n".join(_row(row) for row in table.rows)
    tabular = (
        f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{_row(table.columns)}\n\\midrule\n{body}\n\\bottomrule\n"
        "\\end{tabular}"
    )
    if _width(table) > WIDE:
        tabular = f"\\resizebox{{\\linewidth}}{{!}}{{%\n{tabular}}}"
    text = f"{table.caption}. {table.note}".rstrip()
    caption = f"\\caption{{{escaped(text)}}}\n\\label{{tab:{label}}}"
    return f"\\begin{{table}}[t]\n\\centering\n{caption}\n{tabular}\n\\end{{table}}\n"


def escaped(text: str) -> str:
    """Return text with LaTeX's special characters escaped."""
    return "".join(_SPECIAL.get(char, char) for char in text)


def _row(cells: Iterable[str]) -> str:
    return f"{' & '.join(map(_cell, cells))} \\\\"


def _cell(text: str) -> str:
    lines = [escaped(line) for line in text.split("\n")]
    stacked = r" \\ ".join(lines)
    return stacked if len(lines) == 1 else rf"\shortstack[r]{{{stacked}}}"


def _width(table: TextTable) -> int:
    """Return the characters of a line of the table, without the space between columns."""
    columns = zip(table.columns, *table.rows, strict=True)
    return sum(max(len(line) for cell in cells for line in cell.split("\n")) for cells in columns)


def _labels(tables: Iterable[TextTable]) -> list[str]:
    """Return a label for every table, numbered if several have the same name."""
    names = [table.name for table in tables]
    return [
        f"{name}-{names[:index].count(name) + 1}" if names.count(name) > 1 else name
        for index, name in enumerate(names)
    ]
