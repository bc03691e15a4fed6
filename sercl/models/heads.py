"""Classification heads: pooled vectors to class scores."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from sercl.counting import count
from sercl.errors import UsageError
from sercl.imports import ClassSpec
from sercl.models.parts import check_part


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
"""All heads by name."""


TORCH_HEADS: Mapping[str, type[nn.Module]] = MappingProxyType({"torch.nn.Linear": nn.Linear})
"""Classes of torch that are heads: called with the width of a vector and the number of classes."""


CALLED_WITH = ("the width of a vector", "the number of classes")
"""What a head is called with."""


def build_head(
    head: str | Mapping[str, Any],
    in_dim: int,
    num_classes: int,
    dropout: float = 0.0,
    option: str = "model.head",
) -> nn.Sequential:
    """Build a classification head.

    Args:
        head: "paper": Linear(in_dim, 128), ReLU, Linear(128, 16), ReLU, Linear(16, num_classes), the head of
            arXiv 2409.16920; "linear": one Linear(in_dim, num_classes); the import path of a class, which is
            called with `in_dim` and `num_classes`; or a map of class_path and init_args.
        in_dim: Width of a pooled vector.
        num_classes: Number of classes, at least 2.
        dropout: Probability with which an input feature is dropped in training, from 0 to below 1.
        option: The option, for messages.

    Returns:
        A module from `[batch, in_dim]` to `[batch, num_classes]` unnormalised scores (logits).

    Raises:
        UnknownNameError: For another name, or an argument that the class does not have.
        UsageError: For a dropout outside 0 <= dropout < 1, fewer than 2 classes, or a class that cannot be
            built.
        ImportNotAllowedError: For a package that the user does not allow.
    """
    named = {**HEADS, **TORCH_HEADS}
    spec = ClassSpec.of(head, option, named)
    if not 0 <= dropout < 1:
        raise UsageError(f"head dropout {dropout}: valid: 0 <= dropout < 1.")
    if num_classes < 2:
        raise UsageError(f"head for {count(num_classes, 'class', 'classes')}: at least 2 are needed.")
    kind = spec.find(named, option, nn.Module)
    built = spec.build(kind, option, dict(zip(CALLED_WITH, (in_dim, num_classes), strict=True)))
    return nn.Sequential(nn.Dropout(dropout), *(built if spec.name in HEADS else [built]))


def is_one_layer(head: nn.Module) -> bool:
    """Return whether a head is one linear layer with biases, with or without dropout before it."""
    match list(head) if isinstance(head, nn.Sequential) else []:
        case [nn.Dropout(), nn.Linear() as layer]:
            return type(layer) is nn.Linear and layer.bias is not None
    return False


def names_one_layer(head: str | Mapping[str, Any], option: str = "model.head") -> bool:
    """Return whether the option of a head, as in `build_head`, is for one linear layer with biases."""
    named = {**HEADS, **TORCH_HEADS}
    is_known = ClassSpec.of(head, option, named).name in named
    return is_known and is_one_layer(build_head(head, 1, 2, option=option))


def check_head(head: nn.Module, dim: int, classes: int) -> None:
    """Raise `UsageError` unless a head maps `[n, dim]` to `[n, classes]`."""
    check_part(head, "head", nn.Module, [torch.zeros(2, dim)], [2, classes])
