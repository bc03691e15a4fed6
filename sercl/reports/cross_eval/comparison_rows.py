"""Paired tests as rows that every format writes alike."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import mean

from sercl.counting import count
from sercl.reports.cross_eval.wording import adapter_name, pair_name, setting_name
from sercl.studies.cross_eval.cells import Condition
from sercl.studies.cross_eval.comparisons import Comparison, Family
from sercl.studies.cross_eval.scores import ConditionScores
from sercl.studies.paired import Paired


@dataclass(frozen=True)
class ComparisonRow:
    """One comparison.

    Attributes:
        encoder: Encoder of the first condition.
        adapter: Adapter of both, as it is shown; "" where adapters are what is compared.
        setting: Setting of the first condition.
        marks: Shots, adaptation and selection that both have in common, or that the first has.
        corpora: The direction (source and target), or how many directions the difference is a mean over.
        first: What tells the first condition from the second.
        second: What tells the second from the first.
        first_uar: UAR of the first, the mean over members.
        second_uar: UAR of the second.
        paired: The difference and its test.
    """

    encoder: str
    adapter: str
    setting: str
    marks: tuple[str, ...]
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
    names = _names(first, second, family.name)
    adapted = replace(first, adaptation="none") if family.name == "adaptation" else first
    size = len(item.members)
    return ComparisonRow(
        encoder=first.encoder,
        adapter="" if family.name == "adapters" else adapter_name(first.adapter),
        setting=first.setting,
        marks=adapted.marks,
        corpora=pair_name(first) if size == 1 else f"mean of {count(size, *_kind(first))}",
        first=names[0],
        second=names[1],
        first_uar=mean(scores[one].uar.value for one, _ in item.members),
        second_uar=mean(scores[two].uar.value for _, two in item.members),
        paired=item.paired,
    )


def _kind(condition: Condition) -> tuple[str, str]:
    return ("corpus", "corpora") if condition.source == condition.target else ("direction", "directions")


def _names(first: Condition, second: Condition, family: str) -> tuple[str, str]:
    if family == "adapters":
        return adapter_name(first.adapter), adapter_name(second.adapter)
    if family == "adaptation":
        return first.adaptation, "none"
    other = f" ({second.encoder})" if second.encoder != first.encoder else ""
    other += ", not adapted" if second.adaptation != first.adaptation else ""
    return setting_name(first.setting), f"{setting_name(second.setting)}{other}"
