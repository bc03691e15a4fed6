"""Adapters in the fast path: merged into copies of weights, or applied to the frames of all clips."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

Change = Callable[[Tensor], Tensor]
"""Maps frames `[..., dim]` to the same shape, each frame alone."""

Hook = TypeVar("Hook", bound=Callable[..., Any])

_MARK = "_changes_frames_by"
_PROBE = 8
_EXACT = 1e-5
"""Error of a merged layer relative to its largest output."""


def changing_frames_by(name: str) -> Callable[[Hook], Hook]:
    """Mark a hook that only maps each frame alone, as another method of its owner does.

    The hook is one before a block or after its feed-forward. The fast path then calls that method, in several
    threads at once.

    Args:
        name: The other method, a `Change`.
    """

    def mark(hook: Hook) -> Hook:
        setattr(hook, _MARK, name)
        return hook

    return mark


class Changes(NamedTuple):
    """What hooks change in a block.

    Attributes:
        before: Its input, also on the way past attention.
        after: The output of its feed-forward.
    """

    before: Change
    after: Change


def changes_of(block: nn.Module, feed_forward: str) -> Changes:
    """Return what hooks change in a block; `has_known_hooks` must hold.

    Args:
        block: The block.
        feed_forward: Path of its module that ends the feed-forward.
    """
    after = block.get_submodule(feed_forward)._forward_hooks
    return Changes(_all_of(block._forward_pre_hooks.values()), _all_of(after.values()))


def _all_of(hooks: Iterable[Callable[..., Any]]) -> Change:
    known = [getattr(hook.__self__, getattr(hook, _MARK)) for hook in hooks]  # type: ignore[attr-defined]

    def change(frames: Tensor) -> Tensor:
        for each in known:
            frames = each(frames)
        return frames

    return change


def has_known_hooks(hooks: Mapping[int, Callable[..., Any]]) -> bool:
    """Return whether all hooks are marked by `changing_frames_by`."""
    return all(hasattr(hook, _MARK) for hook in hooks.values())


@contextmanager
def merged(block: nn.Module, linears: Iterable[str]) -> Iterator[bool]:
    """Put plain linear layers in place of adapted ones while the block runs; the adapters stay unchanged.

    Args:
        block: A transformer block.
        linears: Paths of its linear layers.

    Yields:
        Whether that was possible; if not, nothing is replaced.
    """
    layers = {path: block.get_submodule(path) for path in linears}
    plain = {path: plain_linear(layer) for path, layer in layers.items() if type(layer) is not nn.Linear}
    if any(layer is None for layer in plain.values()):
        yield False
        return
    try:
        for path, layer in plain.items():
            block.set_submodule(path, layer)  # type: ignore[arg-type]
        yield True
    finally:
        for path in plain:
            block.set_submodule(path, layers[path])


@torch.no_grad()
def plain_linear(layer: nn.Module) -> nn.Linear | None:
    """Return the linear layer that an adapted one is equal to, with its hooks; None if there is none.

    Args:
        layer: A layer of peft or of sercl around a linear one, in evaluation mode.
    """
    adapted: Any = getattr(layer, "adapted", layer)
    if not hasattr(adapted, "base_layer"):
        return None
    own = copy.copy(adapted)
    own._forward_hooks = type(adapted._forward_hooks)()
    own = copy.deepcopy(own)
    try:
        own.merge()
    except (NotImplementedError, RuntimeError, ValueError):  # a method of peft that cannot be merged
        return None
    plain = own.base_layer
    if type(plain) is not nn.Linear or not _agree(plain, adapted):
        return None
    plain._forward_hooks = layer._forward_hooks
    return plain


def _agree(plain: nn.Linear, adapted: Any) -> bool:
    noise = torch.randn(_PROBE, plain.in_features, generator=torch.Generator().manual_seed(0))
    expected: Tensor = adapted.forward(noise.to(plain.weight))  # a call would run hooks
    error = (plain(noise.to(plain.weight)) - expected).abs().max()
    return bool(error <= _EXACT * (1 + expected.abs().max()))
