"""The format of scores of listeners and the sentences on them, the same in every format."""

import math

from sercl.counting import count
from sercl.listening.comparison.against import AgainstModel, Worth
from sercl.listening.comparison.answers import Equivalence, Measure
from sercl.listening.comparison.claims import Claim
from sercl.listening.comparison.compare import Comparison
from sercl.listening.comparison.groups import GroupScores
from sercl.listening.comparison.segments import AgainstLabeller, SegmentScores
from sercl.metrics.functional.intervals import SIGNIFICANT
from sercl.reports.cross_eval.wording import p_value, points
from sercl.reports.results import percent

NONE = "-"


def in_percent(own: Measure | None) -> str:
    """Return a share in percent with its interval: "63.0 (57.2 to 68.9)"."""
    if own is None or math.isnan(own.value):
        return NONE
    ends = "" if math.isnan(own.low) else f" ({100 * own.low:.1f} to {100 * own.high:.1f})"
    return f"{percent(own.value)}{ends}"


def in_points(own: Measure | None) -> str:
    """Return a difference in points with its interval: "+3.2 (−1.0 to +4.2)"."""
    if own is None or math.isnan(own.value):
        return NONE
    ends = "" if math.isnan(own.low) else f" ({points(own.low)} to {points(own.high)})"
    return f"{points(own.value)}{ends}"


def plain(own: Measure | None, digits: int = 2) -> str:
    """Return a score with its interval: "0.43 (0.36 to 0.50)"."""
    if own is None or math.isnan(own.value):
        return NONE
    ends = "" if math.isnan(own.low) else f" ({number(own.low, digits)} to {number(own.high, digits)})"
    return f"{number(own.value, digits)}{ends}"


def number(value: float | None, digits: int = 2) -> str:
    """Return a number with a true minus; "-" where it is unknown."""
    if value is None or math.isnan(value):
        return NONE
    return f"{value:.{digits}f}".replace("-", "−")


def worth(own: Worth | None) -> str:
    """Return how many listeners a model is worth: "2.6 (1 to > 15)"."""
    if own is None or math.isnan(own.listeners):
        return NONE

    def shown(size: float) -> str:
        if math.isinf(size):
            return f"> {own.most}"
        return "≤ 1" if size <= 1 else f"{size:.1f}"

    return f"{shown(own.listeners)} ({shown(own.low)} to {shown(own.high)})"


def place(own: GroupScores | SegmentScores) -> str:
    """Return the items of a row: "all items", "de", "zh, tianjin"."""
    return ", ".join(filter(None, (own.language, own.dialect))) or "all items"


def verdict(own: AgainstModel) -> str:
    """Return what the tests say of a group and a model, in words."""
    return _verdict(own.difference.value > 0, own.p_holm, own.equivalence)


def _verdict(are_listeners_better: bool, p_holm: float, equivalence: Equivalence) -> str:
    margin = f"{100 * equivalence.margin:g} points"
    if p_holm < SIGNIFICANT:
        better = "listeners are better" if are_listeners_better else "the model is better"
        return f"{better}, though within {margin}" if equivalence.equivalent else better
    return f"equal within {margin}" if equivalence.equivalent else "not decided"


def claim_text(own: Claim) -> str:
    """Return the test of a claim in words."""
    if own.difference is None:
        return f"needs {own.needs}"
    parts = ", ".join(f"{name} {percent(value)}" for name, value in own.parts.items())
    return f"{in_points(own.difference)} points, p (Holm) {p_value(own.p_holm)}; {own.score}: {parts}"


def better(own: AgainstLabeller) -> str:
    """Return what the tests say of a group and a model that labels parts, in words."""
    if own.difference is None or own.equivalence is None:
        return "boundaries unknown"
    return _verdict(own.difference.value < 0, own.p_holm, own.equivalence)


def _people(own: Comparison, group: str) -> str:
    return group if own.options.groups is None else f"{own.options.groups} {group}"


def summary(own: Comparison) -> list[str]:
    """Return the main results, a sentence each."""
    whole = [row for row in own.groups if not row.language and not row.dialect]
    sentences = [
        f"UAR of {_people(own, row.group)} on {count(row.items, 'item')}: {in_percent(row.uar)} %."
        for row in whole
    ]
    sentences += [
        f"UAR of {_people(own, row.group)} minus that of {row.model}: {in_points(row.difference)} points, "
        f"{verdict(row)}."
        for row in own.models
    ]
    if own.segments is not None:
        sentences += _of_segments(own)
    decided = [claim for claim in own.claims if claim.difference is not None]
    if decided:
        supported = sum(claim.verdict == "supported" for claim in decided)
        sentences.append(f"Of {count(len(decided), 'claim')} that can be tested, {supported} supported.")
    return sentences


def _of_segments(own: Comparison) -> list[str]:
    sentences = []
    for row in own.segments.groups if own.segments else ():
        if row.language or row.dialect:
            continue
        who = _people(own, row.group)
        if row.errors:
            error = in_percent(row.errors["eder"])
            sentences.append(f"EDER of {who} in {count(row.known, 'marked recording')}: {error} %.")
        if row.between is not None:
            apart = in_percent(row.between.disagreement)
            sentences.append(f"Time that two of {who} label differently: {apart} %.")
    sentences += [
        f"EDER of {_people(own, row.group)} minus that of {row.model}: {in_points(row.difference)} points, "
        f"{better(row)}."
        for row in (own.segments.against if own.segments else ())
        if row.difference is not None
    ]
    return sentences
