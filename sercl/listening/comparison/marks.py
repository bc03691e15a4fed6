"""What listeners have marked, and what is known of the recordings: references, and segments of models.

Boundaries are known from the protocol of a test, or from segment files as `sercl diarize score` reads them;
models are segment files that `sercl diarize` has written. Recordings are matched by name, without folder and
suffix; of a test also by the keys that its files are named after.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sercl.corpora.base import Segment
from sercl.corpora.cells import key_of
from sercl.counting import count
from sercl.diarization.formats import read_segments
from sercl.documents import read_json
from sercl.errors import DocumentError, SegmentError, UsageError
from sercl.files import at_home
from sercl.listening import protocol
from sercl.listening.comparison.answers import EVERYBODY, UNKNOWN, check_groups, in_order
from sercl.listening.items import stem_of
from sercl.listening.ratings import LISTENER, Table, first_marks
from sercl.metrics.functional.clusters import MIN_SPEAKERS, can_cluster
from sercl.metrics.functional.crossed import Crossed
from sercl.metrics.functional.eder import NEUTRAL
from sercl.metrics.functional.timeline import timeline

Segments = tuple[Segment, ...]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Known:
    """What is known of a recording.

    Attributes:
        duration: Length in s, None if unknown.
        segments: Reference segments, None if its boundaries are unknown.
        protocol: Hash of the test that it is known from, None if it is from a segment file.
    """

    duration: float | None
    segments: Segments | None
    protocol: str | None = None


@dataclass(frozen=True)
class Reference:
    """What is known of the recordings of a listening test.

    Attributes:
        names: Any name of a recording, in its normal form -> its own name.
        known: Its own name -> what is known.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, Known] = field(default_factory=dict)

    def name(self, written: object) -> str:
        """Return the own name of a recording, whichever of its names was written."""
        key = name_of(written)
        return self.names.get(key, key)


@dataclass(frozen=True)
class Labeller:
    """A model that has labelled recordings.

    Attributes:
        name: Its file or folder, without suffix.
        segments: Recording -> its segments.
        durations: Recording -> length in s, where known.
    """

    name: str
    segments: Mapping[str, Segments]
    durations: Mapping[str, float]


def name_of(written: object) -> str:
    """Return the name of a recording in its normal form, without folder and suffix of audio."""
    return key_of(stem_of(str(written)))


def read_reference(paths: Sequence[Path]) -> Reference:
    """Read what is known of recordings.

    Args:
        paths: Protocols of `sercl listen build`, test folders, segment files, or folders of them.

    Raises:
        UsageError: If a recording is in two of them.
        ResultsError: For a broken protocol.
        SegmentError: For a segment file that cannot be read.
    """
    names: dict[str, str] = {}
    known: dict[str, Known] = {}
    for path in map(at_home, paths):
        found = _of_protocol(path) if _is_protocol(path) else _of_segments(path)
        for each, own, facts in found:
            if own in known:
                raise UsageError(f"--reference {path}: recording {own!r} is known already.")
            known[own] = facts
            names |= dict.fromkeys(each, own)
    return Reference(names, known)


Found = Iterator[tuple[Iterable[str], str, Known]]
"""(other names, own name, what is known)."""


def _is_protocol(path: Path) -> bool:
    if path.is_dir():
        return (path / protocol.PROTOCOL).is_file()
    try:
        content = read_json(path) if path.suffix.lower() == ".json" else None
    except (DocumentError, OSError):
        return False  # a segment file, whose reader says what is wrong with it
    return isinstance(content, dict) and {"items", "hash"} <= content.keys()


def _of_protocol(path: Path) -> Found:
    test = protocol.read(path)
    for item in test.of(protocol.ITEM):
        if item.task == protocol.SEGMENTS:
            facts = Known(item.seconds, item.segments, test.hash)
            yield (name_of(item.key), name_of(item.file)), name_of(item.utterance), facts


def _of_segments(path: Path) -> Found:
    for item in read_segments(path):
        yield (), name_of(item.id), Known(item.duration, item.segments)


def read_labellers(paths: Sequence[Path], reference: Reference) -> list[Labeller]:
    """Read the segments of models.

    Args:
        paths: Segment files, or folders of them; each is a model.
        reference: Names of recordings.

    Raises:
        UsageError: For a model that is given twice.
        SegmentError: For a file that cannot be read.
    """
    found: dict[str, Labeller] = {}
    for path in map(at_home, paths):
        name = path.name if path.is_dir() else path.stem
        if name in found:
            raise UsageError(
                f"--hypothesis {path}: there are two models called {name!r}. Rename one of their files."
            )
        items = {reference.name(item.id): item for item in read_segments(path)}
        durations = {own: item.duration for own, item in items.items() if item.duration}
        found[name] = Labeller(name, {own: item.segments for own, item in items.items()}, durations)
    return list(found.values())


@dataclass(frozen=True)
class Marks:
    """Which parts of recordings were marked; a row stands for a listener and a recording.

    Attributes:
        frame: `[rows]` listener, item, name (of the item, as in the table), group, language, dialect and
            speaker of each; text.
        segments: `[rows]` the marked parts; none is neutral throughout.
        by_speaker: Whether intervals are over the speakers of the recordings.
    """

    frame: pd.DataFrame
    segments: tuple[Segments, ...]
    by_speaker: bool

    def __len__(self) -> int:
        return len(self.frame)

    def where(self, kept: NDArray[np.bool_]) -> Self:
        """Return some of the rows."""
        chosen = tuple(own for own, keep in zip(self.segments, kept, strict=True) if keep)
        return replace(self, frame=self.frame[kept].reset_index(drop=True), segments=chosen)

    def having(self, items: Container[str]) -> Self:
        """Return the rows of some recordings."""
        return self.where(np.array([item in items for item in self.frame["item"]], dtype=bool))

    def of_group(self, group: str) -> Self:
        """Return the rows of a group."""
        return self.where((self.frame["group"] == group).to_numpy(dtype=bool))

    def design(self) -> Crossed:
        """Return who marked what; recordings, or their speakers, are drawn within language and dialect."""
        frame = self.frame
        listener, group = _codes(frame["listener"]), _codes(frame["group"])
        item = _codes(frame["speaker" if self.by_speaker else "item"])
        places = _codes(frame["language"] + "/" + ("" if self.by_speaker else frame["dialect"]))
        return Crossed(listener, item, _of_units(group, listener), _of_units(places, item))

    @property
    def listeners(self) -> int:
        """Number of listeners."""
        return int(self.frame["listener"].nunique())

    @property
    def items(self) -> int:
        """Number of recordings."""
        return int(self.frame["item"].nunique())


def _codes(values: "pd.Series[str]") -> Indices:
    return pd.factorize(values.to_numpy(dtype=object), sort=True)[0].astype(np.int64)


def _of_units(values: Indices, units: Indices) -> Indices:
    found = np.zeros(units.max() + 1, dtype=np.int64)
    found[units] = values
    return found


def marks_of(table: Table, groups: str | None, reference: Reference, by_speaker: bool = False) -> Marks:
    """Return what the listeners of a table have marked, without any row if there is no task segments.

    Args:
        table: Ratings.
        groups: Column that describes listeners, without its prefix; None for one group.
        reference: Names of recordings.
        by_speaker: Whether intervals are over the speakers of the recordings.

    Raises:
        UsageError: For answers to another version of the test, speakers that are unknown or too few, or parts
            that overlap or are no time span.
    """
    check_groups(table, groups)
    rows = first_marks(table)
    rows = rows.assign(name=rows["item"], item=[reference.name(name) for name in rows["item"]])
    _check_version(rows, reference)
    group = rows[f"{LISTENER}{groups}"] if groups else pd.Series(EVERYBODY, index=rows.index)
    filled = {name: rows[name].where(rows[name].notna(), "") for name in ("language", "dialect")}
    rows = rows.assign(
        group=group.where(group.notna(), UNKNOWN), speaker=_speakers(rows, by_speaker), **filled
    )
    rows = rows.sort_values(["listener", "item", "start"], kind="stable")
    found = [_segments(own) for _, own in rows.groupby(["listener", "item"], sort=True)]
    frame = rows.drop_duplicates(["listener", "item"])[
        ["listener", "item", "name", "group", "language", "dialect", "speaker"]
    ]
    return Marks(frame.reset_index(drop=True), tuple(found), by_speaker)


def _check_version(rows: pd.DataFrame, reference: Reference) -> None:
    for item, given in zip(rows["item"], rows["protocol"], strict=True):
        known = reference.known.get(item)
        if known and known.protocol and given is not None and given != known.protocol:
            raise UsageError(
                f"--reference: {item!r} was marked in another version of the test ({given[:12]}) than the "
                f"protocol is of ({known.protocol[:12]}). Give the protocol that the listeners answered."
            )


def _speakers(rows: pd.DataFrame, by_speaker: bool) -> "pd.Series[str]":
    if by_speaker and len(rows) and not can_cluster(rows["speaker"].tolist()):
        found = count(rows["speaker"].nunique(), "known speaker")
        raise UsageError(
            f"--units speakers: the marked recordings have {found}; at least {MIN_SPEAKERS} are needed, and "
            "a speaker of every recording."
        )
    return rows["corpus"].fillna("").astype(str) + "/" + rows["speaker"].fillna("").astype(str)


def _segments(own: pd.DataFrame) -> Segments:
    parts = own[own["start"].notna()]
    times = parts[["start", "end"]].to_numpy(np.float64).tolist()
    names = parts["answer"].fillna(protocol.UNSURE).tolist()
    found = tuple(Segment(start, end, name) for (start, end), name in zip(times, names, strict=True))
    try:
        timeline(found)
    except SegmentError as error:
        row = parts.iloc[error.index or 0]
        raise UsageError(
            f"listener {row['listener']!r}, recording {row['item']!r} ({row['source']}): {error.message}"
        ) from error
    return found


def classes_of(found: Iterable[Segments]) -> tuple[str, ...]:
    """Return every emotion of some segments, and neutral, in order."""
    return in_order({NEUTRAL, *(own.emotion for segments in found for own in segments)})


def of_labeller(own: Labeller, marks: Marks) -> Marks:
    """Return a model's segments of the recordings that listeners have marked, as if it were a listener."""
    frame = marks.having(own.segments).frame.drop_duplicates("item").assign(listener=own.name, group=own.name)
    found = tuple(own.segments[item] for item in frame["item"])
    return Marks(frame.reset_index(drop=True), found, marks.by_speaker)


def durations_of(
    marks: Marks, reference: Reference, labellers: Sequence[Labeller]
) -> tuple[dict[str, float], int]:
    """Return the length in s of each marked recording, and how many are only the end of the last segment.

    A recording of unknown length that nobody has marked anything in has no length.
    """
    ends: dict[str, float] = {}
    given = list(zip(marks.frame["item"], marks.segments, strict=True))
    given += [pair for own in labellers for pair in own.segments.items()]
    given += [(item, known.segments or ()) for item, known in reference.known.items()]
    for item, segments in given:
        ends[item] = max([ends.get(item, 0.0), *(segment.end for segment in segments)])
    lengths = {item: seconds for own in labellers for item, seconds in own.durations.items()}
    lengths |= {item: own.duration for item, own in reference.known.items() if own.duration}
    items = list(dict.fromkeys(marks.frame["item"]))
    found = {item: lengths.get(item) or ends[item] for item in items}
    return {item: own for item, own in found.items() if own}, sum(item not in lengths for item in items)
