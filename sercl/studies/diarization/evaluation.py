"""All numbers of emotion diarization on one list of recordings, with intervals, as plain data."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sercl.errors import SegmentError, UsageError
from sercl.metrics.functional.classification import recall, uar
from sercl.metrics.functional.clusters import resampling_units
from sercl.metrics.functional.eder import NEUTRAL, boundaries, eder, error_parts, time_confusion
from sercl.metrics.functional.intervals import Interval, bootstrap_interval, clustered_mean_interval
from sercl.studies.diarization.judged import Judged
from sercl.studies.results.scores import Score, without_nan


@dataclass(frozen=True)
class EmotionScore:
    """Scores of one emotion.

    Attributes:
        name: The class; "neutral" stands for recordings without event.
        eder: Mean EDER of the recordings that hold it.
        recall: Share of its time that was found, NaN for an absent class.
        recordings: How many hold it.
        seconds: Its time in the reference.
    """

    name: str
    eder: Score
    recall: float
    recordings: int
    seconds: float


@dataclass(frozen=True)
class DiarizationScores:
    """Scores of one system on one list of recordings.

    Attributes:
        recordings: How many there are.
        seconds: Their duration, all together.
        eder: Emotion diarization error rate, mean over recordings.
        missed: Its part of emotion called neutral; the three parts add up to `eder`.
        false_alarm: Its part of neutral called an emotion.
        confusion: Its part of emotion called another emotion.
        eder_time: EDER weighted by time: of all recordings as if they were one.
        uar: Unweighted average recall over all time, the limit of the frame-level UAR for short frames.
        boundary_error: Mean distance in s of found boundaries from the true ones.
        boundaries: How many boundaries that mean is over.
        events: Events in the reference.
        events_found: Of these, how many overlap a found event of the same emotion, paired one to one.
        by_emotion: One row per class, in class order.
        time_confusion: `[classes][classes]` seconds, rows the truth.
        uncovered: What time counts as for which there is no segment of the hypothesis: "neutral" or "error".
        uncovered_seconds: That time, where it counts as an error, else 0; `time_confusion` lacks it.
    """

    recordings: int
    seconds: float
    eder: Score
    missed: Score
    false_alarm: Score
    confusion: Score
    eder_time: Score
    uar: Score
    boundary_error: Score
    boundaries: int
    events: int
    events_found: int
    by_emotion: tuple[EmotionScore, ...]
    time_confusion: tuple[tuple[float, ...], ...]
    uncovered: str
    uncovered_seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as what JSON holds; NaN becomes None."""
        plain: dict[str, Any] = without_nan(asdict(self))
        return plain


def evaluate(judged: Sequence[Judged], classes: Sequence[str]) -> DiarizationScores:
    """Score what a system has found.

    Args:
        judged: The recordings.
        classes: Class names, "neutral" among them.

    Raises:
        UsageError: For no recording.
        SegmentError: For segments that cannot be, with the id of their recording.
        UnknownNameError: For an emotion that is no class.
    """
    if not judged:
        raise UsageError("evaluation: no recordings to evaluate; at least one is needed.")
    confusions = torch.stack([_confusion(item, classes) for item in judged])
    speakers = [item.speaker for item in judged]
    seconds = [item.duration for item in judged]
    neutral = list(classes).index(NEUTRAL)
    each, parts = eder(confusions, neutral), error_parts(confusions, neutral)
    placed = [boundaries(item.reference, item.hypothesis, item.duration) for item in judged]
    return DiarizationScores(
        recordings=len(judged),
        seconds=sum(seconds),
        eder=_mean(each, speakers),
        missed=_mean(parts.missed, speakers),
        false_alarm=_mean(parts.false_alarm, speakers),
        confusion=_mean(parts.confusion, speakers),
        eder_time=_mean(each, speakers, seconds),
        uar=_uar(confusions, speakers),
        boundary_error=_boundary_error([item.errors for item in placed], speakers),
        boundaries=sum(len(item.errors) for item in placed),
        events=sum(item.events for item in placed),
        events_found=sum(item.found for item in placed),
        by_emotion=_by_emotion(confusions, each, speakers, classes),
        time_confusion=tuple(map(tuple, confusions.sum(dim=0)[:, :-1].tolist())),
        uncovered=judged[0].uncovered,
        uncovered_seconds=float(confusions[..., -1].sum()),
    )


def eder_difference(first: Sequence[Judged], second: Sequence[Judged], classes: Sequence[str]) -> Score:
    """Return by how much the mean EDER of `second` is above that of `first`, on the same recordings."""
    neutral = list(classes).index(NEUTRAL)
    one, other = (
        eder(torch.stack([_confusion(item, classes) for item in judged]), neutral)
        for judged in (first, second)
    )
    return _mean(other - one, [item.speaker for item in first], bounded=False)


def _confusion(item: Judged, classes: Sequence[str]) -> Tensor:
    try:
        return time_confusion(item.reference, item.hypothesis, item.duration, classes, item.uncovered)
    except SegmentError as error:
        raise SegmentError(f"recording {item.id!r}: {error.message}", error.index) from error


def _mean(
    values: Tensor,
    speakers: Sequence[str | None],
    weights: Sequence[float] | None = None,
    bounded: bool = True,
) -> Score:
    known = (~values.isnan()).nonzero().flatten().tolist()
    own = values[known]
    share = torch.ones_like(own) if weights is None else torch.tensor([weights[i] for i in known]).double()
    if not known:
        return Score(float("nan"), float("nan"), float("nan"), "recordings", 0)
    interval = clustered_mean_interval(own, [speakers[i] for i in known], share, bounded=bounded)
    return _score(float((own * share).sum() / share.sum()), interval)


def _score(value: float, interval: Interval) -> Score:
    unit = "recordings" if interval.unit == "utterances" else interval.unit
    return Score(value, interval.low, interval.high, unit, interval.count)


def _uar(confusions: Tensor, speakers: Sequence[str | None]) -> Score:
    clusters, unit = resampling_units(speakers)
    _, cluster = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.zeros((int(cluster.max()) + 1, *confusions.shape[1:]))
    np.add.at(sums, cluster, confusions.numpy())
    return _score(float(uar(confusions.sum(dim=0))), bootstrap_interval(sums, uar, unit=unit))


def _boundary_error(errors: Sequence[tuple[float, ...]], speakers: Sequence[str | None]) -> Score:
    means = torch.tensor(
        [sum(own) / len(own) if own else float("nan") for own in errors], dtype=torch.float64
    )
    return _mean(means, speakers, [float(len(own)) for own in errors], bounded=False)


def _by_emotion(
    confusions: Tensor, each: Tensor, speakers: Sequence[str | None], classes: Sequence[str]
) -> tuple[EmotionScore, ...]:
    seconds = confusions.sum(dim=-1)
    holds = seconds > 0
    emotional = torch.tensor([name != NEUTRAL for name in classes])
    holds[:, ~emotional] = ~holds[:, emotional].any(dim=1, keepdim=True)
    recalls = recall(confusions.sum(dim=0))
    rows = []
    for index, name in enumerate(classes):
        own = torch.where(holds[:, index], each, torch.nan)
        score = _mean(own, speakers)
        rows.append(
            EmotionScore(
                name,
                score,
                float(recalls[index]),
                int(holds[:, index].sum()),
                float(seconds[:, index].sum()),
            )
        )
    return tuple(rows)
