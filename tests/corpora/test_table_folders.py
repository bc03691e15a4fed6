import os
import re
import shlex
from pathlib import Path

import pytest

from sercl.corpora.base import Utterance
from sercl.corpora.manifest import read_manifest, write_manifest
from sercl.corpora.table_folders import check_folders, lies_in, remember_folders
from sercl.errors import ManifestError, SerclWarning
from sercl.files import cache_folder

VARIABLE = "SERCL_ALLOW_FOLDERS"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of audio, `wav`, beside one for tables, `tables`."""
    (tmp_path / "wav").mkdir()
    (tmp_path / "tables").mkdir()
    (tmp_path / "wav" / "a.wav").touch()
    return tmp_path


def table(folder: Path, name: str) -> Path:
    path = folder / "tables" / "m.csv"
    path.write_text(f"path,emotion\n{name},sad\n")
    return path


def names(error: pytest.ExceptionInfo[ManifestError]) -> list[str]:
    """Return the folders that a message says to allow."""
    (words,) = re.findall(rf"export {VARIABLE}=(.*)", str(error.value))
    return shlex.split(words)[0].split(os.pathsep)


@pytest.mark.parametrize("spelling", ["absolute", "up", "home", "through a link", "space"])
def test_files_elsewhere_are_read_only_if_their_folder_is_allowed(
    spelling: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "tables" / "link").symlink_to(folder / "deep" / "er")
    written = {
        "absolute": str(folder / "wav" / "a.wav"),
        "up": "../wav/a.wav",
        "home": "~/wav/a.wav",
        "through a link": "link/../../wav/a.wav",  # below the table as it is written
        "space": f" {folder / 'wav' / 'a.wav'}",
    }[spelling]
    path = table(folder, written)
    with pytest.raises(ManifestError, match=r"m\.csv:2: names .*a\.wav', outside of .*tables\.") as caught:
        read_manifest(path)
    assert names(caught) == [str((folder / "wav").resolve())]
    for allowed in (str(folder / "wav"), f"/nowhere{os.pathsep}~/wav", str(folder)):
        monkeypatch.setenv(VARIABLE, allowed)
        assert len(read_manifest(path).utterances) == 1
    monkeypatch.setenv(VARIABLE, f"{folder / 'wav'}-other")
    with pytest.raises(ManifestError):
        read_manifest(path)


def test_links_below_the_folder_are_followed(folder: Path) -> None:
    (folder / "tables" / "linked").symlink_to(folder / "wav")
    assert len(read_manifest(table(folder, "linked/a.wav")).utterances) == 1
    (folder / "tables" / "b.wav").symlink_to(folder / "wav" / "a.wav")
    assert len(read_manifest(table(folder, "b.wav")).utterances) == 1


def test_a_table_and_its_audio_below_a_linked_folder(folder: Path) -> None:
    (folder / "other").symlink_to(folder)
    path = table(folder, str(folder / "other" / "tables" / "a.wav"))
    (folder / "tables" / "a.wav").touch()
    assert len(read_manifest(path).utterances) == 1
    assert len(read_manifest(folder / "other" / "tables" / "m.csv").utterances) == 1


def test_a_table_of_sercl_names_files_where_it_was_written(folder: Path) -> None:
    path, moved = folder / "tables" / "m.csv", folder / "tables" / "moved.csv"
    write_manifest([Utterance("a", folder / "wav" / "a.wav", "sad", "mine")], path)
    assert len(read_manifest(path).utterances) == 1
    path.write_text(path.read_text().replace("sad", "angry"))  # to edit it is what it is written for
    assert read_manifest(path).utterances[0].emotion == "angry"
    (folder / "more").mkdir()
    (folder / "more" / "b.wav").touch()
    path.write_text(f"{path.read_text()}b,{folder / 'more' / 'b.wav'},sad,mine,und\n")
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    assert names(caught) == [str((folder / "more").resolve())]
    moved.write_bytes(path.read_bytes())
    with pytest.raises(ManifestError):
        read_manifest(moved)
    write_manifest([], path)
    with pytest.raises(ManifestError):
        read_manifest(table(folder, str(folder / "wav" / "a.wav")))


def test_a_permission_that_cannot_be_stored_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "file"))
    with pytest.warns(SerclWarning, match=f"{VARIABLE}={folder / 'wav'} must be set"):
        write_manifest([Utterance("a", folder / "wav" / "a.wav", "sad", "mine")], folder / "tables" / "m.csv")


def test_few_folders_are_named_none_too_wide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    found = [
        "/data/one/wav/s1/a.wav",
        "/data/one/wav/s2/a.wav",
        "/data/two/a.wav",
        "/home/me/corpus/x/a.wav",
        "/home/me/corpus/y/a.wav",
        "/home/me/other/a.wav",
    ]
    with pytest.raises(ManifestError) as caught:
        check_folders(tmp_path / "m.csv", dict.fromkeys(map(Path, found)), tmp_path)
    assert names(caught) == ["/data/one/wav", "/data/two", "/home/me/corpus", "/home/me/other"]


def test_a_stored_permission_is_the_users_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    remember_folders(folder / "tables" / "m.csv", [folder / "wav" / "a.wav"])
    assert cache_folder().stat().st_mode & 0o777 == 0o700
    assert list((cache_folder() / "tables").iterdir())
    remember_folders(folder / "tables" / "m.csv", [folder / "tables" / "a.wav"])
    assert not list((cache_folder() / "tables").iterdir())


def test_what_lies_in_a_folder(tmp_path: Path) -> None:
    assert lies_in(tmp_path, [tmp_path])
    assert lies_in(tmp_path / "a" / ".." / "b", [tmp_path])
    assert not lies_in(tmp_path / "a" / ".." / "b", [tmp_path / "a"])
    assert not lies_in(tmp_path.parent, [tmp_path])
    assert not lies_in(tmp_path / "ab", [tmp_path / "a"])
