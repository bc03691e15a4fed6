"""The progress of a training run as one line: epochs done, scores, and how long patience lasts."""

from typing import Any

import lightning.pytorch as L
from lightning.pytorch.callbacks import EarlyStopping
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from sercl.cli.console import Lines, stderr

_SHOWN = ("val/loss", "val/uar", "val/eder")


class FitProgress(L.Callback):
    """Show epochs and, in long epochs, batches; as a line now and then where there is no terminal.

    Args:
        stopper: The early stopping whose patience is shown.
    """

    def __init__(self, stopper: EarlyStopping) -> None:
        self._stopper = stopper
        self._progress: Progress | None = None
        self._lines: Lines | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Open the display on the first process."""
        if not trainer.is_global_zero:
            return
        if not stderr.is_terminal:
            self._lines = Lines("training", None, stderr)
            return
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=stderr,
            transient=True,
            redirect_stdout=False,
        )
        limit = trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else None
        self._epochs = self._progress.add_task("epochs", total=limit, completed=trainer.current_epoch)
        self._batches = self._progress.add_task("batches", total=_whole(trainer.num_training_batches))
        self._progress.start()

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        """Count a batch."""
        if self._lines is not None and self._lines.is_due:
            self._lines.say(f"training: {self._where(trainer)}")
        if self._progress is not None:
            self._progress.advance(self._batches)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count an epoch and show its scores."""
        shown = {name: float(value) for name, value in trainer.callback_metrics.items()}
        scores = "  ".join(f"{name} {shown[name]:.3f}" for name in _SHOWN if name in shown)
        if self._lines is not None and self._lines.is_due:
            self._lines.say(f"training: {self._where(trainer)}  {scores}")
        if self._progress is None:
            return
        patience = f"{self._stopper.wait_count}/{self._stopper.patience} without improvement"
        self._progress.update(self._epochs, advance=1, description=f"epochs  {scores}  {patience}")
        self._progress.reset(self._batches, total=_whole(trainer.num_training_batches))

    def _where(self, trainer: L.Trainer) -> str:
        """Return epoch and batch, counted from 1."""
        limit = f" of {trainer.max_epochs}" if (trainer.max_epochs or 0) > 0 else ""
        total = _whole(trainer.num_training_batches)
        batch = trainer.fit_loop.epoch_loop.batch_progress.current.completed
        return f"epoch {trainer.current_epoch + 1}{limit}, batch {batch}{f' of {total}' if total else ''}"

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Close the display."""
        self._close()

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Close the display before an error is printed."""
        self._close()

    def _close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _whole(count: float) -> int | None:
    return int(count) if count != float("inf") else None
