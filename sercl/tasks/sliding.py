"""A sliding-window classifier of utterances: the baseline of a diarizer."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sercl.audio.preprocess import ALL, prepared_recording, voice_detector
from sercl.audio.resample import SAMPLE_RATE, load, to_rate
from sercl.audio.sources import AudioInput, as_mono
from sercl.audio.voice import Speech
from sercl.batch import AudioBatch, Stretches
from sercl.errors import AudioError, UsageError
from sercl.models.encoders import infer_with
from sercl.tasks.diarizer import FrameScores
from sercl.tasks.models import UtteranceModel


class SlidingClassifier:
    """Gives every interval of `hop` seconds the mean probabilities of the windows that contain it.

    A recording is preprocessed as the clips in training were, but as a whole, and without trimming.

    Args:
        task: The classifier.
        device: Device on which it runs.
        window: Length of a window in s.
        hop: Seconds from one window to the next.

    Raises:
        UsageError: For a hop that is not above 0, or is longer than the window.

    Attributes:
        classes: Class names, in class order.
    """

    def __init__(
        self, task: UtteranceModel, device: torch.device, window: float = 1.0, hop: float = 0.1
    ) -> None:
        if not 0 < hop <= window:
            raise UsageError(
                f"windows of {window:g} s every {hop:g} s: the hop must be above 0, at most the window."
            )
        self._task, self._device = task.to(device).eval(), device
        self._config, self._detector = task.as_trained, voice_detector()
        infer_with(self, task.encoder)
        self.classes = tuple(task.classes)
        self._hop = round(hop * SAMPLE_RATE)
        self._hops = max(1, round(window / hop))

    def frames(self, source: AudioInput) -> FrameScores:
        """Return the class probabilities of a recording, one row for every `hop` seconds.

        Args:
            source: A file, or a waveform (`[samples]` or `[channels, samples]`) with its rate in Hz.

        Raises:
            AudioError: If it cannot be read or is too short for the encoder.
        """
        waveform, speech = prepared_recording(_waveform(source), self._config, self._detector)
        cells = max(1, -(-len(waveform) // self._hop))
        sums, counts = np.zeros((cells, len(self.classes))), np.zeros((cells, 1))
        for first, last in self._windows(cells):
            clip = waveform[first * self._hop : last * self._hop]
            spoken = self._spoken(speech, first * self._hop / SAMPLE_RATE)
            sums[first:last] += self._probabilities(clip, spoken, source)
            counts[first:last] += 1
        means = (sums / counts).astype(np.float32)
        return FrameScores(means, self._hop / SAMPLE_RATE, len(waveform) / SAMPLE_RATE)

    def _windows(self, cells: int) -> Iterator[tuple[int, int]]:
        """Yield first and last + 1 cell of each window; a recording shorter than one is a single window."""
        for first in range(max(1, cells - self._hops + 1)):
            yield first, min(cells, first + self._hops)

    def _spoken(self, speech: Sequence[Speech], begin: float) -> Stretches | None:
        """Return the speech from the start of a window, in s, if only its frames are used."""
        if self._config.frames == ALL:
            return None
        return tuple((start - begin, end - begin) for start, end in speech)

    @torch.inference_mode()
    def _probabilities(
        self, clip: torch.Tensor, spoken: Stretches | None, source: AudioInput
    ) -> NDArray[np.float64]:
        shortest = self._task.encoder.min_samples
        if len(clip) < shortest:
            reason = f"{1000 * len(clip) / SAMPLE_RATE:g} ms long, too short for one frame"
            raise AudioError("input" if isinstance(source, tuple) else source, reason, "short")
        row = self._task(AudioBatch.from_clips([clip], speech=[spoken]).to(self._device))[0]
        probabilities: NDArray[np.float64] = row.double().cpu().numpy()
        return probabilities


def _waveform(source: AudioInput) -> torch.Tensor:
    return load(source) if isinstance(source, str | Path) else to_rate(*as_mono(source))
