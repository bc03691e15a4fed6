"""Transformer blocks over the concatenated frames of several clips, without gradients."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sercl.models.encoders.fast.adapted import Changes
from sercl.models.encoders.fast.attention import SelfAttention
from sercl.models.encoders.fast.packed import PackedLinear


class Block:
    """Attention and feed-forward, each with its norm, around a float32 residual stream.

    Args:
        attention: The attention.
        norms: The norm of the attention and that of the feed-forward.
        feed_forward: Its two matrices, with a GELU between them.
        dtype: Precision of the products.
        changes: By adapters.
    """

    def __init__(
        self,
        attention: SelfAttention,
        norms: tuple[nn.LayerNorm, nn.LayerNorm],
        feed_forward: tuple[nn.Linear, nn.Linear],
        dtype: torch.dtype,
        changes: Changes,
    ) -> None:
        up, down = feed_forward
        self._attention, self._norms, self._dtype = attention, norms, dtype
        self._before, self._after = changes
        self._up = PackedLinear(up.weight, up.bias, dtype, gelu=True)
        self._down = PackedLinear(down.weight, down.bias, dtype)

    def __call__(self, rows: Tensor, lengths: Sequence[int], positions: Sequence[Tensor]) -> Tensor:
        """Map `[total frames, dim]` float32 to the same; see `SelfAttention` for the rest."""
        raise NotImplementedError

    def _feed_forward(self, rows: Tensor) -> Tensor:
        return self._after(self._down(self._up(rows.to(self._dtype))))


class NormFirstBlock(Block):
    """Norms before attention and feed-forward: stable-layer-norm models and Whisper."""

    def __call__(self, rows: Tensor, lengths: Sequence[int], positions: Sequence[Tensor]) -> Tensor:
        """Map `[total frames, dim]` float32 to the same."""
        before_attention, before_feed_forward = self._norms
        rows = self._before(rows)
        rows = rows + self._attention(before_attention(rows).to(self._dtype), lengths, positions)
        return rows.add_(self._feed_forward(before_feed_forward(rows)))


class NormLastBlock(Block):
    """Norms after the sums: base-sized models and data2vec."""

    def __call__(self, rows: Tensor, lengths: Sequence[int], positions: Sequence[Tensor]) -> Tensor:
        """Map `[total frames, dim]` float32 to the same."""
        after_attention, after_feed_forward = self._norms
        rows = self._before(rows)
        rows = after_attention(rows + self._attention(rows.to(self._dtype), lengths, positions))
        normed: Tensor = after_feed_forward(rows.add_(self._feed_forward(rows)))
        return normed


def run_blocks(
    blocks: Sequence[Block], rows: Tensor, lengths: Sequence[int], positions: Sequence[Tensor] = ()
) -> list[Tensor]:
    """Return the input of the first block and the output of each, `[total frames, dim]` float32."""
    states = [rows]
    for block in blocks:
        states.append(block(states[-1], lengths, positions))
    return states
