"""What an encoder returns."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from sercl.models.encoders.fast.packed import JoinedStates
from sercl.models.encoders.masking import frame_mask


@dataclass(frozen=True)
class EncoderOutput:
    """Hidden states of a batch of clips.

    Attributes:
        hidden_states: N + 1 tensors `[batch, frames, dim]` for N blocks: 0 is the input of block 1, k the
            output of block k. Where the encoder ends in a norm (stable-layer-norm models and Whisper), the
            last one has passed it. Frames beyond a row's length hold nothing of use.
        lengths: `[batch]` int64, valid frames per row.
    """

    hidden_states: Sequence[Tensor]
    lengths: Tensor

    @property
    def mask(self) -> Tensor:
        """`[batch, frames]` bool, true where a frame is valid."""
        return frame_mask(self.lengths, self.hidden_states[0].shape[1])

    def clips(self, state: int) -> list[Tensor]:
        """Return the valid frames `[frames, dim]` of each clip at a hidden state."""
        if isinstance(self.hidden_states, JoinedStates):
            return self.hidden_states.clips(state)
        padded = self.hidden_states[state]
        return [row[:length] for row, length in zip(padded, self.lengths.tolist(), strict=True)]
