import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sercl import files
from sercl.errors import DamagedStoreError, FeatureError, OutputError
from sercl.features import shard, space_store
from sercl.features.index import MOST_KEYS, NAME
from sercl.features.shard import FeatureRow
from sercl.features.space_store import DESCRIPTION, SpaceStore
from tests.features.rows import SPACE, rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / SPACE.name


def opened(folder: Path) -> SpaceStore:
    return SpaceStore(folder, SPACE)


def fill(folder: Path, some: list[FeatureRow]) -> None:
    with opened(folder).writer() as rows_to:
        for row in some:
            rows_to.add(*row)


def keys(some: list[FeatureRow]) -> list[str]:
    return [row.key for row in some]


def test_what_was_written_is_read_and_the_rest_is_missing(folder: Path) -> None:
    fill(folder, rows(5))
    store = opened(folder)
    found = {row.key: row.values for row in store.read([*keys(rows(7)), "never"])}
    assert set(found) == set(keys(rows(5)))
    for row in rows(5):
        np.testing.assert_array_equal(found[row.key].reshape(3, 4), row.values)
    assert list(store.missing(["x", *keys(rows(7)), "y"])) == ["x", *keys(rows(7))[5:], "y"]
    assert keys(rows(5))[0] in store
    assert "never" not in store


def test_a_space_that_is_not_there_misses_everything_and_is_not_made(folder: Path) -> None:
    store = opened(folder)
    assert list(store.missing(keys(rows(3)))) == keys(rows(3))
    assert list(store.read(keys(rows(3)))) == []
    assert not folder.exists()


def test_many_keys_are_looked_up_in_pieces_and_as_they_come(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "SHARD_BYTES", 100 * rows(1)[0].values.nbytes)
    count = 2 * MOST_KEYS + 3
    fill(folder, rows(count))
    taken = []

    def endless() -> Iterator[str]:
        for key in keys(rows(count)):
            taken.append(key)
            yield key

    store = opened(folder)
    assert sorted(row.key for row in store.read(endless())) == keys(rows(count))
    taken.clear()
    next(store.read(endless()))
    assert len(taken) == MOST_KEYS


def test_few_shards_are_open_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard, "SHARD_BYTES", 1)
    fill(folder, rows(20))
    store = opened(folder)
    assert len(list(store.read(keys(rows(20))))) == 20
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert maps.read_text().count(str(folder)) <= space_store.MOST_OPEN


def test_a_second_writer_adds_and_equal_rows_do_no_harm(folder: Path) -> None:
    fill(folder, rows(3))
    fill(folder, rows(4, start=1))
    assert len(list(folder.glob("*.arrow"))) == 2
    assert sorted(row.key for row in opened(folder).read(keys(rows(5)))) == keys(rows(5))


def test_the_folder_says_what_it_holds(folder: Path) -> None:
    fill(folder, rows(1))
    content = json.loads((folder / DESCRIPTION).read_text())
    assert content["format"] == space_store.FORMAT
    assert content["space"]["encoder"] == "tiny"


def test_an_index_that_leads_astray_is_made_anew(folder: Path) -> None:
    fill(folder, rows(5))
    opened(folder)
    with sqlite3.connect(folder / NAME) as connection:
        connection.execute("update rows set row = (row + 1) % 7")
    connection.close()
    found = {row.key: row.values for row in opened(folder).read(keys(rows(5)))}
    for row in rows(5):
        np.testing.assert_array_equal(found[row.key].reshape(3, 4), row.values)


def test_rows_removed_in_use_are_one_message(folder: Path) -> None:
    fill(folder, rows(3))
    store = opened(folder)
    shutil.rmtree(folder)
    with pytest.raises(FeatureError, match=r"removed while they were in use\. Run again"):
        list(store.read(keys(rows(3))))


def test_a_truncated_shard_is_named_and_touched_by_nobody(folder: Path) -> None:
    fill(folder, rows(3))
    path = min(folder.glob("*.arrow"))
    half = path.read_bytes()[:1000]
    path.write_bytes(half)
    with pytest.raises(DamagedStoreError, match=f"{path.name}: damaged"):
        opened(folder)
    assert path.read_bytes() == half


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_folder_that_cannot_be_written_says_so_before_anything_is_computed(
    folder: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By a patch: tests may run as root, whom permissions do not stop.
    def refuse(target: Path) -> None:
        raise OSError(code, os.strerror(code), str(target))

    fill(folder, rows(3))
    monkeypatch.setattr(files, "_created", refuse)
    store = opened(folder)
    with pytest.raises(OutputError, match=rf"{os.strerror(code)}.*'tiny' are missing.*--no-cache"):
        store.writer()
    assert len(list(store.read(keys(rows(3))))) == 3
