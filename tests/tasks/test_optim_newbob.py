import pytest
import torch
from torch import nn

from sercl.errors import UsageError
from sercl.tasks.optim import NewBob, OptimizerConfig, build_optimizer


def optimizer():
    groups = {"head": [nn.Parameter(torch.zeros(1))], "encoder": [nn.Parameter(torch.zeros(1))]}
    return build_optimizer(groups, OptimizerConfig(head_lr=1e-4, encoder_lr=1e-5))


def rates(found):
    return [group["lr"] for group in found.param_groups]


def test_rates_fall_where_the_error_falls_by_less_than_a_quarter_of_a_percent_of_itself():
    """By hand, as SpeechBrain's NewBobScheduler does with patient 0."""
    own = optimizer()
    schedule = NewBob(own)
    head, encoder = 1e-4, 1e-5
    for error, falls in (
        (0.5, False),
        (0.4, False),
        (0.3995, True),
        (0.45, True),
        (0.44, False),
        (0.44, True),
    ):
        schedule.step(torch.tensor(error))
        if falls:
            head, encoder = head * 0.8, encoder * 0.9
        assert rates(own) == pytest.approx([head, encoder]), error


def test_a_resumed_schedule_goes_on():
    first, second = optimizer(), optimizer()
    whole, resumed = NewBob(first), NewBob(second)
    whole.step(0.5)
    resumed.load_state_dict(whole.state_dict())
    for schedule in (whole, resumed):
        schedule.step(0.6)
    assert rates(first) == rates(second) == pytest.approx([0.8e-4, 0.9e-5])


def test_an_error_of_zero_cannot_fall():
    own = optimizer()
    schedule = NewBob(own)
    schedule.step(0.0)
    schedule.step(0.0)
    assert rates(own) == pytest.approx([0.8e-4, 0.9e-5])


@pytest.mark.parametrize("options", [{"head": 0}, {"encoder": 1.1}, {"threshold": -1}])
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(UsageError, match=r"newbob: "):
        NewBob(optimizer(), **options)
