"""Voice activity detection with Silero, whose model is included in its package."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from sercl.audio.resample import SAMPLE_RATE
from sercl.audio.silero import CHUNK, SileroNetwork, load_silero, silero_vad
from sercl.batch import by_length
from sercl.errors import UsageError
from sercl.threads import one_thread

_BATCH_SECONDS = 480.0


class Speech(NamedTuple):
    """A stretch of speech, in s from the clip's start."""

    start: float
    end: float


@dataclass(frozen=True)
class VoiceConfig:
    """What counts as speech.

    Args:
        threshold: Probability of speech, above 0 and below 1, above which a speech segment begins; it ends
            0.15 lower.
        min_speech: Shorter segments are not speech, in s.
        min_silence: Shorter pauses belong to the speech around them, in s.
        pad: Added on both sides of every segment, in s.

    Raises:
        UsageError: For a number out of its range.
    """

    threshold: float = 0.5
    min_speech: float = 0.1
    min_silence: float = 0.1
    pad: float = 0.03

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise UsageError(f"voice.threshold is {self.threshold}; it must be above 0 and below 1.")
        for name in ("min_speech", "min_silence", "pad"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"voice.{name} is {getattr(self, name)}; it must be 0 or more (s).")


class VoiceDetector:
    """Finds speech in clips, several at a time; a clip's result does not depend on the others.

    Args:
        config: What counts as speech.
    """

    def __init__(self, config: VoiceConfig = VoiceConfig()) -> None:
        self.config = config

    def __getstate__(self) -> dict[str, Any]:
        # Each worker loads the network again.
        return {"config": self.config}

    @cached_property
    def _network(self) -> SileroNetwork:
        return load_silero()

    @torch.inference_mode()
    def probabilities(self, waveforms: Tensor) -> Tensor:
        """Return the probability of speech in every chunk.

        Args:
            waveforms: `[batch, samples]` float32 at 16 kHz, on the CPU.

        Returns:
            `[batch, ceil(samples / CHUNK)]` float32; the last chunk is filled up with silence.
        """
        if not waveforms.shape[1]:
            return waveforms
        with one_thread():  # the network is small
            return cast(Tensor, self._network(waveforms))

    def speech(self, clips: Sequence[Tensor]) -> list[tuple[Speech, ...]]:
        """Return the stretches of speech of every clip, in order.

        Args:
            clips: `[samples]` float32 at 16 kHz each.
        """
        found: dict[int, tuple[Speech, ...]] = {}
        for batch in by_length([len(clip) for clip in clips], _BATCH_SECONDS * SAMPLE_RATE):
            waveforms = torch.nn.utils.rnn.pad_sequence([clips[i] for i in batch], batch_first=True)
            for index, row in zip(batch, self.probabilities(waveforms), strict=True):
                found[index] = self._stretches(row, len(clips[index]))
        return [found[index] for index in range(len(clips))]

    def _stretches(self, probabilities: Tensor, samples: int) -> tuple[Speech, ...]:
        count = -(-samples // CHUNK)
        stretches = silero_vad().get_speech_timestamps_from_probs(
            probabilities[:count].tolist(),
            threshold=self.config.threshold,
            min_speech_duration_ms=round(1000 * self.config.min_speech),
            min_silence_duration_ms=round(1000 * self.config.min_silence),
            speech_pad_ms=round(1000 * self.config.pad),
            audio_length_samples=samples,
        )
        return tuple(Speech(item["start"] / SAMPLE_RATE, item["end"] / SAMPLE_RATE) for item in stretches)


def span(stretches: Sequence[Speech]) -> Speech | None:
    """Return the time from the first to the last speech, pauses included; None without speech."""
    return Speech(stretches[0].start, stretches[-1].end) if stretches else None
