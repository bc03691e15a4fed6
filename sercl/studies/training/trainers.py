"""Lightning trainers with the stopping, checkpoints and loggers of runs."""

import copy
import logging
import os
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import lightning.pytorch as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.profilers import Profiler
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.trainer.connectors.signal_connector import _SignalConnector

from sercl.errors import SerclError, UsageError
from sercl.files import is_below
from sercl.tasks import sharding
from sercl.tasks.base import EncoderTask
from sercl.tasks.callbacks import (
    LAST,
    AfterWholeEpoch,
    BestEpoch,
    CheckpointFiles,
    LastEpoch,
    LastValidation,
    Patience,
    RandomState,
    StaysStopped,
    TrainingTime,
    WithinEpoch,
)

Watch = Callable[[EarlyStopping], L.Callback]
"""Creates a callback that shows progress and the remaining patience."""

NO_EFFECT_ON_RESULT = {
    "accelerator", "strategy", "devices", "num_nodes", "logger", "callbacks", "log_every_n_steps",
    "enable_checkpointing", "enable_progress_bar", "enable_model_summary", "profiler", "detect_anomaly",
    "benchmark", "plugins", "default_root_dir", "barebones", "num_sanity_val_steps",
    "use_distributed_sampler", "model_registry", "enable_autolog_hparams",
}  # fmt: skip
"""Options of the trainer for devices and output, which do not affect results."""

NO_EFFECT_ON_STOPPING = {"verbose", "log_rank_zero_only", "strict"}
"""Options of early stopping that do not determine when it stops."""

_DECIDING_CHECKPOINT = ("monitor", "mode", "save_top_k", "every_n_epochs", "save_on_train_epoch_end")


TRAINER_DEFAULTS: dict[str, Any] = {
    "max_epochs": 100,
    # The data are checked at set-up, and a layer is chosen on the whole validation part.
    "num_sanity_val_steps": 0,
    "enable_model_summary": False,
    "use_distributed_sampler": False,  # our batch sampler distributes batches over processes itself
    "log_every_n_steps": 1,
}

STOPPING_DEFAULTS: dict[str, Any] = {"monitor": "val/loss", "patience": 10}

CHECKPOINT_DEFAULTS: dict[str, Any] = {
    "monitor": "val/loss",
    "filename": "best",
    "save_last": True,
    "auto_insert_metric_name": False,
    "enable_version_counter": False,
}


def device_count(devices: object) -> int:
    """Return the number of devices that each of several trainings has; one, where that is not a number.

    Args:
        devices: The trainer's option, such as 2, "2" or "auto": several trainings share what there is.
    """
    return int(str(devices)) if str(devices).isdecimal() else 1


@dataclass(frozen=True)
class TrainerOptions:
    """The options from which trainers are built.

    Attributes:
        trainer: Arguments of Lightning's trainer.
        stopping: Arguments of early stopping.
        saving: Arguments of the callback that saves the best epoch; `save_last` also saves the newest.
    """

    trainer: Mapping[str, Any]
    stopping: Mapping[str, Any]
    saving: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        trainer: Mapping[str, Any] = MappingProxyType({}),
        stopping: Mapping[str, Any] = MappingProxyType({}),
        saving: Mapping[str, Any] = MappingProxyType({}),
    ) -> Self:
        """Return options with the defaults of `sercl fit` in place of what is not given.

        Args:
            trainer: Arguments of Lightning's trainer, such as {"max_epochs": 30, "accelerator": "cpu"}.
            stopping: Arguments of Lightning's early stopping, such as {"patience": 5}.
            saving: Arguments of Lightning's `ModelCheckpoint`.
        """
        return cls(
            {**TRAINER_DEFAULTS, **trainer},
            {**STOPPING_DEFAULTS, **stopping},
            {**CHECKPOINT_DEFAULTS, **saving},
        )

    def without_validation(self) -> Self:
        """Return options for data without validation part: the last epoch is kept, nothing stops early."""
        every = {"monitor": None, "save_top_k": 1, "every_n_epochs": 1, "save_on_train_epoch_end": True}
        return replace(self, saving={**self.saving, **every})

    def build(
        self,
        folder: Path | None = None,
        max_epochs: int | None = None,
        watch: Watch | None = None,
        scores_to: Path | None = None,
    ) -> L.Trainer:
        """Build a trainer whose checkpoints and logs go to `folder`; without one it saves no checkpoints.

        Args:
            folder: Folder for checkpoints and logs.
            max_epochs: Overrides the option of that name if lower.
            watch: Creates a callback that shows progress.
            scores_to: Without `folder`: the folder of a run whose loggers also receive test scores.

        Raises:
            UsageError: For options that Lightning refuses.
        """
        with refusals(RuntimeError):  # of SLURM's variables
            return self._build(folder, max_epochs, watch, scores_to)

    def _build(
        self, folder: Path | None, max_epochs: int | None, watch: Watch | None, scores_to: Path | None
    ) -> L.Trainer:
        # Copies: in two-stage training each stage has its own callbacks and patience.
        config = copy.deepcopy(dict(self.trainer))
        further = _as_list(config.get("callbacks"))
        config["callbacks"] = [*further, RandomState(), LastValidation(), StaysStopped(), AfterWholeEpoch()]
        config["callbacks"] += [TrainingTime()]
        config["enable_progress_bar"] = False  # Lightning's own; `watch` creates ours
        if config.get("strategy") == sharding.NAME:
            config["strategy"] = sharding.ShardedStrategy()
        if folder is None:
            loggers = False if scores_to is None else _loggers(config.get("logger"), scores_to)
            return _without_signals(L.Trainer(**_writing_nothing(config) | {"logger": loggers}))
        stopper = Patience(**{**self.stopping, **self._when("check_on_train_epoch_end", self.stopping)})
        where = {"dirpath": str(folder), "save_last": False}
        saver = BestEpoch(**{**self.saving, **where, **self._when("save_on_train_epoch_end", self.saving)})
        last = [LastEpoch(folder), WithinEpoch(folder / LAST)] if self.saving["save_last"] else []
        # Lightning uses the first of its kind: it must be ours, not a further one.
        config["callbacks"] = [*config["callbacks"][len(further) :], stopper, saver, *further, *last]
        config["callbacks"] += [watch(stopper)] if watch else []
        config |= {"default_root_dir": folder, "logger": _loggers(config.get("logger"), folder)}
        config["plugins"] = [*_as_list(config.get("plugins")), CheckpointFiles(folder)]
        own = config["max_epochs"]
        for part in (*further, config.get("profiler")):
            place_below(part, folder)
        if max_epochs is not None:
            config["max_epochs"] = max_epochs if own is None or own < 0 else min(max_epochs, own)
        return _without_signals(L.Trainer(**config))

    def _when(self, option: str, options: Mapping[str, Any]) -> dict[str, bool]:
        """Return whether scores are checked at epoch ends, or after validations within epochs."""
        if options.get(option) is not None:
            return {option: options[option]}
        interval = self.trainer.get("val_check_interval")
        within = interval is not None and not (
            isinstance(interval, float) and interval == 1.0
        )  # 1 is a batch
        within = within or self.trainer.get("check_val_every_n_epoch", 1) is None
        return {option: not (within and str(options.get("monitor")).startswith("val/"))}

    @property
    def devices(self) -> int:
        """Number of devices of each training of a study."""
        return device_count(self.trainer.get("devices", 1))

    def on_one_device(self) -> Self:
        """Return the options for work in this process alone."""
        return replace(self, trainer={**self.trainer, "devices": 1, "num_nodes": 1, "strategy": "auto"})

    def check_shardable(self, adapters: Iterable[str] | None, *, head_first: bool, adversarial: bool) -> None:
        """Raise `UsageError` if weights would be distributed that cannot be; as `sharding.reason_against`."""
        if self.trainer.get("strategy") != sharding.NAME:
            return
        callbacks = _as_list(self.trainer.get("callbacks"))
        reason = sharding.reason_against(adapters, callbacks, head_first=head_first, adversarial=adversarial)
        if reason is not None:
            raise UsageError(f"--trainer.strategy {sharding.NAME}: {reason}")

    @property
    def deciding(self) -> dict[str, Any]:
        """The options that determine the result of training, plain data."""
        # A step has a batch of each device.
        several = {"devices": self.devices} if self.devices > 1 else {}
        return {
            "trainer": _plain(self.trainer, set(self.trainer) - NO_EFFECT_ON_RESULT) | several,
            "stopping": _plain(self.stopping, set(self.stopping) - NO_EFFECT_ON_STOPPING),
            "saving": _plain(self.saving, _DECIDING_CHECKPOINT),
        }


class _NoSignals(_SignalConnector):
    """Leaves signals to `sercl.stopping`.

    Lightning's handlers communicate with other processes in the middle of anything, and on SLURM save a
    checkpoint that a resumed training takes instead of the newest one.
    """

    def register_signal_handlers(self) -> None:
        """Do nothing."""


def _without_signals(trainer: L.Trainer) -> L.Trainer:
    trainer._signal_connector = _NoSignals(trainer)
    return trainer


def stops_waiting(trainer: L.Trainer) -> AbstractContextManager[None]:
    """Return a context in which signals that ask to stop wait until a training has saved its newest step."""
    savers = (each for each in trainer.callbacks if isinstance(each, WithinEpoch))  # type: ignore[attr-defined]
    saver = next(savers, None)
    return nullcontext() if saver is None else saver.postponed.waiting()


def let_weights_be_unread(trainer: L.Trainer, task: EncoderTask) -> None:
    """Let several processes train a model whose blocks above the hidden state in use have trained weights.

    Without this option, processes wait for their gradients; searching for unused weights takes time in each
    step.
    """
    if task.leaves_weights_unread and isinstance(trainer.strategy, DDPStrategy):
        trainer.strategy._ddp_kwargs["find_unused_parameters"] = True


@contextmanager
def refusals(*more: type[Exception]) -> Iterator[None]:
    """Report options that Lightning refuses as wrong usage.

    Args:
        more: Further errors that it may refuse them with.

    Raises:
        UsageError: With Lightning's reason.
    """
    refused: tuple[type[Exception], ...] = (
        MisconfigurationException,
        ValueError,
        TypeError,
        ZeroDivisionError,
        ImportError,
    )
    try:
        yield
    except (*refused, *more) as error:
        if isinstance(error, SerclError) or not _is_lightnings(error):
            raise
        reason = " ".join(str(error).split())
        raise UsageError(f"options of --trainer do not fit: {reason}{_advice(reason)}") from error


def _advice(reason: str) -> str:
    """Return what to do about an accelerator that Lightning does not find, as it says alone."""
    if "accelerator" not in reason.lower() and "backend" not in reason.lower():
        return ""
    return (
        " This is --trainer.accelerator: give auto or cpu; to compute on a GPU, see that torch finds it "
        '(`python -c "import torch; print(torch.cuda.is_available())"`), which needs a build of torch for it.'
    )


def _is_lightnings(error: Exception) -> bool:
    """Whether an error was raised in Lightning itself, not in what it called."""
    frames = traceback.extract_tb(error.__traceback__)
    return "lightning" in Path(frames[-1].filename).parts


def _plain(options: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    plain = (bool, int, float, str, type(None))
    return {
        name: options[name] if isinstance(options[name], plain) else repr(options[name]) for name in names
    }


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _writing_nothing(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of a trainer that writes no files."""
    callbacks = [each for each in config["callbacks"] if not isinstance(each, ModelCheckpoint)]
    quiet = {"callbacks": callbacks, "logger": False, "profiler": None, "enable_checkpointing": False}
    return {**config, **quiet}


def place_below(part: Any, folder: Path) -> None:
    """Make a logger, checkpoint callback or profiler write inside a run's folder.

    Raises:
        UsageError: If that leads out of the folder, also through links.
    """
    if isinstance(part, CSVLogger | TensorBoardLogger):
        part._root_dir = _below(folder, part._root_dir)
    if isinstance(part, CSVLogger):
        part._save_dir = part._root_dir
    if isinstance(part, ModelCheckpoint):
        part.dirpath = _below(folder, _as_given(part.dirpath, folder))
    if isinstance(part, Profiler):
        part.dirpath = _below(folder, part.dirpath or "")


def _as_given(dirpath: Any, folder: Path) -> str:
    """Return a checkpoint callback's folder as given: Lightning joins it to the working folder."""
    target = Path(dirpath or folder).resolve()
    return str(target if target.is_relative_to(folder.resolve()) else os.path.relpath(target, Path.cwd()))


def _below(folder: Path, path: Any) -> str:
    if not is_below(folder, path):
        raise UsageError(f"{path}: is not below the run's folder {folder}. Give a relative path.")
    return str(folder / path)


def _loggers(chosen: Any, folder: Path) -> list[Logger] | Any:
    """Return CSV and TensorBoard loggers in the run's folder unless the user chose otherwise."""
    if chosen not in (None, True):
        for part in _as_list(chosen):
            place_below(part, folder)
        return chosen
    return [
        # Versioned, since a resumed run would overwrite the earlier log.
        CSVLogger(save_dir=folder / "logs", name="csv"),
        TensorBoardLogger(save_dir=folder / "logs", name="tensorboard", version="", default_hp_metric=False),
    ]


def quieten() -> None:
    """Silence Lightning's messages on devices and workers from now on, as all commands do."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    warnings.filterwarnings("ignore", message=r".*does not have many workers.*")
