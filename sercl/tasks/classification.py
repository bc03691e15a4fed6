"""Emotion of a whole utterance: encoder, adapters, pooling, layer choice and head in one LightningModule."""

import copy
from collections.abc import Callable, Iterable, Sequence
from types import MappingProxyType
from typing import Any, Literal, Self, cast

import lightning.pytorch as L
import torch
from torch import Tensor, nn

from sercl.batch import AudioBatch, FeatureBatch
from sercl.errors import UnknownNameError, UsageError
from sercl.metrics.classification import EmotionMetrics
from sercl.metrics.functional.classification import confusion_matrix, scores
from sercl.models.adapters import AdapterOptions
from sercl.models.adversary import AdversarialConfig
from sercl.models.encoders import Regularization
from sercl.models.encoders.source import DEFAULT
from sercl.models.heads import build_head, check_head, is_one_layer
from sercl.models.losses import ClassLoss, LossFunction, build_loss
from sercl.models.pooling import Pooling, build_pooling, check_pooling, name_of
from sercl.models.readout import Readout, check_layer
from sercl.models.standardize import BY_CORPUS, CorpusStandardizer, Standardizer
from sercl.tasks.adversarial import adversarial_step, ask_for_target, build_adversary
from sercl.tasks.base import EncoderTask, adapter_options, options_of, plain, revive
from sercl.tasks.checkpoint import standardized_corpora_of
from sercl.tasks.gathering import gathered
from sercl.tasks.layers import default_layer, encoder_for_layer
from sercl.tasks.optim import OptimizerConfig


class CandidateScores(nn.Module):
    """Loss and metrics of each head over a validation pass.

    Args:
        heads: Number of candidates.
        classes: Class names in class order.
    """

    loss: Tensor
    weight: Tensor

    def __init__(self, heads: int, classes: Sequence[str]) -> None:
        super().__init__()
        self.metrics = nn.ModuleList(EmotionMetrics(classes) for _ in range(heads))
        self.register_buffer("loss", torch.zeros(heads), persistent=False)
        self.register_buffer("weight", torch.zeros(()), persistent=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scores, as in `sercl.metrics.functional.classification.scores`."""
        metrics = cast(EmotionMetrics, self.metrics[0])
        return tuple(scores(torch.zeros_like(metrics.confmat), metrics.classes))

    def reset(self) -> None:
        """Reset."""
        self.loss.zero_()
        self.weight.zero_()
        for metrics in self.metrics:
            cast(EmotionMetrics, metrics).reset()

    def update(self, logits: Tensor, losses: Tensor, labels: Tensor, weight: Tensor | int) -> None:
        """Add a batch.

        Args:
            logits: `[batch, heads, classes]`.
            losses: `[heads]`, means over the batch.
            labels: `[batch]` class indices.
            weight: Weight of the means, see `sercl.models.losses.mean_weight`.
        """
        self.loss += losses * weight
        self.weight += weight
        for i, metrics in enumerate(self.metrics):
            cast(EmotionMetrics, metrics).update(logits[:, i].argmax(dim=-1), labels)

    def best(
        self, add_up: Callable[[Tensor], Tensor], decided: int | None = None
    ) -> tuple[int, Tensor, dict[str, Tensor]]:
        """Return the head with the lowest mean loss, that loss, and its scores.

        Args:
            add_up: Sums a tensor over all processes.
            decided: The head to return if it was decided before training.
        """
        totals = add_up(torch.cat([self.loss, self.weight[None]]))
        losses = totals[:-1] / totals[-1]
        best = int(losses.argmin()) if decided is None else decided
        return best, losses[best], cast(EmotionMetrics, self.metrics[best]).compute()


class UtteranceTest(L.LightningModule):
    """The steps of a test on utterances, for a module whose call returns probabilities `[batch, classes]`.

    Attributes:
        classes: Class names, in class order.
        predicted: (id, true class, probability of each class) of every utterance of the last test, by id.
        tested_as: Prefix under which test scores are logged: "test/uar", "val/uar" for a validation part, or
            "source_before/uar" and "source_after/uar" for the source of two-stage training.
    """

    classes: list[str]
    predicted: list[tuple[str, int, list[float]]]
    tested_as: str = "test"

    def on_test_epoch_start(self) -> None:
        """Reset earlier scores."""
        self.predicted = []

    def test_step(self, batch: AudioBatch | FeatureBatch, batch_index: int) -> None:
        """Store truth and probabilities of every utterance, from which all test scores are computed."""
        probabilities = self(batch).float().cpu().tolist()
        truths = cast(Tensor, batch.labels).tolist()
        self.predicted += zip(batch.ids, truths, probabilities, strict=True)

    def on_test_epoch_end(self) -> None:
        """Collect the predictions of all processes, ordered by id, and log every score."""
        self.predicted = sorted(gathered(self.predicted), key=lambda row: row[0])
        _, truth, probabilities = zip(*self.predicted, strict=True)
        predicted = torch.tensor(probabilities).argmax(dim=1)
        confusion = confusion_matrix(torch.tensor(truth), predicted, len(self.classes))
        for name, value in scores(confusion, self.classes).items():
            self.log(f"{self.tested_as}/{name}", value.to(self.device))


CLASS_WEIGHTS = ("none", "balanced")

REGRESSION, RANDOM = "regression", "random"
"""Initial weights of a head."""


def check_weights(class_weights: str, loss: ClassLoss) -> None:
    """Raise `UsageError` for class weights that a loss does not take."""
    if class_weights != "none" and not loss.takes_weights:
        raise UsageError(
            f"class_weights {class_weights}: the loss takes no class weights. Give its forward a parameter "
            "`weight` ([classes], or None), or leave class_weights at none."
        )


def initial_weights(init: str | None, adapter: str, layer: int | str, is_linear: bool) -> str:
    """Return what the initial weights of a head are: by default regressions, where they are possible.

    Args:
        init: The option.
        adapter: The adapter.
        layer: The layer choice.
        is_linear: Whether the head is a linear layer.

    Raises:
        UnknownNameError: For an option that does not exist.
        UsageError: For regressions where they are not possible.
    """
    if init not in (None, REGRESSION, RANDOM):
        raise UnknownNameError("head_init", str(init), (REGRESSION, RANDOM))
    is_possible = is_linear and adapter == "none" and layer != "weighted"
    if init == REGRESSION and not is_possible:
        raise UsageError(
            f"head_init {REGRESSION}: is for a linear head on one hidden state of a frozen encoder. Leave it "
            "out, or use head linear, adapter none, and another layer than weighted."
        )
    return init or (REGRESSION if is_possible else RANDOM)


def _copies(loss: ClassLoss, count: int) -> nn.ModuleList:
    """Return a loss per head: heads are independent, so what a loss trains must not be shared by them."""
    return nn.ModuleList([loss, *(copy.deepcopy(loss) for _ in range(count - 1))])


class EmotionClassifier(UtteranceTest, EncoderTask):
    """A speech encoder with a classifier of the emotion of an utterance.

    Args:
        encoder: Speech encoder: a preset (whisper-base, wavlm-large, ...), a hub id or a folder.
        adapter: none (frozen encoder), full (train the encoder), or lora, peft:METHOD,
            bottleneck, gating joined by "+".
        layer: Hidden state to use: 0 (input of block 1) to N, last, weighted (learned sum of all), or auto
            (chosen on unseen speakers). Auto trains one head per hidden state. Null: auto with a frozen
            encoder, else last.
        last_block: Cut the encoder after this block (0-based); null keeps all.
        pooling: mean, mean+std or attentive, over valid frames; or the import path of a class of your own.
        head: linear, or paper (the MLP of arXiv 2409.16920); or the import path of a class.
        dropout: Dropout before the head.
        head_init: regression (a linear head on a frozen encoder starts from logistic regressions whose
            penalty is chosen on unseen speakers, where hidden states are stored), or random. Null: regression
            if possible.
        standardize: Standardise features by statistics of the training set, stored in the checkpoint; corpus
            for those of each corpus (of a pair's target by its training part without labels; of any other
            corpus by those of all together), for a frozen encoder.
        layer_norm: Normalise each pooled vector to mean 0 and variance 1 before that. Null: with a frozen
            encoder.
        loss: cross-entropy, or the import path of a class: torch.nn.CrossEntropyLoss (with init_args such as
            label_smoothing), torch.nn.MultiMarginLoss, or your own.
        class_weights: none, or balanced (inverse to class frequency in the training set).
        optimizer: Learning rates and schedule.
        adapters: Options of each adapter.
        adapter_blocks: Blocks (0-based) that get adapters; null for all kept blocks.
        regularization: Dropout, SpecAugment and LayerDrop of the encoder in training, unless it is frozen.
        adversarial: Domain-adversarial training on the target's audio without labels; off by default.
        whisper_form: padded (30 s, as Whisper was trained) or short (cut to the clip, 9 times cheaper).
        revision: Revision of the encoder on the hub.
        head_first: Before the adapters, train the head alone, as with a frozen encoder (LP-FT, Kumar et al.
            2022): few utterances then change the encoder less.
        gradient_checkpointing: Recompute activations in the backward pass: less memory, more time.
        save_full: Store the frozen encoder in checkpoints, too, so that they are self-contained.
        labels: Class -> emotions that belong to it, in class order; set by the data module.
        encoder_config: Written by a checkpoint stored in full; not to be set by hand.
    """

    task_name = "classification"
    earlier_options = MappingProxyType({"layer_norm": False, "head_init": RANDOM})
    readout: Readout

    def __init__(
        self,
        encoder: str = DEFAULT,
        adapter: str = "none",
        layer: int | str | None = None,
        last_block: int | None = None,
        pooling: str | dict[str, Any] = "mean",
        head: str | dict[str, Any] = "linear",
        dropout: float = 0.0,
        head_init: str | None = None,
        standardize: bool | Literal["corpus"] = True,
        layer_norm: bool | None = None,
        loss: str | dict[str, Any] = "cross-entropy",
        class_weights: str = "none",
        optimizer: OptimizerConfig = OptimizerConfig(),
        adapters: AdapterOptions = AdapterOptions(),
        adapter_blocks: list[int] | None = None,
        regularization: Regularization = Regularization(),
        adversarial: AdversarialConfig = AdversarialConfig(),
        whisper_form: str = "padded",
        revision: str | None = None,
        head_first: bool = False,
        gradient_checkpointing: bool = False,
        save_full: bool = False,
        labels: dict[str, list[str]] | None = None,
        encoder_config: dict[str, Any] | None = None,
    ) -> None:
        hparams = plain(locals())
        if class_weights not in CLASS_WEIGHTS:
            raise UnknownNameError("class_weights", class_weights, CLASS_WEIGHTS)
        if head_first and adapter == "none":
            raise UsageError("head_first is for adapters: with adapter none, only the head is trained.")
        if standardize == BY_CORPUS and adapter != "none":
            raise UsageError(
                f"standardize {BY_CORPUS}: statistics of the pre-trained encoder do not hold for the adapter "
                f"{adapter!r}, which changes what they are taken of. Use standardize true, or adapter none."
            )
        options = adapter_options(adapter, adapters)
        layer = default_layer(adapter) if layer is None else layer
        hparams["layer_norm"] = layer_norm = adapter == "none" if layer_norm is None else layer_norm
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
        self.labels = labels or {name: [name] for name in ("angry", "happy", "neutral", "sad")}
        self.classes = list(self.labels)
        self.class_weights = class_weights
        self._own: dict[str, Any] = {
            "layer": layer,
            "pooling": pooling,
            "head": head,
            "loss": loss,
            "head_first": head_first,
        }
        self.dropout = dropout
        self._build_readout(layer, standardize, layer_norm)
        self.head_init = initial_weights(head_init, adapter, layer, is_one_layer(self.readout.heads[0]))
        self.criteria = _copies(ClassLoss(self.build_loss(len(self.classes))), len(self.readout.heads))
        check_weights(class_weights, cast(ClassLoss, self.criteria[0]))
        self.adversarial = revive(AdversarialConfig, adversarial)
        # Built last, so that everything else has the same initial weights as without it.
        self.adversary = build_adversary(
            self.adversarial, len(self.readout.heads), self.pooling.out_dim, self.encoder_is_frozen
        )
        self.loss_weights: Tensor | None = None

    def _build_readout(self, layer: int | str, standardize: bool | str, layer_norm: bool) -> None:
        states, dim, count = self.encoder.num_states, self.encoder.hidden_size, len(self.classes)
        self.pooling = self.build_pooling(dim)
        check_pooling(self.pooling, dim)
        head = self.build_head(self.pooling.out_dim, count)
        check_head(head, self.pooling.out_dim, count)
        self.readout = Readout(
            check_layer(layer, states), states, self.pooling.out_dim, head, standardize, layer_norm
        )
        self.candidates = CandidateScores(len(self.readout.heads), self.classes)

    def build_pooling(self, dim: int) -> Pooling:
        """Return the pooling of an utterance's frames into one vector; override it for one of your own.

        Args:
            dim: Width of a hidden state.

        Returns:
            `sercl.models.pooling.Pooling`: hidden states `[batch, frames, dim]` and lengths `[batch]` ->
            `[batch, out_dim]`. Its weights are trained at `optimizer.head_lr`. Vectors of a built-in pooling
            without weights are computed once where the encoder is frozen; of any other in every epoch.
        """
        return build_pooling(self._own["pooling"], dim)

    def build_head(self, dim: int, classes: int) -> nn.Module:
        """Return the classifier of a vector; override it for one of your own.

        Args:
            dim: Width of a pooled vector.
            classes: Number of classes.

        Returns:
            A module from `[batch, dim]` to logits `[batch, classes]`. With layer "auto" every hidden state
            gets a copy. The option `dropout` is `self.dropout`.
        """
        return build_head(self._own["head"], dim, classes, self.dropout)

    def build_loss(self, classes: int) -> LossFunction:
        """Return the loss; override it for one of your own.

        Args:
            classes: Number of classes.

        Returns:
            A module or function of logits `[batch, classes]` and labels `[batch]` (class indices) that
            returns the mean over the batch, `[]`; weights of a module are trained at `optimizer.head_lr`. It
            gets the class weights (`[classes]`, or None) if it has a parameter `weight`. With layer "auto"
            every head gets a copy.
        """
        return build_loss(self._own["loss"], classes)

    @property
    def trains_head_first(self) -> bool:
        """Whether the head is trained alone first."""
        return bool(self._own["head_first"])

    def frozen_twin(self) -> Self:
        """Return a new model of the same kind around the pre-trained encoder, without adapters."""
        options = {
            "adapter": "none",
            "adapters": {},
            "head_first": False,
            "head_init": RANDOM,
            "adversarial": AdversarialConfig(),
        }
        own = {"layer": self._own["layer"], "layer_norm": self.readout.layer_norm}
        return type(self)(**{**self.hparams, **options, **own})

    def take_head_of(self, twin: "EmotionClassifier") -> None:
        """Take over everything that a frozen twin has trained."""
        for name in ("pooling", "readout", "criteria"):
            getattr(self, name).load_state_dict(getattr(twin, name).state_dict())

    @property
    def can_use_features(self) -> bool:
        """Whether pooled hidden states may be computed once per utterance and used instead of audio."""
        return self.encoder_is_frozen and self.stored_pooling is not None

    @property
    def stored_pooling(self) -> str | None:
        """Name of the pooling if it is sercl's own and untrained, so that pooled vectors may be stored."""
        kind = type(self)
        is_own = kind.pool is not EmotionClassifier.pool or kind.encode is not EncoderTask.encode
        return None if is_own or not self.pooling.frozen else name_of(self.pooling)

    def pool(self, batch: AudioBatch) -> Tensor:
        """Return pooled hidden states of the layers in use, `[batch, states, dim]` float32."""
        output = self.encode(batch)
        states = [output.hidden_states[i] for i in self.readout.states]
        return torch.stack([self.pooling(state, output.lengths) for state in states], dim=1).float()

    def scores(self, batch: AudioBatch | FeatureBatch) -> Tensor:
        """Return logits of every candidate layer, `[batch, heads, classes]`."""
        features = batch.features if isinstance(batch, FeatureBatch) else self.pool(batch)
        return cast(Tensor, self.readout(features, batch.corpora))

    @property
    def standardized_corpora(self) -> tuple[str, ...] | None:
        """Corpora that are standardised by their own statistics, empty before training; None if none is."""
        own = self.readout.standardizer
        return own.names if isinstance(own, CorpusStandardizer) else None

    def forward(self, batch: AudioBatch | FeatureBatch) -> Tensor:
        """Return class probabilities `[batch, classes]`, from the chosen layer."""
        return self.readout.choose(self.scores(batch)).softmax(dim=-1)

    def keep_for_prediction(self, states: Iterable[int | None] = ()) -> None:
        """Drop what predictions do not need: other layers' heads, and blocks after the chosen one.

        Probabilities stay as they are; the model can neither be trained nor saved any more. A model of yours
        that pools or scores in its own way, and a weighted sum of layers, keep everything.

        Args:
            states: Hidden states that are needed besides, by other models with the same encoder.
        """
        wanted = {self.readout.chosen_state, *states}
        if None in wanted or not self._has_own_steps:
            return
        self.readout.keep(cast(set[int], wanted))
        self.encoder.keep_blocks(max(1, *self.readout.states, *cast(set[int], wanted)))

    @property
    def _has_own_steps(self) -> bool:
        """Whether everything between audio and probabilities is sercl's own."""
        names = ("forward", "scores", "pool", "encode")
        return all(getattr(type(self), name) is getattr(EmotionClassifier, name) for name in names)

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of each head, `[heads]`, from logits `[batch, heads, classes]`."""
        return torch.stack(
            [loss(logits[:, i], labels, self.loss_weights) for i, loss in enumerate(self.criteria)]
        )

    def set_training_labels(self, labels: Sequence[int]) -> None:
        """Set class weights from the labels of the training set.

        Raises:
            UsageError: If balanced weights are requested and a class is absent.
        """
        if self.class_weights == "none":
            return
        counts = torch.bincount(torch.tensor(labels), minlength=len(self.classes)).float()
        if (counts == 0).any():
            absent = [name for name, count in zip(self.classes, counts, strict=True) if count == 0]
            raise UsageError(f"balanced class weights: no training utterance is {', '.join(absent)}.")
        self.loss_weights = (counts.sum() / (len(self.classes) * counts)).to(self.device)

    def setup(self, stage: str) -> None:
        """Configure the data module for this training (called by Lightning); raises `UsageError`."""
        super().setup(stage)
        if stage == "fit":
            ask_for_target(self.adversary, getattr(self.trainer, "datamodule", None))

    def on_fit_start(self) -> None:
        """Fit the standardiser on the training set, unless a resumed run restores it."""
        if (data := cast(Any, self.trainer).datamodule) is None:
            return
        self.set_training_labels(data.train_labels)
        standardizer = self.readout.standardizer
        if standardizer is not None and not bool(standardizer.fitted):
            of_corpora = isinstance(standardizer, CorpusStandardizer)
            batches = data.reference_dataloader() if of_corpora else data.plain_train_dataloader()
            self._fit_standardizer(standardizer, batches)

    @torch.no_grad()
    def _fit_standardizer(
        self, standardizer: Standardizer | CorpusStandardizer, batches: Iterable[Any]
    ) -> None:
        self.eval()
        for batch in batches:
            moved = batch.to(self.device)
            features = moved.features if isinstance(moved, FeatureBatch) else self.pool(moved)
            standardizer.update(self.readout.normed(features), moved.corpora)
        standardizer.finish()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the names of the corpora whose statistics the weights hold (called by Lightning)."""
        super().on_save_checkpoint(checkpoint)
        if self.standardized_corpora is not None:
            checkpoint["sercl"]["standardized_corpora"] = list(self.standardized_corpora)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another task or encoder, and make room for its statistics."""
        super().on_load_checkpoint(checkpoint)
        if isinstance(own := self.readout.standardizer, CorpusStandardizer):
            own.hold(standardized_corpora_of(checkpoint["sercl"]))

    def training_loss(self, batch: AudioBatch | FeatureBatch) -> Tensor:
        """Return the loss of a batch; heads are independent, so their losses are summed."""
        if self.adversary is not None and isinstance(batch, AudioBatch):
            return adversarial_step(self, self.adversary, batch)
        losses = self.losses(self.scores(batch), cast(Tensor, batch.labels))
        self.log_training("loss", losses.mean(), len(batch))
        return losses.sum()

    def weight_of(self, batch: AudioBatch | FeatureBatch) -> Tensor | None:
        """Return the divisor of the mean loss of a batch; None for a batch of two domains."""
        if self.adversary is not None:
            return None
        labels = cast(Tensor, batch.labels)
        return cast(ClassLoss, self.criteria[0]).weight_of_mean(labels, self.loss_weights)

    def log_training(self, name: str, value: Tensor, batch_size: int) -> None:
        """Log the mean of a value over an epoch as "train/name"."""
        self.log(f"train/{name}", value, on_step=False, on_epoch=True, batch_size=batch_size, sync_dist=True)

    def on_validation_epoch_start(self) -> None:
        """Reset the scores of the last epoch."""
        self.candidates.reset()

    def validation_step(self, batch: AudioBatch | FeatureBatch, batch_index: int) -> None:
        """Collect losses and confusions of every candidate layer."""
        logits, labels = self.scores(batch), cast(Tensor, batch.labels)
        weight = cast(ClassLoss, self.criteria[0]).weight_of_mean(labels, self.loss_weights)
        self.candidates.update(logits, self.losses(logits, labels), labels, weight)

    def on_validation_epoch_end(self) -> None:
        """Choose the layer with the lowest validation loss, unless one was decided; log its scores."""
        best, loss, scores = self.candidates.best(self._sum_over_processes, self.readout.decided)
        self.readout.chosen.fill_(best)
        self.log("val/loss", loss, prog_bar=True)
        for name, value in scores.items():
            self.log(f"val/{name}", value, prog_bar=name == "uar")
