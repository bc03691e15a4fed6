"""Check the parts of a model that users write, before anything is trained."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sercl.errors import UsageError


@torch.no_grad()
def check_part(
    part: nn.Module, what: str, base: type[nn.Module], inputs: Sequence[Tensor], expected: Sequence[int]
) -> None:
    """Raise `UsageError` unless a part of a model maps zeros of the right shape to the right shape.

    Args:
        part: A new module, in training mode.
        what: What it is, for messages: "head".
        base: The class of which it must be.
        inputs: Its inputs, the first the hidden states or vectors.
        expected: Shape of its output.
    """
    if not isinstance(part, base):
        raise UsageError(
            f"the {what} {type(part).__name__} must be a subclass of {base.__module__}.{base.__qualname__}."
        )
    shape = list(inputs[0].shape)
    part.eval()
    try:
        found = list(part(*inputs).shape)
    except Exception as error:  # of the user's own module, which may raise anything
        raise UsageError(
            f"the {what} fails on an input of shape {shape}: {type(error).__name__}: {error}"
        ) from error
    if found != list(expected):
        raise UsageError(
            f"the {what} must map an input of shape {shape} to {list(expected)}, but makes {found}."
        )
    part.train()
