import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sercl.diarization.frames import Stitch, stitched


@given(st.integers(1, 300), st.integers(0, 4), st.integers(1, 20), st.integers(0, 1))
def test_each_frame_comes_once_from_inside_its_window(total, outer, step, missing):
    """Windows of a recording whose frame i holds i; a window may lack its last frame, as wav2vec's do."""
    size = step + 2 * outer
    parts, index = [], 0
    while index * step + size < total:
        first = index * step
        frames = np.arange(first, first + size - (missing if outer else 0), dtype=float)
        parts.append((index, False, frames[:, None]))
        index += 1
    parts.append((index, True, np.arange(index * step, total, dtype=float)[:, None]))
    found = np.concatenate(list(stitched(parts, Stitch(step, outer))))
    assert found[:, 0].tolist() == list(range(total))


def test_a_single_window_keeps_its_ends():
    assert Stitch(5, 2).kept(0, 9, last=True) == slice(0, 9)
    assert Stitch(5, 2).kept(0, 9, last=False) == slice(0, 7)
    assert Stitch(5, 2).kept(3, 9, last=False) == slice(2, 7)
    assert Stitch(5, 2).kept(3, 6, last=True) == slice(2, 6)


def test_a_window_that_is_too_short_is_an_error():
    with pytest.raises(ValueError, match="window 1 has 3 frames, 7 are needed"):
        list(stitched([(1, False, np.zeros((3, 2)))], Stitch(5, 2)))
