from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

from sercl.audio.stream import envelope_of
from sercl.errors import UnknownNameError, UsageError
from sercl.reports.diarization import figure as module
from sercl.reports.diarization.figure import MOST, Picture, timeline_figure
from tests.reports.diarization.samples import ITEM, NOTHING

LOUD = envelope_of(np.sin(np.arange(4000, dtype=np.float32)))


def picture(item, **tracks):
    return Picture(item.id, item.end, LOUD, {"": item.segments, **tracks}, item.pauses)


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_a_picture_is_written(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    timeline_figure([picture(ITEM), picture(NOTHING)], path)
    assert path.stat().st_size > 1000


def test_each_track_has_a_row_and_each_emotion_stands_in_the_legend(tmp_path):
    path = tmp_path / "a.svg"
    timeline_figure([picture(ITEM, truth=NOTHING.segments)], path)
    text = path.read_text()
    for word in ("talk", "truth", "angry", "neutral", "4 s"):
        assert f">{word}<" in text.replace("\n", ""), word


def test_silence_is_no_trouble(tmp_path):
    timeline_figure([Picture("a", 1.0, np.zeros(9, np.float32), {"": ()})], tmp_path / "a.png")


def test_what_cannot_be_drawn_is_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="Valid"):
        timeline_figure([picture(ITEM)], tmp_path / "a.gif")
    for count in (0, MOST + 1):
        with pytest.raises(UsageError, match="valid: 1 to 40"):
            timeline_figure([picture(ITEM)] * count, tmp_path / "a.png")


def test_recordings_do_not_overlap():
    figure = Figure()
    module._draw(figure, [picture(ITEM, truth=ITEM.segments), picture(NOTHING), picture(ITEM)])
    boxes = [axes.get_position() for axes in figure.axes]
    assert all(upper.y0 > lower.y1 for upper, lower in pairwise(boxes))
    assert boxes[-1].y0 > 0
