"""How many listeners and items a listening test needs, by simulation.

Listeners, items and answers are those of the mixed logistic model of `comparison.mixed`: the log-odds of a
right answer are those of the listeners' group and of the kind of items, plus normal effects of the listener,
the item, its speaker, of the item for the group, and of the listener for the kind of items. Each simulated
test is analysed by the test of `sercl listen compare`: the difference in UAR over listeners and items
(`metrics.functional.crossed`). Of listeners who hear equally many items of each emotion, the difference is a
sum over answers, so that its bootstrap variances need no drawing, and whole blocks of tests are analysed at
once.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from sercl.errors import UsageError
from sercl.metrics.functional.clusters import MIN_SPEAKERS
from sercl.metrics.functional.crossed import Crossed, single_answers, standard_errors, summed
from sercl.metrics.functional.mixed_logistic import log_odds_of

GROUPS, NATIVE, DIALECT, DIALECT_BY_GROUP, MODEL, EQUIVALENCE = (
    "groups", "native", "dialect", "dialect-by-group", "model", "equivalence",
)  # fmt: skip

CLASSES = 4
"""Emotions; items are as many of each."""

_CELLS = 4_000_000
"""Answers that are simulated at once."""

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Spread:
    """How much listeners and items differ: standard deviations in log-odds.

    The defaults of items and speakers are those of the published votes on EMO-DB (0.98, 0.50) and CREMA-D
    (1.04, 0.43), see docs/listening.md. Single listeners were not published: the others are assumptions,
    which a pilot replaces.

    Args:
        listener: Between listeners of a group.
        item: Between items of a speaker.
        speaker: Between speakers.
        item_by_judge: How differently hard an item is for two groups.
        listener_by_items: How differently listeners of a group respond to a language or dialect.
    """

    listener: float = 0.5
    item: float = 1.0
    speaker: float = 0.45
    item_by_judge: float = 0.3
    listener_by_items: float = 0.2

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 <= value <= 10:
                raise UsageError(
                    f"--spread.{name} {value}: a standard deviation in log-odds, 0 to 10, is needed."
                )

    @property
    def total(self) -> float:
        """Standard deviation of the log-odds of an answer."""
        return float(np.sqrt(sum(value**2 for value in asdict(self).values())))


@dataclass(frozen=True)
class PowerOptions:
    """What a listening test should find.

    Args:
        test: What is compared: `groups`, `native` advantage, `dialect`, `dialect-by-group`, listeners and
            `model`, or their `equivalence`. Two groups on the same items; two groups on the items of both
            languages; one group on standard and dialect; what the dialect costs one group more than another.
        difference: The true difference, in shares of UAR; 0 shows how often nothing is found. By default
            0.1, and 0 for equivalence.
        uar: UAR of the better side, by default 0.7, or that of the pilot.
        margin: Margin of equivalence, by default 0.05.
        listeners: Numbers of listeners, in each group.
        items: Numbers of items, of each language or dialect; multiples of 4 emotions.
        heard: How many of these each listener hears, chosen at random; a multiple of 4, by default all.
        units: What the test generalises to, beside listeners: `items` of the same speakers, or `speakers`.
        speakers: Number of speakers of each language or dialect, with `--units speakers`.
        alpha: Level of the test; 0.05 / n is that of the smallest p of n with Holm's correction.
        power: Wanted power.
        simulations: Simulated tests for each number of listeners and items.
        seed: Makes the result repeatable.
        spread: How much listeners and items differ.
    """

    test: Literal["groups", "native", "dialect", "dialect-by-group", "model", "equivalence"] = "groups"
    difference: float | None = None
    uar: float | None = None
    margin: float | None = None
    listeners: tuple[int, ...] = (10, 15, 20, 30, 40, 60)
    items: tuple[int, ...] = (24, 48, 72, 96, 144)
    heard: int | None = None
    units: Literal["items", "speakers"] = "items"
    speakers: int | None = None
    alpha: float = 0.05
    power: float = 0.8
    simulations: int = 1000
    seed: int = 0
    spread: Spread = Spread()

    def __post_init__(self) -> None:
        _check_options(self)

    @property
    def true_difference(self) -> float:
        """The difference, or its default."""
        return (0.0 if self.test == EQUIVALENCE else 0.1) if self.difference is None else self.difference

    @property
    def better_uar(self) -> float:
        """The UAR of the better side, or its default."""
        return 0.7 if self.uar is None else self.uar

    @property
    def equal_within(self) -> float:
        """The margin of equivalence, or its default."""
        return 0.05 if self.margin is None else self.margin


def _check_options(own: PowerOptions) -> None:
    if own.margin is not None and own.test != EQUIVALENCE:
        raise UsageError(
            f"--margin: has no effect on --test {own.test}. Give --test equivalence, or leave it out."
        )
    if (own.speakers is None) == (own.units == "speakers"):
        raise UsageError(
            "--speakers: is needed with --units speakers, and has no effect without. With --units items, "
            "differences between speakers are part of those between items."
        )
    if own.speakers is not None and own.speakers < MIN_SPEAKERS:
        raise UsageError(f"--speakers {own.speakers}: `listen compare` needs at least {MIN_SPEAKERS}.")
    _check_sizes(own)
    for name, value, low, high in (
        ("difference", own.true_difference, 0.0, 1.0), ("margin", own.equal_within, 1e-9, 1.0),
        ("alpha", own.alpha, 1e-9, 0.5), ("power", own.power, 1e-9, 1.0),
    ):  # fmt: skip
        if not low <= value < high:
            raise UsageError(f"--{name} {value}: a number from {low:g} to below {high:g} is needed.")


def _check_sizes(own: PowerOptions) -> None:
    few = min(own.listeners, default=0)
    if few < 2:
        raise UsageError(f"--listeners {few}: at least 2 in each group are needed.")
    wrong = [size for size in own.items if size < 2 * CLASSES or size % CLASSES]
    if wrong or not own.items:
        raise UsageError(
            f"--items {wrong[0] if wrong else '[]'}: as many of each of {CLASSES} emotions are needed, at "
            "least 2: 8, 12, 16 and so on."
        )
    if own.heard is not None and (own.heard < 2 * CLASSES or own.heard % CLASSES):
        raise UsageError(
            f"--heard {own.heard}: as many of each of {CLASSES} emotions, at least 2, are needed."
        )
    if own.heard is not None and own.heard > min(own.items):
        raise UsageError(f"--heard {own.heard}: more than the {min(own.items)} items.")
    if own.speakers is not None and min(own.items) < own.speakers:
        raise UsageError(f"--speakers {own.speakers}: more than the {min(own.items)} items.")
    if own.simulations < 100:
        raise UsageError(f"--simulations {own.simulations}: at least 100 are needed.")


@dataclass(frozen=True)
class Design:
    """What is compared.

    Attributes:
        weights: `[groups, kinds of items]` weight of each UAR in the difference.
        recalls: `[groups, kinds of items]` true UARs.
        machine: True UAR of a model, which is subtracted; None without one.
    """

    weights: Floats
    recalls: Floats
    machine: float | None = None


def design_of(options: PowerOptions) -> Design:
    """Return what is compared.

    Raises:
        UsageError: For a UAR that leaves no room for the difference.
    """
    uar = options.better_uar
    lower = uar - options.true_difference
    if not 0 < lower <= uar < 1:
        raise UsageError(
            f"--uar {uar:g} --difference {options.true_difference:g}: UAR and UAR less the difference must "
            "lie between 0 and 1."
        )
    half = np.array([[1.0, -1.0], [-1.0, 1.0]]) / 2
    designs = {
        GROUPS: Design(np.array([[1.0], [-1.0]]), np.array([[uar], [lower]])),
        NATIVE: Design(half, np.array([[uar, lower], [lower, uar]])),
        DIALECT: Design(np.array([[1.0, -1.0]]), np.array([[uar, lower]])),
        DIALECT_BY_GROUP: Design(2 * half, np.array([[uar, lower], [uar, uar]])),
    }
    return designs.get(options.test, Design(np.ones((1, 1)), np.array([[uar]]), lower))


@dataclass(frozen=True)
class PowerCell:
    """A number of listeners and items.

    Attributes:
        listeners: In each group.
        items: Of each language or dialect.
        power: Share of simulated tests that find the difference, or the equivalence.
        low: Lower end of its 95 % interval (Wilson), from the number of simulations.
        high: Upper end.
    """

    listeners: int
    items: int
    power: float
    low: float
    high: float


@dataclass(frozen=True)
class Power:
    """The result of `find_power`.

    Attributes:
        options: As given.
        cells: A row per number of listeners and items.
        smallest: The wanted power with the fewest answers; None if no number reaches it.
    """

    options: PowerOptions
    cells: tuple[PowerCell, ...]
    smallest: PowerCell | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def find_power(options: PowerOptions, on_progress: Progress = lambda steps: None) -> Power:
    """Simulate listening tests of each size.

    Args:
        options: What is compared.
        on_progress: Called with the number of sizes that are done.

    Raises:
        UsageError: For a UAR that leaves no room for the difference.
    """
    design = design_of(options)
    cells = []
    for listeners, items in product(options.listeners, options.items):
        found = int(sum(block.sum() for block in _blocks(options, design, listeners, items)))
        ends = stats.binomtest(found, options.simulations).proportion_ci(method="wilson")
        cells.append(
            PowerCell(listeners, items, found / options.simulations, float(ends.low), float(ends.high))
        )
        on_progress(1)
    enough = [cell for cell in cells if cell.power >= options.power]
    answers = {cell: cell.listeners * (options.heard or cell.items) for cell in enough}
    smallest = min(enough, key=lambda cell: (answers[cell], cell.listeners, cell.items), default=None)
    return Power(options, tuple(cells), smallest)


def _blocks(options: PowerOptions, design: Design, listeners: int, items: int) -> Iterator[Bools]:
    """Yield whether simulated tests find what they should, `[simulations]` of each block."""
    rng = np.random.default_rng([options.seed, listeners, items])
    most = max(1, _CELLS // (design.weights.size * listeners * items))
    left = options.simulations
    while left:
        size = min(left, most)
        tests = simulate(design, options.spread, size, listeners, items, options.speakers, rng, options.heard)
        difference, error, df = analyse(tests, design, options.speakers)
        yield _found(options, difference, error, df)
        left -= size


def _found(options: PowerOptions, difference: Floats, error: Floats, df: Floats) -> Bools:
    with np.errstate(invalid="ignore", divide="ignore"):
        if options.test == EQUIVALENCE:
            return np.asarray(
                stats.t.sf((options.equal_within - np.abs(difference)) / error, df) < options.alpha
            )
        return np.asarray(2 * stats.t.sf(np.abs(difference) / error, df) < options.alpha)


@dataclass(frozen=True)
class Tests:
    """Simulated tests; emotions of the items in turn.

    Attributes:
        heard: `[groups, listeners, items]` whether each listener hears each item, of every kind; equally
            many of each emotion.
        right: `[simulations, groups, kinds of items, listeners, items]` whether each answer is right.
        machine: `[simulations, items]` whether the model is right; None without one.
    """

    __test__ = False

    heard: Bools
    right: Bools
    machine: Bools | None = field(default=None)


def simulate(
    design: Design, spread: Spread, size: int, listeners: int, items: int, speakers: int | None,
    rng: np.random.Generator, heard: int | None = None,
) -> Tests:  # fmt: skip
    """Return simulated tests.

    Args:
        design: True UARs.
        spread: How much listeners and items differ.
        size: Number of tests.
        listeners: In each group.
        items: Of each kind.
        speakers: Of each kind; None if speakers are part of what items differ in.
        rng: Source of randomness.
        heard: Items of each kind that a listener hears; None for all.
    """
    groups, kinds = design.recalls.shape
    voice = np.arange(items) if speakers is None else (np.arange(items) // CLASSES) % speakers

    def effects(deviation: float, *shape: int) -> NDArray[np.float32]:
        return rng.standard_normal((size, *shape), dtype=np.float32) * np.float32(deviation)

    def of_items(*shape: int) -> NDArray[np.float32]:
        voices = effects(spread.speaker, *shape, int(voice.max()) + 1)[..., voice]
        return voices + effects(spread.item, *shape, items)

    ease = of_items(1, kinds, 1) + effects(spread.item_by_judge, groups, kinds, 1, items)
    people = effects(spread.listener, groups, 1, listeners, 1)
    people = people + effects(spread.listener_by_items, groups, kinds, listeners, 1)
    means = [log_odds_of(float(own), spread.total) for own in design.recalls.ravel()]
    log_odds = np.array(means, np.float32).reshape(groups, kinds, 1, 1) + people + ease
    right = rng.random(log_odds.shape, dtype=np.float32) < special.expit(log_odds)
    lists = np.ones((groups, listeners, items), dtype=bool) if heard is None else _dealt(
        rng, groups, listeners, items, heard
    )  # fmt: skip
    if design.machine is None:
        return Tests(lists, right)
    deviation = float(np.hypot(np.hypot(spread.item, spread.speaker), spread.item_by_judge))
    # A model finds other items hard than listeners do (EMO-DB: rank correlation 0.12, docs/results.md).
    chance = special.expit(
        log_odds_of(design.machine, deviation) + of_items() + effects(spread.item_by_judge, items)
    )
    return Tests(lists, right, rng.random(chance.shape, dtype=np.float32) < chance)


def _dealt(rng: np.random.Generator, groups: int, listeners: int, items: int, heard: int) -> Bools:
    """Return which items each listener hears: of each emotion those that fewest have heard, by chance."""
    found = np.zeros((groups, listeners, items // CLASSES, CLASSES), dtype=bool)
    for group in found:
        for number, own in enumerate(group):
            rank = group[:number].sum(axis=0) + rng.random(own.shape)
            own[rank.argsort(axis=0)[: heard // CLASSES], np.arange(CLASSES)] = True
    return found.reshape(groups, listeners, items)


def analyse(tests: Tests, design: Design, speakers: int | None) -> tuple[Floats, Floats, Floats]:
    """Return difference, standard error and degrees of freedom of each test, `[simulations]`.

    As `contrasts_of` and `against_model` of `comparison`, with infinitely many resamples: the difference is a
    sum over answers, and so are its bootstrap variances.
    """
    _, groups, kinds, listeners, items = tests.right.shape
    right = tests.right.astype(np.float64)
    if tests.machine is not None:
        right -= tests.machine[:, None, None, None, :]
    heard = np.broadcast_to(tests.heard[:, None], right.shape[1:])
    group, kind, person, item = np.nonzero(heard)
    answers = np.ascontiguousarray(right[:, heard].T)
    block = (group * kinds + kind) * CLASSES + item % CLASSES
    number = np.bincount(block)[:, None]
    scores = summed(answers, block) / number
    weights = np.repeat(design.weights.ravel(), CLASSES)[:, None] / CLASSES
    # Less the score of its group, kind and emotion: what a resampled answer adds to the difference.
    parts = (answers - scores[block]) * (weights / number)[block]
    if speakers is None:
        units, strata = items, np.tile(np.arange(items) % CLASSES, kinds)
    else:
        units, strata, item = speakers, np.zeros(speakers * kinds, dtype=np.int64), item // CLASSES % speakers
    strata = strata + CLASSES * np.repeat(np.arange(kinds), units)
    who = Crossed(
        group * listeners + person, kind * units + item, np.repeat(np.arange(groups), listeners), strata
    )
    single, left = single_answers(who, parts)
    free = groups * (listeners - 1), kinds * units - len(np.unique(strata)), left
    error, df = standard_errors(
        _variance(summed(parts, who.listener), free[0]), _variance(summed(parts, who.item), free[1]),
        np.square(single).sum(axis=0), free,
    )  # fmt: skip
    return (scores * weights).sum(axis=0), error, df


def _variance(parts: Floats, free: int) -> Floats:
    """Return the bootstrap variance of each test, corrected for the number of units."""
    return np.asarray(np.square(parts).sum(axis=0) * len(parts) / max(free, 1))


def spread_of(deviations: Mapping[str, float]) -> Spread:
    """Return the spread that a mixed model of a pilot has found; what it does not identify keeps its default.

    Args:
        deviations: Random factor, as of `comparison.mixed` -> standard deviation.
    """
    known = {name.replace(":", "_by_"): value for name, value in deviations.items()}
    return Spread(**{**asdict(Spread()), **known})
