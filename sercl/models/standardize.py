"""Standardisation of features: fitted on training data, stored with the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Self, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from sercl.errors import UnknownNameError, UsageError
from sercl.models.pooling import frame_mask


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations of a set of vectors: enough to merge two sets exactly.

    Attributes:
        count: Number of vectors.
        mean: `[*shape]` float64.
        squares: `[*shape]` float64, sum over the vectors of (x - mean)^2.
    """

    count: int
    mean: Tensor
    squares: Tensor

    @classmethod
    def of(cls, x: Tensor) -> Self:
        """Return the moments of `x`, `[n, *shape]`, n at least 1."""
        values = x.detach().double()
        mean = values.mean(dim=0)
        return cls(len(values), mean, (values - mean).square().sum(dim=0))

    def merge(self, other: "Moments") -> "Moments":
        """Return the moments of both sets together (Chan, Golub and LeVeque 1983, eq. 2.1)."""
        count = self.count + other.count
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.count / count)
        squares = self.squares + other.squares + delta.square() * (self.count * other.count / count)
        return Moments(count, mean, squares)

    def std(self) -> Tensor:
        """Return the population standard deviation, `[*shape]` float64; 1 for a constant feature."""
        return self._spread().masked_fill(self.constant(), 1.0)

    def constant(self) -> Tensor:
        """Return which features are constant, `[*shape]` bool."""
        # A spread below float32's resolution of the values is rounding error, not information.
        return self._spread() <= self.mean.abs() * torch.finfo(torch.float32).eps

    def _spread(self) -> Tensor:
        return (self.squares / self.count).sqrt()


class Standardizer(nn.Module):
    """`(x - mean) / std` per feature, with statistics of the training data.

    Pass the training data to `update` in any number of pieces, then call `finish`. The statistics are
    buffers, so checkpoints contain them.

    Args:
        shape: Shape of one vector: `dim` or `(states, dim)`.
    """

    mean: Tensor
    std: Tensor
    fitted: Tensor

    def __init__(self, shape: int | Sequence[int]) -> None:
        super().__init__()
        size = (shape,) if isinstance(shape, int) else tuple(shape)
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))
        self.register_buffer("fitted", torch.tensor(False))
        self._moments: Moments | None = None
        # A copy of `fitted` on the CPU: reading the buffer would make every step wait for the GPU.
        self._ready = False
        self.register_load_state_dict_post_hook(_note_fitted)  # type: ignore[no-untyped-call]

    def update(self, x: Tensor, corpora: Sequence[str] | None = None) -> None:
        """Add training features `[n, *shape]` of any corpora; no effect on `forward` until `finish`."""
        moments = Moments.of(x)
        self._moments = moments if self._moments is None else self._moments.merge(moments)

    def finish(self) -> None:
        """Set the statistics from all training features, of all ranks if `torch.distributed` runs.

        Raises:
            UsageError: If there were no training features.
        """
        moments = merge_ranks(self._moments)
        if moments is None:
            raise _no_features()
        self.mean.copy_(moments.mean)
        self.std.copy_(moments.std())
        self.fitted.fill_(True)
        self._moments, self._ready = None, True

    def keep(self, states: Sequence[int]) -> None:
        """Drop the statistics of all but some states of a shape `(states, dim)`."""
        self.mean, self.std = self.mean[states], self.std[states]

    def forward(self, x: Tensor, corpora: Sequence[str] | None = None) -> Tensor:
        """Standardise `[..., *shape]` of any corpora.

        Raises:
            UsageError: If the statistics were neither fitted nor loaded.
        """
        if not self._ready:
            raise _not_fitted()
        return (x - self.mean) / self.std


class CorpusStandardizer(nn.Module):
    """`(x - mean) / std` per feature, with the statistics of each corpus.

    What is from any other corpus, or from an unknown one, is standardised by those of all corpora together.
    The statistics are buffers, the first of them those of all; `names` belongs into checkpoints, too.

    Args:
        shape: Shape of one vector, as of `Standardizer`.

    Attributes:
        names: The corpora, sorted.
    """

    mean: Tensor
    scale: Tensor
    fitted: Tensor

    def __init__(self, shape: int | Sequence[int]) -> None:
        super().__init__()
        self._shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self.register_buffer("fitted", torch.tensor(False))
        self._moments: dict[str, Moments] = {}
        self.hold(())

    def hold(self, names: Sequence[str]) -> None:
        """Make room for the statistics of some corpora, before weights are loaded."""
        self.names = tuple(names)
        size, device = (1 + len(self.names), *self._shape), self.fitted.device
        self.register_buffer("mean", torch.zeros(size, device=device))
        self.register_buffer("scale", torch.ones(size, device=device))
        self._rows = {name: row for row, name in enumerate(self.names, start=1)}

    def update(self, x: Tensor, corpora: Sequence[str] | None) -> None:
        """Add features `[n, *shape]` of `n` corpora; no effect on `forward` until `finish`.

        Raises:
            UsageError: For data that do not say which corpus an utterance is from.
        """
        if corpora is None:
            raise UsageError("standardize corpus: the batches do not name the corpus of their utterances.")
        for name in dict.fromkeys(corpora):
            moments = Moments.of(x[[own == name for own in corpora]])
            self._moments[name] = self._moments[name].merge(moments) if name in self._moments else moments

    def finish(self) -> None:
        """Set the statistics from all features, of all ranks if `torch.distributed` runs.

        Raises:
            UsageError: If there were no features.
        """
        found = _merged_by_name(self._moments)
        if not found:
            raise _no_features()
        self.hold(sorted(found))
        every = (reduce(Moments.merge, found.values()), *(found[name] for name in self.names))
        for row, moments in enumerate(every):
            self.mean[row] = moments.mean
            # 0 for a constant feature: rounding errors divided by a deviation near 0 would be information.
            self.scale[row] = (1 / moments.std()).masked_fill(moments.constant(), 0)
        self.fitted.fill_(True)
        self._moments = {}

    def keep(self, states: Sequence[int]) -> None:
        """Drop the statistics of all but some states of a shape `(states, dim)`."""
        self.mean, self.scale = self.mean[:, states], self.scale[:, states]

    def forward(self, x: Tensor, corpora: Sequence[str] | None = None) -> Tensor:
        """Standardise `[n, *shape]`, each vector by the statistics of its corpus.

        Args:
            x: The vectors.
            corpora: Name of the corpus of each; None if unknown.

        Raises:
            UsageError: If the statistics were neither fitted nor loaded.
        """
        if not self.names:
            raise _not_fitted()
        rows = [self._rows.get(name, 0) for name in corpora] if corpora is not None else [0] * len(x)
        return (x - self.mean[rows]) * self.scale[rows]


def build_standardizer(
    standardize: bool | str, shape: int | Sequence[int]
) -> Standardizer | CorpusStandardizer | None:
    """Return the standardiser of an option: true, false (None), or `BY_CORPUS`.

    Raises:
        UnknownNameError: For another word.
    """
    if isinstance(standardize, bool):
        return Standardizer(shape) if standardize else None
    if standardize != BY_CORPUS:
        raise UnknownNameError("standardize", standardize, ("true", "false", BY_CORPUS))
    return CorpusStandardizer(shape)


BY_CORPUS = "corpus"
"""Choice of statistics of each corpus."""


def _not_fitted() -> UsageError:
    return UsageError("standardiser: not fitted; call update() and finish() on training features.")


def _no_features() -> UsageError:
    return UsageError("standardiser: there are no training features to fit it on.")


def merge_ranks(moments: Moments | None) -> Moments | None:
    """Merge the moments of all ranks of a distributed run; otherwise return them unchanged.

    If every rank has the same data, the statistics are those of one rank.
    """
    if not _is_distributed():
        return moments
    seen = [part for part in _of_all_ranks(None if moments is None else _on_cpu(moments)) if part is not None]
    return reduce(Moments.merge, seen) if seen else None


def _merged_by_name(moments: Mapping[str, Moments]) -> dict[str, Moments]:
    names = sorted({name for own in _of_all_ranks(tuple(moments)) for name in own})
    found = {name: merge_ranks(moments.get(name)) for name in names}
    return {name: merged for name, merged in found.items() if merged is not None}


def _is_distributed() -> bool:
    return dist.is_available() and dist.is_initialized()


Value = TypeVar("Value")


def _of_all_ranks(value: Value) -> list[Value]:
    if not _is_distributed():
        return [value]
    parts = [value] * dist.get_world_size()
    dist.all_gather_object(parts, value)
    return parts


def _on_cpu(moments: Moments) -> Moments:
    return Moments(moments.count, moments.mean.cpu(), moments.squares.cpu())


def _note_fitted(module: Standardizer, _incompatible: object) -> None:
    module._ready = bool(module.fitted)


_EPSILON = 1e-5  # of torch's layer norm


def centred(waveforms: Tensor, lengths: Tensor) -> Tensor:
    """Subtract the mean of each clip.

    Args:
        waveforms: `[batch, samples]`.
        lengths: `[batch]` integers, valid samples.

    Returns:
        `[batch, samples]`, zero beyond each clip's length.
    """
    valid = frame_mask(waveforms, lengths)
    mean = waveforms.masked_fill(~valid, 0.0).sum(dim=1) / lengths
    return (waveforms - mean[:, None]).masked_fill(~valid, 0.0)


def normed_vectors(vectors: Tensor) -> Tensor:
    """Normalise each vector to mean 0 and variance 1, without weights.

    The blocks of a pre-norm encoder (Whisper, large wav2vec 2.0) normalise their input like this: the length
    of a vector, which depends on the recording, means nothing to them.

    Args:
        vectors: `[..., dim]`.

    Returns:
        `[..., dim]`.
    """
    return F.layer_norm(vectors, vectors.shape[-1:])


def layer_normed(hidden: Tensor, lengths: Tensor) -> Tensor:
    """Normalise each clip to zero mean and unit variance over all its frames and features, without weights.

    SpeechBrain's `output_norm` of an encoder does this, but includes the padding of a batch.

    Args:
        hidden: `[batch, frames, states, dim]`; each state is normalised separately.
        lengths: `[batch]` integers, valid frames.

    Returns:
        `[batch, frames, states, dim]`, zero beyond each clip's length.
    """
    valid = frame_mask(hidden, lengths)[:, :, None, None]
    count = (lengths.to(hidden.device) * hidden.shape[-1])[:, None, None, None]
    mean = hidden.masked_fill(~valid, 0.0).sum(dim=(1, 3), keepdim=True) / count
    rest = (hidden - mean).masked_fill(~valid, 0.0)
    variance = rest.square().sum(dim=(1, 3), keepdim=True) / count
    return rest / (variance + _EPSILON).sqrt()
