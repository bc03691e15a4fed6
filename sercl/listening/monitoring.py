"""Whether a running listening test can stop, or needs more listeners or items; valid however often one looks.

The score of a listener is the UAR of their answers. Over listeners, intervals are those of
`metrics.functional.anytime`, which hold at all times at once; half of the probability of an error is theirs,
and the other half that of the items, which are the same all the time: a t interval over items of the same
kind, net of the variance of answers. Both half widths are added. For these items alone, only
the first counts, and the other half is a reserve for scores that are not normal. No torch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import ceil, isfinite, sqrt
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from sercl.corpora.cells import key_of
from sercl.counting import count
from sercl.errors import UsageError
from sercl.listening.items import stem_of
from sercl.listening.ratings import LISTENER, RATINGS, Table, first_answers
from sercl.metrics.functional.anytime import Sequential, sequential_difference, sequential_mean

STOP, MORE_ITEMS, MORE_LISTENERS = "stop", "add items", "add listeners"
DIFFERENT, EQUAL, NARROW = "differ", "equal within the margin", "narrow enough"

COMPLETE = 0.9
"""Listeners with a smaller share of the answers of whoever gave most are left out: they are not done."""

MOST_MORE = 1000
"""No more listeners than this are asked for at once before there is an interval."""

MOST_OF_ITEMS = 0.75
"""Share of the wanted half width that items may use; beyond, too many listeners would be needed."""

ALPHA = 0.05
EVERYBODY = "all listeners"

Floats = NDArray[np.float64]

Models = Mapping[str, Mapping[str, tuple[str, float]]]
"""Name of a model -> item, in its normal form -> its emotion, and the share of repeats that are right."""


@dataclass(frozen=True)
class MonitorOptions:
    """What a running test should reach.

    Args:
        groups: Column that describes listeners, such as `native`: each of its values is a group.
        width: Width that the interval of each group's UAR may have, in shares of UAR.
        between: Two groups whose difference is to be decided, instead of a width.
        margin: Within this difference, in shares of UAR, two groups, or listeners and a model, are equal.
        expected: Listeners in each group for which intervals are narrowest, set before the test begins.
        these_items: Whether conclusions are on the items of the test alone, not on others like them.
    """

    groups: str | None = None
    width: float | None = None
    between: tuple[str, str] | None = None
    margin: float | None = None
    expected: int = 30
    these_items: bool = False

    def __post_init__(self) -> None:
        if self.width is not None and self.between is not None:
            raise UsageError("--width and --between: give one of both, a width or two groups to be compared.")
        if self.between is not None and self.groups is None:
            raise UsageError("--between: needs --groups, the column that the two groups are values of.")
        for name, value in (("width", self.width), ("margin", self.margin)):
            if value is not None and not 0 < value < 1:
                raise UsageError(f"--{name} {value}: a share of UAR between 0 and 1 is needed, such as 0.1.")
        if self.expected < 2:
            raise UsageError(f"--expected {self.expected}: at least 2 listeners are needed.")

    @property
    def wanted_width(self) -> float:
        """The width, or its default."""
        return 0.1 if self.width is None else self.width

    @property
    def equal_within(self) -> float:
        """The margin, or its default."""
        return 0.05 if self.margin is None else self.margin


@dataclass(frozen=True)
class Verdict:
    """What the answers so far say, and what to do.

    Attributes:
        name: What is estimated: a group, or a difference.
        value: UAR, or a difference in shares of UAR; NaN without a complete listener.
        low: Lower end of the interval that holds at all times; NaN, like `high`, for too few listeners.
        high: Upper end.
        listeners: Complete listeners.
        items: Number of items.
        advice: `STOP`, `MORE_ITEMS` or `MORE_LISTENERS`.
        reason: Why to stop: `NARROW`, `DIFFERENT` or `EQUAL`; "" otherwise.
        more: How many more, about, if listeners and items go on as before; 0 to stop.
    """

    name: str
    value: float
    low: float
    high: float
    listeners: int
    items: int
    advice: str
    reason: str
    more: int

    @property
    def text(self) -> str:
        """What to do, in words."""
        if self.advice == STOP:
            return f"stop: {self.reason}"
        return f"about {count(self.more, 'more item' if self.advice == MORE_ITEMS else 'more listener')}"


@dataclass(frozen=True)
class Monitoring:
    """The result of `monitor`.

    Attributes:
        options: As given.
        verdicts: One per group, or difference.
        incomplete: Listeners who are not done, and do not count.
        can_stop: Whether every verdict is to stop.
    """

    options: MonitorOptions
    verdicts: tuple[Verdict, ...]
    incomplete: int
    can_stop: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Heard:
    """Complete listeners of a group.

    Attributes:
        scores: `[listeners]` UAR, less that of the model where one is compared.
        items: Item -> share of listeners who were right, less whether the model was.
        noise: Item -> variance of this share, since only some listeners have answered.
        truth: Item -> its emotion.
    """

    scores: Floats
    items: "pd.Series[float]"
    noise: "pd.Series[float]"
    truth: "pd.Series[str]"


@dataclass(frozen=True)
class Question:
    """What is estimated: the UAR of a group, or a difference of two groups or from a model."""

    name: str
    heard: tuple[Heard, ...]
    is_difference: bool


def monitor(
    table: Table,
    options: MonitorOptions,
    models: Models | None = None,
    finished: Sequence[str] | None = None,
) -> Monitoring:
    """Say what the answers so far allow.

    Args:
        table: Ratings.
        options: What is wanted. Several intervals hold together, by Bonferroni.
        models: Systems of which listeners minus each are then decided, on the items that it was tested on.
        finished: Listeners who are done, if that is known; else those with enough answers.

    Raises:
        UsageError: For votes, or a column, a group or items that are not there.
    """
    frame, incomplete = _complete(table, options, finished)
    questions = _questions(frame, options, models or {})
    verdicts = tuple(verdict(own, options, ALPHA / len(questions)) for own in questions)
    return Monitoring(
        options, verdicts, incomplete, bool(verdicts) and all(own.advice == STOP for own in verdicts)
    )


def _complete(
    table: Table, options: MonitorOptions, finished: Sequence[str] | None
) -> tuple[pd.DataFrame, int]:
    """Return the answers of complete listeners with the group and whether they are right."""
    if table.kind != RATINGS:
        raise UsageError("a table of votes has no single listeners, whose number could be decided on.")
    if options.groups is not None and options.groups not in table.listener_columns:
        have = ", ".join(table.listener_columns) or "none"
        raise UsageError(f"--groups {options.groups}: no such column of listeners; valid: {have}.")
    frame = first_answers(table)
    frame = frame[frame["truth"].notna()]
    if not len(frame):
        raise UsageError("no answer to an item whose emotion is known yet.")
    counts = frame["listener"].value_counts()
    done = counts.index[counts >= COMPLETE * counts.max()] if finished is None else list(finished)
    group = frame[f"{LISTENER}{options.groups}"] if options.groups else EVERYBODY
    frame = frame.assign(group=group, right=(frame["answer"] == frame["truth"]).astype(float))
    kept = frame["listener"].isin(list(done))
    return frame[kept & frame["group"].notna()], int(frame.loc[~kept, "listener"].nunique())


def _questions(frame: pd.DataFrame, options: MonitorOptions, models: Models) -> list[Question]:
    groups = {str(name): rows for name, rows in frame.groupby("group", sort=True)}
    if options.between is not None:
        first, second = (_group(groups, name) for name in options.between)
        name = f"{options.between[0]} minus {options.between[1]}"
        return [Question(name, (_heard(first), _heard(second)), True)]
    if models:
        return [
            Question(f"{group} minus {name}", (_heard(_tested(rows, right, name)),), True)
            for group, rows in groups.items()
            for name, right in models.items()
        ]
    return [Question(group, (_heard(rows),), False) for group, rows in groups.items()]


def _group(groups: Mapping[str, pd.DataFrame], name: str) -> pd.DataFrame:
    if name not in groups:
        raise UsageError(
            f"--between: no complete listener of {name}; valid: {', '.join(groups) or 'none yet'}."
        )
    return groups[name]


def _tested(frame: pd.DataFrame, known: Mapping[str, tuple[str, float]], name: str) -> pd.DataFrame:
    """Return the answers to items that a model was tested on, less whether it was right."""
    keys = [key_of(stem_of(str(item))) for item in frame["item"]]
    same = [known.get(key, ("", 0.0))[0] == truth for key, truth in zip(keys, frame["truth"], strict=True)]
    found = frame[same]
    if not len(found):
        raise UsageError(f"{name}: was tested on none of the items.")
    machine = [known[key][1] for key, kept in zip(keys, same, strict=True) if kept]
    return found.assign(right=found["right"] - machine)


def _heard(frame: pd.DataFrame) -> Heard:
    by_emotion = frame.groupby(["listener", "truth"], sort=False)["right"].mean()
    items = frame.groupby("item", sort=False)
    return Heard(
        by_emotion.groupby("listener", sort=False).mean().to_numpy(np.float64),
        items["right"].mean(),
        items["right"].var() / items["right"].size(),
        items["truth"].first(),
    )


def verdict(own: Question, options: MonitorOptions, alpha: float = ALPHA) -> Verdict:
    """Return what the answers so far say of one question.

    Args:
        own: The question.
        options: What is wanted.
        alpha: Probability that its interval ever misses the truth.
    """
    now = _sequential(own)
    reach = _Reach(
        _over_people(now, options, len(own.heard), alpha / 2),
        0.0 if options.these_items else _over_items(own.heard, alpha / 2),
        _wanted(now.value, own.is_difference, options),
    )
    low, high = now.value - reach.half, now.value + reach.half
    ends = (low, high) if own.is_difference else (max(low, 0.0), min(high, 1.0))
    reason = _reason(now.value, reach.half, own.is_difference, options)
    sizes = sum(len(one.scores) for one in own.heard), len(own.heard[0].items)
    needed = _needed(reach, sizes, partial(_least, now, options, len(own.heard), alpha / 2))
    advice, more = (STOP, 0) if reason else needed
    if not isfinite(reach.half):
        ends = float("nan"), float("nan")
    return Verdict(own.name, now.value, *ends, *sizes, advice, reason, more)


@dataclass(frozen=True)
class _Reach:
    """Half widths: over listeners, over items, and the one that decides."""

    people: float
    clips: float
    wanted: float

    @property
    def half(self) -> float:
        return self.people + self.clips


def _sequential(own: Question) -> Sequential:
    if len(own.heard) == 2:
        return sequential_difference(*(one.scores for one in own.heard))
    (heard,) = own.heard
    if own.is_difference or not len(heard.scores):
        return sequential_mean(heard.scores)
    # Equal scores near the ceiling do not show that all listeners are equal: answers vary at least.
    count = heard.scores.size * len(heard.items)
    share = (heard.scores.mean() * count + 2) / (count + 4)
    return sequential_mean(heard.scores, sqrt(share * (1 - share) / len(heard.items)))


def _over_people(now: Sequential, options: MonitorOptions, groups: int, alpha: float) -> float:
    return now.half_width(alpha, options.expected / groups)


def _over_items(heard: tuple[Heard, ...], alpha: float) -> float:
    """Return half the width of the interval over items of each emotion, net of the variance of answers."""
    values = heard[0].items if len(heard) == 1 else (heard[0].items - heard[1].items).dropna()
    by_emotion = values.groupby(heard[0].truth.reindex(values.index))
    counts = by_emotion.size().to_numpy(np.float64)
    df = len(values) - len(counts)
    if df < 1:
        return float("inf")
    variance = float(np.square(values - by_emotion.transform("mean")).sum()) / df
    noise = sum(float(own.noise.reindex(values.index).fillna(0.0).mean()) for own in heard)
    error = sqrt(max(variance - noise, 0.0) * (1 / counts).sum()) / len(counts)
    return float(stats.t.ppf(1 - alpha / 2, df)) * error


def _wanted(value: float, is_difference: bool, options: MonitorOptions) -> float:
    """Return the half width that decides."""
    if not is_difference:
        return options.wanted_width / 2
    return max(abs(value), options.equal_within - abs(value))


def _reason(value: float, half: float, is_difference: bool, options: MonitorOptions) -> str:
    if not is_difference:
        return NARROW if 2 * half <= options.wanted_width else ""
    if abs(value) > half:
        return DIFFERENT
    return EQUAL if abs(value) + half < options.equal_within else ""


def _needed(reach: _Reach, sizes: tuple[int, int], least: Callable[[], int]) -> tuple[str, int]:
    """Return what is needed, and how many more: items if no number of listeners would be enough.

    Args:
        reach: Half widths.
        sizes: Numbers of listeners and of items.
        least: Returns how many more listeners there must be for an interval.
    """
    people, clips = sizes
    if reach.clips > MOST_OF_ITEMS * reach.wanted and isfinite(reach.clips):
        # Items may then use half of what is wanted, and leave the other half to listeners.
        return MORE_ITEMS, ceil(clips * (2 * reach.clips / reach.wanted) ** 2) - clips
    if not isfinite(reach.people):
        return MORE_LISTENERS, least()
    enough = people * (reach.people / (reach.wanted - reach.clips)) ** 2
    return MORE_LISTENERS, max(ceil(enough) - people, 1)


def _least(now: Sequential, options: MonitorOptions, groups: int, alpha: float) -> int:
    """Return how many more listeners there must be for an interval, whatever they answer."""
    for more in range(1, MOST_MORE):
        units, people = now.units + more / groups**2, now.df + more
        if isfinite(_over_people(Sequential(0.0, 1.0, units, people), options, groups, alpha)):
            return more
    return MOST_MORE
