import pytest
import torch

from sercl.models.readout import WeightedSum


def test_starts_as_the_mean_of_the_states() -> None:
    states = tuple(torch.randn(4, 2, 3, 5))
    torch.testing.assert_close(WeightedSum(4)(states), torch.stack(states).mean(0))


def test_follows_its_weights() -> None:
    mix = WeightedSum(3)
    mix.scores.data = torch.tensor([0.0, 1.0, 2.0])
    states = torch.randn(3, 2, 5)
    torch.testing.assert_close(mix(states), torch.einsum("s,sbd->bd", mix.weights, states))
    assert mix.weights.sum().item() == pytest.approx(1.0)
    assert mix.weights.argmax() == 2


def test_every_weight_is_trained() -> None:
    mix = WeightedSum(3)
    mix(torch.randn(3, 2, 5)).square().sum().backward()
    assert mix.scores.grad is not None
    assert (mix.scores.grad != 0).all()


@pytest.mark.parametrize("states", [2, 4])
def test_another_number_of_states_is_refused(states: int) -> None:
    with pytest.raises(ValueError, match="zip"):
        WeightedSum(3)(torch.randn(states, 2, 5))
