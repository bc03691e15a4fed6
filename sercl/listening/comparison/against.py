"""A group of listeners against a model, on the items that both answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from sercl.listening.comparison.answers import (
    Answers,
    Equivalence,
    Measure,
    equivalence_within,
    measured,
    normal_measure,
)
from sercl.listening.comparison.models import Model
from sercl.metrics.functional.agreement import jackknife_error
from sercl.metrics.functional.comparison import holm
from sercl.metrics.functional.crossed import Estimate, SumStatistic, crossed_estimates
from sercl.metrics.functional.error_consistency import consistency_between, error_consistency
from sercl.metrics.functional.majority import held_out_log_loss, listeners_needed, majority_is_right
from sercl.metrics.functional.soft_labels import (
    confusion_similarity,
    cross_entropy,
    difficulty_correlation,
    exchange_test,
    jensen_shannon,
    noise_ceiling,
)

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

MOST_LISTENERS = 15
"""Largest majority."""
FEW_VOTES = 5
"""Percentage of items that may have fewer votes than the largest majority; they are left out of it."""
DRAWS = 200
"""Draws of listeners and items for majorities, ceilings and soft labels."""
HALVES, FEWER_HALVES = 50, 5
"""Random halves of the votes for a reliability, and for its interval."""


@dataclass(frozen=True)
class Worth:
    """How many listeners a model is worth.

    Attributes:
        sizes: Numbers of listeners.
        majority: UAR of the majority of each number; or minus their log-loss.
        model: The model's score on the same scale.
        listeners: The number, interpolated; infinite (null in JSON) if it exceeds the largest.
        low: Lower end of its interval.
        high: Upper end.
        most: The largest number that was tried.
    """

    sizes: tuple[int, ...]
    majority: tuple[float, ...]
    model: float
    listeners: float
    low: float
    high: float
    most: int


@dataclass(frozen=True)
class Similarity:
    """How alike the confusions of listeners and model are: 1 - Jensen-Shannon divergence of the rows.

    Attributes:
        value: Of the model and the group.
        to_listeners: Mean over listeners of the model and each, to be compared with the ceiling.
        ceiling: Lower and upper limit of what a perfect model of the group would reach; None where single
            listeners are not known.
        p: Of the test that renames classes: whether the pattern of errors alone is alike.
        smallest: Its smallest possible value.
    """

    value: float
    to_listeners: float
    ceiling: tuple[Measure, Measure] | None
    p: float
    smallest: float


@dataclass(frozen=True)
class SoftLabels:
    """Votes against probabilities.

    Attributes:
        divergence: Mean Jensen-Shannon divergence of votes and probabilities, 0 equal to 1.
        cross_entropy: Of the probabilities against the votes, in nats.
        held_out: The same of all listeners but one against that one: what a model of the votes could reach.
    """

    divergence: Measure
    cross_entropy: Measure
    held_out: float


@dataclass(frozen=True)
class AgainstModel:
    """A group against a model.

    Attributes:
        group: The group.
        model: The model.
        listeners: Number of listeners, 0 where single ones are not known.
        items: Items that both answered.
        contradicting: Items left out, since the two name different emotions as the truth.
        people: UAR of the listeners.
        machine: UAR of the model, each item weighted by the answers to it.
        difference: UAR of the listeners minus that of the model.
        p: Of the test that they are equal.
        p_holm: Corrected for all groups and models.
        equivalence: Whether they are equal within the margin.
        emotions: Emotion -> difference of recall.
        consistency: Error consistency of listeners and model.
        between: Error consistency between listeners; None where single ones are not known.
        difficulty: Rank correlation of how hard items are for listeners and for the model, within emotions.
        difficulty_all: The same over all items.
        difficulty_ceiling: What a perfect model could reach with so few listeners.
        similarity: Of confusions; None where wrong answers are not known.
        worth: By the UAR of majorities; None where wrong answers are not known.
        worth_by_loss: By log-loss; None without probabilities.
        soft: None without probabilities, or where wrong answers are not known.
    """

    group: str
    model: str
    listeners: int
    items: int
    contradicting: int
    people: Measure
    machine: Measure
    difference: Measure
    p: float
    p_holm: float
    equivalence: Equivalence
    emotions: dict[str, Measure]
    consistency: Measure
    between: float | None
    difficulty: Measure
    difficulty_all: Measure
    difficulty_ceiling: Measure
    similarity: Similarity | None
    worth: Worth | None
    worth_by_loss: Worth | None
    soft: SoftLabels | None


@dataclass(frozen=True)
class Shared:
    """The answers to items that a model was tested on.

    Attributes:
        answers: The answers.
        predicted: `[rows, columns]` share of the repeats that predict each answer.
        probabilities: `[items, columns]`.
        contradicting: Items left out, since the two name different emotions as the truth.
    """

    answers: Answers
    model: Model
    contradicting: int

    @cached_property
    def rows(self) -> Indices:
        """`[items]` row of the model's arrays."""
        return self.model.rows(self.answers.item[1])

    def of_columns(self, values: Floats) -> Floats:
        """Return values of the model's classes in the order of the answers, `[items, columns]`."""
        found = np.zeros((len(self.rows), len(self.answers.columns)))
        for index, name in enumerate(self.model.classes):
            if name in self.answers.columns:
                found[:, self.answers.columns.index(name)] = values[self.rows, index]
        return found

    @cached_property
    def right(self) -> Floats:
        """`[items]` share of the repeats that are right."""
        predicted = self.of_columns(self.model.predicted)
        return np.asarray(predicted[np.arange(len(predicted)), self.answers.item_truth])


def shared_with(answers: Answers, model: Model) -> Shared | None:
    """Return the answers to items that a model was tested on with the same truth; None without any."""
    rows = model.rows(answers.frame["item"])
    names = np.array([*model.classes, ""], dtype=object)
    theirs = names[np.where(rows >= 0, model.truth[rows], -1)]
    ours = np.array(answers.classes, dtype=object)[answers.truth]
    kept = theirs == ours
    contradicting = answers.frame["item"][(rows >= 0) & ~kept].nunique()
    return Shared(answers.where(kept), model, int(contradicting)) if kept.any() else None


def against_model(
    shared: Shared,
    group: str,
    margin: float,
    resamples: int,
    seed: int,
    majorities: "Majorities | None",
    ceilings: "Ceilings",
) -> AgainstModel:
    """Compare the answers of a group with a model; `p_holm` is still p.

    Args:
        shared: The answers.
        group: Name of the group.
        margin: Of equivalence, in shares of UAR.
        resamples: Number of bootstrap samples.
        seed: Makes the result repeatable.
        majorities: Of the group; None where wrong answers are not known.
        ceilings: Of the group.
    """
    own = shared.answers
    people, machine, difference, consistency, *emotions = paired_estimates(shared, resamples, seed)
    only = own.votes_only
    ranks = _difficulty(shared, seed)
    has_errors = not own.rates_only
    has_probabilities = has_errors and not np.isnan(shared.model.probabilities[shared.rows]).any()
    return AgainstModel(
        group=group,
        model=shared.model.name,
        listeners=own.listeners,
        items=own.items,
        contradicting=shared.contradicting,
        people=measured(people, votes_only=only),
        machine=measured(machine, votes_only=only),
        difference=measured(difference, False, only),
        p=difference.p,
        p_holm=difference.p,
        equivalence=equivalence_within(difference, margin),
        emotions={
            name: measured(each, False, only)
            for index, (name, each) in enumerate(zip(own.classes, emotions, strict=True))
            if (own.truth == index).any()
        },
        consistency=measured(consistency, False, only),
        between=None if only else _between(own),
        difficulty=ranks[0],
        difficulty_all=ranks[1],
        difficulty_ceiling=ceilings.of_difficulty(own),
        similarity=_similarity(shared, ceilings) if has_errors else None,
        worth=majorities.worth(shared) if majorities else None,
        worth_by_loss=majorities.worth_by_loss(shared) if majorities and has_probabilities else None,
        soft=_soft(shared, seed) if has_probabilities else None,
    )


def paired_estimates(shared: Shared, resamples: int, seed: int) -> list[Estimate]:
    """Return UAR of listeners and model, their difference, error consistency, then differences of recall."""
    own = shared.answers
    return crossed_estimates(own.design(), _values(shared), _statistic(len(own.classes)), resamples, seed)


def _values(shared: Shared) -> Floats:
    """Return `[rows, 3 * classes + 4]`: hits of listeners, of the model, answers; errors of both."""
    own = shared.answers
    classes = np.eye(len(own.classes))[own.truth] * own.weight[:, None]
    hit, machine = own.answer == own.truth, shared.right[own.item[0]]
    both = np.stack(
        [(1 - hit) * (1 - machine), (1 - hit) * machine, hit * (1 - machine), hit * machine], axis=1
    )
    parts = (classes * hit[:, None], classes * machine[:, None], classes, both * own.weight[:, None])
    return np.concatenate(parts, axis=1)


def _statistic(classes: int) -> SumStatistic:
    def scores(sums: Tensor) -> Tensor:
        people, machine, every = (sums[..., part * classes : (part + 1) * classes] for part in range(3))
        ours, theirs = people / every, machine / every
        means = ours.nanmean(-1), theirs.nanmean(-1)
        kappa = error_consistency(sums[..., 3 * classes :].reshape(*sums.shape[:-1], 2, 2))
        return torch.cat([torch.stack([*means, means[0] - means[1], kappa], dim=-1), ours - theirs], dim=-1)

    return scores


def _between(own: Answers) -> float | None:
    answers, truth = own.by_listener(), own.item_truth
    right = ((answers == truth) & (answers >= 0)).sum(axis=0)
    given = (answers >= 0).sum(axis=0)
    value = consistency_between(np.stack([given - right, right], axis=1))
    return None if np.isnan(value) else value


def _wrong(votes: Indices, truth: Indices) -> Floats:
    sizes = np.maximum(votes.sum(axis=1), 1)
    return np.asarray(1 - votes[np.arange(len(votes)), truth] / sizes)


def _difficulty(shared: Shared, seed: int) -> tuple[Measure, Measure]:
    own, truth = shared.answers, shared.answers.item_truth
    probabilities = shared.of_columns(shared.model.probabilities)[np.arange(own.items), truth]
    hard = 1 - (shared.right if np.isnan(probabilities).any() else probabilities)
    found = []
    for groups in (truth, np.zeros_like(truth)):

        def score(votes: Indices, items: Indices, groups: Indices = groups) -> float:
            return difficulty_correlation(_wrong(votes, truth)[items], hard[items], groups[items])

        found.append(_over_items(own, score, seed))
    return found[0], found[1]


def _over_items(own: Answers, score: Callable[[Indices, Indices], float], seed: int) -> Measure:
    """Return a score of votes and items: items are drawn, listeners left out in turn."""
    votes, every = own.votes(), np.arange(own.items)
    rng = np.random.default_rng(seed)
    draws = np.array([score(votes, own.drawn_items(rng)) for _ in range(DRAWS)])
    parts = [float(np.nanstd(draws))] if not np.isnan(draws).all() else []
    answers = own.by_listener()
    if len(answers) > 1:
        fewer = [score(votes - _of_one(given, votes.shape), every) for given in answers]
        parts.append(jackknife_error(np.array(fewer)))
    error = float(np.sqrt(np.nansum(np.square(parts)))) if parts else float("nan")
    return normal_measure(score(votes, every), error, own.listeners, own.units)


def _of_one(answers: Indices, shape: tuple[int, ...]) -> Indices:
    counts = np.zeros(shape, dtype=np.int64)
    given = np.flatnonzero(answers >= 0)
    counts[given, answers[given]] = 1
    return counts


class Ceilings:
    """What a perfect model of a group's listeners could reach, computed once for each set of items.

    Args:
        seed: Makes the intervals repeatable.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._difficulty: dict[tuple[object, ...], Measure] = {}
        self._confusions: dict[tuple[object, ...], tuple[Measure, Measure]] = {}

    def of_difficulty(self, own: Answers) -> Measure:
        """Return the highest rank correlation of difficulties."""
        items = tuple(own.item[1])
        if items not in self._difficulty:
            self._difficulty[items] = _difficulty_ceiling(own, self._seed)
        return self._difficulty[items]

    def of_confusions(self, own: Answers) -> tuple[Measure, Measure]:
        """Return the lower and the upper limit of the similarity of confusions."""
        items = tuple(own.item[1])
        if items not in self._confusions:
            self._confusions[items] = _confusion_ceiling(own, self._seed)
        return self._confusions[items]


def _difficulty_ceiling(own: Answers, seed: int) -> Measure:
    """Return the square root of the reliability of difficulties, from random halves of the votes."""
    truth, rng = own.item_truth, np.random.default_rng(seed)

    def score(votes: Indices, items: Indices) -> float:
        return _reliability(votes[items], truth[items], FEWER_HALVES, rng)

    found = _over_items(own, score, seed)
    value = _reliability(own.votes(), truth, HALVES, np.random.default_rng(seed))
    half = (found.high - found.low) / 2
    return _within_0_and_1(replace(found, value=value, low=value - half, high=value + half))


def _within_0_and_1(own: Measure) -> Measure:
    return replace(own, low=float(np.maximum(own.low, 0)), high=float(np.minimum(own.high, 1)))


def _reliability(votes: Indices, truth: Indices, halves_of: int, rng: np.random.Generator) -> float:
    right = votes[np.arange(len(votes)), truth]
    sizes = votes.sum(axis=1)
    if (sizes < 2).all():
        return float("nan")
    halves = []
    for _ in range(halves_of):
        first = rng.hypergeometric(right, sizes - right, np.maximum(sizes // 2, 1))
        one, two = first / np.maximum(sizes // 2, 1), (right - first) / np.maximum(sizes - sizes // 2, 1)
        halves.append(difficulty_correlation(one, two, truth))
    half = float(np.nanmean(halves)) if not np.isnan(halves).all() else float("nan")
    reliability = 2 * max(half, 0.0) / (1 + max(half, 0.0)) if half == half else half  # Spearman-Brown
    return float(np.sqrt(reliability))


def _similarity(shared: Shared, ceilings: "Ceilings") -> Similarity:
    own = shared.answers
    classes = len(own.classes)
    machine = np.zeros((classes, len(own.columns)))
    np.add.at(machine, own.item_truth, shared.of_columns(shared.model.predicted))
    people = own.confusion()
    present = np.unique(own.item_truth)
    test = exchange_test(people[np.ix_(present, present)], machine[np.ix_(present, present)])
    each = _confusions(own)
    to_each = [confusion_similarity(one, machine) for one in each]
    return Similarity(
        value=confusion_similarity(people, machine),
        to_listeners=float(np.mean(to_each)) if to_each else float("nan"),
        ceiling=ceilings.of_confusions(own) if len(each) > 1 else None,
        p=test.p,
        smallest=test.smallest,
    )


def _confusion_ceiling(own: Answers, seed: int) -> tuple[Measure, Measure]:
    """Return the noise ceiling of confusions: items are drawn, listeners left out in turn."""
    rng, each = np.random.default_rng(seed), _confusions(own)
    times = (np.bincount(own.drawn_items(rng), minlength=own.items) for _ in range(DRAWS))
    drawn = np.array([noise_ceiling(_confusions(own, own_times)) for own_times in times])
    fewer = np.array([noise_ceiling(np.delete(each, index, axis=0)) for index in range(len(each))])
    of_people = [jackknife_error(ends) if len(each) > 2 else np.nan for ends in fewer.T]
    errors = np.sqrt(np.nanvar(drawn, axis=0) + np.square(of_people))
    lower, upper = (
        _within_0_and_1(normal_measure(value, float(error), own.listeners, own.units))
        for value, error in zip(noise_ceiling(each), errors, strict=True)
    )
    return lower, upper


def _confusions(own: Answers, times: Indices | None = None) -> Floats:
    """Return a confusion matrix per listener, `[listeners, classes, columns]`; none of votes.

    Args:
        own: The answers.
        times: `[items]` how often each item counts; None for once.
    """
    listener, people = own.listener
    size = 0 if own.votes_only else len(people)
    found = np.zeros((size, len(own.classes), len(own.columns)))
    if size:
        weights = 1 if times is None else times[own.item[0]]
        np.add.at(found, (listener, own.truth, own.answer), weights)
    return found


def _soft(shared: Shared, seed: int) -> SoftLabels:
    own = shared.answers
    inside = [index for index, name in enumerate(own.columns) if name in shared.model.classes]
    probabilities = shared.of_columns(shared.model.probabilities)[:, inside]

    def divergence(votes: Indices, items: Indices) -> float:
        return _nanmean(jensen_shannon(votes[items][:, inside], probabilities[items]))

    def entropy(votes: Indices, items: Indices) -> float:
        return _nanmean(cross_entropy(votes[items][:, inside], probabilities[items]))

    votes = own.votes()[:, inside]
    sizes = np.unique(votes.sum(axis=1))
    losses = np.full(len(votes), np.nan)
    for size in sizes[sizes > 1]:
        same = votes.sum(axis=1) == size
        losses[same] = held_out_log_loss(votes[same], int(size) - 1)
    return SoftLabels(_over_items(own, divergence, seed), _over_items(own, entropy, seed), _nanmean(losses))


def _nanmean(values: Floats) -> float:
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")


class Majorities:
    """Majorities of a group's listeners, drawn once and used for all models.

    Args:
        own: The answers of the group.
        seed: Makes the draws repeatable.
    """

    def __init__(self, own: Answers, seed: int) -> None:
        self.answers, self.seed = own, seed
        self.names = {name: index for index, name in enumerate(own.item[1])}
        given = own.votes().sum(axis=1)
        most = max(1, min(int(np.percentile(given, FEW_VOTES)), MOST_LISTENERS))
        self.sizes = tuple(range(1, most + 1, 2))
        self.enough = given >= self.sizes[-1]
        self._losses: dict[tuple[int, ...], tuple[Floats, Floats]] = {}

    @cached_property
    def drawn(self) -> Indices:
        """`[draws, items, columns]` votes of listeners drawn with replacement; no draws of votes."""
        answers = self.answers.by_listener()
        rng = np.random.default_rng(self.seed)
        draws = DRAWS if len(answers) > 1 else 0
        counts = np.zeros((draws, *self.answers.votes().shape), dtype=np.int64)
        for own in counts:
            chosen = answers[rng.integers(0, len(answers), size=len(answers))]
            person, item = np.nonzero(chosen >= 0)
            np.add.at(own, (item, chosen[person, item]), 1)
        return counts

    @cached_property
    def right(self) -> tuple[Floats, Floats]:
        """`[items, sizes]` probability that each majority is right, and that of every draw."""
        truth = self.answers.item_truth

        def curve(votes: Indices) -> Floats:
            repeated = np.tile(truth, len(votes) // len(truth))
            return np.stack([majority_is_right(votes, repeated, size) for size in self.sizes], axis=1)

        return self._of_draws(curve)

    def loss(self, columns: tuple[int, ...]) -> tuple[Floats, Floats]:
        """Return `[items, sizes - 1]` minus the log-loss of predicting another listener; that of every draw.

        Args:
            columns: The answers that count.
        """
        if columns not in self._losses:

            def curve(votes: Indices) -> Floats:
                own = votes[:, columns]
                return -np.stack([held_out_log_loss(own, size) for size in self.sizes[:-1]], axis=1)

            self._losses[columns] = self._of_draws(curve)
        return self._losses[columns]

    def _of_draws(self, curve: Callable[[Indices], Floats]) -> tuple[Floats, Floats]:
        """Return a function of `[votes, columns]` for the votes, `[items, sizes]`, and for every draw."""
        # Every number of listeners is scored on the same items, those with enough votes for the largest.
        few = np.where(self.enough, 0.0, np.nan)[:, None]
        whole = curve(self.answers.votes()) + few
        draws, columns = self.drawn, self.drawn.shape[-1]
        if not len(draws):
            return whole, np.zeros((0, *whole.shape))
        return whole, curve(draws.reshape(-1, columns)).reshape(len(draws), *whole.shape) + few

    def curve(self) -> dict[int, Measure]:
        """Return number of listeners -> UAR of their majority."""
        found = self._measured(*self.right)
        return {size: _within_0_and_1(own) for size, own in found.items()}

    def loss_curve(self) -> dict[int, Measure]:
        """Return number of listeners -> how badly they predict another one, in nats."""
        every = tuple(range(len(self.answers.columns)))
        if not self.sizes[1:]:
            return {}
        whole, draws = self.loss(every)
        return self._measured(-whole, -draws)

    def _measured(self, whole: Floats, draws: Floats) -> dict[int, Measure]:
        """Return number of listeners -> mean over classes; items are drawn, and listeners as for `worth`."""
        own, every = self.answers, np.arange(self.answers.items)
        rng = np.random.default_rng(self.seed + 2)
        truth = own.item_truth
        items = np.array([_by_class(whole, truth, own.drawn_items(rng)) for _ in range(DRAWS)])
        variance, units = _widened(np.nanvar(items, axis=0), own.units), own.units
        if len(draws):
            people = np.var([_by_class(drawn, truth, every) for drawn in draws], axis=0)
            variance, units = variance + _widened(people, own.listeners), min(units, own.listeners)
        half = stats.t.ppf(0.975, max(units - 1, 1)) * np.sqrt(variance)
        return {
            size: Measure(float(value), float(value - ends), float(value + ends), own.listeners, own.units)
            for size, value, ends in zip(self.sizes, _by_class(whole, truth, every), half, strict=False)
        }

    def worth(self, shared: Shared) -> Worth:
        """Return the number of listeners whose majority has the model's UAR."""
        return self._worth(shared, *self.right, shared.right[:, None])

    def worth_by_loss(self, shared: Shared) -> Worth | None:
        """Return the number of listeners who predict another as well as the model does, by log-loss."""
        inside = tuple(
            index for index, name in enumerate(self.answers.columns) if name in shared.model.classes
        )
        if not self.sizes[1:]:
            return None
        probabilities = shared.of_columns(shared.model.probabilities)[:, inside]
        machine = -cross_entropy(shared.answers.votes()[:, inside], probabilities)[:, None]
        return self._worth(shared, *self.loss(inside), machine)

    def _worth(self, shared: Shared, whole: Floats, draws: Floats, machine: Floats) -> Worth:
        sizes = self.sizes[: whole.shape[1]]
        rows = np.array([self.names[name] for name in shared.answers.item[1]])
        truth = shared.answers.item_truth
        lacking = np.where(np.isnan(whole[rows]).any(axis=1), np.nan, 0.0)[:, None]
        machine = machine + lacking
        rng = np.random.default_rng(self.seed + 1)

        def needed(people: Floats, items: Indices) -> float:
            score = float(_by_class(machine, truth, items)[0])
            curve = _by_class(people[rows] + lacking, truth, items)
            return listeners_needed(curve.tolist(), sizes, score)

        drawn = [
            needed(people, shared.answers.drawn_items(rng))
            for people in (draws if len(draws) else [whole] * DRAWS)
        ]
        ends = np.nanpercentile(drawn, [2.5, 97.5], method="nearest")
        every = np.arange(len(truth))
        values = _by_class(whole[rows] + lacking, truth, every)
        return Worth(
            sizes=sizes,
            majority=tuple(values.tolist()),
            model=float(_by_class(machine, truth, every)[0]),
            listeners=needed(whole, every),
            low=float(ends[0]),
            high=float(ends[1]),
            most=sizes[-1],
        )


def _widened(variance: Floats, units: int) -> Floats:
    """Return a bootstrap variance without its bias for few units."""
    return variance * units / max(units - 1, 1)


def _by_class(values: Floats, truth: Indices, items: Indices) -> Floats:
    """Return the mean over classes of the mean over items, `[columns]`."""
    chosen, classes = values[items], truth[items]
    known = ~np.isnan(chosen)
    with np.errstate(invalid="ignore"):
        means = [
            np.nansum(chosen[own], axis=0) / known[own].sum(axis=0)
            for own in (classes == name for name in np.unique(classes))
        ]
    return np.asarray(np.mean(means, axis=0))


def with_holm(rows: Sequence[AgainstModel]) -> tuple[AgainstModel, ...]:
    """Return the comparisons with p-values corrected for their number."""
    corrected = holm({index: own.p for index, own in enumerate(rows)})
    return tuple(replace(own, p_holm=corrected[index]) for index, own in enumerate(rows))
