"""Scores per class that take into account how often an answer is given: Hu, d' and criterion.

A listener who always answers "angry" recognises all angry clips. These scores tell that bias from ability.
All take a confusion matrix `[..., classes, columns]`, rows the truth; columns beyond the classes are further
answers, such as "other".
"""

import torch
from torch import Tensor
from torch.special import ndtri


def unbiased_hit_rate(confusion: Tensor) -> Tensor:
    """Return Hu, `[..., classes]`: recall times precision, 0 to 1 (Wagner 1993).

    "On measuring performance in category judgment studies of nonverbal behavior", Journal of Nonverbal
    Behavior 17. It is 0 for a class that was never the answer, and NaN for one without items.
    """
    hits, items, uses = _margins(confusion)
    return torch.where(uses > 0, hits**2 / (items * uses), torch.where(items > 0, 0.0, torch.nan))


def chance_of_unbiased_hits(confusion: Tensor) -> Tensor:
    """Return the Hu of answers that ignore the clips, `[..., classes]`: items times uses over all squared."""
    _, items, uses = _margins(confusion)
    return items * uses / confusion.sum(dim=(-2, -1))[..., None] ** 2


def sensitivity(confusion: Tensor) -> Tensor:
    """Return d' of each class against all others, `[..., classes]`: 0 is chance.

    Rates are (count + 0.5) / (n + 1), so that perfect ones are finite (Hautus 1995, "Corrections for extreme
    proportions and their biasing effects on estimated values of d'").
    """
    hits, false_alarms = _rates(confusion)
    found: Tensor = ndtri(hits) - ndtri(false_alarms)
    return found


def criterion(confusion: Tensor) -> Tensor:
    """Return the bias c of each class, `[..., classes]`: below 0, the answer is given too readily."""
    hits, false_alarms = _rates(confusion)
    found: Tensor = -(ndtri(hits) + ndtri(false_alarms)) / 2
    return found


def _margins(confusion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return hits, items and uses of each class."""
    classes = confusion.shape[-2]
    hits = confusion.diagonal(dim1=-2, dim2=-1)
    return hits, confusion.sum(dim=-1), confusion[..., :classes].sum(dim=-2)


def _rates(confusion: Tensor) -> tuple[Tensor, Tensor]:
    """Return the corrected rates of hits and false alarms; NaN where items, or others, are absent."""
    hits, items, uses = _margins(confusion)
    others = items.sum(dim=-1, keepdim=True) - items
    known = (items > 0) & (others > 0)
    rates = ((hits + 0.5) / (items + 1), (uses - hits + 0.5) / (others + 1))
    first, second = (torch.where(known, rate, torch.nan) for rate in rates)
    return first, second
