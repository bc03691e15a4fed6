"""The report of a study as one HTML page that needs nothing from outside it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from sercl.counting import count
from sercl.reports.confusion import row_shares
from sercl.reports.cross_eval import wording
from sercl.reports.cross_eval.cell_rows import cell_rows, failures
from sercl.reports.cross_eval.citing import bibtex
from sercl.reports.cross_eval.comparison_rows import ComparisonRow, comparison_row
from sercl.reports.cross_eval.facts import facts, title, versions
from sercl.reports.cross_eval.few_shot_chart import MOST_SERIES, few_shot_charts, series_names
from sercl.reports.cross_eval.forest import forest, scale
from sercl.reports.cross_eval.matrices import matrix_groups
from sercl.reports.cross_eval.overview import Column, overview
from sercl.reports.cross_eval.summary import significant, summary
from sercl.reports.cross_eval.svg import marker
from sercl.reports.cross_eval.tables import layer_table
from sercl.reports.pages import page_environment
from sercl.reports.results import percent
from sercl.studies.cross_eval.analysis import Analysis
from sercl.studies.cross_eval.cells import SETTINGS, Condition
from sercl.studies.cross_eval.comparisons import Comparison, Family
from sercl.studies.cross_eval.few_shot import ENOUGH
from sercl.studies.cross_eval.scores import ConditionScores

STRONG = 0.65
"""From this share of the scale on, a heat map's cells are so strongly coloured that their ink is inverted."""


def html_report(analysis: Analysis, folder: Path) -> str:
    """Return the page.

    Args:
        analysis: The study.
        folder: Where it lies; links to fold lists and logs are relative to it.
    """
    return _environment().get_template("report.html").render(_content(analysis, folder))


def _content(analysis: Analysis, folder: Path) -> dict[str, Any]:
    study, chance = analysis.study, 1 / len(analysis.study.classes)
    return {
        "analysis": analysis,
        "study": study,
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
        "enough": ENOUGH,
        "blocks": by_setting(analysis),
        "layers": layer_table(analysis),
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
    """Return the attributes of a heat map's cell: how far `value` stands between `low` and 1.

    Args:
        value: 0 to 1, or NaN for an empty cell.
        low: Where the scale begins.
        extra: A further CSS class.
    """
    if value != value:
        return Markup('class="none"')
    share = min(1.0, max(0.0, (value - low) / (1 - low)))
    strong = " strong" if share >= STRONG else ""
    return Markup(f'class="heat{strong}{extra and " " + extra}" style="--v:{share:.3f}"')
