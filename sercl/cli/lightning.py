"""One parser for every command that trains or evaluates: groups data, model, trainer, and sercl's own."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import yaml
from jsonargparse import Namespace
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from rich.console import RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from sercl.audio.preprocess import PreprocessConfig
from sercl.cli.console import Lines, stderr
from sercl.cli.help import ENCODER_HELP, GROUP_HELP, JSON_HELP, names_of
from sercl.cli.model_class import check_options, find_model, model_named
from sercl.cli.own_settings import usable_store
from sercl.cli.parser import SerclParser, restrict_imports
from sercl.cli.processes import supervise
from sercl.cli.run_checks import check_precision, check_seed, check_trainer
from sercl.data import datamodules
from sercl.data.datamodules.base import EmotionDataModule
from sercl.documents import parse_yaml
from sercl.features.config import FeatureConfig
from sercl.files import write_text
from sercl.imports import path_of
from sercl.models.adapters import load_methods
from sercl.studies.training.trainers import (
    CHECKPOINT_DEFAULTS,
    STOPPING_DEFAULTS,
    TRAINER_DEFAULTS,
    TrainerOptions,
    quieten,
)
from sercl.tasks.base import EncoderTask
from sercl.tasks.checkpoint import option_types
from sercl.tasks.classification import EmotionClassifier

_SHOWN = ("val/loss", "val/uar", "val/eder")


class _Bars(Progress):
    """Bars, and below them a line of scores, which beside them would leave no room for their numbers."""

    scores = ""

    def get_renderables(self) -> Iterator[RenderableType]:
        """Return what is shown."""
        yield self.make_tasks_table(self.tasks)
        if self.scores:
            yield Text(f"  {self.scores}")


class FitProgress(L.Callback):
    """Show epochs and, in long epochs, batches; as occasional lines without a terminal.

    Args:
        stopper: The early stopping callback whose patience is shown.
    """

    def __init__(self, stopper: EarlyStopping) -> None:
        self._stopper = stopper
        self._progress: _Bars | None = None
        self._lines: Lines | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Open the display on the first process."""
        if not trainer.is_global_zero:
            return
        if not stderr.is_terminal:
            self._lines = Lines("training", None, stderr)
            return
        self._progress = _Bars(
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
        self._progress.scores = f"{scores}  {patience}"
        self._progress.advance(self._epochs)
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


FILES = ("root", "lists", "test_list", "labels", "encoder", "dir", "cache", "folder")
"""Options that may name a file or a folder."""


def with_absolute_paths(options: Any, names: tuple[str, ...] = FILES) -> Any:
    """Return a configuration in which existing files and folders have absolute paths.

    Args:
        options: Plain data; values that are not existing paths are unchanged.
        names: Options that may name a file or a folder.
    """
    if isinstance(options, Mapping):
        return {
            key: _absolute(value) if key in names else with_absolute_paths(value, names)
            for key, value in options.items()
        }
    return [with_absolute_paths(item, names) for item in options] if isinstance(options, list) else options


def _absolute(value: Any) -> Any:
    if isinstance(value, list):
        return [_absolute(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _absolute(item) for key, item in value.items()}
    return str(Path(value).expanduser().absolute()) if isinstance(value, str) and _is_there(value) else value


def _is_there(value: str) -> bool:
    try:
        return bool(value) and Path(value).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, or with a null byte: not a path
        return False


class Parser(SerclParser, LightningArgumentParser):
    """LightningCLI's parser with sercl's one-message errors."""


class Cli(LightningCLI):
    """Parse the shared groups and build data, model and trainers; it runs nothing by itself.

    Args:
        command: Name of the command, for `--help` and messages.
        with_training: Whether the command has the options of training.
        options: Name and dataclass of the command's own group of options.
        model_class: Class of the model to train.
        monitor: The value to minimise, which ends training and selects the epoch.
    """

    def __init__(
        self,
        command: str,
        with_training: bool = True,
        options: tuple[str, type[Any]] | None = None,
        model_class: type[EncoderTask] = EmotionClassifier,
        monitor: str = "val/loss",
    ) -> None:
        self.command, self.with_training, self.own_options = command, with_training, options
        self.monitor = monitor
        quieten()
        restrict_imports()
        datamodules.make_all()
        load_methods()
        if with_training:
            model_class = chosen_model(sys.argv[1:], model_class, command)
        self.model_path = path_of_own(model_class)
        super().__init__(
            model_class=model_class,
            datamodule_class=EmotionDataModule,
            subclass_mode_data=True,
            save_config_callback=None,
            trainer_defaults=TRAINER_DEFAULTS,
            seed_everything_default=42,
            parser_class=Parser,
            parser_kwargs={"prog": f"sercl {command}", "description": _DESCRIPTIONS.get(command, "")},
            run=False,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
        )
        check_precision(self.config["trainer"]["precision"])
        check_trainer(self.config, with_training, _TESTS_WHOLE.get(command))

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add trainer, model and data; without training, the checkpoint contains the model."""
        if self.with_training:
            parser.model_path = self.model_path  # type: ignore[attr-defined]
            super().add_core_arguments_to_parser(parser)
            return
        add_group(parser, "trainer", L.Trainer, TRAINER_DEFAULTS)
        parser.add_lightning_class_args(EmotionDataModule, "data", subclass_mode=True)
        parser.left_out = frozenset({"model", "early_stopping", "checkpoint"})  # type: ignore[attr-defined]

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add sercl's own options, and link the model's classes to the data."""
        add_run_options(parser, self.with_training)
        if self.command in _SCORED:
            parser.add_argument("--group_by", nargs="+", default=[], help=GROUP_HELP)
        if self.command in SEVERAL_FOLDS:
            add_fold_options(parser)
        parser.add_class_arguments(FeatureConfig, "features")
        if self.command in _PREPARES:
            parser.add_class_arguments(PreprocessConfig, "preprocess")
        elif not self.with_training:
            parser.add_argument("--preprocess", type=PreprocessConfig | None, default=None, help=_AS_TRAINED)
        set_help(parser, {**_HELP, **_OWN_HELP.get(self.command, {})})
        if self.own_options is not None:
            name, options = self.own_options
            parser.add_class_arguments(options, name)
        if not self.with_training:
            return
        add_stopping_groups(parser)
        parser.set_defaults({f"{key}.monitor": self.monitor for key in ("early_stopping", "checkpoint")})
        parser.link_arguments("data.label_map", "model.labels", apply_on="instantiate")

    @property
    def group_by(self) -> list[str]:
        """Columns by which groups of utterances are scored."""
        return names_of(self.config.get("group_by") or ())

    def _set_seed(self) -> None:
        """Seed every random generator, as Lightning does."""
        check_seed(self.config["seed_everything"])
        super()._set_seed()

    def instantiate_classes(self) -> None:
        """Do nothing: `built` creates everything, after the run's folder is known."""

    @cached_property
    def built(self) -> Any:
        """Everything that the configuration describes, built on first use, the model after listing the data.

        An encoder may be fetched for minutes: before that it must be known that the folders are the corpora.

        Raises:
            CorpusError: As `EmotionDataModule.list_corpora`.
            SerclError: For any error in the options, or an encoder that cannot be loaded.
        """
        self.data.list_corpora()
        config = self.config.clone()
        config["data"] = self.data
        return self.parser.instantiate(config)

    @cached_property
    def data(self) -> EmotionDataModule:
        """The data module of the configuration, built on first use."""
        parser = Parser(prog=self.parser.prog)
        options = Namespace(data=self.config["data"])  # type: ignore[no-untyped-call]
        parser.add_lightning_class_args(EmotionDataModule, "data", subclass_mode=True)
        if self.command in _PREPARES:
            parser.add_class_arguments(PreprocessConfig, "preprocess")
            options["preprocess"] = self.config["preprocess"]
        built = parser.instantiate(options)
        module: EmotionDataModule = built["data"]
        if self.command in _PREPARES:
            module.use_preprocessing(built["preprocess"])
        return module

    @property
    def features(self) -> FeatureConfig:
        """How hidden states of a frozen encoder are computed, and where they are stored."""
        return usable_store(self.built["features"])

    @property
    def cache(self) -> bool:
        """Whether cached checks and hidden states are used, and new ones stored."""
        return not self.config["no_cache"]

    @property
    def task(self) -> Any:
        """The model of the configuration, of the class the command trains; only with training."""
        return self.built["model"]

    def build_trainer(
        self, folder: Path | None = None, max_epochs: int | None = None, scores_to: Path | None = None
    ) -> L.Trainer:
        """Build a trainer whose checkpoints and logs go to `folder`; without one it saves no checkpoint.

        Args:
            folder: Folder for checkpoints and logs.
            max_epochs: Overrides `--trainer.max_epochs` if lower.
            scores_to: Without `folder`: the folder of a run whose loggers also receive test scores.
        """
        keys = ("early_stopping", "checkpoint")
        # Without training they are unparsed, and nothing is built from them.
        stopping, saving = (self.config[key].as_dict() if self.with_training else {} for key in keys)
        options = TrainerOptions(dict(self.built["trainer"]), stopping, saving)
        if self.with_training and self.data.trains_on_everything:
            options = options.without_validation()
        return supervise(options.build(folder, max_epochs, FitProgress, scores_to))

    def save_config(self, path: Path) -> None:
        """Write `config_text` to a file atomically."""
        write_text(path, self.config_text())

    def config_text(self) -> str:
        """Return the whole configuration, defaults included, as the YAML that `--config` takes."""
        unset = ("seeds",) if self.config.get("seeds") is None else ()
        return yaml_text(self.parser, self.config, ("config", *RUN_KEYS, *unset))


_REPLACEABLE = {"pooling", "head", "context", "dropout", "bias", "standardize", "loss", "class_weights"}
"""Options that a class of the user's need not have, since it may replace what they describe."""


def chosen_model(words: Sequence[str], base: type[EncoderTask], command: str) -> type[EncoderTask]:
    """Return the class of the model that a command line and its files name.

    Args:
        words: Its arguments.
        base: The class that it trains.
        command: Its name.

    Raises:
        UsageError: As `find_model`, or for a class that lacks options.
    """
    kind = find_model(model_named(words), base, command)
    if kind is not base:
        check_options(kind, base, set(option_types(kind)), set(option_types(base)) - _REPLACEABLE)
    return kind


def path_of_own(kind: type) -> str | None:
    """Return the import path of a class, None if it is one of sercl's own."""
    return None if kind.__module__.startswith("sercl.") else path_of(kind)


RUN_KEYS = ("out", "resume", "overwrite", "json", "ckpt", "encoder", "no_cache", "jobs", "final", "group_by")
"""Options of one call, not of the experiment: `save_config` does not write them."""

_AS_TRAINED = "What is done to clips; by default, and only, what the checkpoint was trained with."

_PREPARES = ("fit", "layer-probe")
"""Commands that choose the preprocessing; others use that of their checkpoint, or have their own."""

SEVERAL_FOLDS = ("fit", "diarize fit")
"""Commands that train every fold with `--data.folds.index all`."""

_SCORED = ("fit", "diarize fit", "test", "validate", "layer-probe")
"""Commands that score predictions, also in groups of utterances."""

_TESTS_WHOLE = {"diarize fit": "every test clip is evaluated."}

_DESCRIPTIONS = {
    "diarize fit": "Train a diarizer, which classifies every frame, and evaluate it on the test part.",
    "fit": "Train an emotion classifier and evaluate it on the test part.",
    "validate": "Evaluate a checkpoint on the validation part of a corpus.",
    "test": "Evaluate a checkpoint on the test part of a corpus.",
    "layer-probe": "Find the layer of a frozen encoder from which emotion is recognised best.",
}


_HELP = {
    "config": "YAML with any of the options; may be repeated, later files override earlier ones.",
    "data": "Corpus (`sercl corpus list`), Manifest, HuggingFace, Corpora, or LanguagePair.",
    "trainer.max_epochs": "Maximum number of epochs; early stopping usually ends sooner.",
    "trainer.devices": (
        "How many devices, or which; also --trainer.strategy ddp, --trainer.precision bf16-mixed."
    ),
}
"""Option -> text, in place of Lightning's."""

_EVALUATION = {"config": "YAML with data and trainer options, such as a run's config.yaml."}
_OWN_HELP: Mapping[str, Mapping[str, str]] = {
    "validate": _EVALUATION,
    "test": _EVALUATION,
    "diarize fit": {
        "data": (
            "Corpus or Manifest to build clips from, followed by its options; may be repeated for several."
        )
    },
}
"""Command -> option -> text, where it differs."""

_OUT_HELP = {
    True: "Folder of the run; --resume continues it, --overwrite replaces it.",
    False: "Folder for results.json, predictions.csv and confusion.png.",
}


def set_help(parser: LightningArgumentParser, texts: Mapping[str, str]) -> None:
    """Set the help of options, by name."""
    for action in parser._actions:
        action.help = texts.get(action.dest, action.help)


def add_group(parser: LightningArgumentParser, name: str, kind: type, defaults: Mapping[str, Any]) -> None:
    """Add the options of one of Lightning's classes, with sercl's defaults."""
    parser.add_lightning_class_args(kind, name)
    parser.set_defaults({f"{name}.{key}": value for key, value in defaults.items()})


def add_stopping_groups(parser: LightningArgumentParser) -> None:
    """Add the options for early stopping and for saving the best epoch."""
    add_group(parser, "early_stopping", EarlyStopping, STOPPING_DEFAULTS)
    add_group(parser, "checkpoint", ModelCheckpoint, CHECKPOINT_DEFAULTS)


def yaml_text(
    parser: LightningArgumentParser,
    config: Namespace,
    without: Iterable[str],
    path_options: tuple[str, ...] = FILES,
) -> str:
    """Return a configuration, defaults included, as the YAML that `--config` takes, without some options.

    Args:
        parser: Its parser.
        config: The configuration.
        without: Options to leave out.
        path_options: Options whose files and folders get absolute paths.
    """
    kept = config.clone()
    for key in without:
        kept.pop(key, None)
    text: str = parser.dump(_plain(kept), skip_unset=False, skip_validation=True, format="yaml")
    return str(
        yaml.safe_dump(
            with_absolute_paths(parse_yaml(text), path_options), sort_keys=False, allow_unicode=True
        )
    )


def _plain(value: Any) -> Any:
    """Return a configuration with enumeration members as text, which YAML needs."""
    if isinstance(value, Namespace):
        copy = value.clone()
        for name, inner in vars(value).items():
            setattr(copy, name, _plain(inner))
        return copy
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.value if isinstance(value, Enum) else value


def add_fold_options(parser: LightningArgumentParser) -> None:
    """Add the options of a run of several folds or seeds."""
    parser.add_argument("--jobs", type=int, default=1, help=_JOBS_HELP)
    parser.add_argument("--final", action="store_true", help=_FINAL_HELP)
    parser.add_argument("--seeds", type=list[int] | None, default=None, help=_SEEDS_HELP)


_JOBS_HELP = "How many folds (and seeds) are trained in parallel, each in its own process."
_FINAL_HELP = "After all folds, train a model on everything, in final/, with what the folds have chosen."
_SEEDS_HELP = "Train with each of these seeds, such as [0,1,2]; scores are means over them."


def add_run_options(parser: LightningArgumentParser, with_training: bool) -> None:
    """Add the options for the output folder and the checkpoint."""
    parser.add_argument("--out", type=str | None, default=None, help=_OUT_HELP[with_training])
    parser.add_argument("--json", action="store_true", help=JSON_HELP)
    parser.add_argument(
        "--no-cache", action="store_true", help="Check and compute everything again, and cache nothing."
    )
    if with_training:
        parser.add_argument(
            "--resume", action="store_true", help="Continue the run in --out where it stopped."
        )
        parser.add_argument("--overwrite", action="store_true", help="Replace the run in --out.")
    else:
        parser.add_argument(
            "--ckpt",
            type=str | None,
            default=None,
            help="Checkpoint of `sercl fit`, with the model; or folder of a run: all folds are an ensemble.",
        )
        parser.add_argument("--encoder", type=str | None, default=None, help=ENCODER_HELP)
