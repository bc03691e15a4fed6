import pytest
import torch
from torch.nn import functional as F

from sercl.batch import NO_LABEL
from sercl.models.losses import mean_weight


@pytest.mark.parametrize("weights", [None, torch.tensor([0.2, 1.0, 5.0])])
@pytest.mark.parametrize("cut", [1, 4, 7])
def test_means_of_batches_give_the_mean_of_all(weights, cut):
    generator = torch.Generator().manual_seed(cut)
    logits, labels = torch.randn(8, 3, generator=generator), torch.tensor([0, 1, 2, 2, NO_LABEL, 0, 2, 1])
    parts = [(logits[:cut], labels[:cut]), (logits[cut:], labels[cut:])]
    means = [F.cross_entropy(*part, weight=weights, ignore_index=NO_LABEL) for part in parts]
    heavy = [mean_weight(own, weights) for _, own in parts]
    joined = sum(mean * weight for mean, weight in zip(means, heavy, strict=True)) / sum(heavy)
    whole = F.cross_entropy(logits, labels, weight=weights, ignore_index=NO_LABEL)
    torch.testing.assert_close(joined, whole)
