import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sercl.models.encoders import inference
from sercl.models.encoders.fast import cores
from sercl.models.encoders.fast.cores import on_all_cores, shares
from sercl.models.encoders.fast.packed import supported

needs_onednn = pytest.mark.skipif(not supported(torch.float32), reason="needs oneDNN on x86")


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@given(st.lists(st.integers(400, 480_000), min_size=1, max_size=70), st.integers(1, 20))
def test_each_clip_is_of_one_core_and_none_has_much_more_than_the_others(lengths, count):
    groups = shares(lengths, count)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    work = [sum(lengths[index] for index in group) for group in groups]
    assert len(groups) in (1, count)
    assert max(work) * len(groups) <= 1.08 * sum(work)


def test_clips_that_cannot_be_shared_evenly_stay_together():
    assert shares([300, 200, 100, 5], 2) == [[0, 3], [1, 2]]
    assert shares([300, 100], 2) == [[0, 1]]
    assert shares([100], 2) == [[0]]
    assert shares([300, 100], 1) == [[0, 1]]


@needs_onednn
@pytest.mark.parametrize("family", ["wav2vec2", "wavlm-stable", "whisper"])
@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_hidden_states_are_those_of_one_core_in_order(family, mode, wide, two_threads, monkeypatch):
    encoder, shared = wide(family), []
    monkeypatch.setattr(cores, "shares", lambda *own: shared.append(shares(*own)) or shared[-1])
    lengths = torch.tensor([9000, 16_000, 8800, 12_300, 4000, 12_000])
    waveforms = torch.randn(6, 16_000, generator=torch.Generator().manual_seed(0))
    with inference(encoder), mode():
        found = encoder(waveforms, lengths)
        assert torch.get_num_threads() == 2
        torch.set_num_threads(1)
        expected = encoder(waveforms, lengths)
    assert [len(groups) for groups in shared] == [2, 1]
    assert len(found.hidden_states) == len(expected.hidden_states)
    for state in range(len(expected.hidden_states)):
        for clip, other in zip(found.clips(state), expected.clips(state), strict=True):
            torch.testing.assert_close(clip, other, atol=1e-4, rtol=0)
        assert not found.hidden_states[state].requires_grad
    torch.testing.assert_close(found.hidden_states[-1], expected.hidden_states[-1], atol=1e-4, rtol=0)


def test_an_error_on_one_core_is_that_of_the_call(two_threads):
    def fail(clips):
        raise ValueError(f"{len(clips)} clips")

    with pytest.raises(ValueError, match="1 clips"):
        on_all_cores(fail, [torch.zeros(400), torch.zeros(400)])
    assert torch.get_num_threads() == 2
