"""Batches of which only some frames are used."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.batch import AudioBatch
from sercl.models.encoders.base import EncoderOutput, frames_in
from sercl.models.pooling import build_pooling


def test_a_frame_is_used_if_its_middle_is_in_a_part():
    mask = frames_in([((0.0, 0.02), (0.055, 0.09)), ()], frames=5, rate=50.0)
    assert mask.tolist() == [[True, False, False, True, False], [False] * 5]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=6), min_size=1, max_size=4))
def test_the_frames_of_each_clip_are_moved_together_and_never_none(rows):
    lengths = torch.tensor([len(row) for row in rows])
    frames = int(lengths.max()) + 2
    hidden = torch.randn(len(rows), frames, 3)
    wanted = torch.ones(len(rows), frames, dtype=torch.bool)
    for mask, row in zip(wanted, rows, strict=True):
        mask[: len(row)] = torch.tensor(row)
    output = EncoderOutput([hidden, 2 * hidden], lengths).only(wanted)
    for number, row in enumerate(rows):
        chosen = torch.tensor(row) if any(row) else torch.ones(len(row), dtype=torch.bool)
        expected = hidden[number, : len(row)][chosen]
        assert torch.equal(output.clips(0)[number], expected)
        assert torch.equal(output.clips(1)[number], 2 * expected)


@pytest.mark.parametrize("name", ["mean", "mean+std", "attentive"])
def test_every_pooling_sees_only_frames_of_speech(name):
    torch.manual_seed(0)
    hidden, pooling = torch.randn(2, 8, 4), build_pooling(name, 4)
    for parameter in pooling.parameters():
        torch.nn.init.normal_(parameter)
    wanted = torch.zeros(2, 8, dtype=torch.bool)
    wanted[0, 2:5] = True
    kept = EncoderOutput([hidden], torch.tensor([8, 6])).only(wanted)
    pooled = pooling(kept.hidden_states[0], kept.lengths)
    torch.testing.assert_close(pooled[0], pooling.clip(hidden[0, 2:5]))
    torch.testing.assert_close(pooled[1], pooling.clip(hidden[1, :6]))


def test_an_encoder_keeps_the_frames_of_the_speech_of_a_batch(encoder):
    clips = [torch.randn(16_000), torch.randn(9_000)]
    whole = encoder.encode_batch(AudioBatch.from_clips(clips))
    batch = AudioBatch.from_clips(clips, speech=[((0.2, 0.4),), ()])
    some = encoder.encode_batch(batch)
    first, last = round(0.2 * encoder.frames_per_second), round(0.4 * encoder.frames_per_second)
    for state in range(encoder.num_states):
        torch.testing.assert_close(some.clips(state)[0], whole.clips(state)[0][first:last])
        torch.testing.assert_close(some.clips(state)[1], whole.clips(state)[1])


def test_rows_and_moves_of_a_batch_keep_the_speech():
    speech = [((0.0, 0.5),), ((0.1, 0.2), (0.3, 0.4))]
    batch = AudioBatch.from_clips([torch.zeros(16_000)] * 2, speech=speech)
    assert batch.rows(torch.tensor([False, True])).to("cpu").speech == (speech[1],)
    assert AudioBatch.from_clips([torch.zeros(9)], speech=[None]).speech is None
