"""JSON: `{"recordings": [{"id", "duration", "segments": [{"start", "end", "emotion", "confidence"}]}]}`.

A recording may have `pauses`, a list of `[start, end]` without speech, which is ignored in reading.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sercl.corpora.cells import clean
from sercl.diarization.formats.rows import (
    NO_NAMES,
    Names,
    SegmentRow,
    annotations,
    confidence_of,
    read_text,
    seconds,
)
from sercl.diarization.segments import Annotation
from sercl.documents import parse_json
from sercl.errors import DocumentError, SegmentError
from sercl.files import write_text

_SHAPE = (
    '{"recordings": [{"id": "a", "duration": 4.2, "segments": [{"start": 1, "end": 2, "emotion": "sad"}]}]}'
)


def read(path: Path, names: Names = NO_NAMES) -> list[Annotation]:
    """Read sercl's JSON, or a map from recording to a list of segments, as SpeechBrain writes it.

    Raises:
        SegmentError: With the file, and the line or the recording.
    """
    recordings = list(_recordings(_parsed(path), path))
    durations = {name: _duration(value, name, path) for name, value, _ in recordings}
    if len(durations) < len(recordings):
        raise SegmentError("two recordings have the same id.", path=path)
    found = annotations(
        path,
        [_row(segment, name, path) for name, _, segments in recordings for segment in segments],
        {name: duration for name, duration in durations.items() if duration is not None},
        names,
    )
    by_id = {annotation.id: annotation for annotation in found}
    return [by_id.get(name, Annotation(name, ())) for name in durations]


def write(items: Sequence[Annotation], path: Path) -> None:
    """Write annotations.

    Raises:
        OutputError: If the file cannot be written.
    """
    content = {"recordings": [to_dict(item) for item in items]}
    write_text(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def to_dict(item: Annotation) -> dict[str, Any]:
    """Return an annotation as plain data: times in s, to the microsecond."""
    duration = {} if item.duration is None else {"duration": round(item.duration, 6)}
    pauses = {"pauses": [[round(time, 6) for time in pause] for pause in item.pauses]} if item.pauses else {}
    segments = [_segment_to_dict(segment) for segment in item.segments]
    return {"id": item.id, **duration, "segments": segments, **pauses}


def _segment_to_dict(segment: Any) -> dict[str, Any]:
    confidence = confidence_of(segment)
    scored = {} if confidence is None else {"confidence": round(confidence, 4)}
    times = {"start": round(segment.start, 6), "end": round(segment.end, 6)}
    return {**times, "emotion": segment.emotion, **scored}


def _parsed(path: Path) -> Mapping[str, Any]:
    try:
        content = parse_json(read_text(path))
    except DocumentError as error:
        raise SegmentError(f"{error.reason}.", path=path, line=error.line) from error
    if not isinstance(content, dict):
        raise SegmentError(f"holds no recordings. Write {_SHAPE}.", path=path)
    return content


def _recordings(content: Mapping[str, Any], path: Path) -> Iterator[tuple[str, object, list[object]]]:
    listed = content.get("recordings")
    if not isinstance(listed, list):
        listed = [{"id": name, "segments": segments} for name, segments in content.items()]
    for number, item in enumerate(listed):
        if not isinstance(item, dict) or "id" not in item or not isinstance(item.get("segments"), list):
            raise SegmentError(
                f"recording {number} has no id or no list of segments. Write {_SHAPE}.", path=path
            )
        yield clean(str(item["id"])), item.get("duration"), item["segments"]


def _duration(value: object, name: str, path: Path) -> float | None:
    if value is None:
        return None
    try:
        return seconds(value, "duration")
    except SegmentError as error:
        raise SegmentError(f"recording {name!r}: {error.message}", path=path) from error


def _row(segment: object, name: str, path: Path) -> SegmentRow:
    if not isinstance(segment, dict) or not {"start", "end", "emotion"} <= segment.keys():
        raise SegmentError(
            f"recording {name!r}: segment {segment!r} needs start, end and emotion. Write {_SHAPE}.",
            path=path,
        )
    return SegmentRow(
        name, segment["start"], segment["end"], str(segment["emotion"]), segment.get("confidence")
    )
