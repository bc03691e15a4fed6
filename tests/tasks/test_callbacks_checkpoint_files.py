import os
from pathlib import Path

import pytest
import torch

from sercl.errors import OutputError
from sercl.tasks.callbacks import CheckpointFiles
from tests.small_disk import on_a_small_disk, python


def test_a_checkpoint_comes_to_its_folder_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, temporary = tmp_path / "run", tmp_path / "temporary"
    run.mkdir()
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    written, replace = [], Path.replace

    def noted(path: Path, target: Path) -> Path:
        written.append((path.parent, target.name, torch.load(path, weights_only=True)))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", noted)
    files = CheckpointFiles(run)
    for value in (1, 2):
        files.save_checkpoint({"value": value}, str(run / "last.ckpt"))
    assert written == [(run, "last.ckpt", {"value": 1}), (run, "last.ckpt", {"value": 2})]
    assert files.load_checkpoint(str(run / "last.ckpt")) == {"value": 2}
    assert os.listdir(run) == ["last.ckpt"]  # noqa: PTH208 - names alone
    assert not any(temporary.iterdir())


def test_the_folder_of_a_run_that_has_gone_is_not_made_again(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"run: was removed or moved while the run was writing"):
        CheckpointFiles(tmp_path / "run").save_checkpoint({}, tmp_path / "run" / "last.ckpt")
    assert not (tmp_path / "run").exists()


FILL = """
from pathlib import Path
import torch
from sercl.errors import OutputError
from sercl.tasks.callbacks import CheckpointFiles

disk = Path("disk")
files, last = CheckpointFiles(disk), disk / "last.ckpt"
files.save_checkpoint({"a": torch.ones(100_000)}, last)
before = last.read_bytes()
try:
    files.save_checkpoint({"a": torch.ones(1_000_000)}, last)
except OutputError as error:
    print(error)
else:
    raise SystemExit("the disk was not full")
assert last.read_bytes() == before
assert [path.name for path in disk.iterdir()] == ["last.ckpt"]
"""


def test_a_full_disk_is_named_and_keeps_the_checkpoint_before(tmp_path: Path) -> None:
    said = on_a_small_disk(tmp_path, python(tmp_path, "fill.py", FILL))
    assert "disk/last.ckpt: cannot be written (No space left on device); the disk at " in said
    assert "/disk has " in said
    assert "of 1.05 MB free" in said
    assert "continues from the last checkpoint (--resume)" in said
