"""Training and testing of models of every frame by Lightning."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import torch
from torch import Tensor
from torchmetrics import MeanMetric

from sercl.audio.resample import SAMPLE_RATE
from sercl.batch import LABEL_HOP, NO_LABEL, FrameBatch
from sercl.corpora.base import Segment
from sercl.diarization.frames import frames_to_segments
from sercl.diarization.postprocess import PostConfig, to_segments
from sercl.diarization.segments import ScoredSegment
from sercl.errors import UsageError
from sercl.metrics.eder import DiarizationMetrics
from sercl.metrics.functional.classification import AVERAGES
from sercl.metrics.functional.eder import ERRORS
from sercl.models.pooling import frame_mask
from sercl.models.standardize import Standardizer
from sercl.tasks.base import EncoderTask
from sercl.tasks.gathering import gathered
from sercl.tasks.models import FrameModel
from sercl.tasks.stepping import evaluated


@dataclass(frozen=True)
class DiarizedClip:
    """A clip: reference segments, predicted segments, and length in s."""

    id: str
    reference: tuple[Segment, ...]
    hypothesis: tuple[ScoredSegment, ...]
    duration: float


def diarize_batch(
    batch: FrameBatch,
    probabilities: Tensor,
    lengths: Tensor,
    classes: Sequence[str],
    stride: float,
    post: PostConfig,
) -> list[DiarizedClip]:
    """Return reference and predicted segments of every clip of a batch.

    Args:
        batch: The clips.
        probabilities: `[batch, frames, classes]`.
        lengths: `[batch]` valid frames.
        classes: Class names.
        stride: Seconds from one frame to the next.
        post: How frame probabilities become segments.
    """
    frames = probabilities.float().cpu().numpy()
    clips = []
    for row, (id, count, samples) in enumerate(
        zip(batch.ids, lengths.tolist(), batch.lengths.tolist(), strict=True)
    ):
        duration = samples / SAMPLE_RATE
        found = to_segments(frames[row, :count], classes, stride, duration, post)
        clips.append(DiarizedClip(id, _truth(batch.labels[row], classes, duration), found, duration))
    return clips


def _truth(labels: Tensor, classes: Sequence[str], duration: float) -> tuple[Segment, ...]:
    step = LABEL_HOP / SAMPLE_RATE
    names = [classes[label] for label in labels[labels != NO_LABEL].tolist()]
    return tuple(frames_to_segments(names, step, step, duration))


MONITOR = "val/error"
"""The validation frame error, which plateau and newbob follow."""

_STANDARDIZER_BATCHES = 50
_STANDARDIZER_STRIDE = 4  # neighbouring frames are nearly the same


class EmotionDiarizer(FrameModel, EncoderTask):
    """A speech encoder with a classifier of the emotion of every frame, with the options of its base."""

    schedule_monitor = MONITOR
    loss_weights: Tensor | None = None

    def _add_training(self) -> None:
        super()._add_training()
        self.metrics = DiarizationMetrics(self.classes)
        # A NaN loss must show, so that no epoch is selected by the other scores.
        self.validation_loss = MeanMetric(nan_strategy="disable")
        self.validation_error = MeanMetric(nan_strategy="disable")
        self.diarized: list[DiarizedClip] = []

    @property
    def monitored(self) -> tuple[list[str], list[str]]:
        """Names of the validation scores: those to maximise, and those to minimise."""
        recalls, rates = ([f"{name}/{own}" for own in self.classes] for name in ("recall", "eder"))
        errors = [*ERRORS, *rates, MONITOR.removeprefix("val/")]
        return [*AVERAGES, *recalls, "events_found"], errors

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of the labelled frames.

        Args:
            logits: `[batch, frames, classes]`.
            labels: `[batch, frames]` class indices, `NO_LABEL` if there is none.
        """
        return cast(Tensor, self.criterion(logits.flatten(0, 1), labels.flatten(), self.loss_weights))

    def set_class_seconds(self, seconds: Mapping[str, float]) -> None:
        """Set class weights from the time that each class has in training clips.

        Raises:
            UsageError: If balanced weights are requested and a class is absent.
        """
        if self.class_weights == "none":
            return
        if absent := [name for name in self.classes if not seconds.get(name)]:
            raise UsageError(f"balanced class weights: no training clip holds {', '.join(absent)}.")
        time = torch.tensor([seconds[name] for name in self.classes])
        self.loss_weights = (time.sum() / (len(time) * time)).to(self.device)

    def on_fit_start(self) -> None:
        """Fit the standardiser on training clips, unless a resumed run restores it."""
        if (data := cast(Any, self.trainer).datamodule) is None:
            return
        self.set_class_seconds(data.train_class_seconds)
        standardizer = self.readout.standardizer
        if standardizer is not None and not bool(standardizer.fitted):
            count = -(-_STANDARDIZER_BATCHES // self.trainer.world_size)  # of this process's clips
            self.fit_standardizer(standardizer, islice(data.train_dataloader(), count))

    @torch.no_grad()
    def fit_standardizer(self, standardizer: Standardizer, batches: Iterable[FrameBatch]) -> None:
        """Fit the standardiser on some frames of each clip of some batches."""
        self.eval()
        for batch in batches:
            for frames in evaluated(self, self._frames, batch.to(self.device)):
                standardizer.update(frames)
        standardizer.finish()

    def _frames(self, batch: FrameBatch) -> list[Tensor]:
        """Return what the standardiser is fitted on, of the whole batch."""
        features, lengths = self.features(batch.audio)
        # Counted within each clip: the choice of frames does not depend on the other clips.
        valid = frame_mask(features, lengths)[:, ::_STANDARDIZER_STRIDE]
        return [features[:, ::_STANDARDIZER_STRIDE][valid]]

    def training_loss(self, batch: FrameBatch) -> Tensor:
        """Return the loss of a batch."""
        logits, _ = self.logits(batch.audio)
        loss = self.loss(logits, batch.labels_of_frames(logits.shape[1], self.hop))
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(batch), sync_dist=True)
        return loss

    def weight_of(self, batch: FrameBatch) -> Tensor:
        """Return the divisor of the mean loss of a batch: its labelled frames, or their class weights."""
        frames = int(self.encoder.frame_lengths(batch.lengths.new_tensor([batch.waveforms.shape[1]])))
        labels = batch.labels_of_frames(frames, self.hop).flatten()
        return self.criterion.weight_of_mean(labels, self.loss_weights)

    def on_validation_epoch_start(self) -> None:
        """Reset the scores of the last epoch."""
        self.metrics.reset()
        self.validation_loss.reset()
        self.validation_error.reset()

    def validation_step(self, batch: FrameBatch, batch_index: int) -> None:
        """Collect loss and scores of a batch."""
        evaluated(self, self._validate, batch)

    def _validate(self, batch: FrameBatch) -> list[None]:
        logits, lengths = self.logits(batch.audio)
        labels = batch.labels_of_frames(logits.shape[1], self.hop)
        self.validation_loss.update(
            self.loss(logits, labels), self.criterion.weight_of_mean(labels, self.loss_weights)
        )
        self.validation_error.update(frame_error(logits, labels, lengths), len(batch))
        for clip in self._diarize(batch, logits.softmax(dim=-1), lengths):
            self.metrics.update(clip.reference, clip.hypothesis, clip.duration)
        return []

    def on_validation_epoch_end(self) -> None:
        """Log the loss, EDER, its components and the other scores."""
        self.log("val/loss", self.validation_loss.compute(), prog_bar=True)
        self.log(MONITOR, self.validation_error.compute())
        self._log_scores("val")

    def on_test_epoch_start(self) -> None:
        """Reset earlier clips."""
        self.diarized = []
        self.metrics.reset()

    def test_step(self, batch: FrameBatch, batch_index: int) -> None:
        """Store reference and segments of every clip, from which all test scores are computed."""
        clips = evaluated(self, lambda part: self._diarize(part, *self(part.audio)), batch)
        self.diarized += clips
        for clip in clips:
            self.metrics.update(clip.reference, clip.hypothesis, clip.duration)

    def on_test_epoch_end(self) -> None:
        """Collect the clips of all processes, ordered by id, and log every score."""
        self.diarized = sorted(gathered(self.diarized), key=lambda clip: clip.id)
        self._log_scores("test")

    def _log_scores(self, part: str) -> None:
        for name, value in self.metrics.compute().items():
            self.log(f"{part}/{name}", value.to(self.device), prog_bar=name == "eder")

    def _diarize(self, batch: FrameBatch, probabilities: Tensor, lengths: Tensor) -> list[DiarizedClip]:
        return diarize_batch(batch, probabilities, lengths, self.classes, self.stride, self.post)


def frame_error(logits: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
    """Return the frame error rate, the mean over clips.

    Args:
        logits: `[batch, frames, classes]`.
        labels: `[batch, frames]` class indices, `NO_LABEL` if there is none.
        lengths: `[batch]` integers, valid frames.
    """
    counted = frame_mask(logits, lengths) & (labels != NO_LABEL)
    wrong = (logits.argmax(dim=-1) != labels) & counted
    return (wrong.sum(dim=1) / counted.sum(dim=1).clamp(min=1)).mean()
