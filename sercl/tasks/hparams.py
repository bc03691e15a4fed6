"""Hyper-parameters as plain data, so that checkpoints load with `weights_only=True`, and back."""

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, TypeVar

from sercl.errors import CheckpointError

Config = TypeVar("Config")


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a constructor as plain data; `values` are its `locals()`."""
    return {name: _plain(value) for name, value in values.items() if name not in ("self", "__class__")}


def revive(kind: type[Config], value: Config | Mapping[str, Any]) -> Config:
    """Build a config from what a checkpoint stores; nested configs validate plain mappings themselves.

    Raises:
        CheckpointError: For an option that the config does not have.
    """
    if not isinstance(value, Mapping):
        return value
    try:
        return kind(**value)
    except TypeError as error:
        raise CheckpointError(
            f"the checkpoint has an option that this sercl does not have ({error}). Use the version of sercl "
            "that wrote it, or train again."
        ) from error


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
