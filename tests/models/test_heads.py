import pytest
import torch
from torch import nn

from sercl.errors import UnknownNameError, UsageError
from sercl.models.heads import HEADS, build_head


def count(head: nn.Module) -> int:
    return sum(parameter.numel() for parameter in head.parameters())


def test_paper_head_is_the_studys() -> None:
    head = build_head("paper", 768, 4)
    assert count(head) == (768 * 128 + 128) + (128 * 16 + 16) + (16 * 4 + 4)
    names = [type(layer).__name__ for layer in head if not isinstance(layer, nn.Dropout)]
    assert names == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]


def test_linear_head_is_linear() -> None:
    head = build_head("linear", 5, 3)
    assert count(head) == 5 * 3 + 3
    x, y = torch.randn(2, 1, 5)
    torch.testing.assert_close(head(x + y) + head(torch.zeros(1, 5)), head(x) + head(y))


@pytest.mark.parametrize("name", HEADS)
def test_output_has_a_score_per_class(name: str) -> None:
    assert build_head(name, 6, 7)(torch.randn(2, 6)).shape == (2, 7)


def test_dropout_acts_in_training_only() -> None:
    head = build_head("linear", 64, 2, dropout=0.5)
    x = torch.randn(1, 64)
    assert not torch.equal(head(x), head(x))
    head.eval()
    assert torch.equal(head(x), head(x))


def test_wrong_options_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'linear'"):
        build_head("lineal", 6, 4)
    with pytest.raises(UsageError, match="dropout 1"):
        build_head("linear", 6, 4, dropout=1)
    with pytest.raises(UsageError, match="at least 2"):
        build_head("linear", 6, 1)
