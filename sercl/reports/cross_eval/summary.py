"""What the numbers of a study say, in a paragraph."""

from collections.abc import Iterable, Iterator
from statistics import mean, median

from sercl.reports.cross_eval.wording import adapter_name, condition_name, count, listed, points
from sercl.reports.results import percent
from sercl.studies.cross_eval.analysis import Analysis
from sercl.studies.cross_eval.comparisons import Comparison
from sercl.studies.cross_eval.scores import ConditionScores

ENOUGH = 0.8
"""Share of the gap between zero-shot and monolingual from which on few-shot data are called enough."""


def summary(analysis: Analysis) -> list[str]:
    """Return the findings of a study, a sentence each, as far as it has them."""
    return [
        *_cost_of_crossing(analysis),
        *_with_target_labels(analysis),
        *_adapters(analysis),
        *_adaptation(analysis),
        *_few_shot(analysis),
        *_emotions(analysis),
    ]


def _cost_of_crossing(analysis: Analysis) -> Iterator[str]:
    own, crossed = plain(analysis, "monolingual"), _crossed(analysis)
    chance = percent(1 / len(analysis.study.classes))
    if own and crossed:
        before, after = mean_uar(own), mean_uar(crossed)
        gap = f"{abs(100 * (before - after)):.1f} points {'lower' if after < before else 'higher'}"
        peeked = crossed[0].condition.select_on == "target"
        how = "selected on labelled target data" if peeked else "without target labels"
        yield (
            f"Within a corpus the mean UAR is {percent(before)} %; zero-shot, {how}, it is "
            f"{percent(after)} %, {gap} (chance: {chance} %)."
        )
    elif own or crossed:
        yield f"The mean UAR is {percent(mean_uar(own or crossed))} % (chance: {chance} %)."
    if crossed:
        best = max(crossed, key=lambda item: item.uar.value)
        yield f"The best zero-shot result is {percent(best.uar.value)} % ({condition_name(best.condition)})."


def _crossed(analysis: Analysis) -> list[ConditionScores]:
    """Return the true zero-shot scores, or else those that selected on the target."""
    return plain(analysis, "zero-shot") or plain(analysis, "zero-shot", select_on="target")


def _with_target_labels(analysis: Analysis) -> Iterator[str]:
    means = {
        name: mean_uar(scores)
        for name in ("transfer", "two-stage")
        if (scores := plain(analysis, name) or plain(analysis, name, select_on="target"))
    }
    if means:
        parts = [f"{name} reaches {percent(value)} %" for name, value in means.items()]
        yield f"With all labels of the target, {listed(parts)} on average."


def _adapters(analysis: Analysis) -> Iterator[str]:
    """Yield a sentence for every two adapters, over all settings."""
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for item in _overall(analysis, "adapters"):
        groups.setdefault((item.first.adapter, item.second.adapter), []).append(item)
    for names, items in groups.items():
        first, second = map(adapter_name, names)
        gain = mean(item.paired.difference.value for item in items)
        verb = "gains" if gain >= 0 else "loses"
        yield (
            f"Adapter {first} {verb} {abs(100 * gain):.1f} points over {second} on average, significantly so "
            f"in {significant(items)} of {count(len(items), 'comparison')} over all corpora."
        )


def _adaptation(analysis: Analysis) -> Iterator[str]:
    groups: dict[str, list[Comparison]] = {}
    for item in _overall(analysis, "adaptation"):
        groups.setdefault(item.first.adaptation, []).append(item)
    parts = []
    for name, items in groups.items():
        change = points(mean(item.paired.difference.value for item in items))
        parts.append(f"{name} by {change} points (significant in {significant(items)} of {len(items)})")
    if parts:
        yield f"Adaptation to the target's audio, without labels, changes UAR: {listed(parts)}."


def _overall(analysis: Analysis, name: str) -> list[Comparison]:
    """Return the comparisons over all corpora of a family that have a difference."""
    found = [item for family in analysis.families if family.name == name for item in family.overall]
    return [item for item in found if item.paired.utterances]


def _few_shot(analysis: Analysis) -> Iterator[str]:
    enough = [curve.enough(ENOUGH) for curve in analysis.curves if curve.closed(0) is not None]
    reached = [shots for shots in enough if shots is not None]
    if not enough:
        return
    share = f"{100 * ENOUGH:.0f} % of the gap between zero-shot and monolingual"
    if not reached:
        yield f"No number of labelled target utterances that was tried closes {share}."
        return
    yield (
        f"A median of {median(reached):g} labelled utterances per emotion closes {share} "
        f"({len(reached)} of {count(len(enough), 'curve')} get there)."
    )


def _emotions(analysis: Analysis) -> Iterator[str]:
    classes, crossed = analysis.study.classes, _crossed(analysis)
    recalls = {
        name: mean(known)
        for index, name in enumerate(classes)
        if (known := [own.recalls[index].value for own in crossed if own.support[index]])
    }
    if len(recalls) > 1:
        hardest, easiest = min(recalls, key=recalls.__getitem__), max(recalls, key=recalls.__getitem__)
        yield (
            f"Zero-shot, {hardest} is found least ({percent(recalls[hardest])} % recall on average) and "
            f"{easiest} most ({percent(recalls[easiest])} %)."
        )


def plain(analysis: Analysis, setting: str, select_on: str = "source") -> list[ConditionScores]:
    """Return the scores of a setting without adaptation, by default without selection on the target."""
    return [
        own
        for condition, own in analysis.scores.items()
        if (condition.setting, condition.adaptation, condition.select_on) == (setting, "none", select_on)
    ]


def mean_uar(scores: Iterable[ConditionScores]) -> float:
    """Return the mean UAR of conditions, each counting alike."""
    return mean(own.uar.value for own in scores)


def significant(items: Iterable[Comparison]) -> int:
    """Return how many comparisons stay significant after Holm's correction."""
    return sum(item.paired.is_significant for item in items)
