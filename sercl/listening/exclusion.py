"""Rules that exclude listeners, set before the data are seen, and what each rule found."""

from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import pandas as pd

from sercl.errors import UsageError
from sercl.listening.ratings import ATTENTION, CHOICE, ITEM, PRACTICE, RATINGS, REPEAT, SEGMENTS, Table


@dataclass(frozen=True)
class ExclusionRules:
    """Which listeners are excluded; a rule that is not given excludes nobody.

    Args:
        failed_checks: More failed attention checks than this exclude a listener.
        min_seconds: Answers given faster than this, in s, are too fast.
        fast_share: A larger share of answers that are too fast excludes, 0 to 1; needs min_seconds.
        min_answered: A smaller share of answered items than this excludes, 0 to 1.
        same_in_a_row: More equal answers in a row than this exclude (straight-lining).
        min_consistency: A smaller share of repeated items with the same answer than this excludes, 0 to 1.
    """

    failed_checks: int | None = None
    min_seconds: float | None = None
    fast_share: float = 0.1
    min_answered: float | None = None
    same_in_a_row: int | None = None
    min_consistency: float | None = None

    def __post_init__(self) -> None:
        for name in ("fast_share", "min_answered", "min_consistency"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                raise UsageError(f"exclusion: {name} is {share}; a share from 0 to 1 is needed.")
        for name in ("failed_checks", "min_seconds", "same_in_a_row"):
            limit = getattr(self, name)
            if limit is not None and limit < 0:
                raise UsageError(f"exclusion: {name} is {limit}; 0 or more is needed.")

    @property
    def given(self) -> bool:
        """Whether there is any rule."""
        limits = (self.failed_checks, self.min_seconds, self.min_answered, self.same_in_a_row)
        return any(limit is not None for limit in (*limits, self.min_consistency))


@dataclass(frozen=True)
class ListenerReport:
    """What the rules look at, of one listener.

    Attributes:
        listener: Who.
        items: Items that were shown.
        answered: Share of them that were answered.
        checks: Attention checks.
        failed: Of these, failed.
        fast: Share of answers that were too fast; None without times or a limit.
        longest_run: Most equal answers in a row.
        repeats: Items that were repeated.
        consistency: Share of these with the same answer; None without repetitions.
        reasons: Why the listener is excluded; empty if not.
    """

    listener: str
    items: int
    answered: float
    checks: int
    failed: int
    fast: float | None
    longest_run: int
    repeats: int
    consistency: float | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Exclusions:
    """The rules, and what they found for each listener."""

    rules: ExclusionRules
    listeners: tuple[ListenerReport, ...]

    @property
    def excluded(self) -> list[str]:
        """Names of the excluded listeners."""
        return [own.listener for own in self.listeners if own.reasons]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"rules": asdict(self.rules), "listeners": [asdict(own) for own in self.listeners]}


def apply_rules(table: Table, rules: ExclusionRules) -> tuple[Table, Exclusions]:
    """Return the ratings of the listeners who are kept, and the report.

    Raises:
        UsageError: For votes, which have no single listeners, if everybody is excluded, or for a rule on what
            the ratings do not have.
    """
    if table.kind != RATINGS:
        raise UsageError("exclusion rules need single listeners; a table of votes has none.")
    frame = table.frame
    _check_known(frame, rules)
    shown = frame[frame["kind"] == ITEM]
    most = int(shown.groupby("listener")["item"].nunique().max()) if len(shown) else 0
    listeners = tuple(
        _report(str(name), own, most, rules) for name, own in frame.groupby("listener", sort=True)
    )
    found = Exclusions(rules, listeners)
    kept = frame[~frame["listener"].isin(found.excluded)].reset_index(drop=True)
    if not len(kept):
        raise UsageError("the rules exclude every listener. Loosen them, or check the answers and the truth.")
    return Table(RATINGS, kept), found


def _check_known(frame: pd.DataFrame, rules: ExclusionRules) -> None:
    lacking = {
        "failed_checks": not (frame["kind"] == ATTENTION).any(),
        "min_seconds": frame["seconds"].isna().all(),
        "min_consistency": not (frame["repeat"] > 0).any(),
    }
    for name, is_absent in lacking.items():
        if getattr(rules, name) is not None and is_absent:
            raise UsageError(
                f"exclusion: {name} has no effect, since the ratings have no "
                f"{_NEEDS[name]}. Leave the rule out, or give --items with the kinds of items."
            )


_NEEDS = {
    "failed_checks": "attention checks",
    "min_seconds": "times of answers",
    "min_consistency": "repeated items",
}


def _report(listener: str, own: pd.DataFrame, most: int, rules: ExclusionRules) -> ListenerReport:
    choices = own[own["task"] == CHOICE].sort_values("order", kind="stable")
    items = own[(own["kind"] == ITEM) & (own["repeat"] == 0)]
    # A recording in which nothing was marked has a row, too: it was answered.
    answered = items[items["answer"].notna() | (items["task"] == SEGMENTS)]
    checks = choices[choices["kind"] == ATTENTION]
    failed = int((checks["answer"] != checks["truth"]).sum())
    given = choices[choices["answer"].notna() & (choices["kind"] != PRACTICE)]
    times = given["seconds"].dropna()
    fast = float((times < rules.min_seconds).mean()) if rules.min_seconds is not None and len(times) else None
    runs = [len(list(group)) for _, group in groupby(given[given["kind"] == ITEM]["answer"])]
    again = _repetitions(choices)
    facts = ListenerReport(
        listener=listener,
        items=int(items["item"].nunique()),
        answered=float(answered["item"].nunique() / most) if most else 1.0,
        checks=len(checks),
        failed=failed,
        fast=fast,
        longest_run=max(runs, default=0),
        repeats=len(again),
        consistency=float(again.mean()) if len(again) else None,
        reasons=(),
    )
    return ListenerReport(**{**asdict(facts), "reasons": _reasons(facts, rules)})


def _repetitions(choices: pd.DataFrame) -> "pd.Series[bool]":
    return repeated_answers(choices)["same"]


def repeated_answers(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row per repetition, and whether its answer is that of the first time: listener, item, same."""
    asked = frame[frame["answer"].notna() & frame["kind"].isin((ITEM, REPEAT)) & (frame["task"] == CHOICE)]
    first = asked[asked["repeat"] == 0][["listener", "item", "answer"]]
    later = asked[asked["repeat"] > 0][["listener", "item", "answer"]]
    both = later.merge(first, on=["listener", "item"], suffixes=("", "_first"))
    return both.assign(same=both["answer"] == both["answer_first"])[["listener", "item", "same"]]


def _reasons(own: ListenerReport, rules: ExclusionRules) -> tuple[str, ...]:
    reasons = []
    if rules.failed_checks is not None and own.failed > rules.failed_checks:
        reasons.append(f"failed {own.failed} of {own.checks} attention checks")
    if own.fast is not None and own.fast > rules.fast_share:
        reasons.append(f"{100 * own.fast:.0f} % of answers faster than {rules.min_seconds:g} s")
    if rules.min_answered is not None and own.answered < rules.min_answered:
        reasons.append(f"answered {100 * own.answered:.0f} % of the items")
    if rules.same_in_a_row is not None and own.longest_run > rules.same_in_a_row:
        reasons.append(f"{own.longest_run} equal answers in a row")
    is_inconsistent = own.consistency is not None and own.consistency < (rules.min_consistency or 0)
    if is_inconsistent:
        reasons.append(f"{100 * (own.consistency or 0):.0f} % of {own.repeats} repetitions answered alike")
    return tuple(reasons)
