"""The record of a finished training stage, so that a resumed run does not train it again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import lightning.pytorch as L
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.utilities import rank_zero_only

from sercl.errors import CheckpointError
from sercl.files import is_file, write_text
from sercl.studies.results.records import read_record

HEAD = "head"
"""Name of the stage that trains a head alone before the adapters."""

RECORD = "stage.json"
"""File of a finished stage's result."""

_ADVICE = "Delete it to train the stage again."

EARLY_STOPPING, EPOCH_LIMIT = "early stopping", "epoch limit"
STEP_LIMIT, TIME_LIMIT = "step limit", "time limit"
ENDS = (
    EARLY_STOPPING, EPOCH_LIMIT, STEP_LIMIT, TIME_LIMIT,
    "stopping threshold", "divergence threshold", "value that is not finite", "callback",
)  # fmt: skip
"""What may end a stage; the last four are due to early stopping and callbacks other than patience."""


@dataclass(frozen=True)
class StageResult:
    """The course of one training stage.

    Attributes:
        stage: "train", or "source" and "target" in two-stage training; "head" before them.
        checkpoint: The best checkpoint by the monitored value.
        monitor: Name of the monitored value.
        score: Its best value; None if nothing is monitored, or the value was never finite.
        epoch: Epoch (0-based) of the best checkpoint.
        epochs: Epochs run.
        stopped_early: False if the stage ended at a limit, so that longer training might have helped.
        ended_by: What ended it, one of `ENDS`.
        chosen_state: Hidden state used; None for a weighted sum.
        seconds: Wall-clock time of the stage over all sessions, without feature extraction; work after the
            checkpoint from which the next session continued does not count.
    """

    stage: str
    checkpoint: str
    monitor: str
    score: float | None
    epoch: int
    epochs: int
    stopped_early: bool
    chosen_state: int | None
    seconds: float
    ended_by: str = ""

    def __post_init__(self) -> None:
        if not self.ended_by:  # for records that store only whether it was early stopping
            object.__setattr__(self, "ended_by", EARLY_STOPPING if self.stopped_early else EPOCH_LIMIT)

    @property
    def best_epoch(self) -> int:
        """The epoch of the best checkpoint, counted from 1."""
        return self.epoch + 1

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for results: the best epoch is counted from 1, as in the table of stages."""
        return {**asdict(self), "epoch": self.best_epoch}


@dataclass(frozen=True)
class _Ended:
    """The fields of a record that say whether a limit has ended the stage."""

    stopped_early: bool = False
    limits: dict[str, float | None] | None = None


def stage_folder(folder: Path, stage: str, stages: tuple[str, ...]) -> Path:
    """Return the folder of a stage's checkpoints: the run's folder itself if there is only one stage."""
    return folder if len(stages) == 1 else folder / stage


def limits_of(trainer: L.Trainer) -> dict[str, float | None]:
    """Return the limits of a stage without early stopping: epochs, steps, and seconds."""
    timers = [each for each in trainer.callbacks if isinstance(each, Timer)]  # type: ignore[attr-defined]
    return {
        "max_epochs": trainer.max_epochs,
        "max_steps": trainer.max_steps,
        "max_seconds": _seconds(timers[0]) if timers else None,
    }


def _seconds(timer: Timer) -> float | None:
    left = timer.time_remaining()
    return None if left is None else round(timer.time_elapsed() + left, 1)


@rank_zero_only
def keep(result: StageResult, folder: Path, limits: Mapping[str, float | None]) -> None:
    """Write a stage's result into its folder; a checkpoint there is stored by name, so that both can move.

    Args:
        result: The result.
        folder: The folder.
        limits: `limits_of` the trainer: a stage that ended at them continues under higher ones.
    """
    checkpoint = Path(result.checkpoint).resolve()
    if checkpoint.is_relative_to(folder.resolve()):
        checkpoint = checkpoint.relative_to(folder.resolve())
    content = {**asdict(replace(result, checkpoint=str(checkpoint))), "limits": dict(limits)}
    write_text(folder / RECORD, json.dumps(content, indent=2))


def stored_limits(folder: Path) -> dict[str, float | None] | None:
    """Return the limits that ended a finished stage; None if it is not finished, or was stopped before them.

    Raises:
        ResultsError: If the record is broken.
    """
    if not (folder / RECORD).is_file():
        return None
    ended = read_record(folder / RECORD, _Ended, _ADVICE)
    return None if ended.stopped_early else ended.limits


def finished(folder: Path) -> StageResult | None:
    """Return the stored result of a finished stage, None if it is not finished.

    Raises:
        CheckpointError: If its checkpoint is missing.
        ResultsError: If the record is broken.
    """
    record = folder / RECORD
    if not record.is_file():
        return None
    result = read_record(record, StageResult, _ADVICE)
    checkpoint = folder / result.checkpoint
    if not is_file(checkpoint):
        raise CheckpointError(
            f"{record}: {checkpoint} is missing. Delete {folder} to train all stages in it again."
        )
    return replace(result, checkpoint=str(checkpoint.resolve()))  # as Lightning names it in the run itself
