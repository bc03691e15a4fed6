"""Classes that users name by import path, and the packages they may come from. Imports no torch.

A configuration file or a checkpoint may come from anybody, and importing a module runs it: only packages that
the user allows are imported.
"""

import importlib
import inspect
import os
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_origin

from sercl.errors import (
    ImportNotAllowedError,
    SerclError,
    UnknownNameError,
    UsageError,
    near_names,
    plain_name,
)
from sercl.plugins import modules
from sercl.type_hints import fits, hints_of, plain_type

VARIABLE = "SERCL_ALLOW_IMPORTS"
"""Environment variable with packages, separated by commas, for the user's own classes."""

_CLOSED = ("torch.", "lightning.", "sercl.")
"""Packages of which an option takes the classes that it lists."""
_allowed: set[str] = set()


def allow(*packages: str) -> None:
    """Allow classes of further packages or modules, for the rest of the process."""
    _allowed.update(packages)


def allowed_packages() -> tuple[str, ...]:
    """Return the packages and modules that the user allows, including installed additions to sercl."""
    names = (name.strip() for name in os.environ.get(VARIABLE, "").split(","))
    return (*sorted(_allowed), *(name for name in names if name), *modules())


def is_allowed(path: str) -> bool:
    """Return whether an import path lies in a package that the user allows."""
    return any(path == name or path.startswith(f"{name}.") for name in allowed_packages())


def path_of(kind: type) -> str:
    """Return the import path of a class."""
    return f"{kind.__module__}.{kind.__qualname__}"


def find_class(path: str, where: str, base: type = object) -> type:
    """Import a class by its path, of an allowed package only.

    Args:
        path: The import path, such as "mylab.models.Model".
        where: The option or file that names it, for messages.
        base: Only its subclasses are named as valid if there is no such class.

    Raises:
        ImportNotAllowedError: For a package that the user does not allow.
        UsageError: If there is no such module or class.
    """
    module, _, name = path.rpartition(".")
    if not module:
        raise UsageError(
            f"{where}: {path!r} is not an import path. Give package, module and class: mylab.models.{path}."
        )
    if not is_allowed(path):
        raise ImportNotAllowedError(where, path)
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError as error:
        missing = str(error.name)
        if not f"{module}.".startswith(f"{missing}."):
            raise  # of something that the module itself imports
        raise UsageError(
            f"{where} {path}: there is no module {missing!r}. Install its package, or put the folder that "
            "contains it on the path: PYTHONPATH=FOLDER sercl ..."
        ) from None
    if not isinstance(found, type):
        raise _no_class(name, module, base, where)
    return found


def _no_class(name: str, module: str, base: type, where: str) -> UsageError:
    own = f"{module.partition('.')[0]}."
    names = [
        each
        for each, value in vars(sys.modules[module]).items()
        if isinstance(value, type) and f"{value.__module__}.".startswith(own) and issubclass(value, base)
    ]
    near = near_names(name, names)
    guess = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    valid = f" Valid: {', '.join(names)}." if names else f" It has no subclass of {base.__name__}."
    return UsageError(f"{where}: there is no class {name!r} in {module}.{guess}{valid}")


def spelled(name: str, named: Iterable[str]) -> str:
    """Return the name that `name` stands for: in any case and punctuation, or the last part of a path.

    Args:
        name: A short name or an import path, which is returned unchanged.
        named: Valid short names and import paths: "adam" and "torch.optim.Adam".
    """
    if "." in name:
        return name
    shortest_last = sorted(named, key=lambda each: "." not in each)
    known = {plain_name(each.rpartition(".")[2]): each for each in shortest_last}
    return known.get(plain_name(name), name)


@dataclass(frozen=True)
class ClassSpec:
    """A class and arguments of its constructor, as given in an option.

    Attributes:
        name: A short name or import path.
        arguments: Arguments by name, plain data.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any, option: str, named: Iterable[str] = ()) -> "ClassSpec":
        """Read the value of an option: a name, or a map with class_path and init_args.

        Args:
            value: The value.
            option: The option, for messages.
            named: Names that are accepted as `spelled` says.

        Raises:
            UsageError: For anything else.
        """
        if isinstance(value, str):
            return cls(spelled(value, named))
        content = dict(value) if isinstance(value, Mapping) else {}
        name, arguments = content.pop("class_path", None), content.pop("init_args", None) or {}
        if not isinstance(name, str) or not isinstance(arguments, Mapping):
            raise UsageError(
                f"--{option}: {str(value)[:80]!r} is not valid. Valid: a name, or "
                "{class_path: NAME, init_args: {...}}."
            )
        return cls(
            spelled(name, named), {**arguments, **content}
        )  # `--model.head.x 3` puts x beside class_path

    def find(self, named: Mapping[str, Any], option: str, base: type = object) -> Any:
        """Return the class, or what else a short name stands for.

        Args:
            named: Names that need no import.
            option: The option, for messages.
            base: The class of which one of the user's must be a subclass.

        Raises:
            UnknownNameError: For a name that is none of them, and no import path.
            ImportNotAllowedError: For a package that the user does not allow.
            UsageError: As `find_class`, and for a class that is no subclass of `base`.
        """
        if self.name in named:
            return named[self.name]
        if "." not in self.name:
            short = list(dict.fromkeys(spelled(name.rpartition(".")[2], named) for name in named))
            short = [name.rpartition(".")[2] for name in short]
            raise UnknownNameError(option.rpartition(".")[2], self.name, [*short, "an import path"])
        if self.name.startswith(_CLOSED) and not is_allowed(self.name):
            raise UnknownNameError(f"--{option} class", self.name, named)
        found = find_class(self.name, f"--{option}", base)
        if not issubclass(found, base):
            raise UsageError(f"--{option} {self.name}: is not a subclass of {path_of(base)}.")
        return found

    def build(self, kind: Any, option: str, leading: Mapping[str, Any]) -> Any:
        """Call a class with the values of `leading` and the arguments.

        Args:
            kind: The class or function.
            option: The option, for messages.
            leading: What each value is, in words -> the value.

        Raises:
            UsageError: As `check`, and if the class refuses the arguments.
        """
        self.check(kind, option, leading)
        try:
            return kind(*leading.values(), **self.arguments)
        except SerclError:
            raise
        except Exception as error:  # a class of the user's may raise anything
            raise UsageError(f"--{option} {self.name}: {type(error).__name__}: {error}") from error

    def check(
        self, kind: Any, option: str, leading: Collection[str] = (), filled: Collection[str] = ()
    ) -> None:
        """Raise unless a class or function accepts the arguments, and lacks none.

        Args:
            kind: The class or function.
            option: The option, for messages.
            leading: What sercl calls it with by position, in words.
            filled: Names of the arguments that sercl fills in.

        Raises:
            UnknownNameError: For an argument that it does not have.
            UsageError: If one without a default is missing, or has a value of another type.
        """
        parameters = inspect.signature(kind).parameters
        own = [*self._positional(parameters, option, leading), *filled]
        valid = {
            name: each
            for name, each in parameters.items()
            if name not in own and each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        }
        takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
        for name in self.arguments if not takes_any else ():
            if name not in valid:
                raise UnknownNameError(f"argument of --{option} {self.name}", name, valid)
        lacking = [
            name for name, each in valid.items() if each.default is each.empty and name not in self.arguments
        ]
        if lacking:
            raise UsageError(f"--{option} {self.name}: missing: {', '.join(lacking)} (under init_args).")
        self._check_types(kind, option)

    def _positional(
        self, parameters: Mapping[str, inspect.Parameter], option: str, leading: Collection[str]
    ) -> list[str]:
        """Return the names of the arguments that `leading` fills."""
        kinds = [each.kind for each in parameters.values()]
        takes = [
            name
            for name, each in parameters.items()
            if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        ]
        if len(takes) < len(leading) and inspect.Parameter.VAR_POSITIONAL not in kinds:
            raise UsageError(
                f"--{option} {self.name}: is called with {' and '.join(leading)}, but takes "
                f"{', '.join(takes) or 'nothing'}."
            )
        return takes[: len(leading)]

    def _check_types(self, kind: Any, option: str) -> None:
        hints = hints_of(kind)
        for name, value in self.arguments.items():
            if name in hints and not fits(value, hints[name]):
                container = get_origin(hints[name])
                hint = container if container in (tuple, list, dict) else hints[name]
                raise UsageError(
                    f"--{option}.init_args.{name}: {str(value)!r:.80} is not valid. Valid: "
                    f"{plain_type(str(hint))}."
                )
