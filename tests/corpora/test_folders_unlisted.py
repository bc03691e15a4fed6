"""Audio that no row of a manifest names."""

from pathlib import Path

import pytest

from sercl.corpora.folders import unlisted_audio
from sercl.corpora.manifest import read_manifest


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def notes_of(folder: Path, text: str) -> list[str]:
    (folder / "m.csv").write_text("path,emotion\n" + text, encoding="utf-8")
    listing = read_manifest(folder / "m.csv")
    assert not any("in no row" in note for note in listing.notes)
    return [listing.unlisted.note] if listing.unlisted else []


def test_audio_that_no_row_names_is_counted(tmp_path: Path) -> None:
    touch(tmp_path, "wav/a.wav", "wav/b.flac", "wav/x/c.WAV", "wav/notes.txt", "wav/._a.wav")
    (note,) = notes_of(tmp_path, "wav/a.wav,sad\n")
    assert note.startswith(f"2 audio files below {tmp_path / 'wav'} are in no row of m.csv")
    assert str(tmp_path / "wav" / "b.flac") in note


@pytest.mark.parametrize("row", ["wav\\b.wav,sad", "wav/b.wav,confused", "wav/b.wav,", " wav/./b.wav ,sad"])
def test_rows_that_are_not_used_name_their_files_too(tmp_path: Path, row: str) -> None:
    touch(tmp_path, "wav/a.wav", "wav/b.wav")
    assert notes_of(tmp_path, f"wav/a.wav,sad\n{row}\n") == []


def test_only_folders_that_rows_lead_into_are_looked_through(tmp_path: Path) -> None:
    touch(tmp_path, "emodb/wav/a.wav", "emodb/more/b.wav", "ravdess/c.wav")
    (note,) = notes_of(tmp_path, "emodb/wav/a.wav,sad\n")
    assert note.startswith(f"1 audio file below {tmp_path / 'emodb/more'}")


def test_rows_beside_the_table_speak_for_all_below_it(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "deep/er/b.wav")
    assert notes_of(tmp_path, "a.wav,sad\n")[0].startswith("1 audio file")


def test_of_rows_that_lead_elsewhere_their_own_folders_count_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERCL_ALLOW_FOLDERS", str(tmp_path))
    touch(tmp_path, "table/other.wav", "audio/a.wav", "audio/b.wav", "audio/deep/c.wav", "more/d.wav")
    for row in (f"{tmp_path / 'audio' / 'a.wav'},sad\n", "../audio/a.wav,sad\n"):
        (note,) = notes_of(tmp_path / "table", row)
        assert note.startswith("1 audio file"), note
        assert "b.wav" in note


def test_links_are_the_files_they_lead_to(tmp_path: Path) -> None:
    touch(tmp_path, "store/a.wav", "wav/b.wav")
    (tmp_path / "wav" / "a.wav").symlink_to(tmp_path / "store" / "a.wav")
    (tmp_path / "wav" / "same.wav").symlink_to(tmp_path / "wav" / "b.wav")
    (tmp_path / "wav" / "loop.wav").symlink_to("loop.wav")
    (tmp_path / "linked").symlink_to(tmp_path / "wav")
    assert notes_of(tmp_path, "wav/a.wav,sad\nlinked/b.wav,sad\n") == []
    assert notes_of(tmp_path, "wav/a.wav,sad\nwav/same.wav,sad\nwav/loop.wav,sad\n") == []


def test_a_huge_folder_is_not_looked_through_for_good(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("sercl.corpora.folders.MOST_FILES", 5)
    touch(tmp_path, *(f"{number}.wav" for number in range(20)))
    found = unlisted_audio(tmp_path / "m.csv", [tmp_path / "0.wav"])
    assert found is not None
    assert found.note.startswith("at least 4 audio files")


def test_names_that_no_file_can_have_are_harmless(tmp_path: Path) -> None:
    named = [tmp_path / "a\0b", tmp_path / ("x" * 5000), tmp_path / "gone" / "a.wav", Path("/a.wav")]
    assert unlisted_audio(tmp_path / "m.csv", named) is None
