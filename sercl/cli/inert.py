"""Restrict configuration files: they may not run commands, create arbitrary classes, or write elsewhere.

A configuration file may come from anybody. Options that become commands or reach other machines are accepted
on the command line only; an option that takes a class accepts only the classes it is meant for; and
everything that a class writes is inside the run's folder.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from inspect import isclass, isroutine
from pathlib import Path
from typing import Any

from sercl.errors import UsageError
from sercl.files import at_home, exists, is_dir, is_temporary

COMMAND_LINE_ONLY = ("out", "resume", "overwrite", "config")
"""Options that no file may set: the output folder, whether to replace it, and further files."""

DATA_MODULES = ("sercl.data.datamodules", None)
ALLOWED: Mapping[str, tuple[str, tuple[str, ...] | None]] = {
    "data": DATA_MODULES,
    "data.source": DATA_MODULES,
    "data.target": DATA_MODULES,
    "data.corpora": DATA_MODULES,
    "study.corpora.*": DATA_MODULES,
    "trainer.logger": ("lightning.pytorch.loggers", ("CSVLogger", "TensorBoardLogger")),
    "trainer.callbacks": (
        "lightning.pytorch.callbacks",
        (
            "DeviceStatsMonitor",
            "EarlyStopping",
            "GradientAccumulationScheduler",
            "LearningRateMonitor",
            "ModelCheckpoint",
            "ModelSummary",
            "RichModelSummary",
            "StochasticWeightAveraging",
            "Timer",
        ),
    ),
    "trainer.profiler": (
        "lightning.pytorch.profilers",
        ("AdvancedProfiler", "PassThroughProfiler", "PyTorchProfiler", "SimpleProfiler"),
    ),
    "trainer.strategy": (
        "lightning.pytorch.strategies",
        ("DDPStrategy", "SingleDeviceStrategy"),
    ),
}
"""Option -> package and names of the classes that it accepts; None for all of the package."""

PACKAGES = ("sercl", *(package for package, _ in ALLOWED.values() if package.startswith("lightning.")))
"""Packages whose modules may be imported to find a class; `check_inert` restricts their use."""

_PART = re.compile(
    r"(model|study\.encoders\.[^.]+|study\.overrides\.model)\."
    r"(head|pooling|loss|context|optimizer\.(algorithm|schedule))"
)
"""Options that take a part of a model, whose class `sercl.imports` finds when the part is built."""

_JOINED = re.compile(r"^(data|data\.source|data\.target|study\.corpora\.[^.]+)(\.corpora(\.[^.]+)?)+$")
"""Corpora that are used as one, in a list or a map, wherever one corpus is accepted."""

_OUTPUT_OPTIONS = {
    "save_dir",
    "root_dir",
    "dirpath",
    "filename",
    "name",
    "version",
    "sub_dir",
    "prefix",
    "filename_suffix",
}
"""Arguments of loggers, callbacks and profilers that become part of a path."""

_UNUSED = {
    "trainer.default_root_dir": "a run writes below --out",
    "trainer.model_registry": "checkpoints are never sent elsewhere",
    "checkpoint.dirpath": "checkpoints are in the folder of --out",
}
_FILE_NAMES = ("checkpoint.filename", "trainer.callbacks.filename")
_METRIC = re.compile(r"\{[\w/]+(:[.\d]{0,4}[defg]?)?\}")
_LONGEST_NAME = 100
_CACHED = re.compile(r"[0-9a-f]{32}(\.\w+)?|scans-.*\.sqlite")
_HUB_CACHE = "~/.cache/sercl/hub"


def check_file(options: Any, source: str) -> None:
    """Raise `UsageError` if a file sets an option that only the command line may set.

    Args:
        options: Options set by the file.
        source: The file, for the message.
    """
    for name in COMMAND_LINE_ONLY:
        if options.get(name):
            raise UsageError(
                f"{source}: sets {name!r}, which is accepted on the command line only: --{name}."
            )


def check_inert(config: Any, own: tuple[str, ...] = ()) -> None:
    """Raise `UsageError` for a class that an option does not accept, and for a path outside the run's folder.

    Args:
        config: A parsed configuration.
        own: Packages that the user allows.
    """
    for option, value in walk(config, ""):
        if isinstance(value, Mapping) and "class_path" in value:
            check_class(option, str(value["class_path"]), own)
            _check_named(option, value, own)
        elif (isroutine(value) or isclass(value)) and not _is_own(_import_path(value), own):
            raise UsageError(f"--{option}: does not accept a function.")
        elif option in _UNUSED and value is not None:
            raise UsageError(f"--{option}: has no effect, since {_UNUSED[option]}. Leave it out.")
        elif option in _FILE_NAMES and value is not None:
            check_file_name(value, f"--{option}")
        elif option.startswith("trainer.") and option.rpartition(".")[2] in _OUTPUT_OPTIONS:
            check_below(value, f"--{option}")


def check_cache_folders(config: Any, words: Iterable[str]) -> None:
    """Raise `UsageError` for a cache that a file sets to a folder with other contents.

    Args:
        config: A parsed configuration.
        words: The command line, whose options are the user's own choice.
    """
    given = {word.partition("=")[0] for word in words}
    for key, value in walk(config, ""):
        is_cache = key == "features.dir" or (key.endswith(".cache") and value != _HUB_CACHE)
        option = f"--{re.sub(r'^study[.].*', 'data.cache', key)}"
        if is_cache and isinstance(value, str) and option not in given and not _is_cache(value):
            raise UsageError(
                f"{option} {value}: is set in a configuration file, but contains files that sercl did "
                f"not write. To write there anyway, give {option} on the command line."
            )


def _is_cache(value: str) -> bool:
    """Whether a folder is new, empty, or contains only such files of sercl."""
    folder = at_home(value)
    if not is_dir(folder):
        return not exists(folder)
    names = [path.name for path in folder.iterdir() if not is_temporary(path)]
    return not names or any(_CACHED.fullmatch(name) for name in names)


def check_below(value: Any, option: str) -> None:
    """Raise `UsageError` unless a value, as a path, stays below the folder that it is joined to."""
    if value is None or isinstance(value, int):
        return
    path = Path(str(value))
    if path.is_absolute() or ".." in path.parts or re.search(r"[\x00-\x1f$~\\]|://", str(value)):
        raise UsageError(
            f"{option}: {str(value)[:80]!r} is not below the run's folder (--out). Give a relative path."
        )
    if any(len(part.encode(errors="replace")) > 2 * _LONGEST_NAME for part in path.parts):
        raise UsageError(f"{option}: {str(value)[:40]!r}... is too long for a file name.")


def check_file_name(value: Any, option: str = "--checkpoint.filename") -> None:
    """Raise `UsageError` unless a value is the name of a file, with the numbers that Lightning fills in."""
    fixed = _METRIC.sub("", str(value))
    if (not fixed.strip(". ") and not _METRIC.search(str(value))) or re.search(r"[/\\\x00-\x1f{}$~:]", fixed):
        raise UsageError(
            f"{option}: {str(value)[:80]!r} is not a file name. Valid are names such as best, "
            "or {epoch}-{val/uar:.3f}."
        )
    if len(str(value).encode(errors="replace")) > _LONGEST_NAME:
        raise UsageError(f"{option}: at most {_LONGEST_NAME} bytes.")


def check_class(option: str, path: str, own: tuple[str, ...]) -> None:
    """Raise `UsageError` for a class that an option does not take.

    Args:
        option: The option, without dashes.
        path: Import path of the class.
        own: Packages that the user allows.
    """
    if _PART.fullmatch(option):
        return
    own_option = re.sub(r"^(study\.corpora)\.[^.]+$", r"\1.*", _JOINED.sub(r"\1", option))
    package, names = ALLOWED.get(own_option, ("", ()))
    inside = bool(package) and path.startswith(f"{package}.")
    is_meant = inside and (names is None or path.rpartition(".")[2] in names)
    if is_meant or _is_options(path) or _is_own(path, own):
        return
    valid = ", ".join(names) if names else "a corpus" if package else "no class"
    raise UsageError(
        f"--{option}: {path!r} is not a class that this option takes (valid: {valid}). If you trust whoever "
        f"wrote it: SERCL_ALLOW_IMPORTS={path} sercl ..."
    )


def _check_named(option: str, value: Mapping[str, Any], own: tuple[str, ...]) -> None:
    """Raise if a class is given arguments that are not in its signature and cannot be checked."""
    extra = value.get("dict_kwargs")
    if extra and not _is_own(str(value["class_path"]), own):
        names = ", ".join(map(str, vars(extra) if not isinstance(extra, Mapping) else extra))
        raise UsageError(f"--{option}: takes no dict_kwargs ({names[:80]}). Give arguments under init_args.")


def _is_options(path: str) -> bool:
    """Whether a class is one of sercl's groups of options: plain values, checked and nothing else."""
    module, _, name = path.rpartition(".")
    kind = getattr(sys.modules.get(module), name, None) if module.startswith("sercl.") else None
    return is_dataclass(kind) and kind.__dataclass_params__.frozen  # type: ignore[attr-defined, union-attr]


def _import_path(value: Any) -> str:
    return f"{value.__module__}.{getattr(value, '__qualname__', '')}"


def _is_own(path: str, own: tuple[str, ...]) -> bool:
    return any(path == name or path.startswith(f"{name}.") for name in own)


def walk(value: Any, option: str) -> Iterator[tuple[str, Any]]:
    """Yield option and value of everything in a configuration, without the levels that classes add."""
    value = vars(value) if type(value).__name__ == "Namespace" else value
    if option:
        yield option, value
    if isinstance(value, Mapping):
        for key, inner in value.items():
            name = (
                option if key in ("init_args", "dict_kwargs") else f"{option}.{key}" if option else str(key)
            )
            yield from walk(inner, name)
    elif isinstance(value, list | tuple | set):
        for inner in value:
            yield from walk(inner, option)
