"""Hidden states of several clips one below the other, without padding between them."""

from collections.abc import Sequence
from typing import overload

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

_STEP = 32


def join(clips: Sequence[Tensor]) -> Tensor:
    """Put clips `[frames, dim]` below each other, and zeros below them up to a multiple of 32 rows.

    oneDNN writes code for each number of rows that it sees, which in bfloat16 takes as long as to run it.
    """
    rows = sum(map(len, clips))
    return torch.cat([*clips, clips[0].new_zeros(-rows % _STEP, clips[0].shape[1])])


class JoinedStates(Sequence[Tensor]):
    """Hidden states that are padded to `[batch, frames, dim]` when they are asked for, as a sequence.

    Args:
        rows: A tensor `[total frames, dim]` per hidden state.
        lengths: Frames of each clip.
    """

    def __init__(self, rows: Sequence[Tensor], lengths: Sequence[int]) -> None:
        self._rows, self._lengths = rows, list(lengths)

    def clips(self, state: int) -> list[Tensor]:
        """Return `[frames, dim]` of each clip at a hidden state, as views."""
        return list(self._rows[state].split_with_sizes(self._lengths))

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, state: int) -> Tensor: ...
    @overload
    def __getitem__(self, state: slice) -> tuple[Tensor, ...]: ...
    def __getitem__(self, state: int | slice) -> Tensor | tuple[Tensor, ...]:
        """Return one hidden state, or some, zero beyond each clip's end."""
        if isinstance(state, slice):
            return tuple(self[index] for index in range(*state.indices(len(self))))
        return pad_sequence(self.clips(state), batch_first=True)
