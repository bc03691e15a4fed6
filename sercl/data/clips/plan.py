"""Which pieces make up a clip: drawn from (seed, index) only, without reading audio."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from sercl.corpora.base import Utterance
from sercl.data.clips.config import EMOTION, NEUTRAL, ClipConfig
from sercl.documents import parse_json
from sercl.errors import CorpusError, DocumentError, ManifestError, UsageError
from sercl.files import write_text

NEUTRAL_CLASS = "neutral"


@dataclass(frozen=True)
class Piece:
    """A stretch of speech of one class.

    Attributes:
        utterance: The utterance that it is cut from.
        start: Seconds from the utterance's start.
        end: Seconds from the utterance's start.
        label: Class.
    """

    utterance: Utterance
    start: float
    end: float
    label: str

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.end - self.start

    @property
    def speaker(self) -> tuple[str, str | None]:
        """Corpus and speaker: two corpora may use the same name for different people."""
        return self.utterance.corpus, self.utterance.speaker


@dataclass(frozen=True)
class Clip:
    """A clip to be built.

    Attributes:
        id: Unique within its part.
        pattern: String of E and N.
        pieces: In order, all of one speaker.
        crop: Position of the crop, 0 (start) to 1 (end), if the clip is too long.
    """

    id: str
    pattern: str
    pieces: tuple[Piece, ...]
    crop: float = 0.0


class Planner:
    """Draws clips. Every `round` clips use each emotional piece once; their other pieces are drawn freely.

    Clip `index` depends only on the pieces, the options, the seed and `index`. With `neutral_rounds`, the
    clips of a round take the neutral pieces of their speaker in turn, in an order that is repeated.

    Args:
        pieces: Pieces of one part of the data, in any order.
        config: Patterns and their probabilities.
        seed: Determines the sequence of clips.
        name: Prefix of clip ids.

    Raises:
        UsageError: If no clip can be built.

    Attributes:
        unused: Number of emotional pieces whose speaker has no neutral piece, if every pattern needs one.
    """

    def __init__(self, pieces: Sequence[Piece], config: ClipConfig, seed: int, name: str = "clip") -> None:
        ordered = sorted(
            pieces, key=lambda piece: (*map(str, piece.speaker), piece.utterance.id, piece.start)
        )
        self._neutral = _by_speaker(piece for piece in ordered if piece.label == NEUTRAL_CLASS)
        emotional = [piece for piece in ordered if piece.label != NEUTRAL_CLASS]
        self._emotional = _by_speaker(emotional)
        self._shares = {pattern: share for pattern, share in config.patterns.items() if share > 0}
        self._alone = {word: share for word, share in self._shares.items() if NEUTRAL not in word}
        self._anchors = [piece for piece in emotional if self._alone or piece.speaker in self._neutral]
        self.unused = len(emotional) - len(self._anchors)
        self._seed, self._name, self._rounds = seed, name, config.neutral_rounds
        self._taken: dict[int, tuple[int, ...]] = {}
        if not self._anchors:
            raise UsageError(_nothing(name, len(emotional), sum(map(len, self._neutral.values()))))

    @property
    def round(self) -> int:
        """Number of clips that use each emotional piece once."""
        return len(self._anchors)

    def plan(self, index: int) -> Clip:
        """Draw clip `index`, 0 or more."""
        turn, offset = divmod(index, self.round)
        anchor = self._anchors[_order(self._seed, turn, self.round)[offset]]
        generator = np.random.default_rng((self._seed, index))
        pattern = self._pattern(anchor, generator)
        pieces = self._pieces(anchor, pattern, generator, index)
        return Clip(f"{self._name}-{index}", pattern, pieces, float(generator.random()))

    def _pattern(self, anchor: Piece, generator: np.random.Generator) -> str:
        shares = self._shares if anchor.speaker in self._neutral else self._alone
        weights = np.array(list(shares.values()))
        return str(generator.choice(list(shares), p=weights / weights.sum()))

    def _pieces(
        self, anchor: Piece, pattern: str, generator: np.random.Generator, index: int
    ) -> tuple[Piece, ...]:
        neutral = _drawn(self._neutral.get(anchor.speaker, []), pattern.count(NEUTRAL), generator)
        if self._rounds:
            neutral = self._next_neutral(anchor, len(neutral), index)
        others = [piece for piece in self._emotional[anchor.speaker] if piece is not anchor] or [anchor]
        events = _drawn(others, max(0, pattern.count(EMOTION) - 1), generator)
        events.insert(int(generator.integers(len(events) + 1)), anchor)
        return tuple(neutral.pop() if letter == NEUTRAL else events.pop() for letter in pattern)

    def _next_neutral(self, anchor: Piece, count: int, index: int) -> list[Piece]:
        """Return the next neutral pieces in the order of a clip's speaker, the last one first."""
        turn, offset = divmod(index, self.round)
        first = self._taken_before(turn)[offset]
        own = self._neutral.get(anchor.speaker, [])
        found = []
        for number in range(first, first + count):
            lap, position = divmod(number, len(own))
            order = _order(self._seed, turn, len(own), 2 + lap // self._rounds)
            found.append(own[order[position]])
        return found[::-1]

    def _taken_before(self, turn: int) -> tuple[int, ...]:
        """Return, for each clip of a round, how many neutral pieces of its speaker earlier clips take."""
        if turn not in self._taken:
            taken: defaultdict[tuple[str, str | None], int] = defaultdict(int)
            before = []
            for offset, anchor in enumerate(_order(self._seed, turn, self.round)):
                piece, index = self._anchors[anchor], turn * self.round + offset
                before.append(taken[piece.speaker])
                pattern = self._pattern(piece, np.random.default_rng((self._seed, index)))
                taken[piece.speaker] += pattern.count(NEUTRAL)
            self._taken = {turn: tuple(before)}  # of one round only: indices come round by round
        return self._taken[turn]


def length(pieces: Sequence[Piece], crossfade: float) -> float:
    """Return the duration of joined pieces in s, minus the cross-fades."""
    durations = [piece.seconds for piece in pieces]
    joints = sum(min(crossfade, before / 2, after / 2) for before, after in pairwise(durations))
    return sum(durations) - joints


def clip_seconds(clip: Clip, config: ClipConfig) -> float:
    """Return the duration in s that a clip will have."""
    whole = length(clip.pieces, config.crossfade)
    return min(whole, config.max_seconds) if config.max_seconds else whole


def class_seconds(clips: Sequence[Clip], classes: Sequence[str]) -> dict[str, float]:
    """Return the seconds of each class in some clips, before cropping, in class order."""
    totals = dict.fromkeys(classes, 0.0)
    for clip in clips:
        for piece in clip.pieces:
            totals[piece.label] += piece.seconds
    return totals


@lru_cache(maxsize=64)
def _order(seed: int, turn: int, count: int, stream: int = 1) -> tuple[int, ...]:
    # The last number makes this random stream different from those of single clips.
    return tuple(np.random.default_rng((seed, turn, stream)).permutation(count).tolist())


def _drawn(pieces: Sequence[Piece], count: int, generator: np.random.Generator) -> list[Piece]:
    """Draw pieces; none twice before all others were drawn."""
    drawn: list[Piece] = []
    while len(drawn) < count:
        drawn += [pieces[i] for i in generator.permutation(len(pieces))[: count - len(drawn)]]
    return drawn


def _by_speaker(pieces: Iterable[Piece]) -> Mapping[tuple[str, str | None], list[Piece]]:
    groups: dict[tuple[str, str | None], list[Piece]] = defaultdict(list)
    for piece in pieces:
        groups[piece.speaker].append(piece)
    return dict(groups)


def _nothing(name: str, emotional: int, neutral: int) -> str:
    return (
        f"{name}: no clip can be built from {emotional} pieces of an emotion and {neutral} neutral ones. "
        "Every pattern needs both of one speaker: give more data, other labels, or a pattern such as E "
        "(--data.clips.patterns)."
    )


_KEYS = {"id", "pattern", "pieces", "crop"}
_PIECE_KEYS = {"corpus", "utterance", "start", "end", "label"}


def save_clips(clips: Iterable[Clip], path: Path) -> None:
    """Write clips.

    Raises:
        OutputError: If the file cannot be written.
    """
    write_text(path, "".join(json.dumps(_to_dict(clip), ensure_ascii=False) + "\n" for clip in clips))


def load_clips(path: Path, utterances: Sequence[Utterance], classes: Sequence[str]) -> list[Clip]:
    """Read clips that `save_clips` wrote.

    Args:
        path: The list.
        utterances: The utterances that clips may contain.
        classes: Valid class names of pieces.

    Raises:
        ManifestError: With the line, for an entry that is not a clip, or for an unknown utterance or class.
    """
    known = {(utterance.corpus, utterance.id): utterance for utterance in utterances}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(path, None, f"cannot be read as a list of clips ({error}).") from error
    clips = [_clip(line, path, number, known, classes) for number, line in enumerate(lines, start=1)]
    if not clips:
        raise ManifestError(path, None, "holds no clip.")
    return clips


def _to_dict(clip: Clip) -> dict[str, Any]:
    pieces = [
        {
            "corpus": piece.utterance.corpus,
            "utterance": piece.utterance.id,
            "start": round(piece.start, 6),
            "end": round(piece.end, 6),
            "label": piece.label,
        }
        for piece in clip.pieces
    ]
    return {"id": clip.id, "pattern": clip.pattern, "crop": round(clip.crop, 6), "pieces": pieces}


def _clip(
    line: str,
    path: Path,
    number: int,
    known: Mapping[tuple[str, str], Utterance],
    classes: Sequence[str],
) -> Clip:
    try:
        row = parse_json(line)
        if not isinstance(row, dict) or set(row) != _KEYS or not row["pieces"]:
            raise CorpusError(f"is not a clip: it needs {', '.join(sorted(_KEYS))}.")
        if not isinstance(row["pieces"], list):
            raise CorpusError("is not a clip: its pieces must be a list.")
        pieces = tuple(_piece(item, known, classes) for item in row["pieces"])
        return Clip(str(row["id"]), str(row["pattern"]), pieces, _between(row["crop"], "crop", 1.0))
    except DocumentError as error:
        raise ManifestError(path, number, f"{error.reason}.") from error
    except CorpusError as error:
        raise ManifestError(path, number, str(error)) from error


def _piece(
    item: Mapping[str, Any], known: Mapping[tuple[str, str], Utterance], classes: Sequence[str]
) -> Piece:
    if not isinstance(item, dict) or set(item) != _PIECE_KEYS:
        raise CorpusError(f"a piece needs {', '.join(sorted(_PIECE_KEYS))}, not {item}.")
    utterance = known.get((str(item["corpus"]), str(item["utterance"])))
    if utterance is None:
        raise CorpusError(
            f"utterance {item['utterance']!r} of {item['corpus']} is not in this part of the data. Use "
            f"the corpora and the fold that the list was made with."
        )
    if item["label"] not in classes:
        raise CorpusError(f"class {item['label']!r} is not one of {', '.join(classes)}.")
    start, end = (_between(item[name], name, math.inf) for name in ("start", "end"))
    if not start < end:
        raise CorpusError(f"a piece from {start:g} s to {end:g} s is not a valid time span.")
    return Piece(utterance, start, end, item["label"])


def _between(value: object, name: str, most: float) -> float:
    if not isinstance(value, int | float) or not 0 <= value <= most:
        raise CorpusError(f"{name} {value!r} is not a number from 0 to {most:g}.")
    return float(value)
