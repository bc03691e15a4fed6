"""What jsonargparse takes from a file without a look: nulls, switches, and values in place of a group."""

import argparse
import sys
import types
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any, Union, get_args, get_origin

import jsonargparse
from jsonargparse._parameter_resolvers import get_signature_parameters

from sercl.cli.inert import walk
from sercl.cli.parser_messages import plain_type
from sercl.errors import UsageError


def check_values(parser: jsonargparse.ArgumentParser, config: jsonargparse.Namespace) -> None:
    """Raise `UsageError` for a null, a switch or a group of options that is not what its option takes.

    Args:
        parser: The parser of a command.
        config: What it made of a command line and its files.
    """
    options = {action.dest: action for action in parser._actions}
    for name, action in options.items():
        for group in (each for each in _above(name) if each not in options):
            if group in config and not isinstance(config[group], jsonargparse.Namespace):
                raise UsageError(f"--{group}: {_shown(config[group])} is not valid. Valid: a map of options.")
        value = config.get(name)
        if value is None and action.default not in (None, argparse.SUPPRESS):
            _check_null(name, getattr(action, "_typehint", Any))
        if isinstance(action, argparse._StoreTrueAction) and not isinstance(value, bool | None):
            raise UsageError(f"--{name}: {_shown(value)} is not valid. Valid: true or false.")
    for place, value in walk(config, ""):
        if isinstance(value, Mapping) and "class_path" in value:
            module, _, kind = str(value["class_path"]).rpartition(".")
            _check_arguments(place, getattr(sys.modules.get(module), kind, None), value.get("init_args"))


def _above(option: str) -> Iterator[str]:
    parts = option.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts)))


def _check_arguments(place: str, kind: Any, arguments: Any) -> None:
    """Refuse nulls among the arguments of a class, and of the groups of options that it takes."""
    values = vars(arguments) if isinstance(arguments, jsonargparse.Namespace) else arguments
    if not isinstance(kind, type) or not isinstance(values, Mapping):
        return
    for parameter in get_signature_parameters(kind, "__init__"):
        value, option = values.get(parameter.name, ...), f"{place}.{parameter.name}"
        if value is None and parameter.default is not None:
            _check_null(option, parameter.annotation)
        if is_dataclass(parameter.annotation):
            _check_arguments(option, parameter.annotation, value)


def _check_null(option: str, kind: Any) -> None:
    inner = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    if not isinstance(kind, type) and not {int, float, str, bool} & set(inner):
        return
    if type(None) not in inner:
        valid = " or ".join(plain_type(str(each)) for each in inner)
        raise UsageError(f"--{option}: null is not valid. Valid: {valid}. Leave it out for the default.")


def _shown(value: Any) -> str:
    return "null" if value is None else repr(value)[:80]
