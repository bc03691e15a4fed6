"""The report of a study as one self-contained HTML page."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from sercl.counting import count
from sercl.metrics.functional.classification import AVERAGES
from sercl.metrics.functional.intervals import SIGNIFICANT
from sercl.reports.corpus import clock
from sercl.reports.cross_eval import wording
from sercl.reports.cross_eval.summary import (
    Column,
    bibtex,
    facts,
    matrix_groups,
    overview,
    significant,
    summary,
    title,
    versions,
)
from sercl.reports.cross_eval.svg import (
    MOST_SERIES,
    few_shot_charts,
    forest,
    marker,
    scale,
    series_names,
    source_charts,
)
from sercl.reports.cross_eval.tables import forgetting_table, grouped_tables, layer_table
from sercl.reports.cross_eval.wording import ComparisonRow, comparison_row
from sercl.reports.rendering import page_environment
from sercl.reports.results import average_text, percent, row_shares
from sercl.studies.cross_eval.analysis.analysis import Analysis
from sercl.studies.cross_eval.analysis.comparisons import ENOUGH, Comparison, Family
from sercl.studies.cross_eval.analysis.scores import ConditionScores
from sercl.studies.cross_eval.cells import SETTINGS, STATUSES, CellRecord, Condition, Study

Lists = Mapping[str, str]
"""Name of a list ("train", "validation", "test") -> its file, relative to the study's folder."""

_ORDER = (
    "source-train", "source-validation", "source-test", "train", "validation", "unlabelled", "test",
)  # fmt: skip


@dataclass(frozen=True)
class CellRow:
    """The cells of one condition.

    Attributes:
        condition: Their condition.
        status: "15 done, 1 failed".
        layers: Hidden states used: "4–6", or "".
        epochs: Epochs run: "18–30", or "".
        seconds: Their wall-clock time in words, or "".
        folds: (index of the fold, its lists), if they exist; of few-shot conditions, those of the first draw.
    """

    condition: Condition
    status: str
    layers: str
    epochs: str
    seconds: str
    folds: tuple[tuple[int, Lists], ...]


@dataclass(frozen=True)
class Failure:
    """A failed cell: its record, and its log relative to the study's folder, or "" if it has none."""

    record: CellRecord
    log: str


def cell_rows(study: Study, folder: Path) -> list[CellRow]:
    """Return a row per condition, in the order of the grid.

    Args:
        study: The study.
        folder: The folder with its cells.
    """
    groups: dict[Condition, list[CellRecord]] = {}
    for record in study.records:
        groups.setdefault(record.cell.condition, []).append(record)
    return [_row(condition, records, folder) for condition, records in groups.items()]


def failures(study: Study, folder: Path) -> list[Failure]:
    """Return the failed cells."""
    failed = (record for record in study.records if record.status == "failed")
    return [Failure(record, _existing(folder, f"cells/{record.address}/log.txt")) for record in failed]


def _row(condition: Condition, records: Sequence[CellRecord], folder: Path) -> CellRow:
    states = Counter(record.status for record in records)
    seconds = sum(record.seconds or 0 for record in records)
    return CellRow(
        condition=condition,
        status=", ".join(f"{states[name]} {name}" for name in STATUSES if states[name]),
        layers=_span(record.layer for record in records),
        epochs=_span(record.epochs for record in records),
        seconds=clock(seconds) if seconds else "",
        folds=_folds(records, folder),
    )


def _span(values: Iterable[int | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    return str(min(known)) if min(known) == max(known) else f"{min(known)}–{max(known)}"


def _folds(records: Sequence[CellRecord], folder: Path) -> tuple[tuple[int, Lists], ...]:
    """Return the first lists found of each fold: repeats have the same, except for few-shot draws."""
    found: dict[int, Lists] = {}
    for record in records:
        if record.cell.fold not in found and (lists := _lists(folder, f"cells/{record.address}/folds")):
            found[record.cell.fold] = lists
    return tuple(sorted(found.items()))


def _lists(folder: Path, subfolder: str) -> Lists:
    names = [path.stem for path in (folder / subfolder).glob("*.csv")]
    known = [name for name in _ORDER if name in names]
    return {name.replace("-", " "): f"{subfolder}/{name}.csv" for name in known}


def _existing(folder: Path, relative: str) -> str:
    return relative if (folder / relative).exists() else ""


STRONG = 0.65
"""From this fraction of the scale, a heat map's cells are so dark that their text is inverted."""


def html_report(analysis: Analysis, folder: Path) -> str:
    """Return the page.

    Args:
        analysis: The study.
        folder: Its folder; links to fold lists and logs are relative to it.
    """
    return _environment().get_template("report.html").render(_content(analysis, folder))


def _content(analysis: Analysis, folder: Path) -> dict[str, Any]:
    study, chance = analysis.study, 1 / len(analysis.study.classes)
    return {
        "analysis": analysis,
        "significant": f"{SIGNIFICANT:g}",
        "study": study,
        "averages": AVERAGES,
        "chance": chance,
        "title": title(study),
        "facts": facts(analysis),
        "summary": summary(analysis),
        "guess_note": wording.GUESS_NOTE,
        "has_guess": any(own.is_guess for own in analysis.scores.values()),
        "overview": overview(analysis),
        "groups": matrix_groups(analysis),
        "families": [_family(family, analysis.scores) for family in analysis.families],
        "charts": few_shot_charts(analysis.curves, chance),
        "series": series_names(analysis.curves),
        "source_charts": source_charts(analysis.source_curves, chance),
        "source_series": series_names(analysis.source_curves),
        "enough": ENOUGH,
        "blocks": by_setting(analysis),
        "forgetting": forgetting_table(analysis),
        "layers": layer_table(analysis),
        "grouped": grouped_tables(analysis),
        "cell_rows": cell_rows(study, folder),
        "failures": failures(study, folder),
        "bibtex": bibtex(str(study.environment.get("sercl", ""))),
    }


def by_setting(analysis: Analysis) -> dict[str, dict[Column, list[ConditionScores]]]:
    """Return setting -> (encoder, adapter) -> scores, settings in the order of `SETTINGS`."""
    blocks: dict[str, dict[Column, list[ConditionScores]]] = {name: {} for name in SETTINGS}
    for condition, own in analysis.scores.items():
        blocks[condition.setting].setdefault((condition.encoder, condition.adapter), []).append(own)
    return {name: groups for name, groups in blocks.items() if groups}


def _family(family: Family, scores: Mapping[Condition, ConditionScores]) -> dict[str, Any]:
    by_setting: dict[str, list[Comparison]] = {}
    for item in family.comparisons:
        by_setting.setdefault(item.first.setting, []).append(item)
    return {
        "family": family,
        "overall": _test_table(family.overall, family, scores),
        "blocks": {name: _test_table(items, family, scores) for name, items in by_setting.items()},
        "significant": significant(family.overall),
    }


def _test_table(
    items: Sequence[Comparison], family: Family, scores: Mapping[Condition, ConditionScores]
) -> dict[str, Any]:
    """Return comparisons with their pictures, in groups of the same encoder and the same question."""
    reach = scale(items)
    groups: dict[tuple[str, ...], list[tuple[ComparisonRow, Markup]]] = {}
    for item in items:
        row = comparison_row(item, family, scores)
        group = groups.setdefault((row.encoder, row.adapter, row.first, row.second), [])
        group.append((row, Markup(forest(item, reach))))
    return {
        "groups": groups,
        "reach": reach,
        "size": len(items),
        "mcnemar": any(item.paired.mcnemar is not None for item in items),
    }


def _environment() -> Environment:
    environment = page_environment("sercl.reports.cross_eval")
    named = (
        percent,
        average_text,
        wording.percent_interval,
        wording.short_interval,
        wording.score_text,
        wording.enough_text,
        wording.points,
        wording.points_interval,
        wording.p_value,
        wording.adapter_name,
        wording.pair_name,
        wording.setting_name,
        wording.condition_name,
        count,
        row_shares,
    )
    environment.filters |= {function.__name__: function for function in named}
    helpers: dict[str, Any] = {
        "heat": heat,
        "swatch": lambda series: marker(series, 12, 6, 4),
        "series_class": lambda series: f"s{series % MOST_SERIES}",
        "svg": Markup,
        "versions": versions,
    }
    environment.globals |= helpers
    return environment


def heat(value: float, low: float = 0.0, extra: str = "") -> Markup:
    """Return the attributes of a heat map's cell: the position of `value` between `low` and 1.

    Args:
        value: 0 to 1, or NaN for an empty cell.
        low: Start of the scale.
        extra: A further CSS class.
    """
    if value != value:
        return Markup('class="none"')
    share = min(1.0, max(0.0, (value - low) / (1 - low)))
    strong = " strong" if share >= STRONG else ""
    return Markup(f'class="heat{strong}{extra and " " + extra}" style="--v:{share:.3f}"')
