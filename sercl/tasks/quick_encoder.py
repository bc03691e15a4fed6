"""A frozen encoder in training: nothing in it changes, so that it may run as it does for inference."""

from contextlib import AbstractContextManager, nullcontext

import lightning.pytorch as L

from sercl.models.encoders import inference
from sercl.tasks.base import EncoderTask

_FULL_PRECISION = "32-true"


def quick_encoder(
    task: EncoderTask, trainer: L.Trainer, on_audio: bool = True
) -> AbstractContextManager[None]:
    """Return a context in which a frozen encoder runs faster on the CPU, and a trained one as ever.

    The hidden states are the same up to rounding (within 1e-4). On a GPU, or in mixed precision, nothing
    changes: autocast is faster there than what `inference` would do.

    Args:
        task: The model that is trained inside.
        trainer: What trains it.
        on_audio: Whether batches hold audio; where they hold hidden states, the encoder is not prepared.
    """
    on_cpu = trainer.strategy.root_device.type == "cpu"
    if not (on_audio and task.encoder_is_frozen and on_cpu and trainer.precision == _FULL_PRECISION):
        return nullcontext()
    task.encoder.eval()  # as it is in training, see `EncoderTask.train`; dropout has no faster way
    return inference(task.encoder)
