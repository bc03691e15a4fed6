"""What every corpus reader returns: utterances and problems. It imports no torch."""

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sercl.corpora.cells import is_missing, key_of
from sercl.counting import count

PARTS = ("train", "validation", "test")
"""Parts of a fold, and official splits of a corpus."""

SEEN = PARTS[:2]
"""Parts that a model is trained and selected on."""

PROPERTIES = ("emotion", "language", "speaker", "gender", "corpus", "dialect", "session", "split", "text")
"""What every utterance has or may have; a corpus may have more in `Utterance.extra`."""


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
        speaker: Unique within the listing, None where unknown. In a listing of several corpora the corpus
            comes first ("EmoDB 03"), since speaker 03 of one is not speaker 03 of another.
        gender: "female", "male", another word, or None where unknown.
        start: Seconds into the file where it begins, None for the file's start.
        end: Seconds into the file where it ends, None for the file's end.
        text: Transcript, None where unknown.
        dialect: Free text ("tianjin"), None where unknown or standard.
        session: Recording session, where the corpus has sessions.
        split: Official split "train", "validation" or "test", where the corpus has one.
        segments: Emotion events inside the utterance (diarization corpora), relative to its start.
        extra: Other fields of the corpus (style, intensity, sentence), as text.
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

    def value(self, name: str) -> str | None:
        """Return one of `PROPERTIES`, or an entry of `extra`; None where unknown."""
        found: str | None = getattr(self, name) if name in PROPERTIES else self.extra.get(name)
        return found or None  # an empty cell is a missing value


def how_to_give(name: str) -> str:
    """Return the sentence that says where a user's own corpus sets a field of its utterances."""
    return f"Fill the column {name!r} of the manifest (in an own reader: Utterance.{name})"


HARMLESS = ("transcript", "copy", "excluded")
"""Kinds of problems that cost no utterance: they are counted and shown, but never stop a run."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file or label line is not used. Nothing is left out without such a problem.

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
        """Whether nothing is lost: the file is a copy of one that is used, or was excluded on purpose."""
        return self.kind in ("copy", "excluded")

    @property
    def costs_an_utterance(self) -> bool:
        """Whether an utterance is lost that should be used; not where only a transcript is, or by choice."""
        return self.kind not in HARMLESS

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line is not None else str(self.path)
        return f"{where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Unlisted:
    """Audio that no row of a table names: rows may be missing, or the table may be a selection.

    Attributes:
        note: A sentence with the folder and the first file, for someone who inspects the corpus.
        line: A few words, for someone who uses it.
    """

    note: str
    line: str


@dataclass(frozen=True)
class Listing:
    """What a reader found in a corpus folder.

    Attributes:
        utterances: In a stable order (sorted by id), independent of the file system.
        problems: What is listed or on disk but not used, or costs something (a transcript).
        notes: Which utterances were selected, and which spellings the reader treated as one name or as
            several; a sentence each.
        dropped: Label -> number of utterances left out because the user dropped it.
        unlisted: Audio beside a table that no row names; None where there is none.
        not_selected: Number of utterances left out because they do not meet the conditions of `where`.
    """

    utterances: tuple[Utterance, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    unlisted: Unlisted | None = None
    not_selected: int = 0


@dataclass(frozen=True)
class CorpusInfo:
    """Facts about a corpus, shown by `sercl corpus list`.

    Attributes:
        name: The name used on the command line; also the name of its DataModule.
        title: Full name.
        languages: ISO 639-1 codes.
        speakers: Number of speakers, None if it is not fixed.
        emotions: Names of `sercl.corpora.labels.EMOTIONS` that it may contain.
        license: Licence of the data in a few words.
        access: How to get it.
        layout: The file-name shape below the root folder, one line.
        notes: Pitfalls, a line each (confounds, silent files, speaker dependence).
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
        read: Returns the listing of a folder; raises `CorpusNotFoundError` if the folder is not this corpus.
            Options of its own are keyword arguments with types and defaults; its docstring describes them.
    """

    info: CorpusInfo
    read: Callable[..., Listing]


MOST_REASONS = 30
"""Kinds of bad rows in words."""

_LABEL = re.compile(r"unknown emotion '([^']+)'")
_YAML_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])
_KINDS = {
    "label": ("with a bad label", "with bad labels"),
    "row": ("bad row of a table", "bad rows of a table"),
    "transcript": ("with a bad transcript", "with bad transcripts"),
    "copy": ("copy", "copies"),
}
"""Kinds of problems in words, singular and plural; the names of other kinds are words already ("missing")."""

_ROW = re.compile(r"row \d+ of [^:]*: ")


def problem_lines(problems: Sequence[Problem], most: int) -> list[str]:
    """Return a line for each problem.

    Rows of tables with the same error share a line, which shows the first row and their number, so that all
    bad labels of a table are seen at once.

    Args:
        problems: In the order in which they are shown.
        most: Maximum number of other problems that are shown; the rest are counted.
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
    """Return how to map or drop the unknown labels of a manifest; "" if there are none."""
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
"""Key of `Utterance.extra` and column of manifests: the synthesiser ("espeak-ng"); absent for people."""

_PEOPLE = ("no", "false", "0")


def synthetic_notes(utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Return a note for scores on synthetic speech; nothing if all utterances are spoken by people."""
    voices = [voice for item in utterances if not _is_people(voice := item.extra.get(KEY, ""))]
    if not voices:
        return ()
    whole = len(voices) == len(utterances)
    who = "all utterances" if whole else f"{len(voices)} of {len(utterances)} utterances"
    named = ", ".join(sorted(set(voices)))
    return (f"{who} are synthetic speech ({named}): scores on them say nothing about the speech of people",)


def _is_people(voice: str) -> bool:
    return is_missing(voice) or key_of(voice) in _PEOPLE
