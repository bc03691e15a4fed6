"""What the trainings of a study forget of their sources."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sercl.studies.cross_eval.cells import Condition
from sercl.studies.results.forgetting import Forgetting, SourceTest
from sercl.studies.results.paired import correct
from sercl.studies.results.predictions import Predictions

Tests = Mapping[tuple[Condition, str], tuple[Predictions, Predictions]]
"""Condition and tested source -> predictions before and after the training on the target."""


@dataclass(frozen=True)
class Forgotten:
    """What one condition forgets of its source, or of one of its sources.

    Attributes:
        condition: Its condition; two-stage or few-shot.
        scores: Test scores of the source; all folds pooled, repeats averaged. Holm's correction is for all
            conditions of the study.
    """

    condition: Condition
    scores: Forgetting

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row per score: the fields of the condition, then the columns of `Forgetting.rows`."""
        for row in self.scores.rows():
            yield {**asdict(self.condition), **row}


def find_forgetting(tests: Tests) -> tuple[Forgotten, ...]:
    """Score every source before and after the training on a target, and test the differences.

    Args:
        tests: From `sercl.studies.cross_eval.study_file.read_forgetting`.
    """
    found = [
        Forgotten(condition, Forgetting.of(SourceTest(corpus, *own)))
        for (condition, corpus), own in tests.items()
    ]
    corrected = correct([own.scores.paired for own in found])
    return tuple(
        replace(own, scores=replace(own.scores, paired=paired))
        for own, paired in zip(found, corrected, strict=True)
    )
