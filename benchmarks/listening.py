"""Do intervals of listening tests cover, and do tests of nothing find nothing? By simulated listeners.

    python benchmarks/listening.py --studies 1000
    python benchmarks/listening.py --studies 400 --rows "mixed model"
    python benchmarks/listening.py --studies 400 --rows marks

Each row simulates whole listening tests with known abilities, and counts how often the 95 % interval holds
the true value, or a difference that is not there is called significant: 93 to 97 %, and 3 to 7 %, are asked
for.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
import torch
from scipy import special, stats

from sercl.listening.comparison.against import paired_estimates, shared_with
from sercl.listening.comparison.answers import Answers, answers_of
from sercl.listening.comparison.contrasts import DIALECT_BY_GROUP, GROUPS, NATIVE, Contrast, contrasts_of
from sercl.listening.comparison.groups import EmotionScores, score_group
from sercl.listening.comparison.marks import Known, Labeller, Reference, marks_of
from sercl.listening.comparison.mixed import LISTENERS_MINUS_MODEL, MixedModel, mixed_models_of
from sercl.listening.comparison.models import Model
from sercl.listening.comparison.segments import Segmentation, people_and_models
from sercl.listening.monitoring import Heard, MonitorOptions, Question, verdict
from sercl.listening.power import PowerOptions, Spread, find_power
from sercl.metrics.functional.hit_rates import criterion, unbiased_hit_rate
from sercl.metrics.functional.mixed_logistic import marginal_probability
from sercl.testing.listeners import (
    CLASSES,
    Group,
    Listening,
    Marker,
    expected_recall,
    fake_items,
    fake_marks,
    fake_ratings,
    fake_recordings,
    marked_event,
)

RESAMPLES = 400
SPREAD = 0.3
"""Of marked boundaries, in s."""
READILY = 4.0
"""How many times as often biased listeners give "neutral" as each other wrong answer."""
ITEMS = fake_items(("de", "zh"), 12, {"zh": "tianjin"})
FEW_ITEMS = fake_items(("de", "zh"), 6, {"zh": "tianjin"})
ALIKE = (
    Group("German", 15, ability=1.0, foreign=0.0, dialect=0.5),
    Group("Chinese", 15, ability=1.0, foreign=0.0, dialect=0.5),
)


@dataclass(frozen=True)
class Row:
    """A simulation: its name, what is counted, and the function of a seed that says whether it happened."""

    name: str
    counted: str
    happens: Callable[[int], bool]


def answers(
    seed: int, groups: tuple[Group, ...], items: list[dict[str, str | None]], **spread: float
) -> Answers:
    """Return the answers of one simulated test."""
    return answers_of(fake_ratings(items, groups, seed, **spread), "native", {})


def covers(
    listeners: int, per_emotion: int, ability: float, people: float, clips: float
) -> Callable[[int], bool]:
    """Return whether the interval of the UAR holds the true recall."""
    items = fake_items(("de",), per_emotion)
    group = (Group("German", listeners, ability=ability),)
    true = expected_recall(Listening(ability=ability, ability_sd=people, item_sd=clips))

    def happens(seed: int) -> bool:
        own = answers(seed, group, items, ability_sd=people, item_sd=clips)
        found = score_group(own, "g", "", "", RESAMPLES, seed).uar
        return found.low <= true <= found.high

    return happens


def biased(score: str) -> Callable[[int], bool]:
    """Return whether the interval of a score of "neutral" holds the true one, of biased listeners."""
    items = fake_items(("de",), 12)
    recall = expected_recall(Listening(ability=1.0, ability_sd=0.5, item_sd=0.8))
    neutral, each = CLASSES - 2, np.array([1.0, 1.0, READILY, 1.0])
    wrong = (1 - np.eye(CLASSES)) * each
    confusion = torch.from_numpy(
        np.eye(CLASSES) * recall + (1 - recall) * wrong / wrong.sum(1, keepdims=True)
    )
    function = {"hu": unbiased_hit_rate, "criterion": criterion}[score]
    true = float(function(confusion * 1e6)[neutral])

    def happens(seed: int) -> bool:
        own = answers(seed, (Group("German", 20, ability=1.0),), items, readily=READILY)
        scores: EmotionScores = score_group(own, "g", "", "", RESAMPLES, seed).emotions[neutral]
        found = getattr(scores, score)
        return bool(found.low <= true <= found.high)

    return happens


def is_found(kind: str, groups: tuple[Group, ...]) -> Callable[[int], bool]:
    """Return whether the first contrast of a kind is significant."""

    def happens(seed: int) -> bool:
        found = contrasts_of(answers(seed, groups, ITEMS), None, RESAMPLES, seed)
        return next(own.p for own in found if own.kind == kind) < 0.05

    return happens


def with_equal_model(seed: int, alike: bool = False) -> tuple[Answers, Model]:
    """Return the answers of listeners, and a model of the same ability.

    Args:
        seed: Of the simulated test.
        alike: Whether it finds the same items hard, or others.
    """
    items = fake_items(("de",), 12)
    true = expected_recall(Listening(ability=1.0, ability_sd=0.5, item_sd=0.8))
    ease = np.random.default_rng(seed).normal(0, 0.8, size=len(items))  # what `fake_ratings` draws first
    names = ("angry", "happy", "neutral", "sad")
    truth = np.array([names.index(str(item["truth"])) for item in items])
    rng = np.random.default_rng(seed + 10_000)
    chance = special.expit(1.0 + ease + rng.normal(0, 0.5, size=len(items))) if alike else true
    said = np.where(rng.random(len(items)) < chance, truth, (truth + 1) % CLASSES)
    each = np.eye(CLASSES)[said]
    rows = {str(item["item"]): row for row, item in enumerate(items)}
    own = answers(seed, (Group("German", 20, ability=1.0),), items)
    return own, Model("m", None, names, rows, truth, each, each)


def equal_model(covering: bool) -> Callable[[int], bool]:
    """Return whether listeners and a model of the same ability differ, or whether the interval holds 0."""

    def happens(seed: int) -> bool:
        shared = shared_with(*with_equal_model(seed))
        assert shared is not None
        difference = paired_estimates(shared, RESAMPLES, seed)[2]
        low, high = difference.interval(bounded=False)
        return bool(low <= 0 <= high) if covering else bool(difference.p < 0.05)

    return happens


@cache
def mixed_model(seed: int, groups: tuple[Group, ...]) -> MixedModel:
    """Return the mixed model of one simulated test of 72 items."""
    (found,) = mixed_models_of(answers(seed, groups, FEW_ITEMS), [], None)
    return found


def mixed(kind: str, groups: tuple[Group, ...], true: float | None = None) -> Callable[[int], bool]:
    """Return whether the first contrast of a mixed model is significant, or its interval holds a value."""

    def happens(seed: int) -> bool:
        own = next((own for own in mixed_model(seed, groups).contrasts if own.kind == kind), None)
        if own is None:
            return False
        return own.p < 0.05 if true is None else own.difference.low <= true <= own.difference.high

    return happens


@cache
def of_equal_model(seed: int, alike: bool) -> Contrast | None:
    """Return what a mixed model says of listeners and a model of the same ability."""
    own, model = with_equal_model(seed, alike)
    found = mixed_models_of(own, [model], None)[1]
    return next((own for own in found.contrasts if own.kind == LISTENERS_MINUS_MODEL), None)


def mixed_model_judge(alike: bool, covering: bool) -> Callable[[int], bool]:
    """Return whether listeners and a model of the same ability differ, or whether the interval holds 0."""

    def happens(seed: int) -> bool:
        found = of_equal_model(seed, alike)
        if found is None:
            return False
        return found.difference.low <= 0 <= found.difference.high if covering else found.p < 0.05

    return happens


def marked(seed: int, listeners: int, recordings: int) -> Segmentation:
    """Return parts that listeners have marked, and a model that marks as well as their mean."""
    talks = fake_recordings(recordings, seed=seed)
    marks = marks_of(fake_marks(talks, [Marker(listeners=listeners, spread=SPREAD)], seed), None, Reference())
    known = {own.item: Known(own.duration, (own.event,)) for own in talks}
    rng = np.random.default_rng(seed + 1)
    # Factors of listeners and recordings, each of mean exp(0.045), make the mean spread of people larger.
    spread = SPREAD * np.exp(0.09)
    found = {own.item: marked_event(own, spread, Marker.missed, Marker.confused, rng) for own in talks}
    model = Labeller("model", {item: (part,) if part else () for item, part in found.items()}, {})
    return Segmentation(marks, Reference({}, known), [model], 0.25, RESAMPLES, seed)


@cache
def mean_eder() -> float:
    """Return the EDER of many listeners on many recordings."""
    study = marked(1_000_000, 60, 600)
    return float(study.against_truth(study.marks).errors[:, 0].mean())


def marks_cover(listeners: int, recordings: int) -> Callable[[int], bool]:
    """Return whether the interval of the EDER of listeners holds the true one."""

    def happens(seed: int) -> bool:
        study = marked(seed, listeners, recordings)
        low, high = study.against_truth(study.marks).estimates()[0].interval()
        return low <= mean_eder() <= high

    return happens


def marks_differ(listeners: int, recordings: int) -> Callable[[int], bool]:
    """Return whether listeners and a model that is as good are called different."""

    def happens(seed: int) -> bool:
        found = people_and_models(marked(seed, listeners, recordings))
        return found is not None and found.difference.p < 0.05

    return happens


def watched(two: bool, ability: float, spread: float, these_items: bool = False) -> Callable[[int], bool]:
    """Return whether an interval misses the truth at any time, looked at after each of 60 listeners.

    Args:
        two: Whether the difference of two groups that are equal is watched, or a UAR.
        ability: Mean log-odds of a right answer.
        spread: Standard deviation between listeners.
        these_items: Whether the truth is that of these items.
    """
    between = ("a", "b") if two else None
    options = MonitorOptions(groups="g" if two else None, between=between, these_items=these_items)
    per_emotion, people = 12, 60
    truth = np.repeat(np.arange(CLASSES), per_emotion)
    names = pd.Index([f"u{index}" for index in range(len(truth))])
    emotions = pd.Series(truth, index=names)

    def happens(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        ease = rng.normal(0, 0.8, len(truth))
        log_odds = [ability + rng.normal(0, spread, (people, 1)) + ease for _ in range(1 + two)]
        right = [(rng.random(own.shape) < special.expit(own)).astype(float) for own in log_odds]
        if two:
            true = 0.0
        elif these_items:
            true = float(marginal_probability(ability + ease, spread).mean())
        else:
            true = expected_recall(Listening(ability=ability, ability_sd=spread, item_sd=0.8))
        for count in range(3, people + 1):
            heard = tuple(
                Heard(
                    own[:count].mean(axis=1),
                    pd.Series(own[:count].mean(axis=0), index=names),
                    pd.Series(own[:count].var(axis=0, ddof=1) / count, index=names),
                    emotions,
                )
                for own in right
            )
            found = verdict(Question("", heard, two), options)
            if found.low == found.low and not found.low <= true <= found.high:
                return True
        return False

    return happens


PLANTED = (
    Group("German", 15, ability=1.0, foreign=0.0, dialect=1.0),
    Group("Chinese", 15, ability=1.0, foreign=0.0, dialect=0.5),
)


def promised() -> float:
    """Return the power that `sercl listen power` promises for the dialect of `PLANTED`."""
    spread = float(np.hypot(0.5, 0.8))
    uars = [float(marginal_probability(1.0 - cost, spread)) for cost in (1.0, 0.5)]
    options = PowerOptions(
        test="dialect-by-group",
        difference=uars[1] - uars[0],
        uar=uars[1],
        listeners=(15,),
        items=(48,),
        simulations=10_000,
        spread=Spread(listener=0.5, item=0.8, speaker=0.0, item_by_judge=0.0, listener_by_items=0.0),
    )
    return find_power(options).cells[0].power


ROWS = (
    Row("UAR, 20 listeners, 48 items", "covered", covers(20, 12, 1.0, 0.5, 0.8)),
    Row("UAR, 10 listeners, 48 items", "covered", covers(10, 12, 1.0, 0.8, 0.5)),
    Row("UAR, 40 listeners, 20 items", "covered", covers(40, 5, 0.5, 0.3, 1.2)),
    Row("UAR, 20 listeners, nothing but chance", "covered", covers(20, 12, 1.0, 0.0, 0.0)),
    Row("UAR near the ceiling", "covered", covers(20, 12, 3.0, 0.5, 0.8)),
    Row("Hu of an answer that is given too readily", "covered", biased("hu")),
    Row("criterion of the same", "covered", biased("criterion")),
    Row("listeners minus a model that is as good", "found", equal_model(False)),
    Row("the same", "covered", equal_model(True)),
    Row("two groups that are equally good", "found", is_found(GROUPS, ALIKE)),
    Row("native advantage that is not there", "found", is_found(NATIVE, ALIKE)),
    Row("dialect that costs both groups the same", "found", is_found(DIALECT_BY_GROUP, ALIKE)),
    Row(
        "dialect that costs one group 1 log-odds more",
        "found (planted)",
        is_found(
            DIALECT_BY_GROUP,
            (
                Group("German", 15, ability=1.0, foreign=0.0, dialect=1.5),
                Group("Chinese", 15, ability=1.0, foreign=0.0, dialect=0.5),
            ),
        ),
    ),
    Row(
        "dialect that costs one group 0.5 log-odds more",
        "found (planted)",
        is_found(DIALECT_BY_GROUP, PLANTED),
    ),
    Row("mixed model: two groups that are equally good", "found", mixed(GROUPS, ALIKE)),
    Row("mixed model: native advantage that is not there", "found", mixed(NATIVE, ALIKE)),
    Row("mixed model: dialect that costs both groups the same", "found", mixed(DIALECT_BY_GROUP, ALIKE)),
    Row("mixed model: listeners and a model that is as good", "found", mixed_model_judge(False, False)),
    Row("mixed model: the same difference of 0", "covered", mixed_model_judge(False, True)),
    Row("mixed model: a model with the same hard items", "found", mixed_model_judge(True, False)),
    Row("mixed model: the same difference of 0", "covered", mixed_model_judge(True, True)),
    Row("mixed model: a dialect's 0.5 log-odds", "covered", mixed(DIALECT_BY_GROUP, PLANTED, -0.5)),
    Row("mixed model: the same", "found (planted)", mixed(DIALECT_BY_GROUP, PLANTED)),
    Row("marks: EDER, 12 listeners, 36 recordings", "covered", marks_cover(12, 36)),
    Row("marks: EDER, 8 listeners, 16 recordings", "covered", marks_cover(8, 16)),
    Row("marks: listeners minus a model as good, 12 and 36", "found", marks_differ(12, 36)),
    Row("marks: listeners minus a model as good, 8 and 16", "found", marks_differ(8, 16)),
    Row("monitor: UAR, after each of 60 listeners", "ever missed", watched(False, 1.0, 0.5)),
    Row("monitor: UAR of these items", "ever missed", watched(False, 1.0, 0.5, True)),
    Row("monitor: UAR near the ceiling", "ever missed", watched(False, 3.0, 0.5)),
    Row("monitor: UAR of these items near the ceiling", "ever missed", watched(False, 3.0, 0.5, True)),
    Row("monitor: these items, listeners twice as different", "ever missed", watched(False, 1.0, 1.0, True)),
    Row("monitor: two groups that are equally good", "ever found", watched(True, 1.0, 0.5)),
    Row("monitor: the same on these items", "ever found", watched(True, 1.0, 0.5, True)),
)


def main() -> None:
    """Print a row per simulation."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=1000, help="simulated listening tests per row")
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--rows", default="", help="only rows with this text in their name")
    options = parser.parse_args()
    print(f"| simulation | counted | of {options.studies} tests, % | 95 % interval |")
    print("|---|---|---:|---:|")
    for row in (row for row in ROWS if options.rows in row.name):
        count = sum(row.happens(options.seed + index) for index in range(options.studies))
        ends = stats.binomtest(count, options.studies).proportion_ci(method="wilson")
        share = 100 * count / options.studies
        print(
            f"| {row.name} | {row.counted} | {share:.1f} | {100 * ends.low:.1f} to {100 * ends.high:.1f} |",
            flush=True,
        )
    print(f"\nPower promised for the dialect that costs 0.5 log-odds more: {100 * promised():.1f} %")


if __name__ == "__main__":
    main()
