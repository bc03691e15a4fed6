import os
from collections.abc import Iterable
from pathlib import Path

import pytest
import soundfile

from sercl.corpora.base import Problem
from sercl.corpora.folders import (
    AUDIO_SUFFIXES,
    DECODED_SUFFIXES,
    AudioFolder,
    existing_folder,
    find_root,
    has_audio_below,
    walk,
)
from sercl.errors import CorpusNotFoundError


def is_root(folder: Path) -> bool:
    return (folder / "mark").is_file()


def test_the_root_is_found_one_level_down_if_there_is_one_only(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "mark").touch()
    assert find_root(tmp_path / "a", "X", is_root, "mark") == tmp_path / "a"
    assert find_root(tmp_path, "X", is_root, "mark") == tmp_path / "a"
    (tmp_path / "b" / "mark").touch()
    with pytest.raises(CorpusNotFoundError, match=r"found a/, b/\. Did you mean .*/a or .*/b\?"):
        find_root(tmp_path, "X", is_root, "mark")


def test_the_parent_counts_only_where_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "mark").touch()
    (tmp_path / "inside").mkdir()
    assert find_root(tmp_path / "inside", "X", is_root, "mark", upwards=True) == tmp_path
    with pytest.raises(CorpusNotFoundError, match=r"found an empty folder\. Did you mean"):
        find_root(tmp_path / "inside", "X", is_root, "mark")


def test_a_long_listing_is_cut_short(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"{number}.txt").touch()
    with pytest.raises(CorpusNotFoundError, match=r"4\.txt, \.\.\. \(9 entries\)"):
        find_root(tmp_path, "X", is_root, "mark")


def test_relative_and_home_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "corpus").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert existing_folder("corpus", "X") == existing_folder("~/corpus", "X") == tmp_path / "corpus"


def names(found: Iterable[Path], root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in found]


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def test_files_come_sorted_and_without_hidden_ones(tmp_path: Path) -> None:
    hidden = (".git/4.wav", "__MACOSX/5.wav", "a/._3.wav", ".DS_Store", "@eaDir/3.wav")
    touch(tmp_path, "b/2.WAV", "b/1.wav", "a/3.wav", "a/x.txt", *hidden)
    found = walk(tmp_path)
    assert names(found.audio, tmp_path) == ["a/3.wav", "b/1.wav", "b/2.WAV"]
    assert (found.problems, found.others) == ((), {".txt": 1})


def test_every_suffix_of_libsndfile_is_audio() -> None:
    other_names = {
        "IRCAM": ".sf",
        "MPC2K": ".mpc",
        "SVX": ".8svx",
        "NIST": ".nist",
        "WAVEX": ".wavex",
        "RAW": ".raw",
    }
    never = {"MAT4", "MAT5"}  # data of MATLAB: nearly never speech
    for name in soundfile.available_formats().keys() - never:
        assert other_names.get(name, f".{name.lower()}") in AUDIO_SUFFIXES, name
    spoken_of = "wav wave flac ogg oga opus mp3 aif aiff aifc au snd caf w64 rf64 gsm voc sph"
    assert {f".{suffix}" for suffix in spoken_of.split()} <= DECODED_SUFFIXES


def test_links_into_what_comes_and_goes_stop_nothing(tmp_path: Path) -> None:
    (tmp_path / "1.wav").touch()
    (tmp_path / "open").symlink_to("/proc/self/fd")  # its entries are gone when they are looked at
    assert tmp_path / "1.wav" in walk(tmp_path).audio


def test_links_are_followed_once(tmp_path: Path) -> None:
    root, store = tmp_path / "root", tmp_path / "store"
    touch(root, "a/1.wav", "2.wav")
    touch(store, "far/3.wav", "near/4.wav", "5.wav", "other/6.wav")
    (root / "far").symlink_to(store / "far")
    (root / "again").symlink_to(store / "far")  # the same folder once more
    (root / "twice").symlink_to(root / "a")  # a folder that is here itself
    (root / "a" / "up").symlink_to(root)  # loops
    (root / "out").symlink_to(tmp_path)
    (store / "far" / "back").symlink_to(store)
    (store / "far" / "near").symlink_to(store / "near")  # a link behind a link
    (root / "5.wav").symlink_to(store / "5.wav")
    (root / "a" / "5.wav").symlink_to(store / "5.wav")  # the same file of the same name once more
    (root / "best.wav").symlink_to(root / "2.wav")  # a file that is here itself
    found = walk(root)
    assert {path.resolve() for path in found.audio} == {
        root / "a/1.wav", root / "2.wav", store / "far/3.wav", store / "near/4.wav", store / "5.wav",
    }  # fmt: skip
    assert len(found.audio) == 5
    assert found.problems == ()


def test_a_linked_root_is_a_folder_like_any_other(tmp_path: Path) -> None:
    touch(tmp_path, "real/a/1.wav")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert names(walk(tmp_path / "link").audio, tmp_path) == ["link/a/1.wav"]


def test_links_to_nothing_are_problems(tmp_path: Path) -> None:
    for name in ("gone.wav", "Actor_01", "v1.0", "notes.txt"):
        (tmp_path / name).symlink_to("/nonexistent/x")
    (tmp_path / "self.wav").symlink_to("self.wav")
    problems = walk(tmp_path).problems
    assert [item.path.name for item in problems] == ["Actor_01", "gone.wav", "self.wav", "v1.0"]
    assert {item.kind for item in problems} == {"missing"}
    assert "a link to /nonexistent/x, which does not exist" in problems[0].reason


def test_a_folder_that_cannot_be_opened_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "locked/1.wav", "2.wav")
    scandir = os.scandir

    def refuse(place: Path) -> object:
        if Path(place).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refuse)
    found = walk(tmp_path)
    assert names(found.audio, tmp_path) == ["2.wav"]
    assert [(p.path.name, p.reason) for p in found.problems] == [
        ("locked", "cannot be opened (Permission denied)")
    ]


def test_not_recursive_means_this_folder_alone(tmp_path: Path) -> None:
    touch(tmp_path, "here/1.wav", "here/deep/2.wav", "store/3.wav")
    (tmp_path / "here" / "linked").symlink_to(tmp_path / "store")
    assert names(walk(tmp_path / "here", recursive=False).audio, tmp_path) == ["here/1.wav"]
    assert has_audio_below(tmp_path / "here")
    assert not has_audio_below(tmp_path / "store")


def test_a_file_is_found_under_another_suffix_and_another_way(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.FLAC", "b/2.mp3", "b/2.wav")
    (tmp_path / "c").symlink_to(tmp_path / "b")
    audio = AudioFolder(tmp_path)
    assert audio.find(tmp_path / "a" / "1.wav") == tmp_path / "a" / "1.FLAC"
    assert audio.find(tmp_path / "b" / "2.ogg") == tmp_path / "b" / "2.wav"
    assert audio.find(tmp_path / "c" / "2.mp3") == tmp_path / "b" / "2.mp3"
    assert audio.find(tmp_path / "a" / "9.wav") is None
    touch(tmp_path, "a/1.ogg", "a/3.opus", "a/3.wav", "b/2.caf")
    audio = AudioFolder(tmp_path)
    audio.find(tmp_path / "a" / "1.ogg")
    rest = audio.rest(lambda path: Problem(path, "stray"))
    kinds = {item.path.name: item.kind for item in rest if isinstance(item, Problem)}
    assert kinds == {
        "2.wav": "label", "3.wav": "label", "1.FLAC": "copy", "3.opus": "copy", "2.caf": "copy",
        "2.mp3": "copy",
    }  # fmt: skip
