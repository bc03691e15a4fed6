from pathlib import Path

import pytest

from sercl.corpora.registry import read_corpus
from sercl.errors import ManifestError
from sercl.testing.corpora import fake_corpus

NEMO = "file_id\temotion\traw_text\tspeaker_id\tgender\tage\n"


def build_nemo(folder: Path, rows: str, *names: str) -> Path:
    (folder / "samples").mkdir()
    (folder / "data.tsv").write_text(NEMO + rows, encoding="utf-8")
    for name in names:
        (folder / "samples" / name).touch()
    return folder


@pytest.mark.parametrize("file_id", ["EB0_anger_1.wav", "EB0_anger_1"])
def test_nemo_cells_are_stripped(tmp_path: Path, file_id: str) -> None:
    root = build_nemo(tmp_path, f"{file_id}\tanger\tCzy?\t EB0   \tmale\t30\n", "EB0_anger_1.wav")
    listing = read_corpus("nEMO", root)
    assert listing.problems == ()
    (utterance,) = listing.utterances
    assert (utterance.id, utterance.speaker, utterance.gender) == ("EB0_anger_1", "EB0", "male")
    assert (utterance.text, utterance.emotion, utterance.extra) == ("Czy?", "angry", {"age": "30"})


def test_emozionalmente_takes_speaker_and_text_from_its_table(tmp_path: Path) -> None:
    root = fake_corpus("Emozionalmente", tmp_path, speakers=1, per_emotion=1, seconds=0.02)
    utterances = read_corpus("Emozionalmente", root).utterances
    assert {item.speaker for item in utterances} == {"user001"}
    assert {item.text for item in utterances} == {"Gli operai si alzano presto, dice."}
    assert {item.emotion for item in utterances} >= {"happy", "neutral"}


def test_rows_and_files_without_their_other_half_are_reported(tmp_path: Path) -> None:
    rows = "a\tanger\t\tS\t\t\nb\tanger\t\tS\t\t\nc\tenvy\t\tS\t\t\n"
    listing = read_corpus("nEMO", build_nemo(tmp_path, rows, "a.wav", "c.wav", "d.wav"))
    assert [item.id for item in listing.utterances] == ["a"]
    assert sorted((item.kind, item.path.name, item.line) for item in listing.problems) == [
        ("label", "d.wav", None),
        ("label", "data.tsv", 4),
        ("missing", "b.wav", None),
    ]


@pytest.mark.parametrize("inside", ["samples", "."])
def test_a_folder_inside_works(tmp_path: Path, inside: str) -> None:
    root = build_nemo(tmp_path, "a\tanger\t\tS\t\t\n", "a.wav")
    assert len(read_corpus("nEMO", root / inside).utterances) == 1


def test_a_table_without_a_column_is_an_error(tmp_path: Path) -> None:
    root = build_nemo(tmp_path, "")
    (root / "data.tsv").write_text("file\temotion\na\tanger\n")
    with pytest.raises(ManifestError, match=r"data\.tsv:1: no column 'file_id'; found: emotion, file\."):
        read_corpus("nEMO", root)


@pytest.mark.parametrize("absolute", [True, False])
def test_audio_outside_of_the_folder_is_not_found(absolute: bool, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "own.wav").touch()
    written = str(tmp_path / "own.wav") if absolute else "../../own.wav"
    root = build_nemo(tmp_path / "corpus", f"{written}\tanger\t\tS\t\t\na\tanger\t\tS\t\t\n", "a.wav")
    assert [item.id for item in read_corpus("nEMO", root).utterances] == ["a"]
