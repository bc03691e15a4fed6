"""The mean UAR of each setting, over all directions: the first table that a reader sees."""

from collections.abc import Mapping
from dataclasses import dataclass

from sercl.counting import count
from sercl.reports.cross_eval.summary import mean_uar
from sercl.studies.cross_eval.analysis import Analysis
from sercl.studies.cross_eval.cells import SETTINGS, Condition
from sercl.studies.cross_eval.scores import ConditionScores

Column = tuple[str, str]
"""(encoder, adapter)."""


@dataclass(frozen=True)
class OverviewRow:
    """A setting with its marks.

    Attributes:
        setting: The setting.
        marks: Shots, adaptation, selection on the target.
        means: (encoder, adapter) -> mean UAR over directions (source and target), 0 to 1.
        counts: (encoder, adapter) -> the number of directions (or corpora) that its mean is over.
    """

    setting: str
    marks: tuple[str, ...]
    means: Mapping[Column, float]
    counts: Mapping[Column, int]

    @property
    def count(self) -> int:
        """The most directions (or corpora) that a mean of the row is over."""
        return max(self.counts.values())

    @property
    def kind(self) -> str:
        """What the means are over: "3 corpora", "6 directions", "1 direction"."""
        if self.setting == "monolingual":
            return count(self.count, "corpus", "corpora")
        return count(self.count, "direction")

    def lacks(self, column: Column) -> str:
        """Return how many of them a mean is over where that is not all: "4 of 6", or ""."""
        return "" if self.counts[column] == self.count else f"{self.counts[column]} of {self.count}"


@dataclass(frozen=True)
class Overview:
    """Rows of settings, columns of encoders with their adapters."""

    columns: tuple[Column, ...]
    rows: tuple[OverviewRow, ...]


def overview(analysis: Analysis) -> Overview:
    """Return the mean UAR by setting, encoder and adapter."""
    columns = tuple(dict.fromkeys((item.encoder, item.adapter) for item in analysis.scores))
    groups: dict[tuple[str, tuple[str, ...]], dict[Column, list[ConditionScores]]] = {}
    for condition in sorted(analysis.scores, key=_place):
        row = groups.setdefault((condition.setting, condition.marks), {})
        column = (condition.encoder, condition.adapter)
        row.setdefault(column, []).append(analysis.scores[condition])
    rows = [
        OverviewRow(
            setting,
            marks,
            {column: mean_uar(own) for column, own in row.items()},
            {column: len(own) for column, own in row.items()},
        )
        for (setting, marks), row in groups.items()
    ]
    return Overview(columns, tuple(rows))


def _place(condition: Condition) -> tuple[int, bool, int]:
    """Order settings, true zero-shot before what selects on the target, and shots by number."""
    return SETTINGS.index(condition.setting), condition.select_on == "target", condition.shots or 0
