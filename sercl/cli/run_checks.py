"""What can be parsed but not run as it was meant: refused before anything is done."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sercl.documents import parse_yaml, read_yaml
from sercl.errors import DocumentError, ResultsError, UnknownNameError, UsageError
from sercl.studies.trainers import SAME_RESULT, SAME_STOP

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
_SHORT_PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}

_MAY_CHANGE = {"root", "encoder", "workers", "gradient_checkpointing"}
"""Options that change where things lie or how fast they come, not what comes out."""

_NOT_SET = "not set"

_LIMITS = ("trainer.max_epochs", "trainer.max_steps", "trainer.max_time")

_FREE = {
    "trainer": SAME_RESULT - {"devices", "num_nodes"},  # the number of processes is that of batches per step
    "early_stopping": SAME_STOP,
    "checkpoint": {
        "dirpath", "filename", "verbose", "save_last", "save_on_exception", "save_weights_only",
        "auto_insert_metric_name", "enable_version_counter",
    },
    "features": {"dir", "workers", "batch_seconds"},
}  # fmt: skip
"""Group -> its options that a run may change when it goes on: they do not change what comes out."""


def check_precision(chosen: str | int | None) -> None:
    """Raise `UnknownNameError` for a precision that is not in `PRECISIONS` (None: Lightning's default)."""
    name = "32-true" if chosen is None else _SHORT_PRECISIONS.get(str(chosen), str(chosen))
    if name not in PRECISIONS:
        # With weights of half the bits, steps of usual learning rates are lost in rounding.
        hint = "Weights stay in float32; mixed precision rounds only what is computed from them."
        raise UnknownNameError("--trainer.precision", chosen, PRECISIONS, hint)


def check_monitors(config: Any, scores: Iterable[str], errors: Iterable[str] = ()) -> None:
    """Raise where training would be stopped or selected by a number that is not logged, or by its worst.

    Args:
        config: The configuration of the command line.
        scores: Names of the validation scores of which the highest value is the best.
        errors: Names of those of which the lowest is.

    Raises:
        UnknownNameError: For a number that is not logged.
        UsageError: For a score of which the lowest value would win, or an error of which the highest would.
    """
    names, low = [f"val/{name}" for name in scores], [f"val/{name}" for name in errors]
    valid = ["val/loss", "train/loss", *low, *names]
    for option, group, others in _monitoring(config):
        name, mode = group.get("monitor"), group.get("mode")
        if name not in (*valid, *others):
            raise UnknownNameError(f"--{option}.monitor", name, valid)
        if name in low and mode == "max":
            raise UsageError(
                f"--{option}.monitor {name}: the highest value would win. Give --{option}.mode min, too."
            )
        if name in names and mode == "min":
            raise UsageError(
                f"--{option}.monitor {name}: the lowest value would win. Give --{option}.mode max, too."
            )


def _monitoring(config: Any) -> Iterator[tuple[str, Any, tuple[str | None, ...]]]:
    """Yield option, arguments and further valid numbers of all that stops or selects by a number."""
    kept_by = {"EarlyStopping": (), "ModelCheckpoint": (None, "epoch", "step")}
    yield "early_stopping", config["early_stopping"], kept_by["EarlyStopping"]
    yield "checkpoint", config["checkpoint"], kept_by["ModelCheckpoint"]
    further = config.get("trainer", {}).get("callbacks") or []
    for part in further if isinstance(further, list) else [further]:
        kind = str(part["class_path"]).rpartition(".")[2]
        if kind in kept_by:
            yield "trainer.callbacks", part.get("init_args") or {}, kept_by[kind]


def check_continuation(weights: str, config: Any) -> None:
    """Raise `UsageError` where a stage is to go on from last weights that are not kept."""
    if weights == "last" and not config["checkpoint"]["save_last"]:
        raise UsageError(
            "--data.continue_from last: the second stage goes on from the last weights of the first, which "
            "--checkpoint.save_last false does not keep. Give --checkpoint.save_last true."
        )


def check_resumed(path: Path, text: str) -> None:
    """Raise `UsageError` where a run would go on as another: with other data, or another model or training.

    Limits of training (`--trainer.max_epochs`, `max_steps`, `max_time`) may change, unless learning rates
    follow from them, and so may all that says where and how it runs.

    Args:
        path: The run's `config.yaml`.
        text: The configuration it would go on with, as YAML.

    Raises:
        ResultsError: Where the file is damaged.
    """
    stored, now = dict(_settings(_stored(path))), dict(_settings(parse_yaml(text)))
    # What stands in the new one alone is an option that the run's version of sercl did not have.
    changed = [key for key, value in stored.items() if now.get(key, _NOT_SET) != value]
    if not _rates_follow_limits(stored):
        changed = [key for key in changed if key not in _LIMITS]
    if changed:
        named = "; ".join(f"--{key} is {now.get(key, _NOT_SET)}, was {stored[key]}" for key in changed[:3])
        reason = " (its learning rates follow from the length of training)" if changed[0] in _LIMITS else ""
        raise UsageError(
            f"{path.parent}: --resume continues a run as it was begun{reason}, but {named}. Leave the "
            f"options as they were (--config {path}), or start anew with another --out."
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
        f"damaged ({reason}), so that it cannot be checked whether --resume continues the same run. Restore "
        "the file, or start anew with --overwrite or another --out.",
    )


def _rates_follow_limits(settings: Mapping[str, Any]) -> bool:
    schedule = settings.get("model.optimizer.schedule", "constant")
    return schedule != "constant" or bool(settings.get("model.optimizer.warmup"))


def _settings(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield option and value of all that decides what is trained, on what, and how."""
    for key in ("seed_everything", "data", "model", "probe"):
        if key in config:
            yield from _flat(key, config[key])
    for key, free in _FREE.items():
        group = config.get(key)
        for name, value in group.items() if isinstance(group, Mapping) else ():
            if name not in free:
                yield from _flat(f"{key}.{name}", value)


def _flat(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if key.rpartition(".")[2] in _MAY_CHANGE:
        return
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(f"{key}.{name}".replace(".init_args", "").replace(".class_path", ""), inner)
    else:
        yield key, value
