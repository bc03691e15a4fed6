"""Adaptation "corpus": each corpus is standardised by itself.

What differs between two corpora in mean and spread of a feature, such as the microphone, is taken away. Of
the target this uses audio, but no label (Schuller et al. 2010, "Cross-Corpus Acoustic Emotion Recognition:
Variances and Strategies").
"""

from collections.abc import Sequence

from torch import Tensor

from sercl.studies.frozen.adaptation.groups import Group, grouped_rows, normalize_groups


def normalize_corpora(features: Tensor, corpora: Sequence[str], reference: Sequence[int]) -> Tensor:
    """Standardise each corpus by statistics of its own reference rows.

    Args:
        features: `[utterances, dim]` float32.
        corpora: Name of the corpus of each utterance.
        reference: Rows of any corpora, usually their training parts; one that is repeated counts once.

    Returns:
        `[utterances, dim]` float32: mean 0 and population standard deviation 1 on the reference rows of each
        corpus, 0 for a feature that is constant there. A corpus without reference rows stays as it is.
    """
    keys = [(name,) for name in corpora]
    every = grouped_rows(keys, range(len(keys)))
    known = grouped_rows(keys, reference)
    return normalize_groups(features, [Group(every[key], own) for key, own in known.items()])
