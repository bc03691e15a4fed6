"""Adapters in peft's own format: a folder with `adapter_config.json` and `adapter_model.safetensors`."""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sercl.documents import read_json
from sercl.errors import AdapterError, DocumentError, UsageError
from sercl.files import at_home, atomic_path, write_text
from sercl.models.adapters.peft.config import FOLDER, TARGETS, arguments_of, method_of
from sercl.models.adapters.peft.ranks import SCHEDULE, Ranks
from sercl.models.encoders.base import Encoder

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def read_folder(method: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the arguments and the weights of an adapter in peft's own format.

    Args:
        method: The method that it must have.
        options: Options with a folder, and nothing else but a schedule: the rest is in the folder.

    Raises:
        AdapterError: For a folder that is missing, damaged, or of another method.
        UsageError: For options beside the folder.
    """
    schedule = {name: value for name, value in options.items() if name in SCHEDULE}
    others = sorted(options.keys() - {FOLDER} - schedule.keys())
    if others:
        raise UsageError(
            f"--model.adapters.peft.{others[0]} and .{FOLDER}: the folder's {CONFIG} sets it already. Leave "
            f"{others[0]} out."
        )
    folder = at_home(str(options[FOLDER]))
    content = _read_config(folder / CONFIG)
    found = method_of(content)
    if found != method:
        raise AdapterError(f"{folder}: an adapter of peft:{found}, not of peft:{method}.")
    try:
        arguments = arguments_of(method, content)
    except UsageError as error:
        raise AdapterError(f"{folder / CONFIG}: {error}") from error
    own = {name: value for name, value in arguments.items() if name not in SCHEDULE}
    return own | schedule, _read_weights(folder / WEIGHTS)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except OSError as error:
        raise AdapterError(
            f"{path}: cannot be read ({error.strerror}). Give a folder that peft's save_pretrained wrote, "
            "such as RUN/adapter."
        ) from error
    except DocumentError as error:
        raise AdapterError(f"{path}: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("peft_type"), str):
        raise AdapterError(f"{path}: not a configuration of peft (it has no peft_type).")
    return content


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        weights: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise AdapterError(f"{path}: cannot be read ({error}).") from error
    return weights


def load_weights(model: "PeftModel", weights: Mapping[str, Tensor], ranks: Ranks | None) -> None:
    """Load the weights that `read_folder` returned into a model that was built with its arguments.

    Args:
        model: The model.
        weights: The weights.
        ranks: Its ranks, if they may be cut.

    Raises:
        AdapterError: For weights of another encoder, or of other blocks.
    """
    import peft

    own = weights_of(model)
    weights = weights if ranks is None else ranks.widened(weights, own)
    for what, names in (
        ("lacks", sorted(own.keys() - weights.keys())),
        ("holds unknown", sorted(weights.keys() - own.keys())),
        (
            "has another shape of",
            [name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape],
        ),
    ):
        if names:
            raise AdapterError(
                f"the adapter's {WEIGHTS} {what} weights: {names[0]} ({len(names)} in all). It is of another "
                "encoder, or of other blocks than --model.last_block and --model.adapter_blocks choose."
            )
    peft.set_peft_model_state_dict(model, dict(weights))


def write_folder(
    folder: Path,
    encoder: Encoder,
    config: "PeftConfig",
    targets: Sequence[str],
    weights: Mapping[str, Tensor],
) -> None:
    """Write an adapter as `PeftModel.save_pretrained` does.

    Args:
        folder: Where to write.
        encoder: The encoder that it adapts.
        config: Its configuration.
        targets: Full names of the adapted modules: short ones would match blocks that were cut off, too.
        weights: Its tensors, named as peft does.

    Raises:
        OutputError: If it cannot be written.
    """
    kind = type(encoder.model)
    content = {
        **config.to_dict(),
        TARGETS: sorted(targets),
        "inference_mode": True,
        "base_model_name_or_path": encoder.location,
        "auto_mapping": {"base_model_class": kind.__name__, "parent_library": kind.__module__},
    }
    with atomic_path(folder / WEIGHTS) as temporary:
        save_file({name: value.detach().cpu().clone() for name, value in weights.items()}, temporary)
    plain = {name: sorted(value) if isinstance(value, set) else value for name, value in content.items()}
    write_text(folder / CONFIG, json.dumps(dict(sorted(plain.items())), indent=2) + "\n")


def weights_of(model: "PeftModel") -> dict[str, Tensor]:
    """Return the tensors of an adapter, named as peft does."""
    import peft

    with warnings.catch_warnings():
        # peft takes a matrix of AdaLoRA whose rank is 0 for part of one.
        warnings.filterwarnings("ignore", ".*have invalid shape")
        weights: dict[str, Tensor] = peft.get_peft_model_state_dict(model, save_embedding_layers=False)
    return weights
