import json
import math
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sercl.json_text import json_text, plain


def test_numbers_are_rounded_alike_and_small_ones_keep_their_digits() -> None:
    content = {"a": 1 / 3, "b": (2.00000049, 1e-8), "c": 0.00012345678, "d": 12345.678901234, "e": 7}
    assert plain(content) == {"a": 0.333333, "b": [2.0, 1e-8], "c": 0.0001235, "d": 12345.678901, "e": 7}


def test_what_json_does_not_have_becomes_null_or_text() -> None:
    text = json_text(
        {"nan": math.nan, "inf": [math.inf, -math.inf], "path": Path("a/b"), 3: "ü", "flag": True}
    )
    assert json.loads(text) == {"nan": None, "inf": [None, None], "path": "a/b", "3": "ü", "flag": True}
    assert "ü" in text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_rounding_changes_little(value: float) -> None:
    rounded = plain(value)
    assert math.isclose(rounded, value, rel_tol=1e-3, abs_tol=0)
    assert plain(rounded) == rounded


def test_json_has_no_control_characters() -> None:
    text = "\x1b[31m\x9b\x7f\u202e\u2066ä"
    written = json_text({"a": text})
    assert not any(char in written for char in text[:-1] if not char.isprintable())
    assert "ä" in written
    assert json.loads(written) == {"a": text}
