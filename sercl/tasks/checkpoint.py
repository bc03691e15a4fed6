"""The description in a checkpoint, and reasons to refuse one."""

import inspect
import json
import sys
import types
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, TypedDict, Union, get_args, get_origin, get_type_hints, is_typeddict

import torch
from torch import Tensor

from sercl import plugins
from sercl.audio.preprocess import PreprocessConfig
from sercl.errors import (
    CheckpointError,
    DamagedCheckpointError,
    EncoderError,
    ImportNotAllowedError,
    SerclError,
    SerclWarning,
    UsageError,
)
from sercl.imports import find_class
from sercl.models.adapters.registry import METHODS
from sercl.models.encoders import Encoder
from sercl.models.encoders.config import check_numbers, check_size, config_of
from sercl.models.encoders.families import FAMILIES
from sercl.tasks.recordings import from_checkpoint
from sercl.version import __version__

MAX_DEPTH = 20
"""Maximum depth of lists and maps in a checkpoint's description."""
MAX_VALUES = 1_000_000
"""Maximum number of values in it; the largest part is the names of all training speakers."""

_LARGEST_INTEGER = 2**63 - 1
_LARGEST_SIZE = 4096
_NO_SIZES = ("seed", "prng_key", "total_step", "tinit", "tfinal", "deltaT")  # endings of names
_LONGEST_TEXT = 4096  # maximum length of a path


class AboutEncoder(TypedDict):
    """Description of the encoder in a checkpoint."""

    name: str
    family: str
    fingerprint: str
    preprocessing: dict[str, Any]
    settings: dict[str, Any]


class About(TypedDict):
    """Description of a checkpoint, under the key "sercl"."""

    version: str
    full: bool
    encoder: AboutEncoder
    task: str
    classes: list[str]
    labels: dict[str, list[str]]
    seen_speakers: dict[str, list[str]]


class StoredEncoder(TypedDict):
    """Configuration of the encoder in a full checkpoint."""

    model: dict[str, Any]
    preprocessor: dict[str, Any] | None
    whisper_form: str
    final_norm: bool
    fingerprint: str


def check_archive(path: Path) -> None:
    """Raise `DamagedCheckpointError` unless a file is an archive as torch writes it: not compressed.

    A compressed one may expand to a thousand times its size.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            packed = any(item.compress_type != zipfile.ZIP_STORED for item in archive.infolist())
            total = sum(item.file_size for item in archive.infolist())
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}).") from error
    except Exception as error:  # with a flipped bit, zipfile may find anything: wrong offsets, names
        raise DamagedCheckpointError(
            f"{path}: not a checkpoint ({error}). It may be truncated or not from sercl."
        ) from error
    if packed or total > path.stat().st_size:
        raise DamagedCheckpointError(f"{path}: not a checkpoint: it is compressed, which sercl's are not.")


def check_plain(value: Any, where: str) -> None:
    """Raise `DamagedCheckpointError` unless a value is plain data of plausible size.

    Args:
        value: Content of a checkpoint.
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
    """Raise `DamagedCheckpointError` unless a state dict maps names to stored dense tensors.

    Args:
        state: Content of a checkpoint.
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
    """Raise `DamagedCheckpointError` for an option that implies weights larger than all stored ones."""
    most = max([_LARGEST_SIZE, *(size for value in state.values() for size in value.shape)])
    for name, value in options.items():
        if isinstance(value, Mapping) and "class_path" not in value:
            check_sizes(value, state, f"{where}.{name}")
        elif isinstance(value, int) and abs(value) > most and not name.endswith(_NO_SIZES):
            raise DamagedCheckpointError(
                f"{where}: {name} is {value}, which fits no weights that are stored."
            )


def check_types(values: Mapping[str, Any], kind: Any, where: str) -> None:
    """Raise `DamagedCheckpointError` for a value of the wrong type.

    Args:
        values: Names and values.
        kind: Class or function whose annotations give the types. All keys of a `TypedDict` are required.
        where: File and key, for messages.
    """
    hints = get_type_hints(kind)
    for name in hints if is_typeddict(kind) else ():
        if name not in values:
            raise DamagedCheckpointError(f"{where}: has no {name!r}.")
    check_values(values, hints, where)


def check_values(values: Mapping[str, Any], hints: Mapping[str, Any], where: str) -> None:
    """Raise `DamagedCheckpointError` for a value of another type than `hints` gives; arguments as above."""
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


FORMAT = 2
"""Increased when checkpoints of older versions can no longer be read correctly."""

USES = {"classification": "`sercl predict`", "diarization": "`sercl diarize`"}
"""Task -> commands that use its checkpoints."""


def describe(encoder: Encoder, description: dict[str, Any], full: bool) -> dict[str, Any]:
    """Return the part of a checkpoint under the key "sercl", as plain data."""
    return {
        "format": FORMAT,
        "version": __version__,
        "full": full,
        "encoder": {
            "name": encoder.name,
            "family": encoder.family,
            "fingerprint": encoder.fingerprint,
            "preprocessing": encoder.preprocessing,
            "settings": encoder.settings,
        },
        **description,
    }


def preprocessing_of(about: Mapping[str, Any]) -> PreprocessConfig:
    """Return what is done to clips before the encoder; nothing for a checkpoint older than the option.

    Args:
        about: A checkpoint's description.

    Raises:
        DamagedCheckpointError: For options that do not exist or have invalid values.
    """
    stored = about.get("preprocess", PreprocessConfig.RAW.to_dict())
    if not isinstance(stored, Mapping) or not stored.keys() <= get_type_hints(PreprocessConfig).keys():
        raise DamagedCheckpointError(
            f"the checkpoint's preprocess is {stored!r:.200}, which sercl {__version__} does not know."
        )
    check_values(stored, get_type_hints(PreprocessConfig), "the checkpoint's preprocess")
    try:
        return PreprocessConfig(**stored)
    except UsageError as error:
        raise DamagedCheckpointError(f"the checkpoint's {error}") from error


def standardized_corpora_of(about: Mapping[str, Any]) -> list[str]:
    """Return the corpora whose statistics a checkpoint holds.

    Args:
        about: Its content under the key "sercl".

    Raises:
        CheckpointError: For anything but different names.
    """
    names = about.get("standardized_corpora", [])
    is_sound = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not is_sound or len(set(names)) < len(names):
        raise CheckpointError(
            f"the checkpoint's standardized_corpora are {names!r:.200}; they must be different names."
        )
    return list(names)


def read(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint file as tensors and plain data only.

    Raises:
        CheckpointError: If the file is missing, not a checkpoint, or not one of sercl.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise CheckpointError(f"{path}: {what}. Give a checkpoint file, such as RUN/best.ckpt.")
    check_archive(path)
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises a dozen types for a file that is not its own; all mean the same to the user.
        reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
        raise DamagedCheckpointError(
            f"{path}: not a checkpoint that loads safely ({reason}). It may be truncated or not from sercl."
        ) from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("sercl"), dict):
        raise CheckpointError(f"{path}: a checkpoint, but not one of sercl (it has no 'sercl' entry).")
    check_plain(checkpoint["sercl"], f"{path}: sercl")
    check_format(checkpoint["sercl"], str(path))
    for key in ("state_dict", "hyper_parameters"):
        if not isinstance(checkpoint.get(key), dict):
            raise CheckpointError(
                f"{path}: has no {key!r}, without which no model can be built. Train again."
            )
    rename_old_keys(checkpoint["sercl"])
    check_types(checkpoint["sercl"], About, f"{path}: sercl")
    check_types(checkpoint["sercl"]["encoder"], AboutEncoder, f"{path}: sercl.encoder")
    _check_numbers(checkpoint["sercl"]["encoder"]["preprocessing"], f"{path}: sercl.encoder.preprocessing")
    check_plain(checkpoint["hyper_parameters"], f"{path}: hyper_parameters")
    check_state(checkpoint["state_dict"], f"{path}: state_dict")
    from_checkpoint(checkpoint.get("recordings"), str(path))
    return checkpoint


def read_for(task: str, base: type, path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of one task, whose hyper-parameters are arguments of its class.

    Args:
        task: Name of the task.
        base: Class of the task; the model may be of a subclass that the user wrote.
        path: The checkpoint.

    Raises:
        CheckpointError: As `read`; also for another task, or hyper-parameters of another version of sercl.
        ImportNotAllowedError: If the model comes from a package that the user does not allow.
    """
    checkpoint = read(path)
    about = checkpoint["sercl"]
    check_task(about, task, path)
    kind = class_of(about, base, path)
    _check_packages(about, path)
    options, where = checkpoint["hyper_parameters"], f"{path}: hyper_parameters"
    hints = option_types(kind)
    for name, value in getattr(kind, "earlier_options", {}).items():
        if name in hints:
            options.setdefault(name, value)
    unknown = sorted(map(str, options.keys() - hints.keys()))
    if unknown:
        raise CheckpointError(
            f"{path}: written by sercl {about.get('version')}, with options that this sercl "
            f"{__version__} does not have: {', '.join(unknown)}. Use that version, or train again."
        )
    if "encoder" not in options:
        raise DamagedCheckpointError(f"{where}: has no 'encoder'.")
    check_values(options, hints, where)
    stored = options.get("encoder_config")
    # Of a user's own class it is not known which options are sizes.
    own = option_types(base).keys() - {"encoder_config"}
    check_sizes(
        {name: value for name, value in options.items() if name in own}, checkpoint["state_dict"], where
    )
    if stored is not None:
        _check_stored_encoder(stored, checkpoint["state_dict"], f"{where}: encoder_config")
    return checkpoint


def option_types(kind: type) -> dict[str, Any]:
    """Return name -> type of a model's options; `**kwargs` of a constructor are those of its base class."""
    found: dict[str, Any] = {}
    for each in kind.__mro__:
        if "__init__" not in vars(each):
            continue
        constructor = vars(each)["__init__"]
        parameters = list(inspect.signature(constructor).parameters.values())[1:]
        hints = get_type_hints(constructor)
        named = (item for item in parameters if item.kind not in (item.VAR_KEYWORD, item.VAR_POSITIONAL))
        found = {item.name: hints.get(item.name, Any) for item in named} | found
        if not any(item.kind is item.VAR_KEYWORD for item in parameters):
            break
    return found


def class_of(about: Mapping[str, Any], base: type, path: str | Path) -> type:
    """Return the class of a checkpoint's model; one that this process has imported is not imported again.

    Args:
        about: Description of the checkpoint.
        base: Class of its task.
        path: The checkpoint, for messages.

    Raises:
        ImportNotAllowedError: For a package that the user does not allow.
        UsageError: If there is no such module or class.
        CheckpointError: For a class of another kind.
    """
    name = about.get("model")
    if name is None:
        return base
    if not isinstance(name, str):
        raise DamagedCheckpointError(
            f"{path}: sercl: 'model' is a {type(name).__name__}, not an import path."
        )
    module, _, own = name.rpartition(".")
    kind = getattr(sys.modules.get(module), own, None)
    if not (isinstance(kind, type) and issubclass(kind, base)):
        kind = _model_class(name, base, path)
    if not issubclass(kind, base):
        raise CheckpointError(f"{path}: its model {name} is not a subclass of {base.__name__}.")
    return kind


def _model_class(name: str, base: type, path: str | Path) -> type:
    try:
        return find_class(name, f"{path}: its model", base)
    except ImportNotAllowedError as error:
        raise ImportNotAllowedError(str(path), error.path) from error
    except UsageError as error:
        raise UsageError(f"{error} Its package must be as it was in training.") from error


def packages_of(adapter: str, family: str) -> dict[str, dict[str, str]]:
    """Return the installed packages that a model needs: group of entry points -> name -> package.

    Args:
        adapter: Its adapters, as in the option.
        family: Family of its encoder.
    """
    used = ((METHODS, [part.partition(":")[0].strip() for part in adapter.split("+")]), (FAMILIES, [family]))
    found = {
        registry.group: {name: str(plugin) for name in names if (plugin := registry.plugin(name))}
        for registry, names in used
    }
    return {group: packages for group, packages in found.items() if packages}


def _check_packages(about: Mapping[str, Any], path: str | Path) -> None:
    """Raise `CheckpointError` if the model needs an adapter or family of a package that is not installed."""
    groups = about.get("packages", {})
    check_values({"packages": groups}, {"packages": dict[str, dict[str, str]]}, f"{path}: sercl")
    kinds = {plugins.ADAPTERS: "adapter", plugins.ENCODERS: "encoder family"}
    for group, needed in groups.items():
        for name, package in needed.items():
            if name not in plugins.names(group):
                raise CheckpointError(
                    f"{path}: its {kinds.get(group, group)} {name!r} is of the package {package}, which is "
                    "not installed here, or no longer adds it. Install that package."
                )


def _check_stored_encoder(stored: Mapping[str, Any], state: Mapping[str, Tensor], where: str) -> None:
    """Refuse an encoder that cannot be built, before building it, or is far larger than the weights."""
    check_types(stored, StoredEncoder, where)
    try:
        config = config_of(stored["model"], where)
        check_size(config, sum(value.nbytes for value in state.values()), where)
    except EncoderError as error:
        raise DamagedCheckpointError(str(error)) from error
    _check_numbers(stored["preprocessor"] or {}, where)


def _check_numbers(settings: Mapping[str, Any], where: str) -> None:
    try:
        check_numbers(settings, where)
    except EncoderError as error:
        raise DamagedCheckpointError(str(error)) from error


def check_format(about: dict[str, Any], where: str = "checkpoint") -> None:
    """Raise `CheckpointError` unless this sercl reads the checkpoint's format."""
    if about.get("format") == FORMAT:
        return
    version = str(about.get("version"))[:80]
    raise CheckpointError(
        f"{where}: format {str(about.get('format'))[:80]} of sercl {version}; this sercl "
        f"{__version__} reads format {FORMAT}. Use sercl {version}, or train again."
    )


def rename_old_keys(about: dict[str, Any]) -> None:
    """Rename, in place, a key that checkpoints of the same format had under another name before."""
    if "heard" in about:
        about.setdefault("seen_speakers", about.pop("heard"))


def check_task(about: dict[str, Any], wanted: str, where: str | Path) -> None:
    """Raise `CheckpointError` unless a checkpoint is of the task `wanted`; the message names its command."""
    task = about.get("task")
    if task != wanted:
        use = f" Use it with {USES[task]}." if task in USES else ""
        raise CheckpointError(f"{where}: this is a {task} checkpoint, not {wanted}.{use}")


def verify(checkpoint: dict[str, Any], encoder: Encoder, description: dict[str, Any]) -> None:
    """Raise `CheckpointError` unless a checkpoint belongs to this task, these classes and this encoder."""
    about = checkpoint.get("sercl")
    if about is None:
        raise CheckpointError("this checkpoint was not written by sercl (it has no 'sercl' entry).")
    check_format(about)
    for key in ("task", "classes"):
        if about[key] != description[key]:
            raise CheckpointError(
                f"the checkpoint's {key} is {about[key]!r}, the model's is {description[key]!r}."
            )
    saved = about["encoder"]
    _verify_settings(saved, encoder)
    if not about["full"] and saved["fingerprint"] != encoder.fingerprint:
        raise CheckpointError(
            f"the checkpoint was trained on encoder {saved['name']!r} with fingerprint "
            f"{saved['fingerprint'][:12]}, but {encoder.name!r} has {encoder.fingerprint[:12]}: its weights "
            "differ, and predictions would be wrong. Give the encoder it was trained on."
        )


def find_encoder(checkpoint: Mapping[str, Any], path: str | Path) -> str:
    """Return the path of a checkpoint's encoder: the original, or inside a folder that was moved with it.

    Args:
        checkpoint: From `read_for`.
        path: The checkpoint's file.
    """
    stored = str(checkpoint["hyper_parameters"]["encoder"])
    name = Path(checkpoint["sercl"]["encoder"]["name"])
    if checkpoint["sercl"]["full"] or not Path(stored).is_absolute() or Path(stored).is_dir():
        return stored
    moved = (folder / name for folder in (Path(), *Path(path).absolute().parents))
    return next((str(each) for each in moved if not name.is_absolute() and each.is_dir()), stored)


def prepare_as_trained(checkpoint: Mapping[str, Any], encoder: Encoder) -> None:
    """Make an encoder prepare waveforms as in training, with a warning if its folder differs."""
    saved = checkpoint["sercl"]["encoder"]
    trained = saved["preprocessing"]
    if saved["family"] == encoder.family and trained != encoder.preprocessing:
        warnings.warn(
            f"encoder {encoder.name!r}: its preprocessor_config.json is missing or not that of the training "
            f"({_changes(trained, encoder.preprocessing)}); audio is prepared as in training.",
            SerclWarning,
            stacklevel=2,
        )
        encoder.use_preprocessing(trained)


@contextmanager
def building_from(path: str | Path, encoder: str | None) -> Iterator[None]:
    """Name the checkpoint in all errors while a model is built from it.

    Args:
        path: The checkpoint.
        encoder: Path of the encoder given by the user, if any: its errors are then passed on.

    Raises:
        CheckpointError: For options and weights that do not give a model.
    """
    try:
        yield
    except (MemoryError, ImportError):
        raise
    except ImportNotAllowedError as error:
        raise ImportNotAllowedError(f"{path}: {error.where}", error.path) from error
    except SerclError as error:
        of_encoder = isinstance(error, EncoderError) or getattr(error, "kind", None) == "encoder"
        if str(path) in str(error) or (of_encoder and encoder is not None):
            raise
        if of_encoder:
            raise EncoderError(f"{path}: {error}") from error
        raise CheckpointError(f"{path}: {error}") from error
    except Exception as error:
        # Each option has the right type, but torch may raise anything for its value.
        reason = " ".join(str(error).split())[:200]
        raise DamagedCheckpointError(
            f"{path}: no model can be built from it ({type(error).__name__}: {reason}). Train again."
        ) from error


def _verify_settings(saved: Mapping[str, Any], encoder: Encoder) -> None:
    """Refuse an encoder with the same weights but different settings."""
    files = {"preprocessing": "preprocessor_config.json", "settings": "config.json"}
    for key, file in files.items():
        trained, now = saved.get(key) or {}, getattr(encoder, key)
        if saved["family"] == encoder.family and (changes := _changes(trained, now)):
            raise CheckpointError(
                f"the checkpoint was trained on encoder {saved['name']!r}, but {encoder.name!r} has another "
                f"{file} ({changes}), and predictions would differ. Restore the file as it was in training."
            )


def _changes(trained: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return the settings that both have and that differ: "normalize: true in training, false now"."""
    return ", ".join(
        f"{name}: {json.dumps(trained[name])[:80]} in training, {json.dumps(now[name])[:80]} now"
        for name in trained
        if name in now and json.dumps(trained[name]) != json.dumps(now[name])
    )


def verify_state(missing: Sequence[str], unexpected: Sequence[str]) -> None:
    """Raise `CheckpointError` for missing or unexpected weights."""
    for what, keys in (("lacks", missing), ("holds unknown", unexpected)):
        if keys:
            raise CheckpointError(
                f"the checkpoint {what} weights: {', '.join(keys[:3])} ({len(keys)} in all)."
            )


def verify_numbers(stored: Mapping[str, Tensor]) -> None:
    """Raise `CheckpointError` for NaN weights, as after a training that diverged."""
    wrong = [name for name, value in stored.items() if value.is_floating_point() and value.isnan().any()]
    if wrong:
        raise CheckpointError(
            f"the checkpoint's {wrong[0]} is not a number (NaN) in places ({len(wrong)} such tensors). Train "
            "again, with a lower learning rate if the training diverged."
        )


def verify_shapes(stored: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Raise `CheckpointError` for weights whose shape or dtype differs from the model's."""
    other = [
        name
        for name, value in stored.items()
        if name in own and value.is_floating_point() != own[name].is_floating_point()
    ]
    if other:
        types = [str(held[other[0]].dtype).removeprefix("torch.") for held in (stored, own)]
        raise CheckpointError(f"the checkpoint's {other[0]} has type {types[0]}, the model's has {types[1]}.")
    wrong = [name for name, value in stored.items() if name in own and value.shape != own[name].shape]
    if wrong:
        was, now = list(stored[wrong[0]].shape), list(own[wrong[0]].shape)
        raise CheckpointError(
            f"the checkpoint's {wrong[0]} has the shape {was}, the model's {now} ({len(wrong)} such in all): "
            "the model was built with other options."
        )
