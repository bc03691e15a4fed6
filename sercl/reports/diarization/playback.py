"""How a page plays a recording: the audio inside the page, or a link to the file."""

import base64
import io
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import soundfile

from sercl.audio.files import read
from sercl.errors import UnknownNameError

MODES = ("embed", "link")

SMALL = 15_000_000
"""Bytes up to which a file is embedded unless something else is asked for: two minutes of CD quality."""

_TYPES = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
}
"""What browsers play; anything else is brought to FLAC where it is embedded."""


@dataclass(frozen=True)
class Playback:
    """Where a page's player finds the audio.

    Attributes:
        src: A data or relative URL.
        embedded: Whether the page holds the audio.
        playable: Whether browsers know the format.
    """

    src: str
    embedded: bool
    playable: bool


def playback(source: Path, folder: Path, mode: str | None = None) -> Playback:
    """Return how a recording is played.

    Args:
        source: The audio file.
        folder: Where the page will lie.
        mode: "embed", "link", or None for what suits the file's size.

    Raises:
        UnknownNameError: For another mode.
        AudioError: If a file to be embedded in another format cannot be decoded.
    """
    if mode not in (*MODES, None):
        raise UnknownNameError("audio", mode, MODES)
    suffix = source.suffix.lower()
    if mode == "link" or (mode is None and source.stat().st_size > SMALL):
        relative = os.path.relpath(source.resolve(), folder.resolve())
        return Playback(quote(Path(relative).as_posix()), embedded=False, playable=suffix in _TYPES)
    if suffix in _TYPES:
        return Playback(_data(_TYPES[suffix], source.read_bytes()), embedded=True, playable=True)
    return Playback(_data("audio/flac", _as_flac(source)), embedded=True, playable=True)


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _as_flac(source: Path) -> bytes:
    samples, rate = read(source)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()
