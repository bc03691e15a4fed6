"""The unions of corpora that the conditions of a study are trained on."""

import random
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from math import comb

from sercl.counting import count
from sercl.errors import UsageError
from sercl.studies.cross_eval.sources import ALL_BUT_LANGUAGE, ALL_BUT_TARGET, SUBSETS, union_of

UNKNOWN_LANGUAGE = "und"

Union = tuple[str, ...]
"""Names of corpora, in the order of the study."""


@dataclass(frozen=True)
class Unions:
    """The unions of a study.

    Attributes:
        kinds: Which of `sercl.studies.cross_eval.sources.SOURCES` the study has.
        corpora: The training corpora, in the order of the study.
        languages: Name of a corpus -> its languages; called for `ALL_BUT_LANGUAGE` only.
        limit: Most subsets of one size for a target.
    """

    kinds: Collection[str]
    corpora: Sequence[str]
    languages: Callable[[str], Collection[str]]
    limit: int

    def of(self, target: str) -> list[str]:
        """Return the names of the unions that a target is tested with; raises as `remarks`."""
        found = [self._others(target), self._foreign(target), *self._subsets(target)]
        return list(dict.fromkeys(union_of(union) for union in found if union))

    def remarks(self, targets: Sequence[str]) -> Iterator[str]:
        """Yield a sentence for each target whose unions are not what their name promises.

        Raises:
            UsageError: For `ALL_BUT_LANGUAGE`, if the language of a corpus is unknown.
        """
        for target in targets:
            others = self._all_others(target)
            if ALL_BUT_TARGET in self.kinds and len(others) == 1:
                yield f"{ALL_BUT_TARGET}: for {target} this is {others[0]} alone, a single source"
            if ALL_BUT_LANGUAGE in self.kinds:
                yield from self._remarks_on_languages(target)
            if SUBSETS in self.kinds:
                yield from self._remarks_on_subsets(target)

    def _remarks_on_languages(self, target: str) -> Iterator[str]:
        foreign = self._foreign(target)
        if not foreign:
            yield f"{ALL_BUT_LANGUAGE}: left out for {target}: every other corpus has its language"
        elif len(foreign) == 1 < len(self._all_others(target)):
            yield f"{ALL_BUT_LANGUAGE}: for {target} this is {foreign[0]} alone, a single source"

    def _remarks_on_subsets(self, target: str) -> Iterator[str]:
        others = self._all_others(target)
        if len(others) < LEAST_OTHERS:
            only = count(len(others), "other corpus", "other corpora")
            yield f"{SUBSETS}: left out for {target}, which has {only} only"
        for size in range(2, len(others)):
            if (total := comb(len(others), size)) > self.limit:
                yield f"{SUBSETS}: {self.limit} of {total} unions of {size} corpora, drawn, for {target}"

    def _all_others(self, target: str) -> Union:
        return tuple(name for name in self.corpora if name != target)

    def _others(self, target: str) -> Union:
        return self._all_others(target) if ALL_BUT_TARGET in self.kinds else ()

    def _foreign(self, target: str) -> Union:
        """Return the corpora that have no language of the target."""
        if ALL_BUT_LANGUAGE not in self.kinds:
            return ()
        own = self._known_languages(target)
        others = self._all_others(target)
        return tuple(name for name in others if own.isdisjoint(self._known_languages(name)))

    def _known_languages(self, name: str) -> frozenset[str]:
        languages = frozenset(self.languages(name))
        if UNKNOWN_LANGUAGE in languages:
            raise UsageError(
                f"study.sources {ALL_BUT_LANGUAGE}: the language of {name} is unknown. Give it (the option "
                f"language, or a column of the manifest), or use {ALL_BUT_TARGET}."
            )
        return languages

    def _subsets(self, target: str) -> Iterator[Union]:
        others = self._all_others(target)
        for size in range(2, len(others) if SUBSETS in self.kinds else 0):
            yield from drawn_subsets(others, size, self.limit)


LEAST_OTHERS = 3
"""Fewer corpora have no unions between one and all of them."""


@cache
def drawn_subsets(names: Union, size: int, limit: int) -> tuple[Union, ...]:
    """Return the subsets of a size in order; where there are more than `limit`, as many at random.

    The draw depends on the names, not on their order, and is the same in every study.
    """
    every = list(combinations(names, size))
    if len(every) <= limit:
        return tuple(every)
    drawn = random.Random(f"{size} {sorted(names)}").sample(
        sorted(tuple(sorted(own)) for own in every), limit
    )
    return tuple(own for own in every if tuple(sorted(own)) in drawn)
