from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sercl.audio.voice import VoiceConfig
from sercl.errors import UnknownNameError, UsageError

EMOTION, NEUTRAL = "E", "N"
STUDY_PATTERNS: Mapping[str, float] = MappingProxyType({"NE": 0.25, "EN": 0.25, "NEN": 0.25, "E": 0.25})
"""Patterns of the clips of the ZED recipe, and their frequencies."""

VOICE = ("silero", "none")
LOUDNESS = ("match", "first", "keep")


_MOST = {"per_epoch": 1_000_000, "held_out": 1_000_000, "neutral_rounds": 1000, "crossfade": 60.0}
"""Largest values: all clips are planned before training begins."""


@dataclass(frozen=True)
class ClipConfig:
    """How diarization clips are built from utterances of one speaker.

    Args:
        patterns: Pattern -> its probability, such as {NE: 0.5, ENE: 0.5}. A pattern is a string of N (a
            neutral piece) and E (an emotional piece, each E drawn independently); `NENEN` has two events. The
            probabilities are normalised to a sum of 1.
        voice: `silero` trims each utterance to its speech, `none` uses it whole.
        detector: What counts as speech.
        min_piece: Shorter pieces are left out, in s.
        loudness: `match` brings the pieces of a clip to one loudness, `first` to the level in dB of the first
            piece, `keep` leaves them as they are.
        crossfade: Length of the cross-fade between pieces, in s.
        max_seconds: Longer clips are cut to a random stretch of this length, in s; 0 keeps them whole.
        per_epoch: Training clips per epoch; 0 for the number of emotional pieces.
        held_out: Clips for validation, and as many for test; 0 for the number of emotional pieces.
        neutral_rounds: How often a speaker's neutral pieces are used in one order before a new order is
            drawn; 0 draws them anew for each clip.
        random_validation: Fraction of the clips outside the test part that is used for validation, drawn
            once for the whole training; the rest is used for training. With 0, validation speakers are held
            out; above 0, they are also in training.
        lists: Folder with fixed clips, as a run saves them (`train.jsonl`, `validation.jsonl`,
            `test.jsonl`), instead of clips drawn anew for each epoch; parts without a file are drawn.

    Raises:
        UnknownNameError: For another `voice` or `loudness`.
        UsageError: For an invalid pattern, or a number out of its range.
    """

    patterns: dict[str, float] = field(default_factory=lambda: dict(STUDY_PATTERNS))
    voice: str = "silero"
    detector: VoiceConfig = field(default_factory=VoiceConfig)
    min_piece: float = 0.2
    loudness: str = "match"
    crossfade: float = 0.02
    max_seconds: float = 20.0
    per_epoch: int = 0
    held_out: int = 0
    neutral_rounds: int = 0
    random_validation: float = 0.0
    lists: str | None = None

    def __post_init__(self) -> None:
        if self.voice not in VOICE:
            raise UnknownNameError("clips.voice", self.voice, VOICE)
        if self.loudness not in LOUDNESS:
            raise UnknownNameError("clips.loudness", self.loudness, LOUDNESS)
        self._check_bounds()
        if not self.min_piece > 0:
            raise UsageError("clips.min_piece is 0; a piece must have some length (s).")
        if not 0 <= self.random_validation < 1:
            raise UsageError(
                f"clips.random_validation is {self.random_validation}; it must be from 0 to below 1."
            )
        if self.random_validation and self.lists is not None:
            raise UsageError(
                "clips.random_validation draws the validation clips, clips.lists names them: give one "
                "of the two."
            )
        self._check_patterns()

    def _check_bounds(self) -> None:
        for name in ("min_piece", "crossfade", "max_seconds", "per_epoch", "held_out", "neutral_rounds"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"clips.{name} is {getattr(self, name)}; it must be 0 or more.")
        for name, most in _MOST.items():
            if not getattr(self, name) <= most:
                raise UsageError(f"clips.{name} is {getattr(self, name)}; it must be at most {most}.")

    def _check_patterns(self) -> None:
        for pattern, share in self.patterns.items():
            if not pattern or set(pattern) - {EMOTION, NEUTRAL}:
                raise UsageError(f"clips.patterns: {pattern!r} is not a word of E (emotion) and N (neutral).")
            if not 0 <= share < float("inf"):
                raise UsageError(f"clips.patterns: {pattern} has probability {share}; it must be 0 or more.")
        if not sum(self.patterns.values()) > 0:
            raise UsageError("clips.patterns: no pattern has a probability above 0.")
