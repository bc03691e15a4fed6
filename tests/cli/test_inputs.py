from pathlib import Path

import pytest

from sercl.cli.inputs import AUDIO_SUFFIXES, find_inputs
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


def test_words_without_a_file_are_told_with_their_reason(talks):
    (talks / "empty").mkdir()
    inputs = find_inputs(["talks/b.wav", "talks/x.wav", "talks/*.aiff", "talks/empty"])
    reasons = dict(inputs.unmatched)
    assert list(reasons) == ["talks/x.wav", "talks/*.aiff", "talks/empty"]
    assert str(Path.cwd()) in reasons["talks/x.wav"]
    assert reasons["talks/*.aiff"] == "no file matches this pattern."
    assert all(suffix in reasons["talks/empty"] for suffix in AUDIO_SUFFIXES)


def test_a_folder_with_audio_further_down_says_how_to_take_it(talks):
    with pytest.raises(UsageError, match="add --recursive"):
        find_inputs([str(talks.parent)])


def test_no_file_at_all_is_wrong_use(talks):
    with pytest.raises(UsageError, match=r"nothing to predict\.\nx: no such.*\n\*\.wav: no file matches"):
        find_inputs(["x", "*.wav"])
