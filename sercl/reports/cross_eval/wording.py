"""The format of numbers and names of a study, the same in every format."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import mean

from sercl.counting import count
from sercl.reports.results import percent
from sercl.studies.cross_eval.analysis.comparisons import ENOUGH, UNIONS, Comparison, Curve, Family
from sercl.studies.cross_eval.analysis.scores import ConditionScores
from sercl.studies.cross_eval.analysis.sources import ALL_OTHERS, OTHER_LANGUAGES
from sercl.studies.cross_eval.cells import Condition
from sercl.studies.results.paired import Paired
from sercl.studies.results.scores import Score


def percent_interval(score: Score, digits: int = 1) -> str:
    """Return the ends of an interval: "57.2 to 68.9", or "" where there is none."""
    if math.isnan(score.low):
        return ""
    return f"{100 * score.low:.{digits}f} to {100 * score.high:.{digits}f}"


def short_interval(score: Score) -> str:
    """Return the ends of an interval in whole percent for narrow columns: "57–69", or ""."""
    return percent_interval(score, digits=0).replace(" to ", "–")


ENOUGH_TITLE = f"{100 * ENOUGH:.0f} % of the gap"
"""Heading of how many shots are enough."""


def enough_text(curve: Curve) -> str:
    """Return how many shots are enough, with the interval: "16 (4 to > 64)", or "" where there is no gap.

    An interval that says no more than "> 64" is left out.
    """
    if curve.closed(0) is None:
        return ""
    beyond = f"> {max(curve.points)}"

    def shown(shots: int | None) -> str:
        return beyond if shots is None else str(shots)

    ends = [shown(end) for end in curve.enough_interval or ()]
    value = shown(curve.enough())
    return f"{value} ({' to '.join(ends)})" if {*ends} - {beyond} else value


def score_text(score: Score) -> str:
    """Return a score in percent with its interval: "63.0 (57.2 to 68.9)"."""
    ends = percent_interval(score)
    return f"{percent(score.value)} ({ends})" if ends else percent(score.value)


GUESS = "†"
"""Mark of a score of predictions of a single class."""

GUESS_NOTE = (
    f"{GUESS} Every test utterance was predicted to be of one class: UAR is that of guessing, and its "
    f"interval is meaningless."
)


def uar_text(own: ConditionScores) -> str:
    """Return the UAR of a condition with its interval, marked if it is that of guessing."""
    return f"{score_text(own.uar)} {GUESS}" if own.is_guess else score_text(own.uar)


def points(value: float) -> str:
    """Return a difference in percentage points with its sign: "+3.2", "−0.4", "0.0"; "-" for NaN."""
    if math.isnan(value):
        return "-"
    text = f"{100 * value:+.1f}".replace("-", "−")
    return text[1:] if float(text[1:]) == 0 else text


def points_interval(score: Score) -> str:
    """Return the ends of the interval of a difference: "−1.0 to +4.2", or ""."""
    return "" if math.isnan(score.low) else f"{points(score.low)} to {points(score.high)}"


def p_value(p: float) -> str:
    """Return a p-value: "< 0.001", "0.034", "1"; "-" for NaN."""
    if math.isnan(p):
        return "-"
    if p < 0.001:
        return "< 0.001"
    return "1" if p >= 0.9995 else f"{p:.3f}"


def adapter_name(adapter: str) -> str:
    """Return how an adapter is shown: "none" is a frozen encoder."""
    return {"none": "frozen", "full": "full fine-tuning"}.get(adapter, adapter.replace("+", " + "))


def setting_name(setting: str) -> str:
    """Return a setting as a heading or an entry of a table."""
    return setting.capitalize()


def pair_name(condition: Condition) -> str:
    """Return training and test corpus with an arrow."""
    return condition.pair.replace("->", "→")


def condition_name(condition: Condition) -> str:
    """Return the full description of a condition."""
    words = [condition.encoder, adapter_name(condition.adapter)]
    return ", ".join([*words, f"{condition.setting} {pair_name(condition)}", *condition.tags])


def listed(names: list[str]) -> str:
    """Return names as a sentence lists them: "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


BEST_SINGLE, ORACLE = "Best single", "Best single, oracle"
"""Rows of a matrix: the single sources that unions are compared with."""

UNION_NAMES = {ALL_OTHERS: "All other corpora", OTHER_LANGUAGES: "All other languages"}
"""Kind of a union -> its name."""


@dataclass(frozen=True)
class ComparisonRow:
    """One comparison.

    Attributes:
        encoder: Encoder of the first condition.
        adapter: Adapter of both, as it is shown; "" where adapters are what is compared.
        setting: Setting of the first condition.
        tags: Tags (shots, adaptation, selection, and of means the kind of union that is the source) that both
            have in common, or that the first has.
        corpora: The direction (source and target, and the single source that a union is compared with), or
            the number of directions in the mean difference.
        first: Name that distinguishes the first condition from the second.
        second: Name that distinguishes the second from the first.
        first_uar: UAR of the first, the mean over members.
        second_uar: UAR of the second.
        paired: The difference and its test.
    """

    encoder: str
    adapter: str
    setting: str
    tags: tuple[str, ...]
    corpora: str
    first: str
    second: str
    first_uar: float
    second_uar: float
    paired: Paired


def comparison_row(
    item: Comparison, family: Family, scores: Mapping[Condition, ConditionScores]
) -> ComparisonRow:
    """Return a comparison of a family as a row.

    Args:
        item: One of the family's `overall` or `comparisons`.
        family: The family.
        scores: Condition -> scores.
    """
    first, second = item.first, item.second
    names = _names(item, family.name)
    adapted = replace(first, adaptation="none") if family.name == "adaptation" else first
    size = len(item.members)
    against = f" against {second.source}" if family.name in UNIONS else ""
    source = (item.sources,) if size > 1 and item.sources and family.name not in UNIONS else ()
    return ComparisonRow(
        encoder=first.encoder,
        adapter="" if family.name == "adapters" else adapter_name(first.adapter),
        setting=first.setting,
        tags=(*source, *adapted.tags),
        corpora=f"{pair_name(first)}{against}" if size == 1 else f"mean of {count(size, *_kind(first))}",
        first=names[0],
        second=names[1],
        first_uar=mean(scores[one].uar.value for one, _ in item.members),
        second_uar=mean(scores[two].uar.value for _, two in item.members),
        paired=item.paired,
    )


def _kind(condition: Condition) -> tuple[str, str]:
    return ("corpus", "corpora") if condition.source == condition.target else ("direction", "directions")


def _names(item: Comparison, family: str) -> tuple[str, str]:
    first, second = item.first, item.second
    if family in UNIONS:
        single = "Best single source"
        return UNION_NAMES[item.sources], f"{single} on the test" if family.endswith("oracle") else single
    if family == "adapters":
        return adapter_name(first.adapter), adapter_name(second.adapter)
    if family == "adaptation":
        return first.adaptation, "none"
    other = f" ({second.encoder})" if second.encoder != first.encoder else ""
    other += ", not adapted" if second.adaptation != first.adaptation else ""
    return setting_name(first.setting), f"{setting_name(second.setting)}{other}"
