"""Classification heads: pooled vectors to class scores."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import nn

from sercl.counting import count
from sercl.errors import UnknownNameError, UsageError


def _paper(in_dim: int, num_classes: int) -> list[nn.Module]:
    return [
        nn.Linear(in_dim, 128),
        nn.ReLU(),
        nn.Linear(128, 16),
        nn.ReLU(),
        nn.Linear(16, num_classes),
    ]


def _linear(in_dim: int, num_classes: int) -> list[nn.Module]:
    return [nn.Linear(in_dim, num_classes)]


HEADS: Mapping[str, Callable[[int, int], list[nn.Module]]] = MappingProxyType(
    {"paper": _paper, "linear": _linear}
)
"""Every head by its name."""


def build_head(name: str, in_dim: int, num_classes: int, dropout: float = 0.0) -> nn.Sequential:
    """Build a classification head.

    Args:
        name: "paper": Linear(in_dim, 128), ReLU, Linear(128, 16), ReLU, Linear(16, num_classes), the head of
            arXiv 2409.16920; or "linear": one Linear(in_dim, num_classes).
        in_dim: Width of a pooled vector.
        num_classes: Number of classes, at least 2.
        dropout: Probability with which an input feature is dropped in training, from 0 to below 1.

    Returns:
        A module from `[batch, in_dim]` to `[batch, num_classes]` unnormalised scores (logits).

    Raises:
        UnknownNameError: For another name.
        UsageError: For a dropout outside 0 <= dropout < 1, or fewer than 2 classes.
    """
    if name not in HEADS:
        raise UnknownNameError("head", name, HEADS)
    if not 0 <= dropout < 1:
        raise UsageError(f"head dropout {dropout}: valid: 0 <= dropout < 1.")
    if num_classes < 2:
        raise UsageError(f"head for {count(num_classes, 'class', 'classes')}: at least 2 are needed.")
    return nn.Sequential(nn.Dropout(dropout), *HEADS[name](in_dim, num_classes))
