import json
import os
import stat
from pathlib import Path

import pytest

from sercl.errors import OutputError
from sercl.files import atomic_path, write_text


def test_new_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "er" / "table.csv"
    write_text(target, "old\n")
    write_text(target, "new ä\n")
    assert target.read_bytes() == "new ä\n".encode()
    assert [item.name for item in target.parent.iterdir()] == ["table.csv"]


def write_half(target: Path) -> None:
    with atomic_path(target) as temporary:
        assert temporary.suffix == ".csv"
        assert temporary.parent == target.parent
        temporary.write_text("ne")
        raise RuntimeError("half")


def test_an_error_keeps_the_old_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    write_text(target, "old\n")
    with pytest.raises(RuntimeError, match="half"):
        write_half(target)
    assert target.read_text() == "old\n"
    assert [item.name for item in tmp_path.iterdir()] == ["table.csv"]


def test_bytes_of_names_that_are_no_text_become_escapes(tmp_path: Path) -> None:
    name = "caf\udce9 ä"  # as Python has a name in latin-1
    write_text(tmp_path / "a.json", json.dumps([name], ensure_ascii=False))
    assert (tmp_path / "a.json").read_bytes() == b'["caf\\udce9 \xc3\xa4"]'
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == [name]


def test_line_ends_are_kept(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "one\r\ntwo\nthree\r")
    assert (tmp_path / "a.txt").read_bytes() == b"one\r\ntwo\nthree\r"


def test_the_file_is_readable_as_the_umask_says(tmp_path: Path) -> None:
    previous = os.umask(0o022)
    try:
        write_text(tmp_path / "a.txt", "x")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o644


def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"file/a\.txt: cannot be written"):
        write_text(tmp_path / "file" / "a.txt", "x")
    with pytest.raises(OutputError, match="is a folder"):
        write_text(tmp_path, "x")
