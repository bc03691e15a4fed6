from pathlib import Path

import pytest

from sercl.corpora.folders import existing_folder, files_below, find_root
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


def test_files_come_sorted_and_without_hidden_ones(tmp_path: Path) -> None:
    for name in ("b/2.WAV", "b/1.wav", "a/3.wav", "a/._3.wav", ".git/4.wav", "__MACOSX/5.wav", "a/x.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path, (".wav",))]
    assert found == ["a/3.wav", "b/1.wav", "b/2.WAV"]
