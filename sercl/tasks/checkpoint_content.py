"""Whether what a checkpoint file holds is what sercl writes: anybody may have made the file."""

import types
import zipfile
from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, TypedDict, Union, get_args, get_origin, get_type_hints, is_typeddict

import torch
from torch import Tensor

from sercl.errors import CheckpointError, DamagedCheckpointError

MAX_DEPTH = 20
"""Most levels of lists and maps in what a checkpoint says of itself."""
MAX_VALUES = 1_000_000
"""Most values in it; the largest are the names of all speakers of training."""

_LARGEST_INTEGER = 2**63 - 1
_LARGEST_SIZE = 4096
_LONGEST_TEXT = 4096  # as long as a path may be


class AboutEncoder(TypedDict):
    """What a checkpoint says of its encoder."""

    name: str
    family: str
    fingerprint: str
    preprocessing: dict[str, Any]
    settings: dict[str, Any]


class About(TypedDict):
    """What a checkpoint says of itself, under the key "sercl"."""

    version: str
    full: bool
    encoder: AboutEncoder
    task: str
    classes: list[str]
    labels: dict[str, list[str]]
    heard: dict[str, list[str]]


class StoredEncoder(TypedDict):
    """What a checkpoint stored in full says of how its encoder is built."""

    model: dict[str, Any]
    preprocessor: dict[str, Any] | None
    whisper_form: str
    final_norm: bool
    fingerprint: str


def check_archive(path: Path) -> None:
    """Raise `DamagedCheckpointError` unless a file is an archive as torch writes it: not compressed.

    A compressed one may hold a thousand times its size.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            packed = any(item.compress_type != zipfile.ZIP_STORED for item in archive.infolist())
            total = sum(item.file_size for item in archive.infolist())
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}).") from error
    except Exception as error:  # a flipped bit may tell zipfile anything: of a method, of offsets, of names
        raise DamagedCheckpointError(
            f"{path}: not a checkpoint ({error}). It may be truncated or not from sercl."
        ) from error
    if packed or total > path.stat().st_size:
        raise DamagedCheckpointError(f"{path}: not a checkpoint: it is compressed, as none of sercl is.")


def check_plain(value: Any, where: str) -> None:
    """Raise `DamagedCheckpointError` unless a value is plain data of a size that a checkpoint has.

    Args:
        value: What a checkpoint holds.
        where: File and key, for messages.
    """
    level, count = [value], 0
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, Mapping):
                inner += [*item.keys(), *item.values()]
            elif isinstance(item, list | tuple | set):
                inner += item
            else:
                _check_leaf(item, where)
            if count + len(inner) > MAX_VALUES:
                raise DamagedCheckpointError(f"{where}: holds more than {MAX_VALUES:,} values.")
        level, count = inner, count + len(inner)
        if not level:
            return
    raise DamagedCheckpointError(f"{where}: lists and maps are more than {MAX_DEPTH} levels deep.")


def _check_leaf(value: Any, where: str) -> None:
    if value is not None and not isinstance(value, bool | int | float | str):
        raise DamagedCheckpointError(f"{where}: holds a {type(value).__name__}, which is not a plain value.")
    too_large = isinstance(value, int) and abs(value) > _LARGEST_INTEGER
    if too_large or (isinstance(value, str) and len(value) > _LONGEST_TEXT):
        raise DamagedCheckpointError(f"{where}: holds too large a {type(value).__name__}.")


def check_state(state: Mapping[Any, Any], where: str) -> None:
    """Raise `DamagedCheckpointError` unless a state dict maps names to dense tensors that are there.

    Args:
        state: What a checkpoint holds.
        where: File and key, for messages.
    """
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise DamagedCheckpointError(
                f"{where}: {str(name)[:80]!r} is a {type(value).__name__}, not a tensor with a name."
            )
        dense = value.layout == torch.strided and not value.is_quantized and value.device.type == "cpu"
        if not dense or value.is_complex():
            raise DamagedCheckpointError(f"{where}: {name!r} is not a dense tensor of real numbers.")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise DamagedCheckpointError(f"{where}: {name!r} is larger than what is stored of it.")


def check_sizes(options: Any, state: Mapping[str, Tensor], where: str) -> None:
    """Raise `DamagedCheckpointError` for an option that makes weights larger than all that are stored."""
    most = max([_LARGEST_SIZE, *(size for value in state.values() for size in value.shape)])
    for name, value in options.items():
        if isinstance(value, Mapping):
            check_sizes(value, state, f"{where}.{name}")
        elif isinstance(value, int) and abs(value) > most:
            raise DamagedCheckpointError(
                f"{where}: {name} is {value}, which fits no weights that are stored."
            )


def check_types(values: Mapping[str, Any], kind: Any, where: str) -> None:
    """Raise `DamagedCheckpointError` for a value that is not of the type that it is written with.

    Args:
        values: Names and values.
        kind: Class or function whose annotations say the types. Of a `TypedDict`, all names must be there.
        where: File and key, for messages.
    """
    hints = get_type_hints(kind)
    for name in hints if is_typeddict(kind) else ():
        if name not in values:
            raise DamagedCheckpointError(f"{where}: has no {name!r}.")
    for name, value in values.items():
        if not _fits(value, hints.get(str(name), Any)):
            raise DamagedCheckpointError(f"{where}: {name!r} is a {type(value).__name__} of the wrong form.")


def _fits(value: Any, kind: Any) -> bool:
    inner = get_args(kind)
    if kind is Any:
        return True
    if get_origin(kind) in (Union, types.UnionType):
        return any(_fits(value, each) for each in inner)
    if get_origin(kind) in (list, tuple):
        return isinstance(value, list | tuple) and all(_fits(each, inner[0]) for each in value)
    if get_origin(kind) is dict:
        return isinstance(value, Mapping) and all(
            _fits(key, inner[0]) and _fits(each, inner[1]) for key, each in value.items()
        )
    if is_dataclass(kind) or is_typeddict(kind):
        hints = get_type_hints(kind)
        return isinstance(value, Mapping) and all(_fits(v, hints.get(str(k), Any)) for k, v in value.items())
    return _is_a(value, kind)


def _is_a(value: Any, kind: Any) -> bool:
    if kind in (int, float) and isinstance(value, bool):
        return False
    if kind is float:
        return isinstance(value, int | float)
    return isinstance(value, kind) if isinstance(kind, type) else True
