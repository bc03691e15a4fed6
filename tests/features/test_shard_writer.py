import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from sercl.errors import OutputError
from sercl.features import shard as writers
from sercl.features.shard import RowWriter, Shard
from tests.features.rows import rows


def keys_on_disk(folder: Path) -> list[list[str]]:
    return sorted(Shard(path, "space").keys for path in folder.glob("*.arrow"))


def fill(folder: Path, count: int) -> None:
    with RowWriter(folder, "space") as writer:
        for row in rows(count):
            writer.add(*row)


def test_what_was_added_is_on_the_disk_at_the_end(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    assert keys_on_disk(tmp_path) == [[row.key for row in rows(5)]]


def test_nothing_makes_no_file(tmp_path: Path) -> None:
    fill(tmp_path, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_shard_is_written_when_it_is_large_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "SHARD_BYTES", 2 * rows(1)[0].values.nbytes)
    fill(tmp_path, 5)
    assert [len(keys) for keys in keys_on_disk(tmp_path)] == [2, 2, 1]


def test_a_shard_is_written_when_it_has_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "SHARD_ROWS", 3)
    fill(tmp_path, 5)
    assert [len(keys) for keys in keys_on_disk(tmp_path)] == [3, 2]


def test_a_shard_is_written_when_it_is_old_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 15))
    monkeypatch.setattr(writers, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    fill(tmp_path, 3)
    assert len(keys_on_disk(tmp_path)[0]) == 2


def test_an_error_of_the_caller_costs_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with RowWriter(tmp_path, "space") as writer:
            writer.add(*rows(1)[0])
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fail()
    assert keys_on_disk(tmp_path) == [[rows(1)[0].key]]


def test_an_error_of_the_disk_comes_out_and_finished_shards_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "SHARD_BYTES", 1)
    write, written = writers.write_shard, []

    def full_after_two(*args: object) -> Path:
        if len(written) == 2:
            raise OutputError(os.strerror(errno.ENOSPC))
        written.append(write(*args))
        return written[-1]

    monkeypatch.setattr(writers, "write_shard", full_after_two)
    with pytest.raises(OutputError, match="No space left"):
        fill(tmp_path, 10)
    assert keys_on_disk(tmp_path) == [[row.key] for row in rows(2)]
