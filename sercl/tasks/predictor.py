"""Predict emotions with a trained checkpoint, on files or on samples in memory."""

import ctypes
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from sercl.audio.files import read
from sercl.audio.resample import SAMPLE_RATE, to_rate
from sercl.audio.scan import SILENCE_DBFS
from sercl.batch import AudioBatch
from sercl.errors import AudioError, ClipLengthError, SerclError, UsageError
from sercl.tasks.classification import EmotionClassifier


def find_device(name: str) -> torch.device:
    """Return a device by name: "auto" (a GPU if available), "cpu", "cuda", "cuda:1", "mps".

    Raises:
        UsageError: For an unavailable device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device {name!r} is not usable here: {str(error).splitlines()[0]}") from error
    return device


Source: TypeAlias = str | Path | tuple[np.ndarray | Tensor, int]
"""A file, or a waveform (`[samples]`, or `[channels, samples]`) with its rate in Hz."""

_C_LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None
_WINDOW = 64
"""Number of inputs that are decoded together and sorted by length, which bounds memory on long streams."""


@dataclass(frozen=True)
class Prediction:
    """The prediction for one input.

    Attributes:
        source: The file as given, or "input N" for a waveform (0-based).
        emotion: The most probable class.
        probabilities: Class -> probability, in class order; they sum to 1.
        seconds: Duration of the input in s.
    """

    source: str
    emotion: str
    probabilities: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class Failure:
    """An input that could not be used, and why."""

    source: str
    error: str


def load(checkpoint: str | Path, device: str = "auto", encoder: str | None = None) -> "Predictor":
    """Load a trained classifier for prediction.

    Args:
        checkpoint: A file that `sercl fit` wrote (`best.ckpt`).
        device: "auto" (a GPU if available), "cpu", "cuda", "cuda:1", "mps".
        encoder: Folder of the encoder, if it has moved since training; its weights must be the same.

    Raises:
        CheckpointError: If the file is not a checkpoint of sercl, or the encoder's weights have changed.
        EncoderError: Where the encoder cannot be loaded.
        UsageError: For an unavailable device.
    """
    task = EmotionClassifier.restore(checkpoint, encoder)
    return Predictor(task, find_device(device))


class Predictor:
    """A trained classifier for files and waveforms.

    Args:
        task: The classifier.
        device: Device on which it runs.

    Attributes:
        classes: Class names, in class order.
    """

    def __init__(self, task: EmotionClassifier, device: torch.device) -> None:
        self._task = task.to(device).eval()
        self._device = device
        self.classes = tuple(task.classes)

    def predict(self, inputs: Iterable[Source] | Source) -> list[Prediction]:
        """Predict every input, in order.

        Args:
            inputs: Files, or waveforms with their rate; a single one is treated as a list of one.

        Raises:
            AudioError: For the first input that cannot be used.
        """
        if isinstance(inputs, str | Path) or is_waveform(inputs):
            inputs = [inputs]  # type: ignore[list-item]
        results = list(self.stream(inputs))  # type: ignore[arg-type]
        for result in results:
            if isinstance(result, Failure):
                raise AudioError(result.source, result.error)
        return [result for result in results if isinstance(result, Prediction)]

    def stream(self, inputs: Iterable[Source], batch_seconds: float = 60.0) -> Iterator[Prediction | Failure]:
        """Predict inputs one after the other in constant memory; an unusable input yields a `Failure`.

        Args:
            inputs: Files, or waveforms with their rate.
            batch_seconds: Maximum audio in one batch, in s (padded length).
        """
        numbered = enumerate(inputs)
        while window := list(islice(numbered, _WINDOW)):
            yield from self._predict_window(window, batch_seconds)
            give_memory_back()

    def _predict_window(
        self, window: Sequence[tuple[int, Source]], batch_seconds: float
    ) -> list[Prediction | Failure]:
        results: dict[int, Prediction | Failure] = {}
        clips: list[tuple[int, str, Tensor]] = []
        for number, source in window:
            name = f"input {number}" if isinstance(source, tuple) else str(source)
            try:
                clips.append((number, name, _waveform(source)))
            except SerclError as error:
                results[number] = Failure(name, reason_of(error, name))
        clips.sort(key=lambda clip: len(clip[2]))
        for batch in _batches(clips, batch_seconds):
            results.update(self._predict_batch(batch))
        return [results[number] for number, _ in window]

    @torch.inference_mode()
    def _predict_batch(self, clips: Sequence[tuple[int, str, Tensor]]) -> dict[int, Prediction | Failure]:
        try:
            probabilities = self._task(AudioBatch.from_clips([clip for _, _, clip in clips]).to(self._device))
        except SerclError as error:  # the encoder's length limits: an error of one clip, not of its batch
            if len(clips) == 1:
                reason = error.reason if isinstance(error, ClipLengthError) else str(error)
                if (
                    self._task.encoder.max_samples is not None
                    and len(clips[0][2]) > self._task.encoder.max_samples
                ):
                    reason += " `sercl diarize` labels emotions over time in recordings of any length."
                return {clips[0][0]: Failure(clips[0][1], reason)}
            return {number: row for clip in clips for number, row in self._predict_batch([clip]).items()}
        return {
            number: self._prediction(name, row, len(clip) / SAMPLE_RATE)
            for (number, name, clip), row in zip(clips, probabilities.float().cpu().tolist(), strict=True)
        }

    def _prediction(self, name: str, row: list[float], seconds: float) -> Prediction:
        probabilities = dict(zip(self.classes, row, strict=True))
        return Prediction(name, max(probabilities, key=probabilities.__getitem__), probabilities, seconds)


def _waveform(source: Source) -> Tensor:
    samples, rate = as_mono(*source) if isinstance(source, tuple) else read(Path(source))
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < 10 ** (SILENCE_DBFS / 20):
        raise UsageError(f"silent (its peak is under {SILENCE_DBFS:g} dBFS): there is no speech in it.")
    return to_rate(samples, rate)


def as_mono(samples: np.ndarray | Tensor, rate: int) -> tuple[np.ndarray, int]:
    """Return samples in memory (`[n]`, or `[channels, n]`) as mono `[n]` float32, with their rate in Hz.

    Raises:
        UsageError: For another shape, no samples, or one that is NaN or infinite.
    """
    array = np.asarray(samples, dtype=np.float32)
    mono = array.mean(axis=0) if array.ndim == 2 else array
    if mono.ndim != 1 or mono.size == 0 or not np.isfinite(mono).all():
        raise UsageError("a waveform must be [samples] or [channels, samples], not empty, without NaN.")
    return mono, rate


def _batches(
    clips: Sequence[tuple[int, str, Tensor]], batch_seconds: float
) -> Iterator[list[tuple[int, str, Tensor]]]:
    batch: list[tuple[int, str, Tensor]] = []
    for clip in clips:  # sorted by length, so the newest is the longest
        if batch and (len(batch) + 1) * len(clip[2]) > batch_seconds * SAMPLE_RATE:
            yield batch
            batch = []
        batch.append(clip)
    if batch:
        yield batch


def give_memory_back() -> None:
    """Return freed memory to the system, if the C library is glibc.

    Batches of many different lengths fragment its heap, which would grow with the number of files.
    """
    if (trim := getattr(_C_LIBRARY, "malloc_trim", None)) is not None:
        trim(0)


def is_waveform(value: object) -> bool:
    """Return whether an input is a waveform with its rate, not a file."""
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], int)


def reason_of(error: SerclError, name: str) -> str:
    """Return an error's text without the leading name of the input."""
    return str(error).removeprefix(f"{name}: ")
