"""Features as probes read them: one block of rows per fold and layer, standardised once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from sercl.counting import count
from sercl.errors import FeatureError, UsageError
from sercl.models.standardize import Moments

CHUNK_BYTES = 1 << 25
"""Rows are gathered in pieces of about this size where gradients are not needed."""


Adapt = Callable[[Tensor], Tensor]
"""Maps float32 features `[utterances, dim]` of one hidden state to other ones, in the same order."""


@dataclass(frozen=True)
class View:
    """How probes see features; views that are equal share a copy.

    Attributes:
        reference: Rows by whose statistics features are standardised; one that is repeated counts as often.
            None of them for features as they are.
        adapt: What is done to features before that; None for nothing. It must be hashable.
    """

    reference: tuple[int, ...] = ()
    adapt: Adapt | None = None


@dataclass(frozen=True)
class Rows:
    """Blocks of features over the same utterances.

    Attributes:
        values: `[blocks, utterances, *shape]` float32; a probe reads one block.
        labels: `[utterances]` int64 class indices.
    """

    values: Tensor
    labels: Tensor

    @classmethod
    def of(
        cls,
        features: Tensor,
        labels: Tensor,
        blocks: Sequence[tuple[int | None, View]],
        device: torch.device,
    ) -> Self:
        """Copy, and standardise where asked, what some probes need.

        Args:
            features: `[utterances, states, dim]`.
            labels: `[utterances]` class indices.
            blocks: For each block its layer, None for all states of every utterance, and how it is seen.
            device: Where the probes are trained.
        """
        shape = features.shape if blocks[0][0] is None else (len(features), features.shape[2])
        values = torch.empty(len(blocks), *shape, device=device)
        for block, (layer, view) in zip(values, blocks, strict=True):
            _fill(block, features if layer is None else features[:, layer], view)
        return cls(values, labels.to(device))

    def gather(self, blocks: Tensor, index: Tensor) -> Tensor:
        """Return `[models, rows, *shape]` of utterances `index` `[models, rows]` in `blocks` `[models]`."""
        flat = blocks.unsqueeze(1) * self.values.shape[1] + index
        picked = self.values.flatten(0, 1).index_select(0, flat.flatten())
        return picked.view(*index.shape, *picked.shape[1:])

    def chunk(self, models: int) -> int:
        """Return how many rows of each of `models` models may be gathered at once."""
        row = self.values[0, 0].numel() * self.values.element_size()
        return max(1, CHUNK_BYTES // (models * row))


def _fill(block: Tensor, features: Tensor, view: View) -> None:
    block.copy_(features if view.adapt is None else view.adapt(features))
    if view.reference:
        moments = Moments.of(block[torch.tensor(view.reference, device=block.device)])
        block.sub_(moments.mean.float()).div_(moments.std().float())


def check_shape(features: Tensor, ids: Sequence[str]) -> None:
    """Raise `UsageError` unless the features are `[utterances, states, dim]`, one row for each of `ids`."""
    if features.ndim != 3 or len(features) != len(ids):
        raise UsageError(
            f"probe: features of shape {list(features.shape)} for {len(ids)} utterances; expected "
            "[utterances, states, dim]."
        )


def check_layers(layers: Sequence[int], states: int) -> None:
    """Raise `UsageError` unless `layers` are different hidden states from 0 to `states` - 1."""
    if not layers or min(layers) < 0 or max(layers) >= states or len(set(layers)) < len(layers):
        raise UsageError(
            f"probe layers {', '.join(map(str, layers)) or 'none'}: valid: hidden states from 0 to "
            f"{states - 1}, each once."
        )


def check_finite(features: Tensor, ids: Sequence[str], layers: Sequence[int]) -> None:
    """Raise `FeatureError` for NaN or infinite values in a layer, naming the first utterance."""
    for layer in layers:
        broken = (~torch.isfinite(features[:, layer]).all(dim=-1)).nonzero().flatten()
        if len(broken):
            raise FeatureError(
                f"hidden state {layer} of utterance {ids[int(broken[0])]!r} holds NaN or infinite values "
                f"({count(len(broken), 'such utterance')} in this layer). Check the audio file and the "
                "precision of the encoder, and extract the features again."
            )
