import unicodedata

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
    with pytest.raises(SegmentError, match=r"c\.csv: recording 'one' is also in a\.rttm"):
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
    with pytest.raises(SegmentError, match="begins as utf-16, but is not"):
        read_segments(tmp_path / "a.csv")


TEXTS = {
    "audacity": "0\t1,5\t\u00c4rger\u00a0\r\n2.0\t3\t SAD\r\n",
    "rttm": "SPEAKER J\u00fcrgen 1 0 1.5 <NA> <NA> \u00c4rger <NA> <NA>\r"
    "SPEAKER J\u00fcrgen 1 2 1 <NA> <NA> Sad <NA>\r",
    "json": '{"J\u00fcrgen ": [{"start": 0, "end": 1.5, "emotion": "\u00c4rger"}, '
    '{"start": 2, "end": 3, "emotion": "\u200bsad"}]}',
    "textgrid": 'File type = "ooTextFile"\nObject class = "TextGrid"\n0 3 <exists> 1 "IntervalTier" '
    '"Emotion\u00a0" 0 3 3 0 1.5 "\u00c4rger" 1.5 2 "\u00a0" 2 3 "Sad "',
    "csv": "id;start;end;emotion\nJ\u00fcrgen;0;1,5;\u00c4rger\nJ\u00fcrgen;2;3;sad",
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_and_forms_of_names_make_no_difference(tmp_path, name, encoding):
    """The text of a file; the name of a file in the form of macOS."""
    text = TEXTS[name].replace("\u200b", "" if encoding == "cp1252" else "\u200b")
    path = tmp_path / unicodedata.normalize("NFD", f"J\u00fcrgen{FORMATS[name].suffix}")
    path.write_bytes(text.encode(encoding))
    (item,) = read_segments(path)
    assert (item.id, item.segments) == (
        "J\u00fcrgen",
        (ScoredSegment(0, 1.5, "angry"), ScoredSegment(2, 3, "sad")),
    )


def test_a_text_whose_encoding_cannot_be_told_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes("id,start,end,emotion\nприве,0,1,злость\n".encode("cp1251"))
    with pytest.raises(SegmentError, match=r"a\.csv: not UTF-8 \(byte 21\).*iconv"):
        read_segments(tmp_path / "a.csv")


def test_a_users_own_names_of_labels_go_by_their_form(tmp_path):
    (tmp_path / "a.txt").write_text("0\t1\t wut  und Zorn \n")
    (item,) = read_segments(tmp_path / "a.txt", names={"Wut und Zorn": "angry"})
    assert [segment.emotion for segment in item.segments] == ["angry"]
