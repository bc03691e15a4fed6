import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from sercl.errors import UsageError
from sercl.tasks.optim import (
    ALGORITHMS,
    OptimizerConfig,
    build_optimizer,
    build_schedule,
    depends_on_length,
    schedule_options,
)


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


GROUPS = {"head": 0.1, "adapter": 0.02}


def pair(**options):
    """Return an optimiser of two groups and its schedule over ten steps."""
    config = OptimizerConfig(head_lr=0.1, adapter_lr=0.02, **options)
    optimizer = build_optimizer({name: [parameter()] for name in GROUPS}, config)
    return optimizer, build_schedule(optimizer, config, 10)


def rates(optimizer):
    return [group["lr"] for group in optimizer.param_groups]


def spec(name, **arguments):
    return {"class_path": name, "init_args": arguments}


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if "." not in name])
def test_every_algorithm_keeps_the_rates_of_the_groups_and_trains(name):
    optimizer, _ = pair(algorithm=name)
    assert type(optimizer) is ALGORITHMS[name]
    assert rates(optimizer) == list(GROUPS.values())
    before = optimizer.param_groups[0]["params"][0].clone()
    for group in optimizer.param_groups:
        group["params"][0].sum().backward()
    optimizer.step()
    assert not torch.equal(before, optimizer.param_groups[0]["params"][0])
    decay = optimizer.param_groups[0].get("weight_decay")
    assert decay in (None, 1e-5)


def test_arguments_reach_the_algorithm_by_name_or_path():
    for name in ("sgd", "torch.optim.SGD"):
        optimizer, _ = pair(algorithm=spec(name, momentum=0.9, nesterov=True))
        assert (optimizer.param_groups[1]["momentum"], optimizer.param_groups[1]["nesterov"]) == (0.9, True)


def test_one_cycle_goes_to_the_rate_of_each_group_and_ends_with_the_training():
    optimizer, schedule = pair(schedule="one-cycle")
    seen = [rates(optimizer)]
    for _ in range(10):
        optimizer.step(), schedule.step()
        seen.append(rates(optimizer))
    assert [max(column) for column in zip(*seen, strict=True)] == pytest.approx(list(GROUPS.values()))
    assert schedule_options(schedule, "val/loss", 1)["interval"] == "step"
    theirs = build_optimizer({name: [parameter()] for name in GROUPS}, OptimizerConfig())
    OneCycleLR(theirs, [0.1, 0.02], total_steps=10)
    assert seen[0] == pytest.approx(rates(theirs))


def test_plateau_and_newbob_follow_a_value_once_per_validation():
    for name in ("plateau", "newbob"):
        _, schedule = pair(schedule=name)
        options = schedule_options(schedule, "val/error", 3)
        assert {key: options[key] for key in ("interval", "monitor", "frequency")} == {
            "interval": "epoch", "monitor": "val/error", "frequency": 3,
        }  # fmt: skip


def test_torchs_schedules_step_per_epoch():
    optimizer, schedule = pair(schedule=spec("torch.optim.lr_scheduler.StepLR", step_size=1, gamma=0.5))
    assert schedule_options(schedule, "val/loss", 1)["interval"] == "epoch"
    optimizer.step(), schedule.step()
    assert rates(optimizer) == pytest.approx([0.05, 0.01])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"algorithm": "sdg"}, "Did you mean 'sgd'"),
        ({"algorithm": "lbfgs"}, "several steps per batch"),
        ({"algorithm": "torch.optim.LBFGS"}, "several steps per batch"),
        ({"algorithm": spec("sgd", momentm=0.9)}, "Did you mean 'momentum'.*Valid: momentum, dampening"),
        ({"algorithm": spec("sgd", lr=0.9)}, "lr: is set with head_lr"),
        ({"algorithm": spec("sgd", weight_decay=0.9)}, "is set with --model.optimizer.weight_decay"),
        ({"algorithm": "sgd", "eps": 1e-4}, "is AdamW's. sgd has none"),
        ({"algorithm": "rmsprop", "eps": 1e-4}, r"give --model.optimizer.algorithm.init_args.eps"),
        (
            {"algorithm": spec("torch.optim.AdamW", betas=0.9)},
            "betas: '0.9' is not valid. Valid: a list such as",
        ),
        ({"algorithm": "Addam"}, "Did you mean 'adam'"),
        ({"algorithm": "rprop", "weight_decay": 0.1}, "rprop has none"),
        ({"algorithm": "torch.nn.Linear"}, "unknown --model.optimizer.algorithm class"),
        ({"schedule": "torch.optim.lr_scheduler.LambdaLR"}, "takes functions.*Write a subclass"),
        ({"schedule": "SequentialLR"}, "takes other schedules"),
        ({"schedule": "StepLr"}, "missing: step_size"),
        ({"schedule": "StpeLR"}, "Did you mean 'StepLR'"),
        ({"schedule": spec("plateau", patience="x")}, "Valid: a whole number"),
        ({"schedule": "torch.optim.lr_scheduler.StepLR"}, "missing: step_size"),
        ({"schedule": spec("one-cycle", pct=0.1)}, "pct_start"),
        ({"schedule": spec("cosine", warmup=0.1)}, "takes no init_args"),
        ({"schedule": "plateau", "warmup": 0.1}, "is for the schedules constant and cosine"),
        ({"monitor": "val/uar"}, "only plateau and newbob"),
    ],
)
def test_what_an_algorithm_or_schedule_does_not_take_is_refused(options, said):
    with pytest.raises(UsageError, match=said):
        OptimizerConfig(**options)


def test_names_are_accepted_in_any_case_and_as_torch_writes_them():
    config = OptimizerConfig(algorithm="AdamW", schedule="Cosine")
    assert (config.algorithm, config.schedule, config.is_default_kind) == ("adamw", "cosine", True)
    config = OptimizerConfig(algorithm="Adam", schedule=spec("StepLR", step_size=3))
    optimizer = build_optimizer({"head": [parameter()]}, config)
    assert type(optimizer) is torch.optim.Adam
    assert build_schedule(optimizer, config, 10).step_size == 3
    plain = OptimizerConfig(schedule={"class_path": "constant"})
    assert plain.factor(9, 10) == 1.0


def test_what_only_the_class_itself_refuses_is_said_as_one_message():
    with pytest.raises(UsageError, match=r"one-cycle: ValueError: .*pct_start"):
        OptimizerConfig(schedule=spec("one-cycle", pct_start=2.0))
    with pytest.raises(UsageError, match=r"sgd: ValueError: Nesterov"):
        OptimizerConfig(algorithm=spec("sgd", nesterov=True))
    with pytest.raises(UsageError, match=r"plateau: ValueError: Factor should be < 1.0"):
        OptimizerConfig(schedule=spec("plateau", factor=2.0))


def test_one_cycle_needs_an_end():
    config = OptimizerConfig(schedule="one-cycle")
    with pytest.raises(UsageError, match="needs the number of steps"):
        build_schedule(build_optimizer({"head": [parameter()]}, config), config, math.inf)


@pytest.mark.parametrize(
    ("schedule", "warmup", "depends"),
    [
        ("constant", 0.0, False),
        ("constant", 0.1, True),
        ("cosine", 0.0, True),
        ("one-cycle", 0.0, True),
        (spec("one-cycle", total_steps=10), 0.0, False),
        ("plateau", 0.0, False),
        ("newbob", 0.0, False),
        (spec("torch.optim.lr_scheduler.StepLR", step_size=3), 0.0, False),
        ("torch.optim.lr_scheduler.OneCycleLR", 0.0, True),
        ("mylab.Schedule", 0.0, True),
    ],
)
def test_whether_rates_depend_on_the_length_of_training(schedule, warmup, depends):
    assert depends_on_length(schedule, warmup) is depends
