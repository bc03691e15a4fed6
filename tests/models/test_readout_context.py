import pytest
import torch

from sercl.errors import UnknownNameError
from sercl.models.readout import CONTEXTS, build_context


@pytest.fixture(params=CONTEXTS)
def layer(request):
    torch.manual_seed(0)
    return build_context(request.param, 6).eval()


def test_a_padded_batch_gives_what_each_clip_alone_gives(layer):
    hidden = torch.randn(3, 20, 6)
    lengths = torch.tensor([20, 13, 1])
    together = layer(hidden, lengths)
    assert together.shape == (3, 20, layer.out_dim)
    for row, length in enumerate(lengths.tolist()):
        alone = layer(hidden[row : row + 1, :length], lengths[row : row + 1])
        assert torch.allclose(together[row, :length], alone[0], atol=1e-6)


@pytest.mark.parametrize(("name", "first", "last"), [("none", 100, 100), ("conv", 60, 140), ("gru", 0, 199)])
def test_how_far_a_frame_sees(name, first, last):
    torch.manual_seed(0)
    layer = build_context(name, 4).eval()
    hidden, lengths = torch.randn(1, 200, 4), torch.tensor([200])
    changed = hidden.clone()
    changed[0, 100] += 1
    seen = (layer(hidden, lengths) - layer(changed, lengths)).abs().amax(dim=2)[0].nonzero()
    assert (int(seen.min()), int(seen.max())) == (first, last)


def test_unknown_layers_are_named():
    with pytest.raises(UnknownNameError, match=r"context 'lstm'.*none, conv, gru"):
        build_context("lstm", 4)
