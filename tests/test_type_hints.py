"""Whether plain data fits the type of an option."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
import torch

from sercl.type_hints import fits, hints_of


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (3, int, True),
        ("x", int, False),
        (True, float, False),
        (3, float, True),
        ([0.9, 0.99], tuple[float | torch.Tensor, float | torch.Tensor], True),
        (0.9, tuple[float | torch.Tensor, float | torch.Tensor], False),
        ("a", Literal["a", "b"], True),
        ("c", Literal["a", "b"], False),
        ("x", Path, True),  # plain data has no paths: what the class does with a text is its own
        ("x", Path | None, True),
        ("x", float | torch.Tensor, False),
        ([1], Sequence[int], True),
        (None, float | None, True),
        ("x", list[int] | None, False),
        ([1, 2], tuple[int, ...], True),
    ],
)
def test_what_fits(value, hint, expected):
    assert fits(value, hint) is expected


def test_types_that_cannot_be_read_are_none():
    def odd(x: "Absent") -> None:  # noqa: F821
        """Its type only exists for type checkers."""

    assert hints_of(odd) == {}
    assert hints_of(torch.optim.AdamW)["eps"] is float
