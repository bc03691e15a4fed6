"""A disk that is really full, and one that can really only be read, whoever runs the tests.

Both are a small file system in memory that only the process of the test sees.
"""

from pathlib import Path

import pytest

from tests.small_disk import on_a_small_disk, python

FILL = """
from pathlib import Path
from sercl.errors import OutputError
from sercl.features import shard
from sercl.features.store import FeatureStore
from sercl.features.upkeep import inspect_store
from tests.features.rows import SPACE, fill, rows

shard.SHARD_BYTES = 40_000
many = rows(40, states=3, width=4000)
try:
    fill(Path("disk"), SPACE, many)
except OutputError as error:
    assert "No space left on device" in str(error), error
    assert "stored so far is intact" in str(error), error
else:
    raise SystemExit("the disk was not full")
info = inspect_store(Path("disk"), verify=True)[0]
assert not info.damaged, info.damaged
assert 5 < info.rows < 40, info.rows
assert not [path for path in Path("disk").rglob(".*")]
store = FeatureStore(Path("disk")).open(SPACE)
keys = [row.key for row in many]
assert len(list(store.read(keys))) == info.rows
assert len(list(store.missing(keys))) == 40 - info.rows
"""

WRITE = """
from pathlib import Path
from sercl.features.store import FeatureStore
from tests.features.rows import SPACE, fill, rows

fill(Path("disk"), SPACE, rows(5))
FeatureStore(Path("disk")).open(SPACE)
"""

READ = """
from pathlib import Path
from sercl.errors import OutputError
from sercl.features.store import FeatureStore
from tests.features.rows import SPACE, rows

keys = [row.key for row in rows(8)]
[source] = FeatureStore(Path("disk")).sources(SPACE)
assert len(list(source.rows.read(keys))) == 5
assert len(list(source.rows.missing(keys))) == 3
try:
    source.rows.writer()
except OutputError as error:
    assert "Read-only file system" in str(error), error
    assert "--no-cache" in str(error), error
else:
    raise SystemExit("the disk could be written")
"""


def test_a_full_disk_costs_nothing_that_was_stored(tmp_path: Path) -> None:
    on_a_small_disk(tmp_path, python(tmp_path, "fill.py", FILL))


@pytest.mark.parametrize("indexed", [True, False])
def test_a_read_only_store_is_read_and_says_what_it_lacks(tmp_path: Path, indexed: bool) -> None:
    lock = "mount -o remount,ro disk"
    index = [] if indexed else ["rm disk/*/index.sqlite"]
    write, read = python(tmp_path, "write.py", WRITE), python(tmp_path, "read.py", READ)
    on_a_small_disk(tmp_path, write, *index, lock, read)
