"""Heads of trainings, put together as the stacks that they are trained in end."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from sercl.studies.probing.jobs import Job
from sercl.studies.probing.outcomes import Outcome

OnTraining = Callable[[int, Mapping[int, Outcome], float], None]
"""Told the position of a training that has ended, hidden state -> its head, and its time in s."""


class Gathering:
    """Tells of a training once the last of its heads has ended.

    Args:
        jobs: Position of a training, hidden state -> what is trained.
        sizes: Utterances of an epoch, of the training at each position.
        on_training: Told what has ended.
    """

    def __init__(
        self, jobs: Mapping[tuple[int, int], Job], sizes: Mapping[int, int], on_training: OnTraining
    ) -> None:
        self._places = {job: place for place, job in jobs.items()}
        self._waiting = {position: {layer for own, layer in jobs if own == position} for position in sizes}
        self._sizes, self._on_training = sizes, on_training
        self._heads: dict[int, dict[int, Outcome]] = defaultdict(dict)
        self._seconds: dict[int, float] = defaultdict(float)

    def add(self, outcomes: Sequence[Outcome], seconds: float) -> None:
        """Take the heads of a stack, its time dealt out by the utterances that were trained on."""
        work = [self._sizes[self._places[own.job][0]] * own.epochs for own in outcomes]
        for outcome, amount in zip(outcomes, work, strict=True):
            position, layer = self._places[outcome.job]
            self._heads[position][layer] = outcome
            self._seconds[position] += seconds * amount / sum(work)
            self._waiting[position].discard(layer)
            if not self._waiting[position]:
                self._on_training(position, self._heads.pop(position), self._seconds.pop(position))
