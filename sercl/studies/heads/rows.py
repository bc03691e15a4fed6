"""Features as probes use them: one block of rows per fold and layer, standardised once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from sercl.counting import count
from sercl.errors import FeatureError, UsageError
from sercl.models.standardize import Moments

CHUNK_BYTES = 1 << 25
"""Rows are gathered in chunks of about this size where gradients are not needed."""


Adapt = Callable[[Tensor], Tensor]
"""Transforms float32 features `[utterances, dim]` of one hidden state, in the same order."""


@dataclass(frozen=True)
class View:
    """How features are transformed for probes; equal views share a copy.

    Attributes:
        reference: Rows whose statistics standardise the features; a repeated row counts as often. Empty for
            raw features.
        adapt: Transformation before that; None for none. It must be hashable.
    """

    reference: tuple[int, ...] = ()
    adapt: Adapt | None = None


@dataclass(frozen=True)
class Rows:
    """Blocks of features over the same utterances.

    Attributes:
        values: `[blocks, utterances, *shape]` float32; a probe uses one block.
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
        """Copy the features that some probes need, standardised if requested.

        Args:
            features: `[utterances, states, dim]`.
            labels: `[utterances]` class indices.
            blocks: For each block its layer, None for all states of every utterance, and its view.
            device: Device on which the probes are trained.
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
