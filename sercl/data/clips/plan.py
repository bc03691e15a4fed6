"""Which pieces make up a clip: drawn from (seed, index) alone, without reading audio."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from sercl.corpora.base import Utterance
from sercl.data.clips.config import EMOTION, NEUTRAL, ClipConfig
from sercl.errors import UsageError

NEUTRAL_CLASS = "neutral"


@dataclass(frozen=True)
class Piece:
    """A stretch of speech of one class.

    Attributes:
        utterance: What it is cut from.
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
        """Corpus and speaker: two corpora may use one name for two people."""
        return self.utterance.corpus, self.utterance.speaker


@dataclass(frozen=True)
class Clip:
    """A clip to be built.

    Attributes:
        id: Unique within its part.
        pattern: Word of E and N.
        pieces: In order, all of one speaker.
        crop: Where between the first and the last possible place the clip is cut, 0 to 1, if it is too long.
    """

    id: str
    pattern: str
    pieces: tuple[Piece, ...]
    crop: float = 0.0


class Planner:
    """Draws clips. Every `round` clips use each piece of an emotion once; the rest of a clip is drawn freely.

    Clip `index` depends on the pieces, the options, the seed and `index` alone. With `neutral_rounds`, the
    clips of a round share out the neutral pieces of their speaker, in one order that is gone through again.

    Args:
        pieces: Pieces of one part of the data, in any order.
        config: Patterns and their probabilities.
        seed: Another seed, another sequence of clips.
        name: Goes in front of clip ids.

    Raises:
        UsageError: Where no clip can be made.

    Attributes:
        unused: Pieces of an emotion whose speaker has no neutral piece, where every pattern needs one.
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
        """Number of clips that use each piece of an emotion once."""
        return len(self._anchors)

    def plan(self, index: int) -> Clip:
        """Draw clip `index`, 0 or more."""
        turn, place = divmod(index, self.round)
        anchor = self._anchors[_order(self._seed, turn, self.round)[place]]
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
        """Return the neutral pieces that come next in the order of a clip's speaker, the last one first."""
        turn, place = divmod(index, self.round)
        first = self._taken_before(turn)[place]
        own = self._neutral.get(anchor.speaker, [])
        found = []
        for number in range(first, first + count):
            lap, position = divmod(number, len(own))
            order = _order(self._seed, turn, len(own), 2 + lap // self._rounds)
            found.append(own[order[position]])
        return found[::-1]

    def _taken_before(self, turn: int) -> tuple[int, ...]:
        """Return, for each clip of a round, how many neutral pieces of its speaker those before it take."""
        if turn not in self._taken:
            taken: defaultdict[tuple[str, str | None], int] = defaultdict(int)
            before = []
            for place, anchor in enumerate(_order(self._seed, turn, self.round)):
                piece, index = self._anchors[anchor], turn * self.round + place
                before.append(taken[piece.speaker])
                pattern = self._pattern(piece, np.random.default_rng((self._seed, index)))
                taken[piece.speaker] += pattern.count(NEUTRAL)
            self._taken = {turn: tuple(before)}  # of one round: indices come round by round
        return self._taken[turn]


def length(pieces: Sequence[Piece], crossfade: float) -> float:
    """Return the duration of joined pieces in s, each joint shorter by its cross-fade."""
    durations = [piece.seconds for piece in pieces]
    joints = sum(min(crossfade, before / 2, after / 2) for before, after in pairwise(durations))
    return sum(durations) - joints


def clip_seconds(clip: Clip, config: ClipConfig) -> float:
    """Return the duration in s of a clip as it will be built."""
    whole = length(clip.pieces, config.crossfade)
    return min(whole, config.max_seconds) if config.max_seconds else whole


def class_seconds(clips: Sequence[Clip], classes: Sequence[str]) -> dict[str, float]:
    """Return how many seconds of each class some clips hold, before cropping, in class order."""
    totals = dict.fromkeys(classes, 0.0)
    for clip in clips:
        for piece in clip.pieces:
            totals[piece.label] += piece.seconds
    return totals


@lru_cache(maxsize=64)
def _order(seed: int, turn: int, count: int, stream: int = 1) -> tuple[int, ...]:
    # The last number keeps this stream apart from those of single clips.
    return tuple(np.random.default_rng((seed, turn, stream)).permutation(count).tolist())


def _drawn(pieces: Sequence[Piece], count: int, generator: np.random.Generator) -> list[Piece]:
    """Draw pieces, none twice while there are others left."""
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
