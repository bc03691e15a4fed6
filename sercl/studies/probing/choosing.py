"""Which layer validation data prefer."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from sercl.studies.probing.config import ProbeConfig
from sercl.studies.probing.outcomes import Outcome


def best_layer(by_layer: Mapping[int, Sequence[Outcome]], config: ProbeConfig) -> int:
    """Return the layer with the best mean validation score; of equals the lowest.

    Args:
        by_layer: Layer -> its probes.
        config: Says by which score, which also chooses the epoch.
    """
    return ranked(by_layer, config)[0]


def ranked(by_layer: Mapping[int, Sequence[Outcome]], config: ProbeConfig) -> list[int]:
    """Return the layers by mean validation score, the best first; of equals the lowest."""
    order = {layer: _preference(outcomes, config.select) for layer, outcomes in by_layer.items()}
    return sorted(sorted(by_layer), key=order.__getitem__, reverse=True)


def _preference(outcomes: Sequence[Outcome], select: str) -> tuple[float, ...]:
    loss = fmean(outcome.validation_loss for outcome in outcomes)
    # Scores of small validation parts are coarse: the loss decides between equals.
    lower = -math.inf if math.isnan(loss) else -loss
    if select == "loss":
        return (lower,)
    return fmean(getattr(outcome, f"validation_{select}") for outcome in outcomes), lower
