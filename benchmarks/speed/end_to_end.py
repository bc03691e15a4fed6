"""From audio files to rows in the feature store."""

import csv
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as L
import numpy as np
import soundfile
import torch

from sercl.batch import AudioBatch
from sercl.data.datamodules.own import Manifest
from sercl.features.config import FeatureConfig
from sercl.features.extraction import features_of
from sercl.models.encoders import PRECISIONS, Encoder
from speed.forward import RATE, clip_lengths
from speed.operations import clip_operations
from speed.rates import MatrixRate, wait_for

LAP = 2.0  # s of work, at least, between two matrix products


@dataclass(frozen=True)
class EndToEnd:
    """The result of an extraction into an empty store.

    Attributes:
        clips: Utterances.
        audio: Seconds of audio.
        seconds: All of it, without the matrix products in between.
        share: Operations per second over the peak.
        peak: That of the matrix product, or the value given.
        speed: Seconds of audio per second.
        start: Share of the time until the first batch: hashing and laying out weights, starting workers.
        decode: Share of the time that it waited for decoded audio after that.
        forward: Share of the time in the forward pass.
        rest: Share of the time for pooling, storing and everything else.
    """

    clips: int
    audio: float
    seconds: float
    share: float
    peak: float
    speed: float
    start: float
    decode: float
    forward: float
    rest: float


class TimedAudio:
    """A data module's audio, which counts the seconds that are spent waiting for it."""

    def __init__(self, data: Manifest) -> None:
        self._data, self.preprocess = data, data.preprocess
        self.first: float | None = None
        self.waited = 0.0

    @property
    def audio_keys(self) -> Mapping[str, str]:
        return self._data.audio_keys

    def audio_dataloader(
        self, ids: Sequence[str] | None = None, *, batch_seconds: float, workers: int
    ) -> "TimedBatches":
        return TimedBatches(
            self, self._data.audio_dataloader(ids, batch_seconds=batch_seconds, workers=workers)
        )


class TimedBatches:
    def __init__(self, audio: TimedAudio, batches: Iterable[AudioBatch]) -> None:
        self._audio, self._batches = audio, batches

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[AudioBatch]:
        batches = iter(self._batches)
        while True:
            begin = time.perf_counter()
            batch = next(batches, None)
            now = time.perf_counter()
            if batch is None:
                return
            if self._audio.first is None:
                self._audio.first = now
            else:
                self._audio.waited += now - begin
            yield batch


class TimedForward:
    """Counts the seconds of an encoder's forward pass while it is in use."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder, self.seconds = encoder, 0.0

    def __enter__(self) -> "TimedForward":
        self._encoder.forward = self._timed
        return self

    def __exit__(self, *error: object) -> None:
        del self._encoder.forward

    def _timed(self, waveforms: torch.Tensor, lengths: torch.Tensor) -> object:
        begin = time.perf_counter()
        output = type(self._encoder).forward(self._encoder, waveforms, lengths)
        wait_for(waveforms.device.type)
        self.seconds += time.perf_counter() - begin
        return output


def measure_end_to_end(
    encoder: Encoder,
    precision: str,
    *,
    clips: int,
    batch_seconds: float,
    workers: int | None,
    peak: float | None,
) -> EndToEnd:
    """Extract clips of 1 to 8 s into an empty store.

    Args:
        encoder: On its device.
        precision: A name in `PRECISIONS`.
        clips: How many.
        batch_seconds: Upper bound of a batch in padded s; 0 for the default.
        workers: Processes that decode; None for the default.
        peak: Operations per second to compare with, in place of the matrix product's.
    """
    device = next(encoder.parameters()).device.type
    lengths = clip_lengths(clips)
    operations = sum(clip_operations(encoder.model.config, length) for length in lengths)
    meter = MatrixRate(device, PRECISIONS[precision], peak)
    with tempfile.TemporaryDirectory() as folder, TimedForward(encoder) as forward:
        audio = TimedAudio(recordings(Path(folder), lengths))
        config = FeatureConfig(str(Path(folder, "store")), precision, batch_seconds, workers)
        meter.start()
        begin = time.perf_counter()  # after the matrix product, which is not part of the work
        features_of(
            encoder, audio, quiet_trainer(device), config=config, on_progress=lambda *_: meter.lap(LAP)
        )
        meter.lap()
    total, start = meter.seconds, audio.first - begin
    return EndToEnd(
        clips=clips,
        audio=sum(lengths) / RATE,
        seconds=total,
        share=operations / meter.possible,
        peak=meter.peak,
        speed=sum(lengths) / RATE / total,
        start=start / total,
        decode=audio.waited / total,
        forward=forward.seconds / total,
        rest=1 - (start + audio.waited + forward.seconds) / total,
    )


def quiet_trainer(device: str) -> L.Trainer:
    return L.Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )


def recordings(folder: Path, lengths: Sequence[int]) -> Manifest:
    """Write noise as 16-bit WAV files and a table; return a data module that has checked them."""
    generator = np.random.default_rng(0)
    with Path(folder, "clips.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "emotion", "speaker"))
        for number, length in enumerate(lengths):
            path = folder / f"{number}.wav"
            soundfile.write(path, generator.uniform(-0.3, 0.3, length), RATE, subtype="PCM_16")
            table.writerow((path, ("angry", "happy", "neutral", "sad")[number % 4], f"speaker {number % 10}"))
    data = Manifest(folder / "clips.csv")
    data.setup("predict")
    return data
