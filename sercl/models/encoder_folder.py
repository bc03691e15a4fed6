"""The folder of an encoder: checks of its name and config.json. Imports no torch."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sercl import documents, plugins
from sercl.errors import EncoderError, NoBlockError, UnknownNameError, UsageError, near_names
from sercl.files import exists, is_dir

FAMILIES = ("wav2vec2", "hubert", "wavlm", "data2vec-audio", "wav2vec2-bert", "whisper")
"""The values of model_type that sercl itself supports."""

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def folder_named(name: str, presets: Iterable[str]) -> Path | None:
    """Return the folder of a name; None for a hub id.

    Args:
        name: A folder, or a hub id ("organisation/model").
        presets: The short names, for the message.

    Raises:
        UnknownNameError: A word that is neither a short name nor a folder.
        EncoderError: A path without a folder.
    """
    path = expanded(name)
    if is_dir(path):
        return path
    if exists(path) or path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        found = "is not a folder" if exists(path) else "does not exist"
        raise EncoderError(
            f"encoder folder {name!r} {found}. Give a folder that holds config.json: --model.encoder "
            "FOLDER, or --encoder FOLDER with a checkpoint whose encoder has moved."
        )
    if "/" not in name:
        hint = "Or give a hub id ('organisation/model') or a folder."
        raise UnknownNameError("encoder", name, presets, hint)
    return None


def not_here(name: str) -> str:
    """Return a sentence on a hub id that may be a misspelt folder: its parent exists here; "" otherwise."""
    parent = Path(name).parent
    if parent == Path() or not is_dir(parent):
        return ""
    there = sorted(path.name for path in parent.iterdir() if path.is_dir())
    near = near_names(Path(name).name, there)
    guess = f" Did you mean {' or '.join(f'{parent}/{each}' for each in near)}?" if near else ""
    shown = ", ".join([*there[:5], *(["..."] if len(there) > 5 else [])]) or "no folder"
    return f"there is no folder {name} here ({parent} contains: {shown}).{guess} As a model of the hub: "


def expanded(name: str) -> Path:
    """Return a path with the home folder for a leading `~`; raises `EncoderError` if there is none."""
    try:
        return Path(name).expanduser()
    except RuntimeError as error:  # "~nobody/folder"
        raise EncoderError(f"encoder folder {name!r}: there is no such user on this machine.") from error


def check_file(path: Path) -> None:
    """Raise `EncoderError` for a pipe or device, and for a Git LFS pointer instead of the content."""
    if path.exists() and not path.is_file():
        raise EncoderError(f"{path}: is not a regular file. Fetch the checkpoint again.")
    with path.open("rb") as file:
        if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise EncoderError(
                f"{path}: a Git LFS pointer in place of the file. Run in its repository: git lfs pull; or "
                "fetch the checkpoint again: hf download ID --local-dir FOLDER."
            )


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        EncoderError: The file does not exist, or is not a JSON object.
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


def check_family(content: Mapping[str, Any], where: object) -> None:
    """Raise `EncoderError` for the config of an encoder of another family."""
    family, valid = content.get("model_type"), (*FAMILIES, *plugins.names(plugins.ENCODERS))
    if family not in valid:
        raise EncoderError(
            f"{where}: model_type {repr(family)[:80]} is not an encoder that can be used here. Valid: "
            f"{', '.join(dict.fromkeys(valid))}. Another family needs an installed package that adds it."
        )


def depth_key(family: str) -> str:
    """Return the name of the number of blocks in a config."""
    return "encoder_layers" if family == "whisper" else "num_hidden_layers"


def check_block(folder: Path, last_block: int, blocks: int) -> None:
    """Raise `NoBlockError` for a last block that an encoder does not have."""
    if not 0 <= last_block < blocks:
        raise NoBlockError(str(folder), last_block, blocks)


def check_layer(encoder: str, layer: int, blocks: int) -> None:
    """Raise `UsageError` for the number of a hidden state that an encoder does not have."""
    if not 0 <= layer <= blocks:
        raise UsageError(
            f"no layer {layer} in the encoder {encoder}: it has {blocks}. Valid: 0 (what goes into the "
            f"first) to {blocks}, last, weighted or auto."
        )
