import torch
from hypothesis import given
from hypothesis import strategies as st

from sercl.models.encoders.masking import receptive_field


def test_that_of_wav2vec2():
    assert receptive_field((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)) == (400, 320)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), min_size=1, max_size=4), st.integers(1, 4))
def test_so_many_samples_give_so_many_frames(layers, frames):
    field, hop = receptive_field(*zip(*layers, strict=True))
    signal = torch.ones(1, 1, field + (frames - 1) * hop)
    for kernel, stride in layers:
        signal = torch.nn.functional.conv1d(signal, torch.ones(1, 1, kernel), stride=stride)
    assert signal.shape[-1] == frames
