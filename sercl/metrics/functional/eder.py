"""Emotion diarization error rate (EDER), its components, and related scores.

All scores follow from the time confusion: how long each emotion of the reference was labelled as which
emotion, `[..., classes, classes + 1]` in seconds, rows the reference, columns the hypothesis. The last column
is time without a hypothesis segment; it is zero unless that counts as an error. Matrices of several
recordings can be added. In averages over all time, such as UAR or Matthews' correlation, that time is a
prediction that is no class, see `sercl.metrics.functional.classification`.

EDER = (missed emotion + false alarm + confusion) / duration, without a collar (Wang et al. 2023, "Speech
Emotion Diarization"). Time without an event is neutral, in the reference and in the hypothesis: a file
without events, an empty prediction and a tail that no frame covers are all neutral.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from sercl.errors import SegmentError, UnknownNameError, UsageError
from sercl.metrics.functional.classification import AVERAGES, recall
from sercl.metrics.functional.timeline import Labelled, Stretch, cut, events, timeline

NEUTRAL = "neutral"
UNCOVERED = ("neutral", "error")

_ROUNDING = 1e-9  # s


class ErrorParts(NamedTuple):
    """Components of the EDER as fractions of the duration, `[...]` each, 0 to 1; their sum is the EDER.

    Attributes:
        missed: Emotion labelled as neutral.
        false_alarm: Neutral labelled as an emotion.
        confusion: Emotion labelled as another emotion.
    """

    missed: Tensor
    false_alarm: Tensor
    confusion: Tensor


def time_confusion(
    reference: Iterable[Labelled],
    hypothesis: Iterable[Labelled],
    duration: float,
    classes: Sequence[str],
    uncovered: str = "neutral",
) -> Tensor:
    """Measure how long each class of the reference was labelled as which class.

    Args:
        reference: Reference segments of one recording, without overlap; neutral ones may be left out.
        hypothesis: Segments to evaluate, without overlap; anything beyond the recording is cut off.
        duration: Length of the recording in s.
        classes: Class names, "neutral" among them.
        uncovered: How time without a hypothesis segment counts: "neutral", or "error", which needs explicit
            neutral segments. SpeechBrain's EDER counts the tail that no frame covers as an error.

    Returns:
        `[classes, classes + 1]` float64 seconds, see the module; its sum is `duration`.

    Raises:
        SegmentError: For a duration of 0 or less, or segments that overlap or lie outside the recording.
        UnknownNameError: For an emotion that is not in `classes`, or `uncovered` of another value.
    """
    if uncovered not in UNCOVERED:
        raise UnknownNameError("uncovered", uncovered, UNCOVERED)
    if not duration > 0:
        raise SegmentError(f"a recording of {duration:g} s has no time to be evaluated.")
    neutral = _neutral(classes)
    tracks = timeline(reference, duration), cut(timeline(hypothesis), duration)
    blanks = neutral, neutral if uncovered == "neutral" else len(classes)
    (rows, columns), lengths = common_stretches(tracks, duration, classes, blanks)
    confusion = np.zeros((len(classes), len(classes) + 1))
    np.add.at(confusion, (rows, columns), lengths)
    return torch.from_numpy(confusion)


def common_stretches(
    tracks: Sequence[Sequence[Stretch]], duration: float, classes: Sequence[str], blanks: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Cut a recording where any of several timelines changes.

    Args:
        tracks: Timelines of the recording, in normal form, none beyond its end.
        duration: Length of the recording in s.
        classes: Class names.
        blanks: Class index of each timeline where it has no stretch.

    Returns:
        `[tracks, stretches]` class indices and `[stretches]` lengths in s, in order of time.

    Raises:
        UnknownNameError: For an emotion that is not in `classes`.
    """
    edges = np.unique(
        [0.0, duration, *(edge for track in tracks for s in track for edge in (s.start, s.end))]
    )
    middles, lengths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    labels = [_labels_at(middles, track, classes, blank) for track, blank in zip(tracks, blanks, strict=True)]
    return np.stack(labels), lengths


def error_parts(confusion: Tensor, neutral: int) -> ErrorParts:
    """Return the three components of the EDER of time confusions `[..., classes, classes + 1]`.

    Args:
        confusion: See the module.
        neutral: Index of the neutral class. Uncovered time, if it counts, is missed emotion or a false alarm.
    """
    total = confusion.sum(dim=(-2, -1))
    uncovered = confusion[..., -1]
    emotional = torch.arange(confusion.shape[-2], device=confusion.device) != neutral
    missed = (confusion[..., neutral] + uncovered)[..., emotional].sum(dim=-1)
    false_alarm = confusion[..., neutral, :-1][..., emotional].sum(dim=-1) + uncovered[..., neutral]
    inner = confusion[..., :-1][..., emotional, :][..., emotional]
    confused = inner.sum(dim=(-2, -1)) - inner.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    return ErrorParts(missed / total, false_alarm / total, confused.clamp(min=0) / total)


def eder(confusion: Tensor, neutral: int) -> Tensor:
    """Return the EDER `[...]`, 0 to 1, of time confusions `[..., classes, classes + 1]`.

    For matrices of single recordings it is the EDER of each, whose mean is usually published; for their sum
    it is the time-weighted EDER.
    """
    return sum(error_parts(confusion, neutral), start=torch.zeros(())).clamp(max=1.0)


def eder_by_emotion(confusions: Tensor, classes: Sequence[str]) -> dict[str, Tensor]:
    """Return the mean EDER of the recordings that contain each emotion, in class order.

    A recording with several emotions counts for each of them; "neutral" is for recordings without an event.
    NaN if there is no such recording.

    Args:
        confusions: `[recordings, classes, classes + 1]`.
        classes: Class names.
    """
    neutral = _neutral(classes)
    each = eder(confusions, neutral)
    holds = confusions.sum(dim=-1) > 0
    emotional = torch.arange(len(classes)) != neutral
    holds[:, neutral] = ~holds[:, emotional].any(dim=1)
    return {name: each[holds[:, index]].mean() for index, name in enumerate(classes)}


class Boundaries(NamedTuple):
    """Accuracy of event boundaries in one recording.

    Attributes:
        errors: Distances in s between the boundaries of detected events and those of their counterparts.
        events: Events in the reference.
        found: Of these, how many have a counterpart: an event of the same emotion that overlaps them.
    """

    errors: tuple[float, ...]
    events: int
    found: int


def boundaries(reference: Iterable[Labelled], hypothesis: Iterable[Labelled], duration: float) -> Boundaries:
    """Measure how far the boundaries of the hypothesis are from those of the reference.

    Events of the same emotion are matched one to one for the longest overlap. Starts at 0 and ends at
    `duration` in the reference are edges of the recording, not boundaries, and are not measured.

    Args:
        reference: Reference segments of one recording.
        hypothesis: Segments to evaluate.
        duration: Length of the recording in s.

    Raises:
        SegmentError: As `time_confusion`.
    """
    truth, guess = _events_of(reference, hypothesis, duration)
    pairs = _pairs(truth, guess)
    errors = [
        abs(there - here)
        for i, j in pairs
        for here, there in ((truth[i].start, guess[j].start), (truth[i].end, guess[j].end))
        if 0 < here < duration
    ]
    return Boundaries(tuple(errors), len(truth), len(pairs))


class Deviations(NamedTuple):
    """Distances of marked boundaries from those of a reference in one recording, whatever the emotions.

    Attributes:
        starts: Marked minus reference in s, of the starts of events that a marked event overlaps.
        ends: The same of their ends.
        boundaries: Starts and ends of events in the reference, with or without a counterpart.
    """

    starts: tuple[float, ...]
    ends: tuple[float, ...]
    boundaries: int

    def within(self, tolerance: float) -> int:
        """Return how many boundaries of the reference were marked within a tolerance in s."""
        return sum(abs(own) <= tolerance + _ROUNDING for own in (*self.starts, *self.ends))


def deviations(reference: Iterable[Labelled], hypothesis: Iterable[Labelled], duration: float) -> Deviations:
    """Measure where the boundaries of events were marked, without regard to which emotion they were called.

    Events are matched one to one for the longest overlap. Starts at 0 and ends at `duration` in the reference
    are edges of the recording, not boundaries.

    Args:
        reference: Reference segments of one recording.
        hypothesis: Segments to evaluate.
        duration: Length of the recording in s.

    Raises:
        SegmentError: As `time_confusion`.
    """
    return deviations_between(*_events_of(reference, hypothesis, duration), duration)


def deviations_between(truth: Sequence[Stretch], guess: Sequence[Stretch], duration: float) -> Deviations:
    """Return what `deviations` does, of events in normal form, such as those of many pairs of listeners.

    Args:
        truth: Events of the reference, in order, none neutral or beyond the end.
        guess: Those to evaluate.
        duration: Length of the recording in s.
    """
    pairs = _matched([[_common(one, other) for other in guess] for one in truth])
    return Deviations(
        tuple(guess[j].start - truth[i].start for i, j in pairs if truth[i].start > 0),
        tuple(guess[j].end - truth[i].end for i, j in pairs if truth[i].end < duration),
        sum((own.start > 0) + (own.end < duration) for own in truth),
    )


def _events_of(
    reference: Iterable[Labelled], hypothesis: Iterable[Labelled], duration: float
) -> tuple[list[Stretch], list[Stretch]]:
    return events(timeline(reference, duration)), events(cut(timeline(hypothesis), duration))


def _pairs(truth: Sequence[Stretch], guess: Sequence[Stretch]) -> list[tuple[int, int]]:
    """Return the indices of events of the same emotion that are matched for the longest overlap."""
    return _matched([[_overlap(one, other) for other in guess] for one in truth])


def _matched(each: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """Return row and column of the pairs with the longest overlap in all."""
    if len(each) == 1 and len(each[0]) == 1:
        return [(0, 0)] if each[0][0] > 0 else []
    overlaps = np.array(each)
    if not overlaps.size:
        return []
    return [(i, j) for i, j in zip(*linear_sum_assignment(-overlaps), strict=True) if overlaps[i, j] > 0]


class Measured(NamedTuple):
    """What was measured in some recordings.

    Attributes:
        confusions: `[recordings, classes, classes + 1]` time confusions in s.
        matched: `[recordings, 4]`: sum of the boundary errors in s, their number, events, events found (see
            `boundaries`).
        neutral: Index of the neutral class.
    """

    confusions: Tensor
    matched: Tensor
    neutral: int


def _equally(measured: Measured) -> Tensor:
    return torch.ones_like(measured.matched[:, 0])


@dataclass(frozen=True)
class MeanError:
    """A mean over recordings of an error; 0 is the best.

    Attributes:
        name: Its name in files and loggers.
        title: Its name in tables.
        function: The error of each recording, `[recordings]`, NaN where it has none.
        weights: Weight of each recording in the mean, `[recordings]`.
        in_seconds: Whether it is a time in s; if not, it is a fraction of 0 to 1.
    """

    name: str
    title: str
    function: Callable[[Measured], Tensor]
    weights: Callable[[Measured], Tensor] = _equally
    in_seconds: bool = False

    def of(self, measured: Measured) -> Tensor:
        """Return the mean, a scalar; NaN if no recording has the error."""
        each, weights = self.function(measured), self.weights(measured)
        return (each * weights).nansum() / weights[~each.isnan()].sum()


def _rates(measured: Measured) -> Tensor:
    return eder(measured.confusions, measured.neutral)


def _parts(measured: Measured) -> ErrorParts:
    return error_parts(measured.confusions, measured.neutral)


ERRORS: Mapping[str, MeanError] = {
    row.name: row
    for row in (
        MeanError("eder", "EDER", _rates),
        MeanError("missed", "Missed", lambda measured: _parts(measured).missed),
        MeanError("false_alarm", "False alarm", lambda measured: _parts(measured).false_alarm),
        MeanError("confusion", "Confusion", lambda measured: _parts(measured).confusion),
        MeanError(
            "eder_time",
            "EDER, time-weighted",
            _rates,
            weights=lambda measured: measured.confusions.sum(dim=(-2, -1)),
        ),
        MeanError(
            "boundary_error",
            "Boundary error",
            lambda measured: measured.matched[:, 0] / measured.matched[:, 1],
            weights=lambda measured: measured.matched[:, 1],
            in_seconds=True,
        ),
    )
}
"""All errors by name, in the order of tables. `classification.AVERAGES` are scores of diarization, too."""


def scores(confusions: Tensor, matched: Tensor, classes: Sequence[str]) -> dict[str, Tensor]:
    """Return every score by name.

    Args:
        confusions: `[recordings, classes, classes + 1]` time confusions.
        matched: `[recordings, 4]`, see `Measured`.
        classes: Class names, "neutral" among them.

    Returns:
        Scalars, NaN if undefined: every error of `ERRORS`; "eder/<class>"; every average of
        `classification.AVERAGES` and "recall/<class>" over all time, the limits of the frame-level scores for
        short frames; "events_found", the fraction of events with a counterpart.
    """
    if not len(confusions):
        raise UsageError("diarization scores: there is no recording to evaluate.")
    measured = Measured(confusions, matched, _neutral(classes))
    summed, sums = confusions.sum(dim=0), matched.sum(dim=0)
    each = {f"eder/{name}": value for name, value in eder_by_emotion(confusions, classes).items()}
    recalls = {f"recall/{name}": value for name, value in zip(classes, recall(summed), strict=True)}
    return {
        **{name: error.of(measured) for name, error in ERRORS.items()},
        **each,
        **{name: average.of(summed) for name, average in AVERAGES.items()},
        **recalls,
        "events_found": sums[3] / sums[2],
    }


def _neutral(classes: Sequence[str]) -> int:
    if NEUTRAL not in classes:
        raise UsageError(
            f"diarization needs the class {NEUTRAL!r}: time without an event is neutral. The classes are "
            f"{', '.join(classes)}; choose labels that contain it."
        )
    return list(classes).index(NEUTRAL)


def _labels_at(
    times: NDArray[np.float64], stretches: Sequence[Stretch], classes: Sequence[str], blank: int
) -> NDArray[np.int64]:
    """Return the class index at each time (s), `blank` if no stretch covers it."""
    codes = np.array([*(_index(stretch.emotion, classes) for stretch in stretches), blank])
    starts = np.array([stretch.start for stretch in stretches])
    ends = np.array([*(stretch.end for stretch in stretches), -np.inf])
    # Before the first start the index is -1: the last entry, which covers nothing.
    index = np.searchsorted(starts, times, side="right") - 1
    labels: NDArray[np.int64] = np.where(times < ends[index], codes[index], blank)
    return labels


def _index(emotion: str, classes: Sequence[str]) -> int:
    if emotion not in classes:
        raise UnknownNameError(
            "emotion", emotion, classes, "Choose labels that contain every event's emotion."
        )
    return list(classes).index(emotion)


def _overlap(one: Stretch, other: Stretch) -> float:
    return _common(one, other) if one.emotion == other.emotion else 0.0


def _common(one: Stretch, other: Stretch) -> float:
    """Return the time in s that both cover."""
    return max(0.0, min(one.end, other.end) - max(one.start, other.start))
