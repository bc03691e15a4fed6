import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sercl.errors import UnknownNameError
from sercl.models.pooling import POOLINGS, AttentivePooling, build_pooling, masked_mean, masked_mean_std

CLIPS = st.lists(st.integers(1, 9), min_size=1, max_size=4)


def padded(lengths: list[int], padding: int, fill: float) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(sum(lengths))
    hidden = torch.full((len(lengths), max(lengths) + padding, 3), fill)
    for row, length in enumerate(lengths):
        hidden[row, :length] = torch.randn(length, 3, generator=generator)
    return hidden, torch.tensor(lengths)


def trained_attention(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    pooling = build_pooling(name, 3)
    for parameter in pooling.parameters():
        torch.nn.init.normal_(parameter)
    return pooling


@pytest.mark.parametrize("name", POOLINGS)
@given(lengths=CLIPS, padding=st.integers(0, 5), fill=st.sampled_from([0.0, 1e9, float("nan"), float("inf")]))
def test_padding_does_not_matter(name: str, lengths: list[int], padding: int, fill: float) -> None:
    pooling = trained_attention(name)
    hidden, sizes = padded(lengths, padding, fill)
    alone = [pooling(hidden[row : row + 1, :size], sizes[row : row + 1]) for row, size in enumerate(lengths)]
    torch.testing.assert_close(pooling(hidden, sizes), torch.cat(alone), rtol=1e-5, atol=1e-5)


@given(lengths=CLIPS)
def test_mean_and_std_are_those_of_the_valid_frames(lengths: list[int]) -> None:
    hidden, sizes = padded(lengths, 2, 1e9)
    rows = [hidden[row, :size] for row, size in enumerate(lengths)]
    means = torch.stack([row.mean(0) for row in rows])
    stds = torch.stack([row.std(0, correction=0) for row in rows])
    torch.testing.assert_close(masked_mean(hidden, sizes), means)
    torch.testing.assert_close(
        masked_mean_std(hidden, sizes), torch.cat([means, stds], 1), atol=2e-5, rtol=1e-5
    )


@pytest.mark.parametrize("name", POOLINGS)
def test_gradient_is_finite_without_variance_and_zero_on_padding(name: str) -> None:
    hidden = torch.ones(2, 4, 3, requires_grad=True)
    trained_attention(name)(hidden, torch.tensor([4, 2])).sum().backward()
    assert hidden.grad is not None
    assert hidden.grad.isfinite().all()
    assert (hidden.grad[1, 2:] == 0).all()
    assert (hidden.grad[:, 0] != 0).all()


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_clip_is_pooled_as_in_a_batch(name: str, dtype: torch.dtype) -> None:
    pooling, frames = trained_attention(name), torch.randn(7, 3).to(dtype)
    pooling = pooling.to(dtype)
    expected = pooling(frames[None], torch.tensor([7]))[0]
    assert pooling.clip(frames).dtype == expected.dtype == torch.float32
    torch.testing.assert_close(pooling.clip(frames), expected)


def test_half_precision_is_summed_in_float32() -> None:
    hidden = torch.full((1, 4096, 1), 1.001, dtype=torch.bfloat16)
    assert masked_mean(hidden, torch.tensor([4096])).dtype == torch.float32


def test_attention_starts_as_the_mean_and_then_prefers_frames() -> None:
    hidden, sizes = padded([5, 3], 1, 0.0)
    pooling = AttentivePooling(3)
    torch.testing.assert_close(pooling(hidden, sizes), masked_mean(hidden, sizes))
    weights = trained_attention("attentive").weights(hidden, sizes)
    torch.testing.assert_close(weights.sum(1), torch.ones(2))
    assert (weights[1, 3:] == 0).all()
    assert weights[0, :5].std() > 0.01


@pytest.mark.parametrize(
    ("name", "width", "frozen"), [("mean", 7, True), ("mean+std", 14, True), ("attentive", 7, False)]
)
def test_width_and_frozen(name: str, width: int, frozen: bool) -> None:
    pooling = build_pooling(name, 7)
    assert pooling(torch.randn(2, 3, 7), torch.tensor([3, 1])).shape == (2, width)
    assert (pooling.out_dim, pooling.frozen) == (width, frozen)


def test_unknown_name_is_answered_with_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'attentive'"):
        build_pooling("attention", 7)
