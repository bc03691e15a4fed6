"""Additions by other packages: entry points, found by their metadata and imported when they are used.

A package declares its additions in `pyproject.toml`, below `[project.entry-points."sercl.corpora"]` and the
other groups. Nothing is imported before it is needed, and a broken package does not affect anything else.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from typing import Any, TypeVar

from sercl.errors import PluginError, SerclError, SerclWarning, UsageError

CORPORA, ADAPTERS, ENCODERS, SCORES = GROUPS = (
    "sercl.corpora",
    "sercl.adapters",
    "sercl.encoders",
    "sercl.scores",
)
"""Groups of entry points."""

T = TypeVar("T")
Adopt = Callable[[str, object], T]
"""Builds an entry from a name and the object of its entry point; raises a `SerclError` if it is invalid."""


@dataclass(frozen=True)
class Plugin:
    """One entry point of an installed package.

    Attributes:
        group: One of `GROUPS`.
        name: The name that users write.
        value: Its location: "package.module:attribute".
        package: Name of the package in pip.
        version: Its version.
    """

    group: str
    name: str
    value: str
    package: str
    version: str

    @property
    def module(self) -> str:
        """The top-level module that it is imported from."""
        return self.value.partition(":")[0].partition(".")[0].strip()

    def load(self) -> object:
        """Import it."""
        return EntryPoint(self.name, self.value, self.group).load()

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


@cache
def installed() -> tuple[Plugin, ...]:
    """Return every entry point of sercl's groups, by name; imports nothing."""
    found = (_plugin(point) for point in _points())
    return tuple(sorted(found, key=lambda each: (each.group, each.name, each.package)))


_UNNAMED = "an unnamed package"
_NOT_THEIRS = {"sercl", "lightning", "torch", "transformers"}
"""Modules that an entry point may lead to, and that are not of the package that has it."""


def modules() -> tuple[str, ...]:
    """Return the top-level modules of entry points: users allow them by installing them."""
    found = {plugin.module for plugin in installed()} - _NOT_THEIRS
    return tuple(sorted(name for name in found if name.isidentifier()))


def names(group: str) -> tuple[str, ...]:
    """Return the names that packages, and this process, add to a group; imports nothing."""
    points = (plugin.name for plugin in installed() if plugin.group == group)
    here = (name for registry in _registries if registry.group == group for name in registry.registered)
    return tuple(dict.fromkeys((*points, *here)))


def _points() -> list[EntryPoint]:
    """Return the entry points of all groups; a package with damaged metadata has none, with a warning."""
    try:
        return [point for group in GROUPS for point in entry_points(group=group)]
    except Exception:  # of one package, for all
        points = (point for package in distributions() for point in _points_of(package))
        return [point for point in points if point.group in GROUPS]


def _points_of(package: Distribution) -> Iterable[EntryPoint]:
    try:
        return package.entry_points
    except Exception as error:  # importlib does not check what it reads
        name, _ = _name_of(package)
        warnings.warn(
            f"{name} in {package.locate_file('')}: its entry_points.txt is damaged ({type(error).__name__}: "
            f"{error}), so it adds nothing to sercl. Install it again: pip install --force-reinstall {name}",
            SerclWarning,
            stacklevel=2,
        )
        return ()


def _plugin(point: EntryPoint) -> Plugin:
    package = (_UNNAMED, "") if point.dist is None else _name_of(point.dist)
    return Plugin(point.group, point.name, point.value, *package)


def _name_of(package: Distribution) -> tuple[str, str]:
    """Return name and version of a package, whose metadata may be damaged."""
    try:
        return package.name or _UNNAMED, package.version or ""
    except Exception:  # importlib does not check what it reads
        return _UNNAMED, ""


_RENAME = "Give its entry point another name."


class Registry(Mapping[str, T]):
    """Entries by name: sercl's own, then those registered in this process, then those of installed packages.

    Names are known without importing anything (`names`, `find`, `in`). A look-up imports the package of that
    name, and raises a `PluginError` if it cannot be used; iteration (also `items`, `values`) imports all
    packages of the group, and leaves out unusable ones, with a warning each.

    Args:
        kind: What an entry is, in the singular, for messages: "score".
        group: Group of entry points.
        adopt: Checks the object of an entry point, and builds an entry from it.
        own: sercl's own entries, in their order.
        key: Names with the same key are the same name.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        adopt: Adopt[T],
        own: Mapping[str, T] | None = None,
        key: Callable[[str], str] = str,
    ) -> None:
        self.kind, self.group = kind, group
        self._adopt, self._key = adopt, key
        self._entries: dict[str, T] = dict(own or {})
        self._first = frozenset(self._entries)
        self._loaded: dict[Plugin, T | PluginError] = {}
        self._warned: set[Plugin] = set()
        _registries.append(self)

    def register(self, name: str, thing: object) -> None:
        """Add an entry, for this process, as the object of an entry point is added.

        Raises:
            UsageError: For a name that exists already, or an object that cannot be an entry.
        """
        if name in self:
            raise UsageError(f"{self.kind} {name!r} is registered already; choose another name.")
        try:
            self._entries[name] = self._adopt(name, thing)
        except UsageError as error:
            raise UsageError(f"{self.kind} {name!r}: {error}") from error

    @property
    def registered(self) -> tuple[str, ...]:
        """Names that were registered in this process."""
        return tuple(name for name in self._entries if name not in self._first)

    def names(self) -> list[str]:
        """Return all names, including those of packages that may be unusable; imports nothing."""
        return [
            *self._entries,
            *dict.fromkeys(each.name for each in self._plugins() if not self._own(each.name)),
        ]

    def find(self, name: str) -> str | None:
        """Return the name that `name` is a spelling of, None if unknown; imports nothing."""
        return next((known for known in self.names() if self._key(known) == self._key(name)), None)

    def plugin(self, name: str) -> Plugin | None:
        """Return the entry point of a name, None for sercl's own; imports nothing."""
        return None if self._own(name) else next(iter(self._plugins(name)), None)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(name) is not None

    def __getitem__(self, name: str) -> T:
        plugins = self._plugins(name)
        if own := self._own(name):
            self._warn(plugins)
            return self._entries[own]
        if not plugins:
            raise KeyError(name)
        found = self._outcome(plugins[0])
        if isinstance(found, PluginError):
            raise found
        return found

    def __iter__(self) -> Iterator[str]:
        plugins = self._plugins()
        self._warn(plugins)
        usable = (each.name for each in plugins if not isinstance(self._outcome(each), PluginError))
        return iter([*self._entries, *usable])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _own(self, name: str) -> str | None:
        return next((own for own in self._entries if self._key(own) == self._key(name)), None)

    def _plugins(self, name: str | None = None) -> list[Plugin]:
        """Return the entry points of the group, or those of one name."""
        plugins = (each for each in installed() if each.group == self.group)
        return [each for each in plugins if name is None or self._key(each.name) == self._key(name)]

    def _warn(self, plugins: Iterable[Plugin]) -> None:
        for plugin in plugins:
            found = self._outcome(plugin)
            if isinstance(found, PluginError) and plugin not in self._warned:
                self._warned.add(plugin)
                warnings.warn(str(found), SerclWarning, stacklevel=3)

    def _outcome(self, plugin: Plugin) -> T | PluginError:
        """Return the entry of an entry point, or why it cannot be used."""
        if self._own(plugin.name):
            return self._error(plugin, f"another {self.kind} has this name and is used", _RENAME)
        others = [each for each in self._plugins(plugin.name) if each != plugin]
        if others:
            return self._error(plugin, f"{others[0]} adds one of this name, too", _RENAME)
        if plugin not in self._loaded:
            self._loaded[plugin] = self._error(plugin, "its import asks for itself")  # until it is loaded
            self._loaded[plugin] = self._load(plugin)
        return self._loaded[plugin]

    def _load(self, plugin: Plugin) -> T | PluginError:
        try:
            return self._adopt(plugin.name, plugin.load())
        except Exception as error:  # an import can raise anything
            said = isinstance(error, SerclError)
            found = self._error(plugin, str(error) if said else f"{type(error).__name__}: {error}")
            found.__cause__ = error
            return found

    def _error(self, plugin: Plugin, reason: str, advice: str | None = None) -> PluginError:
        point = f"{plugin.name!r} ({plugin.group}: {plugin.value})"
        return PluginError(self.kind, point, str(plugin), reason, advice)


_registries: list[Registry[Any]] = []


def adopt_named(kind: type[T]) -> Adopt[T]:
    """Return a check that accepts objects of one class whose `name` is that of their entry point."""

    def adopt(name: str, thing: object) -> T:
        if not isinstance(thing, kind):
            raise UsageError(f"it must be of the class {kind.__name__}, but is of {type(thing).__name__}")
        found = getattr(thing, "name", name)
        if found != name:
            raise UsageError(f"its name is {found!r}; give the entry point the same name")
        return thing

    return adopt
