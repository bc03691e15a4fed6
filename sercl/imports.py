"""Classes that users name by import path, and the packages they may come from. Imports no torch.

A configuration file or a checkpoint may come from anybody, and importing a module runs it: only packages that
the user allows are imported.
"""

import importlib
import inspect
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sercl.errors import ImportNotAllowedError, SerclError, UnknownNameError, UsageError, near_names
from sercl.plugins import modules

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
    own = (each for each in vars(sys.modules[module]).values() if isinstance(each, type))
    names = [each.__name__ for each in own if each.__module__ == module and issubclass(each, base)]
    near = near_names(name, names)
    guess = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    valid = f" Valid: {', '.join(names)}." if names else f" It has no subclass of {base.__name__}."
    return UsageError(f"{where}: there is no class {name!r} in {module}.{guess}{valid}")


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
    def of(cls, value: Any, option: str) -> "ClassSpec":
        """Read the value of an option: a name, or a map with class_path and init_args.

        Raises:
            UsageError: For anything else.
        """
        if isinstance(value, str):
            return cls(value)
        content = dict(value) if isinstance(value, Mapping) else {}
        name, arguments = content.pop("class_path", None), content.pop("init_args", None) or {}
        if not isinstance(name, str) or not isinstance(arguments, Mapping):
            raise UsageError(
                f"--{option}: {str(value)[:80]!r} is not valid. Valid: a name, or "
                "{class_path: NAME, init_args: {...}}."
            )
        return cls(name, {**arguments, **content})  # `--model.head.x 3` puts x beside class_path

    def find(self, named: Mapping[str, Any], option: str) -> Any:
        """Return the class, or what else a short name stands for.

        Args:
            named: Names that need no import.
            option: The option, for messages.

        Raises:
            UnknownNameError: For a name that is none of them, and no import path.
            ImportNotAllowedError: For a package that the user does not allow.
            UsageError: If there is no such module or class.
        """
        if self.name in named:
            return named[self.name]
        if "." not in self.name:
            short = [name for name in named if "." not in name]
            raise UnknownNameError(option.rpartition(".")[2], self.name, [*short, "an import path"])
        if self.name.startswith(_CLOSED) and not is_allowed(self.name):
            raise UnknownNameError(f"--{option} class", self.name, named)
        return find_class(self.name, f"--{option}")

    def build(self, kind: Any, option: str, *leading: Any) -> Any:
        """Call a class with `leading` and the arguments.

        Raises:
            UsageError: As `check`, and if the class refuses the arguments.
        """
        self.check(kind, option, len(leading))
        try:
            return kind(*leading, **self.arguments)
        except SerclError:
            raise
        except Exception as error:  # a class of the user's may raise anything
            raise UsageError(f"--{option} {self.name}: {type(error).__name__}: {error}") from error

    def check(self, kind: Any, option: str, filled: Iterable[str] | int = ()) -> None:
        """Raise unless a class or function accepts the arguments, and lacks none.

        Args:
            kind: The class or function.
            option: The option, for messages.
            filled: Names of the arguments that sercl fills in, or the number of leading ones.

        Raises:
            UnknownNameError: For an argument that it does not have.
            UsageError: If one without a default is missing.
        """
        parameters = inspect.signature(kind).parameters
        own = list(parameters)[:filled] if isinstance(filled, int) else list(filled)
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
