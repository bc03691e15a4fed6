import json

import pytest

from sercl.data.clips.config import ClipConfig
from sercl.data.clips.plan import Planner, load_clips, save_clips
from sercl.errors import ManifestError
from tests.data.clips.samples import pieces

CLASSES = ("angry", "happy", "neutral", "sad")
UTTERANCES = [piece.utterance for piece in pieces()]


@pytest.fixture
def saved(tmp_path):
    planner = Planner(pieces(), ClipConfig(), 0)
    clips = [planner.plan(index) for index in range(6)]
    save_clips(clips, tmp_path / "train.jsonl")
    return clips, tmp_path / "train.jsonl"


def test_clips_come_back_without_paths(saved):
    clips, path = saved
    found = load_clips(path, UTTERANCES, CLASSES)
    assert [(clip.id, clip.pattern, clip.pieces) for clip in found] == [
        (clip.id, clip.pattern, clip.pieces) for clip in clips
    ]
    assert [clip.crop for clip in found] == pytest.approx([clip.crop for clip in clips], abs=1e-6)
    assert "nowhere" not in path.read_text()
    save_clips(found, path)
    assert load_clips(path, UTTERANCES, CLASSES) == found


def changed(path, change):
    lines = path.read_text().splitlines()
    row = json.loads(lines[1])
    change(row)
    path.write_text("\n".join([lines[0], json.dumps(row)]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row["pieces"][0].update(utterance="gone"), "'gone' of fake is not in this part"),
        (lambda row: row["pieces"][0].update(label="bored"), "class 'bored' is not one of angry"),
        (lambda row: row["pieces"][0].pop("start"), "a piece needs corpus, end"),
        (lambda row: row.pop("pieces"), "is not a clip"),
        (lambda row: row.update(pieces=[]), "is not a clip"),
        (lambda row: row.update(speaker="x"), "is not a clip"),
        (lambda row: row["pieces"][0].update(start="soon"), "start 'soon'"),
        (lambda row: row["pieces"][0].update(start=2.0, end=1.0), "2 s to 1 s"),
        (lambda row: row.update(crop=7), "crop 7"),
    ],
)
def test_bad_lines_are_named(saved, change, said):
    _, path = saved
    changed(path, change)
    with pytest.raises(ManifestError, match=rf"train\.jsonl:2: .*{said}"):
        load_clips(path, UTTERANCES, CLASSES)


def test_other_files_are_no_lists(tmp_path):
    path = tmp_path / "a.jsonl"
    with pytest.raises(ManifestError, match="cannot be read"):
        load_clips(path, UTTERANCES, CLASSES)
    path.write_text("")
    with pytest.raises(ManifestError, match="no clip"):
        load_clips(path, UTTERANCES, CLASSES)
    path.write_text("{broken")
    with pytest.raises(ManifestError, match="1: is not valid JSON"):
        load_clips(path, UTTERANCES, CLASSES)
