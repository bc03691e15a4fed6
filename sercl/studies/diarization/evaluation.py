"""All numbers of emotion diarization on one list of recordings, with intervals, as plain data."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from sercl.corpora.base import Segment
from sercl.corpora.labels import EMOTIONS, LabelScheme
from sercl.diarization.postprocess import PostConfig
from sercl.diarization.segments import Annotation, in_classes
from sercl.errors import SegmentError, UnknownNameError, UsageError
from sercl.files import atomic_path
from sercl.metrics.functional.classification import recall
from sercl.metrics.functional.clusters import resampling_units
from sercl.metrics.functional.eder import (
    ERRORS,
    NEUTRAL,
    UNCOVERED,
    Boundaries,
    MeanError,
    Measured,
    boundaries,
    eder,
    time_confusion,
)
from sercl.metrics.functional.intervals import Interval, clustered_mean_interval
from sercl.metrics.functional.timeline import timeline
from sercl.studies.diarization.recordings import DiarizedRecording, SystemFrames, find_segments
from sercl.studies.results.scores import Score, frame_of, score_averages, score_row, without_nan
from sercl.tasks import checkpoint as checkpoints


@dataclass(frozen=True)
class EmotionScore:
    """Scores of one emotion.

    Attributes:
        name: The class; "neutral" covers recordings without event.
        eder: Mean EDER of the recordings that hold it.
        recall: Recall over its time, NaN for an absent class.
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
        recordings: Their number.
        seconds: Their total duration.
        named: Every error of `sercl.metrics.functional.eder.ERRORS` and every average of
            `sercl.metrics.functional.classification.AVERAGES` (over all time, the limit of the frame-level
            score for short frames) by name.
        boundaries: Number of boundaries in the mean boundary error.
        events: Events in the reference.
        events_found: Number of these that overlap a detected event of the same emotion, matched one to one.
        by_emotion: One row per class, in class order.
        time_confusion: `[classes][classes]` seconds, rows the truth.
        uncovered: How time without a hypothesis segment is counted: "neutral" or "error".
        uncovered_seconds: That time if it counts as an error, else 0; not part of `time_confusion`.
    """

    recordings: int
    seconds: float
    named: Mapping[str, Score]
    boundaries: int
    events: int
    events_found: int
    by_emotion: tuple[EmotionScore, ...]
    time_confusion: tuple[tuple[float, ...], ...]
    uncovered: str
    uncovered_seconds: float

    @property
    def eder(self) -> Score:
        """Emotion diarization error rate, mean over recordings."""
        return self.named["eder"]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, each of `named` under its own name; NaN becomes None."""
        content = asdict(self)
        named = content.pop("named")
        first = {key: content.pop(key) for key in ("recordings", "seconds")}
        return dict(without_nan({**first, **named, **content}))

    @classmethod
    def fields_of(cls, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of what `to_dict` returned, as plain data, unknown scores included."""
        own = {field.name for field in fields(cls)}
        others = {key: value for key, value in content.items() if key not in own}
        named = {key: value for key, value in others.items() if isinstance(value, dict)}
        return {**{key: value for key, value in content.items() if key in own}, "named": named}

    def to_frame(self) -> pd.DataFrame:
        """Return a table with a row per score: EDER, its parts, others; `n` is the number of recordings."""
        return frame_of({**score_row(name, own), "n": self.recordings} for name, own in self.named.items())


def evaluate(diarized: Sequence[DiarizedRecording], classes: Sequence[str]) -> DiarizationScores:
    """Score the segments that a system has found.

    Args:
        diarized: The recordings.
        classes: Class names, "neutral" among them.

    Raises:
        UsageError: If there is no recording.
        SegmentError: For invalid segments, with the id of their recording.
        UnknownNameError: For an emotion that is not a class.
    """
    if not diarized:
        raise UsageError("evaluation: no recordings to evaluate; at least one is needed.")
    confusions = torch.stack([confusion_of(item, classes) for item in diarized])
    speakers = [item.speaker for item in diarized]
    neutral = list(classes).index(NEUTRAL)
    matched = [boundaries(item.reference, item.hypothesis, item.duration) for item in diarized]
    measured = Measured(confusions, torch.tensor([_numbers(item) for item in matched]).double(), neutral)
    errors = {name: _error(error, measured, speakers) for name, error in ERRORS.items()}
    return DiarizationScores(
        recordings=len(diarized),
        seconds=sum(item.duration for item in diarized),
        named={**errors, **_averages(confusions, speakers)},
        boundaries=sum(len(item.errors) for item in matched),
        events=sum(item.events for item in matched),
        events_found=sum(item.found for item in matched),
        by_emotion=_by_emotion(confusions, eder(confusions, neutral), speakers, classes),
        time_confusion=tuple(map(tuple, confusions.sum(dim=0)[:, :-1].tolist())),
        uncovered=diarized[0].uncovered,
        uncovered_seconds=float(confusions[..., -1].sum()),
    )


def eder_difference(
    first: Sequence[DiarizedRecording], second: Sequence[DiarizedRecording], classes: Sequence[str]
) -> Score:
    """Return the mean EDER of `second` minus that of `first`, on the same recordings."""
    neutral = list(classes).index(NEUTRAL)
    one, other = (
        eder(torch.stack([confusion_of(item, classes) for item in diarized]), neutral)
        for diarized in (first, second)
    )
    return _mean(other - one, [item.speaker for item in first], bounded=False)


def confusion_of(item: DiarizedRecording, classes: Sequence[str]) -> Tensor:
    """Return the time confusion of a recording; raises `SegmentError` with its id."""
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
    return Score(value, interval.low, interval.high, _unit(interval.unit), interval.count)


def _unit(resampled: str) -> str:
    return "recordings" if resampled == "utterances" else resampled


def _numbers(found: Boundaries) -> list[float]:
    return [sum(found.errors), len(found.errors), found.events, found.found]


def _error(error: MeanError, measured: Measured, speakers: Sequence[str | None]) -> Score:
    weights: list[float] = error.weights(measured).tolist()
    return _mean(error.function(measured), speakers, weights, bounded=not error.in_seconds)


def _averages(confusions: Tensor, speakers: Sequence[str | None]) -> dict[str, Score]:
    clusters, unit = resampling_units(speakers)
    _, cluster = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.zeros((int(cluster.max()) + 1, *confusions.shape[1:]))
    np.add.at(sums, cluster, confusions.numpy())
    return score_averages(sums[:, None], _unit(unit))


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


@dataclass(frozen=True)
class Comparison:
    """Scores of segment files, with notes."""

    scores: DiarizationScores
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def compare(
    reference: Sequence[Annotation],
    hypothesis: Sequence[Annotation],
    durations: Mapping[str, float] | None = None,
    scheme: LabelScheme | None = None,
    uncovered: str = "neutral",
) -> Comparison:
    """Score segments.

    Args:
        reference: Reference segments, by recording.
        hypothesis: Segments to evaluate, including neutral ones if `uncovered` is "error".
        durations: Recording -> length in s, which overrides that of the annotations.
        scheme: Emotion -> class; None for one class per emotion in the segments.
        uncovered: How time without a hypothesis segment is counted: "neutral", or "error" as in
            SpeechBrain's EDER.

    Raises:
        UnknownNameError: For `uncovered` of another value.
        UsageError: For no recording, or recordings of the hypothesis that the reference does not have.
        SegmentError: For invalid segments, or an emotion without a class.
    """
    if uncovered not in UNCOVERED:
        raise UnknownNameError("uncovered", uncovered, UNCOVERED)
    found = {item.id: item for item in hypothesis}
    if strange := sorted(found.keys() - {item.id for item in reference}):
        raise UsageError(
            f"{len(strange)} recordings of the hypothesis are not in the reference (the first is "
            f"{strange[0]!r}). Recordings are matched by name: rename or remove them."
        )
    notes = _notes(reference, found, durations or {}, uncovered)
    diarized = [
        replace(
            _paired(item, found.get(item.id), (durations or {}).get(item.id), scheme), uncovered=uncovered
        )
        for item in reference
    ]
    classes = scheme.classes if scheme is not None else _classes([*reference, *hypothesis])
    return Comparison(evaluate(diarized, classes), tuple(classes), tuple(notes))


def _paired(
    item: Annotation, found: Annotation | None, known: float | None, scheme: LabelScheme | None
) -> DiarizedRecording:
    hypothesis = found.segments if found is not None else ()
    duration = known or item.duration or (found.duration if found else None)
    duration = duration or max((segment.end for segment in (*item.segments, *hypothesis)), default=0.0)
    try:
        timeline(item.segments, duration)
        reference = _named(item.segments, scheme)
        return DiarizedRecording(item.id, None, reference, _named(hypothesis, scheme), duration)
    except SegmentError as error:
        raise SegmentError(f"recording {item.id!r}: {error.message}", error.index) from error


def _named(segments: Sequence[Segment], scheme: LabelScheme | None) -> tuple[Segment, ...]:
    return tuple(segments) if scheme is None else in_classes(segments, scheme)


def _classes(items: Iterable[Annotation]) -> list[str]:
    present = {segment.emotion for item in items for segment in item.segments} | {NEUTRAL}
    return [emotion for emotion in EMOTIONS if emotion in present]


_THROUGHOUT = {"neutral": "neutral throughout", "error": "wrong throughout"}


def _notes(
    reference: Sequence[Annotation],
    found: Mapping[str, Annotation],
    durations: Mapping[str, float],
    uncovered: str,
) -> list[str]:
    notes = []
    if absent := [item.id for item in reference if item.id not in found]:
        notes.append(
            f"{len(absent)} of {len(reference)} recordings have no hypothesis (the first is {absent[0]!r}): "
            f"they count as {_THROUGHOUT[uncovered]}"
        )
    events_alone = [
        item.id for item in found.values() if item.segments and len(item.events) == len(item.segments)
    ]
    if uncovered == "error" and events_alone:
        notes.append(
            f"{len(events_alone)} hypotheses have non-neutral segments only (the first is "
            f"{events_alone[0]!r}): where neutral segments were left out, that time counts as an error"
        )
    open_ended = [
        item.id
        for item in reference
        if not (durations.get(item.id) or item.duration or (item.id in found and found[item.id].duration))
    ]
    if open_ended:
        notes.append(
            f"the duration of {len(open_ended)} recordings is unknown: the end of their last segment is "
            f"used instead"
        )
    return notes


MEDIANS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
PENALTIES = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0)
SHORTEST = (0.0, 0.1, 0.2, 0.4)
THRESHOLDS = (0.0, 0.4, 0.5, 0.6, 0.7)


EVENTS_FOUND = "events found"
"""Name of a score in `Tuning.falls`."""


@dataclass(frozen=True)
class Tuning:
    """The chosen post-processing and its scores.

    Attributes:
        post: The choice.
        eder: Its mean EDER on the validation recordings.
        before: The mean EDER of the previous post-processing.
        recordings: Number of recordings that it was chosen on.
        tried: Number of settings compared.
        falls: Score -> its values with the previous and the chosen post-processing, of the scores that fall
            there: recalls of classes ("recall of sad", shares of time), and "events found", of `events`.
        events: Number of events in the reference of these recordings.
    """

    post: PostConfig
    eder: float
    before: float
    recordings: int
    tried: int
    falls: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    events: int = 0


def candidates() -> Iterator[PostConfig]:
    """Yield every setting to compare, the simplest first."""
    smoothings = [
        {"smoothing": "none"},
        *({"smoothing": "median", "median_seconds": seconds} for seconds in MEDIANS),
        *({"smoothing": "viterbi", "switch_penalty": penalty} for penalty in PENALTIES),
    ]
    for smoothing in smoothings:
        for shortest in SHORTEST:
            for threshold in THRESHOLDS:
                yield PostConfig(**smoothing, min_seconds=shortest, threshold=threshold)  # type: ignore[arg-type]


def tune(
    recordings: Sequence[SystemFrames],
    system: str,
    classes: Sequence[str],
    before: PostConfig,
    on_progress: Callable[[int], None] | None = None,
    uncovered: str = "neutral",
) -> Tuning:
    """Choose the post-processing with the lowest mean EDER; among equals, the simplest.

    Args:
        recordings: Validation recordings, never test recordings.
        system: The system whose frames are turned into segments.
        classes: Class names.
        before: The current post-processing, which is preferred in a tie.
        on_progress: Called with the number of further settings tried.
        uncovered: How time without a frame is counted, as in `find_segments`.

    Raises:
        UsageError: If there is no recording.
    """
    if not recordings:
        raise UsageError("tuning: no validation recordings.")
    own = mean_eder(recordings, system, classes, before, uncovered)
    best, lowest, tried = before, own, 1
    for post in candidates():
        error = mean_eder(recordings, system, classes, post, uncovered)
        tried += 1
        if error < lowest - 1e-9:
            best, lowest = post, error
        if on_progress is not None:
            on_progress(1)
    earlier, chosen = (
        evaluate(find_segments(recordings, system, classes, post, uncovered), classes)
        for post in (before, best)
    )
    return Tuning(best, lowest, own, len(recordings), tried, _falls(earlier, chosen), chosen.events)


def _falls(before: DiarizationScores, after: DiarizationScores) -> dict[str, tuple[float, float]]:
    pairs = {
        f"recall of {one.name}": (one.recall, other.recall)
        for one, other in zip(before.by_emotion, after.by_emotion, strict=True)
    }
    pairs[EVENTS_FOUND] = float(before.events_found), float(after.events_found)
    return {name: (one, other) for name, (one, other) in pairs.items() if other < one - 1e-9}


def mean_eder(
    recordings: Sequence[SystemFrames],
    system: str,
    classes: Sequence[str],
    post: PostConfig,
    uncovered: str = "neutral",
) -> float:
    """Return the mean EDER of a system over recordings."""
    diarized = find_segments(recordings, system, classes, post, uncovered)
    confusions = [
        time_confusion(item.reference, item.hypothesis, item.duration, classes, uncovered)
        for item in diarized
    ]
    return float(eder(torch.stack(confusions), list(classes).index(NEUTRAL)).mean())


def keep_tuning(path: Path, tuning: Tuning, data: str) -> None:
    """Replace the post-processing stored in a checkpoint with the chosen one.

    Args:
        path: The checkpoint.
        tuning: What was chosen.
        data: What it was chosen on, stored with it.

    Raises:
        CheckpointError: If the file is not a checkpoint of sercl.
        OutputError: If it cannot be written.
    """
    stored = checkpoints.read(path)
    stored["hyper_parameters"]["post"] = asdict(tuning.post)
    stored["sercl"]["tuned"] = {"on": data, **{k: v for k, v in asdict(tuning).items() if k != "post"}}
    with atomic_path(path) as temporary:
        torch.save(stored, temporary)
