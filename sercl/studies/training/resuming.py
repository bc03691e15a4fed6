"""Which stages of an interrupted training continue, and from which checkpoint: the newest undamaged one."""

import enum
import os
import traceback
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_only

from sercl.errors import CheckpointError, DamagedCheckpointError, SerclError, SerclWarning, UsageError
from sercl.studies.training.stages import HEAD, RECORD, finished, limits_of, stored_limits
from sercl.tasks import checkpoint as checkpoints
from sercl.tasks.callbacks import LAST, LastEpoch, TrainingTime, WithinEpoch

TrainerFactory = Callable[[str, Path], L.Trainer]
"""Builds a trainer for a stage; its checkpoints go to the folder."""


class StageStart(enum.Enum):
    """Where a stage starts."""

    START_OVER = "from the beginning"
    CONTINUE = "from its newest checkpoint"
    DONE = "not at all: it is complete"


def stage_starts(
    folders: Mapping[str, Path], trainer_for: TrainerFactory, resume: bool
) -> dict[str, StageStart]:
    """Determine where each stage starts, and remove outdated records.

    A stage that ended at a limit continues under a changed limit; later stages, which start from its end,
    start over.

    Args:
        folders: Stage -> its folder, in the order of training.
        trainer_for: Builds the trainer of a stage.
        resume: Whether to continue an interrupted training.

    Raises:
        CheckpointError: If a stage has no checkpoint to continue from.
        ResultsError: If the record of a finished stage is broken.
    """
    found: dict[str, StageStart] = {}
    for stage, folder in folders.items():
        is_next = resume and all(each is StageStart.DONE for each in found.values())
        found[stage] = _stage_start(stage, folder, trainer_for) if is_next else StageStart.START_OVER
    _clear(folders, found)
    return found


def check_limits(
    folders: Mapping[str, Path], trainer_for: TrainerFactory, shares_epochs: bool = False
) -> None:
    """Raise `UsageError` if a stage has trained for longer than the limits allow.

    Args:
        folders: Stage -> its folder, in the order of training.
        trainer_for: Builds the trainer of a stage.
        shares_epochs: Whether all stages except that of a head share the trainer's epochs.
    """
    spent = 0
    for stage, folder in folders.items():
        trained = _trained(folder)
        if trained.epochs == 0:
            return
        limits = limits_of(trainer_for(stage, folder))
        _check_limit(
            folder,
            f"{trained.epochs} epochs",
            "epochs",
            trained.epochs,
            remaining_epochs(limits["max_epochs"], spent),
        )
        _check_limit(folder, f"{trained.steps} steps", "steps", trained.steps, limits["max_steps"])
        _check_time(folder, trained, limits["max_seconds"])
        spent += trained.epochs if shares_epochs and stage != HEAD else 0


def remaining_epochs(epochs: float | None, spent: int) -> int:
    """Return the remaining epochs of a budget, at least one; -1 without a limit."""
    return -1 if epochs is None or epochs < 0 else max(min(1, int(epochs)), int(epochs) - spent)


def _check_limit(folder: Path, trained: str, what: str, count: float, limit: float | None) -> None:
    if limit is not None and 0 <= limit < count:
        unit = " s" if what == "time" else ""
        raise UsageError(
            f"{folder}: has trained for {trained}, but --trainer.max_{what} allows {limit:g}{unit}. Raise "
            f"it to continue, or start a new run with another --out."
        )


def _check_time(folder: Path, trained: "_Trained", limit: float | None) -> None:
    """Raise if the time limit was lowered below the time used; a limit that ends a stage is exceeded."""
    if trained.most_seconds is None or (limit is not None and limit < trained.most_seconds):
        _check_limit(folder, f"{trained.seconds:.0f} s", "time", trained.seconds, limit)


def _stage_start(stage: str, folder: Path, trainer_for: TrainerFactory) -> StageStart:
    if (done := finished(folder)) is None:
        return StageStart.CONTINUE
    if (reason := damage(Path(done.checkpoint))) is not None:
        _say(f"{done.checkpoint}: {reason}. Stage {stage!r} is trained again.")
        return StageStart.START_OVER
    ended_by = stored_limits(folder)
    if ended_by is None or ended_by == limits_of(trainer_for(stage, folder)):
        return StageStart.DONE
    if not (folder / LAST).is_file():
        raise CheckpointError(
            f"{folder}: ended at a limit that has changed since, but its last epoch ({LAST}) is missing, "
            f"so it cannot continue. Keep the original limits, or start a new run with another --out."
        )
    return StageStart.CONTINUE


@rank_zero_only
def _clear(folders: Mapping[str, Path], found: Mapping[str, StageStart]) -> None:
    # The last one first: after a kill, either the old state remains, or training continues as described.
    # Other files in the folder may be the user's.
    for stage, folder in reversed(list(folders.items())):
        if found[stage] is not StageStart.DONE:
            (folder / RECORD).unlink(missing_ok=True)
        if found[stage] is StageStart.START_OVER:
            (folder / LAST).unlink(missing_ok=True)


def starting_point(folder: Path) -> Path | None:
    """Return the checkpoint from which a stage continues; None if it starts over.

    That is the newest epoch, unless its file or that of its best epoch is damaged: then the newest of the
    others. All lead to the same result: a checkpoint contains everything that training depends on.

    Args:
        folder: Folder of the stage.

    Raises:
        CheckpointError: For a checkpoint that cannot be read for another reason than damage.
    """
    last = folder / LAST
    if not last.is_file():
        return None
    if (reason := _unusable(last)) is None:
        _say_what_is_cut_off(last)
        return last
    others = [path for path in folder.glob("*.ckpt") if path != last and _unusable(path) is None]
    newest = max(others, key=_epochs, default=None)
    if newest is None:
        _say(f"{last}: {reason}. No other checkpoint is left to continue from: training starts over.")
    else:
        _say(f"{last}: {reason}. Training continues from {newest}, after {_epochs(newest)} epochs.")
    return newest


def _say_what_is_cut_off(path: Path) -> None:
    stored = checkpoints.read(path)
    batches, continues = _batches(stored), WithinEpoch.__qualname__ in stored.get("callbacks", {})
    if batches is not None and not batches["is_last_batch"] and not continues:
        epoch = int(stored["epoch"]) + 1
        _say(
            f"{path}: a limit ended epoch {epoch} after {batches['current']['completed']} batches. "
            f"Training continues with epoch {epoch + 1}; the rest of epoch {epoch} is skipped."
        )


def _batches(stored: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the progress of a checkpoint's last epoch; None if it is not stored."""
    try:
        batches = stored["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        is_whole = isinstance(batches["is_last_batch"], bool) and isinstance(
            batches["current"]["completed"], int
        )
    except (LookupError, TypeError):
        return None
    return batches if is_whole else None


def damage(path: Path) -> str | None:
    """Return the damage of a checkpoint file, None if every byte is intact.

    Raises:
        CheckpointError: If it cannot be read.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}).") from error
    said = f"damaged or cut short ({path.stat().st_size:,} bytes)"
    with file:
        try:
            with zipfile.ZipFile(file) as archive:
                if archive.testzip() is not None:
                    return "damaged (a checksum does not match)"
            stored = checkpoints.read(path)
        except CheckpointError as error:
            if not isinstance(error, DamagedCheckpointError):
                raise
            return said
        except Exception:  # with a flipped bit, zipfile may find anything: a password, wrong offsets
            return said
    return None if _is_as_written(stored) else "damaged (its record of epochs was changed)"


def _is_as_written(stored: Mapping[str, Any]) -> bool:
    """Whether epoch, steps and saved epochs of a checkpoint have the right types."""
    callbacks = stored.get("callbacks", {})
    counts = (stored.get(key, 0) for key in ("epoch", "global_step"))
    if not isinstance(callbacks, Mapping) or not all(isinstance(n, int) and n >= 0 for n in counts):
        return False
    if "loops" in stored and _batches(stored) is None:
        return False
    return all(
        isinstance(state["best_model_path"], str)
        and isinstance(state.get("dirpath"), str)
        and isinstance(state.get("best_k_models"), Mapping)
        for state in _savers(stored)
    )


@contextmanager
def naming_checkpoint(path: Path | None, trainer: L.Trainer) -> Iterator[None]:
    """Name the checkpoint in errors that its states cause before the first batch is done.

    Args:
        path: The checkpoint; None for a training that starts over.
        trainer: The trainer that runs inside the block.

    Raises:
        DamagedCheckpointError: For damaged states in it.
    """
    first_batch = _FirstBatch()
    trainer.callbacks.append(first_batch)  # type: ignore[attr-defined]
    try:
        yield
    except (*_OF_WRONG_STATES, RuntimeError) as error:
        if path is None or first_batch.has_trained or not _is_of_states(error):
            raise
        reason = " ".join(str(error).split())[:200]
        raise DamagedCheckpointError(
            f"{path}: training cannot continue from it: a state in it was changed "
            f"({type(error).__name__}: {reason}). Remove it, or start a new run with --overwrite or "
            f"another --out."
        ) from error


_OF_WRONG_STATES = (
    ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError,
)  # fmt: skip


class _FirstBatch(L.Callback):
    """Records whether a batch was trained."""

    has_trained = False

    def on_train_batch_end(self, *args: Any) -> None:
        """Record it."""
        self.has_trained = True


def _is_of_states(error: Exception) -> bool:
    """Whether an error is not sercl's and, if it may be due to the machine, came from an optimizer."""
    if isinstance(error, SerclError | MisconfigurationException) or "memory" in str(error):
        return False
    files = (Path(frame.filename).parts for frame in traceback.extract_tb(error.__traceback__))
    return not isinstance(error, RuntimeError) or any(
        "optim" in parts or "callbacks.py" in parts for parts in files
    )


def _unusable(path: Path) -> str | None:
    """Return why a stage cannot continue from a checkpoint, None if it can."""
    if (reason := damage(path)) is not None:
        return reason
    stored = checkpoints.read(path)
    if not stored.get("optimizer_states"):
        return "holds weights only"
    if path.name != LAST and path not in _kept(stored, path.parent):
        return "was not written by this training"
    for best in _best(stored, path.parent):
        if not best.is_file():
            return f"its best epoch, {best.name}, is missing"
        if best != path and (reason := damage(best)) is not None:
            return f"its best epoch, {best.name}, is {reason}"
    return None


def _best(stored: Mapping[str, Any], folder: Path) -> Iterator[Path]:
    """Yield the files of a checkpoint's best epochs, in its current folder."""
    for state in _savers(stored):
        yield folder / os.path.relpath(state["best_model_path"], state["dirpath"])


def _kept(stored: Mapping[str, Any], folder: Path) -> set[Path]:
    """Return all epoch files that a checkpoint refers to, in its current folder."""
    return {
        folder / os.path.relpath(path, state["dirpath"])
        for state in _savers(stored)
        for path in (state["best_model_path"], *state["best_k_models"])
    }


def _savers(stored: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the states of the callbacks that save the best epochs."""
    for key, state in stored.get("callbacks", {}).items():
        if key != LastEpoch.__qualname__ and isinstance(state, Mapping) and state.get("best_model_path"):
            yield state


@dataclass(frozen=True)
class _Trained:
    """How long a stage has trained: epochs, steps, seconds, and its time limit in seconds."""

    epochs: int = 0
    steps: int = 0
    seconds: float = 0.0
    most_seconds: float | None = None


def _trained(folder: Path) -> _Trained:
    """Return how long a stage has trained, from its record and its newest checkpoint."""
    last, done = folder / LAST, finished(folder)
    epochs = 0 if done is None else done.epochs
    newest = last if last.is_file() or done is None else Path(done.checkpoint)
    if not newest.is_file() or damage(newest) is not None:
        return _Trained(epochs)
    stored = checkpoints.read(newest)
    time = stored.get("callbacks", {}).get(TrainingTime.__qualname__, {})
    return _Trained(
        max(epochs, int(stored["epoch"]) + 1),
        int(stored["global_step"]),
        float(time.get("seconds", 0.0)),
        time.get("limit"),
    )


def _epochs(path: Path) -> int:
    return int(checkpoints.read(path)["epoch"]) + 1


@rank_zero_only
def _say(message: str) -> None:
    warnings.warn(message, SerclWarning, stacklevel=1)
