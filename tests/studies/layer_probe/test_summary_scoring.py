from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from sercl.metrics.functional.classification import confusion_matrix, recall, uar
from sercl.metrics.functional.intervals import clustered_interval
from sercl.studies.heads.jobs import Job
from sercl.studies.heads.parts import Parts
from sercl.studies.heads.training import Outcome
from sercl.studies.layer_probe.summary import Scorer
from sercl.studies.layer_probe.task import WITHIN_SPEAKER, ProbeTask

RNG = np.random.default_rng(0)
SPEAKERS = tuple(f"s{i % 6}" for i in range(60))
LABELS = tuple(RNG.integers(0, 3, 60).tolist())
TASK = ProbeTask(
    target="emotion",
    classes=("x", "y", "z"),
    ids=tuple(f"u{i}" for i in range(60)),
    labels=LABELS,
    speakers=SPEAKERS,
    folds=(Parts((58,), (59,), tuple(range(0, 40))), Parts((0,), (1,), tuple(range(40, 60)))),
)


def probe(fold: int, seed: int, share: float) -> Outcome:
    """A probe that predicts about `share` of its test part correctly."""
    truth = torch.tensor(LABELS)[list(TASK.folds[fold].test)]
    rng = np.random.default_rng([fold, seed])
    wrong = torch.from_numpy(rng.random(len(truth)) > share)
    return Outcome(Job(fold, 0, seed), 0, 1, False, 1.0, 0.5, 0.5, torch.where(wrong, (truth + 1) % 3, truth))


def probes(share: float, seeds: tuple[int, ...] = (0, 1)) -> dict[tuple[int, int], Outcome]:
    return {(fold, seed): probe(fold, seed, share) for fold in (0, 1) for seed in seeds}


def pooled(outcomes: dict[tuple[int, int], Outcome], seed: int) -> Tensor:
    return torch.cat([outcomes[fold, seed].predicted for fold in (0, 1)])


def test_folds_are_pooled_and_seeds_averaged() -> None:
    outcomes, scorer = probes(0.7), Scorer(TASK, (0, 1))
    hits = scorer.hits(outcomes)
    matrices = [confusion_matrix(torch.tensor(LABELS), pooled(outcomes, seed), 3) for seed in (0, 1)]
    expected = [uar(matrix).item() for matrix in matrices]
    assert scorer.seed_uars(hits) == pytest.approx(expected)
    assert scorer.uar(hits).value == pytest.approx(sum(expected) / 2)
    recalls = torch.stack([recall(matrix) for matrix in matrices]).mean(0)
    assert scorer.recalls(hits) == pytest.approx(tuple(recalls.tolist()))
    own = confusion_matrix(torch.tensor(LABELS[40:]), outcomes[1, 0].predicted, 3)
    assert scorer.fold_uar(outcomes[1, 0]) == pytest.approx(uar(own).item())


def test_one_seed_has_the_interval_of_a_single_classifier() -> None:
    outcomes, scorer = probes(0.7, (0,)), Scorer(TASK, (0,))
    found = scorer.uar(scorer.hits(outcomes))
    alone = clustered_interval(LABELS, pooled(outcomes, 0), SPEAKERS, 3)
    assert (found.unit, found.count) == ("speakers", 6)
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high), abs=0.02)


def test_repeated_tests_of_an_utterance_are_no_more_data() -> None:
    # As in zero-shot: every fold is tested on the same utterances.
    folds = (TASK.folds[0], TASK.folds[0], TASK.folds[0])
    thrice = replace(TASK, folds=folds, speakers=(None,) * 60)
    once = replace(TASK, folds=folds[:1], speakers=(None,) * 60)
    outcomes = {(fold, 0): probe(0, 0, 0.7) for fold in range(3)}
    scorer, single = Scorer(thrice, (0,)), Scorer(once, (0,))
    found = scorer.uar(scorer.hits(outcomes))
    alone = single.uar(single.hits({(0, 0): outcomes[0, 0]}))
    assert found.count == alone.count == 40
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high), abs=1e-6)


def test_only_speakers_that_are_tested_count() -> None:
    # As in zero-shot: many speakers in training, too few of them in test.
    few = Parts((0,), (1,), tuple(row for row in range(60) if SPEAKERS[row] in ("s0", "s1")))
    scorer = Scorer(replace(TASK, folds=(few,)), (0,))
    assert (scorer.unit, len(set(scorer.clusters))) == ("utterances", 20)


def test_within_speakers_utterances_are_resampled() -> None:
    scorer = Scorer(replace(TASK, splits=WITHIN_SPEAKER), (0, 1))
    assert scorer.uar(scorer.hits(probes(0.7))).unit == "utterances"


def test_a_difference_is_tested_on_the_same_speakers() -> None:
    scorer = Scorer(TASK, (0, 1))
    good, bad = scorer.hits(probes(0.9)), scorer.hits(probes(0.4))
    found = scorer.difference(good, bad)
    assert found.value == pytest.approx(scorer.uar(good).value - scorer.uar(bad).value)
    assert found.low < found.value < found.high
    same = scorer.difference(good, good)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_chance_counts_the_classes_that_are_tested() -> None:
    assert Scorer(TASK, (0,)).chance == pytest.approx(1 / 3)
    only = tuple(row for row in range(60) if LABELS[row] != 1)
    assert Scorer(replace(TASK, folds=(Parts((0,), (1,), only),)), (0,)).chance == 0.5
