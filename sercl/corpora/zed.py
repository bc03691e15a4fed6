"""ZED: real-life utterances with the boundaries of one emotion each; a test set for diarization."""

import math
from collections.abc import Mapping
from pathlib import Path

from sercl.corpora.base import CorpusInfo, Listing, Problem, Segment, Utterance
from sercl.corpora.disk_names import file_named
from sercl.corpora.emotion_names import to_emotion
from sercl.corpora.folders import AudioFolder, find_root
from sercl.corpora.patterned import unique_listing
from sercl.documents import read_json
from sercl.errors import CorpusError, DocumentError, UnknownNameError

TABLE = "ZED.json"

INFO = CorpusInfo(
    name="ZED",
    title="Zaion Emotion Dataset",
    languages=("en",),
    speakers=73,
    emotions=("angry", "happy", "neutral", "sad"),
    license="treat as non-commercial",
    access="free download",
    layout=f"{TABLE} and the wavs that it names",
    notes=("test only: 180 utterances", "one non-neutral event per file, the rest is neutral"),
)


def read(root: Path) -> Listing:
    """List ZED; `segments` contains the emotional events, the time between them is neutral.

    The utterance's emotion is that of its events ("neutral" without any, the longest if they differ). All
    utterances have the split "test". `extra` holds the `duration` in seconds.

    Args:
        root: Folder that holds `ZED.json`, its parent, or a folder of audio inside it.

    Raises:
        CorpusNotFoundError: If there is no `ZED.json`.
        CorpusError: If it is not a JSON map.
    """
    folder = find_root(root, INFO.name, lambda path: (path / TABLE).is_file(), TABLE, upwards=True)
    audio = AudioFolder(folder)
    found = [_read_entry(folder, name, entry, audio) for name, entry in _read_table(folder / TABLE).items()]
    unlisted = audio.rest(lambda path: Problem(path, f"not listed in {TABLE}, so it has no label"))
    return unique_listing((*found, *unlisted), audio.problems)


_MOST_BYTES = 2**28


def _read_table(path: Path) -> Mapping[str, object]:
    try:
        table = read_json(path, _MOST_BYTES)
    except DocumentError as error:
        raise CorpusError(f"{path}: {error}. Download it again.") from None
    if not isinstance(table, dict):
        raise CorpusError(f"{path}: expected a map of utterances. Is this the ZED.json of the corpus?")
    return table


def _read_entry(folder: Path, name: str, entry: object, audio: AudioFolder) -> Utterance | Problem:
    if not isinstance(entry, dict) or not isinstance(entry.get("wav"), str):
        return Problem(folder / TABLE, f"{name}: no path `wav`; the utterance is lost")
    path = file_named(folder, entry["wav"].removeprefix("datafolder").lstrip("/\\"))
    on_disk = audio.find(path)
    try:
        events = _read_events(entry.get("emotion"))
    except (ValueError, TypeError, KeyError) as error:
        return Problem(folder / TABLE, f"{name}: bad emotion events ({error}); the utterance is lost")
    if on_disk is None:
        return Problem(path, f"listed in {TABLE} as {name} but not on disk", kind="missing")
    return _utterance(name, on_disk, events, entry)


def _utterance(name: str, path: Path, events: tuple[Segment, ...], entry: Mapping[str, object]) -> Utterance:
    return Utterance(
        id=name,
        path=path,
        emotion=max(events, key=_length).emotion if events else "neutral",
        corpus=INFO.name,
        language="en",
        speaker=name.rsplit("_", 1)[0],
        text=str(entry.get("transcription") or "") or None,
        split="test",
        segments=events,
        extra={"duration": str(entry["duration"])} if "duration" in entry else {},
    )


def _length(segment: Segment) -> float:
    return segment.end - segment.start


def _read_events(events: object) -> tuple[Segment, ...]:
    if not isinstance(events, list):
        raise TypeError(f"expected a list, found {events!r}")
    segments = [_read_event(event) for event in events]
    return tuple(
        sorted((item for item in segments if item.emotion != "neutral"), key=lambda item: item.start)
    )


def _read_event(event: Mapping[str, object]) -> Segment:
    start, end = float(str(event["start"])), float(str(event["end"]))
    if not 0 <= start < end < math.inf:
        raise ValueError(f"{start} s to {end} s is not a valid time span")
    emotion = to_emotion(str(event["emo"]))
    if emotion not in INFO.emotions:
        raise UnknownNameError("emotion of ZED", emotion, INFO.emotions)
    return Segment(start, end, emotion)
