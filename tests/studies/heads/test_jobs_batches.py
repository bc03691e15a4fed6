import torch

from sercl.studies.heads.jobs import Job, epoch_batches, epoch_order, padded
from sercl.studies.heads.parts import Parts

CPU = torch.device("cpu")
FOLDS = (Parts(tuple(range(10, 20)), (0,), (1,)), Parts(tuple(range(30, 41)), (0,), (1,)))


def test_the_order_depends_on_seed_and_epoch() -> None:
    assert sorted(epoch_order(9, 1, 2).tolist()) == list(range(9))
    assert epoch_order(50, 1, 2).tolist() == epoch_order(50, 1, 2).tolist()
    assert epoch_order(50, 1, 2).tolist() != epoch_order(50, 1, 3).tolist()
    assert epoch_order(50, 1, 2).tolist() != epoch_order(50, 2, 2).tolist()


def test_each_job_gets_what_it_would_get_alone() -> None:
    jobs = [Job(0, 0, 7), Job(1, 0, 7), Job(0, 1, 8), Job(0, 2, 7)]
    together = epoch_batches(jobs, FOLDS, 4, 3, CPU)
    for index, job in enumerate(jobs):
        alone = epoch_batches([job], FOLDS, 4, 3, CPU)
        rows = FOLDS[job.fold].train
        expected = torch.tensor(rows)[epoch_order(len(rows), job.seed, 3)].split(4)
        for step, batch in enumerate(expected):
            for batches, model in ((together, index), (alone, 0)):
                assert batches.index[step, model, : len(batch)].tolist() == batch.tolist()
                weights = batches.weights[step, model]
                torch.testing.assert_close(weights[: len(batch)], torch.full((len(batch),), 1 / len(batch)))
                assert weights[len(batch) :].sum() == 0
    assert together.widths == (4, 4, 3)
    assert epoch_batches([jobs[0]], FOLDS, 4, 3, CPU).widths == (4, 4, 2)


def test_a_batch_larger_than_the_training_part_takes_no_room() -> None:
    batches = epoch_batches([Job(0, 0, 7)], FOLDS, 4096, 0, CPU)
    assert batches.index.shape == (1, 1, 10)


def test_lists_are_filled_up() -> None:
    table, valid = padded([[3, 4, 5], [6]], CPU)
    assert table.tolist() == [[3, 4, 5], [6, 0, 0]]
    assert valid.tolist() == [[True] * 3, [True, False, False]]
