"""From a name to a folder with a checkpoint: short name, hub id or path."""

from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError stems from its HTTP client
    GatedRepoError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from sercl import documents
from sercl.errors import EncoderError, UnknownNameError
from sercl.models.encoders.presets import PRESETS

_CONFIG_FILES = ["config.json", "preprocessor_config.json", "processor_config.json"]
_SAFE_WEIGHTS = ["model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors"]
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_PICKLED_WEIGHTS = ["pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin"]


def checkpoint_folder(name: str, revision: str | None) -> Path:
    """Return the folder that holds the checkpoint `name`, fetching it from the hub where necessary.

    Args:
        name: A short name of `PRESETS`, a folder, or a hub id ("organisation/model").
        revision: Branch, tag or commit on the hub; None for the newest. Has no meaning for a folder.

    Raises:
        UnknownNameError: A word that is neither a short name nor a folder.
        EncoderError: A path without a folder, or a hub id that cannot be fetched.
    """
    if name in PRESETS:
        return _from_hub(PRESETS[name].hub_id, revision)
    path = _expanded(name)
    if path.is_dir():
        return path
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise EncoderError(
            f"encoder folder {name!r} does not exist. Give a folder that holds config.json: --model.encoder "
            "FOLDER, or --encoder FOLDER with a checkpoint whose encoder has moved."
        )
    if "/" not in name:
        hint = "Or give a hub id ('organisation/model') or a folder."
        raise UnknownNameError("encoder", name, PRESETS, hint)
    return _from_hub(name, revision)


def _expanded(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError as error:  # "~nobody/folder"
        raise EncoderError(f"encoder folder {name!r}: there is no such user here.") from error


def location_of(name: str) -> str:
    """Return what finds an encoder again from any folder: the absolute path of its folder, else its name."""
    path = _expanded(name)
    return str(path.absolute()) if name not in PRESETS and path.is_dir() else name


def check_file(path: Path) -> None:
    """Raise `EncoderError` for a pipe or device, and for a Git LFS pointer in place of the content."""
    if path.exists() and not path.is_file():
        raise EncoderError(f"{path}: is no regular file. Fetch the checkpoint again.")
    with path.open("rb") as file:
        if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise EncoderError(
                f"{path}: a Git LFS pointer in place of the file. Run in its repository: git lfs pull; or "
                "fetch the checkpoint again: hf download ID --local-dir FOLDER."
            )


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        EncoderError: The file is not there or holds something else.
    """
    try:
        check_file(path)
        content = documents.read_json(path)
    except FileNotFoundError as error:
        raise EncoderError(
            f"{path.parent}: no {path.name}. An encoder folder holds config.json and model.safetensors, as "
            "save_pretrained of transformers writes them."
        ) from error
    except ValueError as error:
        raise EncoderError(f"{path}: not valid JSON ({error}). Fetch the checkpoint again.") from error
    if not isinstance(content, dict):
        raise EncoderError(f"{path}: holds a JSON {type(content).__name__}, not an object.")
    return content


def check_index(path: Path) -> None:
    """Raise `EncoderError` unless a list of shards names files of its own folder."""
    shards = read_json(path).get("weight_map")
    if (
        not isinstance(shards, dict)
        or not shards
        or not all(isinstance(name, str) for name in shards.values())
    ):
        raise EncoderError(f"{path}: has no weight_map from weights to files. Fetch the checkpoint again.")
    for name in sorted(set(shards.values())):
        if Path(name).name != name or not (path.parent / name).is_file():
            raise EncoderError(
                f"{path}: {name[:80]!r} is no file of this folder. Fetch the checkpoint again."
            )


def read_preprocessor(folder: Path) -> dict[str, Any] | None:
    """Read the feature extractor's settings, or None where the checkpoint has none.

    Raises:
        EncoderError: The file holds no JSON object.
    """
    path = folder / "preprocessor_config.json"
    if path.is_file():
        return read_json(path)
    # Processors of transformers 5 (feature extractor and tokenizer) write one file for both.
    path = folder / "processor_config.json"
    found = read_json(path).get("feature_extractor") if path.is_file() else None
    if found is not None and not isinstance(found, dict):
        raise EncoderError(f"{path}: its feature_extractor is a JSON {type(found).__name__}, not an object.")
    return found


def has_weights(folder: Path) -> bool:
    """Say whether a checkpoint folder holds weights in a layout of the hub."""
    return _holds(folder, _SAFE_WEIGHTS) or _holds(folder, _PICKLED_WEIGHTS)


def weight_files(folder: Path) -> list[Path]:
    """Return the files of a checkpoint folder that hold weights, or say which do."""
    return [path for pattern in _SAFE_WEIGHTS + _PICKLED_WEIGHTS for path in sorted(folder.glob(pattern))]


def _holds(folder: Path, patterns: list[str]) -> bool:
    return any(next(folder.glob(pattern), None) is not None for pattern in patterns)


def _from_hub(hub_id: str, revision: str | None) -> Path:
    folder = _fetch(hub_id, revision, _CONFIG_FILES + _SAFE_WEIGHTS)
    if _holds(folder, _SAFE_WEIGHTS):
        return folder
    # Many older checkpoints exist as a pickle only; transformers reads it with weights_only=True.
    return _fetch(hub_id, revision, _CONFIG_FILES + _PICKLED_WEIGHTS)


def _fetch(hub_id: str, revision: str | None, patterns: list[str]) -> Path:
    try:
        return Path(snapshot_download(hub_id, revision=revision, allow_patterns=patterns))
    except LocalEntryNotFoundError as error:
        raise EncoderError(
            f"encoder {hub_id!r}: there is no network (or HF_HUB_OFFLINE is set) and the model is not in the "
            f"local cache. On a machine with network run: hf download {hub_id} --local-dir FOLDER; copy "
            "FOLDER here and give it as the encoder: --model.encoder FOLDER, or with a checkpoint --encoder "
            "FOLDER."
        ) from error
    except RevisionNotFoundError as error:
        raise EncoderError(f"encoder {hub_id!r} has no revision {revision!r} on the hub.") from error
    except GatedRepoError as error:
        raise EncoderError(
            f"encoder {hub_id!r} is gated: accept its terms on https://huggingface.co/{hub_id}, then run: "
            "hf auth login"
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise EncoderError(
            f"encoder {hub_id!r} is neither a folder here nor a model on the hub. Short names: "
            f"{', '.join(PRESETS)}."
        ) from error
    except HTTPError as error:
        raise EncoderError(f"encoder {hub_id!r} cannot be fetched from the hub: {error}") from error
