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
        ("id,start,end,emotion\na,0,1,sad\na,1\n", 3, "fewer cells"),
        ("id,start,end,emotion\na,0,,sad\n", 2, "end '' is not a time"),
        ("id,start,end,emotion\nb,0,1,sad\na,0,1,sad\na,0.5,2,angry\n", 4, "overlaps"),
        ("id,start,end,emotion,duration\na,0,1,sad,2\na,1,2,sad,3\n", 3, "duration 3 s, but 2 s further up"),
        ("id,start,end,emotion,duration\na,0,9,sad,2\n", 2, "overruns"),
        ("id,start,end,emotion,duration\na,0,1,sad,x\n", 2, "duration 'x' is not a time"),
    ],
)
def test_bad_lines_are_named(tmp_path, text, place, said):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(SegmentError, match=rf"a\.csv:{place}: .*{said}"):
        csvfile.read(path)
