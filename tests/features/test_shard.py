import errno
import os
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from sercl import files
from sercl.errors import DamagedStoreError, OutputError
from sercl.features import shard as shards
from sercl.features.shard import FeatureRow, Shard, write_shard
from tests.features.rows import rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_shard(tmp_path / "space", "space", rows(5))


@settings(deadline=None, max_examples=30)  # each waits for the disk
@given(
    numbers=st.lists(
        st_numpy.arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 5))), min_size=1, max_size=5
    )
)
def test_rows_come_back_as_they_were(
    numbers: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> None:
    written = [FeatureRow(f"key {index} ä", values) for index, values in enumerate(numbers)]
    shard = Shard(write_shard(tmp_path_factory.mktemp("shard"), "space", written), "space")
    assert shard.keys == [row.key for row in written]
    for index, row in enumerate(written):
        np.testing.assert_array_equal(shard.read(index, row.key), row.values.reshape(-1))
    shard.verify()


def test_what_is_read_stands_in_the_map_and_cannot_be_changed(path: Path) -> None:
    values = Shard(path, "space").read(0, rows(1)[0].key)
    assert not values.flags.owndata
    assert not values.flags.writeable


def test_the_same_rows_are_the_same_file(path: Path) -> None:
    assert write_shard(path.parent, "space", rows(5)) == path
    assert write_shard(path.parent, "space", rows(4)) != path
    assert len(list(path.parent.iterdir())) == 2


def test_a_row_is_read_by_its_key(path: Path) -> None:
    with pytest.raises(LookupError, match="row 0"):
        Shard(path, "space").read(0, "another")
    with pytest.raises(LookupError, match="row 5"):
        Shard(path, "space").read(5, "another")


def test_a_shard_cut_anywhere_is_damaged(path: Path) -> None:
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        _replace(path, whole[:size])
        with pytest.raises(DamagedStoreError, match=r"damaged.*sercl features prune --damaged --dir"):
            Shard(path, "space")


def test_no_flipped_byte_goes_unseen(path: Path) -> None:
    whole = path.read_bytes()
    expected = {row.key: row.values.reshape(-1).tobytes() for row in rows(5)}
    seen = 0
    for index in range(0, len(whole), 3):
        _replace(path, whole[:index] + bytes([whole[index] ^ 0x55]) + whole[index + 1 :])
        try:
            shard = Shard(path, "space")
            found = {key: shard.read(row, key).tobytes() for row, key in enumerate(shard.keys)}
            shard.verify()
        except DamagedStoreError:
            seen += 1
        else:
            assert found == expected  # padding, or a copy of the schema that nobody reads
    assert seen > len(whole) / 6


def test_a_flipped_number_costs_its_row_alone(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    number = rows(5)[2].values.reshape(-1)[:1].tobytes()
    whole[whole.index(number)] ^= 1
    _replace(path, bytes(whole))
    shard = Shard(path, "space")
    for index, row in enumerate(rows(5)):
        if index != 2:
            shard.read(index, row.key)
    with pytest.raises(DamagedStoreError, match="the checksum of row 2 does not match"):
        shard.read(2, rows(5)[2].key)
    with pytest.raises(DamagedStoreError, match="the checksum of row 2"):
        shard.verify()


def test_a_shard_elsewhere_is_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(DamagedStoreError, match="a shard of another space"):
        Shard(path, "other")
    renamed = shutil.copy(path, tmp_path / f"{'0' * 32}.arrow")
    with pytest.raises(DamagedStoreError, match="its name does not belong to its content"):
        Shard(Path(renamed), "space").verify()
    (tmp_path / "text.arrow").write_text("no shard")
    with pytest.raises(DamagedStoreError):
        Shard(tmp_path / "text.arrow", "space")


def test_an_absent_shard_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Shard(tmp_path / "none.arrow", "space")


@pytest.mark.parametrize(("module", "step"), [(shards, "_write"), (files, "to_disk")])
def test_a_full_disk_leaves_nothing_behind(
    path: Path, module: ModuleType, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = getattr(module, step)

    def fail(*args: object) -> None:
        write(*args)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, step, fail)
    with pytest.raises(
        OutputError, match=r"No space left on device.*stored so far is intact.*--features\.dir"
    ):
        write_shard(path.parent, "space", rows(5, start=5))
    assert list(path.parent.iterdir()) == [path]
    Shard(path, "space").verify()


def _replace(path: Path, content: bytes) -> None:
    path.unlink()  # the map of an open shard must not change under it
    path.write_bytes(content)
