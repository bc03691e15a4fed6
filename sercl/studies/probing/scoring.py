"""From the predictions of single probes to scores of layers."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sercl.metrics.functional.clusters import cluster_hits, hits_uar, resampling_units
from sercl.metrics.functional.comparison import PermutationTest, paired_uar_test
from sercl.metrics.functional.intervals import bootstrap_interval
from sercl.studies.evaluation import Score
from sercl.studies.probing.outcomes import Outcome
from sercl.studies.probing.task import WITHIN_SPEAKER, ProbeTask

Outcomes = Mapping[tuple[int, int], Outcome]
"""`(fold, seed)` -> the probe of that fold and seed."""

Hits = NDArray[np.int64]
"""`[clusters, seeds, classes, 2]`, see `cluster_hits`."""


class Scorer:
    """Scores probes of one task; their folds are pooled, their seeds are repeats.

    Args:
        task: The task; its labels are the truth.
        seeds: Seeds of the probes.
    """

    def __init__(self, task: ProbeTask, seeds: Sequence[int]) -> None:
        self.task, self.seeds = task, seeds
        rows = [row for fold in task.folds for row in fold.test]
        self.truth = np.array(task.labels)[rows]
        # Within speakers, to draw speakers anew would be to draw classes anew.
        speakers = [None if task.splits == WITHIN_SPEAKER else task.speakers[row] for row in rows]
        clusters, self.unit = resampling_units(speakers)
        # In zero-shot folds the same utterance is tested several times: those tests stay in one cluster.
        self.clusters = clusters if self.unit == "speakers" else rows

    @property
    def chance(self) -> float:
        """UAR of a guess."""
        return 1 / len(set(self.truth.tolist()))

    def hits(self, outcomes: Outcomes) -> Hits:
        """Count what probes told right, by cluster, seed and class."""
        predicted = [
            torch.cat([outcomes[fold, seed].predicted for fold in range(len(self.task.folds))])
            for seed in self.seeds
        ]
        stacked = torch.stack(predicted).numpy()
        return cluster_hits(self.truth, stacked, self.clusters, len(self.task.classes))

    def uar(self, hits: Hits) -> Score:
        """Return the UAR, the mean over seeds, with its interval."""
        return self._score(hits, hits_uar)

    def difference(self, hits: Hits, others: Hits) -> Score:
        """Return how much higher the UAR is than that of other probes on the same utterances."""
        return self._score(np.stack([hits, others], axis=1), _uar_difference, bounded=False)

    def paired(self, hits: Hits, others: Hits) -> PermutationTest:
        """Test whether the UAR differs from that of other probes on the same utterances; seeds averaged."""
        one, two = (counts.mean(axis=1, keepdims=True) for counts in (hits, others))
        return paired_uar_test(one[..., 0], two[..., 0], one[..., 1], two[..., 1], unit=self.unit)

    def seed_uars(self, hits: Hits) -> list[float]:
        """Return the UAR of each seed."""
        values: list[float] = hits_uar(torch.from_numpy(hits.sum(axis=0))).tolist()
        return values

    def recalls(self, hits: Hits) -> tuple[float, ...]:
        """Return the recall of each class, the mean over seeds; NaN for an absent class."""
        counts = torch.from_numpy(hits.sum(axis=0))
        return tuple((counts[..., 0] / counts[..., 1]).mean(dim=0).tolist())

    def fold_uar(self, outcome: Outcome) -> float:
        """Return the UAR of one probe on its fold."""
        truth = np.array(self.task.labels)[list(self.task.folds[outcome.job.fold].test)]
        hits = cluster_hits(truth, outcome.predicted[None].numpy(), [0] * len(truth), len(self.task.classes))
        return float(hits_uar(torch.from_numpy(hits[0, 0])))

    def _score(self, counts: Hits, statistic: Callable[[Tensor], Tensor], bounded: bool = True) -> Score:
        value = statistic(torch.from_numpy(counts.sum(axis=0))).mean()
        interval = bootstrap_interval(counts, statistic, unit=self.unit, bounded=bounded)
        return Score(float(value), interval.low, interval.high, interval.unit, interval.count)


def _uar_difference(counts: Tensor) -> Tensor:
    uars = hits_uar(counts)  # [..., two, seeds]
    return uars[..., 0, :] - uars[..., 1, :]
