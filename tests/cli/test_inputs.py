from pathlib import Path

import pytest

from sercl.cli.inputs import find_inputs
from sercl.corpora.folders import AUDIO_SUFFIXES
from sercl.errors import UsageError


@pytest.fixture
def talks(tmp_path, monkeypatch):
    """Audio, hidden audio, text and a folder of more; the working directory is the folder's parent."""
    folder = tmp_path / "talks"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "looks.wav").mkdir()
    for name in ("b.wav", "a.FLAC", "._a.FLAC", ".hidden.wav", "notes.txt", "deep/c.mp3", "deep/er/d.ogg"):
        (folder / name).touch()
    monkeypatch.chdir(tmp_path)
    return folder


def names(*words, recursive=False):
    return [path.as_posix() for path in find_inputs(words, recursive).files]


def test_a_folder_stands_for_the_audio_directly_in_it(talks):
    assert names("talks") == ["talks/a.FLAC", "talks/b.wav"]


def test_folders_below_are_taken_on_request(talks):
    assert names("talks", recursive=True) == [
        "talks/a.FLAC", "talks/b.wav", "talks/deep/c.mp3", "talks/deep/er/d.ogg",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("talks/*.wav", ["talks/b.wav"]),
        ("talks/?.*", ["talks/a.FLAC", "talks/b.wav"]),
        ("talks/**/*.[mo]*", ["talks/deep/c.mp3", "talks/deep/er/d.ogg"]),
        ("{here}/*/b.wav", ["{here}/talks/b.wav"]),
    ],
)
def test_patterns_stand_for_files_alone(talks, tmp_path, pattern, found):
    here = tmp_path.as_posix()
    assert names(pattern.format(here=here)) == [name.format(here=here) for name in found]


def test_a_file_that_is_named_may_be_of_any_kind(talks):
    assert names("talks/notes.txt", "talks/.hidden.wav") == ["talks/notes.txt", "talks/.hidden.wav"]


def test_words_keep_their_order_and_files_come_once(talks):
    assert names("talks/deep", "talks/b.wav", "talks", "talks/*.wav") == [
        "talks/deep/c.mp3", "talks/b.wav", "talks/a.FLAC",
    ]  # fmt: skip


def test_words_without_a_file_are_reported_with_their_reason(talks):
    (talks / "empty").mkdir()
    inputs = find_inputs(["talks/b.wav", "talks/x.wav", "talks/*.aiff", "talks/empty"])
    reasons = dict(inputs.unmatched)
    assert list(reasons) == ["talks/x.wav", "talks/*.aiff", "talks/empty"]
    assert str(Path.cwd()) in reasons["talks/x.wav"]
    assert reasons["talks/*.aiff"] == "no file matches this pattern."
    usual = ".wav, .flac, .mp3, .ogg, .opus, .aiff"
    rarer = len(AUDIO_SUFFIXES) - len(usual.split())
    assert f"Audio files end in {usual} or one of {rarer} rarer" in reasons["talks/empty"]


def test_a_folder_with_audio_further_down_says_how_to_take_it(talks):
    with pytest.raises(UsageError, match="add --recursive"):
        find_inputs([str(talks.parent)])


def test_no_file_at_all_is_wrong_use(talks):
    with pytest.raises(UsageError, match=r"nothing to predict\.\nx: no such.*\n\*\.wav: no file matches"):
        find_inputs(["x", "*.wav"])


def test_everything_in_a_folder_is_read_or_reported(talks):
    for name in ("b.caf", "c.OGA", "d.wave", "e.m4a", "data.json"):
        (talks / name).touch()
    (talks / "f.wav").symlink_to("/nonexistent/f.wav")
    inputs = find_inputs(["talks"])
    assert [path.name for path in inputs.files] == ["a.FLAC", "b.caf", "b.wav", "c.OGA", "d.wave", "e.m4a"]
    assert inputs.unmatched == (("talks/f.wav", "a link to /nonexistent/f.wav, which does not exist"),)
    assert inputs.left_out == (
        ("talks", "2 files are not audio by suffix (.json 1, .txt 1)"),
        ("talks", "audio in subfolders is left out: add --recursive"),
    )


def test_links_are_followed_and_loops_broken(talks, tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "x.wav").touch()
    (talks / "store").symlink_to(tmp_path / "store")
    (talks / "loop").symlink_to(talks)
    assert names("talks", recursive=True) == [
        "talks/a.FLAC", "talks/b.wav", "talks/deep/c.mp3", "talks/deep/er/d.ogg", "talks/store/x.wav",
    ]  # fmt: skip
    assert names("talks/**/*.wav") == ["talks/b.wav", "talks/store/x.wav"]


def test_a_link_to_nothing_says_where_it_leads(talks):
    (talks / "f.wav").symlink_to("/nonexistent/f.wav")
    with pytest.raises(UsageError, match=r"f\.wav: a link to /nonexistent/f\.wav, which does not exist"):
        find_inputs(["talks/f.wav"])


def test_a_dash_is_not_standard_input_and_says_so(talks, monkeypatch):
    monkeypatch.chdir(talks)
    with pytest.raises(UsageError, match=r"-: standard input is not read\. Save it to a file first"):
        find_inputs(["-"])
    (talks / "-").write_bytes(b"")
    assert [path.name for path in find_inputs(["-"]).files] == ["-"]
