"""Running an encoder without gradients: in lower precision where asked, and faster on the CPU."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from sercl.errors import UnknownNameError
from sercl.models.encoders.base import Encoder, States
from sercl.models.encoders.fast.packed import supported

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""Precisions of the products, by name."""


@contextmanager
def inference(encoder: Encoder, precision: str = "fp32") -> Iterator[None]:
    """Let calls of an encoder without gradients run in a precision, and faster where that is possible.

    On the CPU, the wav2vec 2.0 family and Whisper run through a copy of their weights laid out for oneDNN:
    the same hidden states up to rounding (in fp32 within 1e-4), without padding inside. If there is a hook,
    an adapter or a block of another kind, in training mode, and on other devices or processors, the encoder
    runs as usual: the same hidden states, only slower.

    Unless the encoder runs as usual in fp32, its weights are copied on entry, and later changes to them have
    no effect inside. Calls with gradients are not affected.

    Args:
        encoder: In evaluation mode, on the device where it will run, with float32 weights.
        precision: A name in `PRECISIONS`.

    Raises:
        UnknownNameError: For another precision.
    """
    if precision not in PRECISIONS:
        raise UnknownNameError("precision", precision, PRECISIONS)
    with torch.no_grad():
        encoder._inference = _states(encoder, PRECISIONS[precision])
    try:
        yield
    finally:
        encoder._inference = None


def _states(encoder: Encoder, dtype: torch.dtype) -> States:
    fast = encoder.fast_states(dtype) if _can_be_fast(encoder, dtype) else None
    if fast is not None:
        return fast
    return encoder.states if dtype == torch.float32 else copy.deepcopy(encoder).to(dtype).states


def _can_be_fast(encoder: Encoder, dtype: torch.dtype) -> bool:
    in_place = all(p.device.type == "cpu" and p.dtype == torch.float32 for p in encoder.parameters())
    linears = [block.get_submodule(path) for block in encoder.blocks for path in encoder.traits.block_linears]
    plain = all(type(linear) is nn.Linear for linear in linears)
    return in_place and plain and supported(dtype) and not any(map(_altered, encoder.model.modules()))


def _altered(module: nn.Module) -> bool:
    hooked = bool(module._forward_hooks or module._forward_pre_hooks)
    wrapped = hasattr(module, "base_layer")  # as an adapter wraps a layer, linear or not
    return module.training or hooked or wrapped or "forward" in vars(module)
