"""What is done to a clip before the encoder: filters, silence cut off at both ends, one level.

Silence at both ends enters a mean over frames, and the level of a recording enters every hidden state, so two
corpora differ in both. What is done in training must be done in prediction: checkpoints hold the
configuration, and the feature store separates what differs.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sercl.audio.loudness import gated_loudness
from sercl.audio.resample import SAMPLE_RATE
from sercl.audio.voice import Speech, VoiceConfig, VoiceDetector, span
from sercl.errors import UnknownNameError, UsageError

VERSION = 1
"""Increase this when the same configuration gives other waveforms than before."""

NONE, VOICE, ENERGY = TRIMS = ("none", "voice", "energy")
RMS, BS1770 = "rms", "bs1770"
LOUDNESS = (NONE, RMS, BS1770)
ALL, SPEECH = FRAMES = ("all", "speech")
LEVELS = {RMS: -26.0, BS1770: -23.0}
"""Default level of each measure: dBFS (root mean square 0.05) and LUFS (EBU R 128)."""

SHORTEST = 0.1
"""A trimmed clip is at least this long, in s, unless the clip itself is shorter."""

TELEPHONE = (300.0, 3400.0)
"""Band of a telephone, in Hz (ITU-T G.712)."""

_MOST_HIGH_PASS = 1000.0
_ORDER = 4
_SILENT = -100.0


@dataclass(frozen=True)
class PreprocessConfig:
    """What is done to a clip before the encoder.

    Args:
        trim: How silence at both ends is cut off: none, voice (no speech by an activity detector), or
            energy (35 dB below the loudest frames).
        margin: Kept before the first and after the last speech, in s.
        loudness: How the level of a clip is matched after trimming: none, rms (root mean square), or bs1770
            (ITU-R BS.1770, K-weighted and gated).
        level: Level that clips are brought to: of rms in dBFS, of bs1770 in LUFS. Null for -26 dBFS or -23
            LUFS.
        max_gain: No clip is amplified or attenuated by more than this, in dB.
        remove_dc: Whether the mean of the samples is subtracted.
        high_pass: Frequency in Hz below which a Butterworth filter of order 4 attenuates; 0 for none.
        telephone: Whether clips are limited to the band of a telephone, 300 to 3400 Hz.
        frames: Frames of the encoder that are pooled: all; or speech, those in which a voice activity
            detector finds speech (all of a clip without any), so that pauses do not count.

    Raises:
        UnknownNameError: For a method that does not exist.
        UsageError: For a number out of its range, or an option that has no effect.
    """

    trim: str = "voice"
    margin: float = 0.1
    loudness: str = "rms"
    level: float | None = None
    max_gain: float = 60.0
    remove_dc: bool = False
    high_pass: float = 0.0
    telephone: bool = False
    frames: str = "all"

    RAW: ClassVar["PreprocessConfig"]
    """Clips as they are."""

    def __post_init__(self) -> None:
        if self.trim not in TRIMS:
            raise UnknownNameError("preprocess.trim", self.trim, TRIMS)
        if self.loudness not in LOUDNESS:
            raise UnknownNameError("preprocess.loudness", self.loudness, LOUDNESS)
        if self.frames not in FRAMES:
            raise UnknownNameError("preprocess.frames", self.frames, FRAMES)
        if self.frames == SPEECH and self.trim == ENERGY:
            raise UsageError("preprocess.frames speech needs preprocess.trim voice or none, not energy.")
        _check("margin", self.margin, 0 <= self.margin <= 10, "0 to 10 s")
        _check("max_gain", self.max_gain, 0 < self.max_gain <= 120, "above 0 to 120 dB")
        _check("high_pass", self.high_pass, 0 <= self.high_pass <= _MOST_HIGH_PASS, "0 to 1000 Hz")
        if self.level is not None:
            _check("level", self.level, -70 <= self.level < 0, "-70 to below 0 (dBFS or LUFS)")
            if self.loudness == NONE:
                raise UsageError("preprocess.level has no effect with preprocess.loudness none.")

    @property
    def needs_speech(self) -> bool:
        """Whether it depends on where the speech of a clip is."""
        return self.trim != NONE or self.frames == SPEECH

    @property
    def changes_length(self) -> bool:
        """Whether clips become shorter."""
        return self.trim != NONE

    @property
    def target(self) -> float:
        """The level that clips are brought to."""
        return LEVELS[self.loudness] if self.level is None else self.level

    def settings(self) -> dict[str, str | float | bool]:
        """Return what decides the waveforms, for addresses of results; empty if nothing is done."""
        on: dict[str, str | float | bool] = {}
        if self.trim != NONE:
            on |= {"trim": self.trim, "margin": self.margin}
        if self.loudness != NONE:
            on |= {"loudness": self.loudness, "level": self.target, "max_gain": self.max_gain}
        filters = {"remove_dc": self.remove_dc, "high_pass": self.high_pass, "telephone": self.telephone}
        on |= {name: value for name, value in filters.items() if value}
        if self.frames != ALL:
            on |= {"frames": self.frames}
        if self.needs_speech:
            on |= {"detector": self.detector}
        return {f"preprocess.{name}": value for name, value in on.items()} | (
            {"preprocess.version": VERSION} if on else {}
        )

    @property
    def detector(self) -> str:
        """What finds the speech; another detector, or version of it, may find other speech."""
        return f"{ENERGY} {VERSION}" if self.trim == ENERGY else f"silero-vad {version('silero-vad')}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for checkpoints and results files."""
        return asdict(self)

    @property
    def in_words(self) -> str:
        """A description in a few words: "silence trimmed (voice, 0.1 s kept), rms -26 dBFS"."""
        unit = "dBFS" if self.loudness == RMS else "LUFS"
        parts = [
            f"silence trimmed ({self.trim}, {self.margin:g} s kept)" if self.trim != NONE else "",
            f"{self.loudness} {self.target:g} {unit}" if self.loudness != NONE else "",
            "DC removed" if self.remove_dc else "",
            f"high-pass {self.high_pass:g} Hz" if self.high_pass else "",
            "telephone band" if self.telephone else "",
            "frames of speech" if self.frames == SPEECH else "",
        ]
        return ", ".join(part for part in parts if part) or "as recorded"


def _check(name: str, value: object, sound: bool, valid: str) -> None:
    if not sound:
        raise UsageError(f"preprocess.{name} is {value}; valid: {valid}.")


PreprocessConfig.RAW = PreprocessConfig(trim=NONE, loudness=NONE)


def find_speech(
    clips: Iterable[Tensor], config: PreprocessConfig, detector: VoiceDetector | None = None
) -> list[tuple[Speech, ...]]:
    """Return the stretches of speech of each clip, as its preprocessing needs them; () where none is found.

    Args:
        clips: `[samples]` float32 at 16 kHz each; of those that a generator makes, one exists at a time.
        config: Names the method.
        detector: A detector to use again; a clip's result does not depend on the others.
    """
    if config.trim == VOICE or config.frames == SPEECH:
        return (detector or voice_detector()).speech([levelled(clip) for clip in clips])
    if config.trim == ENERGY:
        return [loud_parts(clip) for clip in clips]
    return [() for _ in clips]


def voice_detector() -> VoiceDetector:
    """Return a detector of speech without margin, which `trimmed_span` adds."""
    return VoiceDetector(VoiceConfig(pad=0.0))


def levelled(waveform: Tensor) -> Tensor:
    """Return a clip at one level for a detector, which misses soft speech: DC removed, peaks at 0.3.

    Args:
        waveform: `[samples]`.
    """
    if not len(waveform):
        return waveform
    centred = waveform - waveform.mean()
    # The 99th percentile, since a click may be the peak.
    peak = float(centred.abs().kthvalue(max(1, math.ceil(0.99 * len(centred)))).values)
    return centred * (0.3 / peak) if peak > 0 else centred


_FRAME, _HOP, _RANGE = 400, 160, 35.0  # samples, samples, dB


def loud_parts(waveform: Tensor) -> tuple[Speech, ...]:
    """Return the time from the first to the last frame within 35 dB of the loudest (98th percentile).

    Args:
        waveform: `[samples]` at 16 kHz.
    """
    if len(waveform) < _FRAME:
        return ()
    frames = (waveform - waveform.mean()).unfold(0, _FRAME, _HOP)
    power = frames.square().mean(dim=1)
    loudest = float(power.kthvalue(max(1, math.ceil(0.98 * len(power)))).values)
    loud = (power > loudest * 10 ** (-_RANGE / 10)).nonzero().flatten()
    if not len(loud):
        return ()
    return (Speech(int(loud[0]) * _HOP / SAMPLE_RATE, (int(loud[-1]) * _HOP + _FRAME) / SAMPLE_RATE),)


def prepared(waveform: Tensor, speech: Sequence[Speech], config: PreprocessConfig) -> Tensor:
    """Return a clip as the encoder gets it.

    A clip without any speech (silence, noise, laughter) is neither trimmed nor, if trimming looked for
    speech, amplified: noise would become loud.

    Args:
        waveform: `[samples]` float32 at 16 kHz.
        speech: From `find_speech`.
        config: What is done.

    Returns:
        `[samples]` float32, not empty unless the clip is.
    """
    clip = filtered(waveform, config)
    if config.needs_speech and not speech:
        return clip
    if config.trim != NONE:
        first, last = trimmed_span(speech, config.margin, len(clip))
        clip = clip[first:last]
    return clip if config.loudness == NONE else at_level(clip, config)


def prepared_recording(
    waveform: Tensor, config: PreprocessConfig, detector: VoiceDetector
) -> tuple[Tensor, tuple[Speech, ...]]:
    """Return a recording for windows of a model of clips, and where its speech is.

    Time is kept: nothing is cut off. The level is that of the speech of the whole recording, so that windows
    keep their differences.

    Args:
        waveform: `[samples]` float32 at 16 kHz.
        config: What the model was trained with.
        detector: From `voice_detector`.

    Returns:
        `[samples]` float32; and the stretches of speech, () where none is found or none is needed.
    """
    clip = filtered(waveform, config)
    if config.loudness == NONE and config.frames == ALL:
        return clip, ()
    (speech,) = detector.speech([levelled(waveform)])
    if config.loudness == NONE or not speech:
        return clip, speech
    spoken = [clip[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)] for start, end in speech]
    return clip * gain_for(torch.cat(spoken), config), speech


def speech_after(
    samples: int, speech: Sequence[Speech], config: PreprocessConfig
) -> tuple[Speech, ...] | None:
    """Return where the speech is in a clip after preprocessing; None if all frames are used.

    Args:
        samples: Length of the clip before.
        speech: From `find_speech`.
        config: What is done.
    """
    if config.frames == ALL:
        return None
    first = trimmed_span(speech, config.margin, samples)[0] if config.trim != NONE else 0
    shift = first / SAMPLE_RATE
    return tuple(Speech(start - shift, end - shift) for start, end in speech)


def trimmed_span(speech: Sequence[Speech], margin: float, samples: int) -> tuple[int, int]:
    """Return the first sample that is kept and the one after the last.

    Args:
        speech: Stretches of speech.
        margin: Kept on both sides, in s.
        samples: Length of the clip.
    """
    whole = span(speech)
    if whole is None:
        return 0, samples
    start, end = (whole.start - margin) * SAMPLE_RATE, (whole.end + margin) * SAMPLE_RATE
    lacking = max(0.0, SHORTEST * SAMPLE_RATE - (end - start)) / 2
    first = max(0, min(round(start - lacking), samples - round(SHORTEST * SAMPLE_RATE)))
    last = min(samples, max(round(end + lacking), first + round(SHORTEST * SAMPLE_RATE)))
    return first, last


def seconds_after(seconds: float, speech: Sequence[Speech], config: PreprocessConfig) -> float:
    """Return the duration of a clip of `seconds` s after preprocessing."""
    if not config.changes_length or not speech:
        return seconds
    first, last = trimmed_span(speech, config.margin, round(seconds * SAMPLE_RATE))
    return (last - first) / SAMPLE_RATE


def filtered(waveform: Tensor, config: PreprocessConfig) -> Tensor:
    """Return a clip `[samples]` without DC, after high pass and band limit, as configured."""
    clip = waveform - waveform.mean() if config.remove_dc and len(waveform) else waveform
    if config.high_pass:
        clip = _through(_sections("highpass", (config.high_pass,)), clip)
    return _through(_sections("bandpass", TELEPHONE), clip) if config.telephone else clip


@lru_cache
def _sections(kind: str, edges: tuple[float, ...]) -> NDArray[np.float64]:
    from scipy.signal import butter  # takes half a second, which clips without filters should not cost

    edge = edges[0] if len(edges) == 1 else edges
    sections: NDArray[np.float64] = butter(_ORDER, edge, kind, fs=SAMPLE_RATE, output="sos")
    return sections


def _through(sections: NDArray[np.float64], waveform: Tensor) -> Tensor:
    from scipy.signal import sosfilt

    return torch.from_numpy(sosfilt(sections, waveform.double().numpy()).astype(np.float32))


def at_level(clip: Tensor, config: PreprocessConfig) -> Tensor:
    """Return a clip at the configured level; a silent one is unchanged.

    Args:
        clip: `[samples]`, not empty.
        config: Measure, level and largest gain.
    """
    return clip * gain_for(clip, config)


def gain_for(clip: Tensor, config: PreprocessConfig) -> float:
    """Return the factor that brings a clip to the configured level; 1 for a silent one.

    Args:
        clip: `[samples]`, not empty.
        config: Measure, level and largest gain.
    """
    measured = level_of(clip, config.loudness)
    if measured <= _SILENT:
        return 1.0
    gain = max(-config.max_gain, min(config.max_gain, config.target - measured))
    return float(10 ** (gain / 20))


def level_of(clip: Tensor, measure: str) -> float:
    """Return the level of a clip without its DC, in dBFS (rms) or LUFS (bs1770); at least -100."""
    centred = clip - clip.mean()
    if measure == RMS:
        power = float(centred.double().square().mean())
        return max(_SILENT, 10 * math.log10(power)) if power > 0 else _SILENT
    return gated_loudness(centred)
