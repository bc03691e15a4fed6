"""Recordings with waveform, segments and playback as one self-contained HTML page."""

import base64
import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import soundfile

from sercl.audio.files import Samples, read
from sercl.audio.stream import envelope
from sercl.diarization.formats.rows import confidence_of
from sercl.diarization.segments import NEUTRAL, Annotation
from sercl.errors import UnknownNameError
from sercl.files import check_replaceable, contains
from sercl.reports.diarization.timeline import clock, colour, in_order, summary, ticks
from sercl.reports.rendering import page_environment
from sercl.version import __version__

MODES = ("embed", "link")

SMALL = 15_000_000
"""Bytes up to which a file is embedded by default: two minutes of CD quality."""

_TYPES = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
}
"""Formats that browsers play; others are converted to FLAC if embedded."""


@dataclass(frozen=True)
class Playback:
    """Audio source of a page's player.

    Attributes:
        src: A data or relative URL.
        embedded: Whether the page contains the audio.
        playable: Whether browsers support the format.
    """

    src: str
    embedded: bool
    playable: bool


def check_page(path: Path) -> None:
    """Raise `UsageError` for an existing file that is not such a page."""
    check_replaceable(
        path,
        "a page of `sercl diarize`",
        partial(contains, '<p class="kicker">Speech emotion diarization</p>'),
    )


def playback(source: Path, folder: Path, mode: str | None = None) -> Playback:
    """Return how a recording is played.

    Args:
        source: The audio file.
        folder: Folder of the page.
        mode: "embed", "link", or None to choose by file size.

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


_STRETCHES_A_SECOND, _FEWEST, _MOST = 25, 900, 12_000
_MINUTE = 60.0
_HEIGHT = 100
"""Height of a waveform in its own units; it is stretched to its container."""


@dataclass(frozen=True)
class Listened:
    """A recording of the page: file, segments, envelope, and audio source."""

    source: Path
    item: Annotation
    outline: Samples
    play: Playback


def listened(source: Path, item: Annotation, folder: Path, audio: str | None = None) -> Listened:
    """Read a recording for the page.

    Args:
        source: The audio file.
        item: Its segments.
        folder: Folder of the page; audio that is not embedded is linked relative to it.
        audio: "embed", "link", or None to embed small files.

    Raises:
        AudioError: If the file can no longer be read.
    """
    most = round(min(max(item.end * _STRETCHES_A_SECOND, _FEWEST), _MOST))
    return Listened(source, item, envelope(source, most), playback(source, folder, audio))


def html_page(items: Sequence[Listened], checkpoint: Path) -> str:
    """Return the page.

    Args:
        items: The recordings.
        checkpoint: Checkpoint that predicted the segments; shown on the page.
    """
    environment = page_environment("sercl.reports.diarization")
    environment.globals |= {"colour": colour, "clock": clock, "share": share_text}
    return environment.get_template("page.html").render(
        title=_title(items),
        checkpoint=str(checkpoint),
        version=__version__,
        today=date.today().isoformat(),
        totals=totals(item.item for item in items),
        duration=clock(sum(item.item.end for item in items)),
        events=sum(len(item.item.events) for item in items),
        recordings=[_recording(item) for item in items],
    )


def totals(items: Any) -> dict[str, float]:
    """Return emotion -> its total time in s in all annotations, in the order of classes, neutral last."""
    seconds: dict[str, float] = {}
    for item in items:
        for segment in item.segments:
            seconds[segment.emotion] = seconds.get(segment.emotion, 0.0) + segment.end - segment.start
    return {name: seconds[name] for name in in_order(seconds)}


@dataclass(frozen=True)
class Portion:
    """Time of an emotion in a recording.

    Attributes:
        emotion: The emotion.
        seconds: Its time in s.
        share: Its fraction of the recording, 0 to 1.
        segments: Number of segments.
        longest: The longest of them in s.
    """

    emotion: str
    seconds: float
    share: float
    segments: int
    longest: float


def portions(item: Annotation) -> list[Portion]:
    """Return the time of each emotion in a recording, neutral last."""
    lengths: dict[str, list[float]] = {}
    for segment in item.segments:
        lengths.setdefault(segment.emotion, []).append(segment.end - segment.start)
    return [
        Portion(name, seconds, seconds / (item.end or 1.0), len(lengths[name]), max(lengths[name]))
        for name, seconds in totals([item]).items()
    ]


def by_minute(item: Annotation) -> list[tuple[float, float, dict[str, float]]]:
    """Return start, end and emotion -> seconds for each minute; nothing for recordings of up to a minute."""
    if item.end <= _MINUTE:
        return []
    names = totals([item])
    count = math.ceil(item.end / _MINUTE - 1e-9)
    rows = [dict.fromkeys(names, 0.0) for _ in range(count)]
    for segment in item.segments:
        for minute in range(int(segment.start // _MINUTE), min(count, int(segment.end // _MINUTE) + 1)):
            first, last = max(segment.start, minute * _MINUTE), min(segment.end, (minute + 1) * _MINUTE)
            rows[minute][segment.emotion] += max(0.0, last - first)
    return [(index * _MINUTE, min(item.end, (index + 1) * _MINUTE), row) for index, row in enumerate(rows)]


def outline_path(outline: Samples, first: int, last: int) -> str:
    """Return the SVG path of intervals `first` to `last` of a mirrored envelope, scaled to its maximum."""
    loudest = max(float(outline.max()), 1e-9)
    middle = _HEIGHT / 2
    heights = [max(0.6, 0.47 * _HEIGHT * float(value) / loudest) for value in outline[first:last]]
    if not heights:
        return ""
    upper = " ".join(
        f"{x} {middle - h:.1f} {x + 1} {middle - h:.1f}" for x, h in enumerate(heights, start=first)
    )
    lower = " ".join(
        f"{x + 1} {middle + h:.1f} {x} {middle + h:.1f}"
        for x, h in reversed(list(enumerate(heights, start=first)))
    )
    return f"M{upper} {lower}Z"


def share_text(share: float) -> str:
    """Return a fraction as a percentage, never 0 for a positive one: "12.5 %", "< 0.1 %"."""
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def _title(items: Sequence[Listened]) -> str:
    return (
        f"Emotions in {items[0].source.name}" if len(items) == 1 else f"Emotions in {len(items)} recordings"
    )


def _recording(listened: Listened) -> Mapping[str, Any]:
    item, count = listened.item, len(listened.outline)
    duration = item.end or 1.0
    segments = []
    for segment in item.segments:
        first, last = (round(time / duration * count) for time in (segment.start, segment.end))
        segments.append(
            {
                "start": round(segment.start, 3),
                "end": round(segment.end, 3),
                "left": 100 * segment.start / duration,
                "width": 100 * (segment.end - segment.start) / duration,
                "emotion": segment.emotion,
                "neutral": segment.emotion == NEUTRAL,
                "confidence": confidence_of(segment),
                "path": outline_path(listened.outline, first, max(last, first + 1)),
            }
        )
    return {
        "name": listened.source.name,
        "place": str(listened.source.parent),
        "duration": duration,
        "summary": summary(item),
        "portions": portions(item),
        "minutes": by_minute(item),
        "segments": segments,
        "pauses": [
            {"left": 100 * start / duration, "width": 100 * (end - start) / duration}
            for start, end in item.pauses
        ],
        "stretches": count,
        "ticks": ticks(duration),
        "play": listened.play,
        "zoom": max(1, round(duration / 60)),
    }
