import pytest
import torch
from torch import nn

from sercl.models.heads import build_head
from sercl.models.readout import WeightedSum
from sercl.models.stacked import StackedProbe


def heads(name: str, count: int) -> list[nn.Sequential]:
    return [build_head(name, 6, 4) for _ in range(count)]


@pytest.mark.parametrize("name", ["paper", "linear"])
def test_each_model_gives_what_its_head_gives(name: str) -> None:
    singles, x = heads(name, 3), torch.randn(3, 5, 6)
    expected = torch.stack([head(rows) for head, rows in zip(singles, x, strict=True)])
    torch.testing.assert_close(StackedProbe(singles)(x), expected)


def test_weighted_sums_are_those_of_the_single_module() -> None:
    singles, mix, x = heads("paper", 2), WeightedSum(4), torch.randn(2, 5, 4, 6)
    mix.scores.data = torch.randn(4)
    probe = StackedProbe(singles, 4)
    assert probe.mix is not None
    probe.mix.scores.data[:] = mix.scores.data
    expected = torch.stack([head(mix(rows.unbind(1))) for head, rows in zip(singles, x, strict=True)])
    torch.testing.assert_close(probe(x), expected)


@pytest.mark.parametrize("name", ["paper", "linear"])
def test_the_state_of_a_model_fits_a_single_head(name: str) -> None:
    singles = heads(name, 3)
    head = build_head(name, 6, 4)
    head.load_state_dict(StackedProbe(singles).state(1))
    torch.testing.assert_close(head.state_dict(), singles[1].state_dict())


def test_the_weights_are_copies() -> None:
    singles = heads("linear", 2)
    probe = StackedProbe([singles[0], singles[0]])
    next(probe.parameters()).data.zero_()
    assert singles[0][1].weight.abs().sum() > 0


def test_no_model_touches_another() -> None:
    probe = StackedProbe(heads("paper", 2))
    probe(torch.randn(2, 5, 6))[0].sum().backward()
    for parameter in probe.parameters():
        assert parameter.grad is not None
        assert parameter.grad[0].abs().sum() > 0
        assert parameter.grad[1].abs().sum() == 0


def test_models_can_be_dropped() -> None:
    singles, x = heads("paper", 3), torch.randn(3, 5, 6)
    probe, kept = StackedProbe(singles), torch.tensor([2, 0])
    expected = probe(x)[kept]
    probe.keep(kept)
    torch.testing.assert_close(probe(x[kept]), expected)
    probe(x[kept]).sum().backward()


def test_what_cannot_be_stacked_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="Dropout"):
        StackedProbe([build_head("linear", 6, 4, dropout=0.1)] * 2)
