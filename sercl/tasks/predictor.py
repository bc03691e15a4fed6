"""Predict emotions with a trained checkpoint, on files or on samples in memory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch

from sercl.ahead import ahead
from sercl.audio.preprocess import voice_detector
from sercl.audio.resample import SAMPLE_RATE
from sercl.audio.sources import (
    WINDOW,
    AudioInput,
    DecodedInput,
    as_inputs,
    batches,
    name_of,
    prepared_inputs,
    reason_of,
    waveform_of,
)
from sercl.batch import AudioBatch
from sercl.errors import AudioError, ClipLengthError, SerclError
from sercl.files import at_home
from sercl.memory import by_halves, halves_of
from sercl.models.device import default_workers, find_device, give_memory_back
from sercl.models.encoders import infer_with
from sercl.tasks.ensemble import Ensemble
from sercl.tasks.models import UtteranceModel
from sercl.tasks.starter import find_starter


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


class _Window(NamedTuple):
    """Inputs decoded together: clips, those that failed by number, and the duration of each in s."""

    clips: list[DecodedInput]
    failures: dict[int, Failure]
    seconds: dict[int, float]


_FIRST = 8
"""Inputs of the first window: few, so that the first predictions come soon."""


def load(
    checkpoint: str | Path | None = None,
    device: str = "auto",
    encoder: str | None = None,
    workers: int | None = None,
    precision: str = "fp32",
) -> "Predictor":
    """Load a trained classifier for prediction.

    Args:
        checkpoint: A file that `sercl fit` wrote (`best.ckpt`), or the folder of a run. For one of all folds
            the probabilities are the means over its models; its folder `final` holds the model that is
            trained on everything. None for the starter model, which is trained on German acted speech.
        device: "auto" (a GPU if available), "cpu", "cuda", "cuda:1", "mps".
        encoder: Folder of the encoder, if it has moved since training; its weights must be the same.
        workers: As for `Predictor`.
        precision: As for `Predictor`.

    Raises:
        CheckpointError: If the file is not a checkpoint of sercl, or the encoder's weights have changed.
        EncoderError: If the encoder cannot be loaded.
        UsageError: For an unavailable device or precision, or if the starter model is not installed.
    """
    path = find_starter() if checkpoint is None else at_home(checkpoint)
    model = Ensemble[UtteranceModel].restore(path, encoder)
    model.keep_for_prediction()
    return Predictor(model, find_device(device), workers, precision)


class Predictor:
    """A trained classifier for files and waveforms.

    While it exists, the encoder runs faster on the CPU, from a copy of its weights with adapters merged
    (`inference`).

    Args:
        model: The classifier, or several whose probabilities are averaged; it must not be changed any more.
        device: Device on which it runs.
        workers: Threads that decode and prepare audio ahead of the model; None for as many as suit the
            device: none on the CPU, up to 4 for a GPU.
        precision: Of the encoder: fp32, bf16 or fp16. bf16 takes about half of the time on a processor that
            has bfloat16; probabilities then differ by about 0.01.

    Attributes:
        classes: Class names, in class order.
        checkpoints: Those of the classifiers that are averaged, relative to the folder that holds all of
            them; empty for a single one.
    """

    def __init__(
        self,
        model: UtteranceModel | Ensemble[UtteranceModel],
        device: torch.device,
        workers: int | None = None,
        precision: str = "fp32",
    ) -> None:
        self._model = model.to(device).eval()
        self._task, self.checkpoints = (
            (model.first, model.names) if isinstance(model, Ensemble) else (model, ())
        )
        self._device, self._detector = device, voice_detector()
        self._workers = default_workers(device) if workers is None else workers
        tasks = model.tasks if isinstance(model, Ensemble) else [model]
        for encoder in dict.fromkeys(task.encoder for task in tasks):
            infer_with(self, encoder, precision)
        self.classes = tuple(model.classes)

    def predict(self, inputs: Iterable[AudioInput] | AudioInput) -> list[Prediction]:
        """Predict every input, in order.

        Args:
            inputs: Files, or waveforms (`[samples]` or `[channels, samples]`) with their rate in Hz; a single
                one is treated as a list of one.

        Raises:
            AudioError: For the first input that cannot be used.
        """
        results = list(self.stream(inputs))
        for result in results:
            if isinstance(result, Failure):
                raise AudioError(result.source, result.error)
        return [result for result in results if isinstance(result, Prediction)]

    def stream(
        self, inputs: Iterable[AudioInput] | AudioInput, batch_seconds: float = 60.0
    ) -> Iterator[Prediction | Failure]:
        """Predict inputs one after the other in constant memory; an unusable input yields a `Failure`.

        Args:
            inputs: As for `predict`.
            batch_seconds: Maximum audio in one batch, in s (padded length).
        """
        with closing(ahead(self._decoded, _windows(as_inputs(inputs)), self._workers)) as windows:
            for window in windows:
                yield from self._predict_window(window, batch_seconds)
                give_memory_back()

    def _decoded(self, inputs: Sequence[tuple[int, AudioInput]]) -> _Window:
        clips: list[DecodedInput] = []
        failures: dict[int, Failure] = {}
        for number, source in inputs:
            name = name_of(source, number)
            try:
                clips.append(DecodedInput(number, name, waveform_of(source)))
            except SerclError as error:
                failures[number] = Failure(name, reason_of(error, name))
        seconds = {clip.number: len(clip.waveform) / SAMPLE_RATE for clip in clips}
        ready = prepared_inputs(clips, self._task.as_trained, self._detector)
        return _Window(ready, failures, seconds)

    def _predict_window(self, window: _Window, batch_seconds: float) -> list[Prediction | Failure]:
        results: dict[int, Prediction | Failure] = dict(window.failures)
        predict = partial(self._predict_batch, seconds=window.seconds)
        for batch in batches(window.clips, batch_seconds):
            results.update(by_halves(predict, batch, halves_of, "--batch_seconds"))
        return [results[number] for number in sorted(results)]

    @torch.inference_mode()
    def _predict_batch(
        self, clips: Sequence[DecodedInput], seconds: Mapping[int, float]
    ) -> list[tuple[int, Prediction | Failure]]:
        try:
            batch = AudioBatch.from_clips(
                [clip.waveform for clip in clips], speech=[clip.speech for clip in clips]
            )
            probabilities = self._model(batch.to(self._device))
        except SerclError as error:  # the encoder's length limits: an error of one clip, not of its batch
            if len(clips) == 1:
                reason = error.reason if isinstance(error, ClipLengthError) else str(error)
                if (
                    self._task.encoder.max_samples is not None
                    and len(clips[0].waveform) > self._task.encoder.max_samples
                ):
                    reason += " `sercl diarize` labels emotions over time in recordings of any length."
                return [(clips[0].number, Failure(clips[0].name, reason))]
            return [self._predict_batch([clip], seconds)[0] for clip in clips]
        return [
            (clip.number, self._prediction(clip.name, row, seconds[clip.number]))
            for clip, row in zip(clips, probabilities.float().cpu().tolist(), strict=True)
        ]

    def _prediction(self, name: str, row: list[float], seconds: float) -> Prediction:
        probabilities = dict(zip(self.classes, row, strict=True))
        return Prediction(name, max(probabilities, key=probabilities.__getitem__), probabilities, seconds)


def _windows(inputs: Iterable[AudioInput]) -> Iterator[list[tuple[int, AudioInput]]]:
    """Yield numbered inputs in windows, which grow up to `WINDOW`."""
    numbered, size = enumerate(inputs), min(WINDOW, _FIRST)
    while window := list(islice(numbered, size)):
        yield window
        size = min(WINDOW, 2 * size)
