from pathlib import Path

import pytest

from sercl.corpora.base import Utterance
from sercl.corpora.manifest import apart

ROOT = Path("/data")


def row(path: str, speaker: str | None, corpus: str = "joined") -> Utterance:
    return Utterance(path, ROOT / path, "sad", corpus, speaker=speaker)


def test_speakers_of_two_corpora_are_different_people() -> None:
    rows = [
        row("a", "03", "EmoDB"),
        row("b", "03", "RAVDESS"),
        row("c", "4", "EmoDB"),
        row("d", None, "EmoDB"),
    ]
    settled = apart(rows, ROOT)
    assert [item.speaker for item in settled.utterances] == ["EmoDB 03", "RAVDESS 03", "EmoDB 4", None]
    assert [item.person for item in settled.utterances] == ["EmoDB 03", "RAVDESS 03", "EmoDB 4", None]
    assert settled.notes == (
        "the speaker ids 03 are in several corpora (EmoDB, RAVDESS): treated as different people",
    )
    assert apart(settled.utterances, ROOT).utterances == settled.utterances


def test_one_corpus_is_left_as_it_is() -> None:
    rows = (row("a/x.wav", "03"), row("a/y.wav", "04"))
    assert apart(rows, ROOT).utterances == rows
    assert apart(rows, ROOT).notes == ()
    assert rows[0].person == "joined 03"


def folders(*names: str, speakers: tuple[str, ...] = ("03", "08")) -> list[Utterance]:
    return [row(f"{name}/wav/{speaker}.wav", speaker) for name in names for speaker in speakers]


def test_ids_below_folders_that_look_like_corpora_are_pointed_out() -> None:
    rows = folders("emodb", "ravdess")
    settled = apart(rows, ROOT)
    assert list(settled.utterances) == rows
    (note,) = settled.notes
    assert note.startswith(
        "the speaker ids 03, 08 are below several folders (emodb, ravdess): treated as the same"
    )
    assert "column 'corpus'" in note


@pytest.mark.parametrize(
    "rows",
    [
        folders("angry", "Trauer"),  # emotions
        folders("train", "test"),
        folders("male", "female"),
        folders("day1", "day2"),
        folders("emodb", "ravdess", speakers=("anna", "ben")),  # names, not numbers
        folders("emodb", "ravdess", speakers=("03",)),  # a folder for each recording of one person
        [],
        [row("x.wav", None)],
    ],
)
def test_parts_of_one_corpus_are_not(rows: list[Utterance]) -> None:
    assert apart(rows, ROOT).notes == ()
