"""Turn jsonargparse's errors into one message: the option, the value, valid values, the next step.

jsonargparse reports a bad value as a tree: `Parser key "data":` ... `Problem with given class_path ...` ...
`Parser key "n":` ... `Expected a <class 'int'>`. The option is the keys joined by dots, and the leaf gives
the reason.
"""

import argparse
import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import yaml

from sercl.cli.inert import ALLOWED
from sercl.cli.lightning_options import unknown_option
from sercl.documents import parse_yaml, read_yaml
from sercl.errors import DocumentError, UnknownNameError, UsageError, same_name
from sercl.type_hints import plain_type

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser


def option_names(parser: argparse.ArgumentParser, key: str = "", class_path: str = "") -> list[str]:
    """Return the long options of a parser, with those of a class that was chosen for an option.

    Args:
        parser: The parser.
        key: Option that takes a class, without dashes ("data").
        class_path: The class chosen for it.
    """
    names = [name for name in parser._option_string_actions if name.startswith("--")]
    chosen = _loaded(class_path)
    return names + [f"--{key}.{name}" for name in (parameters(chosen) if chosen else ())]


def class_names(parser: argparse.ArgumentParser, key: str) -> list[str]:
    """Return the short names of the classes that an option accepts, of those imported and public."""
    for action in parser._actions:
        if action.dest == key:
            bases = [kind for kind in _flat(getattr(action, "_typehint", None)) if inspect.isclass(kind)]
            return sorted({name for base in bases for name in concrete(base)})
    return []


def _flat(hint: Any) -> Iterator[Any]:
    arguments = get_args(hint)
    if not arguments:
        yield hint
    for argument in arguments:
        yield from _flat(argument)


def concrete(base: Any) -> Iterator[str]:
    """Yield the short names of the public classes that an option of a type accepts, of those imported."""
    if base in (type(None), str, int, float, bool):
        return
    if not inspect.isabstract(base) and not base.__name__.startswith("_"):
        yield base.__name__
    for child in base.__subclasses__():
        yield from concrete(child)


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


UNKNOWN = "CORPUS"
"""Placeholder for a class name that the value does not give."""
_NAMING = ("class", "corpus", "name", "type", "reader")
_TABLES = (".csv", ".tsv", ".jsonl", ".parquet")


def corrected(value: object, key: str, classes: Sequence[str]) -> str | None:
    """Return a value in the form that its option expects, as YAML; None if it already has that form.

    Args:
        value: What the user wrote for one corpus, a list of them, or a map of own names to them.
        key: The option, without dashes: the last part determines which of the three it expects.
        classes: Names of the classes that it accepts.
    """
    if key == "study.corpora":
        right: object = {name: _one(own, classes, name) for name, own in _named(value)}
    elif key.rpartition(".")[2] == "corpora" and _is_map(value):
        right = {name: _one(own, classes, name) for name, own in _named(value)}
    elif key.rpartition(".")[2] == "corpora":
        right = [_one(own, classes, name) for name, own in _named(value)]
    elif isinstance(value, Mapping):
        right = _one(value, classes)
    else:
        return None  # a name alone is valid, too
    if right == value or not right or not _kinds(right) <= {*classes, UNKNOWN}:
        return None  # an unknown class gets another message
    return yaml.safe_dump(right, default_flow_style=True, sort_keys=False, width=10_000).strip()


def written(files: Iterable[Path], key: str) -> object:
    """Return an option's value in the last of some configuration files; None if none sets it."""
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


def _is_map(value: object) -> bool:
    """Whether corpora have names of one's own: a class and nothing else under each."""
    inner = value.values() if isinstance(value, Mapping) and "class_path" not in value else ()
    return bool(inner) and all(isinstance(own, Mapping) and "class_path" in own for own in inner)


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
    return same_name(name, classes) or ""


_NOISE = re.compile(
    r"^\s*(-\s*)?(Parser key .*|Does not validate .*|Subtypes: .*|Errors:|Given value( type)?: .*"
    r"|Problem with given class_path .*|Expected a path but .*|Expected a <class 'NoneType'>)?$"
)

_CORPORA = (
    "data",
    "data.source",
    "data.target",
    "data.corpora",
    "data.source.corpora",
    "data.target.corpora",
    "study.corpora",
)
"""Options that take one corpus or several."""
_OF_FORM = "|".join(
    (
        "instantiatable class, but",
        "Not a valid subclass of",
        "Expected a <class '(dict|list)'>",
        "Expected a dot import path string",
    )
)
"""Message for a corpus that is not given by class_path and init_args."""


@dataclass(frozen=True)
class Complaint:
    """An error of jsonargparse, and where it arose.

    Attributes:
        text: Its message.
        parser: The parser that raised it.
        key: Option without dashes, "" if none is named.
        class_path: The class that was chosen for the option, "" for none.
    """

    text: str
    parser: "ArgumentParser"
    key: str
    class_path: str

    @property
    def hint(self) -> str:
        """The next step: how to list the options."""
        return f"`{self.parser.prog} --help` shows the options."

    @property
    def command(self) -> str:
        """Name of the command."""
        return self.parser.prog.removeprefix("sercl ")

    @property
    def value(self) -> str:
        """The invalid value, "" if the message does not contain it."""
        found = re.search(r"Got value: (.*)|NestedArg\(.*?val='(.*?)'\)|Given value: (.*)", self.text)
        return next((part for part in found.groups() if part is not None), "") if found else ""

    def option(self, name: str = "") -> str:
        """Return the option, or one below it, as written on the command line."""
        path = ".".join(part for part in (self.key, name.lstrip("-")) if part)
        return "--" + path.replace(".init_args.", ".").replace(".class_path", "")


def usage_error(message: str, parser: "ArgumentParser") -> UsageError:
    """Return the error to show for a message of jsonargparse or argparse."""
    keys = re.findall(r'Parser key "([^"]+)"', message)
    classes = re.findall(r"Problem with given class_path '([^']+)'", message)
    complaint = Complaint(message, parser, ".".join(keys), classes[-1] if classes else "")
    if re.search(_OF_FORM, message) and (error := _other_form(complaint)):
        return error
    for pattern, answer in _ANSWERS:
        if found := re.search(pattern, message, flags=re.MULTILINE):
            return answer(complaint, found)
    return UsageError(f"{_prefix(complaint)}{_without_noise(message)}")


def _other_form(complaint: Complaint) -> UsageError | None:
    """Show how to write a corpus, with the user's own values, if another form was used."""
    key = complaint.key.replace(".init_args.", ".")
    classes = class_names(complaint.parser, complaint.key.split(".init_args.")[0]) or class_names(
        complaint.parser, key.split(".")[0]
    )
    if key not in _CORPORA or not classes:
        return None
    given = _on_line(complaint, key)
    value = written(config_files(complaint.parser), key) if given is None else given
    form = None if value is None else corrected(value, key, classes)
    if form is None:
        return None
    names = f" {UNKNOWN} is one of: {', '.join(classes)}." if UNKNOWN in form else ""
    where = _where(complaint)
    return UsageError(
        f"{complaint.option()}: a corpus is given by class_path and init_args{where}. Write: "
        f"{key.rpartition('.')[2]}: {form}{'.' if names else ''}{names}"
    )


def _on_line(complaint: Complaint, key: str) -> object:
    """Return an option's value on the command line, as YAML; None if it is not given."""
    words = words_of(complaint.parser)
    pairs = pairwise([*words, ""])
    found = [word.partition("=")[2] or after for word, after in pairs if word.split("=")[0] == f"--{key}"]
    return parse_yaml(found[-1]) if found else None


def _unknown_option(complaint: Complaint, found: re.Match[str]) -> UsageError:
    option = complaint.option(".".join(found.groups()))
    valid = option_names(complaint.parser, complaint.key, complaint.class_path)
    return unknown_option(option, valid, complaint.command, complaint.value)


def _unrecognized(complaint: Complaint, found: re.Match[str]) -> UsageError:
    word = found[1].split("=")[0]
    if not word.startswith("-"):
        return UsageError(f"unexpected argument {word!r}. {complaint.hint}")
    option = complaint.option(word) if word.startswith("--") else word
    valid = option_names(complaint.parser, complaint.key, complaint.class_path)
    return unknown_option(option, valid, complaint.command, complaint.value)


def _missing(complaint: Complaint, found: re.Match[str]) -> UsageError:
    positionals = {action.dest for action in complaint.parser._actions if not action.option_strings}
    names = [name.strip() for name in found[1].split(",")]
    shown = [name.upper() if name in positionals else complaint.option(name) for name in names]
    return UsageError(f"missing: {', '.join(shown)}. {complaint.hint}")


def _bad_class(complaint: Complaint, found: re.Match[str]) -> UsageError:
    documented = ALLOWED.get(complaint.key, ("", None))[1]
    valid = documented or class_names(complaint.parser, complaint.key)
    name = found.groupdict().get("name") or complaint.value
    more = " A corpus of a package needs that package." if complaint.key in _CORPORA else ""
    return UnknownNameError(f"{complaint.option()} class", name, valid, f"{complaint.hint}{more}")


def _denied(complaint: Complaint, found: re.Match[str]) -> UsageError:
    package, program = found[1].split(".")[0], complaint.parser.prog
    if package == "pytorch_lightning":
        path = found[1].replace(package, "lightning.pytorch", 1)
        return UsageError(f"{_prefix(complaint)}{found[1]!r} is of another package. Write {path}.")
    if package in ("sercl", "lightning", "torch"):
        package = found[1]
    return UsageError(
        f"{_prefix(complaint)}{found[1]!r} may not be imported; values may only name the classes that "
        f"options accept. If you trust it: SERCL_ALLOW_IMPORTS={package} {program} ..."
    )


def _no_module(complaint: Complaint, found: re.Match[str]) -> UsageError:
    return UsageError(f"{complaint.option()}: there is no module {found[1]!r}. {complaint.hint}")


def _no_file(complaint: Complaint, found: re.Match[str]) -> UsageError:
    return UsageError(f"{_prefix(complaint)}no such file: {found[1]}. Check the path.")


def _bad_yaml(complaint: Complaint, found: re.Match[str]) -> UsageError:
    path = next((path for path in config_files(complaint.parser) if not _is_yaml(path)), "--config")
    reason = " ".join(line.strip() for line in found[1].splitlines() if "unicode string" not in line)
    lines = re.findall(r"line (\d+), column (\d+)", found[1])
    position = f" line {lines[-1][0]}, column {lines[-1][1]}:" if lines else ""
    return UsageError(f"{path}:{position} not readable as YAML: {reason}.")


def _no_group(complaint: Complaint, found: re.Match[str]) -> UsageError:
    key = re.findall(r'Parser key "([^"]+)"', complaint.text)[-1]
    raw = " For audio as recorded: --preprocess.trim none --preprocess.loudness none." * (key == "preprocess")
    return UsageError(
        f"--{key.replace('.init_args.', '.')}: {found[1][:80]!r} is not valid. Valid: a map of options, or a "
        f"YAML file with one.{raw}"
    )


def _no_map(complaint: Complaint, found: re.Match[str]) -> UsageError:
    files = " or ".join(map(str, config_files(complaint.parser))) or "--config"
    return UsageError(f"{files}: expected a map of options (`data: ...`), found {found[1].strip()!r} first.")


def _bad_choice(complaint: Complaint, found: re.Match[str]) -> UsageError:
    valid = [choice.strip(" '\"") for choice in found["choices"].split(",")]
    return UnknownNameError(f"{found['option'].split('/')[-1]}", found["value"], valid)


def _no_value(complaint: Complaint, found: re.Match[str]) -> UsageError:
    return UsageError(f"{found[1].split('/')[-1]} needs a value. {complaint.hint}")


def _no_text(complaint: Complaint, found: re.Match[str]) -> UsageError:
    return UsageError(
        f"{_prefix(complaint)}a name contains bytes that are not UTF-8 text, which options cannot "
        f"contain. Rename the file or folder, or give its parent folder."
    )


def _bad_value(complaint: Complaint, found: re.Match[str]) -> UsageError:
    leaves = re.findall(r"^( *-? ?)Expected an? (.+?)(?=\. Got value|$)", complaint.text, flags=re.MULTILINE)
    depth = max(len(indent) for indent, _ in leaves)  # outer entries are alternatives to a whole class
    kinds = [plain_type(kind) for indent, kind in leaves if len(indent) == depth]
    valid = " or ".join(dict.fromkeys(kinds))
    where = _where(complaint)
    return UsageError(f"{complaint.option()}: {complaint.value!r} is not valid{where}. Valid: {valid}.")


_ANSWERS: Sequence[tuple[str, Callable[[Complaint, re.Match[str]], UsageError]]] = (
    (r"Importing '([^']+)' is not allowed", _denied),
    (r"codec can't encode character '\\udc\w\w'.*surrogates not allowed", _no_text),
    (r"Option '([^']+)' is not accepted", _unknown_option),
    (r"Group '([^']+)' does not accept option '([^']+)'", _unknown_option),
    (r"unrecognized arguments: (\S+)", _unrecognized),
    (r"the following arguments are required: (.*)", _missing),
    (r"Expected a dot import path string: (?P<name>\S+)", _bad_class),
    (r"Import path does not correspond to a subclass", _bad_class),
    (r"No module named '([^']+)'", _no_module),
    (r"File does not exist: '([^']+)'", _no_file),
    (r"Problems parsing config: ((?s:.*))", _bad_yaml),
    (r'^Parser key "config": ((?s:.*)in "<unicode string>")', _bad_yaml),
    (r"Unable to load config '(.*)'$", _no_group),
    (r"Unexpected config: (.*)", _no_map),
    (
        r"argument (?P<option>\S+): invalid choice: '(?P<value>.*)' \(choose from (?P<choices>.*)\)",
        _bad_choice,
    ),
    (r"argument (\S+): expected (?:one|at least one) argument", _no_value),
    (r"module '[^']+' has no attribute '(?P<name>[^']+)'", _bad_class),
    (r"^ *-? ?Expected an? (?!path but |<class 'NoneType'>)", _bad_value),
)


def words_of(parser: "ArgumentParser") -> list[str]:
    """Return the words of the command line; none where the parser was given an object."""
    return list(getattr(parser, "args", ()))


def config_files(parser: "ArgumentParser") -> list[Path]:
    """Return the configuration files that the command line names."""
    words = words_of(parser)
    pairs = pairwise([*words, ""])
    named = [after if "=" not in word else word.split("=", 1)[1] for word, after in pairs if _is_config(word)]
    return [Path(name) for name in named]


def _is_config(word: str) -> bool:
    return word.split("=")[0] in {"-c", "--config"}


def _is_yaml(path: Path) -> bool:
    try:
        read_yaml(path)
    except (OSError, DocumentError):
        return False
    return True


def _where(complaint: Complaint) -> str:
    """Name the configuration files if the option is not on the command line itself."""
    option, files = complaint.option(), config_files(complaint.parser)
    on_line = any(
        word.split("=")[0].replace(".init_args.", ".") == option for word in words_of(complaint.parser)
    )
    return "" if on_line or not files else f" (set in {' or '.join(map(str, files))})"


def _prefix(complaint: Complaint) -> str:
    return f"{complaint.option()}: " if complaint.key else ""


def _without_noise(message: str) -> str:
    lines = (line.strip().removeprefix("- ") for line in message.splitlines() if not _NOISE.match(line))
    return " ".join(line for line in lines if line)
