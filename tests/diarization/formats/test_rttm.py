import pytest
from hypothesis import HealthCheck, given, settings

from sercl.diarization.formats import rttm
from sercl.diarization.segments import Annotation, ScoredSegment
from sercl.errors import SegmentError
from tests.diarization.formats.samples import alike, annotations

SHARED_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)


@SHARED_FOLDER
@given(annotations("one"), annotations("two"))
def test_everything_but_durations_comes_back(tmp_path, one, other):
    rttm.write([one, other], tmp_path / "a.rttm")
    found = rttm.read(tmp_path / "a.rttm")
    assert alike(found[0], one)
    assert alike(found[1], other)
    assert found[0].duration is None


def test_the_lines_are_those_of_nist(tmp_path):
    item = Annotation("a", (ScoredSegment(0.5, 1.25, "sad", 0.75), ScoredSegment(1.25, 2, "neutral")))
    rttm.write([item], tmp_path / "a.rttm")
    assert (tmp_path / "a.rttm").read_text() == (
        "SPEAKER a 1 0.5 0.75 <NA> <NA> sad 0.7500 <NA>\nSPEAKER a 1 1.25 0.75 <NA> <NA> neutral <NA> <NA>\n"
    )


def test_other_lines_are_passed_over_and_old_lines_may_be_short(tmp_path):
    path = tmp_path / "a.rttm"
    path.write_text(
        ";; comment\nSPKR-INFO a 1 <NA> <NA> <NA> unknown x <NA>\n\nSPEAKER a 1 0 1 <NA> <NA> sad\n"
    )
    assert rttm.read(path) == [Annotation("a", (ScoredSegment(0, 1, "sad"),))]


GOOD = "SPEAKER a 1 0 1 <NA> <NA> sad <NA> <NA>\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("SPEAKER a 1 0 1 sad\n", "6 fields"),
        ("SPEAKER a 1 zero 1 <NA> <NA> sad\n", "start 'zero' is not a time"),
        ("SPEAKER a 1 2 -1 <NA> <NA> sad\n", "sad from 2 s to 1 s is not a valid time span"),
        ("SPEAKER a 1 -2 1 <NA> <NA> sad\n", "begins at 0 s or later"),
        ("SPEAKER a 1 0.5 1 <NA> <NA> angry\n", "angry from 0.5 s to 1.5 s overlaps sad"),
        ("SPEAKER a 1 2 1 <NA> <NA> speaker1\n", "unknown emotion 'speaker1'"),
        ("SPEAKER a 1 2 1 <NA> <NA> sad 7 <NA>\n", "confidence '7'"),
    ],
)
def test_bad_lines_are_named(tmp_path, line, said):
    path = tmp_path / "a.rttm"
    path.write_text(GOOD + line)
    with pytest.raises(SegmentError, match=rf"a\.rttm:2: .*{said}") as caught:
        rttm.read(path)
    assert caught.value.line == 2


@pytest.mark.parametrize("id", ["my talk", ""])
def test_an_id_with_a_blank_is_refused(tmp_path, id):
    with pytest.raises(SegmentError, match="spaces"):
        rttm.write([Annotation(id, (ScoredSegment(0, 1, "sad"),))], tmp_path / "a.rttm")
    assert list(tmp_path.iterdir()) == []
