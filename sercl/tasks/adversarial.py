"""Domain-adversarial training on batches of two corpora: classify emotion and hide the domain."""

from typing import Any, NamedTuple, Protocol, cast

import lightning.pytorch as L
import torch
from torch import Tensor

from sercl.batch import UNLABELLED, AudioBatch
from sercl.errors import UsageError
from sercl.models.adversary import AdversarialConfig, Adversary, domain_accuracy, domain_losses
from sercl.models.readout import Readout


class Classifier(Protocol):
    """What adversarial training requires of the model."""

    adversarial: AdversarialConfig
    readout: Readout

    @property
    def trainer(self) -> L.Trainer:
        """Its trainer."""

    def pool(self, batch: AudioBatch) -> Tensor:
        """Return `[batch, heads, dim]`, one vector per utterance and hidden state."""

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of each head, `[heads]`, of `[batch, heads, classes]` against `[batch]`."""

    def log_training(self, name: str, value: Tensor, batch_size: int) -> None:
        """Log the mean of a value over an epoch as "train/name"."""


class AdversarialLosses(NamedTuple):
    """Losses of one batch.

    Attributes:
        classes: `[heads]`, emotion loss of the labelled utterances.
        domains: `[2, heads]`, what both domains add to the loss of the domain classifier; its gradient is
            reversed before the encoder.
        accuracy: Accuracy of the domain classifier; chance is 0.5.
    """

    classes: Tensor
    domains: Tensor
    accuracy: Tensor


def ask_for_target(adversary: Adversary | None, data: Any) -> None:
    """Make a data module serve the target's audio if, and only if, there is an adversary.

    Raises:
        UsageError: For data without a target.
    """
    if adversary is not None and data is not None:
        data.use_unlabelled()
    elif getattr(data, "unlabelled", None) is not None:
        data.use_unlabelled(False)  # from a model that is trained before the one with the adversary


def adversarial_step(task: Classifier, adversary: Adversary, batch: AudioBatch) -> Tensor:
    """Log the losses of a training batch and return the terms of its loss, `[3]`: classes, source, target.

    Arguments as of `adversarial_losses`.

    Raises:
        UsageError: For a batch without domains.
    """
    if batch.domains is None:
        raise UsageError("adversarial training needs batches with domains, as LanguagePair makes them.")
    trainer = task.trainer
    strength = task.adversarial.strength(trainer.global_step, trainer.estimated_stepping_batches)
    losses = adversarial_losses(task, adversary, batch, strength)
    task.log_training("loss", losses.classes.mean(), len(batch))
    task.log_training("domain_loss", losses.domains.sum(dim=0).mean(), len(batch))
    task.log_training("domain_accuracy", losses.accuracy, len(batch))
    return torch.cat([losses.classes.sum()[None], losses.domains.sum(dim=1)])


def adversarial_losses(
    task: Classifier, adversary: Adversary, batch: AudioBatch, strength: float
) -> AdversarialLosses:
    """Compute the losses of a training batch with domains.

    Args:
        task: The model, which gives the input of its heads.
        adversary: The domain classifier.
        batch: Utterances with labels and such with `UNLABELLED`, at least one of each, all with domains.
        strength: Factor of the reversed gradient.
    """
    without = cast(Tensor, batch.labels) == UNLABELLED
    # Separately: the clips of one corpus are not padded to the length of the other's.
    parts = [batch.rows(~without), batch.rows(without)]
    read = torch.cat([task.readout.prepare(task.pool(part)) for part in parts])
    domains = torch.cat([cast(Tensor, part.domains) for part in parts])
    domain_logits = adversary(read, strength)
    logits = task.readout.score(read[: len(parts[0])])
    return AdversarialLosses(
        classes=task.losses(logits, cast(Tensor, parts[0].labels)),
        domains=domain_losses(domain_logits, domains),
        accuracy=domain_accuracy(domain_logits.detach(), domains),
    )
