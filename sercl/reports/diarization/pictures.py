"""Three recordings of an evaluation, to look at: of low, middling and high EDER."""

from collections.abc import Mapping, Sequence

import numpy as np

from sercl.audio.files import Samples
from sercl.audio.stream import envelope, envelope_of
from sercl.diarization.segments import NEUTRAL
from sercl.metrics.functional.eder import eder, time_confusion
from sercl.reports.diarization.figure import Picture
from sercl.studies.diarization.judged import Judged, Recording, Recordings

TRUTH = "truth"
_PLACES = (0.25, 0.5, 0.75)
"""Where in the order of EDER the recordings of a picture stand."""


def pictures(recordings: Recordings, judged: Mapping[str, Sequence[Judged]]) -> list[Picture]:
    """Return at most three recordings with the truth and what each system found.

    They stand at the quartiles of the first system's EDER.

    Args:
        recordings: What was judged; it is made once more for the audio.
        judged: System -> what it found, in the order of the recordings.
    """
    first = next(iter(judged.values()))
    chosen = quartiles([error(item) for item in first])
    wanted = {first[index].id: index for index in chosen}
    drawn = {
        wanted[item.id]: _picture(item, wanted[item.id], judged) for item in recordings if item.id in wanted
    }
    return [drawn[index] for index in chosen]


def quartiles(errors: Sequence[float]) -> list[int]:
    """Return the indices at a quarter, half and three quarters of the order, each once."""
    order = np.argsort(np.asarray(errors), kind="stable").tolist()
    return list(dict.fromkeys(order[round(place * (len(order) - 1))] for place in _PLACES))


def error(item: Judged) -> float:
    """Return the EDER of one recording."""
    names = {segment.emotion for segment in (*item.reference, *item.hypothesis)} | {NEUTRAL}
    classes = sorted(names)
    confusion = time_confusion(item.reference, item.hypothesis, item.duration, classes, item.uncovered)
    return float(eder(confusion, classes.index(NEUTRAL)))


def _picture(recording: Recording, index: int, judged: Mapping[str, Sequence[Judged]]) -> Picture:
    first = next(iter(judged.values()))[index]
    # What finds nothing has nothing to show.
    found = {
        name: own[index].hypothesis for name, own in judged.items() if any(item.hypothesis for item in own)
    }
    name = f"{recording.id}: EDER {100 * error(first):.1f} %"
    return Picture(name, recording.duration, _envelope(recording), {TRUTH: recording.reference, **found})


def _envelope(recording: Recording) -> Samples:
    if isinstance(recording.source, tuple):
        return envelope_of(np.asarray(recording.source[0], dtype=np.float32))
    return envelope(recording.source)
