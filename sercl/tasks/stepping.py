"""Steps that go on when a batch does not fit into memory, and stop when the loss is not finite."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar, cast

import lightning.pytorch as L
import torch
from lightning.pytorch.overrides.distributed import prepare_for_backward
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from sercl.batch import halves, most_parts, parts_of
from sercl.errors import DivergedError
from sercl.memory import by_halves, exhausted, warn_of_parts

_SHOWN = 5
"""Number of utterances that a message names."""
_SMALLER = "--data.loader.batch_size, .batch_seconds"
Result = TypeVar("Result")
Gradients = list[Tensor | None]
"""One for each trained parameter; None for one that the loss does not depend on."""


def has_whole_weights(trainer: L.Trainer) -> bool:
    """Whether each device has the whole model, so that it can compute without the others."""
    return isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy)


def evaluated(task: L.LightningModule, work: Callable[[Any], list[Result]], batch: Any) -> list[Result]:
    """Return the results of a batch that is only evaluated; if memory runs out, those of its halves.

    Not where devices share the weights: the others would wait for this one.

    Args:
        task: The model, in a trainer.
        work: Returns the results of a batch, and keeps nothing of one that fails.
        batch: The batch.
    """
    return by_halves(work, batch, halves, _SMALLER, lambda: has_whole_weights(task.trainer))


class Stepping(L.LightningModule):
    """A model whose batches are trained in parts where memory runs out.

    The gradients of the parts add up to that of the whole batch, apart from random draws such as dropout, and
    the optimiser steps once. Later batches of that size are trained in as many parts at once. Of several
    devices, only the one whose memory runs out does so: they exchange gradients once per batch in any case.
    """

    def __init__(self) -> None:
        super().__init__()
        self._batch: Any = None
        self._loss: Tensor | None = None
        self._end: Tensor | None = None
        self._parts, self._too_large, self._fits = 2, float("inf"), 0
        self._is_logged = self._is_quiet = False

    @abstractmethod
    def step_loss(self, batch: Any, share: Tensor | float = 1.0, parts: int = 1) -> Tensor:
        """Log the loss of a batch and return it, `[]`; of a part, what it adds to the loss of its batch.

        Args:
            batch: The batch, or a part of one.
            share: Weight of each term of the part's loss, `[]` or `[terms]`; those of all parts add up to 1.
            parts: Number of parts.
        """

    def weight_of(self, batch: Any) -> Tensor | None:
        """Return the divisor of each mean in the loss of a batch, `[]` or `[terms]`, to add losses of parts.

        None, as here, if they cannot be added: then a batch that does not fit into memory ends training.
        """
        return None

    def training_step(self, batch: Any, batch_index: int) -> Tensor:
        """Return the loss of a batch (called by Lightning).

        Raises:
            DivergedError: If it is not finite.
        """
        self._batch, self._loss, self._end, self._is_logged = batch, None, None, False
        if _size(batch) < self._too_large:
            try:
                self._loss = self.step_loss(batch)
            except Exception as error:
                self._prepare_parts(error)
            else:
                self._check_finite(self._loss, batch)
                self._is_logged = True
        if self._loss is not None and not self._is_divisible:
            return self._loss
        # `backward` goes on from this end, once Lightning has scaled the loss and cleared the gradients. Of
        # the loss itself it would keep what the whole batch needs, while the parts are computed.
        value = torch.ones((), device=self.device) if self._loss is None else self._loss.detach().clone()
        self._end = value.requires_grad_()
        return self._end

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Add the gradients of the batch (called by Lightning)."""
        super().backward(loss, *args, **kwargs)
        if self._end is not None:
            scale = cast(Tensor, self._end.grad)
            if self._loss is None or not self._went_back(scale):
                self._add(self._gradients_of_parts(scale))
        self._batch = self._loss = self._end = None

    def log(self, name: str, value: Any, *args: Any, **kwargs: Any) -> None:
        """Log a value, unless it is of a part of a batch that was logged as a whole (called by the model)."""
        if not self._is_quiet:
            super().log(name, value, *args, **kwargs)

    @property
    def _is_divisible(self) -> bool:
        """Whether batches may be trained in parts; DDP's static graph is that of whole batches."""
        is_static = getattr(self.trainer.strategy.model, "static_graph", False)
        return has_whole_weights(self.trainer) and not is_static

    def _prepare_parts(self, error: Exception) -> None:
        """Make batches of this size be trained in parts, or raise the error if that is not its solution."""
        memory = exhausted(error)
        may = self._is_divisible and most_parts(self._batch) > 1
        if memory is None or not may or self.weight_of(self._batch) is None:
            raise error
        self._too_large = _size(self._batch)
        self._warn(memory)

    def _warn(self, memory: str) -> None:
        parts = min(self._parts, most_parts(self._batch))
        instead = f"it is trained in {parts} parts, whose gradients add up to its own"
        warn_of_parts(memory, f"a batch of {len(self._batch)} clips", instead, _SMALLER)

    def _went_back(self, scale: Tensor) -> bool:
        """Add the gradients of the whole batch; return False, and add none, if memory runs out."""
        loss, self._loss = cast(Tensor, self._loss), None
        can_undo = self.trainer.world_size == 1 and all(p.grad is None for p in self.parameters())
        # Gradients that are added to earlier ones, or sent to other devices, cannot be taken back: those of a
        # batch that is larger than any before are computed before they are added.
        is_tried = not can_undo and _size(self._batch) > self._fits
        try:
            if is_tried:
                gradients = self._gradients(loss, scale)
            else:
                self._announce(loss)
                loss.backward(scale)  # type: ignore[no-untyped-call]
        except Exception as error:
            if not (is_tried or can_undo):
                raise
            self._prepare_parts(error)
            if can_undo:
                self.zero_grad(set_to_none=True)
            return False
        if is_tried:
            self._add(gradients)
        self._fits = max(self._fits, _size(self._batch))
        return True

    @property
    def _trained(self) -> list[Tensor]:
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def _gradients(self, loss: Tensor, scale: Tensor) -> Gradients:
        return list(torch.autograd.grad(loss, self._trained, scale, allow_unused=True))

    def _add(self, gradients: Gradients) -> None:
        """Add gradients to those of the parameters, as a backward pass does: devices then exchange them."""
        pairs = zip(self._trained, gradients, strict=True)
        ends, own = zip(*((p.view_as(p), value) for p, value in pairs if value is not None), strict=True)
        self._announce(ends)
        torch.autograd.backward(ends, own)

    def _announce(self, ends: Any) -> None:
        """Tell DDP where a backward pass begins that it has not seen; with one device, do nothing."""
        model = self.trainer.strategy.model
        if isinstance(model, DistributedDataParallel):
            prepare_for_backward(model, ends)

    def _gradients_of_parts(self, scale: Tensor) -> Gradients:
        """Return the sum of the gradients of as few parts as fit into memory."""
        while isinstance(found := self._try_parts(scale), str):
            self._parts *= 2
            self._warn(found)
        return found

    def _try_parts(self, scale: Tensor) -> Gradients | str:
        """Return the sum of the gradients of all parts, or which memory has run out."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        total: Gradients = []
        parts = parts_of(self._batch, self._parts)
        try:
            for part in parts:
                _add_to(total, self._gradients_of(part, scale, len(parts)))
        except Exception as error:
            memory = exhausted(error)
            if memory is None or len(parts) == most_parts(self._batch):
                raise
            return memory
        return total

    def _gradients_of(self, part: Any, scale: Tensor, parts: int) -> Gradients:
        own, whole = (cast(Tensor, self.weight_of(each)) for each in (part, self._batch))
        share = (own / whole).nan_to_num()  # of a term to which no clip of the batch adds anything
        outside, self._is_quiet = self._current_fx_name, self._is_logged
        self._current_fx_name = "training_step"  # where its values are logged
        try:
            with self.trainer.precision_plugin.train_step_context():
                loss = self.step_loss(part, share, parts)
        finally:
            self._current_fx_name, self._is_quiet = outside, False
        self._check_finite(loss, part)
        return self._gradients(loss, scale)

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


def _add_to(total: Gradients, more: Gradients) -> None:
    """Add the gradients of a part to those of the parts before, an empty list before the first."""
    for index, value in enumerate(more):
        if index == len(total):
            total.append(value)
        elif value is not None:
            before = total[index]
            total[index] = value if before is None else before.add_(value)


def _size(batch: Any) -> int:
    """Return how many numbers a batch holds."""
    values = batch.features if hasattr(batch, "features") else getattr(batch, "waveforms", None)
    return 0 if values is None else int(values.numel())
