"""What every corpus reader returns: utterances, and the problems found on the way. No torch here."""

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sercl.corpora.cells import is_missing, key_of
from sercl.counting import count


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of one emotion in an utterance; `start` and `end` in seconds from the utterance's start."""

    start: float
    end: float
    emotion: str


@dataclass(frozen=True, slots=True)
class Utterance:
    """One labelled stretch of speech.

    Attributes:
        id: Unique within its corpus; by convention the file's stem.
        path: Absolute path of the audio file that holds it.
        emotion: A name of `sercl.corpora.labels.EMOTIONS`; never a corpus's own code.
        corpus: Registered corpus name, or the manifest's stem.
        language: ISO 639-1 code, "und" where unknown.
        speaker: Unique within the listing, None where unknown: where a listing holds several corpora, the
            corpus leads ("EmoDB 03"), since speaker 03 of one is not speaker 03 of another.
        gender: "female", "male", another word, or None where unknown.
        start: Seconds into the file where it begins, None for the file's start.
        end: Seconds into the file where it ends, None for the file's end.
        text: Transcript, None where unknown.
        dialect: Free text ("tianjin"), None where unknown or standard.
        session: Recording session, where the corpus has sessions.
        split: Official split "train", "validation" or "test", where the corpus has one.
        segments: Emotion events inside the utterance (diarization corpora), relative to its start.
        extra: Anything else the corpus says (style, intensity, sentence), as text.
    """

    id: str
    path: Path
    emotion: str
    corpus: str
    language: str = "und"
    speaker: str | None = None
    gender: str | None = None
    start: float | None = None
    end: float | None = None
    text: str | None = None
    dialect: str | None = None
    session: str | None = None
    split: str | None = None
    segments: tuple[Segment, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def person(self) -> str | None:
        """The speaker as "corpus speaker", which is unique across listings; None where unknown."""
        if self.speaker is None or self.speaker.startswith(f"{self.corpus} "):
            return self.speaker
        return f"{self.corpus} {self.speaker}"


HARMLESS = ("transcript", "copy", "excluded")
"""Kinds of problems that cost no utterance: they are counted and shown, and stop nothing."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A file or label line that is not used: never left out without one of these.

    Attributes:
        path: The audio or label file.
        reason: What is wrong, and what it costs, in a few words.
        line: 1-based line in a label file, None elsewhere.
        kind: "missing", "unreadable", "empty", "short", "silent", "nan", "label", "row" (of a table, with a
            cell that cannot be read), "transcript", "name", "duplicate" (a second file with the id of
            another), "copy" (an utterance in another format, too), or "excluded" (audio that the reader's
            options or the corpus's rules leave out).
    """

    path: Path
    reason: str
    line: int | None = None
    kind: str = "label"

    @property
    def costs_only_text(self) -> bool:
        """Whether the utterance and its label are sound and only its transcript was lost."""
        return self.kind == "transcript"

    @property
    def is_left_out(self) -> bool:
        """Whether nothing is lost: the file holds what is used already, or what is not asked for."""
        return self.kind in ("copy", "excluded")

    @property
    def costs_an_utterance(self) -> bool:
        """Whether something that is meant to be used cannot be: neither text alone, nor what is left out."""
        return self.kind not in HARMLESS

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line is not None else str(self.path)
        return f"{where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Unlisted:
    """Audio that no row names: it may be missing there, or the table a choice that was made on purpose.

    Attributes:
        note: A sentence with the place and the first file, for who looks at the corpus.
        line: A few words, for who uses it.
    """

    note: str
    line: str


@dataclass(frozen=True)
class Listing:
    """What a reader found in a corpus folder.

    Attributes:
        utterances: In a stable order (sorted by id), independent of the file system.
        problems: What is listed or on disk but not used, or costs something (a transcript).
        notes: What the reader took for one or kept apart, a sentence each.
        dropped: Label -> utterances that were left out because the user said so.
        unlisted: Audio beside a table that no row of it names; None where there is none.
    """

    utterances: tuple[Utterance, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    unlisted: Unlisted | None = None


@dataclass(frozen=True)
class CorpusInfo:
    """Facts about a corpus, shown by `sercl corpus list`.

    Attributes:
        name: The name used on the command line; also the name of its DataModule.
        title: Full name.
        languages: ISO 639-1 codes.
        speakers: Number of speakers, None where open.
        emotions: Names of `sercl.corpora.labels.EMOTIONS` it can hold.
        license: Licence of the data in a few words.
        access: How a user gets it.
        layout: The file-name shape below the root folder, one line.
        notes: Traps worth a line each (confounds, silent files, speaker dependence).
    """

    name: str
    title: str
    languages: tuple[str, ...]
    speakers: int | None
    emotions: tuple[str, ...]
    license: str
    access: str
    layout: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Corpus:
    """A registered corpus: its facts and its reader.

    Attributes:
        info: The facts.
        read: Folder in, listing out. Raises `CorpusNotFoundError` for a root that is not this corpus.
            Readers with options of their own take them as keyword arguments with defaults.
    """

    info: CorpusInfo
    read: Callable[..., Listing]


MOST_REASONS = 30
"""Kinds of bad rows that are spelt out."""

_LABEL = re.compile(r"unknown emotion '([^']+)'")
_YAML_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])
_KINDS = {
    "label": ("with a bad label", "with bad labels"),
    "row": ("bad row of a table", "bad rows of a table"),
    "transcript": ("with a bad transcript", "with bad transcripts"),
    "copy": ("copy", "copies"),
}
"""Kinds of problems in words, one and several; the other kinds are words: "missing", "silent"."""

_ROW = re.compile(r"row \d+ of [^:]*: ")


def problem_lines(problems: Sequence[Problem], most: int) -> list[str]:
    """Return a line for each problem.

    Rows of tables with the same fault share a line, which shows the first and their number; so that all bad
    labels of a table are seen at once.

    Args:
        problems: In the order in which they are shown.
        most: Problems of other kinds that are spelt out; the others are counted.
    """
    groups: dict[str, list[Problem]] = {}
    for problem in problems:
        groups.setdefault(_fault(problem), []).append(problem)
    rows = [group for group in groups.values() if _is_row(group[0])]
    others = [problem for problem in problems if not _is_row(problem)]
    lines = [_grouped(group) for group in rows[:MOST_REASONS]]
    lines += [str(problem) for problem in others[:most]]
    more = sum(map(len, rows[MOST_REASONS:])) + len(others[most:])
    return [*lines, f"and {more} more"] if more else lines


def label_hint(problems: Sequence[Problem]) -> str:
    """Return how the unknown labels of a manifest are mapped or dropped, "" where there is none."""
    found = (_LABEL.search(problem.reason) for problem in problems if problem.kind == "label")
    labels = list(dict.fromkeys(match[1] for match in found if match))
    if not labels:
        return ""
    words = [
        *(f"{_quoted(label)}: angry" for label in labels[:1]),
        *(f"{_quoted(label)}: drop" for label in labels[1:2]),
    ]
    option = f"--emotions {shlex.quote('{' + ', '.join(words) + '}')}"
    return f"Map labels, or drop them: {option}"


def _quoted(label: str) -> str:
    """Return a label as a key in YAML."""
    plain = label.replace(" ", "").isalpha() and label.lower() not in _YAML_WORDS
    return label if plain else json.dumps(label, ensure_ascii=False)


def kinds_text(kinds: Mapping[str, int]) -> str:
    """Return the number of problems of each kind: "2 missing, 1 with a bad label".

    Args:
        kinds: Kind of `Problem` -> number.
    """
    return ", ".join(count(number, *_KINDS.get(kind, (kind, kind))) for kind, number in kinds.items())


def _is_row(problem: Problem) -> bool:
    in_table = problem.line is not None or _ROW.match(problem.reason)
    return problem.kind in ("label", "row") and bool(in_table)


def _fault(problem: Problem) -> str:
    return _ROW.sub("", problem.reason, count=1) if _is_row(problem) else str(problem)


def _grouped(group: Sequence[Problem]) -> str:
    return f"{group[0]}" + (f" ({len(group)} rows in all)" if len(group) > 1 else "")


KEY = "synthetic"
"""Entry of `Utterance.extra`, a column of manifests: what has spoken, such as "espeak-ng"; not for people."""

_PEOPLE = ("no", "false", "0")


def synthetic_notes(utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Return the sentence that belongs beside scores on some utterances; none where people speak in all."""
    voices = [voice for item in utterances if not _is_people(voice := item.extra.get(KEY, ""))]
    if not voices:
        return ()
    whole = len(voices) == len(utterances)
    who = "all utterances" if whole else f"{len(voices)} of {len(utterances)} utterances"
    named = ", ".join(sorted(set(voices)))
    return (f"{who} are synthetic speech ({named}): scores on them say nothing about the speech of people",)


def _is_people(voice: str) -> bool:
    return is_missing(voice) or key_of(voice) in _PEOPLE
