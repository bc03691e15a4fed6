"""Which options and class names a parser accepts, for messages that name the near ones."""

import dataclasses
import inspect
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any, get_args


def option_names(parser: ArgumentParser, key: str = "", class_path: str = "") -> list[str]:
    """Return the long options of a parser, with those of a class that was chosen for an option.

    Args:
        parser: The parser.
        key: Option that takes a class, without dashes ("data").
        class_path: The class chosen for it.
    """
    names = [name for name in parser._option_string_actions if name.startswith("--")]
    chosen = _loaded(class_path)
    return names + [f"--{key}.{name}" for name in (parameters(chosen) if chosen else ())]


def class_names(parser: ArgumentParser, key: str) -> list[str]:
    """Return the short names of the classes that an option takes, those that are imported and public."""
    for action in parser._actions:
        if action.dest == key:
            bases = [kind for kind in _flat(getattr(action, "_typehint", None)) if inspect.isclass(kind)]
            return sorted({name for base in bases for name in _concrete(base)})
    return []


def _flat(hint: Any) -> Iterator[Any]:
    arguments = get_args(hint)
    if not arguments:
        yield hint
    for argument in arguments:
        yield from _flat(argument)


def _concrete(base: Any) -> Iterator[str]:
    if base in (type(None), str, int, float, bool):
        return
    if not inspect.isabstract(base) and not base.__name__.startswith("_"):
        yield base.__name__
    for child in base.__subclasses__():
        yield from _concrete(child)


def _loaded(class_path: str) -> Any:
    module, _, name = class_path.rpartition(".")
    return getattr(sys.modules.get(module), name, None)


def parameters(kind: Any) -> Iterator[str]:
    """Yield the names of a class's parameters, with those of option dataclasses behind a dot."""
    for name, parameter in inspect.signature(kind).parameters.items():
        yield name
        for part in _flat(parameter.annotation):
            if dataclasses.is_dataclass(part):
                yield from (f"{name}.{field.name}" for field in dataclasses.fields(part))
