"""Hidden states of a frozen encoder, pooled once per utterance instead of once per epoch."""

from collections.abc import Callable, Iterable
from typing import Protocol

import torch
from torch import Tensor

from sercl.batch import AudioBatch


class PoolsAudio(Protocol):
    """What can turn a batch of audio into pooled hidden states: a task with a frozen encoder."""

    def pool(self, batch: AudioBatch) -> Tensor:
        """Return `[batch, states, dim]`."""

    def eval(self) -> object:
        """Switch dropout off."""


@torch.inference_mode()
def pooled_features(
    task: PoolsAudio,
    batches: Iterable[AudioBatch],
    device: torch.device | str = "cpu",
    on_progress: Callable[[int], None] | None = None,
) -> dict[str, Tensor]:
    """Pool the hidden states of every utterance in one pass.

    Args:
        task: On `device` already; it is set to evaluation mode.
        batches: Audio, in any order; ids must be unique.
        device: Where the task is.
        on_progress: Called with the number of utterances just done.

    Returns:
        Utterance id -> `[states, dim]` float32 on the CPU.
    """
    task.eval()
    features: dict[str, Tensor] = {}
    for batch in batches:
        pooled = task.pool(batch.to(device)).cpu()
        # A clone each: a row that is a view would keep its whole batch alive and count as inference tensor.
        features.update((id_, row.clone()) for id_, row in zip(batch.ids, pooled, strict=True))
        if on_progress is not None:
            on_progress(len(batch))
    return features
