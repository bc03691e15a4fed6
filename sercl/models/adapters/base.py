"""What every adapter method provides for one block of an encoder."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle

from sercl.models.encoders.base import Encoder, FamilyTraits


class BlockAdapter(nn.Module, ABC):
    """One adapter of one block, attached from outside: the block's own code is not touched.

    A subclass is built as `Method(hidden_size, config)` and makes its parameters there or in `attach`.
    """

    @abstractmethod
    def attach(self, block: nn.Module, traits: FamilyTraits) -> None:
        """Take effect on `block`, whose linear layers and feed-forward `traits` names."""

    @abstractmethod
    def detach(self, block: nn.Module, traits: FamilyTraits) -> None:
        """Leave `block`, in the module structure it had before `attach`."""


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

    @abstractmethod
    def hook(self, block: nn.Module, traits: FamilyTraits) -> RemovableHandle:
        """Register the hook and return its handle."""


class MergeableAdapter(BlockAdapter):
    """An adapter that is a change of weights; `detach` folds it into them, so that outputs stay."""


class EncoderAdapter(nn.Module, ABC):
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
