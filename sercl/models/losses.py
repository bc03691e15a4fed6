"""Losses of classifiers by name or import path, with the weights of their means."""

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor, nn

from sercl.batch import NO_LABEL
from sercl.errors import UsageError
from sercl.imports import ClassSpec

LossFunction = Callable[..., Tensor]
"""`(logits [n, classes], labels [n])`, or with the weights of the classes as a third argument `weight`
(`[classes]` or None) -> the mean over the n utterances or frames, `[]`."""

FROM_TRAINING = ("weight", "size_average", "ignore_index", "reduce", "reduction")
"""Arguments of torch's losses that training gives: class weights, and means over what has a label."""


CALLED_WITH = ("the number of classes",)
"""What a loss of the user's is called with."""


class TorchLoss(nn.Module):
    """A loss of torch that gets the class weights at each call.

    Args:
        kind: A loss of logits and class indices, such as `torch.nn.CrossEntropyLoss`.
        arguments: Arguments of its constructor, such as `label_smoothing`.

    Attributes:
        kind: As given.
    """

    def __init__(self, kind: type[nn.Module], arguments: Mapping[str, Any] = MappingProxyType({})) -> None:
        super().__init__()
        self.kind, self.arguments = kind, dict(arguments)

    def forward(self, logits: Tensor, labels: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean loss, `[]`, of logits `[n, classes]` and labels `[n]`."""
        return cast(Tensor, self.kind(weight=weight, **self.arguments)(logits, labels))


TORCH_LOSSES: Mapping[str, type[nn.Module]] = MappingProxyType(
    {f"torch.nn.{kind.__name__}": kind for kind in (nn.CrossEntropyLoss, nn.MultiMarginLoss)}
)
"""torch's losses of logits and class indices; the others take other inputs."""

LOSSES: Mapping[str, type[nn.Module]] = MappingProxyType({"cross-entropy": nn.CrossEntropyLoss})
"""Every loss by its short name."""


def build_loss(value: str | Mapping[str, Any], classes: int, option: str = "model.loss") -> LossFunction:
    """Build a loss.

    Args:
        value: "cross-entropy", one of `TORCH_LOSSES`, or the import path of a class of the user's, which is
            called with the number of classes; or a map of class_path and init_args.
        classes: Number of classes.
        option: The option, for messages.

    Raises:
        UnknownNameError: For another name, or an argument that the class does not have.
        UsageError: For a class that cannot be built.
        ImportNotAllowedError: For a package that the user does not allow.
    """
    named = {**LOSSES, **TORCH_LOSSES}
    spec = ClassSpec.of(value, option, named)
    kind = spec.find(named, option)
    if kind not in TORCH_LOSSES.values():
        return cast(LossFunction, spec.build(kind, option, dict.fromkeys(CALLED_WITH, classes)))
    spec.check(kind, option, filled=FROM_TRAINING)
    return TorchLoss(kind, spec.arguments)


class ClassLoss(nn.Module):
    """A loss over what has a label, with the class weights of the training set where it takes them.

    Args:
        loss: The loss; a module is a part of the model, and what it has to train is trained.

    Attributes:
        takes_weights: Whether the loss has an argument `weight` for class weights.
    """

    def __init__(self, loss: LossFunction) -> None:
        super().__init__()
        self.loss = loss
        called = loss.forward if isinstance(loss, nn.Module) else loss
        self.takes_weights = "weight" in inspect.signature(called).parameters

    def forward(self, logits: Tensor, labels: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean loss, `[]`.

        Args:
            logits: `[n, classes]`.
            labels: `[n]` class indices; rows with `NO_LABEL` do not count.
            weight: `[classes]` class weights; None for equal weights.

        Raises:
            UsageError: For a loss that is not a single number.
        """
        if not self._ignores_unlabelled:
            counted = labels != NO_LABEL
            logits, labels = logits[counted], labels[counted]
        weights = {"weight": weight} if self.takes_weights else {}
        value = self.loss(logits, labels, **weights)
        if not isinstance(value, Tensor) or value.shape != ():
            found = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise UsageError(
                f"the loss {_name(self.loss)} must return the mean as one number (a tensor of shape []), but "
                f"returns {found}."
            )
        return value

    def weight_of_mean(self, labels: Tensor, weight: Tensor | None) -> Tensor:
        """Return the divisor of the mean, `[]`: means of batches weighted with it give the mean over all."""
        return mean_weight(labels, weight if self._ignores_unlabelled else None)

    @property
    def _ignores_unlabelled(self) -> bool:
        """Whether the loss is torch's cross-entropy, which divides by the weights of the labels."""
        return isinstance(self.loss, TorchLoss) and self.loss.kind is nn.CrossEntropyLoss


def _name(loss: LossFunction) -> str:
    return type(loss).__name__ if isinstance(loss, nn.Module) else getattr(loss, "__name__", str(loss))


def mean_weight(labels: Tensor, weights: Tensor | None) -> Tensor:
    """Return the divisor of torch's mean cross-entropy over some labels, `[]`.

    Means of batches that are averaged with these weights are the mean over all of them.

    Args:
        labels: Class indices of any shape; `NO_LABEL` is ignored.
        weights: `[classes]` class weights; None for equal weights.
    """
    counted = labels[labels != NO_LABEL]
    if weights is None:
        return torch.tensor(float(counted.numel()), device=labels.device)
    return weights[counted].sum()
