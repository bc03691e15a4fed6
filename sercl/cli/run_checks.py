"""What can be parsed but not run as it was meant: refused before anything is done."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from sercl.errors import UnknownNameError, UsageError

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
_SHORT_PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}

_MAY_CHANGE = {"root", "encoder", "workers", "gradient_checkpointing"}
"""Options that change where things lie or how fast they come, not what comes out."""

_NOT_SET = "not set"


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
    for key, others in (("early_stopping", ()), ("checkpoint", (None, "epoch", "step"))):
        name, mode = config[key]["monitor"], config[key]["mode"]
        if name not in ("val/loss", "train/loss", *low, *names, *others):
            raise UnknownNameError(f"--{key}.monitor", name, ["val/loss", "train/loss", *low, *names])
        if name in low and mode == "max":
            raise UsageError(
                f"--{key}.monitor {name}: the highest value would win. Give --{key}.mode min, too."
            )
        if name in names and mode == "min":
            raise UsageError(
                f"--{key}.monitor {name}: the lowest value would win. Give --{key}.mode max, too."
            )


def check_continuation(weights: str, config: Any) -> None:
    """Raise `UsageError` where a stage is to go on from last weights that are not kept."""
    if weights == "last" and not config["checkpoint"]["save_last"]:
        raise UsageError(
            "--data.continue_from last: the second stage goes on from the last weights of the first, which "
            "--checkpoint.save_last false does not keep. Give --checkpoint.save_last true."
        )


def check_resumed(path: Path, text: str) -> None:
    """Raise `UsageError` where a run would go on with other data, another model or another seed.

    Args:
        path: The run's `config.yaml`.
        text: The configuration it would go on with, as YAML.
    """
    stored, now = (dict(_settings(yaml.safe_load(each))) for each in (path.read_text(encoding="utf-8"), text))
    # What stands in the new one alone is an option that the run's version of sercl did not have.
    changed = [key for key, value in stored.items() if now.get(key, _NOT_SET) != value]
    if changed:
        named = "; ".join(f"--{key} is {now.get(key, _NOT_SET)}, was {stored[key]}" for key in changed[:3])
        raise UsageError(
            f"{path.parent}: --resume continues a run as it was begun, but {named}. Leave the options as "
            f"they were (--config {path}), or start anew with another --out."
        )


def _settings(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield option and value of all that decides what is trained, on what."""
    for key in ("seed_everything", "data", "model"):
        yield from _flat(key, config.get(key))


def _flat(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if key.rpartition(".")[2] in _MAY_CHANGE:
        return
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(f"{key}.{name}".replace(".init_args", "").replace(".class_path", ""), inner)
    else:
        yield key, value
