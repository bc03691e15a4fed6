import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.corpora.languages import UnknownLanguageError, to_language


@pytest.mark.parametrize(
    ("code", "words"),
    {
        "de": "de DE deu ger German german Deutsch allemand de-DE de_AT de-CH ＤＥ de_DE.UTF-8",
        "en": "en eng English EN_us en-GB anglais",
        "zh": "zh zho chi cmn zh-CN zh_TW zh-Hans zh-cmn-Hans Chinese Mandarin 中文 普通话 汉语",
        "fr": "fr fra fre français French fr-CA",
        "fa": "fa pes Persian farsi",
        "ar": "ar arb Arabic",
        "he": "he iw",
        "tl": "tl fil",
        "yue": "yue zh-yue Cantonese",
        "und": "und mul zxx nan None unknown",
    }.items(),
)
def test_one_code_for_all_names_of_a_language(code: str, words: str) -> None:
    assert {word: to_language(word) for word in words.split()} == dict.fromkeys(words.split(), code)


def test_names_of_several_words() -> None:
    assert [to_language(word) for word in ("Mandarin Chinese", "English (US)", " Brazilian Portuguese ")] == [
        "zh",
        "en",
        "pt",
    ]


def test_an_empty_cell_takes_the_default() -> None:
    assert [to_language(cell, "fr") for cell in (None, "", "nan", " - ", "it")] == [
        "fr",
        "fr",
        "fr",
        "fr",
        "it",
    ]


@pytest.mark.parametrize("word", ["xx", "tianjin", "x", "123", "en de", "a-b-c", "zh/en", "?!"])
def test_another_word_is_refused(word: str) -> None:
    with pytest.raises(UnknownLanguageError, match="Give an ISO 639-1 code such as 'de'"):
        to_language(word)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_language_or_refused(text: str) -> None:
    try:
        code = to_language(text)
    except UnknownLanguageError:
        return
    assert to_language(code) == code
