"""Adaptation "coral": the source gets the covariance of the target.

CORrelation ALignment (Sun, Feng and Saenko 2016, "Return of Frustratingly Easy Domain Adaptation"): features
of both are standardised; those of the source are then whitened and re-coloured. No label of the target
is used.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from sercl.studies.frozen.adaptation.corpus import normalize_corpora

RIDGE = 1.0
"""Added to the variances before they are inverted, as in the paper: standardised features have variance 1."""


def align_corpora(
    features: Tensor, corpora: Sequence[str], reference: Sequence[int], target: str, ridge: float = RIDGE
) -> Tensor:
    """Standardise each corpus, and give all but the target the covariance of the target.

    Args:
        features: `[utterances, dim]` float32.
        corpora: Name of the corpus of each utterance.
        reference: Rows by which each corpus is standardised, and of which covariances are taken; those of all
            corpora but the target make one source.
        target: Name of the target.
        ridge: Added to the variances of both.

    Returns:
        `[utterances, dim]` float32. Rows of corpora without a reference stay as they are.
    """
    normal = normalize_corpora(features, corpora, reference)
    known = sorted(set(reference))
    ours = [row for row in known if corpora[row] != target]
    theirs = [row for row in known if corpora[row] == target]
    transform = coral_transform(normal[ours].double(), normal[theirs].double(), ridge)
    sources = {corpora[row] for row in ours}
    moved = [row for row, name in enumerate(corpora) if name in sources]
    normal[moved] = (normal[moved].double() @ transform).float()
    return normal


def coral_transform(source: Tensor, target: Tensor, ridge: float = RIDGE) -> Tensor:
    """Return what source features are multiplied by from the right: `(Cs + r I)^-1/2 (Ct + r I)^1/2`.

    Args:
        source: `[n, dim]` float64, n at least 2.
        target: `[m, dim]` float64, m at least 2.
        ridge: r, above 0 unless both covariances Cs and Ct are regular.

    Returns:
        `[dim, dim]` float64.
    """
    return _power(_covariance(source), ridge, -0.5) @ _power(_covariance(target), ridge, 0.5)


def _covariance(x: Tensor) -> Tensor:
    centred = x - x.mean(dim=0)
    return centred.mT @ centred / (len(x) - 1)


def _power(symmetric: Tensor, ridge: float, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(symmetric)
    # Rounding makes an eigenvalue of 0 negative at times.
    power: Tensor = (vectors * (values.clamp(min=0) + ridge).pow(exponent)) @ vectors.mT
    return power
