import pytest
from hypothesis import HealthCheck, given, settings

from sercl.diarization.formats import audacity
from sercl.diarization.segments import Annotation, ScoredSegment
from sercl.errors import SegmentError
from tests.diarization.formats.samples import alike, annotations

SHARED_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)


@SHARED_FOLDER
@given(annotations("talk 1"))
def test_segments_come_back_without_confidence(tmp_path, item):
    audacity.write(item, tmp_path / "talk 1.txt")
    (found,) = audacity.read(tmp_path / "talk 1.txt")
    assert alike(found, item, confidence=False)


def test_the_lines_are_those_of_audacity(tmp_path):
    path = tmp_path / "a.txt"
    audacity.write(Annotation("a", (ScoredSegment(0.5, 1.25, "sad", 0.9),)), path)
    assert path.read_text() == "0.500000\t1.250000\tsad\n"
    path.write_text("0.500000\t1.250000\tSadness\n\\\t120.0\t3000.0\n\n")
    assert audacity.read(path) == [Annotation("a", (ScoredSegment(0.5, 1.25, "sad"),))]


def test_an_empty_track_is_a_recording_without_events(tmp_path):
    (tmp_path / "a.txt").write_text("")
    assert audacity.read(tmp_path / "a.txt") == [Annotation("a", ())]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1.0 2.0 sad\n", "1 fields"),
        ("x\t2.0\tsad\n", "start 'x' is not a time"),
        ("2,5,5\t3\tsad\n", "start '2.5.5' is not a time"),
        ("3\t2\tsad\n", "not a valid time span"),
        ("0.5\t2\tangry\n", "overlaps"),
        ("1\t2\t\n", "unknown emotion ''"),
    ],
)
def test_bad_lines_are_named(tmp_path, line, said):
    path = tmp_path / "a.txt"
    path.write_text("0\t1\tsad\n" + line)
    with pytest.raises(SegmentError, match=rf"a\.txt:2: .*{said}"):
        audacity.read(path)
