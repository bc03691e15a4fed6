"""Segment files of any tool against the truth, recording by recording."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sercl.corpora.base import Segment
from sercl.corpora.labels import EMOTIONS, LabelScheme
from sercl.diarization.segments import NEUTRAL, Annotation, in_classes
from sercl.errors import SegmentError, UnknownNameError, UsageError
from sercl.metrics.functional.eder import UNCOVERED
from sercl.metrics.functional.timeline import timeline
from sercl.studies.diarization.evaluation import DiarizationScores, evaluate
from sercl.studies.diarization.judged import Judged


@dataclass(frozen=True)
class Comparison:
    """Scores of segment files, and what a reader must know of them."""

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
        reference: True segments, by recording.
        hypothesis: Segments to be judged, neutral ones spelt out where `uncovered` is "error".
        durations: Recording -> length in s, which goes before what the annotations say.
        scheme: Emotion -> class; None for a class per emotion that comes up.
        uncovered: What time without any segment of the hypothesis counts as: "neutral", or "error" as in
            SpeechBrain's EDER.

    Raises:
        UnknownNameError: For `uncovered` of another value.
        UsageError: For no recording, or recordings of the hypothesis that the reference does not have.
        SegmentError: For segments that cannot be, or an emotion without a class.
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
    judged = [
        replace(
            _judged(item, found.get(item.id), (durations or {}).get(item.id), scheme), uncovered=uncovered
        )
        for item in reference
    ]
    classes = scheme.classes if scheme is not None else _classes([*reference, *hypothesis])
    return Comparison(evaluate(judged, classes), tuple(classes), tuple(notes))


def _judged(
    item: Annotation, found: Annotation | None, known: float | None, scheme: LabelScheme | None
) -> Judged:
    hypothesis = found.segments if found is not None else ()
    duration = known or item.duration or (found.duration if found else None)
    duration = duration or max((segment.end for segment in (*item.segments, *hypothesis)), default=0.0)
    try:
        timeline(item.segments, duration)
        reference = _named(item.segments, scheme)
        return Judged(item.id, None, reference, _named(hypothesis, scheme), duration)
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
            f"{len(events_alone)} recordings of the hypothesis have events alone (the first is "
            f"{events_alone[0]!r}): where neutral segments were left out, that time counts as an error"
        )
    open_ended = [
        item.id
        for item in reference
        if not (durations.get(item.id) or item.duration or (item.id in found and found[item.id].duration))
    ]
    if open_ended:
        notes.append(
            f"the duration of {len(open_ended)} recordings is not known: the end of their last segment is "
            "taken for it"
        )
    return notes
