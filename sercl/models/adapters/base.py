"""What every adapter method provides for one block of an encoder."""

from abc import ABC, abstractmethod

from torch import nn
from torch.utils.hooks import RemovableHandle

from sercl.models.encoders.base import FamilyTraits


class BlockAdapter(nn.Module, ABC):
    """One adapter of one block, attached from outside: the block's own code is not touched.

    A subclass is built as `Method(hidden_size, config)` and makes its parameters there or in `attach`.
    """

    @abstractmethod
    def attach(self, block: nn.Module, traits: FamilyTraits) -> None:
        """Take effect on `block`, whose linears and feed-forward stand where `traits` says."""

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
