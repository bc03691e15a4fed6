import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sercl.errors import UsageError
from sercl.tasks.optim import OptimizerConfig, build_optimizer, build_schedule


def parameter():
    return nn.Parameter(torch.ones(2))


def test_every_group_gets_its_own_rate_and_empty_groups_none():
    config = OptimizerConfig(head_lr=0.1, adapter_lr=0.01, encoder_lr=0.001, weight_decay=0.5, eps=1e-6)
    optimizer = build_optimizer({"head": [parameter()], "adapter": [], "encoder": [parameter()]}, config)
    assert [(group["name"], group["lr"]) for group in optimizer.param_groups] == [
        ("head", 0.1),
        ("encoder", 0.001),
    ]
    assert optimizer.param_groups[0]["weight_decay"] == 0.5
    assert optimizer.param_groups[0]["eps"] == 1e-6


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"schedule": "cosin"}, "cosine"),
        ({"head_lr": 0}, "head_lr"),
        ({"warmup": 1.0}, "warmup"),
        ({"eps": -1}, "eps"),
    ],
)
def test_bad_options_are_named(options, named):
    with pytest.raises(UsageError, match=named):
        OptimizerConfig(**options)


@given(st.integers(1, 1000), st.floats(0, 0.9), st.sampled_from(["constant", "cosine"]))
def test_factor_rises_to_one_and_stays_within_bounds(steps, warmup, schedule):
    config = OptimizerConfig(schedule=schedule, warmup=warmup)
    factors = [config.factor(step, steps) for step in range(steps)]
    warm = int(warmup * steps)
    assert all(0 < factor <= 1 for factor in factors)
    assert factors[:warm] == sorted(factors[:warm])
    assert factors[warm] == 1.0
    assert factors[warm:] == sorted(factors[warm:], reverse=True)


def test_cosine_equals_torch_where_there_is_no_warm_up():
    ours, theirs = (build_optimizer({"head": [parameter()]}, OptimizerConfig(head_lr=1.0)) for _ in range(2))
    schedule = build_schedule(ours, OptimizerConfig(schedule="cosine"), 20)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, 20)
    for _ in range(20):
        ours.step(), theirs.step(), schedule.step(), reference.step()
        assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"], abs=1e-6)


def test_a_run_without_an_end_keeps_its_rate():
    assert OptimizerConfig(schedule="cosine", warmup=0.5).factor(10_000, math.inf) == 1.0
