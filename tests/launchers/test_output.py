import io
import logging
import sys
from pathlib import Path

import pytest

from sercl.errors import OutputError
from sercl.launchers.output import empty, output_to


def test_what_is_printed_goes_to_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "deep" / "log.txt"
    with output_to(log):
        print("said")
        print("complained", file=sys.stderr)
    assert log.read_text(encoding="utf-8") == "said\ncomplained\n"
    assert capsys.readouterr() == ("", "")
    print("back again")
    assert capsys.readouterr().out == "back again\n"


def test_a_logger_that_holds_on_to_the_terminal_is_moved_and_moved_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logger, handler = logging.getLogger("held"), logging.StreamHandler(sys.stdout)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        with output_to(tmp_path / "log.txt"):
            logger.error("inside")
        logger.error("outside")
    finally:
        logger.removeHandler(handler)
    assert (tmp_path / "log.txt").read_text(encoding="utf-8") == "inside\n"
    assert capsys.readouterr() == ("outside\n", "")


def test_a_stream_that_was_kept_still_writes_when_the_log_is_closed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with output_to(tmp_path / "log.txt"):
        kept = sys.stderr
        kept.write("inside\n")
    kept.write("outside\n")
    kept.flush()
    assert (tmp_path / "log.txt").read_text(encoding="utf-8") == "inside\n"
    assert capsys.readouterr().err == "outside\n"


def test_the_streams_come_back_after_an_error(tmp_path: Path) -> None:
    before = sys.stdout, sys.stderr
    with pytest.raises(KeyboardInterrupt), output_to(tmp_path / "log.txt"):
        raise KeyboardInterrupt
    assert (sys.stdout, sys.stderr) == before


def test_bytes_of_a_name_that_are_no_text_do_not_stop_the_work(tmp_path: Path) -> None:
    with output_to(tmp_path / "log.txt"):
        print("a\udce9b")
        assert isinstance(sys.stdout, io.TextIOBase)
    assert (tmp_path / "log.txt").read_text(encoding="utf-8") == "a\\udce9b\n"


def test_a_log_is_emptied(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("earlier", encoding="utf-8")
    empty(log)
    assert log.read_text(encoding="utf-8") == ""


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    log = tmp_path / "file" / "log.txt"
    with pytest.raises(OutputError, match="cannot be written"), output_to(log):
        pass
