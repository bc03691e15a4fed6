import pytest
import torch
from torch import nn

from sercl.models.encoders.masking import NO_MASKS, SpanMasks, changed_output, draw_spans, spec_augment


def spans(row):
    """Lengths of the runs of masked places."""
    text = "".join("x" if index else " " for index in row.tolist())
    return [len(run) for run in text.split()]


@pytest.mark.parametrize("seed", range(5))
def test_spans_have_their_length_and_lie_within_the_row(seed):
    torch.manual_seed(seed)
    chosen = draw_spans([200, 60, 10], 220, SpanMasks(0.2, length=10, least=1))
    assert not chosen[0, 200:].any()
    assert not chosen[1, 60:].any()
    assert not chosen[2, 10:].any()
    assert chosen[2].sum() == 10  # the one place where a span fits
    assert all(length >= 10 for row in chosen for length in spans(row))


def test_rows_that_are_shorter_than_a_span_are_not_masked():
    chosen = draw_spans([9, 0, 1], 9, SpanMasks(0.9, length=10, least=2))
    assert not chosen.any()


def test_the_share_is_an_upper_bound_that_is_nearly_reached():
    torch.manual_seed(0)
    chosen = draw_spans([1000] * 200, 1000, SpanMasks(0.05, length=10))
    assert 0.04 < chosen.float().mean() < 0.05


def test_a_least_number_of_spans_is_drawn_whatever_the_share():
    torch.manual_seed(0)
    chosen = draw_spans([400] * 50, 400, SpanMasks(1e-6, length=4, least=3))
    assert {int(row.sum()) for row in chosen} <= {12, 11, 10, 9, 8, 7, 6, 5, 4}
    assert chosen.any(dim=1).all()


def test_nothing_is_drawn_without_masks():
    state = torch.get_rng_state()
    assert not draw_spans([50], 50, NO_MASKS).any()
    assert torch.equal(torch.get_rng_state(), state)


def test_masked_frames_hold_the_filling_and_masked_features_zero():
    torch.manual_seed(0)
    hidden, filling = torch.randn(2, 40, 30), torch.full((30,), 7.0)
    out = spec_augment(hidden, [40, 25], SpanMasks(0.3, 5, 1), SpanMasks(0.2, 3, 1), filling)
    for row, before, length in zip(out, hidden, (40, 25), strict=True):
        columns = (row == 0).all(dim=0)
        frames = (row[:, ~columns] == 7).all(dim=1)
        assert columns.any()
        assert frames[:length].any()
        assert not frames[length:].any()
        assert torch.equal(row[~frames][:, ~columns], before[~frames][:, ~columns])


class Pair(nn.Identity):
    def forward(self, x):
        return x, "more"


@pytest.mark.parametrize("module", [nn.Identity(), Pair()])
def test_an_output_is_changed_within_the_context_alone(module):
    with changed_output(module, lambda x: x + 1):
        out = module(torch.zeros(2))
    assert torch.equal(out[0] if isinstance(out, tuple) else out, torch.ones(2))
    assert not module._forward_hooks
