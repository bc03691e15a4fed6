import pytest
from hypothesis import HealthCheck, given, settings

from sercl.diarization.formats import csvfile
from sercl.diarization.segments import Annotation, ScoredSegment
from sercl.errors import SegmentError
from tests.diarization.formats.samples import alike, annotations

SHARED_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)


@SHARED_FOLDER
@given(annotations('a, "b"'), annotations("two"))
def test_everything_comes_back(tmp_path, one, other):
    csvfile.write([one, other], tmp_path / "a.csv")
    found = csvfile.read(tmp_path / "a.csv")
    assert alike(found[0], one)
    assert alike(found[1], other)
    assert [item.duration for item in found] == [one.duration, other.duration]


def test_four_columns_in_any_order_will_do(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("\ufeffemotion,end,start,id,who\nsad,2,1,x,me\nangry,1,0,x,me\n", encoding="utf-8")
    assert csvfile.read(path) == [Annotation("x", (ScoredSegment(0, 1, "angry"), ScoredSegment(1, 2, "sad")))]


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("id,start,emotion\n", 1, "no column end"),
        ("", 1, "no column id, start, end, emotion"),
        ("id,start,end,emotion\na,0,1,sad\na,1\n", 3, "2 cells, but the header has 4 columns"),
        ("id,start,end,emotion\na,0,,sad\n", 2, "end '' is not a time"),
        ("id,start,end,emotion\nb,0,1,sad\na,0,1,sad\na,0.5,2,angry\n", 4, "overlaps"),
        (
            "id,start,end,emotion,duration\na,0,1,sad,2\na,1,2,sad,3\n",
            3,
            "duration 3 s, but 2 s in an earlier row",
        ),
        ("id,start,end,emotion,duration\na,0,9,sad,2\n", 2, "overruns"),
        ("id,start,end,emotion,duration\na,0,1,sad,x\n", 2, "duration 'x' is not a time"),
    ],
)
def test_bad_lines_are_named(tmp_path, text, place, said):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(SegmentError, match=rf"a\.csv:{place}: .*{said}"):
        csvfile.read(path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_table_of_segments_is_the_same_in_every_dialect(tmp_path, delimiter, encoding, end):
    point = "." if delimiter == "," else ","
    rows = [
        ("ID", "Start", "End ", "Emotion", "confidence", "duration", ""),
        ("J\u00fcrgen\u00a01", f"0{point}5", "1", "\u00a0Angry ", "nan", f"2{point}5", ""),
        (" J\u00fcrgen 1", "1", "2", "\u00c4rger", f"0{point}25", "None", ""),
    ]
    text = end.join(delimiter.join(cells) for cells in rows) + end
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    first, second = ScoredSegment(0.5, 1, "angry"), ScoredSegment(1, 2, "angry", 0.25)
    assert csvfile.read(tmp_path / "a.csv") == [Annotation("J\u00fcrgen 1", (first, second), 2.5)]


def test_columns_that_are_one_and_recordings_without_a_name_are_errors(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,start,end,emotion,End\na,0,1,sad,2\n")
    with pytest.raises(SegmentError, match=r"a\.csv:1: column 'End' appears twice"):
        csvfile.read(path)
    path.write_text("id,start,end,emotion\n ,0,1,sad\n")
    with pytest.raises(SegmentError, match=r"a\.csv:2: the cell 'id' is empty"):
        csvfile.read(path)
