"""The class of the model that a command trains, chosen before the parser is built.

So the options, messages and help of a user's class look like sercl's own: `--model.width 3`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sercl.documents import parse_yaml, read_yaml
from sercl.errors import DocumentError, UnknownNameError, UsageError
from sercl.imports import find_class, path_of

MODEL, CLASS_PATH, INIT_ARGS = "--model", "class_path", "init_args"


def model_named(words: Sequence[str]) -> str | None:
    """Return the class that a command line or one of its files names; None if they name none.

    Args:
        words: Arguments of the command.
    """
    return named_on_line(words) or next((name for name in map(_in_file, _files(words)) if name), None)


def named_on_line(words: Sequence[str]) -> str | None:
    """Return the class that a command line itself names."""
    for name, value in _options(words):
        if name == f"{MODEL}.{CLASS_PATH}":
            return value
        if name == MODEL and value is not None:
            if not _is_config(value):
                return value
            if found := _split(_parsed(value))[0]:
                return found
    return None


def flattened(words: Sequence[str]) -> list[str]:
    """Return the arguments without the class, and its options as `--model.NAME`."""
    found: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        name, sign, value = word.partition("=")
        if name == f"{MODEL}.{CLASS_PATH}" or (name == MODEL and (sign or queue)):
            value = value if sign else queue.pop(0) if queue else ""
            if name == MODEL and _is_config(value):
                class_path, options = _split(_parsed(value))
                found += [MODEL, _in_line(options) if class_path else value]
            continue
        found.append(word.replace(f"{MODEL}.{INIT_ARGS}.", f"{MODEL}.", 1))
    return found


def flat_content(content: Any) -> Any:
    """Return the content of a configuration file with the options of the model directly below `model`."""
    if not isinstance(content, Mapping) or _split(content.get("model"))[0] is None:
        return content
    return {**content, "model": _split(content["model"])[1]}


def with_class(text: str, class_path: str) -> str:
    """Return a configuration in YAML whose model has a class of the user's."""
    content = parse_yaml(text)
    return _dumped({**content, "model": {CLASS_PATH: class_path, INIT_ARGS: content["model"]}})


def find_model(name: str | None, base: type, command: str) -> type:
    """Return the class to train: `base`, or a subclass that the user wrote.

    Args:
        name: Its import path, or the name of `base`; None for `base`.
        base: The class that the command trains by default.
        command: Name of the command.

    Raises:
        UnknownNameError: For a name that is not an import path.
        ImportNotAllowedError: For a package that the user does not allow.
        UsageError: For a class of another kind.
    """
    if name in (None, base.__name__, path_of(base)):
        return base
    name = str(name)
    if "." not in name:
        raise UnknownNameError(
            f"{MODEL} class", name, [base.__name__], "Or the import path of your own class: mylab.Model."
        )
    kind = find_class(name, MODEL, base)
    if not issubclass(kind, base):
        raise UsageError(
            f"{MODEL} {name}: is not a subclass of {base.__name__}, which `sercl {command}` trains."
        )
    return kind


def check_options(kind: type, base: type, names: set[str], needed: set[str]) -> None:
    """Raise `UsageError` for a class that lacks options of its base without which a command cannot work.

    Args:
        kind: The class.
        base: Its base.
        names: Its options.
        needed: Those that it must have.
    """
    if lacking := sorted(needed - names):
        raise UsageError(
            f"{MODEL} {path_of(kind)}: its constructor does not take {', '.join(lacking)}. Let it take "
            f"**kwargs and pass them to {base.__name__}: def __init__(self, width: int = 3, **kwargs): ... "
            "super().__init__(**kwargs)."
        )


def _options(words: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    for place, word in enumerate(words):
        name, sign, value = word.partition("=")
        following = words[place + 1] if place + 1 < len(words) else None
        if name.startswith("-"):
            yield name, value if sign else following


def _files(words: Sequence[str]) -> list[Path]:
    """Return the configuration files of a command line, the last one first."""
    found = [value for name, value in _options(words) if name in ("-c", "--config") and value]
    return [Path(value) for value in reversed(found) if not value.lstrip().startswith("{")]


def _in_file(path: Path) -> str | None:
    try:
        content = read_yaml(path)
    except (OSError, DocumentError):  # reported where the file is parsed
        return None
    return _split(content.get("model"))[0] if isinstance(content, Mapping) else None


def _split(group: Any) -> tuple[str | None, dict[str, Any]]:
    """Return the class that a group of options names, if any, and the options."""
    if not isinstance(group, Mapping) or not isinstance(group.get(CLASS_PATH), str):
        return None, {}
    inner = group.get(INIT_ARGS) or {}
    if not isinstance(inner, Mapping):
        raise UsageError(f"{MODEL}.{INIT_ARGS}: {str(inner)[:80]!r} is not valid. Valid: a map of options.")
    rest = {name: value for name, value in group.items() if name not in (CLASS_PATH, INIT_ARGS)}
    return str(group[CLASS_PATH]), {**inner, **rest}


def _is_config(value: str) -> bool:
    """Whether a value is a map of options, or a file with one, not a class."""
    return value.lstrip().startswith("{") or Path(value).suffix in (".yaml", ".yml", ".json")


def _parsed(value: str) -> Any:
    try:
        return parse_yaml(value) if value.lstrip().startswith("{") else read_yaml(Path(value))
    except (OSError, DocumentError):  # reported where it is parsed
        return None


def _in_line(content: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(dict(content), default_flow_style=True, sort_keys=False, width=10_000)).strip()


def _dumped(content: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True))
