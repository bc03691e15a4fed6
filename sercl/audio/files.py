"""Audio files: headers and samples, through libsndfile (wav, flac, ogg, mp3 and others). Imports no torch."""

import math
import os
import re
import shlex
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from sercl.audio.truncation import missing_share, open_ended
from sercl.errors import AudioError, AudioNotFoundError

TOLERANCE = 0.05
"""Seconds by which a label may exceed its file, or a decoder fall short of its header, without an error."""
HEADER_TOLERANCE = 0.01
"""Seconds that a header may announce beyond the end of its file: some writers include the header's size."""

_HEADERLESS = frozenset({".raw", ".pcm", ".ul", ".ulaw", ".al", ".alaw", ".sln"})
_SKIPPED = 1 << 16
"""Samples decoded at once while skipping ahead in a file that cannot seek."""
_AT_ONCE = 1 << 26
"""Maximum number of values decoded into one array: 70 minutes of mono at 16 kHz."""
_LOWEST_RATE, _HIGHEST_RATE = 1000, 1_000_000
"""Accepted rates in Hz: others are damaged headers. Lower ones would fill the memory at 16 kHz."""

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """The header of an audio file.

    Attributes:
        seconds: Duration.
        rate: Samples per second and channel.
        channels: Number of channels.
    """

    seconds: float
    rate: int
    channels: int


def info(path: Path | str) -> AudioInfo:
    """Read a file's header, without decoding the file.

    Raises:
        AudioNotFoundError: The file does not exist.
        AudioError: The file is empty, truncated or in a format that libsndfile does not know.
    """
    with opened(path) as file:
        return AudioInfo(file.frames / file.samplerate, file.samplerate, file.channels)


def read(path: Path | str, start: float | None = None, end: float | None = None) -> tuple[Samples, int]:
    """Decode a file, or a stretch of it, to mono.

    Args:
        path: The file.
        start: Seconds into the file where the stretch begins, None for its start.
        end: Seconds into the file where it ends, None for its end; clipped if at most `TOLERANCE` beyond it.

    Returns:
        Samples `[n]`, float32, the mean over the channels, and their rate in Hz, which is the file's own.

    Raises:
        AudioNotFoundError: The file does not exist.
        AudioError: The file is corrupt, cut short or empty, the stretch lies outside of it, or a sample is
            NaN or infinite.
    """
    with opened(path) as file:
        return read_opened(file, start, end), file.samplerate


@contextmanager
def opened(path: Path | str) -> Iterator[soundfile.SoundFile]:
    """Open an audio file, so that several stretches of it can be read with `read_opened`.

    Raises:
        AudioNotFoundError: The file does not exist.
        AudioError: The file is empty, truncated or in a format that libsndfile does not know.
    """
    if _size(path) == 0:
        raise AudioError(path, "the file is empty (0 bytes); restore it from a backup", "empty")
    # Of raw samples, soundfile asks for the rate before it reads the file; of text that is called MP3, its
    # decoder complains on standard error before it fails.
    if (suffix := Path(path).suffix.lower()) == ".raw" or (suffix == ".mp3" and _is_text(_start(Path(path)))):
        raise AudioError(path, f"cannot be decoded: {_what_else(Path(path))}")
    with _decoding(path):
        file = soundfile.SoundFile(_native(path))
        if not file.seekable() or file.format == "MP3":
            file.close()
            file = _ForwardFile(_native(path))
    with file:
        whole = open_ended(path) if file.frames == 0 else None
        if whole is None:
            _check_header(file)
            yield file
            return
    with whole:
        with _decoding(path):
            file = soundfile.SoundFile(whole)
        with file:
            _check_header(file)
            yield file


def _size(path: Path | str) -> int:
    """Return the size of a regular file; reading a pipe or a device might never end."""
    try:
        found = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise AudioNotFoundError(path) from error
    except OSError as error:
        raise AudioError(path, f"cannot be opened: {error.strerror}", "missing") from error
    if not stat.S_ISREG(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
        raise AudioError(path, f"is {what}, not an audio file", "missing")
    return found.st_size


class Versions:
    """The versions of files when a run began to use them: one that changes meanwhile is refused.

    Hours of training on one version, and the rest on another, would give a result that nobody can repeat; and
    hidden states of the new version would be stored as those of the old one.

    Args:
        paths: Files that will be used; others are known from their first check.
    """

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self._known = {path: _version(path) for path in set(paths)}

    def check(self, path: Path) -> None:
        """Raise `AudioError` for a file that is no longer the same; call it after reading the file."""
        if (now := _version(path)) != self._known.setdefault(path, now):
            reason = (
                "was changed while this run was using it, so results would mix two versions. Run again once "
                "the recordings stay as they are; what was finished before is kept."
            )
            raise AudioError(path, reason, "changed")


def _version(path: Path) -> tuple[int, int] | None:
    """Return size and time of the last change; None for a file that cannot be looked at."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns


class _ForwardFile(soundfile.SoundFile):
    """A file that is decoded without the seek that soundfile performs for every read.

    Decoders such as GSM 6.10 cannot seek: to go back, the file is reopened. The MP3 decoder can, but needs
    two frames to settle, so consecutive blocks would not add up to the whole file.
    """

    _position = 0

    def seekable(self) -> bool:
        """Return False: reads must not seek."""
        return False

    def tell(self) -> int:
        """Return the number of the next sample."""
        return self._position

    def seek(self, frames: int, whence: int = soundfile.SEEK_SET) -> int:
        """Go to a sample, counted from the start; if the decoder cannot seek, by decoding up to it."""
        if frames != self._position and super().seekable():
            self._position = super().seek(frames, whence)
        elif frames < self._position:
            name = self.name
            self.close()
            self.__init__(name)  # type: ignore[misc]
            self._position = 0
        while self._position < frames and len(self.read(min(_SKIPPED, frames - self._position))):
            pass
        return self._position

    def read(self, frames: int = -1, *args: Any, **options: Any) -> Any:
        """Decode the next samples."""
        samples = super().read(frames, *args, **options)
        self._position += len(samples)
        return samples


def read_opened(file: soundfile.SoundFile, start: float | None = None, end: float | None = None) -> Samples:
    """Decode a stretch of an opened file to mono; arguments, result and errors as in `read`."""
    first, last = _bounds(file, start, end)
    with _decoding(_path(file), begun=True):
        file.seek(first)
        samples = _decoded(file, last - first)
    _check_samples(file, samples, last - first)
    return _mono(samples)


def _decoded(file: soundfile.SoundFile, count: int) -> Samples:
    """Decode the next `count` samples; memory grows with the samples that exist, whatever the header says."""
    parts: list[Samples] = []
    step = max(1, _AT_ONCE // file.channels)
    while count > 0:
        parts.append(file.read(min(count, step), dtype="float32", always_2d=True))
        count = count - step if len(parts[-1]) == min(count, step) else 0
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def read_block(file: soundfile.SoundFile, size: int) -> Samples:
    """Decode the next `size` samples of an opened file to mono, fewer at its end.

    Raises:
        AudioError: The file is corrupt or cut short, or a sample is NaN or infinite.
    """
    announced = min(size, file.frames - file.tell())
    with _decoding(_path(file), begun=True):
        samples = file.read(announced, dtype="float32", always_2d=True)
    # The header of a lossy file may announce a few more samples than exist.
    if len(samples) or announced > TOLERANCE * file.samplerate:
        _check_samples(file, samples, announced)
    return _mono(samples)


def _mono(samples: Samples) -> Samples:
    mono: Samples = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    return mono


def _native(path: Path | str) -> Path | str | bytes:
    """Return a path as soundfile accepts it: as bytes if it is not valid text, as from old archives."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def _path(file: soundfile.SoundFile) -> str:
    return os.fsdecode(getattr(file.name, "name", file.name))  # of an `OpenEnded` file, its own name


@contextmanager
def _decoding(path: Path | str, begun: bool = False) -> Iterator[None]:
    """Name the file in errors of libsndfile; once its header was read, the file is audio, but incomplete."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        reason = error.error_string.removeprefix("Error : ").rstrip(".")
        if reason.startswith("File does not exist"):  # what a failed MP3 is called, too
            reason = "Format not recognised"
        why = "it is cut short or damaged; restore the file" if begun else _what_else(Path(path))
        raise AudioError(path, f"cannot be decoded: {reason}; {why}") from error


_FOREIGN = {
    "MPEG-4 audio (m4a)": re.compile(rb"....ftyp", re.DOTALL),
    "Windows Media": re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    "AMR": re.compile(rb"#!AMR"),
    "Matroska or WebM": re.compile(rb"\x1a\x45\xdf\xa3"),
    "AAC": re.compile(rb"\xff[\xf0\xf1\xf8\xf9]|ADIF"),
    "Monkey's Audio": re.compile(rb"MAC "),
    "WavPack": re.compile(rb"wvpk"),
    "True Audio": re.compile(rb"TTA1"),
    "Flash video": re.compile(rb"FLV\x01"),
    "a DSD recording": re.compile(rb"DSD |FRM8"),
}
"""Formats that libsndfile does not read, by their first bytes."""

_LOOKED_AT, _SHOWN = 512, 40
"""Bytes of a file by which its kind is recognised, and characters of text that a message repeats."""
_NOT_IN_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f\xff]")
"""Bytes that are not in text in UTF-8 or ASCII, but in any audio."""

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def _what_else(path: Path) -> str:
    """Return what a file is that libsndfile does not read, and what to do."""
    start = _start(path)
    if start.startswith(_LFS_POINTER):
        return "it is a Git LFS pointer in place of the audio. Run in its repository: git lfs pull"
    if missing_share(path):
        return "it is cut short: its header announces more data than the file holds; restore the file"
    target = path.stem + (".wav" if path.suffix.lower() != ".wav" else "-converted.wav")
    convert = f"Convert it: ffmpeg -i {shlex.quote(path.name)} {shlex.quote(target)}"
    for name, mark in _FOREIGN.items():
        if mark.match(start):
            return (
                f"it is {name}, which libsndfile {soundfile.__libsndfile_version__} does not read. {convert}"
            )
    if _is_text(start):
        first = start.decode("utf-8", errors="replace").strip().splitlines()[0][:_SHOWN]
        return f"it is text, not audio: it begins with {first!r}. Restore the recording"
    if path.suffix.lower() in _HEADERLESS:
        return (
            "it has no header with rate and encoding. Convert it and state both: "
            f"ffmpeg -f s16le -ar 16000 -ac 1 {convert.removeprefix('Convert it: ffmpeg ')}"
        )
    return f"it is corrupt, not an audio file, or in a format that libsndfile does not read. {convert}"


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LOOKED_AT)


def _is_text(start: bytes) -> bool:
    """Return whether a file that begins like this is text, and no audio whose header is text (NIST)."""
    return bool(start.strip()) and not start.startswith(b"NIST") and _NOT_IN_TEXT.search(start) is None


def _check_header(file: soundfile.SoundFile) -> None:
    _check_end(file)
    if file.frames == 0:
        raise AudioError(_path(file), "holds no samples (0 frames); it is empty or cut short", "empty")
    if not _LOWEST_RATE <= file.samplerate <= _HIGHEST_RATE:
        reason = (
            f"has a rate of {file.samplerate} Hz, which no recording has ({_LOWEST_RATE} to {_HIGHEST_RATE})"
        )
        raise AudioError(_path(file), f"{reason}; its header is damaged")


def _check_end(file: soundfile.SoundFile) -> None:
    """Refuse a file that was cut off: libsndfile would read it as a shorter one."""
    try:
        missing = missing_share(_path(file))
    except OSError as error:
        raise AudioError(_path(file), f"cannot be opened: {error.strerror}", "missing") from error
    if not missing:
        return
    if file.format == "OGG":
        raise AudioError(_path(file), "cut short: its last page is incomplete; restore the file")
    seconds = file.frames / file.samplerate * missing / (1 - missing) if missing < 1 else math.inf
    if seconds > HEADER_TOLERANCE:
        lost = f"{seconds:.2f} s of audio are missing" if missing < 1 else "all of its audio is missing"
        raise AudioError(_path(file), f"cut short: {lost}; restore the file")


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
        raise AudioError(_path(file), f"{stretch} lies outside the file, which is {seconds:.3f} s long")
    first, last = round(begin * rate), min(round(stop * rate), file.frames)
    if first >= last:
        raise AudioError(_path(file), f"the stretch from {begin:g} s to {stop:g} s holds no samples", "empty")
    return first, last
