"""Refuse options that parse but cannot work as intended, before anything is done."""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Timer

from sercl.documents import parse_yaml, read_yaml
from sercl.errors import DocumentError, ResultsError, UnknownNameError, UsageError
from sercl.imports import ClassSpec
from sercl.models import adapters
from sercl.studies.training.folds import fold_options
from sercl.studies.training.trainers import NO_EFFECT_ON_RESULT, NO_EFFECT_ON_STOPPING, device_count
from sercl.tasks.optim import OptimizerConfig, depends_on_length, follows_validation
from sercl.tasks.sharding import NAME

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
_SHORT_PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}

_MAY_CHANGE = {"root", "encoder", "workers", "gradient_checkpointing"}
"""Options of paths and speed, which do not affect results."""

_NOT_SET = "not set"

_LIMITS = ("trainer.max_epochs", "trainer.max_steps", "trainer.max_time")

_FREE = {
    # The number of processes sets the number of batches per step.
    "trainer": NO_EFFECT_ON_RESULT - {"devices", "num_nodes"},
    "early_stopping": NO_EFFECT_ON_STOPPING,
    "checkpoint": {
        "dirpath", "filename", "verbose", "save_last", "save_on_exception", "save_weights_only",
        "auto_insert_metric_name", "enable_version_counter",
    },
    "features": {"dir", "workers", "batch_seconds"},
}  # fmt: skip
"""Group -> its options that may change on resume, since they do not affect results."""


def check_precision(chosen: str | int | None) -> None:
    """Raise `UnknownNameError` for a precision that is not in `PRECISIONS` (None: Lightning's default)."""
    name = "32-true" if chosen is None else _SHORT_PRECISIONS.get(str(chosen), str(chosen))
    if name not in PRECISIONS:
        # With half-precision weights, steps at usual learning rates are lost in rounding.
        hint = "Weights stay in float32; mixed precision rounds only what is computed from them."
        raise UnknownNameError("--trainer.precision", chosen, PRECISIONS, hint)


def check_monitors(config: Any, scores: Iterable[str], errors: Iterable[str] = ()) -> None:
    """Raise if training would be stopped or selected by a value that is not logged, or by its worst value.

    Args:
        config: The configuration of the command line.
        scores: Names of the validation scores to maximise.
        errors: Names of those to minimise.

    Raises:
        UnknownNameError: For a value that is not logged.
        UsageError: For a score that would be minimised, or an error that would be maximised.
    """
    names = [f"val/{name}" for name in scores]
    low = ["val/loss", "train/loss", *(f"val/{name}" for name in errors)]
    valid = [*low, *names]
    for option, group, others in _monitoring(config):
        name, mode = group.get("monitor"), group.get("mode")
        if name not in (*valid, *others):
            raise UnknownNameError(f"--{option}.monitor", name, valid)
        if name in low and mode == "max":
            raise UsageError(
                f"--{option}.monitor {name}: the highest value would count as best. Give "
                f"--{_mode_of(option)} min, too."
            )
        if name in names and mode == "min":
            raise UsageError(
                f"--{option}.monitor {name}: the lowest value would count as best. Give "
                f"--{_mode_of(option)} max, too."
            )


def _mode_of(option: str) -> str:
    of_schedule = option == "model.optimizer"
    return "model.optimizer.schedule.init_args.mode" if of_schedule else f"{option}.mode"


def _monitoring(config: Any) -> Iterator[tuple[str, Any, tuple[str | None, ...]]]:
    """Yield option, arguments and further valid values of everything that stops or selects by a value."""
    kept_by = {"EarlyStopping": (), "ModelCheckpoint": (None, "epoch", "step")}
    yield "early_stopping", config["early_stopping"], kept_by["EarlyStopping"]
    yield "checkpoint", config["checkpoint"], kept_by["ModelCheckpoint"]
    yield from _followed(config)
    further = config.get("trainer", {}).get("callbacks") or []
    for part in further if isinstance(further, list) else [further]:
        kind = str(part["class_path"]).rpartition(".")[2]
        if kind in kept_by:
            yield "trainer.callbacks", part.get("init_args") or {}, kept_by[kind]


def _followed(config: Any) -> Iterator[tuple[str, Any, tuple[str | None, ...]]]:
    """Yield the value that a schedule of learning rates follows, if it names one."""
    optimizer = config.get("model", {}).get("optimizer") or {}
    name, schedule = optimizer.get("monitor"), optimizer.get("schedule")
    if name is not None:
        mode = ClassSpec.of(schedule, "model.optimizer.schedule").arguments.get("mode", "min")
        yield "model.optimizer", {"monitor": name, "mode": mode}, ()


def check_continuation(weights: str, config: Any) -> None:
    """Raise `UsageError` if a stage must continue from last weights that are not saved."""
    if weights == "last" and not config["checkpoint"]["save_last"]:
        raise UsageError(
            "--data.continue_from last: the second stage continues from the last weights of the first, "
            "which --checkpoint.save_last false does not save. Give --checkpoint.save_last true."
        )


def check_resumed(path: Path, text: str) -> None:
    """Raise `UsageError` if a run would be resumed with other data, or another model or training.

    Limits of training (`--trainer.max_epochs`, `max_steps`, `max_time`) may change, unless learning rates or
    an adapter depend on them, and so may all options of devices and output.

    Args:
        path: The run's `config.yaml`.
        text: The configuration to resume with, as YAML.

    Raises:
        ResultsError: If the file is damaged.
    """
    ours = {"model": "sercl's own class"}  # which a configuration does not name
    stored, now = ours | dict(_settings(_stored(path))), ours | dict(_settings(parse_yaml(text)))
    # Options only in the new one did not exist in the run's version of sercl.
    changed = [key for key, value in stored.items() if now.get(key, _NOT_SET) != value]
    if not (_rates_follow_limits(stored) or _adapters_follow_limits(stored)):
        changed = [key for key in changed if key not in _LIMITS]
    if changed:
        named = "; ".join(f"--{key} is {now.get(key, _NOT_SET)}, was {stored[key]}" for key in changed[:3])
        what = "learning rates follow" if _rates_follow_limits(stored) else "adapter's schedule follows"
        reason = f" (its {what} from the length of training)" if changed[0] in _LIMITS else ""
        raise UsageError(
            f"{path.parent}: --resume continues a run with its original options{reason}, but {named}. "
            f"Keep the original options (--config {path}), or start a new run with another --out."
        )


def _stored(path: Path) -> Mapping[str, Any]:
    try:
        content = read_yaml(path)
    except DocumentError as error:
        raise _damaged(path, str(error)) from error
    except OSError as error:
        raise _damaged(path, error.strerror or str(error)) from error
    if not isinstance(content, Mapping):
        raise _damaged(path, "empty" if content is None else "not a set of options")
    lacking = [key for key in ("seed_everything", "data", "model") if key not in content]
    if lacking:
        raise _damaged(path, f"{', '.join(lacking)} missing")
    return content


def _damaged(path: Path, reason: str) -> ResultsError:
    return ResultsError(
        path,
        f"damaged ({reason}), so whether --resume continues the same run cannot be checked. Restore "
        "the file, or start a new run with --overwrite or another --out.",
    )


def _rates_follow_limits(settings: Mapping[str, Any]) -> bool:
    option = "model.optimizer.schedule"
    given = {
        key.removeprefix(f"{option}."): value for key, value in settings.items() if key.startswith(option)
    }
    schedule = {"class_path": given.pop(option, "constant"), "init_args": given}
    return depends_on_length(schedule, settings.get("model.optimizer.warmup") or 0.0)


def _adapters_follow_limits(settings: Mapping[str, Any]) -> bool:
    options: dict[str, dict[str, Any]] = {}
    for key, value in settings.items():
        method, _, name = key.removeprefix("model.adapters.").partition(".")
        if name and key.startswith("model.adapters."):
            options.setdefault(method, {})[name] = value
    return adapters.depends_on_length(str(settings.get("model.adapter", "none")), options)


def _settings(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield option and value of everything that determines the data, the model and its training."""
    for key in ("seed_everything", "data", "model", "probe"):
        if key in config:
            yield from _flat(key, config[key])
    for key, free in _FREE.items():
        group = config.get(key)
        for name, value in group.items() if isinstance(group, Mapping) else ():
            if name not in free:
                yield from _flat(f"{key}.{name}", value)


def _flat(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if key.rpartition(".")[2] in _MAY_CHANGE and not key.startswith("model.optimizer."):
        return
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(f"{key}.{name}".replace(".init_args", "").replace(".class_path", ""), inner)
    else:
        yield key, value


_QUICK = (
    "For a quick try: --trainer.max_epochs 1 --trainer.limit_train_batches 2 --trainer.limit_val_batches 2."
)
_BY_VALIDATION = (
    "the best checkpoint is saved after a validation: set how often to validate "
    "(--trainer.val_check_interval)."
)
_MOST_DEVICES = 128
_MOST_NODES = 10_000
_BY_LAUNCHERS = {"MASTER_ADDR", "NODE_RANK", "GROUP_RANK", "SLURM_NTASKS", "TORCHELASTIC_RUN_ID", "PMI_SIZE"}
"""Variables that a multi-machine launcher sets, or a user who starts a command on each machine."""
_KEPT = "the best epoch is tested, so it must be saved."


@dataclass(frozen=True)
class _Rule:
    """An invalid value, and why; None is never invalid."""

    option: str
    refused: Callable[[Any], bool]
    reason: str


def _below(least: float) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int | float) and not value >= least


def _no_count(value: Any) -> bool:
    return bool(value < 1 and value != -1)


def _too_many(value: Any) -> bool:
    """Whether more processes would be started than any machine has devices."""
    count = len(value) if isinstance(value, list) else value
    return str(count).strip().isdecimal() and (len(str(count)) > 9 or int(count) > _MOST_DEVICES)


def _without_launcher(count: Any) -> bool:
    """Whether this process would wait for processes of other machines that are never started."""
    return bool(count > 1 and not _BY_LAUNCHERS & set(os.environ))


def _unknown_backend(strategy: Any) -> bool:
    """Whether a strategy's communication backend is not available."""
    name = (
        None if isinstance(strategy, str) else (strategy.get("init_args") or {}).get("process_group_backend")
    )
    return name is not None and name not in _backends()


def _backends() -> list[str]:
    """Return the available communication backends."""
    built = [name for name in ("gloo", "nccl", "xccl", "mpi", "ucc") if dist.is_backend_available(name)]
    return [name for name in built if name != "nccl" or torch.cuda.is_available()]


def _limited(value: Any) -> bool:
    return isinstance(value, int) or value != 1.0


def _saves_parts(strategy: Any) -> bool:
    """Whether a strategy is one of Lightning's own for distributed weights."""
    name = strategy if isinstance(strategy, str) else str(strategy.get("class_path"))
    return name.startswith("fsdp_") or name.endswith((".FSDPStrategy", ".ModelParallelStrategy"))


def _loses_scores(strategy: Any) -> bool:
    """Whether processes are started that return no scores."""
    if isinstance(strategy, str):
        return any(word in strategy for word in ("spawn", "fork", "notebook"))
    return ((strategy.get("init_args") or {}).get("start_method") or "popen") != "popen"


_EVERYWHERE = (
    _Rule(
        "trainer.devices",
        _too_many,
        f"one process is started for each, and at most {_MOST_DEVICES} are supported.",
    ),
    _Rule(
        "trainer.num_nodes",
        lambda count: not 1 <= count <= _MOST_NODES,
        f"it must be from 1 to {_MOST_NODES}.",
    ),
    _Rule(
        "trainer.num_nodes",
        _without_launcher,
        "this command is not started on the other machines, and would wait for them. Start it with torchrun "
        "or srun, or set MASTER_ADDR and NODE_RANK on each.",
    ),
    _Rule(
        "trainer.strategy",
        _unknown_backend,
        f"its process_group_backend is not available here ({', '.join(_backends())}).",
    ),
    _Rule(
        "trainer.strategy",
        _saves_parts,
        f"its checkpoints are not those of other trainings. Give --trainer.strategy {NAME}.",
    ),
    _Rule("trainer.strategy", _loses_scores, "scores would stay in the processes that it starts. Use ddp."),
    _Rule("trainer.fast_dev_run", bool, f"it saves no checkpoint that could be tested. {_QUICK}"),
    _Rule("trainer.barebones", bool, "it switches scores and checkpoints off. Leave it out."),
    _Rule(
        "trainer.limit_predict_batches",
        _limited,
        "hidden states are computed for every utterance. Leave it out.",
    ),
    _Rule("trainer.limit_test_batches", _below(1e-9), "nothing would be tested. Leave it out."),
)
_IN_TRAINING = (
    _Rule("trainer.max_epochs", _no_count, "nothing would be trained. Give 1 or more, or -1 for no limit."),
    _Rule("trainer.max_steps", _no_count, "nothing would be trained. Give 1 or more, or -1 for no limit."),
    _Rule("trainer.limit_train_batches", _below(1e-9), f"nothing would be trained. {_QUICK}"),
    _Rule(
        "trainer.limit_val_batches",
        _below(1e-9),
        "validation chooses epoch and layer, and stops training. Give 1 or more, or leave it out.",
    ),
    _Rule(
        "trainer.overfit_batches",
        lambda value: value > 0,
        "batches are drawn anew in every epoch, so no batch would be repeated. To overfit a few clips "
        "on purpose, draw them with --data.folds.per_emotion.",
    ),
    _Rule("trainer.accumulate_grad_batches", _below(1), "it must be 1 or more."),
    _Rule("trainer.check_val_every_n_epoch", _below(1), "it must be 1 or more."),
    _Rule(
        "trainer.val_check_interval", _below(1e-9), "it must be above 0: batches, or a fraction of an epoch."
    ),
    _Rule("trainer.gradient_clip_val", _below(0), "it must be 0 or more."),
    _Rule("trainer.reload_dataloaders_every_n_epochs", _below(0), "it must be 0 or more."),
    _Rule("trainer.enable_checkpointing", lambda value: not value, _KEPT),
    _Rule("early_stopping.patience", _below(0), "it must be 0 or more."),
    _Rule("checkpoint.save_top_k", lambda value: value == 0, _KEPT),
    _Rule("checkpoint.save_top_k", _below(-1), "it must be 1 or more, or -1 for all epochs."),
    _Rule("checkpoint.every_n_epochs", _below(1), "it must be 1 or more."),
    _Rule("checkpoint.every_n_train_steps", bool, _BY_VALIDATION),
    _Rule("checkpoint.train_time_interval", bool, _BY_VALIDATION),
)


def check_trainer(config: Any, trains: bool = True, tests_whole: str | None = None) -> None:
    """Raise `UsageError` for options with which a run would have no result.

    Args:
        config: The configuration of the command line.
        trains: Whether the command trains, and has the options of training.
        tests_whole: Why the command accepts no limit of test batches; None if it does.
    """
    rules = (*_EVERYWHERE, *_IN_TRAINING) if trains else _EVERYWHERE
    for rule in rules:
        group, _, name = rule.option.partition(".")
        value = config[group].get(name)
        if value is not None and rule.refused(value):
            named = value["class_path"] if hasattr(value, "init_args") or isinstance(value, dict) else value
            raise UsageError(f"--{rule.option} {named}: {rule.reason}")
    if tests_whole is not None and (limit := config["trainer"]["limit_test_batches"]) is not None:
        raise UsageError(f"--trainer.limit_test_batches {limit}: {tests_whole} Leave it out.")
    for reason in _contradictions(config["trainer"], config["checkpoint"]) if trains else ():
        raise UsageError(reason)


def check_final(config: Mapping[str, Any], optimizer: OptimizerConfig) -> None:
    """Raise `UsageError` for options with which the folds cannot choose the settings of a final model.

    Args:
        config: The configuration of all folds, as plain data.
        optimizer: The optimiser of its model.
    """
    settings = dict(_settings(config))
    shorter = "the length of training, which --final shortens to the median of the folds' best epochs"
    for option, reason, holds in (
        (
            "data.folds.test_list",
            "holds utterances back, but --final trains on everything",
            _has_list(config),
        ),
        ("model.head_first", "the folds set no epochs for a head alone", settings.get("model.head_first")),
        (
            "model.optimizer.schedule",
            "the rates follow validation, without which --final trains",
            follows_validation(optimizer),
        ),
        ("model.optimizer", f"the rates follow from {shorter}", _rates_follow_limits(settings)),
        ("model.adapter", f"its schedule follows from {shorter}", _adapters_follow_limits(settings)),
    ):
        if holds:
            raise UsageError(f"--{option} with --final: {reason}. Leave one of them out.")


def _has_list(config: Mapping[str, Any]) -> bool:
    return any(own.get("test_list") for own in fold_options(config["data"]))


def devices_of_each(trainer: Any, what: str) -> int:
    """Return the number of devices of each of several trainings, as of `device_count`.

    Args:
        trainer: Options of the trainer.
        what: What is trained, for messages: "each training of a study".

    Raises:
        UsageError: For several machines, a choice of devices, or a strategy that needs several.
    """
    devices = trainer["devices"]
    if trainer["num_nodes"] != 1:
        raise UsageError(
            f"--trainer.num_nodes {trainer['num_nodes']}: {what} runs on one machine. Leave it out."
        )
    if devices != "auto" and not (str(devices).isdecimal() and int(devices) > 0):
        raise UsageError(
            f"--trainer.devices {devices}: give the number of devices of {what}, such as 2. Which it gets "
            "is decided when it starts; CUDA_VISIBLE_DEVICES limits the choice."
        )
    count = device_count(devices)
    if count == 1 and trainer["strategy"] == NAME:
        raise UsageError(
            f"--trainer.strategy {NAME}: {what} has one device, so nothing is distributed. Give "
            "--trainer.devices 2 or more, or leave it out."
        )
    return count


def check_seed(seed: Any) -> None:
    """Raise `UsageError` for a seed that not every random generator takes."""
    if isinstance(seed, int) and not 0 <= seed < 2**32:
        raise UsageError(f"--seed_everything {seed}: it must be from 0 to {2**32 - 1}.")


def _contradictions(trainer: Any, saving: Any) -> Iterator[str]:
    """Yield errors of combinations of valid options."""
    for unit in ("epochs", "steps"):
        least, most = trainer[f"min_{unit}"], trainer[f"max_{unit}"]
        if least is not None and most is not None and 0 <= most < least:
            yield f"--trainer.min_{unit} {least} is above --trainer.max_{unit} {most}."
    looks = math.lcm(trainer["check_val_every_n_epoch"] or 1, saving["every_n_epochs"] or 1)
    if 0 < (trainer["max_epochs"] or 0) < looks:
        yield (
            f"--trainer.max_epochs {trainer['max_epochs']}: the first epoch that can be saved is number "
            f"{looks} (--trainer.check_val_every_n_epoch, --checkpoint.every_n_epochs). Train for "
            f"longer, or validate more often."
        )
    if saving["save_top_k"] not in (None, 1) and "{" not in (saving["filename"] or "{"):
        yield (
            f"--checkpoint.save_top_k {saving['save_top_k']}: each would be named {saving['filename']!r}, in "
            "place of the one before. Give --checkpoint.filename 'best-{epoch}', too."
        )
    if trainer["strategy"] == NAME and trainer["precision"] in ("16-mixed", "16", 16):
        yield (
            f"--trainer.precision {trainer['precision']}: not with --trainer.strategy {NAME}, where no "
            "process sees all gradients to scale them. Use bf16-mixed."
        )
    if (reason := _no_time(trainer["max_time"])) is not None:
        yield reason


def _no_time(limit: Any) -> str | None:
    if limit is None:
        return None
    form = "Give days, hours, minutes and seconds, such as 00:08:00:00."
    try:
        left = Timer(limit).time_remaining()
    except (MisconfigurationException, ValueError, TypeError, OverflowError) as error:
        return f"--trainer.max_time {limit}: {error} {form}"
    return (
        f"--trainer.max_time {limit}: nothing would be trained. {form}"
        if left is not None and left <= 0
        else None
    )
