"""The form in which a corpus is written in YAML, shown with the user's own values where another was tried."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sercl.documents import read_yaml
from sercl.errors import DocumentError

UNKNOWN = "CORPUS"
"""Stands for the name of a class that the value does not tell."""
_NAMING = ("class", "corpus", "name", "type", "reader")
_TABLES = (".csv", ".tsv", ".jsonl", ".parquet")


def corrected(value: object, key: str, classes: Sequence[str]) -> str | None:
    """Return a value in the form that its option takes, as YAML; None where it has that form.

    Args:
        value: What the user wrote for one corpus, a list of them, or a map of own names to them.
        key: The option, without dashes: the last part tells which of the three it takes.
        classes: Names of the classes that it takes.
    """
    if key == "study.corpora":
        right: object = {name: _one(own, classes, name) for name, own in _named(value)}
    elif key.rpartition(".")[2] == "corpora":
        right = [_one(own, classes, name) for name, own in _named(value)]
    elif isinstance(value, Mapping):
        right = _one(value, classes)
    else:
        return None  # a name alone is a form, too
    if right == value or not right or not _kinds(right) <= {*classes, UNKNOWN}:
        return None  # of a class that does not exist, another message says so
    return yaml.safe_dump(right, default_flow_style=True, sort_keys=False, width=10_000).strip()


def written(files: Iterable[Path], key: str) -> object:
    """Return what the last of some configuration files says for an option; None where none does."""
    found: object = None
    for path in files:
        try:
            content = read_yaml(path)
        except (OSError, DocumentError):
            continue
        for part in key.split("."):
            inner = content.get("init_args") if isinstance(content, Mapping) else None
            content = {**content, **inner} if isinstance(inner, Mapping) else content
            content = content.get(part) if isinstance(content, Mapping) else None
        found = content if content is not None else found
    return found


def _kinds(forms: Any) -> set[str]:
    own = [forms] if "class_path" in forms else forms.values() if isinstance(forms, Mapping) else forms
    return {str(form["class_path"]).rpartition(".")[2] for form in own}


def _named(value: object) -> list[tuple[str, object]]:
    """Return the corpora of a list or a map, each with the name that it has there, "" for none."""
    if isinstance(value, Mapping) and "class_path" not in value:
        return [(str(name), own) for name, own in value.items()]
    found: list[tuple[str, object]] = []
    for own in value if isinstance(value, list) else [value]:
        if isinstance(own, Mapping) and len(own) == 1 and isinstance(next(iter(own.values())), Mapping):
            found += _named(own)
        else:
            found.append((str(own.get("class_path", "")) if isinstance(own, Mapping) else str(own), own))
    return found


def _one(value: object, classes: Sequence[str], name: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        return _of_map(value, classes, name)
    if value is None or _class_of(str(value), classes):
        return _form(_class_of(str(value or name), classes), {"root": "DIR"})
    return _form(_class_of(name, classes), {"root": str(value)})


def _of_map(value: Mapping[Any, Any], classes: Sequence[str], name: str) -> dict[str, Any]:
    options = {str(key): own for key, own in value.items() if key not in ("class_path", "init_args")}
    inner = value.get("init_args")
    if "class_path" in value:
        return {"class_path": value["class_path"], "init_args": {**(inner or {}), **options}}
    if len(options) == 1 and (kind := _class_of(next(iter(options)), classes)):
        return _one(
            {"class_path": kind, "init_args": next(iter(options.values())) or {"root": "DIR"}}, classes
        )
    named = next((key for key in _NAMING if _class_of(str(options.get(key)), classes)), None)
    kind = _class_of(str(options.pop(named)) if named else name, classes)
    return _form(kind, {**(inner if isinstance(inner, Mapping) else {}), **options})


def _form(kind: str, options: dict[str, Any]) -> dict[str, Any]:
    is_table = str(options.get("root", "")).lower().endswith(_TABLES)
    return {"class_path": kind or ("Manifest" if is_table else UNKNOWN), "init_args": options}


def _class_of(name: str, classes: Sequence[str]) -> str:
    """Return the class that a name means, whatever its case and punctuation; "" for none."""
    plain = "".join(filter(str.isalnum, name)).lower()
    return next((kind for kind in classes if kind.lower() == plain), "")
