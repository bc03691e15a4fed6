"""Options of other LightningCLI programs that sercl does not have, and what to use instead."""

import os
import re
from collections.abc import Collection, Mapping
from typing import Any

from sercl.errors import UnknownOptionError, UsageError

NULLS = ("ckpt_path", "weights_only", "return_predictions", "optimizer", "lr_scheduler")
"""Keys of a LightningCLI configuration that mean nothing when they are null, as it writes them."""

_TRAINING = r"fit|diarize fit|layer-probe"
_EVALUATION = r"test|validate"
_RESUME = (
    "To continue a run that stopped, give its options again with --out FOLDER --resume; to evaluate a "
    "checkpoint: sercl test --ckpt FILE; to use it: sercl predict FILE RECORDINGS. No option starts a new "
    "training from the weights of a checkpoint."
)
_STUDY = "A study continues by itself where it stopped: call it again with the same --out."
_FIRST = "The checkpoint is the first argument: sercl {command} {value} ..."
_ALL_IN_CHECKPOINT = (
    "A checkpoint contains its model and settings, and the recordings are arguments: "
    "sercl {command} RUN/best.ckpt FILE_OR_FOLDER"
)
_OPTIMIZER = (
    "The optimizer belongs to the model: --model.optimizer.algorithm (adamw, sgd, ..., or a class such as "
    "torch.optim.SGD with its arguments in .init_args), and learning rates in .head_lr, .adapter_lr, "
    ".encoder_lr; in YAML below model: optimizer:."
)
_SCHEDULE = (
    "The schedule belongs to the model's optimizer: --model.optimizer.schedule (cosine, plateau, ..., or a "
    "class such as torch.optim.lr_scheduler.StepLR with its arguments in .init_args); in YAML below model: "
    "optimizer:."
)
_ONE_COMMAND = (
    "A file has the options of one command. Move what is below `{option}:` to the top level, and leave out "
    "the rest."
)

_INSTEAD = (
    (_TRAINING, r"ckpt_path|ckpt|trainer\.resume_from_checkpoint", _RESUME),
    ("cross-eval", r"ckpt_path|ckpt", _STUDY),
    (_EVALUATION, r"ckpt_path", "Write ckpt: {value}, or give --ckpt {value} on the command line."),
    ("predict|diarize", r"ckpt_path|ckpt", _FIRST),
    ("diarize evaluate", r"ckpt_path", _FIRST),
    ("predict|diarize", r"config|c|(data|trainer|model)(\..+)?", _ALL_IN_CHECKPOINT),
    (_EVALUATION, r"(optimizer|lr_scheduler)(\..+)?", "Evaluation trains nothing. Leave it out."),
    (".*", r"optimizer(\..+)?|model\.(lr|learning_rate)", _OPTIMIZER),
    (".*", r"lr_scheduler(\..+)?", _SCHEDULE),
    (".*", r"weights_only", "Every checkpoint is loaded with weights_only=True. Leave it out."),
    (".*", r"verbose|return_predictions", "Results are always printed, as JSON by --json. Leave it out."),
    (".*", r"trainer\.(gpus|num_processes)", "Use --trainer.accelerator gpu --trainer.devices N."),
    (".*", r"data\.num_workers", "Use --data.loader.workers N."),
    (".*", r"seed", "Use --seed_everything N."),
    (
        ".*",
        r"(trainer|model|early_stopping|checkpoint)\.help",
        "`sercl {command} --help-all` lists every option.",
    ),
    (".*", r"(fit|validate|test|predict)(\..+)?", _ONE_COMMAND),
)
"""Commands, options without dashes, and what to use instead; the first row that matches counts."""

_VARIABLE = re.compile(r"PL_CONFIG|PL_TRAINER_\w+|(PL|SERCL)_\w+__\w+|SERCL_CONFIG|JSONARGPARSE_\w+")


def instead_of(option: str, command: str, value: str | None = None) -> str | None:
    """Return what to use instead of an option of LightningCLI that sercl lacks; None for any other option.

    Args:
        option: The option, with its dashes.
        command: Name of the command: "fit", "diarize fit".
        value: Its value, None for none.
    """
    name = option.lstrip("-").removesuffix("+").replace("-", "_")
    for commands, options, text in _INSTEAD:
        if re.fullmatch(commands, command) and re.fullmatch(options, name):
            return text.format(option=name.partition(".")[0], command=command, value=value or "FILE")
    return None


def unknown_option(option: str, valid: Collection[str], command: str, value: str | None) -> UsageError:
    """Return the error for an option that a command does not have.

    Args:
        option: The option, with its dashes.
        valid: All options of the command; similar ones are named.
        command: Name of the command.
        value: The value given, None for none.
    """
    if advice := instead_of(option, command, value):
        return UsageError(f"{option}: `sercl {command}` has no such option. {advice}")
    return UnknownOptionError(option, valid, f"`sercl {command} --help` shows the options.")


def without_nulls(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without the null keys of LightningCLI that sercl does not have."""
    return {key: value for key, value in content.items() if not (key in NULLS and value is None)}


def take_variables() -> list[str]:
    """Remove and return the environment variables with which Lightning and jsonargparse would set options."""
    found = sorted(name for name in os.environ if _VARIABLE.fullmatch(name))
    for name in found:
        del os.environ[name]
    return found
