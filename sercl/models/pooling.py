"""From frames to one vector per utterance, over valid frames only."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor, nn

from sercl.imports import ClassSpec
from sercl.models.parts import check_part

_VARIANCE_FLOOR = 1e-10
"""Keeps the gradient of the square root finite for constant features."""

_ATTENTION_DIM = 128


def frame_mask(hidden: Tensor, lengths: Tensor) -> Tensor:
    """Return which frames are valid, not padding.

    Args:
        hidden: `[batch, frames, ...]`.
        lengths: `[batch]` integers, valid frames per row.

    Returns:
        `[batch, frames]` bool, true on valid frames.
    """
    positions = torch.arange(hidden.shape[1], device=hidden.device)
    return positions < lengths.to(hidden.device).unsqueeze(1)


def masked_mean(hidden: Tensor, lengths: Tensor) -> Tensor:
    """Average over valid frames.

    Args:
        hidden: `[batch, frames, dim]`; values beyond a row's length are ignored.
        lengths: `[batch]` integers, at least 1.

    Returns:
        `[batch, dim]`, at least float32.
    """
    return _weighted_mean(_at_least_float32(hidden), _uniform(hidden, lengths))


def masked_mean_std(hidden: Tensor, lengths: Tensor) -> Tensor:
    """Average and population standard deviation over valid frames.

    Args:
        hidden: `[batch, frames, dim]`; values beyond a row's length are ignored.
        lengths: `[batch]` integers, at least 1.

    Returns:
        `[batch, 2 * dim]`, at least float32: means, then standard deviations. A feature that does not vary
        has standard deviation 1e-5 and gradient zero, never NaN.
    """
    hidden, weights = _at_least_float32(hidden), _uniform(hidden, lengths)
    mean = _weighted_mean(hidden, weights)
    variance = _weighted_mean((hidden - mean.unsqueeze(1)).square(), weights)
    return torch.cat([mean, variance.clamp(min=_VARIANCE_FLOOR).sqrt()], dim=-1)


class Pooling(nn.Module):
    """Base of the poolings: `forward(hidden [batch, frames, dim], lengths [batch])` -> `[batch, out_dim]`.

    Frames beyond a row's length are padding, which must be ignored; see `frame_mask`. Your own pooling is a
    subclass whose constructor takes the width of a hidden state first.

    Attributes:
        out_dim: Width of a pooled vector.
    """

    def __init__(self, out_dim: int) -> None:
        super().__init__()
        self.out_dim = out_dim

    @property
    def frozen(self) -> bool:
        """Whether it has no parameters, so that pooled vectors can be computed once and stored."""
        return next(self.parameters(), None) is None

    def clip(self, frames: Tensor) -> Tensor:
        """Pool one clip without padding, `[frames, dim]` to `[out_dim]`: like `forward`, but faster."""
        pooled: Tensor = self(frames[None], torch.tensor([len(frames)]))
        return pooled[0]


class MeanPooling(Pooling):
    """`masked_mean` as a module."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """Pool `[batch, frames, dim]` to `[batch, dim]`."""
        return masked_mean(hidden, lengths)

    def clip(self, frames: Tensor) -> Tensor:
        """Pool `[frames, dim]` to `[dim]`."""
        return _at_least_float32(frames).mean(0)


class MeanStdPooling(Pooling):
    """`masked_mean_std` as a module."""

    def __init__(self, dim: int) -> None:
        super().__init__(2 * dim)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """Pool `[batch, frames, dim]` to `[batch, 2 * dim]`."""
        return masked_mean_std(hidden, lengths)

    def clip(self, frames: Tensor) -> Tensor:
        """Pool `[frames, dim]` to `[2 * dim]`."""
        frames = _at_least_float32(frames)
        mean = frames.mean(0)
        variance = (frames - mean).square().mean(0)
        return torch.cat([mean, variance.clamp(min=_VARIANCE_FLOOR).sqrt()])


class AttentivePooling(Pooling):
    """Weighted average over valid frames, the weights from a small network on each frame.

    The weight of a frame is the softmax over time of `v . tanh(W h + b)` (Okabe et al. 2018, "Attentive
    Statistics Pooling", eq. 2 to 4). `v` starts at zero: at first this is the masked mean.

    Args:
        dim: Width of a hidden state.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.project = nn.Linear(dim, _ATTENTION_DIM)
        self.score = nn.Linear(_ATTENTION_DIM, 1, bias=False)
        nn.init.zeros_(self.score.weight)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """Pool `[batch, frames, dim]` to `[batch, dim]`."""
        return _weighted_mean(_at_least_float32(hidden), self.weights(hidden, lengths))

    def weights(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """Return the weight of each frame, `[batch, frames]`: zero on padding, each row's sum is 1."""
        mask = frame_mask(hidden, lengths)
        valid = hidden.masked_fill(~mask.unsqueeze(-1), 0.0)
        scores: Tensor = self.score(torch.tanh(self.project(valid))).squeeze(-1).float()
        return scores.masked_fill(~mask, -torch.inf).softmax(dim=1)


POOLINGS: Mapping[str, type[MeanPooling | MeanStdPooling | AttentivePooling]] = MappingProxyType(
    {"mean": MeanPooling, "mean+std": MeanStdPooling, "attentive": AttentivePooling}
)
"""All poolings by name."""


CALLED_WITH = ("the width of a hidden state",)
"""What a pooling is called with."""


def build_pooling(pooling: str | Mapping[str, Any], dim: int, option: str = "model.pooling") -> Pooling:
    """Build a pooling.

    Args:
        pooling: "mean", "mean+std" or "attentive"; or the import path of a subclass of `Pooling`, which is
            called with `dim`, or a map of class_path and init_args.
        dim: Width of a hidden state.
        option: The option, for messages.

    Raises:
        UnknownNameError: For another name, or an argument that the class does not have.
        UsageError: For a class that cannot be built.
        ImportNotAllowedError: For a package that the user does not allow.
    """
    spec = ClassSpec.of(pooling, option, POOLINGS)
    kind = spec.find(POOLINGS, option, Pooling)
    return cast(Pooling, spec.build(kind, option, dict.fromkeys(CALLED_WITH, dim)))


def name_of(pooling: Pooling) -> str | None:
    """Return the name of a pooling of `POOLINGS`; None for one of the user's."""
    return next((name for name, kind in POOLINGS.items() if type(pooling) is kind), None)


def check_pooling(pooling: Pooling, dim: int) -> None:
    """Raise `UsageError` unless a pooling maps `[batch, frames, dim]` to `[batch, out_dim]`."""
    inputs = [torch.zeros(2, 3, dim), torch.tensor([3, 2])]
    check_part(pooling, "pooling", Pooling, inputs, [2, getattr(pooling, "out_dim", 0)])


def _uniform(hidden: Tensor, lengths: Tensor) -> Tensor:
    return frame_mask(hidden, lengths) / lengths.to(hidden.device).unsqueeze(1)


def _weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    # `where` instead of multiplying by zero: padding may contain inf or NaN.
    valid = values.masked_fill(weights.unsqueeze(-1) == 0, 0.0)
    return (valid * weights.unsqueeze(-1)).sum(dim=1)


def _at_least_float32(hidden: Tensor) -> Tensor:
    return hidden.to(torch.promote_types(hidden.dtype, torch.float32))
