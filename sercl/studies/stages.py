"""What is kept of a finished stage of training, so that a run that goes on does not train it again."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only

from sercl.errors import CheckpointError
from sercl.files import write_text

HEAD = "head"
"""Name of the stage that trains a head alone before the adapters."""

_RECORD = "stage.json"


@dataclass(frozen=True)
class StageResult:
    """How one stage of training went.

    Attributes:
        stage: "train", or "source" and "target" in two-stage training; "head" before them.
        checkpoint: The best checkpoint by the monitored value.
        monitor: Name of the monitored value.
        score: Its best value; None where nothing is monitored, or the value was never a finite number.
        epoch: Epoch (0-based) of the best checkpoint.
        epochs: Epochs run.
        stopped_early: False where the epoch limit ended the stage, so that more epochs might have helped.
        chosen_state: Hidden state that is read; None for a weighted sum.
        seconds: Wall-clock time of the stage, without feature extraction.
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


def stage_folder(folder: Path, stage: str, stages: tuple[str, ...]) -> Path:
    """Return where a stage puts its checkpoints: the run's folder itself if there is only one."""
    return folder if len(stages) == 1 else folder / stage


@rank_zero_only
def keep(result: StageResult, place: Path) -> None:
    """Write a stage's result into its folder; a checkpoint in there by its name, so that both can move."""
    checkpoint = Path(result.checkpoint).resolve()
    if checkpoint.is_relative_to(place.resolve()):
        checkpoint = checkpoint.relative_to(place.resolve())
    content = asdict(replace(result, checkpoint=str(checkpoint)))
    write_text(place / _RECORD, json.dumps(content, indent=2))


def finished(place: Path) -> StageResult | None:
    """Return the stored result of a stage that has run to its end, None where it has not.

    Raises:
        CheckpointError: Where the record is broken, or its checkpoint is not there.
    """
    record = place / _RECORD
    if not record.is_file():
        return None
    content = _read(record)
    try:
        result = StageResult(**content)
        checkpoint = place / result.checkpoint
    except TypeError as error:
        raise CheckpointError(
            f"{record}: not the record of a stage of training ({error}). {_ADVICE}"
        ) from error
    if not checkpoint.is_file():
        raise CheckpointError(
            f"{record}: {checkpoint} is not there. Delete {place}, and all in it is trained again."
        )
    return replace(result, checkpoint=str(checkpoint))


def _read(record: Path) -> dict[str, Any]:
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{record}: not valid JSON ({error}). {_ADVICE}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{record}: holds a JSON {type(content).__name__}, not an object. {_ADVICE}")
    return content


_ADVICE = "Delete it, and the stage is trained again."
