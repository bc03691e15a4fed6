"""What a batch of two corpora teaches: the classes of one, and to hide which of the two is which."""

from typing import Any, NamedTuple, Protocol, cast

import lightning.pytorch as L
import torch
from torch import Tensor

from sercl.batch import UNLABELLED, AudioBatch
from sercl.errors import UsageError
from sercl.models.adversary import AdversarialConfig, Adversary, domain_accuracy, domain_losses
from sercl.models.readout import Readout


class Classifier(Protocol):
    """What adversarial training needs of the model that it trains."""

    adversarial: AdversarialConfig
    readout: Readout

    @property
    def trainer(self) -> L.Trainer:
        """What trains it."""

    def pool(self, batch: AudioBatch) -> Tensor:
        """Return `[batch, heads, dim]`, one vector per utterance and hidden state."""

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of each head, `[heads]`, of `[batch, heads, classes]` against `[batch]`."""

    def log_training(self, name: str, value: Tensor, batch_size: int) -> None:
        """Log the mean of a value over an epoch as "train/name"."""


class AdversarialLosses(NamedTuple):
    """Losses of one batch.

    Attributes:
        classes: `[heads]`, of the utterances with labels.
        domains: `[heads]`, of telling the corpora apart; its gradient reaches the encoder reversed.
        accuracy: Of telling the corpora apart; 0.5 is a guess.
    """

    classes: Tensor
    domains: Tensor
    accuracy: Tensor


def build_adversary(config: AdversarialConfig, heads: int, dim: int, frozen: bool) -> Adversary | None:
    """Return the classifier of domains, or None where the weight is 0.

    Args:
        config: Options of adversarial training.
        heads: Number of heads of the model.
        dim: Size of what a head reads.
        frozen: Whether nothing of the encoder is trained.

    Raises:
        UsageError: For an encoder that is frozen: nothing could be hidden.
    """
    if not config.weight:
        return None
    if frozen:
        raise UsageError(
            "adversarial training changes the encoder, and with --model.adapter none it stays as it is. "
            "Choose an adapter (--model.adapter lora), or --model.adversarial.weight 0."
        )
    return Adversary(heads, dim, config.hidden)


def ask_for_target(adversary: Adversary | None, data: Any) -> None:
    """Let a data module serve the target's audio where there is an adversary, and only there.

    Raises:
        UsageError: For data without a target.
    """
    if adversary is not None and data is not None:
        data.use_unlabelled()
    elif getattr(data, "unlabelled", None) is not None:
        data.use_unlabelled(False)  # of a model that is trained before the one with the adversary


def adversarial_step(task: Classifier, adversary: Adversary, batch: AudioBatch) -> Tensor:
    """Log what a training batch teaches and return its loss; arguments as of `adversarial_losses`.

    Raises:
        UsageError: For a batch of a loader that knows no domains.
    """
    if batch.domains is None:
        raise UsageError("adversarial training needs batches with domains, as LanguagePair makes them.")
    trainer = task.trainer
    strength = task.adversarial.strength(trainer.global_step, trainer.estimated_stepping_batches)
    losses = adversarial_losses(task, adversary, batch, strength)
    task.log_training("loss", losses.classes.mean(), len(batch))
    task.log_training("domain_loss", losses.domains.mean(), len(batch))
    task.log_training("domain_accuracy", losses.accuracy, len(batch))
    return losses.classes.sum() + losses.domains.sum()


def adversarial_losses(
    task: Classifier, adversary: Adversary, batch: AudioBatch, strength: float
) -> AdversarialLosses:
    """Compute what a training batch with domains teaches.

    Args:
        task: Gives what its heads read.
        adversary: Tells the domains apart.
        batch: Utterances with labels and such with `UNLABELLED`, at least one of each, all with domains.
        strength: Factor of the reversed gradient.
    """
    without = cast(Tensor, batch.labels) == UNLABELLED
    # Each by itself: the clips of one corpus are not padded to the length of the other's.
    parts = [batch.rows(~without), batch.rows(without)]
    read = torch.cat([task.readout.prepare(task.pool(part)) for part in parts])
    domains = torch.cat([cast(Tensor, part.domains) for part in parts])
    told = adversary(read, strength)
    logits = task.readout.score(read[: len(parts[0])])
    return AdversarialLosses(
        classes=task.losses(logits, cast(Tensor, parts[0].labels)),
        domains=domain_losses(told, domains),
        accuracy=domain_accuracy(told.detach(), domains),
    )
