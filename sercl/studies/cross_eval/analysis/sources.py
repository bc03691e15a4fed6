"""The sources of a study's conditions, and the single ones that a union of corpora is compared with."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import mean

from sercl.data.settings import MONOLINGUAL, ZERO_SHOT
from sercl.studies.cross_eval.analysis.scores import ConditionScores
from sercl.studies.cross_eval.cells import Condition, Study
from sercl.studies.cross_eval.sources import corpora_of

Scores = Mapping[Condition, ConditionScores]

ALL_OTHERS, OTHER_LANGUAGES = "all others", "other languages"
"""Kinds of unions that are compared with single sources: all other corpora, and all of other languages."""


class Sources:
    """The sources of a study's conditions.

    Args:
        study: The study.
    """

    def __init__(self, study: Study) -> None:
        self._corpora = study.corpora
        across = [own for own in study.conditions if own.source != own.target]
        self._trained = {name for own in across for name in self.corpora_of(own)}

    def corpora_of(self, condition: Condition) -> tuple[str, ...]:
        """Return the corpora that a condition has as source."""
        return corpora_of(condition.source, self._corpora)

    def is_union(self, condition: Condition) -> bool:
        """Return whether a condition has several corpora as source."""
        return len(self.corpora_of(condition)) > 1

    def kind_of(self, condition: Condition) -> str:
        """Return what a union is to its target: `ALL_OTHERS`, `OTHER_LANGUAGES` or "2 sources"; else ""."""
        own = set(self.corpora_of(condition))
        if len(own) == 1:
            return ""
        others = self.others(condition.target)
        if own == others:
            return ALL_OTHERS
        languages = set(self._corpora[condition.target].languages)
        if own == {name for name in others if languages.isdisjoint(self._corpora[name].languages)}:
            return OTHER_LANGUAGES
        return f"{len(own)} sources"

    def others(self, target: str) -> set[str]:
        """Return the training corpora other than a target."""
        return self._trained - {target}

    def singles_of(self, union: Condition, scores: Scores) -> list[Condition]:
        """Return the conditions that have one corpus of a union as source; none if one was not tested."""
        found = [replace(union, source=name) for name in self.corpora_of(union)]
        return found if all(item in scores for item in found) else []


Choose = Callable[[Condition, Scores, Sources], Condition | None]
"""Chooses the single source that a union is compared with."""


def chosen_single(union: Condition, scores: Scores, sources: Sources) -> Condition | None:
    """Return the best single source of a union as far as its own corpora tell, without the target.

    It has the highest mean UAR on the test parts of the union's corpora: its own (monolingual) and the others
    (zero-shot). All are compared on the same utterances, and the target has no part in it.

    Returns:
        The condition that is trained on it and tested on the target; None unless every corpus of the union
        was tested with every single one.
    """
    found = {
        single: [scores.get(_crossed(union, single.source, name)) for name in sources.corpora_of(union)]
        for single in sources.singles_of(union, scores)
    }
    if not found or any(own is None for row in found.values() for own in row):
        return None
    return max(found, key=lambda single: mean(own.uar.value for own in found[single] if own is not None))


def oracle_single(union: Condition, scores: Scores, sources: Sources) -> Condition | None:
    """Return the single source of a union with the highest UAR on the target's own test part: an upper bound.

    Nobody can choose it before the test; its score is optimistic.
    """
    return max(sources.singles_of(union, scores), key=lambda own: scores[own].uar.value, default=None)


def _crossed(union: Condition, source: str, target: str) -> Condition:
    """Return the condition that tests a single source of a union on one of its corpora."""
    if source == target:
        return Condition(union.encoder, union.adapter, MONOLINGUAL, source, source)
    return replace(union, setting=ZERO_SHOT, source=source, target=target, shots=None)
