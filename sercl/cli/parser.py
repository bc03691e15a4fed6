"""The parser of every command: wrong usage raises one `UsageError` instead of printing usage and exiting."""

import argparse
import re
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from types import EllipsisType
from typing import Any, NoReturn, Union, get_args, get_origin

import jsonargparse
import yaml
from jsonargparse import _actions, _common, _loaders_dumpers, _typehints
from jsonargparse._namespace import meta_keys
from jsonargparse._parameter_resolvers import get_signature_parameters

from sercl.cli.console import stdout
from sercl.cli.help_format import HelpFormatter, styled
from sercl.cli.inert import PACKAGES, check_cache_folders, check_file, check_inert, walk
from sercl.cli.lightning_options import without_nulls
from sercl.cli.model_class import flat_content, flattened, with_class
from sercl.cli.option_table import PART, canonical, check_repeats, kinds_of
from sercl.cli.parser_messages import concrete, usage_error
from sercl.cli.precheck import check_config_file
from sercl.documents import LimitError, SafeLoader, parse_yaml
from sercl.errors import SerclError, UsageError, causes, same_name
from sercl.imports import VARIABLE, allow, allowed_packages
from sercl.type_hints import plain_type


def check_values(parser: jsonargparse.ArgumentParser, config: jsonargparse.Namespace) -> None:
    """Raise `UsageError` for a null, switch or group of options with an invalid value.

    Args:
        parser: The parser of a command.
        config: The parsed command line and its files.
    """
    options = {action.dest: action for action in parser._actions}
    for name, action in options.items():
        for group in (each for each in _above(name) if _is_group(options.get(each))):
            if group in config and not isinstance(config[group], jsonargparse.Namespace):
                raise _no_group(group, config[group])
        _check_plain(name, action, config.get(name))
    for option, value in walk(config, ""):
        if isinstance(value, Mapping) and "class_path" in value:
            module, _, kind = str(value["class_path"]).rpartition(".")
            _check_arguments(option, getattr(sys.modules.get(module), kind, None), value.get("init_args"))


def _check_plain(name: str, action: argparse.Action, value: Any) -> None:
    if value is None and action.default not in (None, argparse.SUPPRESS):
        _check_null(name, getattr(action, "_typehint", Any))
    if isinstance(action, argparse._StoreTrueAction) and not isinstance(value, bool | None):
        raise UsageError(f"--{name}: {_shown(value)} is not valid. Valid: true or false.")
    if type(action) is argparse._StoreAction and action.type is None and value != action.default:
        _check_words(name, value, action.nargs not in (None, "?"))


def _check_words(option: str, value: Any, several: bool) -> None:
    """Refuse what only a file can give to an option that takes words of the command line."""
    words = value if several and isinstance(value, list) else [value]
    if not all(isinstance(word, str) for word in words) or (several and words is not value):
        valid = "a list of texts" if several else "a text"
        raise UsageError(f"--{option}: {_shown(value)} is not valid. Valid: {valid}.")


def _is_group(action: argparse.Action | None) -> bool:
    return action is None or isinstance(action, _actions._ActionConfigLoad)


def _no_group(option: str, value: Any) -> UsageError:
    return UsageError(f"--{option}: {_shown(value)} is not valid. Valid: a map of options.")


def _above(option: str) -> Iterator[str]:
    parts = option.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts)))


def _check_arguments(group: str, kind: Any, arguments: Any) -> None:
    """Refuse nulls among the arguments of a class, and of its groups of options."""
    values = vars(arguments) if isinstance(arguments, jsonargparse.Namespace) else arguments
    if not isinstance(kind, type) or not isinstance(values, Mapping):
        return
    for parameter in get_signature_parameters(kind, "__init__"):
        value, option = values.get(parameter.name, ...), f"{group}.{parameter.name}"
        if value is None and parameter.default is not None:
            _check_null(option, parameter.annotation)
        if is_dataclass(parameter.annotation):
            if not isinstance(value, Mapping | jsonargparse.Namespace | parameter.annotation | EllipsisType):
                raise _no_group(option, value)
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


def help_of(kind: Any) -> dict[str, str]:
    """Return option -> its text in the docstring of a class or function."""
    name = "__init__" if isinstance(kind, type) else None
    return {each.name: str(each.doc) for each in get_signature_parameters(kind, name)}


_UNIONS = (Union, types.UnionType)
_CONTAINERS = (list, tuple, dict, set)


def int_first(hint: Any) -> Any:
    """Return a type in which int comes before float in every union, so that `1` is read as an int.

    Parsers try the members of a union in order, and the order in `Optional[Union[int, float]]` is that of
    whichever module was imported first: typing caches only one of several equal unions.

    Args:
        hint: A type, or a type hint.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin not in (*_UNIONS, *_CONTAINERS):
        return hint
    inner = [int_first(argument) for argument in arguments]
    if origin in _UNIONS and {int, float} <= set(inner):
        first, second = sorted((inner.index(int), inner.index(float)))
        inner[first], inner[second] = int, float
    if all(new is old for new, old in zip(inner, arguments, strict=True)):
        return hint
    # typing preserves the order of a tuple.
    return Union[tuple(inner)] if origin in _UNIONS else origin[tuple(inner)]  # noqa: UP007


class ConfigLoader(SafeLoader):
    """Loads configurations: the keys in which jsonargparse keeps notes of its own are not options."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
        """Build a map without such keys."""
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in meta_keys:
                raise LimitError(f"the key {key.value!r} is not an option", key)
        return super().construct_mapping(node, deep)


_class_path = _typehints.resolve_class_path_by_name


def class_path_of(kind: Any, name: str) -> str:
    """Return the path of a subclass by its short name, in any case and punctuation: `emo-db` is EmoDB.

    Args:
        kind: A class, or several.
        name: A short name, or a path, which is returned unchanged.
    """
    if "." not in name:
        bases = kind if isinstance(kind, tuple) else (kind,)
        name = same_name(name, {known for base in bases for known in concrete(base)}) or name
    return str(_class_path(kind, name))


# Its only place for short names: on the command line, in files, and after `--data.help`.
_typehints.resolve_class_path_by_name = class_path_of  # type: ignore[assignment]

# All YAML that jsonargparse loads, of files and of values; its public setter skips some values.
_loaders_dumpers.yaml_default_loader = ConfigLoader  # type: ignore[assignment]
_IMPORT_DENIED = _common.ImportDenied
_UNFIT = r"^(Parser key|Does not validate against|Importing '\S+' is not allowed)"
"""Prefixes of jsonargparse's messages about a value of the wrong type."""


class SerclParser(jsonargparse.ArgumentParser):
    """A jsonargparse parser that raises `UsageError`, and accepts no abbreviated options.

    Put it first among the bases to give another jsonargparse parser the same behaviour.
    """

    left_out: frozenset[str] = frozenset()
    """Groups of a run's config.yaml that mean nothing to this command: its checkpoint contains the model."""

    model_path: str | None = None
    """Import path of the model's class, if it is not sercl's own."""

    def __init__(self, *args: Any, allow_abbrev: bool = False, **kwargs: Any) -> None:
        kwargs = {"formatter_class": HelpFormatter, **kwargs}
        super().__init__(*args, allow_abbrev=allow_abbrev, **kwargs)

    def print_help(self, file: Any = None) -> None:
        """Print every option in the form of the short pages."""
        if file is None:
            stdout.print(styled(self.format_help()), soft_wrap=True)
        else:
            super().print_help(file)

    # jsonargparse also gives argument groups this method.
    def add_argument(self, *args: Any, **kwargs: Any) -> Any:
        """Add an argument; for int or float, a whole number is an int: `1` batch, `1.0` of all."""
        if "type" in kwargs:
            kwargs["type"] = int_first(kwargs["type"])
        if hasattr(kwargs.get("action"), "_typehint"):  # of a parameter of a class
            kwargs["action"]._typehint = int_first(kwargs["action"]._typehint)
        return super().add_argument(*args, **kwargs)

    @property
    def _is_outer(self) -> bool:
        """Whether this is a command's parser, not one that jsonargparse makes for a class."""
        return bool(self.exit_on_error)

    def parse_args(self, *args: Any, **kwargs: Any) -> Any:
        """Parse a command line; files cannot run anything."""
        if self._is_outer:
            given = args[0] if args else kwargs.pop("args", None)
            args = (self._checked(sys.argv[1:] if given is None else given), *args[1:])
        try:
            config = super().parse_args(*args, **kwargs)
        except _IMPORT_DENIED as error:
            raise usage_error(str(error), self) from error
        if self._is_outer:
            _nest_arguments(self, config)
            check_values(self, config)
            check_inert(config, allowed_packages())
            check_cache_folders(config, self.args)
        return config

    def _checked(self, words: Iterable[Any]) -> list[str]:
        kinds = kinds_of(self)
        spelt = canonical(flattened([str(word) for word in words]), kinds)
        check_repeats(spelt, kinds)
        return spelt

    def parse_path(self, cfg_path: Any, *args: Any, **kwargs: Any) -> Any:
        """Parse a configuration file, valid YAML within the limits."""
        check_config_file(Path(cfg_path))
        return super().parse_path(cfg_path, *args, **kwargs)

    def parse_string(self, *args: Any, **kwargs: Any) -> Any:
        """Parse a configuration (also that of a file), which may not set command-line-only options."""
        content = args[0] if args else kwargs.pop("content")
        options = super().parse_string(_prepared(content, self.left_out), *args[1:], **kwargs)
        check_file(options, str(kwargs.get("path") or "--config"))
        return options

    def dump(self, *args: Any, **kwargs: Any) -> str:
        """Return a configuration as text that `--config` takes, with a class of the user's."""
        text = str(super().dump(*args, **kwargs))
        return text if self.model_path is None else with_class(text, self.model_path)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise a `UsageError` with one message that names the option, valid values and the next step."""
        if not self._is_outer:
            super().error(message, ex)
        raise _own(ex) or usage_error(message, self) from ex

    def instantiate(self, *args: Any, **kwargs: Any) -> Any:
        """Build the objects; an error of sercl in a constructor is raised unchanged."""
        for config in (*args, *kwargs.values()):
            if self._is_outer and isinstance(config, jsonargparse.Namespace):
                check_inert(config, allowed_packages())
        try:
            return super().instantiate(*args, **kwargs)
        except (ValueError, TypeError) as error:
            if _own(error) is None and re.search(_UNFIT, str(error)):
                raise usage_error(str(error), self) from error
            raise _own(error) or error from None

    def instantiate_classes(self, *args: Any, **kwargs: Any) -> Any:
        """Alias of `instantiate`: Lightning uses the former name, which warns."""
        return self.instantiate(*args, **kwargs)


def _nest_arguments(parser: SerclParser, config: jsonargparse.Namespace) -> None:
    """Write the arguments of parts of the model below `init_args`, wherever they were given."""
    for option, kind in kinds_of(parser).items():
        value = config.get(option.lstrip("-").replace("-", "_")) if kind == PART else None
        if isinstance(value, dict) and isinstance(value.get("class_path"), str):
            inner = value.pop("init_args", None) or {}
            rest = {name: value.pop(name) for name in list(value) if name != "class_path"}
            if inner or rest:
                value["init_args"] = {**inner, **rest} if isinstance(inner, dict) else inner


def _prepared(text: str, groups: frozenset[str]) -> str:
    """Return a configuration without some groups, and with the options of the model directly below it."""
    content = parse_yaml(text)
    if not isinstance(content, dict):
        return text
    flat = flat_content(content)
    kept = {name: value for name, value in without_nulls(flat).items() if name not in groups}
    if flat is content and len(kept) == len(content):
        return text
    return yaml.safe_dump(kept, sort_keys=False)  # the order of classes and patterns counts


def restrict_imports(extra: Iterable[str] = ()) -> None:
    """Restrict imports by option values and YAML files to classes that options accept, for the whole process.

    Packages that add something to sercl are allowed: the user has installed them for it.

    Args:
        extra: Further packages or modules.

    Raises:
        UsageError: For a name in `extra` or in the variable `SERCL_ALLOW_IMPORTS` that is not an import path.
    """
    allow(*extra)
    named = allowed_packages()
    try:
        jsonargparse.set_parsing_settings(
            import_path_denylist=["*"], import_path_allowlist=[*PACKAGES, *named]
        )
    except ValueError as error:
        raise UsageError(
            f"{VARIABLE}={','.join(named)}: {error} Valid: package names, separated by commas."
        ) from error


def _own(error: BaseException | None) -> SerclError | None:
    """Return the error of sercl that jsonargparse wrapped, if any."""
    return next((each for each in causes(error) if isinstance(each, SerclError)), None)
