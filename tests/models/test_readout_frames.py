import pytest
import torch
from torch import nn

from sercl.errors import UsageError
from sercl.models.readout import FrameReadout, build_context

LENGTHS = torch.tensor([5, 3])


def states(count=4, frames=7, dim=6):
    torch.manual_seed(0)
    return tuple(torch.randn(2, frames, dim) for _ in range(count))


def build(layer, context="none", bias=True, **options):
    torch.manual_seed(1)
    context = build_context(context, 6)
    head = nn.Linear(context.out_dim, 3, bias=bias)
    return FrameReadout(layer, 4, 6, context, head, **{"standardize": False, **options}).eval()


def test_a_numbered_layer_is_read_and_the_surplus_of_frames_left_out():
    readout, hidden = build(2), states()
    features = readout.select(hidden, 5)
    assert features.shape == (2, 5, 1, 6)
    assert torch.equal(features[:, :, 0], hidden[2][:, :5])
    assert torch.allclose(readout(features, LENGTHS), readout.classifier(hidden[2][:, :5]))
    assert build("last").states == [3]


def test_a_weighted_sum_starts_as_the_mean_and_learns():
    readout, hidden = build("weighted"), states()
    features = readout.select(hidden, 5)
    assert features.shape == (2, 5, 4, 6)
    mean = torch.stack(hidden).mean(dim=0)[:, :5]
    assert torch.allclose(readout(features, LENGTHS), readout.classifier(mean), atol=1e-6)
    readout(features, LENGTHS).square().sum().backward()
    assert readout.mix.scores.grad.abs().sum() > 0


def test_features_are_standardised_state_by_state():
    readout = build("weighted", standardize=True)
    features = readout.select(states(), 5) * torch.tensor([1.0, 10, 100, 1000])[:, None] + 3
    readout.standardizer.update(features.flatten(0, 1))
    readout.standardizer.finish()
    scaled = readout.standardizer(features).flatten(0, 1)
    assert torch.allclose(scaled.mean(dim=0), torch.zeros(4, 6), atol=1e-5)
    assert torch.isfinite(readout(features, LENGTHS)).all()


def test_options():
    assert build(1, bias=False).classifier.bias is None
    assert build(1, context="conv").classifier.in_features == 128
    assert build(1, dropout=0.5).dropout.p == 0.5
    for options, said in [
        ({"layer": "auto"}, "weighted"),
        ({"layer": 9}, "0 to 3"),
        ({"dropout": 1.0}, "dropout"),
    ]:
        with pytest.raises(UsageError, match=said):
            build(**{"layer": 1, **options})
