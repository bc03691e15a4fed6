"""Emotion of every frame: encoder, adapters and frame classifier in one LightningModule."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from sercl.audio.resample import SAMPLE_RATE
from sercl.batch import LABEL_HOP, NO_LABEL, AudioBatch, FrameBatch
from sercl.corpora.base import Segment
from sercl.diarization.frames import frames_to_segments
from sercl.diarization.postprocess import PostConfig, to_segments
from sercl.diarization.segments import NEUTRAL, ScoredSegment
from sercl.errors import UnknownNameError, UsageError
from sercl.metrics.eder import DiarizationMetrics
from sercl.metrics.functional.classification import AVERAGES
from sercl.metrics.functional.eder import ERRORS
from sercl.models.adapters import AdapterOptions
from sercl.models.encoders import Regularization
from sercl.models.encoders.source import DEFAULT
from sercl.models.heads import check_head
from sercl.models.losses import ClassLoss, LossFunction, build_loss
from sercl.models.pooling import frame_mask
from sercl.models.readout import Context, FrameReadout, build_context, check_context
from sercl.models.standardize import Standardizer, centred, layer_normed
from sercl.tasks.base import EncoderTask, adapter_options, options_of, plain, revive
from sercl.tasks.classification import CLASS_WEIGHTS, check_weights
from sercl.tasks.gathering import gathered
from sercl.tasks.layers import encoder_for_layer
from sercl.tasks.optim import OptimizerConfig


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


class EmotionDiarizer(EncoderTask):
    """A speech encoder with a classifier of the emotion of every frame.

    Args:
        encoder: Speech encoder: a preset (whisper-base, wavlm-large, ...), a hub id or a folder.
        adapter: none (frozen encoder), full (train the encoder), or lora, peft:METHOD,
            bottleneck, gating joined by "+".
        layer: Hidden state to use: a number from 0 (input of block 1) to N, last, or weighted (learned sum
            of all). Null: weighted with a frozen encoder, else last.
        last_block: Cut the encoder after this block (0-based); null keeps all.
        context: Layer between encoder and classifier: none, conv (0.8 s on each side) or gru; or the import
            path of a class of your own.
        dropout: Dropout before the classifier.
        bias: Whether the classifier has a bias; the ZED recipe's has none.
        standardize: Standardise frames by statistics of training clips, stored in the checkpoint.
        sentence_mean: Subtract the mean of each waveform before the encoder.
        output_norm: Layer norm without weights on the encoder's output, over all frames of a clip.
        loss: cross-entropy, or the import path of a class: torch.nn.CrossEntropyLoss (with init_args such as
            label_smoothing), torch.nn.MultiMarginLoss, or your own.
        class_weights: none, or balanced (inverse to the class's fraction of time in training clips).
        post: How frame probabilities become segments, in validation and test.
        optimizer: Learning rates and schedule.
        adapters: Options of each adapter.
        adapter_blocks: Blocks (0-based) that get adapters; null for all kept blocks.
        regularization: Dropout, SpecAugment and LayerDrop of the encoder in training, unless it is frozen.
        whisper_form: padded (30 s, as Whisper was trained) or short (cut to the clip).
        revision: Revision of the encoder on the hub.
        gradient_checkpointing: Recompute activations in the backward pass: less memory, more time.
        save_full: Store the frozen encoder in checkpoints, too, so that they are self-contained.
        labels: Class -> emotions that belong to it, in class order; set by the data module.
        encoder_config: Written by a checkpoint stored in full; not to be set by hand.
    """

    task_name = "diarization"
    schedule_monitor = MONITOR
    readout: FrameReadout

    def __init__(
        self,
        encoder: str = DEFAULT,
        adapter: str = "none",
        layer: int | str | None = None,
        last_block: int | None = None,
        context: str | dict[str, Any] = "none",
        dropout: float = 0.0,
        bias: bool = True,
        standardize: bool = True,
        sentence_mean: bool = False,
        output_norm: bool = False,
        loss: str | dict[str, Any] = "cross-entropy",
        class_weights: str = "none",
        post: PostConfig = PostConfig(),
        optimizer: OptimizerConfig = OptimizerConfig(),
        adapters: AdapterOptions = AdapterOptions(),
        adapter_blocks: list[int] | None = None,
        regularization: Regularization = Regularization(),
        whisper_form: str = "padded",
        revision: str | None = None,
        gradient_checkpointing: bool = False,
        save_full: bool = False,
        labels: dict[str, list[str]] | None = None,
        encoder_config: dict[str, Any] | None = None,
    ) -> None:
        hparams = plain(locals())
        if class_weights not in CLASS_WEIGHTS:
            raise UnknownNameError("class_weights", class_weights, CLASS_WEIGHTS)
        options = adapter_options(adapter, adapters)
        layer = default_frame_layer(adapter) if layer is None else layer
        loaded = encoder_for_layer(
            encoder, layer, last_block, revision, whisper_form, gradient_checkpointing, encoder_config
        )
        loaded.regularize(revive(Regularization, regularization), trains_encoder=adapter == "full")
        super().__init__(
            encoder=loaded,
            adapter=adapter,
            adapters=options,
            adapter_blocks=adapter_blocks,
            optimizer=revive(OptimizerConfig, optimizer),
            save_full=save_full,
        )
        self.save_hyperparameters({**options_of(self, hparams), "adapters": self.adapters.options})
        self.labels = labels or {name: [name] for name in ("angry", "happy", NEUTRAL, "sad")}
        self.classes = list(self.labels)
        if NEUTRAL not in self.classes:
            raise UsageError(f"diarization needs the class {NEUTRAL!r}; there are {', '.join(self.classes)}.")
        self.sentence_mean, self.output_norm = sentence_mean, output_norm
        self.class_weights, self.post = class_weights, revive(PostConfig, post)
        self._own: dict[str, Any] = {"context": context, "loss": loss}
        self.bias = bias
        self._build_readout(layer, dropout, standardize)
        self.criterion = ClassLoss(self.build_loss(len(self.classes)))
        check_weights(class_weights, self.criterion)
        self.metrics = DiarizationMetrics(self.classes)
        # A NaN loss must show, so that no epoch is selected by the other scores.
        self.validation_loss = MeanMetric(nan_strategy="disable")
        self.validation_error = MeanMetric(nan_strategy="disable")
        self.loss_weights: Tensor | None = None
        self.diarized: list[DiarizedClip] = []

    def _build_readout(self, layer: int | str, dropout: float, standardize: bool) -> None:
        states, dim, count = self.encoder.num_states, self.encoder.hidden_size, len(self.classes)
        context = self.build_context(dim)
        check_context(context, dim)
        head = self.build_head(context.out_dim, count)
        check_head(head, context.out_dim, count)
        self.readout = FrameReadout(layer, states, dim, context, head, dropout, standardize)

    def build_context(self, dim: int) -> Context:
        """Return the layer that gives each frame its context; override it for one of your own.

        Args:
            dim: Width of a hidden state.

        Returns:
            `sercl.models.readout.Context`: frames `[batch, frames, dim]` and lengths `[batch]` -> `[batch,
            frames, out_dim]`. Its weights are trained at `optimizer.head_lr`.
        """
        return build_context(self._own["context"], dim)

    def build_head(self, dim: int, classes: int) -> nn.Module:
        """Return the classifier of a frame; override it for one of your own.

        Args:
            dim: Width of a frame.
            classes: Number of classes.

        Returns:
            A module from `[..., dim]` to logits `[..., classes]`. The option `bias` is `self.bias`.
        """
        return nn.Linear(dim, classes, bias=self.bias)

    def build_loss(self, classes: int) -> LossFunction:
        """Return the loss; override it for one of your own.

        Args:
            classes: Number of classes.

        Returns:
            A module or function of logits `[n, classes]` and labels `[n]` (class indices) of the n labelled
            frames of a batch that returns their mean, `[]`; weights of a module are trained at
            `optimizer.head_lr`. It gets the class weights (`[classes]`, or None) if it has a parameter
            `weight`.
        """
        return build_loss(self._own["loss"], classes)

    @property
    def monitored(self) -> tuple[list[str], list[str]]:
        """Names of the validation scores: those to maximise, and those to minimise."""
        recalls, rates = ([f"{name}/{own}" for own in self.classes] for name in ("recall", "eder"))
        errors = [*ERRORS, *rates, MONITOR.removeprefix("val/")]
        return [*AVERAGES, *recalls, "events_found"], errors

    @property
    def hop(self) -> float:
        """Samples from one frame to the next."""
        return SAMPLE_RATE / self.encoder.frames_per_second

    @property
    def stride(self) -> float:
        """Seconds from one frame to the next; frame i covers `i * stride` to `(i + 1) * stride`."""
        return 1 / self.encoder.frames_per_second

    def features(self, batch: AudioBatch) -> tuple[Tensor, Tensor]:
        """Return the hidden states in use, `[batch, frames, states, dim]`, and valid frames `[batch]`."""
        if self.sentence_mean:
            batch = replace(batch, waveforms=centred(batch.waveforms, batch.lengths))
        output = self.encode(batch)
        features = self.readout.select(output.hidden_states, int(output.lengths.max()))
        return (layer_normed(features, output.lengths) if self.output_norm else features), output.lengths

    def logits(self, batch: AudioBatch) -> tuple[Tensor, Tensor]:
        """Return logits `[batch, frames, classes]` and valid frames `[batch]`."""
        features, lengths = self.features(batch)
        return self.readout(features, lengths), lengths

    def forward(self, batch: AudioBatch) -> tuple[Tensor, Tensor]:
        """Return class probabilities `[batch, frames, classes]` and valid frames `[batch]`."""
        logits, lengths = self.logits(batch)
        return logits.softmax(dim=-1), lengths

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
            features, lengths = self.features(batch.to(self.device).audio)
            # Counted within each clip: the choice of frames does not depend on the other clips.
            valid = frame_mask(features, lengths)[:, ::_STANDARDIZER_STRIDE]
            standardizer.update(features[:, ::_STANDARDIZER_STRIDE][valid])
        standardizer.finish()

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
        logits, lengths = self.logits(batch.audio)
        labels = batch.labels_of_frames(logits.shape[1], self.hop)
        self.validation_loss.update(
            self.loss(logits, labels), self.criterion.weight_of_mean(labels, self.loss_weights)
        )
        self.validation_error.update(frame_error(logits, labels, lengths), len(batch))
        for clip in self._diarize(batch, logits.softmax(dim=-1), lengths):
            self.metrics.update(clip.reference, clip.hypothesis, clip.duration)

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
        clips = self._diarize(batch, *self(batch.audio))
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


def default_frame_layer(adapter: str) -> str:
    """Return the default layer of a diarizer."""
    return "weighted" if adapter == "none" else "last"
