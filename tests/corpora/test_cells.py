import unicodedata
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.corpora.cells import clean, is_missing, key_of, prose_of, text_of, word_of

NAMES = st.text(st.characters(categories=["L", "N", "Mn"]), min_size=1, max_size=8)
# The form of a cell in which no reader sees a difference.
FORMS = {
    "spaces": lambda word: f"  {word}\t",
    "no-break spaces": lambda word: f"\u00a0{word}\u202f",
    "full-width space": lambda word: f"{word}\u3000",
    "zero width": lambda word: f"\ufeff{word[:1]}\u200b{word[1:]}\u2060",
    "macOS": lambda word: unicodedata.normalize("NFD", word),
    "direction marks": lambda word: f"\u200f{word}\u200e",
}


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("a b", "a b"),
        (7, "7"),
        (1.5, "1.5"),
        (["ü"], '["ü"]'),
        (True, "true"),
        ("ü".encode(), "ü"),
        (Decimal("0.25"), "0.25"),
        (timedelta(seconds=90.5), "90.5"),
        (datetime(2020, 1, 2), "2020-01-02 00:00:00"),
    ],
)
def test_a_cell_of_any_kind_has_a_text(cell: object, shown: str) -> None:
    assert text_of(cell) == shown


@settings(deadline=None)
@given(st.text())
def test_the_normal_form_of_a_normal_form_is_itself(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    assert key_of(key_of(text)) == key_of(text)
    assert key_of(clean(text)) == key_of(text)


@settings(deadline=None)
@given(st.text())
def test_a_word_is_in_its_normal_form(text: str) -> None:
    word = word_of(text)
    assert word is None or word_of(word) == word
    prose = prose_of(text)
    assert prose is None or prose_of(prose) == prose


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(word=NAMES)
def test_forms_that_look_alike_are_equal(form: str, word: str) -> None:
    # Marks join other letters where a zero-width space is taken out: start from what is composed already.
    word = unicodedata.normalize("NFC", word)
    assert clean(FORMS[form](word)) == clean(word)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("anna  maria", "anna maria"),
        ("e\u0301te\u0301", "été"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # a joiner inside belongs to the spelling
        ("\u200cاسم\u200d", "اسم"),
        ("a\x00b", "ab"),
        ("line one\nline two", "line one line two"),
    ],
)
def test_the_normal_form(text: str, form: str) -> None:
    assert clean(text) == form


@pytest.mark.parametrize(
    "pair", [("Anna", "ANNA"), ("Ａｎｎａ", "anna"), ("straße", "STRASSE"), ("ＤＥ", "de")]
)
def test_keys_do_not_know_case_and_width(pair: tuple[str, str]) -> None:
    assert key_of(pair[0]) == key_of(pair[1])


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\u00a0",
        "\u200b",
        "nan",
        "NaN",
        "None",
        "NA",
        "n/a",
        "NULL",
        "Unknown",
        "unk",
        "-",
        "—",
        "<NA>",
        "unbekannt",
    ],
)
def test_words_for_nothing(text: str) -> None:
    assert is_missing(text)
    assert word_of(text) is None


@pytest.mark.parametrize("text", ["0", "no", "Nana", "nano", "x", "00"])
def test_words_for_something(text: str) -> None:
    assert word_of(text) == text


@pytest.mark.parametrize(
    ("cell", "word"),
    [(3, "3"), (3.0, "3"), ("3.0", "3"), ("03.0", "03"), ("03", "03"), ("3.5", "3.5"), (None, None)],
)
def test_a_number_that_was_a_float_is_a_number(cell: object, word: str | None) -> None:
    assert word_of(cell) == word


@pytest.mark.parametrize("text", ["Unknown", "none", "No", "-", "Na"])
def test_a_transcript_may_say_that_nothing_is_known(text: str) -> None:
    assert prose_of(text) == text


@pytest.mark.parametrize("text", ["", "nan", "None", "<NA>", "null"])
def test_but_not_what_programs_write(text: str) -> None:
    assert prose_of(text) is None
