import csv
import errno
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sercl import files
from sercl.errors import OutputError
from sercl.files import (
    CsvWriter,
    atomic_path,
    cache_folder,
    csv_cell,
    ensure_folder,
    from_csv_cell,
    is_below,
    remove_leftovers,
    write_text,
    writing_to,
)


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


HOLD = """
import os, signal, sys, time
from sercl.files import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    started, start = os.pipe()
    if os.fork() == 0:  # a worker, which outlives its parent for a while
        os.write(start, b"1")
        time.sleep(600)
        os._exit(0)
    os.read(started, 1)  # from here on, the worker has let go of the file
    temporary.write_text("half")
    print("writing", flush=True)
    time.sleep(600)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is writing out.csv, with a child of its own."""
    words = [sys.executable, "-c", HOLD, str(tmp_path / "out.csv")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        yield process
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("sweep", [False, True])
def test_what_a_killed_process_left_goes_with_the_next_file(
    tmp_path: Path, writer: subprocess.Popen[str], sweep: bool
) -> None:
    assert len(names(tmp_path)) == 1
    remove_leftovers(tmp_path)
    assert len(names(tmp_path)) == 1, "a file that is being written was removed"
    writer.kill()
    writer.wait()
    if sweep:
        remove_leftovers(tmp_path)
        assert names(tmp_path) == []
    write_text(tmp_path / "out.csv", "whole")
    assert names(tmp_path) == ["out.csv"]


def test_leftovers_may_have_to_be_old(tmp_path: Path) -> None:
    for name, age in ((".new-0123456789abcdef", 10), (".old-0123456789abcdef", 100)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    remove_leftovers(tmp_path, 50)
    assert names(tmp_path) == [".new-0123456789abcdef"]
    remove_leftovers(tmp_path / "absent")


def test_files_of_others_are_no_leftovers(tmp_path: Path) -> None:
    for name in (".out-abc.csv", ".other-0123456789abcdef.csv", ".out-0123456789abcdef.txt", "out.csv.part"):
        (tmp_path / name).touch()
    write_text(tmp_path / "out.csv", "x")
    assert len(names(tmp_path)) == 5


def test_a_long_name_is_written(tmp_path: Path) -> None:
    target = tmp_path / f"{'ä' * 120}.json"
    write_text(target, "x")
    assert names(tmp_path) == [target.name]


def full(*args: object, **options: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def write_on_a_full_disk(target: Path) -> None:
    with atomic_path(target) as temporary:
        temporary.write_text("ne")
        try:
            full()
        except OSError as error:  # as torch's writer, which does not say why
            raise RuntimeError("unexpected pos 768 vs 662") from error


def test_a_full_disk_is_named_with_the_file(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    said = r"table\.csv: cannot be written \(No space left.*; the disk at /.* has .* free"
    with pytest.raises(OutputError, match=rf"{said}\. Free some space"):
        write_on_a_full_disk(target)
    write_text(target, "old")
    with pytest.raises(OutputError, match=rf"{said}\. The previous file is unchanged\. Free some space"):
        write_on_a_full_disk(target)
    assert target.read_text() == "old"
    assert names(tmp_path) == ["table.csv"]


def test_a_disk_that_fills_up_at_the_last_step_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"a\.txt: cannot be written \(No space left"):
        write_text(tmp_path / "a.txt", "x")
    assert names(tmp_path) == []


def test_other_errors_of_the_block_pass(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"), atomic_path(tmp_path / "a.txt"):
        (tmp_path / "absent").read_text()


def test_a_folder_that_goes_while_a_file_is_written_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with (
        pytest.raises(OutputError, match=r"run/a\.txt.*its folder was removed or moved"),
        atomic_path(folder / "a.txt"),
    ):
        shutil.rmtree(folder)


def test_the_file_and_its_place_are_on_the_disk_before_anyone_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, sync = [], files.to_disk

    def noted(path: Path) -> None:
        synced.append((path == tmp_path, (tmp_path / "a.txt").exists()))
        sync(path)

    monkeypatch.setattr(files, "to_disk", noted)
    write_text(tmp_path / "a.txt", "x")
    assert synced == [(False, False), (True, True)]


def test_of_a_folder_and_the_temporary_one_the_full_disk_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, other = files._free, Path(tempfile.gettempdir())
    monkeypatch.setattr(files, "_free", lambda path: 0 if path.parent == other else free(path))
    with pytest.raises(OutputError, match=rf"^{other}: cannot be written"), writing_to(tmp_path / "run"):
        full()
    with pytest.raises(OutputError, match=r"^/full/x: cannot be written"), writing_to(tmp_path / "run"):
        raise OSError(errno.ENOSPC, "No space left on device", "/full/x")


def test_a_folder_that_goes_while_a_run_writes_to_it_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(OutputError, match=r"run: was removed or moved"), writing_to(folder):
        (folder / "logs" / "metrics.csv").open("w")
    folder.mkdir()
    with pytest.raises(FileNotFoundError), writing_to(folder):
        (folder / "logs" / "metrics.csv").open("w")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_full_or_broken_disk_is_named_behind_the_error_of_a_logger(tmp_path: Path, number: int) -> None:
    error = ValueError("you tried to log 0.25 which is currently not supported")
    error.__cause__ = OSError(number, os.strerror(number), str(tmp_path / "events"))
    with pytest.raises(OutputError, match=r"events: cannot be written \("), writing_to(tmp_path):
        raise error
    with pytest.raises(ValueError, match="own"), writing_to(tmp_path):
        raise ValueError("own")


def broken() -> None:
    raise OSError(errno.EIO, "Input/output error", "/broken/x")


def test_a_thread_says_nothing_of_a_full_or_broken_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda caught: print(caught.exc_value))
    for target in (full, broken, lambda: 1 / 0):
        with writing_to(tmp_path):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert capsys.readouterr().out == "division by zero\n"


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-a", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''@x"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert csv_cell(text) == f"'{text}"
    assert from_csv_cell(f"'{text}") == text


@pytest.mark.parametrize("cell", ["-1.5", "+2e-3", "a=1", "", "it's", -1, 0.5, None, "'quoted'"])
def test_other_cells_stay_as_they_are(cell: object) -> None:
    assert csv_cell(cell) == cell


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), min_size=1))
def test_cells_read_back_as_they_were(rows: list[list[str]]) -> None:
    rows = [[cell.replace("\0", "").replace("\r", "\t") for cell in row] for row in rows]
    file = io.StringIO(newline="")
    CsvWriter(file, quote_all=True).writerows(rows)
    file.seek(0)
    found = list(csv.reader(file))
    assert [[from_csv_cell(cell) for cell in row] for row in found] == rows
    assert not any(cell[:1] and cell[0] in "=@" for row in found for cell in row)


@pytest.mark.parametrize(
    ("path", "inside"), [("a/b", True), ("a/../b", True), ("..", False), ("../x", False)]
)
def test_what_is_below_a_folder(path: str, inside: bool, tmp_path: Path) -> None:
    assert is_below(tmp_path, path) == inside
    assert not is_below(tmp_path, "/etc")
    assert not is_below(tmp_path, "\0")
    (tmp_path / "out").symlink_to(tmp_path.parent)
    assert not is_below(tmp_path, "out/x")


def test_the_cache_is_the_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    ensure_folder(cache_folder() / "features" / "a")
    assert cache_folder().stat().st_mode & 0o077 == 0
    ensure_folder(tmp_path / "results" / "a")
    assert (tmp_path / "results" / "a").is_dir()


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "absent"])
def test_a_name_that_no_file_can_have_does_not_exist(tmp_path, name):
    assert not any(test(tmp_path / name) for test in (files.exists, files.is_dir, files.is_file))
    assert files.exists(tmp_path)
    assert files.is_dir(tmp_path)
