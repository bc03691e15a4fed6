"""What every adapter method provides for one block of an encoder."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from sercl.models.encoders.base import Encoder, FamilyTraits, Forward


class Adapter(nn.Module, ABC):
    """What a training does with an adapter besides its gradients; nothing, unless a method is overridden.

    What an adapter must remember from one step to the next is in its buffers, so that checkpoints hold it.
    """

    def begin_training(self, steps: float) -> None:
        """Be called at the start of every training, also of one that is resumed and of a further stage.

        Args:
            steps: Optimiser steps of the whole training; infinite without a limit.
        """

    def penalty(self) -> Tensor | None:
        """Return what is added to the loss of every batch, `[]`; None for nothing."""
        return None

    def after_step(self, step: int) -> None:
        """Be called after each optimiser step, while its gradients are still there.

        Args:
            step: Optimiser steps of this training so far, this one included.
        """

    def figures(self) -> dict[str, float]:
        """Return what is logged at the end of each training epoch, as "train/name"; blocks are averaged."""
        return {}


class BlockAdapter(Adapter):
    """One adapter of one block, attached from outside: the block's own code is not touched.

    A subclass is built as `Method(hidden_size, config)` and makes its parameters there or in `attach`.
    """

    @abstractmethod
    def attach(self, block: nn.Module, traits: FamilyTraits) -> None:
        """Take effect on `block`, whose linear layers and feed-forward `traits` names."""

    @abstractmethod
    def detach(self, block: nn.Module, traits: FamilyTraits) -> None:
        """Leave `block`, in the module structure it had before `attach`."""

    def quick_forwards(
        self, block: nn.Module, traits: FamilyTraits, dtype: torch.dtype
    ) -> dict[nn.Module, Forward] | None:
        """Return faster functions for some modules of `block` in training on the CPU.

        Args:
            block: To which it is attached.
            traits: As of `attach`.
            dtype: Precision of their products.

        Returns:
            Module -> function; None, the default, if the frames of several clips cannot pass through the
            adapter one after the other.
        """
        return None


class HookAdapter(BlockAdapter):
    """An adapter that works through one hook, and keeps its parameters in itself.

    A hook must be a bound method of the adapter: those are remapped when a model is copied or pickled.
    """

    _handle: RemovableHandle | None = None

    def attach(self, block: nn.Module, traits: FamilyTraits) -> None:
        """Register the hook."""
        self._handle = self.hook(block, traits)

    def detach(self, block: nn.Module, traits: FamilyTraits) -> None:
        """Remove the hook."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def quick_forwards(
        self, block: nn.Module, traits: FamilyTraits, dtype: torch.dtype
    ) -> dict[nn.Module, Forward]:
        """Return nothing: whether frames can pass one after the other, the mark of the hook says."""
        return {}

    @abstractmethod
    def hook(self, block: nn.Module, traits: FamilyTraits) -> RemovableHandle:
        """Register the hook and return its handle."""


class MergeableAdapter(BlockAdapter):
    """An adapter that is a change of weights; `detach` folds it into them, so that outputs stay."""


class EncoderAdapter(Adapter):
    """An adapter of all chosen blocks of an encoder at once, whose parameters are inside the encoder.

    Attributes:
        kept: Names of the encoder's tensors that are not those of its checkpoint, trained or not.
        options: Its options as plain data, from which the same adapter can be built.
    """

    kept: frozenset[str] = frozenset()
    options: Mapping[str, Any]

    @abstractmethod
    def attach(self, encoder: Encoder, blocks: Sequence[int]) -> None:
        """Take effect on the blocks of `encoder`."""

    @abstractmethod
    def merge(self, encoder: Encoder) -> None:
        """Fold the adapter into the weights and restore the module structure from before `attach`."""

    @abstractmethod
    def save(self, encoder: Encoder, folder: Path) -> None:
        """Write the adapter in peft's own format."""
