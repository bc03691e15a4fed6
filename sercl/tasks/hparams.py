"""Hyper-parameters as plain data, so that checkpoints load with `weights_only=True`, and back."""

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, TypeVar

Config = TypeVar("Config")


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a constructor as plain data; `values` are its `locals()`."""
    return {name: _plain(value) for name, value in values.items() if name not in ("self", "__class__")}


def revive(kind: type[Config], value: Config | Mapping[str, Any]) -> Config:
    """Build a config from what a checkpoint stores; nested configs validate plain mappings themselves."""
    return kind(**value) if isinstance(value, Mapping) else value


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
