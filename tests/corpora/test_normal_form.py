import unicodedata
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.corpora.base import Utterance
from sercl.corpora.normal_form import normal_form, unified


def spoken(*speakers: str | None, corpus: str = "toy") -> list[Utterance]:
    return [
        Utterance(f"u{i}", Path(f"/{i}.wav"), "sad", corpus, speaker=name) for i, name in enumerate(speakers)
    ]


def test_every_text_of_an_utterance() -> None:
    item = Utterance(
        " u1\u00a0",
        Path("/a .wav"),
        "sad",
        "toy ",
        speaker=" anna",
        gender="W",
        text="one  two ",
        dialect="None",
        session="1.0",
        extra={" age ": " 30", "noise": "none", "room": "nan"},
    )
    assert normal_form(item) == Utterance(
        "u1",
        Path("/a .wav"),
        "sad",
        "toy",
        speaker="anna",
        gender="female",
        text="one two",
        session="1",
        extra={"age": "30", "noise": "none"},
    )


def test_spellings_of_a_speaker_are_one_and_counted() -> None:
    apart = unicodedata.normalize("NFD", "José")
    items, notes = unified(spoken("José", apart, "josé ", "José", "ＪＯＳÉ", None, "Ana"))
    assert [item.speaker for item in items] == ["José"] * 5 + [None, "Ana"]
    (note,) = notes
    assert note.startswith("1 speaker name is written in several ways, each treated as one: 'José' (also ")
    assert "'josé '" in note
    assert repr(apart) in note


def test_white_space_that_is_the_same_everywhere_needs_no_note() -> None:
    assert unified(spoken("a ", "a ", "b "))[1] == ()
    assert unified(spoken("a ", "a"))[1] != ()


def test_of_equally_many_spellings_the_mixed_one_is_taken() -> None:
    assert {item.speaker for item in unified(spoken("ANNA", "anna", "Anna"))[0]} == {"Anna"}


def test_leading_zeros_are_kept_and_pointed_out() -> None:
    items, notes = unified(spoken("3", "03", "3.0", "12"))
    assert [item.speaker for item in items] == ["3", "03", "3", "12"]
    written, note = notes
    assert "'3' (also '3.0')" in written
    assert "'03' and '3'" in note
    assert "write them the same way" in note


def test_corpora_do_not_share_spellings() -> None:
    items, notes = unified([*spoken("a"), *spoken("A", corpus="other")])
    assert [item.speaker for item in items] == ["a", "A"]
    assert notes == ()


@settings(deadline=None)
@given(st.lists(st.none() | st.text(max_size=5), max_size=6))
def test_what_is_unified_stays_so(names: list[str | None]) -> None:
    items, _ = unified(spoken(*names))
    again, _ = unified(items)
    assert again == items
