"""The encoder of a task, faster on the CPU while it is trained."""

import warnings
from contextlib import AbstractContextManager, nullcontext

import lightning.pytorch as L
import torch
from lightning.pytorch.utilities import rank_zero_only

from sercl.errors import SerclWarning
from sercl.models.encoders import inference
from sercl.models.encoders.fast.packed import is_slow, supported
from sercl.models.encoders.training import KEPT_BYTES, adapted_training
from sercl.tasks.base import EncoderTask
from sercl.tasks.sharding import ShardedStrategy

_PRECISIONS = {"32-true": ("fp32", torch.float32), "bf16-mixed": ("bf16", torch.bfloat16)}
"""Precision of a trainer -> its name and dtype in the encoder; with any other the encoder runs normally."""


def quick_encoder(
    task: EncoderTask, trainer: L.Trainer, on_audio: bool = True, repeats: bool = True
) -> AbstractContextManager[None]:
    """Return a context in which the encoder runs faster on the CPU.

    A frozen one runs by `inference`, one with adapters by `adapted_training`; one that is trained itself runs
    as usual. Hidden states and gradients are the same up to rounding: in float32 within 1e-4; in mixed
    precision that of bfloat16, if the CPU supports it. On a GPU nothing changes: autocast is as fast there.

    Args:
        task: The model trained in the context.
        trainer: Its trainer.
        on_audio: Whether batches hold audio; if they hold hidden states, the encoder is not prepared.
        repeats: Whether a clip is the same in every epoch, so that it pays to keep what is computed of it.
    """
    name, dtype = _PRECISIONS.get(str(trainer.precision), ("", None))
    strategy = trainer.strategy
    if (
        dtype is None
        or not on_audio
        or strategy.root_device.type != "cpu"
        or isinstance(strategy, ShardedStrategy)
    ):
        return nullcontext()
    if is_slow(dtype):
        _warn_of_slow_precision(str(trainer.precision))
    if not supported(dtype):
        return nullcontext()
    if not task.encoder_is_frozen:
        most = KEPT_BYTES if repeats else 0
        return adapted_training(task.encoder, task.adapters.quick_forwards, name, most)
    task.encoder.eval()  # as in training, see `EncoderTask.train`; the fast path does not support dropout
    return inference(task.encoder, name)


@rank_zero_only
def _warn_of_slow_precision(precision: str) -> None:
    warnings.warn(
        f"--trainer.precision {precision}: this processor has no instructions for bfloat16, so that training "
        "takes several times as long as with 32-true. Leave it out on this machine.",
        SerclWarning,
        stacklevel=3,
    )
