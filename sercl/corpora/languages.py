"""The many names of a language (BCP 47 tags, ISO 639-2 and -3 codes, names), mapped to one code each."""

from collections.abc import Mapping
from functools import lru_cache

from sercl.corpora.cells import key_of, word_of
from sercl.errors import UsageError

UNKNOWN = "und"

# What `langcodes` does not know, or maps to a longer code although there is an ISO 639-1 code.
_NAMES: Mapping[str, str] = {
    "汉语": "zh",
    "漢語": "zh",
    "国语": "zh",
    "國語": "zh",
    "华语": "zh",
    "華語": "zh",
}
_CODES: Mapping[str, str] = {"fil": "tl", "cmn": "zh"}
_NO_LANGUAGE = frozenset(("und", "mis", "mul", "zxx"))


class UnknownLanguageError(UsageError):
    """A word that is not a language; the message says what is valid."""

    def __init__(self, word: str) -> None:
        super().__init__(
            f"unknown language {word!r}. Give an ISO 639-1 code such as 'de', a tag such as 'zh-CN', or an "
            "English name."
        )


def to_language(cell: object, default: str = UNKNOWN) -> str:
    """Return the ISO 639-1 code of a language, or its ISO 639-3 code if there is no shorter one.

    Regions and scripts are left out ("de-AT" becomes "de"), and a standard language becomes its macrolanguage
    ("cmn" becomes "zh"); other languages of it, such as Cantonese ("yue"), are kept.

    Args:
        cell: Code, tag or name, in any case.
        default: Returned if the cell means "unknown".

    Raises:
        UnknownLanguageError: For any other word.
    """
    word = word_of(cell)
    return default if word is None else _code(word)


@lru_cache(maxsize=4096)
def _code(word: str) -> str:
    tag = key_of(word).partition(".")[0].replace("_", "-")
    if tag in _NO_LANGUAGE:
        return UNKNOWN
    found = _NAMES.get(tag) or _tagged(tag) or _named(tag.replace("-", " "))
    if found is None:
        raise UnknownLanguageError(word)
    return _CODES.get(found, found)


def _tagged(tag: str) -> str | None:
    import langcodes
    from langcodes.tag_parser import LanguageTagError

    try:
        language = langcodes.Language.get(tag).language
        if not language or not langcodes.Language.get(language).is_valid():
            return None
        return langcodes.standardize_tag(language, macro=True).partition("-")[0]
    except LanguageTagError:
        return None


def _named(name: str) -> str | None:
    import langcodes

    if len(name) < 2 or (name.isascii() and len(name) < 4):
        return None
    try:
        return _tagged(langcodes.find(name).to_tag())
    except LookupError:
        return None
