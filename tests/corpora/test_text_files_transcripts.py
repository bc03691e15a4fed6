from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sercl.corpora.text_files import read_text

quick = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@quick
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), min_size=1))
def test_marked_and_utf_8_text_is_always_read_back(tmp_path: Path, encoding: str, text: str) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(text.encode(encoding))
    assert read_text(path, "gb18030") == text


@quick
@given(data=st.binary())
def test_any_bytes_give_some_text(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(data)
    assert isinstance(read_text(path, "gb18030"), str)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_zero_bytes_mean_utf_16(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "text.txt").write_bytes("0001_000001\t打远\t中立".encode(encoding))
    assert read_text(tmp_path / "text.txt") == "0001_000001\t打远\t中立"


def test_the_order_of_fallbacks_decides(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes("生气".encode("gb18030"))
    assert read_text(tmp_path / "text.txt", "gb18030", "cp1252") == "生气"
    assert read_text(tmp_path / "text.txt", "cp1252", "gb18030") == "ÉúÆø"
