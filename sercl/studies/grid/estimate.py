"""How long the trainings that a study lacks will take, from those that are done."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sercl.studies.grid.plan import Plan
from sercl.studies.grid.results import is_done, read_result
from sercl.studies.grid.trainings import Training
from sercl.studies.grid.works import Pending

Kind = tuple[str, str]
"""Encoder and adapter: trainings of one kind take about as long per utterance."""


@dataclass(frozen=True)
class Estimate:
    """How long something will take.

    Attributes:
        seconds: Of the trainings of which others like them are done.
        known: How many these are.
        unknown: How many there are besides, of which nothing is known.
    """

    seconds: float = 0.0
    known: int = 0
    unknown: int = 0


def measured(plan: Plan, folder: Path) -> dict[Kind, float]:
    """Return kind -> mean seconds per utterance of a training's epoch, of the trainings that are done."""
    rates: dict[Kind, dict[str, float]] = defaultdict(dict)
    for item in plan.cells:
        if is_done(folder, item.address):
            result = read_result(folder, item.address)
            kind = (item.training.encoder, item.training.adapter)
            rates[kind][result.training] = result.seconds / max(1, result.trained)
    return {kind: sum(own.values()) / len(own) for kind, own in rates.items()}


def estimate(trainings: Iterable[Training], rates: Mapping[Kind, float], jobs: int = 1) -> Estimate:
    """Estimate the time of some trainings.

    Args:
        trainings: The trainings.
        rates: What `measured` gave.
        jobs: How many run side by side.
    """
    seconds, known, unknown = 0.0, 0, 0
    for training in trainings:
        rate = rates.get((training.encoder, training.adapter))
        if rate is None:
            unknown += 1
        else:
            seconds, known = seconds + rate * training.size, known + 1
    return Estimate(seconds / max(1, jobs), known, unknown)


def of_pending(missing: Pending, plan: Plan, folder: Path, jobs: int = 1) -> Estimate:
    """Estimate the time of everything that a study lacks."""
    return estimate(missing.trainings.values(), measured(plan, folder), jobs)
