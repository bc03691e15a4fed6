"""Training and testing of models of whole utterances by Lightning."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self, cast

import lightning.pytorch as L
import torch
from torch import Tensor, nn

from sercl.batch import UNLABELLED, AudioBatch, FeatureBatch
from sercl.errors import UsageError
from sercl.metrics.classification import EmotionMetrics
from sercl.metrics.functional.classification import confusion_matrix, scores
from sercl.models.adversary import AdversarialConfig, domain_weights
from sercl.models.losses import ClassLoss
from sercl.models.standardize import CorpusStandardizer, Standardizer
from sercl.tasks.adversarial import adversarial_step, ask_for_target
from sercl.tasks.base import EncoderTask
from sercl.tasks.ensemble import Ensemble
from sercl.tasks.gathering import gathered
from sercl.tasks.models import RANDOM, UtteranceModel
from sercl.tasks.stepping import evaluated


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
        self.predicted += evaluated(self, self._predicted, batch)

    def _predicted(self, batch: AudioBatch | FeatureBatch) -> list[tuple[str, int, list[float]]]:
        probabilities = self(batch).float().cpu().tolist()
        truths = cast(Tensor, batch.labels).tolist()
        return list(zip(batch.ids, truths, probabilities, strict=True))

    def on_test_epoch_end(self) -> None:
        """Collect the predictions of all processes, ordered by id, and log every score."""
        self.predicted = sorted(gathered(self.predicted), key=lambda row: row[0])
        _, truth, probabilities = zip(*self.predicted, strict=True)
        predicted = torch.tensor(probabilities).argmax(dim=1)
        confusion = confusion_matrix(torch.tensor(truth), predicted, len(self.classes))
        for name, value in scores(confusion, self.classes).items():
            self.log(f"{self.tested_as}/{name}", value.to(self.device))


class EmotionClassifier(UtteranceModel, UtteranceTest, EncoderTask):
    """A speech encoder with a classifier of the emotion of an utterance, with the options of its base."""

    loss_weights: Tensor | None = None

    def _add_training(self) -> None:
        super()._add_training()
        self.candidates = CandidateScores(len(self.readout.heads), self.classes)

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
            self.fit_standardizer(standardizer, batches)

    @torch.no_grad()
    def fit_standardizer(
        self, standardizer: Standardizer | CorpusStandardizer, batches: Iterable[Any]
    ) -> None:
        """Fit a standardiser to the features of batches, of which each process has as many."""
        self.eval()
        for batch in batches:
            for vectors, corpora in evaluated(self, self._normed, batch.to(self.device)):
                standardizer.update(vectors, corpora)
        standardizer.finish()

    def _normed(self, batch: AudioBatch | FeatureBatch) -> list[tuple[Tensor, tuple[str, ...] | None]]:
        """Return what the standardiser is fitted on, of the whole batch."""
        features = batch.features if isinstance(batch, FeatureBatch) else self.pool(batch)
        return [(self.readout.normed(features), batch.corpora)]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the names of the corpora whose statistics the weights hold (called by Lightning)."""
        super().on_save_checkpoint(checkpoint)
        if self.standardized_corpora is not None:
            checkpoint["sercl"]["standardized_corpora"] = list(self.standardized_corpora)

    def training_loss(self, batch: AudioBatch | FeatureBatch) -> Tensor:
        """Return the loss of a batch, or its terms; heads are independent, so their losses are summed."""
        if self.adversary is not None and isinstance(batch, AudioBatch):
            return adversarial_step(self, self.adversary, batch)
        losses = self.losses(self.scores(batch), cast(Tensor, batch.labels))
        self.log_training("loss", losses.mean(), len(batch))
        return losses.sum()

    def weight_of(self, batch: AudioBatch | FeatureBatch) -> Tensor:
        """Return the divisor of each mean in the loss of a batch, in the shape of `training_loss`."""
        labels = cast(Tensor, batch.labels)
        weight = cast(ClassLoss, self.criteria[0]).weight_of_mean(
            labels[labels != UNLABELLED], self.loss_weights
        )
        if self.adversary is None or not isinstance(batch, AudioBatch):
            return weight
        return torch.cat([weight[None], domain_weights(cast(Tensor, batch.domains))])

    def log_training(self, name: str, value: Tensor, batch_size: int) -> None:
        """Log the mean of a value over an epoch as "train/name"."""
        self.log(f"train/{name}", value, on_step=False, on_epoch=True, batch_size=batch_size, sync_dist=True)

    def on_validation_epoch_start(self) -> None:
        """Reset the scores of the last epoch."""
        self.candidates.reset()

    def validation_step(self, batch: AudioBatch | FeatureBatch, batch_index: int) -> None:
        """Collect losses and confusions of every candidate layer."""
        evaluated(self, self._validate, batch)

    def _validate(self, batch: AudioBatch | FeatureBatch) -> list[None]:
        logits, labels = self.scores(batch), cast(Tensor, batch.labels)
        weight = cast(ClassLoss, self.criteria[0]).weight_of_mean(labels, self.loss_weights)
        self.candidates.update(logits, self.losses(logits, labels), labels, weight)
        return []

    def on_validation_epoch_end(self) -> None:
        """Choose the layer with the lowest validation loss, unless one was decided; log its scores."""
        best, loss, scores = self.candidates.best(self._sum_over_processes, self.readout.decided)
        self.readout.chosen.fill_(best)
        self.log("val/loss", loss, prog_bar=True)
        for name, value in scores.items():
            self.log(f"val/{name}", value, prog_bar=name == "uar")


class ClassifierEnsemble(Ensemble[EmotionClassifier], UtteranceTest):
    """An ensemble that a trainer of Lightning can test."""

    kind = EmotionClassifier
