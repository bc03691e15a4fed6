"""Which conditions of a study are compared, and how much labelled speech of the target is needed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations

from sercl.data.settings import MONOLINGUAL, NO_ADAPTATION, TRANSFER, TWO_STAGE, ZERO_SHOT
from sercl.studies.cross_eval.analysis.published import encoder_language
from sercl.studies.cross_eval.analysis.scores import ConditionScores
from sercl.studies.cross_eval.analysis.sources import (
    ALL_OTHERS,
    OTHER_LANGUAGES,
    Choose,
    Scores,
    Sources,
    chosen_single,
    oracle_single,
)
from sercl.studies.cross_eval.cells import FEW_SHOT, TARGET_ONLY, Condition, Study, computations
from sercl.studies.results.paired import Paired, VoteCounts, compare_pooled, contrast, correct, count_votes
from sercl.studies.results.predictions import Predictions
from sercl.studies.results.scores import Score

Pair = tuple[Condition, Condition]


@dataclass(frozen=True)
class Comparison:
    """Two conditions, or one comparison of them over several pairs of corpora.

    A positive difference means that the first is better.

    Attributes:
        members: The pairs of conditions that are compared: one, or one per pair of corpora.
        paired: The difference; over several members, the mean difference.
        sources: What the source of the first is if it is a union, see `Sources.kind_of`; else "".
    """

    members: tuple[Pair, ...]
    paired: Paired
    sources: str = ""

    @property
    def first(self) -> Condition:
        """The first condition of the first member."""
        return self.members[0][0]

    @property
    def second(self) -> Condition:
        """The second condition of the first member."""
        return self.members[0][1]


@dataclass(frozen=True)
class Family:
    """Comparisons that answer one question.

    Attributes:
        name: "adapters", "zero-shot", "adaptation", "source", "few-shot", or one of `UNIONS`.
        title: Heading.
        question: The question that it answers, a sentence.
        overall: Over all pairs of corpora, one per encoder, setting and what is compared; their p-values are
            corrected together.
        comparisons: Each pair of conditions; p-values are corrected within a setting.
    """

    name: str
    title: str
    question: str
    overall: tuple[Comparison, ...]
    comparisons: tuple[Comparison, ...]


def compare_conditions(
    predictions: Mapping[Condition, Predictions], study: Study, scores: Scores
) -> tuple[Family, ...]:
    """Run every paired test of a study; families without a pair are left out.

    Two conditions that are the same computation shown twice (same cells by address) are not compared, and
    pairs of the same two computations are tested once.

    Args:
        predictions: From `read_predictions`, complete repeats only.
        study: The study.
        scores: From `score_conditions`.
    """
    computed, sources = computations(study), Sources(study)
    votes = {condition: count_votes(item) for condition, item in predictions.items()}
    families = []
    for name, title, question, find in _FAMILIES:
        pairs = _distinct(find(scores, study), computed)
        overall = _test(_groups(pairs, lambda pair: _over_corpora(pair, sources)), votes, sources)
        settings = _groups(pairs, lambda pair: pair[0].setting)
        apart = [item for own in settings for item in _test([(pair,) for pair in own], votes, sources)]
        families.append(Family(name, title, question, tuple(overall), tuple(apart)))
    return tuple(family for family in families if family.comparisons)


def _test(
    groups: Sequence[tuple[Pair, ...]], votes: Mapping[Condition, VoteCounts], sources: Sources
) -> list[Comparison]:
    """Test every group of pairs, and correct for their number."""
    results = [
        compare_pooled(
            [(votes[first], votes[second]) for first, second in members],
            [first.target for first, _ in members],
        )
        for members in groups
    ]
    return [
        Comparison(members, own, sources.kind_of(members[0][0]))
        for members, own in zip(groups, correct(results), strict=True)
    ]


def _groups(pairs: Sequence[Pair], key: Callable[[Pair], object]) -> list[tuple[Pair, ...]]:
    groups: dict[object, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(key(pair), []).append(pair)
    return [tuple(members) for members in groups.values()]


def _over_corpora(pair: Pair, sources: Sources) -> object:
    """Return the key of pairs that differ only in their corpora, and in the encoder of a reference.

    Sources of another kind, such as all other corpora and single ones, are not averaged.
    """
    first, second = (replace(condition, source=sources.kind_of(condition), target="") for condition in pair)
    return first, replace(second, encoder="")


def adapter_pairs(conditions: Iterable[Condition], _: Study) -> list[Pair]:
    """Return every two adapters in the same condition; the later one in the grid comes first."""
    alike: dict[Condition, list[Condition]] = {}
    for condition in conditions:
        alike.setdefault(replace(condition, adapter=""), []).append(condition)
    return [(second, first) for group in alike.values() for first, second in combinations(group, 2)]


def zero_shot_pairs(conditions: Scores, study: Study) -> list[Pair]:
    """Return each zero-shot condition with the monolingual one of its target.

    The encoder is the same if there is such a condition, else one of the target's language, as in a study
    with an encoder per language.
    """
    pairs = []
    for condition in conditions:
        if condition.setting == ZERO_SHOT:
            reference = monolingual_of(condition, conditions, study)
            pairs += [(condition, reference)] if reference else []
    return pairs


def monolingual_of(condition: Condition, conditions: Iterable[Condition], study: Study) -> Condition | None:
    """Return the monolingual condition of a condition's target and adapter, None where there is none."""
    fitting = [
        item
        for item in conditions
        if item.setting == MONOLINGUAL
        and (item.target, item.adapter) == (condition.target, condition.adapter)
        and item.adaptation == NO_ADAPTATION
    ]
    same = [item for item in fitting if item.encoder == condition.encoder]
    languages = study.corpora[condition.target].languages
    native = [item for item in fitting if encoder_language(item.encoder, study) in languages]
    return next(iter([*same, *native]), None)


def adaptation_pairs(conditions: Scores, _: Study) -> list[Pair]:
    """Return each adapted condition with the one that differs only in not being adapted."""
    plain = {condition for condition in conditions if condition.adaptation == NO_ADAPTATION}
    pairs = [(condition, replace(condition, adaptation=NO_ADAPTATION)) for condition in conditions]
    return [(first, second) for first, second in pairs if first != second and second in plain]


def source_pairs(conditions: Scores, study: Study) -> list[Pair]:
    """Return each two-stage condition with the one that is not trained on the source.

    That of a union is the transfer of any of its corpora: none of them is trained on there.
    """
    sources = Sources(study)
    pairs = [
        (item, next((own for own in _transfers(item, sources) if own in conditions), None))
        for item in conditions
        if item.setting == TWO_STAGE
    ]
    return [(first, second) for first, second in pairs if second is not None]


def _transfers(condition: Condition, sources: Sources) -> list[Condition]:
    return [replace(condition, setting=TRANSFER, source=name) for name in sources.corpora_of(condition)]


UNIONS = ("union", "union-oracle", "languages", "languages-oracle")
"""Families that compare a union of corpora with a single source."""


def union_pairs(scores: Scores, study: Study, kind: str, choose: Choose) -> list[Pair]:
    """Return each condition with a union of one kind as source, and one with a single source of the union.

    Args:
        scores: From `score_conditions`.
        study: The study.
        kind: As `Sources.kind_of`.
        choose: Chooses the single source.
    """
    sources = Sources(study)
    unions = [own for own in scores if own.setting in _ON_SOURCES and sources.kind_of(own) == kind]
    pairs = [(own, choose(own, scores, sources)) for own in unions]
    return [(first, second) for first, second in pairs if second is not None]


_ON_SOURCES = (ZERO_SHOT, TWO_STAGE, FEW_SHOT)


def baseline_pairs(conditions: Scores, _: Study) -> list[Pair]:
    """Return each few-shot condition with the one that was trained on the same few utterances alone.

    Conditions with adaptation are left out: the baseline has none.
    """
    known = set(conditions)
    pairs = [
        (item, replace(item, setting=TARGET_ONLY))
        for item in conditions
        if item.setting == FEW_SHOT and item.adaptation == NO_ADAPTATION
    ]
    return [(first, second) for first, second in pairs if second in known]


def _distinct(pairs: Sequence[Pair], computed: Mapping[Condition, frozenset[str]]) -> list[Pair]:
    known: dict[tuple[frozenset[str], frozenset[str]], Pair] = {}
    for first, second in pairs:
        one, two = computed[first], computed[second]
        if one != two:
            known.setdefault((one, two), (first, second))
    return list(known.values())


_BEST_KNOWN = (
    "The single source is the one with the highest mean UAR on the test parts of the union's own corpora, so "
    "it is chosen without the target."
)
_ORACLE = (
    "The single source is the best on the target's test part itself: an upper bound that cannot be chosen "
    "beforehand."
)

_FAMILIES: tuple[tuple[str, str, str, Callable[[Scores, Study], list[Pair]]], ...] = (
    (
        "adapters",
        "Adapters",
        "What does an adapter gain over another, or over a frozen encoder, in the same condition?",
        adapter_pairs,
    ),
    (
        "zero-shot",
        "Zero-shot against monolingual",
        "What does it cost to have no labels of the target language?",
        zero_shot_pairs,
    ),
    (
        "adaptation",
        "Adaptation without labels",
        "What is gained by adapting to the target's audio without labels?",
        adaptation_pairs,
    ),
    (
        "source",
        "Two-stage against transfer",
        "What is gained by training on the source before the target?",
        source_pairs,
    ),
    (
        "few-shot",
        "Few-shot against target-only training",
        "What does the source add to a few labelled utterances of the target?",
        baseline_pairs,
    ),
    (
        "union",
        "All other corpora against the best single source",
        f"What is gained by training on all other corpora together? {_BEST_KNOWN}",
        partial(union_pairs, kind=ALL_OTHERS, choose=chosen_single),
    ),
    (
        "union-oracle",
        "All other corpora against the best on the test (oracle)",
        f"Does training on all other corpora reach the best of them? {_ORACLE}",
        partial(union_pairs, kind=ALL_OTHERS, choose=oracle_single),
    ),
    (
        "languages",
        "All other languages against the best single source",
        f"What is gained by training on all corpora of other languages together? {_BEST_KNOWN}",
        partial(union_pairs, kind=OTHER_LANGUAGES, choose=chosen_single),
    ),
    (
        "languages-oracle",
        "All other languages against the best on the test (oracle)",
        f"Does training on all corpora of other languages reach the best of them? {_ORACLE}",
        partial(union_pairs, kind=OTHER_LANGUAGES, choose=oracle_single),
    ),
)


ENOUGH = 0.8
"""Fraction of the gap between zero-shot and monolingual from which few-shot data count as enough."""


@dataclass(frozen=True)
class Curve:
    """Scores of one encoder, adapter and direction (source and target) over the number of shots.

    Attributes:
        condition: What the points have in common; its `shots` is None.
        points: Shots -> scores, ascending; 0 shots from the zero-shot condition where it was not run itself.
        ceiling: The monolingual condition of the target; None where there is none.
        alone: Shots -> scores of training on the same few utterances without the source, where run.
        beyond: Shots -> how far UAR lies above `ENOUGH` of the gap, with its interval; empty without a gap.
    """

    condition: Condition
    points: Mapping[int, ConditionScores]
    ceiling: ConditionScores | None
    alone: Mapping[int, ConditionScores] = field(default_factory=dict)
    beyond: Mapping[int, Score] = field(default_factory=dict)

    def closed(self, shots: int) -> float | None:
        """Return the closed fraction of the gap between 0 shots and monolingual; None without a gap."""
        if 0 not in self.points or self.ceiling is None:
            return None
        floor, gap = self.points[0].uar.value, self.ceiling.uar.value - self.points[0].uar.value
        return (self.points[shots].uar.value - floor) / gap if gap > 0 else None

    def enough(self, share: float = ENOUGH) -> int | None:
        """Return the fewest shots that close at least `share` (0 to 1) of the gap; None if none does."""
        closed = {shots: self.closed(shots) for shots in self.points}
        return next((shots for shots, part in closed.items() if part is not None and part >= share), None)

    @property
    def enough_interval(self) -> tuple[int | None, int | None] | None:
        """The 95 % interval of `enough()`: the fewest shots that may be enough, and that certainly are.

        A number of shots may be enough unless the interval of `beyond` is below 0, and certainly is if it is
        above. None in place of a number means more than was tried; None alone, that there is no interval.
        """
        if not self.beyond or any(score.low != score.low for score in self.beyond.values()):
            return None
        low = next((shots for shots, score in self.beyond.items() if score.high >= 0), None)
        return low, next((shots for shots, score in self.beyond.items() if score.low > 0), None)


def few_shot_curves(
    scores: Mapping[Condition, ConditionScores], study: Study, predictions: Mapping[Condition, Predictions]
) -> tuple[Curve, ...]:
    """Return every few-shot curve of a study, in the order of its grid.

    Args:
        scores: From `score_conditions`.
        study: The study.
        predictions: What the scores are made from.
    """
    points: dict[Condition, dict[int, ConditionScores]] = {}
    for condition, own in scores.items():
        if condition.setting == FEW_SHOT and condition.shots is not None:
            points.setdefault(replace(condition, shots=None), {})[condition.shots] = own
    return tuple(_curve(condition, own, scores, study, predictions) for condition, own in points.items())


def _curve(
    condition: Condition,
    points: dict[int, ConditionScores],
    scores: Mapping[Condition, ConditionScores],
    study: Study,
    predictions: Mapping[Condition, Predictions],
) -> Curve:
    start = scores.get(replace(condition, setting=ZERO_SHOT))
    if start is not None:
        points = {0: start, **points}
    reference = monolingual_of(condition, scores, study)
    alone = replace(condition, setting=TARGET_ONLY, adaptation=NO_ADAPTATION)
    baseline = {shots: scores.get(replace(alone, shots=shots)) for shots in sorted(points)}
    curve = Curve(
        condition=condition,
        points=dict(sorted(points.items())),
        ceiling=scores[reference] if reference else None,
        alone={shots: own for shots, own in baseline.items() if own is not None},
    )
    return replace(curve, beyond=_beyond(curve, predictions))


def _beyond(curve: Curve, predictions: Mapping[Condition, Predictions]) -> dict[int, Score]:
    """Return how far each point lies above `ENOUGH` of the gap: a weighted sum of three UARs."""
    if curve.ceiling is None or curve.closed(0) is None:
        return {}
    floor, ceiling = (count_votes(predictions[own.condition]) for own in (curve.points[0], curve.ceiling))
    weights = (1.0, ENOUGH - 1, -ENOUGH)
    return {
        shots: contrast([count_votes(predictions[own.condition]), floor, ceiling], weights)
        for shots, own in curve.points.items()
    }
