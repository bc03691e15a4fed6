import torch
from torch.nn import functional as F

from sercl.models.standardize import centred, layer_normed


def test_waveforms_lose_their_own_mean_and_padding_stays_zero():
    waveforms = torch.randn(2, 100) + 3
    found = centred(waveforms, torch.tensor([100, 60]))
    torch.testing.assert_close(found[0], waveforms[0] - waveforms[0].mean())
    torch.testing.assert_close(found[1, :60], waveforms[1, :60] - waveforms[1, :60].mean())
    assert not found[1, 60:].any()


def test_each_clip_and_state_is_normed_as_torch_norms_it_alone():
    hidden = 5 * torch.randn(2, 7, 3, 4) + 2
    found = layer_normed(hidden, torch.tensor([7, 5]))
    for row, length in enumerate((7, 5)):
        for state in range(3):
            own = hidden[row, :length, state]
            torch.testing.assert_close(found[row, :length, state], F.layer_norm(own, own.shape))
    assert not found[1, 5:].any()
