"""Attaching adapters to the blocks of an encoder."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import torch
from torch import Tensor, nn

from sercl.errors import UsageError
from sercl.models.adapters.base import Adapter, BlockAdapter, EncoderAdapter, MergeableAdapter
from sercl.models.adapters.lora.config import LoraConfig
from sercl.models.adapters.lora.layer import save_lora
from sercl.models.adapters.registry import METHODS, AdapterMethod, AdapterOptions, method_of, parse_adapter
from sercl.models.encoders.base import Encoder, Forward


class AttachedAdapters(nn.Module):
    """The adapters of one encoder, made by `attach`.

    Parameters of adapters that hook are named `<method>.<block>.<parameter>` here; those of LoRA and of peft
    are inside the encoder's blocks. For "none" and "full" there is no parameter here.

    Args:
        encoder: The encoder, of which only parameters trained besides the adapters require a gradient.
        methods: Adapter methods in the order of attaching, or ("full",), or ().
        blocks: 0-based blocks.
        options: Options of the methods.

    Attributes:
        methods: As given; `merge` takes out what is merged.
        counts: How many parameters (single numbers) each method trains.
        options: Method -> its options as plain data, for the methods in use.
    """

    def __init__(
        self, encoder: Encoder, methods: tuple[str, ...], blocks: Sequence[int], options: AdapterOptions
    ) -> None:
        super().__init__()
        self.methods = methods
        self.counts: dict[str, int] = {"full": _trained(encoder)} if methods == ("full",) else {}
        self.options: dict[str, dict[str, Any]] = (
            {"full": asdict(options.full)} if methods == ("full",) else {}
        )
        # Inside tuples, where torch does not look: the encoder's modules must not be listed twice.
        self._encoder = (encoder,)
        self._sites = [(index, encoder.blocks[index]) for index in blocks]
        for part in methods:
            if method_of(part) in METHODS:
                self._add(part, getattr(options, method_of(part)))

    @property
    def encoder(self) -> Encoder:
        """The encoder."""
        return self._encoder[0]

    @property
    def count(self) -> int:
        """How many parameters (single numbers) are trained in all."""
        return sum(self.counts.values())

    @property
    def kept(self) -> frozenset[str]:
        """Names of the encoder's tensors that are not those of its checkpoint, whether trained or not."""
        return frozenset().union(*(adapter.kept for adapter in self._of_encoder()))

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
        """Fold LoRA, or a method of peft, into the encoder's weights: plain layers, and the same output.

        Other adapters stay attached. Without either nothing changes.

        Raises:
            UsageError: For a method of peft that cannot be merged.
        """
        # A hook may sit on a module that merging replaces: all leave, and those with hooks come back.
        for part in reversed(self.methods):
            for adapter, block in self._adapters(part):
                adapter.detach(block, self.encoder.traits)
        for merged in self._of_encoder():
            merged.merge(self.encoder)
        for part in self.methods:
            for adapter, block in self._adapters(part):
                if not isinstance(adapter, MergeableAdapter):
                    adapter.attach(block, self.encoder.traits)
        self._forget_merged()

    def save_peft(self, folder: Path) -> bool:
        """Write LoRA, or a method of peft, in peft's own format; return whether there is such an adapter.

        Raises:
            OutputError: If it cannot be written.
        """
        for adapter in self._of_encoder():
            adapter.save(self.encoder, folder)
            return True
        for part in self.methods:
            if part == "lora":
                save_lora(self.encoder, LoraConfig(**self.options["lora"]), folder)
                return True
        return False

    def quick_forwards(self, dtype: torch.dtype) -> dict[nn.Module, Forward] | None:
        """Return faster functions for modules of the encoder in training on the CPU.

        Args:
            dtype: Precision of their products.

        Returns:
            Module -> function; None if clips cannot pass through an adapter one after the other.
        """
        traits, sites = self.encoder.traits, [self._adapters(part) for part in self.methods]
        found: dict[nn.Module, Forward] = {}
        for adapter, block in chain.from_iterable(sites):
            if (own := adapter.quick_forwards(block, traits, dtype)) is None:
                return None
            found |= own
        return found

    def begin_training(self, steps: float) -> None:
        """Announce a training of so many optimiser steps; infinite without a limit.

        Raises:
            UsageError: For a training of a length that an adapter cannot use.
        """
        for adapter in self._all():
            adapter.begin_training(steps)

    def penalty(self) -> Tensor | None:
        """Return what adapters add to the loss of every batch, `[]`; None if none of them does."""
        parts = [part for adapter in self._all() if (part := adapter.penalty()) is not None]
        return torch.stack(parts).sum() if parts else None

    def after_step(self, step: int) -> None:
        """Tell adapters of an optimiser step, the first being 1, while its gradients are still there."""
        for adapter in self._all():
            adapter.after_step(step)

    def figures(self) -> dict[str, float]:
        """Return name -> mean over adapters of what they log at the end of an epoch."""
        found: dict[str, list[float]] = {}
        for adapter in self._all():
            for name, value in adapter.figures().items():
                found.setdefault(name, []).append(value)
        return {name: fmean(values) for name, values in found.items()}

    def without_gradient(self) -> list[str]:
        """Return the names of trained tensors that the last backward pass has not reached.

        A tensor that is reached has a gradient, be it zero, as that of LoRA's A is at the start.
        """
        named = [*self.encoder.named_parameters(), *self.named_parameters()]
        return [name for name, each in named if each.requires_grad and each.grad is None]

    def _add(self, part: str, config: Any) -> None:
        name = method_of(part)
        method = METHODS[name]
        before = _trained(self.encoder)
        if method.follows is None:
            self._add_to_blocks(method, config)
            self.options[name] = asdict(config)
        else:
            adapter = method.build(part.partition(":")[2], config)
            self.add_module(name, adapter)
            cast(EncoderAdapter, adapter).attach(self.encoder, [index for index, _ in self._sites])
            self.options[name] = dict(cast(EncoderAdapter, adapter).options)
        self.counts[part] = _trained(self.encoder) - before + _trained(self.get_submodule(name))

    def _add_to_blocks(self, method: AdapterMethod, config: Any) -> None:
        width = self.encoder.hidden_size
        self.add_module(
            method.name, nn.ModuleDict({str(index): method.build(width, config) for index, _ in self._sites})
        )
        for adapter, block in self._adapters(method.name):
            adapter.to(next(block.parameters()).device)
            adapter.attach(block, self.encoder.traits)

    def _adapters(self, part: str) -> list[tuple[BlockAdapter, nn.Module]]:
        """Return the adapters of a method block by block; none for one of the whole encoder."""
        group = self._modules.get(part)
        if not isinstance(group, nn.ModuleDict):
            return []
        return [(cast(BlockAdapter, group[str(index)]), block) for index, block in self._sites]

    def _all(self) -> list[Adapter]:
        return [module for module in self.modules() if isinstance(module, Adapter)]

    def _of_encoder(self) -> list[EncoderAdapter]:
        return [module for module in self._modules.values() if isinstance(module, EncoderAdapter)]

    def _forget_merged(self) -> None:
        for part in self.methods:
            by_block = [adapter for adapter, _ in self._adapters(part)]
            if any(isinstance(adapter, MergeableAdapter) for adapter in by_block) or (":" in part):
                delattr(self, method_of(part))
                del self.counts[part], self.options[method_of(part)]
        self.methods = tuple(part for part in self.methods if part in self.counts)


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
