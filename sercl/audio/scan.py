"""Decode every clip of a corpus once and report what is wrong with it. Imports no torch."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import soundfile

from sercl.ahead import ahead, usable_cores
from sercl.audio.files import opened, read_opened
from sercl.errors import AudioError, UsageError

SILENCE_DBFS = -60.0
"""Peak level under which a clip counts as silent: 33 steps of a 16-bit sample, under any audible speech."""

_CLIPS_PER_JOB = 32
_CLIPS_PER_STEP = 4096
"""Clips after which what was found is stored: a check that is stopped goes on there."""


class AudioSpan(NamedTuple):
    """A file, or a stretch of one, `start` and `end` in seconds into it (None: the file's own)."""

    path: Path
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Limits:
    """Which clips can be used.

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
    """What a scan found, one entry per clip in the order given; None if the clip could not be decoded.

    Attributes:
        seconds: Duration.
        rates: Sampling rate of the file, Hz.
        channels: Number of channels of the file.
        peaks: Highest absolute sample of the mono mix, dB relative to full scale; -inf for digital silence.
        digests: Hash of the decoded samples and their rate: equal for clips with the same audio.
        faults: At most one per clip, in the order of the clips.
    """

    seconds: list[float | None]
    rates: list[int | None]
    channels: list[int | None]
    peaks: list[float | None]
    digests: list[str | None]
    faults: list[Fault]

    def duplicates(self) -> list[list[int]]:
        """Return groups (two or more) of clip indices with the same samples, except silent clips."""
        silent = {fault.clip_index for fault in self.faults if fault.kind == "silent"}
        groups: dict[str, list[int]] = defaultdict(list)
        for index, digest in enumerate(self.digests):
            if digest is not None and index not in silent:
                groups[digest].append(index)
        return [group for group in groups.values() if len(group) > 1]


class Measures(NamedTuple):
    """What one clip measures: s, Hz, channels, dB relative to full scale, hash of samples and rate."""

    seconds: float
    rate: int
    channels: int
    peak: float
    digest: str


Identity = tuple[str | float, ...]
"""Identifies a stretch of a file in its current state."""


class Memory(Protocol):
    """Stores the measures of clips whose files have not changed; see `sercl.audio.scan_cache`."""

    def identify(self, clips: Mapping[int, AudioSpan]) -> dict[int, Identity]:
        """Return the identities of clips whose file exists, by their position."""

    def recall(self, identities: Mapping[int, Identity]) -> dict[int, Measures]:
        """Return the stored measures of clips."""

    def remember(self, rows: Iterable[tuple[Identity, Measures]]) -> None:
        """Store the measures of clips."""


_Found = dict[int, Measures | Fault]
_Stretches = list[tuple[int, AudioSpan]]
"""Clips of one file, each with its position."""


def scan(
    clips: Sequence[AudioSpan],
    limits: Limits = Limits(),
    *,
    on_progress: Callable[[int], None] | None = None,
    workers: int | None = None,
    memory: Memory | None = None,
) -> ScanReport:
    """Decode every clip once, in threads (libsndfile releases the interpreter lock).

    Args:
        clips: What to read. A file is opened once for its clips that follow each other.
        limits: Which clips can be used.
        on_progress: Called in the caller's thread with the number of clips finished since the last call.
        workers: Number of threads; None for one per core.
        memory: Clips that it knows are not decoded again; the others are added to it.

    Returns:
        Measures per clip, and the faults. Nothing is raised for bad audio.
    """
    found: list[Measures | Fault] = []
    for first in range(0, len(clips), _CLIPS_PER_STEP):
        step = range(first, min(first + _CLIPS_PER_STEP, len(clips)))
        own = _measured({index: clips[index] for index in step}, on_progress, workers, memory)
        found += (own[index] for index in step)
    return _report(found, limits)


def _measured(
    clips: Mapping[int, AudioSpan],
    on_progress: Callable[[int], None] | None,
    workers: int | None,
    memory: Memory | None,
) -> _Found:
    """Return what is remembered or decoded of clips, by their position."""
    # Taken before decoding: a file that changes meanwhile is then not stored under its new identity.
    identities = memory.identify(clips) if memory is not None else {}
    known = memory.recall(identities) if memory is not None else {}
    if known and on_progress is not None:
        on_progress(len(known))
    new = _decode([item for item in clips.items() if item[0] not in known], on_progress, workers)
    if memory is not None:
        memory.remember(
            (identities[i], item) for i, item in new.items() if i in identities and isinstance(item, Measures)
        )
    return {**known, **new}


def _decode(
    clips: Sequence[tuple[int, AudioSpan]], on_progress: Callable[[int], None] | None, workers: int | None
) -> _Found:
    found: _Found = {}
    threads = workers or usable_cores()
    for results in ahead(_decode_job, _jobs(_by_file(clips)), threads):
        found.update(results)
        if on_progress is not None:
            on_progress(len(results))
    return found


def _by_file(clips: Iterable[tuple[int, AudioSpan]]) -> Iterator[_Stretches]:
    """Yield the clips of each file, in lists of at most `_CLIPS_PER_JOB`."""
    by_path: dict[Path, _Stretches] = defaultdict(list)
    for index, clip in clips:
        by_path[clip.path].append((index, clip))
    for stretches in by_path.values():
        for first in range(0, len(stretches), _CLIPS_PER_JOB):
            yield stretches[first : first + _CLIPS_PER_JOB]


def _jobs(files: Iterable[_Stretches]) -> Iterator[list[_Stretches]]:
    """Yield lists of files with about `_CLIPS_PER_JOB` clips: passing on a single short one takes longer."""
    job: list[_Stretches] = []
    for stretches in files:
        job.append(stretches)
        if sum(map(len, job)) >= _CLIPS_PER_JOB:
            yield job
            job = []
    if job:
        yield job


def _decode_job(job: Iterable[_Stretches]) -> _Found:
    """Decode the clips of some files; reopen one after each failure, since decoders do not recover."""
    found: _Found = {}
    for stretches in job:
        done = 0
        while done < len(stretches):
            results = _decode_until_failure(stretches[done:])
            found.update(results)
            done += len(results)
    return found


def _decode_until_failure(stretches: _Stretches) -> _Found:
    found: _Found = {}
    try:
        with opened(stretches[0][1].path) as file:
            for index, clip in stretches:
                found[index] = _measure(file, clip)
    except AudioError as error:
        index = stretches[len(found)][0]
        found[index] = Fault(index, error.kind, error.reason)
    return found


def _measure(file: soundfile.SoundFile, clip: AudioSpan) -> Measures:
    samples = read_opened(file, clip.start, clip.end)
    peak = _dbfs(float(np.abs(samples).max()))
    digest = hashlib.blake2b(samples.tobytes(), digest_size=16, salt=file.samplerate.to_bytes(4)).hexdigest()
    return Measures(len(samples) / file.samplerate, file.samplerate, file.channels, peak, digest)


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


def _report(found: Sequence[Measures | Fault], limits: Limits) -> ScanReport:
    measures = [None if isinstance(item, Fault) else item for item in found]
    faults = [
        item if isinstance(item, Fault) else _fault(index, item.seconds, item.peak, limits)
        for index, item in enumerate(found)
    ]
    return ScanReport(
        seconds=[item and item.seconds for item in measures],
        rates=[item and item.rate for item in measures],
        channels=[item and item.channels for item in measures],
        peaks=[item and item.peak for item in measures],
        digests=[item and item.digest for item in measures],
        faults=[fault for fault in faults if fault is not None],
    )
