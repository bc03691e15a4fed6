"""Audio files: facts and samples, through libsndfile (wav, flac, ogg, mp3 and others). No torch here."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from sercl.errors import AudioError, AudioNotFoundError

TOLERANCE = 0.05
"""Seconds by which a label may overrun its file, or a file fall short of its header, without an error."""

# A writer that cannot seek back (a pipe) leaves the largest size in the header: nothing is missing then.
_LARGEST_DECLARED = 0x7FFF0000
_SHORTENED_DATA = re.compile(r"^data : (\d+) \(should be (\d+)\)", re.MULTILINE)

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What the header of an audio file says.

    Attributes:
        seconds: Duration.
        rate: Samples per second and channel.
        channels: Number of channels.
    """

    seconds: float
    rate: int
    channels: int


def info(path: Path | str) -> AudioInfo:
    """Return the facts in a file's header, without decoding it.

    Raises:
        AudioNotFoundError: There is no such file.
        AudioError: The file is empty, cut short or in no format that libsndfile knows.
    """
    with opened(path) as file:
        return AudioInfo(file.frames / file.samplerate, file.samplerate, file.channels)


def read(path: Path | str, start: float | None = None, end: float | None = None) -> tuple[Samples, int]:
    """Decode a file, or a stretch of it, to mono.

    Args:
        path: The file.
        start: Seconds into the file where the stretch begins, None for its start.
        end: Seconds into the file where it ends, None for its end; clipped where it is at most `TOLERANCE`
            beyond it.

    Returns:
        Samples `[n]`, float32, the mean over the channels, and their rate in Hz, which is the file's own.

    Raises:
        AudioNotFoundError: There is no such file.
        AudioError: The file is corrupt, cut short or empty, the stretch lies outside of it, or a sample is
            NaN or infinite.
    """
    with opened(path) as file:
        return read_opened(file, start, end), file.samplerate


@contextmanager
def opened(path: Path | str) -> Iterator[soundfile.SoundFile]:
    """Open an audio file, so that several stretches of it can be read with `read_opened`.

    Raises:
        AudioNotFoundError: There is no such file.
        AudioError: The file is empty, cut short or in no format that libsndfile knows.
    """
    if not Path(path).is_file():
        raise AudioNotFoundError(path)
    if Path(path).stat().st_size == 0:
        raise AudioError(path, "the file is empty (0 bytes); restore it from the corpus archive", "empty")
    with _decoding(path):
        file = soundfile.SoundFile(_native(path))
    with file:
        _check_header(file)
        yield file


def read_opened(file: soundfile.SoundFile, start: float | None = None, end: float | None = None) -> Samples:
    """Decode a stretch of an opened file to mono; arguments, result and errors as in `read`."""
    first, last = _bounds(file, start, end)
    with _decoding(_path(file)):
        file.seek(first)
        samples = file.read(last - first, dtype="float32", always_2d=True)
    _check_samples(file, samples, last - first)
    return _mono(samples)


def read_block(file: soundfile.SoundFile, size: int) -> Samples:
    """Decode the next `size` samples of an opened file to mono, fewer at its end.

    Raises:
        AudioError: The file is corrupt or cut short, or a sample is NaN or infinite.
    """
    announced = min(size, file.frames - file.tell())
    with _decoding(_path(file)):
        samples = file.read(announced, dtype="float32", always_2d=True)
    # The header of a lossy file may promise a few samples more than there are.
    if len(samples) or announced > TOLERANCE * file.samplerate:
        _check_samples(file, samples, announced)
    return _mono(samples)


def _mono(samples: Samples) -> Samples:
    mono: Samples = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    return mono


def _native(path: Path | str) -> Path | str | bytes:
    """Return a path as soundfile takes it: as bytes where it is no text, as out of an old archive."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def _path(file: soundfile.SoundFile) -> str:
    return os.fsdecode(file.name)


@contextmanager
def _decoding(path: Path | str) -> Iterator[None]:
    try:
        yield
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".")
        raise AudioError(path, f"cannot be decoded: {reason}; it is corrupt or not an audio file") from error


def _check_header(file: soundfile.SoundFile) -> None:
    if file.frames == 0:
        raise AudioError(_path(file), "holds no samples (0 frames); it is empty or cut short", "empty")
    # libsndfile shortens a wav that was cut off without an error; only its log keeps the announced size.
    if found := _SHORTENED_DATA.search(file.extra_info):
        announced, present = int(found[1]), int(found[2])
        missing = file.frames * (announced / present - 1) / file.samplerate
        if announced < _LARGEST_DECLARED and missing > TOLERANCE:
            raise AudioError(
                _path(file), f"cut short: {missing:.2f} s of audio are missing; restore the file"
            )


def _check_samples(file: soundfile.SoundFile, samples: Samples, announced: int) -> None:
    if len(samples) == 0 or len(samples) < announced - TOLERANCE * file.samplerate:
        message = f"cut short: {announced} samples announced, {len(samples)} decoded; restore the file"
        raise AudioError(_path(file), message)
    if not np.isfinite(samples).all():
        count = int(np.sum(~np.isfinite(samples).all(axis=1)))
        raise AudioError(_path(file), f"{count} of {len(samples)} samples are NaN or infinite", "nan")


def _bounds(file: soundfile.SoundFile, start: float | None, end: float | None) -> tuple[int, int]:
    rate, seconds = file.samplerate, file.frames / file.samplerate
    begin, stop = 0.0 if start is None else start, seconds if end is None else end
    if not (0 <= begin < seconds and stop <= seconds + TOLERANCE):
        stretch = f"the stretch from {begin:g} s to {stop:g} s"
        raise AudioError(_path(file), f"{stretch} lies outside of the file, which is {seconds:.3f} s long")
    first, last = round(begin * rate), min(round(stop * rate), file.frames)
    if first >= last:
        raise AudioError(_path(file), f"the stretch from {begin:g} s to {stop:g} s holds no samples", "empty")
    return first, last
