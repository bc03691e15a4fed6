"""Steps that go on when a batch does not fit into memory, and stop when the loss is not finite."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar, cast

import lightning.pytorch as L
import torch
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor

from sercl.batch import halves, parts_of
from sercl.errors import DivergedError
from sercl.memory import by_halves, exhausted, warn_of_parts

_SHOWN = 5
"""Number of utterances that a message names."""
_SMALLER = "--data.loader.batch_size, .batch_seconds"
Result = TypeVar("Result")


def evaluated(task: L.LightningModule, work: Callable[[Any], list[Result]], batch: Any) -> list[Result]:
    """Return the results of a batch that is only evaluated; if memory runs out, those of its halves.

    Not where devices share the weights: the others would wait for this one.

    Args:
        task: The model, in a trainer.
        work: Returns the results of a batch, and keeps nothing of one that fails.
        batch: The batch.
    """

    def is_allowed() -> bool:
        return isinstance(task.trainer.strategy, SingleDeviceStrategy | DDPStrategy)

    return by_halves(work, batch, halves, _SMALLER, is_allowed)


class Stepping(L.LightningModule):
    """A model whose batches are trained in parts where memory runs out.

    The gradients of the parts add up to that of the whole batch, apart from random draws such as dropout, and
    the optimiser steps once. Later batches of that size are trained in as many parts at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._batch: Any = None
        self._loss: Tensor | None = None
        self._parts, self._too_large = 2, float("inf")
        self._is_quiet = False

    @abstractmethod
    def step_loss(self, batch: Any) -> Tensor:
        """Return the loss of a batch, `[]`, and log it."""

    def weight_of(self, batch: Any) -> Tensor | None:
        """Return the divisor of the mean in the loss of a batch, `[]`, so that losses of parts can be added.

        None, as here, if they cannot: then a batch that does not fit into memory ends training.
        """
        return None

    def training_step(self, batch: Any, batch_index: int) -> Tensor:
        """Return the loss of a batch (called by Lightning).

        Raises:
            DivergedError: If it is not finite.
        """
        self._batch, self._loss = batch, None
        if _size(batch) < self._too_large:
            try:
                loss = self.step_loss(batch)
            except Exception as error:
                self._prepare_parts(error)
            else:
                self._check_finite(loss, batch)
                self._loss = loss.detach()
                return loss
        # `backward` computes the parts after Lightning has cleared the gradients; it gets this, scaled.
        return torch.ones((), device=self.device, requires_grad=True)

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Add the gradients of the batch (called by Lightning)."""
        is_first = all(p.grad is None for p in self.parameters())
        try:
            if self._loss is not None:
                super().backward(loss, *args, **kwargs)
                self._batch = None
                return
        except Exception as error:
            if not is_first or self._loss == 0:  # gradients of earlier batches would be lost; scale unknown
                raise
            self._prepare_parts(error)
        scale = loss.detach() if self._loss is None else loss.detach() / self._loss
        while (memory := self._add_gradients_of_parts(scale, is_first)) is not None:
            self._parts *= 2
            self._warn(memory)
        self._batch = None

    def log(self, name: str, value: Any, *args: Any, **kwargs: Any) -> None:
        """Log a value, unless it is of a part of a batch that was logged as a whole (called by the model)."""
        if not self._is_quiet:
            super().log(name, value, *args, **kwargs)

    def _prepare_parts(self, error: Exception) -> None:
        """Make batches of this size be trained in parts, or raise the error if that is not its solution."""
        memory = exhausted(error)
        alone = self.trainer.world_size == 1 and len(self._batch) > 1
        if memory is None or not alone or self.weight_of(self._batch) is None:
            raise error
        self._too_large = _size(self._batch)
        self._warn(memory)

    def _warn(self, memory: str) -> None:
        instead = f"it is trained in {self._parts} parts, whose gradients add up to its own"
        warn_of_parts(memory, len(self._batch), instead, _SMALLER)

    def _add_gradients_of_parts(self, scale: Tensor, is_first: bool) -> str | None:
        """Add the gradients of all parts; return which memory has run out, None if none has."""
        if is_first:
            self.zero_grad(set_to_none=True)  # of what has failed
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        whole = cast(Tensor, self.weight_of(self._batch))
        try:
            for part in parts_of(self._batch, self._parts):
                self._add_gradients_of(part, scale * cast(Tensor, self.weight_of(part)) / whole)
        except Exception as error:
            memory = exhausted(error)
            if memory is None or not is_first or self._parts >= len(self._batch):
                raise
            return memory
        return None

    def _add_gradients_of(self, part: Any, scale: Tensor) -> None:
        outside, self._is_quiet = self._current_fx_name, self._loss is not None
        self._current_fx_name = "training_step"  # where its values are logged
        try:
            with self.trainer.precision_plugin.train_step_context():
                loss = self.step_loss(part)
        finally:
            self._current_fx_name, self._is_quiet = outside, False
        self._check_finite(loss, part)
        (loss * scale).backward()  # type: ignore[no-untyped-call]

    def _check_finite(self, loss: Tensor, batch: Any) -> None:
        if bool(loss.isfinite()):
            return
        trainer, ids = self.trainer, list(batch.ids)
        more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
        best = getattr(trainer.checkpoint_callback, "best_model_path", "")
        kept = f"The best epoch before is kept in {best}. " if best else "No epoch was saved before. "
        raise DivergedError(
            f"epoch {trainer.current_epoch + 1}, step {trainer.global_step + 1}: the loss is {float(loss)}, "
            f"for {', '.join(ids[:_SHOWN])}{more}. {kept}Start a new run with a lower learning rate "
            "(--model.optimizer.head_lr, .adapter_lr), with --trainer.gradient_clip_val 1, or in full "
            "precision (--trainer.precision 32-true); if it happens in the first steps, listen to these "
            "utterances."
        )


def _size(batch: Any) -> int:
    """Return how many numbers a batch holds."""
    values = batch.features if hasattr(batch, "features") else getattr(batch, "waveforms", None)
    return 0 if values is None else int(values.numel())
