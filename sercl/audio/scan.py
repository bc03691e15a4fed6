"""Decode every clip of a corpus once, and say what is wrong with it. No torch here."""

import hashlib
import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from sercl.audio.files import opened, read_opened
from sercl.errors import AudioError, UsageError

SILENCE_DBFS = -60.0
"""Peak level under which a clip counts as silent: 33 steps of a 16-bit sample, under any audible speech."""

_CLIPS_PER_JOB = 32


class Clip(NamedTuple):
    """A file, or a stretch of one, `start` and `end` in seconds into it (None: the file's own)."""

    path: Path
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Limits:
    """Which clips are fit for use.

    Args:
        min_seconds: Shorter clips are faults; 0 accepts every length.
        max_seconds: Longer clips are faults; None accepts every length.
        silence_dbfs: Clips whose peak is lower, in dB relative to full scale, are faults.
    """

    min_seconds: float = 0.1
    max_seconds: float | None = None
    silence_dbfs: float = SILENCE_DBFS

    def __post_init__(self) -> None:
        if not self.min_seconds >= 0:
            raise UsageError(f"min_seconds must be 0 or more, not {self.min_seconds}")
        if self.max_seconds is not None and not self.max_seconds > self.min_seconds:
            message = (
                f"max_seconds must be greater than min_seconds ({self.min_seconds}), not {self.max_seconds}"
            )
            raise UsageError(message)
        if not self.silence_dbfs < 0:
            raise UsageError(f"silence_dbfs must be less than 0 dB, not {self.silence_dbfs}")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a clip cannot be used.

    Attributes:
        clip_index: Position of the clip in the list that was scanned.
        kind: "missing", "unreadable", "empty", "short", "long", "silent" or "nan".
        reason: What is wrong, without the path.
    """

    clip_index: int
    kind: str
    reason: str


@dataclass(frozen=True)
class ScanReport:
    """What a scan found, one entry per clip in the order given; None where the clip could not be decoded.

    Attributes:
        seconds: Duration.
        rates: Sampling rate of the file, Hz.
        channels: Number of channels of the file.
        peaks: Highest absolute sample of the mono mix, dB relative to full scale; -inf for digital silence.
        digests: Hash of the decoded samples: equal for clips that hold the same audio.
        faults: At most one per clip, in the order of the clips.
    """

    seconds: list[float | None]
    rates: list[int | None]
    channels: list[int | None]
    peaks: list[float | None]
    digests: list[str | None]
    faults: list[Fault]

    def duplicates(self) -> list[list[int]]:
        """Return the groups (of two and more) of clip indices that hold the same samples."""
        groups: dict[str, list[int]] = defaultdict(list)
        for index, digest in enumerate(self.digests):
            if digest is not None:
                groups[digest].append(index)
        return [group for group in groups.values() if len(group) > 1]


class _Measures(NamedTuple):
    seconds: float | None = None
    rate: int | None = None
    channels: int | None = None
    peak: float | None = None
    digest: str | None = None


_Found = tuple[int, _Measures, Fault | None]


def scan(
    clips: Sequence[Clip],
    limits: Limits = Limits(),
    *,
    on_progress: Callable[[int], None] | None = None,
    workers: int | None = None,
) -> ScanReport:
    """Decode every clip once, in threads (libsndfile works outside of the interpreter lock).

    Args:
        clips: What to read. Clips of one file share one opening of it.
        limits: Which clips are fit for use.
        on_progress: Called in the caller's thread with the number of clips finished since the last call.
        workers: Threads; None for one per core.

    Returns:
        Measures per clip, and the faults. Nothing is raised for bad audio.
    """
    found: dict[int, _Found] = {}
    pool = ThreadPoolExecutor(workers or os.cpu_count())
    try:
        for future in as_completed([pool.submit(_scan_job, job, limits) for job in _jobs(clips)]):
            results = future.result()
            found.update((result[0], result) for result in results)
            if on_progress is not None:
                on_progress(len(results))
    finally:
        pool.shutdown(cancel_futures=True)
    return _report([found[index] for index in range(len(clips))])


def _jobs(clips: Sequence[Clip]) -> Iterator[list[tuple[int, Clip]]]:
    by_path: dict[Path, list[tuple[int, Clip]]] = defaultdict(list)
    for index, clip in enumerate(clips):
        by_path[clip.path].append((index, clip))
    for stretches in by_path.values():
        for first in range(0, len(stretches), _CLIPS_PER_JOB):
            yield stretches[first : first + _CLIPS_PER_JOB]


def _scan_job(job: list[tuple[int, Clip]], limits: Limits) -> list[_Found]:
    """Scan clips of one file, opening it anew after each one that fails: a decoder does not recover."""
    found: list[_Found] = []
    while len(found) < len(job):
        found += _scan_until_failure(job[len(found) :], limits)
    return found


def _scan_until_failure(job: list[tuple[int, Clip]], limits: Limits) -> list[_Found]:
    found: list[_Found] = []
    try:
        with opened(job[0][1].path) as file:
            for index, clip in job:
                found.append(_scan_clip(file, index, clip, limits))
    except AudioError as error:
        index = job[len(found)][0]
        found.append((index, _Measures(), Fault(index, error.kind, error.reason)))
    return found


def _scan_clip(file: soundfile.SoundFile, index: int, clip: Clip, limits: Limits) -> _Found:
    samples = read_opened(file, clip.start, clip.end)
    seconds, peak = len(samples) / file.samplerate, _dbfs(float(np.abs(samples).max()))
    digest = hashlib.blake2b(samples.tobytes(), digest_size=16).hexdigest()
    measures = _Measures(seconds, file.samplerate, file.channels, peak, digest)
    return index, measures, _fault(index, seconds, peak, limits)


def _fault(index: int, seconds: float, peak: float, limits: Limits) -> Fault | None:
    if seconds < limits.min_seconds:
        return Fault(index, "short", f"{seconds:.3f} s long, shorter than {limits.min_seconds:g} s")
    if limits.max_seconds is not None and seconds > limits.max_seconds:
        return Fault(index, "long", f"{seconds:.1f} s long, longer than {limits.max_seconds:g} s")
    if peak < limits.silence_dbfs:
        return Fault(index, "silent", f"peak at {peak:.0f} dBFS, under {limits.silence_dbfs:g} dBFS")
    return None


def _dbfs(amplitude: float) -> float:
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf


def _report(found: Sequence[_Found]) -> ScanReport:
    measures = [measured for _, measured, _ in found]
    return ScanReport(
        seconds=[measured.seconds for measured in measures],
        rates=[measured.rate for measured in measures],
        channels=[measured.channels for measured in measures],
        peaks=[measured.peak for measured in measures],
        digests=[measured.digest for measured in measures],
        faults=[fault for _, _, fault in found if fault is not None],
    )
