import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from sercl.errors import SerclWarning
from sercl.studies.heads import running
from sercl.studies.heads.config import PRESETS, ProbeConfig
from sercl.studies.heads.jobs import WEIGHTED, Job, jobs_for
from sercl.studies.heads.parts import Parts
from sercl.studies.heads.running import ProbeData, build_stack, initial_heads, train_probes
from sercl.studies.heads.training import Keep, Outcome, Record, Stack, outcomes_of, train_stack
from tests.studies.heads.reference import train_alone

CPU = torch.device("cpu")
FAST = ProbeConfig(lr=3e-3, batch_size=16, max_epochs=40, patience=3, seeds=(3, 4))
# Training parts of 50, 61 and 41 utterances: 4, 4 and 3 steps per epoch, all with a short last batch.
FOLDS = (
    Parts(tuple(range(40, 90)), tuple(range(20, 40)), tuple(range(20))),
    Parts((*range(20), *range(49, 90)), tuple(range(20, 49)), tuple(range(90, 120))),
    Parts(tuple(range(60, 101)), tuple(range(30, 60)), tuple(range(2, 30))),
)


@pytest.fixture
def double_precision() -> Iterator[None]:
    """Compute in float64: where a gradient all but vanishes, Adam makes 1e-5 of what float32 rounds off."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def data(states: int = 3, dim: int = 24, seed: int = 0) -> ProbeData:
    """Four noisy classes, clearer in each further hidden state; the features are far from standardised."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 4, (120,), generator=generator)
    centres = torch.randn(states, 4, dim, generator=generator)
    strength = torch.linspace(0.2, 0.8, states)[:, None]
    clean = torch.stack([centre[labels] for centre in centres], dim=1) * strength
    noise = torch.randn(120, states, dim, generator=generator)
    scale = torch.rand(dim, generator=generator) * 3 + 0.1
    return ProbeData((clean + noise) * scale + 2, labels, 4, FOLDS)


def check_against_reference(source: ProbeData, jobs: list[Job], config: ProbeConfig) -> set[tuple[int, bool]]:
    """Train jobs as one stack, and each alone; return their epochs, and whether they ran into the limit."""
    stack = build_stack(source, jobs, config, initial_heads(source, jobs, config), CPU)
    record = train_stack(stack, config)
    for index, job in enumerate(jobs):
        features = source.features if job.layer == WEIGHTED else source.features[:, job.layer]
        alone = train_alone(features, source.labels, source.folds[job.fold], config, 4, job.seed)
        assert (int(record.best_epoch[index]), int(record.epochs[index])) == (alone.best_epoch, alone.epochs)
        assert bool(record.exhausted[index]) is not alone.at_limit
        assert float(record.best.loss[index]) == pytest.approx(alone.validation_loss, abs=1e-5)
        assert float(record.best.accuracy[index]) == pytest.approx(alone.validation_accuracy)
        state = {name.removeprefix("head."): value for name, value in alone.state.items()}
        torch.testing.assert_close(stack.probe.state(index), state, atol=1e-5, rtol=0)
    return {(int(e), not x) for e, x in zip(record.epochs, record.exhausted, strict=True)}


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize(("head", "lr"), [("paper", 3e-3), ("linear", 5e-2)])
@pytest.mark.parametrize("select", ["loss", "accuracy"])
def test_a_stack_is_trained_as_each_probe_alone(head: str, lr: float, select: str) -> None:
    config = replace(FAST, head=head, lr=lr, select=select, max_epochs=12, patience=2)
    jobs = [job for job in jobs_for(3, range(3), config.seeds) if job.fold < 2]
    ends = check_against_reference(data(), jobs, config)
    assert len({epochs for epochs, _ in ends}) > 2, "probes must leave the stack at different times"


def test_raw_features_with_the_schedule_of_the_study() -> None:
    config = replace(PRESETS["paper"], max_epochs=15, patience=4)
    ends = check_against_reference(data(), jobs_for(2, range(3), (42,)), config)
    assert {limit for _, limit in ends} == {True}


@pytest.mark.usefixtures("double_precision")
def test_weighted_sums_are_trained_as_each_alone() -> None:
    config = replace(FAST, max_epochs=15)
    check_against_reference(data(), jobs_for(2, [WEIGHTED], config.seeds), config)


def test_folds_of_any_size_go_through_the_whole_study() -> None:
    source, config = data(), replace(FAST, max_epochs=20)
    jobs = jobs_for(3, range(3), config.seeds)
    for outcome in train_probes(source, jobs, config, CPU):
        job = outcome.job
        features, fold = source.features[:, job.layer], source.folds[job.fold]
        alone = train_alone(features, source.labels, fold, config, 4, job.seed)
        assert (outcome.best_epoch, outcome.epochs) == (alone.best_epoch, alone.epochs)
        assert outcome.at_limit is alone.at_limit
        torch.testing.assert_close(outcome.predicted, alone.predicted)


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    source, config = data(), replace(FAST, max_epochs=6)
    jobs = jobs_for(3, range(3), config.seeds)
    threads: list[int] = []
    build = running.build_head

    def noted(*args: object) -> nn.Sequential:
        threads.append(threading.get_ident())
        return build(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(running, "build_head", noted)
    found = []
    for workers in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda workers=workers: workers)
        found.append(train_probes(source, jobs, config, CPU))
    for one, three in zip(*found, strict=True):
        assert (one.job, one.best_epoch, one.epochs) == (three.job, three.best_epoch, three.epochs)
        assert one.validation_loss == pytest.approx(three.validation_loss, abs=1e-5)
        torch.testing.assert_close(one.predicted, three.predicted)
    # Heads are drawn from the process's random generator, which threads would spoil for each other.
    assert set(threads) == {threading.get_ident()}


@pytest.mark.parametrize("config", [FAST, PRESETS["logistic"]], ids=["epochs", "logistic"])
def test_a_stack_that_does_not_fit_into_memory_is_trained_in_halves(
    config: ProbeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, max_epochs=12, seeds=(3, 4))
    source, jobs = data(), jobs_for(3, range(3), config.seeds)
    heads = {job for job in jobs if job.seed == 3}
    keep, total, stacks = Keep(logits=True, heads=heads), [0, 0], list[int]()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    whole = train_probes(source, jobs, config, CPU, partial(add, total, 0), keep=keep)

    def small(stack: Stack, record: Record, keep: Keep) -> list[Outcome]:
        stacks.append(len(stack.jobs))
        if len(stack.jobs) > 3:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return outcomes_of(stack, record, keep)

    monkeypatch.setattr(running, "outcomes_of", small)
    with pytest.warns(SerclWarning, match="a stack of 1. heads did not fit into GPU memory: its halves are"):
        found = train_probes(source, jobs, config, CPU, partial(add, total, 1), keep=keep)
    assert sum(size for size in stacks if size <= 3) == len(jobs)
    assert total[0] == total[1]  # progress, of which failures are taken back
    for one, two in zip(whole, found, strict=True):
        assert (one.job, one.c) == (two.job, two.c)
        if not config.is_convex:  # where the slowest of a stack sets the number of steps
            assert (one.best_epoch, one.epochs) == (two.best_epoch, two.epochs)
        torch.testing.assert_close(one.logits, two.logits, rtol=1e-3, atol=1e-3)
        assert (one.head is None) == (two.head is None) == (one.job not in heads)


def add(total: list[int], place: int, amount: int) -> None:
    total[place] += amount


def test_a_single_probe_that_does_not_fit_into_memory_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Stack:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")

    monkeypatch.setattr(running, "build_stack", full)
    with pytest.warns(SerclWarning), pytest.raises(RuntimeError, match="can't allocate memory"):
        train_probes(data(), jobs_for(2, range(2), FAST.seeds), FAST, CPU)


def test_the_process_keeps_its_random_numbers() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    initial_heads(data(), jobs_for(1, [0], FAST.seeds), FAST)
    torch.testing.assert_close(torch.rand(2), expected)
