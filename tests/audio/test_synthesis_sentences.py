import re

from sercl.audio.synthesis import SENTENCES


def test_every_language_has_the_same_number_of_different_sentences() -> None:
    assert {len(set(texts)) for texts in SENTENCES.values()} == {10}


def test_mandarin_is_written_in_chinese_characters() -> None:
    assert all(re.fullmatch(r"[\u4e00-\u9fff]+。", text) for text in SENTENCES["zh"])
