from dataclasses import replace
from pathlib import Path

import pytest

from sercl.errors import CheckpointError, ResultsError
from sercl.studies.training.stages import StageResult, finished, keep, stage_folder

RESULT = StageResult("target", "best.ckpt", "val/loss", 0.5, 2, 3, False, 1, 1.0)
LIMITS = {"max_epochs": 3, "max_steps": -1, "max_seconds": None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a stage that has run to its end."""
    folder = tmp_path / "run" / "target"
    folder.mkdir(parents=True)
    (folder / "best.ckpt").touch()
    keep(replace(RESULT, checkpoint=str(folder / "best.ckpt")), folder, LIMITS)
    return folder


def test_one_stage_takes_the_folder_itself_and_two_a_folder_each(tmp_path: Path) -> None:
    assert stage_folder(tmp_path, "train", ("train",)) == tmp_path
    assert stage_folder(tmp_path, "target", ("source", "target")) == tmp_path / "target"


def test_a_stage_without_a_record_is_not_finished(tmp_path: Path) -> None:
    assert finished(tmp_path) is None


def test_a_moved_folder_keeps_its_finished_stages(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    moved = tmp_path / "elsewhere" / "target"
    assert finished(moved) == replace(RESULT, checkpoint=str(moved / "best.ckpt"))


def test_a_relative_folder_finds_its_checkpoint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    keep(
        replace(RESULT, checkpoint=str(folder / "best.ckpt")), Path("target"), LIMITS
    )  # Lightning makes it absolute
    assert '"checkpoint": "best.ckpt"' in (folder / "stage.json").read_text()
    # As in the run itself, so that its results are the same after a resume.
    assert finished(Path("target")) == replace(RESULT, checkpoint=str((folder / "best.ckpt").resolve()))


def test_a_checkpoint_of_another_folder_is_named_in_full(folder: Path, tmp_path: Path) -> None:
    (other := tmp_path / "other.ckpt").touch()
    keep(replace(RESULT, checkpoint=str(other)), folder, LIMITS)
    assert finished(folder) == replace(RESULT, checkpoint=str(other))


def test_a_missing_checkpoint_is_named_with_what_to_do(folder: Path) -> None:
    (folder / "best.ckpt").unlink()
    with pytest.raises(CheckpointError, match=r"best\.ckpt is missing.*Delete .*target to train"):
        finished(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"stage": "tar', "is not valid JSON"),
        ("[]", "expected an object, got a list"),
        ('{"stage": "target"}', "checkpoint is missing"),
        ('{"checkpoint": "best.ckpt"}', "stage is missing"),
    ],
)
def test_a_broken_record_is_named_with_what_to_do(folder: Path, text: str, said: str) -> None:
    (folder / "stage.json").write_text(text)
    with pytest.raises(ResultsError, match=rf"stage\.json: .*{said}.*Delete it to train the stage"):
        finished(folder)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [('"best.ckpt"', "5"), ('"epochs": 3', '"epochs": "3"'), ('"seconds": 1.0', '"seconds": null')],
)
def test_a_record_of_wrong_types_is_not_one(folder: Path, right: str, wrong: str) -> None:
    text = (folder / "stage.json").read_text()
    assert right in text
    (folder / "stage.json").write_text(text.replace(right, wrong))
    with pytest.raises(ResultsError, match=r"stage\.json: .*expected a .*Delete it to train the stage"):
        finished(folder)
