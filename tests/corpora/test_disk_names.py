import os
import unicodedata
from pathlib import Path

import pytest

from sercl.corpora.disk_names import file_named, foreign_hint

COMPOSED, APART = "café", unicodedata.normalize("NFD", "café")


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize("stored", [COMPOSED, APART])
@pytest.mark.parametrize("written", [COMPOSED, APART])
def test_a_file_is_found_in_either_unicode_form(tmp_path: Path, stored: str, written: str) -> None:
    path = touch(tmp_path / stored / f"{stored}.wav")
    assert file_named(tmp_path, f"{written}/{written}.wav") == path
    assert file_named(Path("/nowhere"), str(tmp_path / written / f"{written}.wav")) == path


@pytest.mark.parametrize(
    "written",
    [
        "wav\\a.wav",
        ".\\wav\\a.wav",
        " wav/a.wav ",
        "\ufeffwav/a.wav",
        "wav/a\u200b.wav",
        "wav\\..\\wav\\a.wav",
        "wav/A.WAV",
        "WAV\\a.Wav",
    ],
)
def test_windows_paths_and_invisible_characters(tmp_path: Path, written: str) -> None:
    path = touch(tmp_path / "wav" / "a.wav")
    assert file_named(tmp_path, written).samefile(path)


@pytest.mark.parametrize("name", ["a\\b.wav", " a.wav", "a\u200b.wav"])
def test_a_file_that_is_really_called_so_comes_first(tmp_path: Path, name: str) -> None:
    touch(tmp_path / "a" / "b.wav")
    touch(tmp_path / "a.wav")
    path = touch(tmp_path / name)
    assert file_named(tmp_path, name) == path


def test_of_two_forms_on_disk_neither_is_guessed(tmp_path: Path) -> None:
    touch(tmp_path / "a\u200bb.wav")
    touch(tmp_path / "ab\u200b.wav")
    assert not file_named(tmp_path, "ab.wav").is_file()


@pytest.mark.parametrize("name", ["gone.wav", "x" * 5000, "a\0b", "..\\..\\gone.wav", ""])
def test_a_file_that_is_not_there_has_a_path(tmp_path: Path, name: str) -> None:
    assert isinstance(file_named(tmp_path, name), Path)


def test_a_file_that_comes_later_is_found(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    assert not file_named(tmp_path, f"x/{COMPOSED}.wav").is_file()
    times = (tmp_path / "x").stat()
    path = touch(tmp_path / "x" / f"{APART}.wav")
    os.utime(tmp_path / "x", ns=(times.st_atime_ns, times.st_mtime_ns))  # within a step of the clock
    assert file_named(tmp_path, f"x/{COMPOSED}.wav") == path


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("C:\\data\\x.wav", "Windows"),
        ("d:/data/x.wav", "Windows"),
        ("\\\\server\\share\\x.wav", "Windows"),
        (" C:\\x.wav", "Windows"),
        ("https://host/x.wav", "address"),
        ("s3://bucket/x.wav", "address"),
        ("file:///data/x.wav", "address"),
    ],
)
def test_a_path_of_another_machine_is_called_so(written: str, said: str) -> None:
    assert said in foreign_hint(written)
    assert "relative to the table's folder" in foreign_hint(written)


@pytest.mark.parametrize("written", ["wav\\x.wav", "/data/x.wav", "C/x.wav", "a: b/x.wav", "~/x.wav", ""])
def test_a_path_that_may_be_of_this_machine_has_no_hint(written: str) -> None:
    assert foreign_hint(written) == ""


def test_of_two_files_in_other_cases_neither_is_guessed(tmp_path: Path) -> None:
    for name in ("a.wav", "A.wav"):
        touch(tmp_path / name)
    assert file_named(tmp_path, "a.wav").name == "a.wav"
    assert not file_named(tmp_path, "a.WAV").is_file()


def test_a_path_below_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    path = touch(tmp_path / "me" / "wav" / "a.wav")
    assert file_named(Path("/nowhere"), "~/wav/a.wav") == path
    real = touch(tmp_path / "~" / "wav" / "a.wav")
    assert file_named(tmp_path, "~/wav/a.wav") == real
