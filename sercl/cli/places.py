"""Places in a configuration that is kept: absolute, so that a run goes on from any folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILES = ("root", "lists", "test_list", "labels", "encoder", "dir", "cache")
"""Options that may name a file or a folder."""


def with_absolute_places(options: Any, names: tuple[str, ...] = FILES) -> Any:
    """Return a configuration in which files and folders that are there have absolute paths.

    Args:
        options: Plain data; what is no path of something on disk stays as it is.
        names: Options that may name a file or a folder.
    """
    if isinstance(options, Mapping):
        return {
            key: _absolute(value) if key in names else with_absolute_places(value, names)
            for key, value in options.items()
        }
    return [with_absolute_places(item, names) for item in options] if isinstance(options, list) else options


def _absolute(value: Any) -> Any:
    if isinstance(value, list):
        return [_absolute(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _absolute(item) for key, item in value.items()}
    return str(Path(value).expanduser().absolute()) if isinstance(value, str) and _is_there(value) else value


def _is_there(value: str) -> bool:
    try:
        return bool(value) and Path(value).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, or with a null byte: no path
        return False
