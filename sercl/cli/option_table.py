"""A file with the options of all commands, so that misspelt ones are found before heavy imports.

`options.json` is written by `python -m sercl.cli.options_file`; a test compares it with the parsers.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

from sercl.errors import UsageError

FLAG, VALUE, LIST, TUPLE, CLASS, FILES = "flag", "value", "list", "tuple", "class", "files"
PART = "part"
"""Kinds of options: without a value; with one; with several, one by one or only together; a class with its
own options; `-c`; a name or import path, whose arguments are below it."""

Kinds = Mapping[str, str]
"""Long option -> its kind."""

_NUMBERS = re.compile(r"-?[\d.]+(e-?\d+)?(,-?[\d.]+(e-?\d+)?)+")
_WORDS = re.compile(r"[\w.+*/-]+(,[\w.+*/-]+)+")
_SEVERAL_CORPORA = (
    " To train on one corpus and test on another: --data LanguagePair --data.source A --data.target B; "
    "on several together: --data Corpora --data.corpora+=A --data.corpora.root DIR --data.corpora+=B ..."
)


@dataclass(frozen=True)
class Given:
    """An option on a command line.

    Attributes:
        option: Its long name as the parser has it, without `+` and the levels `init_args`.
        value: Its value, None if it has none.
        adds: Whether it adds to a list (`--x+=1`).
        position: Position on the command line.
    """

    option: str
    value: str | None
    adds: bool
    position: int


def canonical(words: Sequence[str], kinds: Kinds) -> list[str]:
    """Return the arguments in the parser's form, for alternative spellings.

    `-` and `_` are the same in a name; a list may be written with commas alone; options of a class may
    precede its name (`--data.folds.count 4 --data Manifest`).

    Args:
        words: A command line.
        kinds: The options of the command.
    """
    spellings = {name.replace("_", "-"): name for name in kinds}
    end = words.index("--") if "--" in words else len(words)
    spelt = _lists([_spelt(word, spellings) for word in words[:end]], kinds)
    return [*_parts_with_arguments(_classes_first(spelt), kinds), *words[end:]]


def given(words: Sequence[str], kinds: Kinds) -> Iterator[Given]:
    """Yield the options of a command line, up to a bare `--`."""
    for position, word in enumerate(words):
        if word == "--":
            return
        if not word.startswith("--"):
            continue
        name, sign, value = word.partition("=")
        option = plain(name)
        follows = not sign and position + 1 < len(words) and kinds.get(option) != FLAG
        found = value if sign else words[position + 1] if follows else None
        yield Given(option, found, name.endswith("+"), position)


def plain(name: str) -> str:
    """Return the name of an option without `+` and the levels that classes add."""
    return name.removesuffix("+").replace(".init_args.", ".").replace(".dict_kwargs.", ".")


def check_repeats(words: Sequence[str], kinds: Kinds) -> None:
    """Raise `UsageError` for an option of one value that is given twice with different values.

    Appending to a list (`--x+=1`) may be repeated, with the options of each item, and so may `-c`.
    """
    seen: dict[str, str | None] = {}
    lists: list[str] = []
    for word in given(words, kinds):
        if word.adds:
            lists.append(f"{word.option}.")
        repeats = word.adds or kinds.get(word.option) in (FILES, FLAG) or word.option.startswith(tuple(lists))
        if repeats:
            continue
        if word.option in seen and seen[word.option] != word.value:
            more = f" To give several: {word.option}+=VALUE." if kinds.get(word.option) == LIST else ""
            more = _SEVERAL_CORPORA if word.option == "--data" else more
            raise UsageError(
                f"{word.option} is given twice, with {seen[word.option]!r} and {word.value!r}. "
                f"Give it once.{more}"
            )
        seen[word.option] = word.value


def _lists(words: Sequence[str], kinds: Kinds) -> list[str]:
    """Return the arguments with comma-separated lists, `0,1`, in the form of YAML, `[0,1]`."""
    found = list(words)
    for word in given(words, kinds):
        form = _form_of_list(word.option, kinds)
        if word.value is None or word.adds or form is None or not form.fullmatch(word.value):
            continue
        text = f"[{word.value}]"
        name, sign, _ = words[word.position].partition("=")
        if sign:
            found[word.position] = f"{name}={text}"
        else:
            found[word.position + 1] = text
    return found


def _form_of_list(option: str, kinds: Kinds) -> re.Pattern[str] | None:
    """Return the list form of an option's value; None if it accepts no list."""
    if option.startswith("--data."):
        return _NUMBERS  # of a corpus; the value may be a path
    takes_one_by_one = kinds.get(option) == LIST and f"{option}+" in kinds and not option.endswith(".setup")
    return _WORDS if takes_one_by_one or kinds.get(option) == TUPLE else None


def _classes_first(words: Sequence[str]) -> list[str]:
    """Return the arguments with the options of a class after the single one that names it."""
    groups: list[list[str]] = []
    for word in words:
        if word.startswith("--") or not groups:
            groups.append([])
        groups[-1].append(word)
    names = [group[0].partition("=")[0] for group in groups]
    for name in [plain(name) for name in names if not name.endswith("+")]:
        named = [group for group in groups if plain(group[0].partition("=")[0]) == name]
        if len(named) == 1:
            position = groups.index(named[0])
            early = [group for group in groups[:position] if group[0].startswith(f"{name}.")]
            late = [group for group in groups[:position] if not group[0].startswith(f"{name}.")]
            groups = [*late, named[0], *early, *groups[position + 1 :]]
    return [word for group in groups for word in group]


def _parts_with_arguments(words: Sequence[str], kinds: Kinds) -> list[str]:
    """Return the arguments with a part and its arguments as one value: {class_path: ..., ARGUMENT: ...}.

    The arguments are beside `class_path`: with `init_args`, jsonargparse takes it for one of its classes.
    """
    found = list(given(words, kinds))
    queue: list[str | None] = list(words)
    for named in found:
        if kinds.get(named.option) != PART or named.value is None:
            continue
        own = [word for word in found if word.option.startswith(f"{named.option}.")]
        value = _part(named.value)
        for word in own:
            _put(value, word.option.removeprefix(f"{named.option}.").split("."), word.value)
        for word in (named, *own):
            queue[word.position] = None
            if "=" not in words[word.position] and word.value is not None:
                queue[word.position + 1] = None
        is_name = value.keys() == {"class_path"}
        queue[named.position] = f"{named.option}={value['class_path'] if is_name else _in_yaml(value)}"
    return [word for word in queue if word is not None]


def _in_yaml(value: Mapping[str, Any]) -> str:
    import yaml  # takes a tenth of the time of a help page

    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).strip()


def _parsed(text: str) -> Any:
    from sercl.documents import parse_yaml  # imports yaml

    return parse_yaml(text)


def _part(text: str) -> dict[str, Any]:
    """Return the value of a part as a map with its arguments beside `class_path`."""
    value = _parsed(text) if text.lstrip().startswith("{") else {"class_path": text}
    inner = value.get("init_args") if isinstance(value, dict) else None
    if not isinstance(inner, dict):
        return value if isinstance(value, dict) else {"class_path": text}
    return {**{name: each for name, each in value.items() if name != "init_args"}, **inner}


def _put(arguments: dict[str, Any], names: Sequence[str], text: str | None) -> None:
    for name in names[:-1]:
        arguments = arguments.setdefault(name, {})
    arguments[names[-1]] = None if text is None else _parsed(text)


def _spelt(word: str, spellings: Mapping[str, str]) -> str:
    name, sign, value = word.partition("=")
    if name == "-c" and "--config" in spellings:
        return "--config" + sign + value
    if not word.startswith("--") or name in spellings.values():
        return word
    plus = "+" * name.endswith("+")
    same = name.removesuffix("+").replace("_", "-")
    if same in spellings:
        return spellings[same] + plus + sign + value
    parts = name.split(".")  # of a class: its parameters have Python names
    return ".".join([parts[0], *(part.replace("-", "_") for part in parts[1:])]) + sign + value


PATH = Path(__file__).with_name("options.json")


@cache
def read() -> Mapping[str, Mapping[str, Any]]:
    """Return the table.

    "commands" has name -> option -> kind, "data" corpus -> its options, "names" the valid names, "defaults"
    option of `sercl fit` -> plain default, "help" command -> option on its page -> [valid values, text].
    """
    table: dict[str, dict[str, Any]] = json.loads(PATH.read_text(encoding="utf-8"))
    return table


def with_packages(data: Mapping[str, Sequence[str]], named: Iterable[str]) -> dict[str, Sequence[str]]:
    """Return corpus -> its options, with the corpora of installed packages.

    Args:
        data: The table's "data".
        named: Corpora that are to be used; only the packages of these are imported, for their own options.

    Raises:
        PluginError: For a corpus in `named` whose package cannot be used.
    """
    from sercl import plugins  # reads the metadata of packages, for which importlib imports a lot

    if not plugins.names(plugins.CORPORA):
        return dict(data)
    from sercl.corpora.registry import CORPORA, reader_options

    used = {name.rpartition(".")[2] for name in named}
    added = {
        name: reader_options(name) if name in used else () for name in CORPORA.names() if name not in data
    }
    return {**data, **{name: [*data["EmoDB"], *own] for name, own in added.items()}}


def kinds_of(parser: Any) -> dict[str, str]:
    """Return the long options of a parser with their kinds."""
    return {
        name: _kind(action) for name, action in parser._option_string_actions.items() if name.startswith("--")
    }


def _kind(action: Any) -> str:
    name, hint = type(action).__name__, str(getattr(action, "_typehint", None))
    if "ConfigFile" in name:
        return FILES
    if action.nargs == 0:
        return FLAG
    if action.nargs in ("+", "*") or re.search(r"(list|iterable|sequence)\[", hint.lower()):
        return LIST
    if re.search(r"tuple\[", hint.lower()):
        return TUPLE
    if {str, dict[str, Any]} == set(get_args(getattr(action, "_typehint", None))):
        return PART
    has_options = any(word in hint for word in ("sercl.", "lightning.", "dict"))
    return CLASS if has_options and "Literal" not in hint else VALUE
