import math

import pytest
import torch
from torch.nn import functional as F

from sercl.tasks.classification import CandidateScores

CLASSES = ("angry", "happy", "neutral", "sad")


def alone(values):
    return values


def batch(size, seed, heads=3):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(size, heads, len(CLASSES), generator=generator)
    labels = torch.randint(len(CLASSES), (size,), generator=generator)
    return logits, labels


def losses(logits, labels):
    return torch.stack([F.cross_entropy(logits[:, head], labels) for head in range(logits.shape[1])])


def filled(*batches):
    candidates = CandidateScores(3, CLASSES)
    for logits, labels in batches:
        candidates.update(logits, losses(logits, labels), labels, len(labels))
    return candidates


def test_every_utterance_weighs_the_same_however_batches_are_cut():
    small, large = batch(2, seed=1), batch(11, seed=2)
    together = tuple(torch.cat(parts) for parts in zip(small, large, strict=True))
    best, loss, scores = filled(small, large).best(alone)
    expected = losses(*together)
    assert best == expected.argmin()
    assert loss.item() == pytest.approx(expected.min().item(), rel=1e-5)
    correct = together[0][:, best].argmax(dim=1) == together[1]
    assert scores["wa"].item() == pytest.approx(correct.float().mean().item())


def test_the_lowest_loss_wins_not_the_highest_accuracy():
    labels = torch.tensor([0, 0, 0, 1])
    logits = torch.zeros(4, 2, 4)
    logits[:, 0, 0] = 12.0  # three right, and very sure of the fourth, which is wrong
    logits[:, 1, 0], logits[:, 1, 1] = 0.0, 0.1  # one right, sure of nothing
    candidates = CandidateScores(2, CLASSES)
    candidates.update(logits, losses(logits, labels), labels, len(labels))
    best, _, scores = candidates.best(alone)
    assert best == 1
    assert scores["wa"].item() == 0.25


def test_processes_choose_together_what_one_process_would_choose():
    batches = [batch(5, seed) for seed in range(4)]
    first, second = filled(*batches[:1]), filled(*batches[1:])
    other = torch.cat([second.loss, second.weight[None]])
    best, loss, _ = first.best(lambda values: values + other)
    one_best, one_loss, _ = filled(*batches).best(alone)
    assert best == one_best
    torch.testing.assert_close(loss, one_loss)


def test_a_new_epoch_starts_from_nothing():
    candidates = filled(batch(9, seed=3))
    candidates.reset()
    logits, labels = batch(4, seed=4)
    candidates.update(logits, losses(logits, labels), labels, len(labels))
    _, loss, scores = candidates.best(alone)
    expected = filled((logits, labels)).best(alone)
    assert loss == expected[1]
    assert {name: value.item() for name, value in scores.items()} == pytest.approx(
        {name: value.item() for name, value in expected[2].items()}, nan_ok=True
    )


def test_names_are_those_of_the_scores():
    candidates = filled(batch(3, seed=6))
    assert candidates.names == tuple(candidates.best(alone)[2])
    assert {"uar", "recall/sad"} <= set(candidates.names)


def test_nothing_of_it_is_stored_in_checkpoints():
    assert not filled(batch(3, seed=5)).state_dict()


def test_a_head_that_was_decided_is_taken_whatever_its_loss():
    candidates = CandidateScores(2, CLASSES)
    labels = torch.tensor([0, 1])
    logits = torch.stack([torch.eye(len(CLASSES))[labels] * 9, torch.zeros(2, len(CLASSES))], dim=1)
    candidates.update(logits, losses(logits, labels), labels, len(labels))
    assert candidates.best(alone)[0] == 0
    best, loss, scores = candidates.best(alone, decided=1)
    assert (best, float(scores["wa"])) == (1, 0.5)
    assert float(loss) == pytest.approx(math.log(len(CLASSES)))
