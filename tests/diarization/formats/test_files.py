import pytest

from sercl.diarization.formats import FORMATS, read_segments, write_segments
from sercl.diarization.segments import Annotation, ScoredSegment
from sercl.errors import SegmentError, UnknownNameError

ONE = Annotation("one", (ScoredSegment(0, 1, "neutral"), ScoredSegment(1, 2, "sad")), 2.0)
OTHER = Annotation("other", (ScoredSegment(0, 3, "angry"),), 3.0)


def bare(items):
    return {item.id: item.segments for item in items}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_holds_several_recordings(tmp_path, name):
    single = name in ("textgrid", "audacity")
    place = tmp_path / ("out" if single else f"out{FORMATS[name].suffix}")
    written = write_segments([ONE, OTHER], place, name)
    assert len(written) == (2 if single else 1)
    assert all(path.is_file() for path in written)
    assert bare(read_segments(place, name)) == bare([ONE, OTHER])


@pytest.mark.parametrize("name", FORMATS)
def test_the_suffix_tells_the_format(tmp_path, name):
    place = tmp_path / f"one{FORMATS[name].suffix}"
    assert write_segments([ONE], place) == [place]
    assert bare(read_segments(place)) == bare([ONE])


def test_a_folder_is_read_in_the_order_of_its_files(tmp_path):
    write_segments([OTHER], tmp_path / "b.csv")
    write_segments([ONE], tmp_path / "a.rttm")
    (tmp_path / "notes.md").write_text("no segments")
    assert [item.id for item in read_segments(tmp_path)] == ["one", "other"]
    assert [item.id for item in read_segments(tmp_path, "csv")] == ["other"]
    write_segments([ONE], tmp_path / "c.csv")
    with pytest.raises(SegmentError, match=r"c\.csv: recording 'one' stands in a\.rttm too"):
        read_segments(tmp_path)


def test_unknown_formats_and_places_are_named(tmp_path):
    with pytest.raises(UnknownNameError, match=r"segment format 'textgird'.*'textgrid'"):
        read_segments(tmp_path / "a.csv", "textgird")
    with pytest.raises(UnknownNameError, match=r"a\.xml.*\.rttm \(rttm\)"):
        read_segments(tmp_path / "a.xml")
    with pytest.raises(SegmentError, match=r"a\.csv: cannot be read"):
        read_segments(tmp_path / "a.csv")
    with pytest.raises(SegmentError, match="holds no segment file"):
        read_segments(tmp_path)
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SegmentError, match="is no utf-16 text"):
        read_segments(tmp_path / "a.csv")
