import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from sercl.diarization.formats import jsonfile
from sercl.diarization.segments import Annotation, ScoredSegment
from sercl.errors import SegmentError
from tests.diarization.formats.samples import alike, annotations

SHARED_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)


@SHARED_FOLDER
@given(annotations("a b/c"), annotations("é", whole=False))
def test_everything_comes_back(tmp_path, one, other):
    jsonfile.write([one, other], tmp_path / "a.json")
    found = jsonfile.read(tmp_path / "a.json")
    assert alike(found[0], one)
    assert alike(found[1], other)
    assert [item.duration for item in found] == [one.duration, other.duration]


def test_a_map_of_lists_is_read_as_speechbrain_gives_it(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(
        '{"x.wav": [{"start": 0, "end": 1.94, "emotion": "n"}, {"start": 1.94, "end": 4, "emotion": "h"}]}'
    )
    (item,) = jsonfile.read(path, {"n": "neutral", "h": "happy"})
    assert item == Annotation(
        "x.wav", (ScoredSegment(0, 1.94, "neutral"), ScoredSegment(1.94, 4, "happy")), None
    )


def test_recordings_without_segments_are_kept(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(
        '{"recordings": [{"id": "b", "segments": []}, {"id": "a", "duration": 2, "segments": []}]}'
    )
    assert jsonfile.read(path) == [Annotation("b", ()), Annotation("a", (), 2.0)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"recordings": [\n{"id" "a"}]}', r"a\.json:2: is not valid JSON"),
        ("[]", "holds no recordings"),
        ('{"a": 3}', "recording 0 has no id or no list of segments"),
        ('{"a": [7]}', "recording 'a': segment 7 needs start, end and emotion"),
        ('{"a": [{"start": 0, "end": 1}]}', "needs start, end and emotion"),
        ('{"a": [{"start": "x", "end": 1, "emotion": "sad"}]}', "recording 'a': start 'x' is not a time"),
        ('{"a": [{"start": 0, "end": NaN, "emotion": "sad"}]}', "end nan is not a time"),
        ('{"a": [{"start": 0, "end": 1, "emotion": "sadd"}]}', "unknown emotion 'sadd'.*'sad'"),
        ('{"a": [{"start": 0, "end": 1, "emotion": "sad", "confidence": 3}]}', "confidence 3 is not"),
        ('{"a": [{"start": 2, "end": 1, "emotion": "sad"}]}', "recording 'a': sad from 2 s to 1 s"),
        (
            '{"recordings": [{"id": "a", "duration": 1, "segments": '
            '[{"start": 0, "end": 2, "emotion": "sad"}]}]}',
            "overruns the recording, which is 1 s long",
        ),
        (
            '{"recordings": [{"id": "a", "duration": "long", "segments": []}]}',
            "duration 'long' is not a time",
        ),
        ('{"recordings": [{"id": "a", "segments": []}, {"id": "a", "segments": []}]}', "the same id"),
    ],
)
def test_bad_files_are_named(tmp_path, text, said):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(SegmentError, match=said) as caught:
        jsonfile.read(path)
    assert str(path) in str(caught.value)


def test_pauses_are_written_and_passed_over(tmp_path):
    item = Annotation("a", (ScoredSegment(0.0, 1.0, "neutral", 1.0),), 1.0, ((0.0, 0.5),))
    jsonfile.write([item], tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())["recordings"][0]["pauses"] == [[0.0, 0.5]]
    assert jsonfile.read(tmp_path / "a.json") == [replace(item, pauses=())]
