"""Post-processing chosen on validation recordings, by their mean EDER."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from sercl.diarization.postprocess import PostConfig
from sercl.errors import UsageError
from sercl.files import atomic_path
from sercl.metrics.functional.eder import NEUTRAL, eder, time_confusion
from sercl.studies.diarization.recordings import SystemFrames, find_segments
from sercl.tasks import checkpoint as checkpoints

MEDIANS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
PENALTIES = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0)
SHORTEST = (0.0, 0.1, 0.2, 0.4)
THRESHOLDS = (0.0, 0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True)
class Tuning:
    """The chosen post-processing and its scores.

    Attributes:
        post: The choice.
        eder: Its mean EDER on the validation recordings.
        before: The mean EDER of the previous post-processing.
        recordings: Number of recordings that it was chosen on.
        tried: Number of settings compared.
    """

    post: PostConfig
    eder: float
    before: float
    recordings: int
    tried: int


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
    return Tuning(best, lowest, own, len(recordings), tried)


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
