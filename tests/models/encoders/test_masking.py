import pytest
import torch
from torch import nn

from sercl.models.encoders.masking import MaskedGroupNorm, frame_mask, masked_inputs


def group_norm(groups, channels):
    norm = nn.GroupNorm(groups, channels)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


def test_frame_mask_counts_from_the_left():
    expected = [[True, False, False], [True, True, True]]
    assert frame_mask(torch.tensor([1, 3]), 3).tolist() == expected


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_masked_group_norm_is_the_plain_one_on_each_row_cut_to_its_length(groups):
    norm, rows = group_norm(groups, 4), torch.randn(3, 4, 9) + 1
    masked = MaskedGroupNorm.replacing(norm)
    with masked.over([9, 2, 5]):
        out = masked(rows)
    for row, length in enumerate([9, 2, 5]):
        torch.testing.assert_close(out[row, :, :length], norm(rows[row : row + 1, :, :length])[0])
        assert out[row, :, length:].abs().sum() == 0


def test_outside_of_over_it_is_the_plain_norm():
    norm, rows = group_norm(2, 4), torch.randn(2, 4, 9)
    masked = MaskedGroupNorm.replacing(norm)
    with masked.over([3, 9]):
        pass
    assert torch.equal(masked(rows), norm(rows))


def test_it_shares_parameters_and_keys_with_the_norm_it_replaces():
    norm = group_norm(2, 4)
    masked = MaskedGroupNorm.replacing(norm)
    assert masked.weight is norm.weight
    assert masked.bias is norm.bias
    assert masked.state_dict().keys() == norm.state_dict().keys()


def test_masked_inputs_hide_the_padding_from_a_convolution_and_leave_no_hook():
    convolution, rows = nn.Conv1d(2, 2, 3, padding=1), torch.randn(2, 2, 6)
    with masked_inputs([convolution], frame_mask(torch.tensor([6, 4]), 6)):
        out = convolution(rows)
    alone = convolution(rows[1:, :, :4])
    torch.testing.assert_close(out[1, :, :4], alone[0])
    assert not torch.allclose(convolution(rows)[1, :, 3], alone[0, :, 3])
