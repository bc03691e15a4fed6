"""Training adapters on the CPU: what lies below them computed once, and blocks without padding."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn

from sercl.models.encoders.base import Encoder, Forward
from sercl.models.encoders.fast.adapted import has_known_hooks
from sercl.models.encoders.fast.packed import JoinedStates, supported
from sercl.models.encoders.fast.trained import FrozenLinear, Remembered, clip_attention, replaced
from sercl.models.encoders.inference import PRECISIONS

KEPT_BYTES = 2**30
"""Bytes of hidden states below the adapters that a training keeps: two hours of audio at a width of 768."""

Forwards = Callable[[torch.dtype], Mapping[nn.Module, Forward] | None]
"""Gives faster functions for modules of adapters; None if a clip's frames cannot pass beside another's."""


@contextmanager
def adapted_training(
    encoder: Encoder, forwards: Forwards, precision: str = "fp32", most: int = KEPT_BYTES
) -> Iterator[None]:
    """Let an encoder with adapters run faster on the CPU, with and without gradients.

    Hidden states and gradients are the same up to rounding (in fp32 within 1e-4). What lies below the first
    block with an adapter runs clip by clip without gradients, and is kept for the next epoch; the blocks run
    on the frames of all clips without padding, their frozen matrices laid out for oneDNN in two copies. If
    that is not possible, the encoder runs as usual: with dropout, SpecAugment or LayerDrop of its own, on
    other devices or processors, and where something below the blocks is trained.

    Frozen weights are copied on entry; later changes to them have no effect inside.

    Args:
        encoder: With adapters, on the device where it will run, with float32 weights.
        forwards: Faster functions for modules of the adapters.
        precision: A name in `PRECISIONS`; with another than fp32, calls must be inside `torch.autocast`.
        most: Bytes of hidden states that are kept; 0 for none.
    """
    dtype = PRECISIONS[precision]
    first = _first_trained(encoder) if _fits(encoder, dtype) else None
    own = None if first is None else forwards(dtype)
    if first is None or own is None or not _read_through_modules(encoder, own):
        yield
        return
    stem = _stem(encoder, dtype, first)
    with replaced(_forwards(encoder, own, dtype, first)) if stem is not None else replaced({}):
        encoder._stem = None if stem is None else (Remembered(stem, most), first)
        try:
            yield
        finally:
            encoder._stem = None


def _fits(encoder: Encoder, dtype: torch.dtype) -> bool:
    in_place = all(p.device.type == "cpu" and p.dtype == torch.float32 for p in encoder.parameters())
    hooks = (each for m in encoder.blocks.modules() for each in (m._forward_hooks, m._forward_pre_hooks))
    by_frame = all(map(has_known_hooks, hooks))
    return in_place and by_frame and supported(dtype) and not encoder.is_regularized


def _first_trained(encoder: Encoder) -> int | None:
    """Return the first block in which something is trained; None if there is none, or something below."""
    blocks = list(encoder.blocks)
    final = [encoder.model.get_submodule(encoder.traits.final_norm)] if encoder.traits.final_norm else []
    above = {id(module) for part in (*blocks, *final) for module in part.modules()}
    below = [module for module in encoder.model.modules() if id(module) not in above]
    # `parameters` of a module below would list those of the blocks inside it, too.
    trained = any(p.requires_grad for module in below for p in module.parameters(recurse=False))
    if trained or any(_is_changed(module) or "forward" in vars(module) for module in below):
        return None
    changed = (i for i, block in enumerate(blocks) if _is_trained(block))
    return next(changed, None)


def _is_trained(block: nn.Module) -> bool:
    return any(p.requires_grad for p in block.parameters()) or any(map(_is_changed, block.modules()))


def _is_changed(module: nn.Module) -> bool:
    """Return whether a module has a hook, or wraps a layer as adapters do, linear or not."""
    return bool(module._forward_hooks or module._forward_pre_hooks) or hasattr(module, "base_layer")


def _read_through_modules(encoder: Encoder, own: Mapping[nn.Module, Forward]) -> bool:
    """Return whether layers whose weights attention reads give the same when they are called."""
    paths = encoder.traits.raw_weight_linears
    linears = (block.get_submodule(path) for block in encoder.blocks for path in paths)
    return all(type(linear) is nn.Linear or linear in own for linear in linears)


def _stem(encoder: Encoder, dtype: torch.dtype, first: int) -> Callable[[Tensor], list[Tensor]] | None:
    with torch.no_grad():
        states = encoder.fast_states(dtype, first)
    if states is None:
        return None

    def stem(clip: Tensor) -> list[Tensor]:
        with torch.autocast("cpu", enabled=False):
            found = states(clip[None], torch.tensor([len(clip)]))
        return (
            [found.clips(state)[0] for state in range(first + 1)] if isinstance(found, JoinedStates) else []
        )

    return stem


def _forwards(
    encoder: Encoder, own: Mapping[nn.Module, Forward], dtype: torch.dtype, first: int
) -> dict[nn.Module, Forward]:
    """Return other functions for the linear layers and the attention of the blocks that are trained."""
    blocks = list(encoder.blocks)[first:]
    inside = set(chain.from_iterable(module.modules() for module in own)) - set(own)
    paths = encoder.traits.block_linears
    layers = (_innermost(block.get_submodule(path)) for block in blocks for path in paths)
    frozen = [each for each in layers if type(each) is nn.Linear and not each.weight.requires_grad]
    attentions = (block.get_submodule(paths[0].rpartition(".")[0]) for block in blocks)
    return {
        **{layer: FrozenLinear(layer, dtype) for layer in frozen if layer not in inside},
        **dict.fromkeys(attentions, clip_attention),
        **own,
    }


def _innermost(layer: nn.Module) -> nn.Module:
    while isinstance(base := getattr(layer, "base_layer", None), nn.Module):
        layer = base
    return layer
