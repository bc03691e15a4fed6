import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.corpora.text_files import UnknownEncodingError, decode

GERMAN = "path,emotion\na.wav,Ärger\nb.wav,fröhlich\nc.wav,Größe – “ja”\n"
FRENCH = "chemin;émotion\na.wav;colère\nb.wav;dégoût, l’été créée\n"
CHINESE = "path,emotion\na.wav,生气\nb.wav,高兴\nc.wav,中性\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("text", [GERMAN, FRENCH, CHINESE, "path,emotion\nзлой.wav,怒り\n"])
def test_unicode_is_always_recognised(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("text", [GERMAN, FRENCH, "a,Übel\n", "niño, ação, ¿qué?", "naïve"])
def test_western_text_is_reported(text: str) -> None:
    assert decode(text.encode("cp1252")) == text


@pytest.mark.parametrize("text", [CHINESE, "张三,愤怒\n李四,悲伤\n", "说话人：张三，情感：快乐"])
def test_chinese_text_is_reported(text: str) -> None:
    assert decode(text.encode("gb18030")) == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("злость,радость", "cp1251"),
        ("злость,радость", "koi8-r"),
        ("złość,smutek", "cp1250"),
        ("怒り,喜び,悲しみ", "shift_jis"),
        ("怒り,喜び,悲しみ", "euc_jp"),
        ("분노,기쁨,슬픔", "euc_kr"),
        ("憤怒,快樂,悲傷,中性", "big5"),
        ("Ärger,fröhlich", "mac_roman"),
        ("Ärger,fröhlich", "cp850"),
        ("男", "gb18030"),  # two bytes that are common Korean, too
    ],
)
def test_what_could_be_something_else_is_refused(text: str, encoding: str) -> None:
    with pytest.raises(UnknownEncodingError, match=r"not UTF-8 \(byte \d+\).*Save it as UTF-8.*iconv"):
        decode(text.encode(encoding))


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    with contextlib.suppress(UnknownEncodingError):
        assert isinstance(decode(data), str)


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40))
def test_utf_8_is_never_taken_for_anything_else(text: str) -> None:
    assert decode(text.encode()) == text.removeprefix("\ufeff")


def test_a_stray_zero_byte_is_damage_and_no_utf_16() -> None:
    with pytest.raises(UnknownEncodingError):
        decode(b"path,emotion\na.wav,s\0ad\nb.wav,sad\n")
