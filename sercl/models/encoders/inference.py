"""Running an encoder without gradients: in lower precision where asked, and faster on the CPU."""

import copy
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from warnings import warn

import torch
from torch import nn

from sercl.errors import SerclWarning, UnknownNameError
from sercl.models.encoders.base import Encoder, States
from sercl.models.encoders.fast.adapted import has_known_hooks, merged
from sercl.models.encoders.fast.packed import is_slow, supported

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""Precisions of the products, by name."""


@contextmanager
def inference(encoder: Encoder, precision: str = "fp32") -> Iterator[None]:
    """Let calls of an encoder without gradients run in a precision, and faster where that is possible.

    On the CPU, the wav2vec 2.0 family and Whisper run through a copy of their weights laid out for oneDNN:
    the same hidden states up to rounding (in fp32 within 1e-4), without padding inside, and with clips on
    several cores at once. Adapters are merged
    into the copy where they are changes of weights, and else applied to the frames of all clips. If there is
    a hook, an adapter that cannot be merged or a block of another kind, in training mode, and on other
    devices or processors, the encoder runs as usual: the same hidden states, only slower.

    Unless the encoder runs as usual in fp32, its weights are copied on entry, and later changes to them have
    no effect inside. Calls with gradients are not affected.

    Args:
        encoder: In evaluation mode, on the device where it will run, with float32 weights.
        precision: A name in `PRECISIONS`.

    Raises:
        UnknownNameError: For another precision.
    """
    _start(encoder, precision)
    try:
        yield
    finally:
        _stop(encoder)


def infer_with(owner: object, encoder: Encoder, precision: str = "fp32") -> None:
    """Let an encoder run as in `inference` for as long as an object exists.

    Args:
        owner: The object.
        encoder: As for `inference`.
        precision: As for `inference`.
    """
    _start(encoder, precision)
    # When Python ends, there may be no torch left to change a module with.
    weakref.finalize(owner, _stop, encoder).atexit = False


def _start(encoder: Encoder, precision: str) -> None:
    if precision not in PRECISIONS:
        raise UnknownNameError("precision", precision, PRECISIONS)
    if is_slow(PRECISIONS[precision]) and next(encoder.parameters()).device.type == "cpu":
        warn(
            f"precision {precision}: this processor has no instructions for bfloat16, so that the encoder "
            "takes several times as long as with fp32. Leave it out on this machine.",
            SerclWarning,
            stacklevel=3,
        )
    with torch.no_grad():
        encoder._inference = _states(encoder, PRECISIONS[precision])


def _stop(encoder: Encoder) -> None:
    encoder._inference = None


def _states(encoder: Encoder, dtype: torch.dtype) -> States:
    fast = _fast(encoder, dtype)
    if fast is not None:
        return fast
    return encoder.states if dtype == torch.float32 else copy.deepcopy(encoder).to(dtype).states


def _fast(encoder: Encoder, dtype: torch.dtype) -> States | None:
    in_place = all(p.device.type == "cpu" and p.dtype == torch.float32 for p in encoder.parameters())
    if not in_place or not supported(dtype) or any(module.training for module in encoder.model.modules()):
        return None
    with ExitStack() as blocks:
        plain = [
            blocks.enter_context(merged(block, encoder.traits.block_linears)) for block in encoder.blocks
        ]
        return encoder.fast_states(dtype) if all(plain) and not _is_altered(encoder) else None


def _is_altered(encoder: Encoder) -> bool:
    """Return whether there is anything but the modules of the family and the known hooks of adapters."""
    blocks = set(encoder.blocks)
    ends = {block.get_submodule(encoder.traits.feed_forward) for block in encoder.blocks}
    return any(_has_more(module, module in blocks, module in ends) for module in encoder.model.modules())


def _has_more(module: nn.Module, is_block: bool, ends_feed_forward: bool) -> bool:
    before, after = module._forward_pre_hooks, module._forward_hooks
    known = (is_block or not before) and (ends_feed_forward or not after)
    wrapped = hasattr(module, "base_layer")  # as an adapter wraps a layer, linear or not
    hooked = not (known and has_known_hooks(before) and has_known_hooks(after))
    return hooked or wrapped or "forward" in vars(module)
