"""One of several processes, as of several devices, runs out of memory and trains its batch in parts."""

import os
import warnings
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.strategies import DDPStrategy

from sercl.batch import SOURCE, TARGET, UNLABELLED
from sercl.errors import SerclWarning
from sercl.models.adversary import AdversarialConfig
from tests.processes import gathered
from tests.tasks.test_stepping import (
    ADVERSARIAL,
    OPTIONS,
    check_same,
    fit,
    in_backward,
    in_forward,
)

FREE = {"find_unused_parameters": True}
"""As in a training of a hidden state below the last, whose blocks above get no gradient."""


def in_two(build, batches, folder, fail=None, accumulated=1, **options):
    """Train in two processes, of which the second fails; return gradients and warnings of both."""

    def work(rank):
        os.environ["LOCAL_RANK"] = str(rank)
        task = build()
        if fail is not None and rank == 1:
            fail(task, 2, [])
        trainer = {"devices": 2, "strategy": DDPStrategy(**options), "use_distributed_sampler": False}
        with warnings.catch_warnings(record=True, action="always", category=SerclWarning) as said:
            try:
                steps = fit(task, batches[rank::2], **trainer, accumulate_grad_batches=accumulated).steps
            except RuntimeError as error:
                return [], [str(error)]
        found = [{name: value.numpy() for name, value in step.items()} for step in steps]
        return found, [str(each.message) for each in said if each.category is SerclWarning]

    folder.mkdir()
    return gathered(work, folder)


CASES = {
    "forward": (in_forward, OPTIONS, 1, {}),
    "accumulated": (in_backward, OPTIONS, 2, {}),
    "unused weights": (in_forward, OPTIONS | {"layer": 1}, 1, FREE),
    "adversarial": (in_backward, ADVERSARIAL, 1, {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_only_the_device_whose_memory_runs_out_trains_in_parts(case, build, batches, tmp_path, monkeypatch):
    fail, options, accumulated, ddp = CASES[case]
    monkeypatch.setattr(AdversarialConfig, "strength", lambda *_: 0.7)
    given = [*batches, *reversed(batches)]
    if options is ADVERSARIAL:
        given = [two_domains(batch) for batch in given]

    def task():
        return build(**options)

    whole = in_two(task, given, tmp_path / "whole", None, accumulated, **ddp)
    small = in_two(task, given, tmp_path / "small", fail, accumulated, **ddp)
    for number in range(2):
        check_same(*(of_tensors(each[number][0]) for each in (small, whole)))
    check_same(*(of_tensors(steps) for steps, _ in small))  # the gradients are those of both
    assert small[0][1] == []
    assert "6 clips did not fit into memory: it is trained in 2 parts" in small[1][1][0]


def of_tensors(steps):
    return SimpleNamespace(
        steps=[{name: torch.from_numpy(value) for name, value in step.items()} for step in steps]
    )


def two_domains(batch):
    labels = torch.tensor([0, 2, 3, UNLABELLED, UNLABELLED, UNLABELLED])
    return replace(batch, labels=labels, domains=torch.tensor([SOURCE] * 3 + [TARGET] * 3))


def test_a_static_graph_is_not_changed(build, batches, tmp_path):
    found = in_two(lambda: build(**OPTIONS), batches, tmp_path / "two", in_forward, static_graph=True)
    assert "can't allocate memory" in found[1][1][0]
