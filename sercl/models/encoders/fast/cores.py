"""Clips of a batch on several cores, each with clips of its own.

Where all cores share each product, they wait for each other at its end: on two cores for a tenth of the time.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch
from torch import Tensor

from sercl.models.encoders.fast.packed import JoinedStates
from sercl.threads import one_thread

Encode = Callable[[Sequence[Tensor]], tuple[list[Tensor], list[int]]]
"""Maps clips to a tensor `[total frames, dim]` per hidden state, and the frames of each clip."""

_WORST = 1.08
"""Most work of a core relative to the mean: beyond it, sharing each product takes less time."""


def on_all_cores(encode: Encode, clips: Sequence[Tensor]) -> JoinedStates:
    """Return the hidden states of clips, computed on as many cores as torch may use.

    Args:
        encode: Called in several threads at once, without gradients.
        clips: `[..., samples]` each.
    """
    groups = shares([clip.shape[-1] for clip in clips], torch.get_num_threads())
    if len(groups) < 2:
        return JoinedStates(*encode(clips))
    work = partial(_without_gradients, encode, torch.is_inference_mode_enabled())
    with one_thread(), ThreadPoolExecutor(len(groups), "sercl-core") as pool:
        found = pool.map(work, [[clips[index] for index in group] for group in groups])
        return _SharedStates(groups, [JoinedStates(*own) for own in found])


def shares(lengths: Sequence[int], cores: int) -> list[list[int]]:
    """Return the indices of the clips of each core; all in one list if they cannot be shared evenly.

    Args:
        lengths: Of the clips, at least one.
        cores: How many there are.
    """
    groups: list[list[int]] = [[] for _ in range(cores)]
    work = [0] * cores
    for index in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        lightest = work.index(min(work))
        groups[lightest].append(index)
        work[lightest] += lengths[index]
    return groups if max(work) * cores <= _WORST * sum(work) else [list(range(len(lengths)))]


class _SharedStates(JoinedStates):
    """Hidden states of clips of several groups, in the order of the clips."""

    def __init__(self, groups: Sequence[Sequence[int]], parts: Sequence[JoinedStates]) -> None:
        self._groups, self._parts = groups, parts

    def clips(self, state: int) -> list[Tensor]:
        """Return `[frames, dim]` of each clip at a hidden state, as views."""
        found = [
            pair
            for group, part in zip(self._groups, self._parts, strict=True)
            for pair in zip(group, part.clips(state), strict=True)
        ]
        return [clip for _, clip in sorted(found, key=lambda pair: pair[0])]

    def __len__(self) -> int:
        return len(self._parts[0])


def _without_gradients(
    encode: Encode, inference: bool, clips: Sequence[Tensor]
) -> tuple[list[Tensor], list[int]]:
    with torch.inference_mode(inference), torch.no_grad():  # both are settings of a thread
        return encode(clips)
