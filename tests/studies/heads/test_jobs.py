from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sercl.studies.heads.config import ProbeConfig
from sercl.studies.heads.jobs import (
    BLOCK_BYTES,
    STACK_BYTES,
    Job,
    cohorts_for,
    jobs_for,
    most_probes,
    steps_of,
)
from sercl.studies.heads.parts import Parts

CONFIG = ProbeConfig(batch_size=8)


def fold(rows: int) -> Parts:
    return Parts(tuple(range(rows)), (rows,), (rows + 1,))


def test_a_job_per_fold_layer_and_seed() -> None:
    jobs = jobs_for(2, [0, 3], (5, 1))
    assert len(set(jobs)) == 8
    assert jobs[0] == Job(fold=0, layer=0, seed=1)
    assert jobs[-1] == Job(fold=1, layer=3, seed=5)


@pytest.mark.parametrize(("rows", "steps"), [(1, 1), (8, 1), (9, 2), (16, 2)])
def test_steps_of_an_epoch(rows: int, steps: int) -> None:
    assert steps_of(fold(rows), CONFIG) == steps


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=4),
    st.integers(1, 4),
    st.integers(1, 6),
    st.integers(1, 3),
)
def test_each_job_is_in_one_stack_of_equal_steps(
    rows: list[int], layers: int, most: int, workers: int
) -> None:
    folds = [fold(count) for count in rows]
    jobs = jobs_for(len(folds), range(layers), (0, 1))
    cohorts = cohorts_for(jobs, folds, CONFIG, most, workers)
    assert sorted(job for cohort in cohorts for job in cohort) == jobs
    for cohort in cohorts:
        assert 1 <= len(cohort) <= most
        assert len({steps_of(folds[job.fold], CONFIG) for job in cohort}) == 1


def test_workers_get_equal_shares() -> None:
    jobs = jobs_for(5, range(13), (0,))
    cohorts = cohorts_for(jobs, [fold(16)] * 5, replace(CONFIG), 20, workers=2)
    assert [len(cohort) for cohort in cohorts] == [16, 16, 17, 16]


def test_a_stack_on_a_processor_fits_the_caches_and_the_memory() -> None:
    cpu = torch.device("cpu")
    assert most_probes(1000, STACK_BYTES // 80, cpu) == 20
    assert most_probes(1000, STACK_BYTES, cpu) == 1
    assert most_probes(BLOCK_BYTES // 3, 1000, cpu) == 3
    assert most_probes(BLOCK_BYTES * 2, 1000, cpu) == 1


def test_a_stack_on_a_gpu_fits_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2_000_000, 9_000_000))
    assert most_probes(4000, 1000, torch.device("cuda")) == 100
    assert most_probes(10**9, 1000, torch.device("cuda")) == 1
