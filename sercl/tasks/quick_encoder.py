"""A frozen encoder in training: nothing in it changes, so that it may run as it does for inference."""

from contextlib import AbstractContextManager, nullcontext

import lightning.pytorch as L
import torch

from sercl.models.encoders import inference
from sercl.models.encoders.fast.packed import supported
from sercl.tasks.base import EncoderTask

_PRECISIONS = {"32-true": ("fp32", torch.float32), "bf16-mixed": ("bf16", torch.bfloat16)}
"""Precision of a trainer -> its name and type in the encoder; with any other the encoder runs as ever."""


def quick_encoder(
    task: EncoderTask, trainer: L.Trainer, on_audio: bool = True
) -> AbstractContextManager[None]:
    """Return a context in which a frozen encoder runs faster on the CPU, and a trained one as ever.

    The hidden states are the same up to rounding: in float32 within 1e-4; in mixed precision that of
    bfloat16, where the processor has it. On a GPU nothing changes: autocast is as fast there.

    Args:
        task: The model that is trained inside.
        trainer: What trains it.
        on_audio: Whether batches hold audio; where they hold hidden states, the encoder is not prepared.
    """
    name, dtype = _PRECISIONS.get(str(trainer.precision), ("", None))
    on_cpu = trainer.strategy.root_device.type == "cpu"
    if dtype is None or not (on_audio and on_cpu and task.encoder_is_frozen and supported(dtype)):
        return nullcontext()
    task.encoder.eval()  # as it is in training, see `EncoderTask.train`; dropout has no faster way
    return inference(task.encoder, name)
