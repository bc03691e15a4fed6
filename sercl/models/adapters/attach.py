"""Attaching adapters to the blocks of an encoder."""

from collections.abc import Sequence
from typing import cast

from torch import nn

from sercl.errors import UsageError
from sercl.models.adapters.base import BlockAdapter, MergeableAdapter
from sercl.models.adapters.options import AdapterOptions
from sercl.models.adapters.registry import METHODS, parse_adapter
from sercl.models.encoders.base import Encoder


class AttachedAdapters(nn.Module):
    """The adapters of one encoder, made by `attach`.

    Parameters of adapters that hook are named `<method>.<block>.<parameter>` here; those of LoRA stand inside
    the encoder's blocks. For "none" and "full" there is no parameter here.

    Args:
        encoder: The encoder, in which only what shall be trained besides adapters requires a gradient.
        methods: Adapter methods in the order of attaching, or ("full",), or ().
        blocks: 0-based blocks.
        options: Options of the methods.

    Attributes:
        methods: As given; `merge` takes LoRA out.
        counts: How many parameters (single numbers) each method trains.
    """

    def __init__(
        self, encoder: Encoder, methods: tuple[str, ...], blocks: Sequence[int], options: AdapterOptions
    ) -> None:
        super().__init__()
        self.methods = methods
        self.counts: dict[str, int] = {"full": _trained(encoder)} if methods == ("full",) else {}
        self._traits = encoder.traits
        # Inside tuples, where torch does not look: the blocks are the encoder's and must not be listed twice.
        self._sites = [(index, encoder.blocks[index]) for index in blocks]
        for name in methods:
            if name in METHODS:
                self._add(name, encoder.hidden_size, options)

    @property
    def count(self) -> int:
        """How many parameters (single numbers) are trained in all."""
        return sum(self.counts.values())

    def summary(self) -> str:
        """Return one line: which methods train how many parameters, and where."""
        if not self.methods:
            return "none: the encoder is frozen, 0 trainable parameters"
        if self.methods == ("full",):
            return f"full: {self.count:,} trainable parameters of the encoder"
        parts = " + ".join(f"{name} {count:,}" for name, count in self.counts.items())
        blocks = ", ".join(str(index) for index, _ in self._sites)
        return f"{parts} = {self.count:,} trainable parameters in blocks {blocks}"

    def merge(self) -> None:
        """Fold LoRA into the encoder's weights: plain linear layers again, and the same output in eval mode.

        Other adapters stay attached. Without LoRA nothing changes.
        """
        # A hook may sit on a module that merging replaces: all leave, and those with hooks come back.
        for name in reversed(self.methods):
            for adapter, block in self._adapters(name):
                adapter.detach(block, self._traits)
        for name in self.methods:
            for adapter, block in self._adapters(name):
                if not isinstance(adapter, MergeableAdapter):
                    adapter.attach(block, self._traits)
        self._forget_merged()

    def _add(self, name: str, hidden_size: int, options: AdapterOptions) -> None:
        build, config = METHODS[name].build, getattr(options, name)
        self.add_module(
            name, nn.ModuleDict({str(index): build(hidden_size, config) for index, _ in self._sites})
        )
        before = sum(_trained(block) for _, block in self._sites)
        for adapter, block in self._adapters(name):
            adapter.to(next(block.parameters()).device)
            adapter.attach(block, self._traits)
        inside = sum(_trained(block) for _, block in self._sites) - before
        self.counts[name] = inside + _trained(self.get_submodule(name))

    def _adapters(self, name: str) -> list[tuple[BlockAdapter, nn.Module]]:
        if name not in METHODS:
            return []
        return [
            (cast(BlockAdapter, self.get_submodule(f"{name}.{index}")), block) for index, block in self._sites
        ]

    def _forget_merged(self) -> None:
        for name in self.methods:
            if any(isinstance(adapter, MergeableAdapter) for adapter, _ in self._adapters(name)):
                delattr(self, name)
                del self.counts[name]
        self.methods = tuple(name for name in self.methods if name in self.counts)


def attach(
    encoder: Encoder,
    spec: str,
    options: AdapterOptions | None = None,
    blocks: Sequence[int] | None = None,
) -> AttachedAdapters:
    """Freeze an encoder except for what `spec` names, and attach its adapters.

    Args:
        encoder: The encoder; changed in place.
        spec: "none"; "full" (trains the encoder itself); or adapter methods joined by "+".
        options: Options of each method; None for the defaults.
        blocks: 0-based blocks that get adapters; None for all.

    Raises:
        UnknownNameError: For an adapter that does not exist.
        UsageError: For a combination, block or option that cannot be.
    """
    methods = parse_adapter(spec)
    options = AdapterOptions() if options is None else options
    chosen = _check_blocks(spec, blocks, len(encoder.blocks))
    encoder.trainable(options.full.parts if methods == ("full",) else "none")
    return AttachedAdapters(encoder, methods, chosen, options)


def _check_blocks(spec: str, blocks: Sequence[int] | None, count: int) -> list[int]:
    if blocks is None:
        return list(range(count))
    if spec in ("none", "full"):
        raise UsageError(
            f"adapter blocks {list(blocks)} have no effect with adapter {spec!r}; leave them out."
        )
    wrong = [block for block in blocks if not 0 <= block < count]
    if wrong or not blocks or len(set(blocks)) < len(blocks):
        named = f"block {wrong[0]}" if wrong else f"blocks {list(blocks)}"
        raise UsageError(f"adapter {named}: valid: 0 to {count - 1}, each once, at least one.")
    return sorted(blocks)


def _trained(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
