import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sercl.errors import OutputError, UnknownNameError
from sercl.features.space_store import DESCRIPTION
from sercl.features.store import FeatureStore
from sercl.features.upkeep import find_damaged, find_unwanted, inspect_store, remove
from tests.features.rows import SPACE, fill, rows
from tests.features.test_store import edit

HALF = replace(SPACE, precision="bf16", encoder="other")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with seven rows of one space and three of another, which was used 40 days ago."""
    root = tmp_path / "store"
    fill(root, SPACE, rows(5))
    fill(root, SPACE, rows(2, start=5))
    age(fill(root, HALF, rows(3)) / DESCRIPTION, days=40)
    return root


def age(path: Path, days: float) -> None:
    then = time.time() - days * 86_400
    os.utime(path, (then, then))


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-50])
    return path


def flip(path: Path) -> Path:
    content = bytearray(path.read_bytes())
    content[content.index(rows(1)[0].values.tobytes())] ^= 1
    path.write_bytes(content)
    return path


def test_a_store_says_what_it_holds(root: Path) -> None:
    large, small = inspect_store(root)
    assert (large.space, large.rows, large.shards, large.damaged) == (SPACE, 7, 2, ())
    assert (small.space, small.rows, small.shards) == (HALF, 3, 1)
    assert large.bytes == sum(file.stat().st_size for file in large.folder.iterdir())
    assert large.days_unused < 1
    assert small.days_unused == pytest.approx(40, abs=0.1)
    assert inspect_store(root / "none") == []


def test_damage_is_reported_and_not_raised(root: Path) -> None:
    folder = root / SPACE.name
    first, second = sorted(folder.glob("*.arrow"), key=lambda path: -path.stat().st_size)
    cut(second)
    found = inspect_store(root)[0]
    assert found.rows == 5
    assert len(found.damaged) == 1
    assert second.name in found.damaged[0]
    flip(first)
    assert len(inspect_store(root)[0].damaged) == 1
    assert len(inspect_store(root, verify=True)[0].damaged) == 2
    (folder / DESCRIPTION).write_text("")
    assert inspect_store(root)[0].space is None


def test_what_is_damaged_is_removed_and_nothing_else(root: Path) -> None:
    folder = root / SPACE.name
    bad, good = sorted(folder.glob("*.arrow"), key=lambda path: -path.stat().st_size)
    flip(bad)
    removals = find_damaged(root)
    assert [removal.path for removal in removals] == [bad]
    assert "checksum" in removals[0].reason
    remove(removals)
    assert not bad.exists()
    store = FeatureStore(root).open(SPACE)
    assert [row.key for row in store.read(row.key for row in rows(7))] == [
        row.key for row in rows(2, start=5)
    ]
    assert good.exists()
    assert find_damaged(root) == []


def test_leftovers_of_killed_writers_are_removed_and_fresh_ones_left(root: Path) -> None:
    old, fresh = (root / SPACE.name / f".{name}-1.arrow" for name in ("old", "fresh"))
    for path in (old, fresh):
        path.write_bytes(b"half")
    age(old, days=1)
    assert [removal.path for removal in find_damaged(root)] == [old]


def test_a_folder_that_cannot_be_understood_is_removed_whole_unless_it_is_being_made(root: Path) -> None:
    (root / SPACE.name / DESCRIPTION).write_text("{")
    assert [removal.path for removal in find_damaged(root)] == [root / SPACE.name]
    (root / SPACE.name / DESCRIPTION).unlink()
    assert find_damaged(root) == []
    age(root / SPACE.name, days=1)
    assert [removal.path for removal in find_damaged(root)] == [root / SPACE.name]


def test_another_version_is_not_damage_but_can_be_removed(root: Path) -> None:
    edit(root / SPACE.name / DESCRIPTION, format=99)
    assert find_damaged(root) == []
    assert "format 99" in inspect_store(root)[0].damaged[0]
    remove(find_unwanted(root, everything=True))
    assert list(root.iterdir()) == []


def test_spaces_are_chosen_by_age_and_encoder(root: Path) -> None:
    def chosen(**options: object) -> set[str]:
        return {removal.path.name for removal in find_unwanted(root, **options)}

    assert chosen(older_than=30) == {HALF.name}
    assert chosen(older_than=50) == set()
    assert chosen(encoder="tiny") == {SPACE.name}
    assert chosen(encoder="tiny", older_than=30) == set()
    assert chosen(everything=True) == {SPACE.name, HALF.name}
    with pytest.raises(UnknownNameError, match=r"'tinny'.*Did you mean 'tiny'"):
        chosen(encoder="tinny")


def test_removing_takes_whole_spaces_and_leaves_what_is_not_ours(root: Path) -> None:
    (root / "mine").mkdir()
    (root / "scans.sqlite").write_text("of the audio checks")
    remove(find_unwanted(root, encoder="other"))
    assert {path.name for path in root.iterdir()} == {SPACE.name, "mine", "scans.sqlite"}
    assert len(FeatureStore(root).sources(SPACE)) == 1


def test_what_is_gone_already_is_no_error_for_files(root: Path) -> None:
    cut(min((root / HALF.name).glob("*.arrow")))
    removals = find_damaged(root)
    remove(removals)
    remove(removals)


def test_a_removal_that_fails_is_one_message(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    removals = find_unwanted(root, encoder="other")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        with pytest.raises(OutputError, match=r"cannot be removed \(Permission denied\)"):
            remove(removals)
    with monkeypatch.context() as patch:  # in the middle of it
        patch.setattr(shutil, "rmtree", lambda path, ignore_errors=False: None if ignore_errors else refuse())
        with pytest.raises(OutputError, match="Permission denied"):
            remove(removals)
    assert len(inspect_store(root)) == 1  # half a folder is never met
