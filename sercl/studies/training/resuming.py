"""Which stages of an interrupted training go on, and where: at the newest checkpoint that is whole."""

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
from sercl.tasks.callbacks import LastEpoch, TrainingTime

LAST = "last.ckpt"
"""Checkpoint of a stage's newest epoch, from which it is resumed."""

TrainerFactory = Callable[[str, Path], L.Trainer]
"""Builds a trainer for a stage; its checkpoints go to the folder."""


class Beginning(enum.Enum):
    """Where a stage begins."""

    ANEW = "anew"
    GOES_ON = "at its newest checkpoint"
    DONE = "is complete"


def beginnings(places: Mapping[str, Path], trainer_for: TrainerFactory, resume: bool) -> dict[str, Beginning]:
    """Say where each stage begins, and remove what no longer holds.

    A stage that a limit ended goes on under another limit; those after it start from its end, so anew.

    Args:
        places: Stage -> its folder, in the order of training.
        trainer_for: Builds the trainer of a stage.
        resume: Whether an interrupted training goes on.

    Raises:
        CheckpointError: Where a stage has nothing to go on from.
        ResultsError: Where the record of a finished stage is broken.
    """
    found: dict[str, Beginning] = {}
    for stage, place in places.items():
        is_next = resume and all(each is Beginning.DONE for each in found.values())
        found[stage] = _beginning(stage, place, trainer_for) if is_next else Beginning.ANEW
    _clear(places, found)
    return found


def check_limits(
    places: Mapping[str, Path], trainer_for: TrainerFactory, shares_epochs: bool = False
) -> None:
    """Raise `UsageError` where a stage has trained for longer than it now may.

    Args:
        places: Stage -> its folder, in the order of training.
        trainer_for: Builds the trainer of a stage.
        shares_epochs: Whether all stages but that of a head together have the epochs of a trainer.
    """
    spent = 0
    for stage, place in places.items():
        trained = _trained(place)
        if trained.epochs == 0:
            return
        limits = limits_of(trainer_for(stage, place))
        _check_limit(
            place, f"{trained.epochs} epochs", "epochs", trained.epochs, left_of(limits["max_epochs"], spent)
        )
        _check_limit(place, f"{trained.steps} steps", "steps", trained.steps, limits["max_steps"])
        _check_time(place, trained, limits["max_seconds"])
        spent += trained.epochs if shares_epochs and stage != HEAD else 0


def left_of(epochs: float | None, spent: int) -> int:
    """Return how many epochs are left of a budget, at least one; -1 where it has no end."""
    return -1 if epochs is None or epochs < 0 else max(min(1, int(epochs)), int(epochs) - spent)


def _check_limit(place: Path, trained: str, what: str, count: float, limit: float | None) -> None:
    if limit is not None and 0 <= limit < count:
        unit = " s" if what == "time" else ""
        raise UsageError(
            f"{place}: has trained for {trained}, but --trainer.max_{what} allows {limit:g}{unit}. Raise "
            f"it to continue, or start a new run with another --out."
        )


def _check_time(place: Path, trained: "_Trained", limit: float | None) -> None:
    """Raise where less time is allowed than before, and was used: a limit that ends a stage is exceeded."""
    if trained.most_seconds is None or (limit is not None and limit < trained.most_seconds):
        _check_limit(place, f"{trained.seconds:.0f} s", "time", trained.seconds, limit)


def _beginning(stage: str, place: Path, trainer_for: TrainerFactory) -> Beginning:
    if (done := finished(place)) is None:
        return Beginning.GOES_ON
    if (reason := damage(Path(done.checkpoint))) is not None:
        _say(f"{done.checkpoint}: {reason}. Stage {stage!r} is trained again.")
        return Beginning.ANEW
    ended_by = stored_limits(place)
    if ended_by is None or ended_by == limits_of(trainer_for(stage, place)):
        return Beginning.DONE
    if not (place / LAST).is_file():
        raise CheckpointError(
            f"{place}: ended at a limit that has changed since, but its last epoch ({LAST}) is missing, "
            f"so it cannot continue. Keep the original limits, or start a new run with another --out."
        )
    return Beginning.GOES_ON


@rank_zero_only
def _clear(places: Mapping[str, Path], found: Mapping[str, Beginning]) -> None:
    # The last one first: whatever a kill leaves is what was there, or goes on as is said here. What else is
    # in the folder may be the user's.
    for stage, place in reversed(list(places.items())):
        if found[stage] is not Beginning.DONE:
            (place / RECORD).unlink(missing_ok=True)
        if found[stage] is Beginning.ANEW:
            (place / LAST).unlink(missing_ok=True)


def starting_point(place: Path) -> Path | None:
    """Return the checkpoint from which a stage goes on; None where it begins anew.

    That is the newest epoch, unless its file or that of the best epoch it knows of is damaged: then the
    newest of the others. All lead to the same end: a checkpoint holds all that training depends on.

    Args:
        place: Folder of the stage.

    Raises:
        CheckpointError: For a checkpoint that cannot be read for another reason than damage.
    """
    last = place / LAST
    if not last.is_file():
        return None
    if (reason := _unusable(last)) is None:
        _say_what_is_cut_off(last)
        return last
    others = [path for path in place.glob("*.ckpt") if path != last and _unusable(path) is None]
    newest = max(others, key=_epochs, default=None)
    if newest is None:
        _say(f"{last}: {reason}. No other checkpoint is left to continue from: training starts over.")
    else:
        _say(f"{last}: {reason}. Training continues from {newest}, after {_epochs(newest)} epochs.")
    return newest


def _say_what_is_cut_off(path: Path) -> None:
    stored = checkpoints.read(path)
    batches = _batches(stored)
    if batches is not None and not batches["is_last_batch"]:
        epoch = int(stored["epoch"]) + 1
        _say(
            f"{path}: a limit ended epoch {epoch} after {batches['current']['completed']} batches. "
            f"Training continues with epoch {epoch + 1}; the rest of epoch {epoch} is skipped."
        )


def _batches(stored: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return how far a checkpoint's last epoch had come; None where it does not say so."""
    try:
        batches = stored["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        is_whole = isinstance(batches["is_last_batch"], bool) and isinstance(
            batches["current"]["completed"], int
        )
    except (LookupError, TypeError):
        return None
    return batches if is_whole else None


def damage(path: Path) -> str | None:
    """Return what is wrong with the file of a checkpoint, None where every byte is as it was written.

    Raises:
        CheckpointError: Where it cannot be read.
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
        except Exception:  # a flipped bit may tell zipfile anything: of a password, of a method, of offsets
            return said
    return None if _is_as_written(stored) else "damaged (its record of epochs was changed)"


def _is_as_written(stored: Mapping[str, Any]) -> bool:
    """Whether epoch, steps and kept epochs of a checkpoint are of the types that they are written with."""
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
def going_on_from(path: Path | None, trainer: L.Trainer) -> Iterator[None]:
    """Name the checkpoint that a training goes on from in whatever its states lead to before a batch is done.

    Args:
        path: The checkpoint; None for a training that begins anew.
        trainer: What trains while the block runs.

    Raises:
        DamagedCheckpointError: For states in it that are not as they were written.
    """
    begun = _Begun()
    trainer.callbacks.append(begun)  # type: ignore[attr-defined]
    try:
        yield
    except (*_OF_WRONG_STATES, RuntimeError) as error:
        if path is None or begun.has_trained or not _is_of_states(error):
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


class _Begun(L.Callback):
    """Knows whether a batch was trained."""

    has_trained = False

    def on_train_batch_end(self, *args: Any) -> None:
        """Note it."""
        self.has_trained = True


def _is_of_states(error: Exception) -> bool:
    """Whether an error is not one of sercl, and, if it may be of the machine, was raised by an optimizer."""
    if isinstance(error, SerclError | MisconfigurationException) or "memory" in str(error):
        return False
    files = (Path(frame.filename).parts for frame in traceback.extract_tb(error.__traceback__))
    return not isinstance(error, RuntimeError) or any(
        "optim" in parts or "callbacks.py" in parts for parts in files
    )


def _unusable(path: Path) -> str | None:
    """Return why a stage cannot go on from a checkpoint, None where it can."""
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


def _best(stored: Mapping[str, Any], place: Path) -> Iterator[Path]:
    """Yield the files of the best epochs that a checkpoint knows of, below where its folder is now."""
    for state in _savers(stored):
        yield place / os.path.relpath(state["best_model_path"], state["dirpath"])


def _kept(stored: Mapping[str, Any], place: Path) -> set[Path]:
    """Return all files of epochs that a checkpoint knows of, below where its folder is now."""
    return {
        place / os.path.relpath(path, state["dirpath"])
        for state in _savers(stored)
        for path in (state["best_model_path"], *state["best_k_models"])
    }


def _savers(stored: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the states of what keeps the best epochs."""
    for key, state in stored.get("callbacks", {}).items():
        if key != LastEpoch.__qualname__ and isinstance(state, Mapping) and state.get("best_model_path"):
            yield state


@dataclass(frozen=True)
class _Trained:
    """How long a stage has trained: epochs, steps, seconds, and the most seconds that it was allowed."""

    epochs: int = 0
    steps: int = 0
    seconds: float = 0.0
    most_seconds: float | None = None


def _trained(place: Path) -> _Trained:
    """Return how long a stage has trained, as far as its record and its newest checkpoint tell."""
    last, done = place / LAST, finished(place)
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
