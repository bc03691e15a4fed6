import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest

from sercl.errors import DamagedStoreError
from sercl.features.index import NAME, Index, Location
from sercl.features.shard import FeatureRow, write_shard
from tests.features.rows import rows


def write(folder: Path, some: list[FeatureRow]) -> str:
    return write_shard(folder, "space", some).name


def keys_of(some: Iterable[FeatureRow]) -> list[str]:
    return [row.key for row in some]


def opened(folder: Path) -> Index:
    index = Index(folder, "space")
    index.refresh()
    return index


def test_every_row_is_found_and_nothing_else(tmp_path: Path) -> None:
    first, second = write(tmp_path, rows(3)), write(tmp_path, rows(2, start=3))
    found = opened(tmp_path).find([*keys_of(rows(6)), "never"])
    assert found == {
        **{row.key: Location(first, number) for number, row in enumerate(rows(3))},
        **{row.key: Location(second, number) for number, row in enumerate(rows(2, start=3))},
    }
    locations = list(found.values())
    assert locations == sorted(
        locations, key=lambda location: (location.shard != locations[0].shard, location.row)
    )


def test_it_follows_shards_that_come_and_go(tmp_path: Path) -> None:
    index = opened(tmp_path)
    assert index.find(keys_of(rows(3))) == {}
    gone = write(tmp_path, rows(3))
    index.refresh()
    assert len(index.find(keys_of(rows(3)))) == 3
    # Two rows stand in both: they must be found in the other when the first has gone.
    stays = write(tmp_path, rows(3, start=1))
    index.refresh()
    (tmp_path / gone).unlink()
    index.refresh()
    found = index.find(keys_of(rows(5)))
    assert found == {row.key: Location(stays, number) for number, row in enumerate(rows(3, start=1))}


def test_it_is_kept_beside_the_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, rows(3))
    opened(tmp_path)
    monkeypatch.setattr("sercl.features.index.Shard", None)  # nothing is read again
    assert len(opened(tmp_path).find(keys_of(rows(3)))) == 3


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to be one" * 100])
def test_a_damaged_index_is_made_anew(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, rows(3))
    opened(tmp_path)
    (tmp_path / NAME).write_bytes(content)
    assert len(opened(tmp_path).find(keys_of(rows(3)))) == 3
    assert len(Index(tmp_path, "space").find(keys_of(rows(3)))) == 3


def test_an_index_that_breaks_in_use_is_made_anew(tmp_path: Path) -> None:
    write(tmp_path, rows(300))
    index = opened(tmp_path)
    # All but the first page, where the list of tables stands.
    content = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    assert len(opened(tmp_path).find(keys_of(rows(3)))) == 3
    assert len(index.find(keys_of(rows(3)))) == 3


def test_an_index_of_another_version_is_made_anew(tmp_path: Path) -> None:
    write(tmp_path, rows(3))
    opened(tmp_path)
    with sqlite3.connect(tmp_path / NAME) as connection:
        connection.execute("pragma user_version = 99")
        connection.execute("drop table rows")
    connection.close()
    assert len(opened(tmp_path).find(keys_of(rows(3)))) == 3


def test_where_it_cannot_be_written_a_private_one_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tests may run as root, whom a read-only folder does not stop: no database can be made of a folder.
    write(tmp_path, rows(3))
    (tmp_path / NAME).mkdir()
    assert len(opened(tmp_path).find(keys_of(rows(3)))) == 3
    assert list((tmp_path / NAME).iterdir()) == []


def test_an_index_that_may_only_be_read_is_read_and_left_behind(tmp_path: Path) -> None:
    write(tmp_path, rows(3))
    opened(tmp_path)
    before = (tmp_path / NAME).read_bytes()
    # What sqlite does in a read-only folder, whoever runs the test.
    uri = f"file:{tmp_path / NAME}?mode=ro"
    connect = sqlite3.connect
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sqlite3,
            "connect",
            lambda location, **rest: connect(uri if location else "", uri=bool(location), **rest),
        )
        assert len(opened(tmp_path).find(keys_of(rows(3)))) == 3
        write(tmp_path, rows(2, start=3))
        assert len(opened(tmp_path).find(keys_of(rows(5)))) == 5
    assert (tmp_path / NAME).read_bytes() == before


def test_an_index_locked_for_too_long_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, rows(3))
    opened(tmp_path)
    write(tmp_path, rows(2, start=3))
    monkeypatch.setattr("sercl.features.index._WAIT_SECONDS", 0.1)
    other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
    other.execute("begin exclusive")
    assert len(opened(tmp_path).find(keys_of(rows(5)))) == 5
    other.close()


def test_a_damaged_shard_is_named_and_the_others_are_found(tmp_path: Path) -> None:
    good, bad = sorted([write(tmp_path, rows(3)), write(tmp_path, rows(2, start=3))])
    (tmp_path / bad).write_bytes((tmp_path / bad).read_bytes()[:-100])
    index = Index(tmp_path, "space")
    with pytest.raises(DamagedStoreError, match=bad):
        index.refresh()
    assert {location.shard for location in index.find(keys_of(rows(5))).values()} == {good}


def test_a_shard_that_has_changed_its_size_is_damaged(tmp_path: Path) -> None:
    name = write(tmp_path, rows(3))
    opened(tmp_path)
    size = (tmp_path / name).stat().st_size
    with (tmp_path / name).open("ab") as file:
        file.write(b"more")
    with pytest.raises(DamagedStoreError, match=f"{size + 4:,} bytes, was {size:,}"):
        opened(tmp_path)


def test_half_written_files_and_others_are_no_shards(tmp_path: Path) -> None:
    write(tmp_path, rows(3))
    (tmp_path / ".abc-123.arrow").write_bytes(b"half")
    (tmp_path / "notes.txt").write_bytes(b"mine")
    opened(tmp_path)


def test_a_child_process_may_go_on_with_it(tmp_path: Path) -> None:
    write(tmp_path, rows(3))
    index = opened(tmp_path)
    child = os.fork()
    if child == 0:
        os._exit(len(index.find(keys_of(rows(3)))))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert len(index.find(keys_of(rows(3)))) == 3


def test_an_interrupted_refresh_leaves_no_half_of_a_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, rows(3))

    class Stopping:
        keys = property(lambda self: (_ for _ in ()).throw(KeyboardInterrupt))

    with monkeypatch.context() as patch:
        patch.setattr("sercl.features.index.Shard", lambda *args: Stopping())
        with pytest.raises(KeyboardInterrupt):
            opened(tmp_path)
    assert len(opened(tmp_path).find(keys_of(rows(3)))) == 3
